/** The contract of the engine: what the API may ask of the runs, those under way and those long ended. */

import type { BodyPolicy, Header, Json, Label, Reducer } from '../domain/batch.js'
import type { ComparedRun, ComparisonRecord } from '../domain/comparison.js'
import type { Diagnostic } from '../domain/diagnostic.js'
import type { ByPhase } from '../domain/fetch-phases.js'
import type { ComparisonKey, RunKey } from '../domain/ids.js'
import type { BatchPlan } from '../domain/plan.js'
import type { UserError } from '../domain/problems.js'
import type { Progress, RunRecord } from '../domain/run.js'
import type { TimesComparison } from '../domain/run-comparison.js'
import type { StorageTrouble } from '../domain/storage.js'
import type { Strategy } from '../domain/strategy.js'
import type { StrategyCost } from '../domain/strategy-cost.js'
import type { InFlightTask } from '../domain/task.js'
import type { LaneTimeline } from '../domain/timeline.js'
import type { Distribution } from '../domain/timing.js'
import type { UploadedFile } from '../domain/upload.js'
import type { LaneStatus } from '../lanes/lane.js'
import type { RunFilter, TaskScope } from '../store/store.js'
import type { HostStatus } from './hosts.js'

export type { HostStatus } from './hosts.js'

type Maybe<T> = T | null | undefined

export interface RetryInput {
  maxAttempts?: Maybe<number>
  backoffMs?: Maybe<number>
  maxBackoffMs?: Maybe<number>
  unsafe?: Maybe<boolean>
}

export interface BudgetInput {
  wallMs?: Maybe<number>
  serviceP95Ms?: Maybe<number>
  failureRate?: Maybe<number>
}

/** As a client sends them, before any check: the shapes of schema.graphql. */
export interface LaunchOptionsInput {
  name?: Maybe<string>
  labels?: Maybe<Label[]>
  strategy?: Maybe<Strategy>
  concurrency?: Maybe<number>
  lanes?: Maybe<number>
  priority?: Maybe<number>
  failFast?: Maybe<boolean>
  retry?: Maybe<RetryInput>
  timeoutMs?: Maybe<number>
  budget?: Maybe<BudgetInput>
  idempotencyKey?: Maybe<string>
}

export interface FetchOptionsInput {
  bodyPolicy?: Maybe<BodyPolicy>
  maxBytes?: Maybe<number>
  maxRedirects?: Maybe<number>
  headers?: Maybe<Header[]>
  okStatuses?: Maybe<number[]>
  perHostConcurrency?: Maybe<number>
  perHostRate?: Maybe<number>
  dedupe?: Maybe<boolean>
}

export interface LaunchFetchInput {
  source: {
    urls?: Maybe<string[]>
    requests?: Maybe<{ url: string; method?: Maybe<string>; headers?: Maybe<Header[]>; body?: Maybe<string> }[]>
    template?: Maybe<{ template: string; from: number; to: number; step: number }>
    file?: Maybe<UploadedFile>
  }
  fetch?: Maybe<FetchOptionsInput>
  options?: Maybe<LaunchOptionsInput>
}

export interface LaunchComputeInput {
  function: string
  source: {
    inputs?: Maybe<unknown[]>
    range?: Maybe<{ from: number; to: number; step: number }>
    file?: Maybe<UploadedFile>
  }
  chunkSize?: Maybe<number>
  reduce?: Maybe<Reducer>
  options?: Maybe<LaunchOptionsInput>
}

export interface FetchStageInput {
  name?: Maybe<string>
  fetch?: Maybe<FetchOptionsInput>
  urlFrom?: Maybe<string>
  concurrency?: Maybe<number>
  strategy?: Maybe<Strategy>
}

export interface ComputeStageInput {
  name?: Maybe<string>
  function: string
  inputFrom?: Maybe<string>
  concurrency?: Maybe<number>
  strategy?: Maybe<Strategy>
}

