/** One batch under several strategies: what its runs add up to. All of it follows from the runs: nothing is kept twice. */

import type { AskedStrategy } from './batch.js'
import type { ComparisonKey, RunKey } from './ids.js'
import { isFinalRunStatus, type RunStatus } from './run.js'
import { type Distribution, distributionFromValues } from './timing.js'

/** A comparison as it is stored: what was asked. */
export interface ComparisonRecord {
  /** The store's own number. */
  id: number
  key: ComparisonKey
  name: string | null
  /** Each once, in the order in which they were asked. */
  strategies: AskedStrategy[]
  rounds: number
  createdAt: Date
}

/** One of its runs, as far as it is compared. */
export interface ComparedRun {
  key: RunKey
  status: RunStatus
  sequence: number
  strategy: AskedStrategy
  /** In flight at most, as executed; null until it starts. */
  concurrency: number | null
  /** From its first task's start to its last one's end; null before it has ended, and where none was timed. */
  wallMs: number | null
  failedTasks: number
  /** Whether it has ended without having run to its end: cancelled, ended by failFast, or unable to go on. */
  isCutShort: boolean
  /** Whether it has ended as it could not go on: Run.failure says why. */
  hasFailure: boolean
  /** Whether the server ended while it ran: that is in its wall time. */
  wasInterrupted: boolean
}

/** What the runs of one strategy took. */
export interface ComparisonRow {
  strategy: AskedStrategy
  /** Those that count. */
  runs: number
  wallMs: Distribution
  /** SEQUENTIAL's median wall time over this one's; null where SEQUENTIAL is not among the rows, or a median is 0. */
  speedup: number | null
  /** speedup / concurrency as executed. */
  efficiency: number | null
}

/** Follows from its runs, in the order in which they are run. */
export function comparisonStatus(runs: readonly Pick<ComparedRun, 'status'>[]): RunStatus {
  const statuses = runs.map(({ status }) => status)
  if (statuses.includes('PAUSED')) return 'PAUSED'
  if (!statuses.every(isFinalRunStatus)) return statuses.every((one) => one === 'QUEUED') ? 'QUEUED' : 'RUNNING'
  // To cancel a comparison is to cancel all that is left of it: the last run tells.
  if (statuses.at(-1) === 'CANCELLED') return 'CANCELLED'
  if (statuses.every((one) => one === 'SUCCEEDED')) return 'SUCCEEDED'
  return statuses.some((one) => one === 'SUCCEEDED' || one === 'PARTIAL') ? 'PARTIAL' : 'FAILED'
}

/** A run that counts. */
export interface MeasuredRun extends ComparedRun {
  wallMs: number
}

/**
 * Those that ran to their end. One that a restart has cut in two took longer than its strategy takes: it counts only where its
 * strategy has no other.
 */
export function measuredRuns(runs: readonly ComparedRun[]): MeasuredRun[] {
  const ended = runs.filter(
    (run): run is MeasuredRun => isFinalRunStatus(run.status) && !run.isCutShort && run.wallMs !== null,
  )
  const whole = new Set(ended.filter(({ wasInterrupted }) => !wasInterrupted).map(({ strategy }) => strategy))
  return ended.filter(({ wasInterrupted, strategy }) => !wasInterrupted || !whole.has(strategy))
}

/** A row for each strategy that has a run to go by, in the order in which they were asked. */
export function comparisonRows(strategies: readonly AskedStrategy[], runs: readonly ComparedRun[]): ComparisonRow[] {
  const measured = measuredRuns(runs)
  const columns = strategies
    .map((strategy) => ({ strategy, own: measured.filter((run) => run.strategy === strategy) }))
    .filter(({ own }) => own.length > 0)
    .map(({ strategy, own }) => ({ strategy, own, wallMs: distributionFromValues(ascending(own, 'wallMs')) }))
  const baseline = columns.find(({ strategy }) => strategy === 'SEQUENTIAL')
  return columns.map(({ strategy, own, wallMs }) => {
    const ratio = baseline ? baseline.wallMs.percentile(0.5) / wallMs.percentile(0.5) : Number.NaN
    const speedup = Number.isFinite(ratio) && ratio > 0 ? ratio : null
    // The middle one: under AUTO, and after a start with other settings, they may differ.
    const concurrency = ascending(own, 'concurrency')[(own.length - 1) >> 1]!
    return { strategy, runs: own.length, wallMs, speedup, efficiency: speedup && speedup / Math.max(1, concurrency) }
  })
}

function ascending(runs: readonly MeasuredRun[], column: 'wallMs' | 'concurrency'): Float64Array {
  return Float64Array.from(runs, (run) => run[column] ?? 1).sort()
}
