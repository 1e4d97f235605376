/** What the demonstration measures, and what follows from it. */

import type { Diagnosis } from './api.js'
import type { LaneTimeline } from './lanes-picture.js'

export const STRATEGIES = ['SEQUENTIAL', 'ASYNC', 'THREADS', 'PROCESSES'] as const
export type Strategy = (typeof STRATEGIES)[number]

/** One run, as the server measured it. */
export interface Measurement {
  strategy: Strategy
  lanes: number
  /** In flight at most, as executed. */
  concurrency: number
  wallMs: number
  serviceTotalMs: number
  meanConcurrency: number
  cpuMs: number
  /** What held it back, as the server sees it. */
  diagnostics: Diagnosis[]
  /** What ran when. */
  timeline: LaneTimeline[]
}

/** Beside a measured sequential run; null where there is none. */
export interface Row extends Measurement {
  speedup: number | null
  /** speedup / concurrency. */
  efficiency: number | null
}

/** What the tasks of an example spend their time on. */
export type Work = 'WAITING' | 'COMPUTING'

/** One example with all its runs. */
export interface Outcome {
  title: string
  /** What was run, in a sentence. */
  about: string
  work: Work
  /** Whether what ran when is shown. */
  isPictured: boolean
  rows: Row[]
  /** What was found right with the outputs, or wrong. */
  check: Check
}

export interface Check {
  ok: boolean
  message: string
}

export function toRows(measurements: readonly Measurement[]): Row[] {
  const baseline = measurements.find((one) => one.strategy === 'SEQUENTIAL')
  return measurements.map((one) => {
    const speedup = baseline && one.wallMs > 0 ? baseline.wallMs / one.wallMs : null
    return { ...one, speedup, efficiency: speedup === null ? null : speedup / one.concurrency }
  })
}

/** The quickest; undefined of nothing. */
export function fastest(rows: readonly Row[]): Row | undefined {
  return rows.toSorted((a, b) => a.wallMs - b.wallMs)[0]
}
