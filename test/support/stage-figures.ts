/** Figures of stages, for the rules of diagnostics: made by hand, and as they were measured. */

import { readFileSync } from 'node:fs'
import type { DiagnosticCode, LastTask, StageFigures } from '../../src/domain/diagnostic.js'
import { emptyMoments, type Moments } from '../../src/domain/timing.js'

/** Of `count` tasks that took the same. */
export function equalTimes(count: number, eachMs: number): Moments {
  return { ...emptyMoments(), count, min: eachMs, max: eachMs, sum: count * eachMs, mean: eachMs }
}

/** Ten tasks of 100 ms of CPU, on both of two cores: a run that nothing held back. */
export function stageFigures(changes: Partial<StageFigures> = {}): StageFigures {
  return {
    stage: null,
    stageNumber: null,
    kind: 'COMPUTE',
    strategy: 'THREADS',
    isChosen: false,
    lanes: 2,
    concurrency: 2,
    cores: 2,
    sharesPace: false,
    isOver: true,
    wasPaused: false,
    endsRun: true,
    wallMs: 500,
    lastEndMs: 500,
    service: equalTimes(10, 100),
    cpuMs: 1_000,
    load: { busyMs: 1_000, coreWaitMs: 0 },
    hosts: [],
    lastTasks: null,
    ...changes,
  }
}

/** A run that was measured, on two cores. */
export interface MeasuredRun {
  name: string
  /** What held it back. */
  codes: DiagnosticCode[]
  figures: StageFigures
}

type Measured = Omit<StageFigures, 'lastTasks'> & {
  name: string
  codes: DiagnosticCode[]
  lastTasks: [index: number, endedMs: number, serviceMs: number, cpuMs: number | null][] | null
}

/**
 * Each shape of work under each strategy, launched on the built server one after the other, on a machine that had other work: a load of 6
 * to 10 on its two cores, and of 7 to 25 for those "beside much other work".
 */
export function measuredRuns(): MeasuredRun[] {
  const lines = readFileSync(new URL('./measured-runs.jsonl', import.meta.url), 'utf8')
    .trim()
    .split('\n')
  return lines.map((line) => {
    const { name, codes, lastTasks, ...measured } = JSON.parse(line) as Measured
    const last = lastTasks?.map(
      ([index, endedMs, serviceMs, cpuMs]): LastTask => ({ index, endedMs, serviceMs, cpuMs }),
    )
    return { name, codes, figures: { ...stageFigures(), ...measured, lastTasks: last ?? null } }
  })
}
