/** Two runs, by the service times of their tasks: how they differ, and whether by more than chance. */

import { measurable } from './clock-step.js'
import { mannWhitney } from './mann-whitney.js'
import { medianRatio } from './median-ratio.js'
import type { RunStatus } from './run.js'

/** Tasks of one run that are compared at most. */
export const MAX_COMPARED_TASKS = 10_000

/** One of the two, or the part of it that is compared. */
export interface ComparedTasks {
  /** Service times, ascending, in milliseconds. */
  timesMs: Float64Array
  /** How many of these tasks failed. */
  failed: number
  /** Whether these are all that there are; else an even sample. */
  isWhole: boolean
  /** See driftOf. */
  drift: number
  status: RunStatus
  /** What was run, and how. */
  setting: RunSetting
}

/** What may make two runs differ besides what the one who compares them has in mind. */
export interface RunSetting {
  /** A word a stage: `fetch`, or the name of its function. */
  work: readonly string[]
  hosts: readonly string[]
  /** As executed, one a stage; none before it has started. */
  strategies: readonly string[]
  /** Tasks in flight at most, one a stage, likewise. */
  concurrency: readonly number[]
}

/** What is known of both service times. */
export interface TimesComparison {
  baselineMedianMs: number
  candidateMedianMs: number
  /** The candidate's median over the baseline's. */
  ratio: number
  /** 95 % of the ratios that resampling gives lie from here... */
  ratioLow: number
  /** ...to here. */
  ratioHigh: number
  /** Two-sided. */
  pValue: number
  /** The least pValue that there could be of these times, whichever of them belonged to which run. */
  leastPValue: number
  /** In how many of all pairs of their tasks that of the candidate took longer, 0 to 1; equal ones count half. */
  candidateLonger: number
}

/** Both ascending, and with a value at least. */
export function compareTimes(baseline: Float64Array, candidate: Float64Array): TimesComparison {
  const [before, after] = [baseline.map(toNanosecond), candidate.map(toNanosecond)]
  const { firstMs, secondMs, ratio, low, high } = medianRatio(before, after)
  const { p, leastP, secondAbove } = mannWhitney(before.map(measurable), after.map(measurable))
  return {
    baselineMedianMs: firstMs,
    candidateMedianMs: secondMs,
    ratio,
    ratioLow: low,
    ratioHigh: high,
    pValue: p,
    leastPValue: leastP,
    candidateLonger: secondAbove,
  }
}

/** Times are differences of two readings of a clock: equal ones differ in their last digits, and ranks would tell those apart. */
function toNanosecond(ms: number): number {
  return Math.round(ms * 1e6) / 1e6
}