/** Exactly one of the two. */
export interface StageInput {
  fetch?: Maybe<FetchStageInput>
  compute?: Maybe<ComputeStageInput>
}

export interface LaunchPipelineInput {
  /** Exactly one of all of them: what the first stage can take. */
  source: LaunchFetchInput['source'] & LaunchComputeInput['source']
  stages: StageInput[]
  options?: Maybe<LaunchOptionsInput>
}

/** Exactly one of the three. */
export interface BatchInput {
  fetch?: Maybe<LaunchFetchInput>
  compute?: Maybe<LaunchComputeInput>
  pipeline?: Maybe<LaunchPipelineInput>
}

export interface LaunchComparisonInput {
  batch: BatchInput
  strategies: Strategy[]
  rounds: number
  name?: Maybe<string>
}

/** Whether a plan may try a few tasks, which runs functions and sends requests; and why it may not. */
export const Probing = { ALLOWED: 'ALLOWED', DECLINED: 'DECLINED', NOT_BY_GET: 'NOT_BY_GET' } as const
export type Probing = (typeof Probing)[keyof typeof Probing]

/** How a plan is asked for. */
export interface PlanCall {
  /** Of the idempotency keys, '' without tokens. */
  space: string
  probing: Probing
  /** Aborted when nobody waits for the plan any more: it rejects with the reason. */
  signal: AbortSignal
}

/** A run, and how far it is now. */
export interface RunView {
  record: RunRecord
  progress: Progress
  /** Of each stage; of a run of one stage the run's own. */
  stages: readonly Progress[]
}

export type LaunchOutcome =
  | { run: RunView; deduplicated: boolean; userErrors: [] }
  | { run: null; deduplicated: false; userErrors: UserError[] }

export type ComparisonOutcome =
  | { comparison: ComparisonRecord; userErrors: [] }
  | { comparison: null; userErrors: UserError[] }

/** What became of a deletion. */
export type DeleteOutcome = { deletedRun: RunKey; userErrors: [] } | { deletedRun: null; userErrors: UserError[] }

/** What became of a change to a run: as it is now. */
export type ControlOutcome = { run: RunView; userErrors: [] } | { run: null; userErrors: UserError[] }

/** What became of a change to many runs. Where there are userErrors, it was made to those that are told of all the same. */
export interface RunsOutcome {
  /** Runs that the filter found. */
  matched: number
  /** Runs that the change was made to. */
  accepted: number
  /** The first hundred of those; of retries the new ones. */
  runs: RunView[]
  userErrors: UserError[]
}

/** Two runs beside each other. */
export interface RunComparison extends TimesComparison {
  baseline: RunView
  candidate: RunView
  /** Those whose times were compared. */
  baselineTasks: number
  candidateTasks: number
  verdict: string
}

export interface PruneOutcome {
  deletedCount: number
  userErrors: UserError[]
}

export interface Engine {
  /** Checks, writes down, and only then answers; rejects with a StorageError where nothing can be written. `space`: of the idempotency keys, '' without tokens. */
  launchFetch(input: LaunchFetchInput, space: string): Promise<LaunchOutcome>
  launchCompute(input: LaunchComputeInput, space: string): Promise<LaunchOutcome>
  launchPipeline(input: LaunchPipelineInput, space: string): Promise<LaunchOutcome>
  launchComparison(input: LaunchComparisonInput, space: string): Promise<ComparisonOutcome>

  /** Says what a launch would do. Nothing is launched, nothing is written down; files that came with it are not kept. */
  planBatch(batch: BatchInput, call: PlanCall): Promise<BatchPlan>

