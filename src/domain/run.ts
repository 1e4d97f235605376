/** One launched batch: its states, its counts, and what is stored of it. */

import type { StrategyAdvice } from './advice.js'
import type { BatchSpec, Json, StageSpec } from './batch.js'
import type { TaskError } from './errors.js'
import { type ByPhase, noPhases } from './fetch-phases.js'
import type { RunKey } from './ids.js'
import type { LaneLoad } from './lane-load.js'
import type { HostTally } from './refusals.js'
import type { EffectiveStrategy } from './strategy.js'
import { emptyMoments, type Moments } from './timing.js'

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

/** The status of a run that went to its end: items count, not tasks. `counts`: of its last stage. */
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
  /** Of the last attempts of those that are fetches; left out of what has none, and of runs that were launched before these were kept. */
  phases?: ByPhase<Moments>
  /** What the lanes were busy; left out of runs that lanes did not measure, or not from their first task on. */
  load?: LaneLoad
  /** The first task's start and the last one's end, in milliseconds after startedAt; null before the first end. */
  firstStartMs: number | null
  lastEndMs: number | null
}

/** How a run, or a stage of one, is executed; null until the run starts. */
export interface ExecutionState {
  /** Null also of a run whose stages have different ones. */
  effectiveStrategy: EffectiveStrategy | null
  /** In flight at most. */
  concurrency: number | null
  lanes: number | null
  /** How AUTO chose the three above; null where another strategy was asked for, and until it has chosen. */
  decision: StrategyAdvice | null
}

/** One stage of a pipeline, so far. */
export interface StageState extends ExecutionState {
  counts: RunCounts
  times: RunTimes
  /** Tasks a second over the last five seconds, as of the end. */
  finalThroughput: number
}

/** Before anything has ended. */
export function noCounts(total: number): RunCounts {
  return { total, succeeded: 0, failed: 0, cancelled: 0, skipped: 0, bytes: 0 }
}

/** The same. `stages`: those that it is about. */
export function noTimes(stages: readonly Pick<StageSpec, 'kind'>[] = []): RunTimes {
  const times = { service: emptyMoments(), queueWait: emptyMoments(), cpuMs: 0, firstStartMs: null, lastEndMs: null }
  return stages.some(({ kind }) => kind === 'FETCH') ? { ...times, phases: noPhases() } : times
}

/** The stages of a batch that was just launched, all with so many items; null where it has but one. */
export function queuedStages(
  { kind, source, stages }: Pick<BatchSpec, 'kind' | 'source' | 'stages'>,
  items = source.count,
): StageState[] | null {
  if (kind !== 'PIPELINE') return null
  return stages.map((stage) => ({
    effectiveStrategy: null,
    concurrency: null,
    lanes: null,
    decision: null,
    counts: noCounts(items),
    times: noTimes([stage]),
    finalThroughput: 0,
  }))
}

/** A run as it is stored; for a run that goes on, as of its last commit. */
export interface RunRecord extends ExecutionState {
  /** The store's own number: short, ascending, never shown. */
  id: number
  key: RunKey
  /** The store's number of the comparison that it is a part of; null for a run of its own. */
  comparisonId: number | null
  /** The store's number of the run whose items it repeats, which may have been deleted; null for a run of its own. */
  retryOf: number | null
  status: RunStatus
  spec: BatchSpec
  /** Of all stages together. */
  counts: RunCounts
  times: RunTimes
  /** Of a pipeline; null of a run of one stage, which is that stage itself. */
  stages: StageState[] | null
  /** Rises with each change of status or counts. */
  sequence: number
  /** The last task sequence given out. */
  lastTaskSequence: number
  /** Tasks a second over the last five seconds, as of the end. */
  finalThroughput: number
  /** The fold of what has been committed; see domain/reduction.ts. */
  reduction: Json
  /** How often hosts refused, of those that tell most; null before a fetch has come back, and of computes. */
  refusals: readonly HostTally[] | null
  failure: TaskError | null
  /** It is to end CANCELLED, also where the server ends before. */
  isCancelRequested: boolean
  createdAt: Date
  startedAt: Date | null
  /** When it was resumed last: its items have been waiting since then. */
  resumedAt: Date | null
  finishedAt: Date | null
}

/** The stages of a run, each as it is. */
export function stageStates(run: StageState & { stages: StageState[] | null }): StageState[] {
  return run.stages ?? [run]
}

/** Items that the run is about: all of its source, or those that a retry repeats. */
export function itemsOf({ counts, spec }: Pick<RunRecord, 'counts' | 'spec'>): number {
  return counts.total / spec.stages.length
}

/** Items that went through every stage. */
export function succeededItems(run: StageState & { stages: StageState[] | null }): number {
  return stageStates(run).at(-1)?.counts.succeeded ?? 0
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
  | 'stages'
  | 'sequence'
  | 'lastTaskSequence'
  | 'finalThroughput'
  | 'reduction'
  | 'refusals'
  | 'failure'
  | 'isCancelRequested'
  | 'startedAt'
  | 'resumedAt'
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
