/** One launched batch: its states, its counts, and what is stored of it. */

import type { StrategyAdvice } from './advice.js'
import type { BatchSpec, Json } from './batch.js'
import type { TaskError } from './errors.js'
import type { RunKey } from './ids.js'
import type { EffectiveStrategy } from './strategy.js'
import type { Moments } from './timing.js'

export const RunStatus = {
  QUEUED: 'QUEUED',
  RUNNING: 'RUNNING',
  PAUSED: 'PAUSED',
  SUCCEEDED: 'SUCCEEDED',
  PARTIAL: 'PARTIAL',
  FAILED: 'FAILED',
  CANCELLED: 'CANCELLED',
} as const
export type RunStatus = (typeof RunStatus)[keyof typeof RunStatus]

const FINAL: ReadonlySet<RunStatus> = new Set(['SUCCEEDED', 'PARTIAL', 'FAILED', 'CANCELLED'])

/** Whether nothing more happens to a run of this status. */
export function isFinalRunStatus(status: RunStatus): boolean {
  return FINAL.has(status)
}

/** Counts of tasks that have ended, as committed. What is queued or running follows from `total`. */
export interface RunCounts {
  total: number
  succeeded: number
  failed: number
  cancelled: number
  skipped: number
  /** Bytes received, decoded. */
  bytes: number
}

/** succeeded + failed + cancelled + skipped. */
export function doneOf(counts: RunCounts): number {
  return counts.succeeded + counts.failed + counts.cancelled + counts.skipped
}

/** The status of a run that went to its end. */
export function finalStatus(counts: RunCounts): RunStatus {
  if (counts.succeeded === counts.total) return 'SUCCEEDED'
  return counts.succeeded > 0 ? 'PARTIAL' : 'FAILED'
}

/** Exact figures over the run's SUCCEEDED and FAILED tasks, kept while it runs and stored with each commit. */
export interface RunTimes {
  service: Moments
  queueWait: Moments
  /** CPU time of all lanes, in milliseconds. */
  cpuMs: number
  /** The first task's start and the last one's end, in milliseconds after startedAt; null before the first end. */
  firstStartMs: number | null
  lastEndMs: number | null
}

/** A run as it is stored; for a run that goes on, as of its last commit. */
export interface RunRecord {
  /** The store's own number: short, ascending, never shown. */
  id: number
  key: RunKey
  status: RunStatus
  spec: BatchSpec
  /** As executed; null until the run starts. */
  effectiveStrategy: EffectiveStrategy | null
  concurrency: number | null
  lanes: number | null
  /** How AUTO chose the three above; null where another strategy was asked for, and until it has chosen. */
  decision: StrategyAdvice | null
  counts: RunCounts
  times: RunTimes
  /** Rises with each change of status or counts. */
  sequence: number
  /** The last task sequence given out. */
  lastTaskSequence: number
  /** Tasks a second over the last five seconds, as of the end. */
  finalThroughput: number
  /** The fold of what has been committed; see domain/reduction.ts. */
  reduction: Json
  failure: TaskError | null
  createdAt: Date
  startedAt: Date | null
  finishedAt: Date | null
}

/** What changes with a commit; everything of a record that is not there from the launch. */
export type RunState = Pick<
  RunRecord,
  | 'status'
  | 'effectiveStrategy'
  | 'concurrency'
  | 'lanes'
  | 'decision'
  | 'counts'
  | 'times'
  | 'sequence'
  | 'lastTaskSequence'
  | 'finalThroughput'
  | 'reduction'
  | 'failure'
  | 'startedAt'
  | 'finishedAt'
>

/** How far a run is; see Progress in schema.graphql for the units. */
export interface Progress extends RunCounts {
  queued: number
  running: number
  done: number
  fraction: number
  throughput: number
  elapsedMs: number
  etaMs: number | null
  etaHighMs: number | null
  sequence: number
}