  /** Ends it CANCELLED: answers when it is, or after three seconds as it is by then. */
  cancelRun(key: RunKey): Promise<ControlOutcome>
  /** No new task of it starts from the answer on, also after a restart. */
  pauseRun(key: RunKey): Promise<ControlOutcome>
  resumeRun(key: RunKey): Promise<ControlOutcome>
  /** Cancels those of its runs that have not ended. */
  cancelComparison(key: ComparisonKey): Promise<ComparisonOutcome>
  /**
   * Launches a run of the items of an ended one that did not go through every stage, under the indexes that they had. `retry` null: as
   * that run had it.
   */
  retryRun(key: RunKey, retry: RetryInput | null): Promise<LaunchOutcome>
  /** Does so for every ended run that the filter finds and that has something to repeat, oldest first, until the queue is full. */
  retryRuns(filter: RunFilter): Promise<RunsOutcome>
  /** cancelRun of every run that the filter finds and that has not ended, side by side. */
  cancelRuns(filter: RunFilter): Promise<RunsOutcome>

  /** Takes an ended run away, with its tasks and the bodies that no other run holds. Answers when its bodies are gone. */
  deleteRun(key: RunKey): Promise<DeleteOutcome>
  /** Does so to every run that ended before this instant; of one to come, before now. */
  pruneRuns(finishedBefore: Date): Promise<PruneOutcome>

  run(key: RunKey): Promise<RunView | null>
  /** A stored record as it is now: the live state where the run is under way. */
  view(record: RunRecord): RunView
  /** What is in service now, longest first. */
  inFlight(key: RunKey): InFlightTask[]
  /** Of one stage; null: of all. */
  distribution(run: RunView, stage: number | null, column: 'serviceMs' | 'queueWaitMs'): Promise<Distribution>
  /**
   * Where the fetches' time went, of one stage or null: of all; null where there was no fetch, and of runs of more tasks than exact
   * figures are kept for that were launched before phases were kept.
   */
  phases(run: RunView, stage: number | null): Promise<ByPhase<Distribution> | null>
  /** By the service times of what they have had committed; null where one of them is not there, or has no timed task in that scope. */
  compareRuns(baseline: RunKey, candidate: RunKey, scope: TaskScope): Promise<RunComparison | null>
  /** Lane by lane, what ran when, of all that has been committed: in `maxSpans` spans at most, but one a lane at least. */
  timeline(run: RunView, maxSpans: number): Promise<LaneTimeline[]>
  /** What held the run back, as far as it has come. */
  diagnostics(run: RunView): Promise<readonly Diagnostic[]>
  /** What the run's reducer has made of it; null before the end. `onRead`: see Store.outputs. */
  reduction(run: RunView, onRead?: (characters: number) => void): Promise<Json>
  /**
   * The inputs of these items in this stage: as the client gave them, and in later stages as the stage before did. Rejects with
   * InputsTooLarge where they are too much for an answer.
   */
  inputs(record: RunRecord, stage: number, indexes: readonly number[]): Promise<Map<number, Json>>
  /** The runs of a comparison as they are now, in the order in which they are run; none where it is gone. */
  comparedRuns(comparison: ComparisonRecord): Promise<ComparedRun[]>
  load(): EngineLoad
  /** What all runs have to do with the hosts that they fetch from, `max` of them at most. */
  hosts(max: number): HostStatus[]
  /**
   * What each strategy costs on this machine, measured at the first call: that takes a second or two, after the run of a comparison
   * that has all lanes to itself.
   */
  strategyCosts(): Promise<StrategyCost[]>
}

/** Long lines of a file can make a page that does not fit into memory. */
export class InputsTooLarge extends Error {
  override readonly name = 'InputsTooLarge'
}

export type UnfinishedStatus = 'QUEUED' | 'RUNNING' | 'PAUSED'

export interface EngineLoad {
  /** Tasks of unfinished runs that are not in service; an item is one in each stage. */
  queuedTasks: number
  runningTasks: number
  /** Runs that have not ended. */
  runs: Record<UnfinishedStatus, number>
  /** The age of the oldest task that waits for a lane, from the launch of its run on; null where none waits. */
  oldestQueuedMs: number | null
  lanes: LaneStatus[]
  /** Why nothing can be written down now; null where it can. */
  storageTrouble: StorageTrouble | null
}
