/**
 * The contract of the store: runs, their sources and their ended tasks, on disk. Every write is durable against a crash
 * of the process when its promise resolves. Methods reject with the database's error; nothing here answers with one.
 */

import type { AskedStrategy, BatchSpec, Json, RunKind } from '../domain/batch.js'
import type { ComparedRun, ComparisonRecord } from '../domain/comparison.js'
import type { LastTask } from '../domain/diagnostic.js'
import type { ExportedRun, ExportFormat } from '../domain/exports/export.js'
import type { ByPhase } from '../domain/fetch-phases.js'
import type { StageLink } from '../domain/hand-over.js'
import type { ComparisonKey, RunKey } from '../domain/ids.js'
import type { IndexSet } from '../domain/indexset.js'
import type { ReadyTimes } from '../domain/queue-wait.js'
import type { ResultColumns } from '../domain/results.js'
import type { RunRecord, RunState, RunStatus } from '../domain/run.js'
import type { Strategy } from '../domain/strategy.js'
import type { Attempt, StoredTaskStatus, TaskRecord } from '../domain/task.js'
import type { LaneTimeline } from '../domain/timeline.js'
import type { TimeBucket, TimingGroup, TimingPoint } from '../domain/timing-history.js'

/** A launch that has been checked, to be written down. */
export interface NewRun {
  key: RunKey
  spec: BatchSpec
  /** The items of a list source, in order; null for any other. */
  items: readonly unknown[] | null
  /** The file of a file source, which is on disk already; null for any other. */
  file: NewSourceFile | null
  idempotency: Idempotency | null
  createdAt: Date
}

export interface NewSourceFile {
  /** Its name in the folder of uploads. Several runs may have one file. */
  file: string
  /** See LineTable. */
  stretches: Float64Array
}

/** Where the items of a file source are. */
export interface SourceFile {
  path: string
  /** See LineTable. */
  stretches: Float64Array
}

export interface Idempotency {
  /** The token's own space; '' without tokens. */
  space: string
  key: string
  /** Of the input after defaults and key order, SHA-256 in hex. */
  inputHash: string
}

export type CreatedRun =
  | { outcome: 'created'; run: RunRecord }
  /** A run launched earlier with the same key and input. */
  | { outcome: 'existing'; run: RunRecord }
  /** A run launched earlier with the same key and another input. */
  | { outcome: 'conflict'; run: RunRecord }

/** A comparison that has been checked, to be written down. */
export interface NewComparison {
  key: ComparisonKey
  name: string | null
  strategies: AskedStrategy[]
  rounds: number
  createdAt: Date
  /** In the order in which they are to be run. Their source is the same, and so are their labels. */
  runs: { key: RunKey; spec: BatchSpec }[]
  /** As NewRun has them, of all runs together. */
  items: readonly unknown[] | null
  file: NewSourceFile | null
  idempotency: Idempotency | null
}

export type CreatedComparison =
  | { outcome: 'created'; comparison: ComparisonRecord; runs: RunRecord[] }
  /** One launched earlier with the same key and input. */
  | { outcome: 'existing'; comparison: ComparisonRecord }
  /** Something was launched earlier with the same key and another input. */
  | { outcome: 'conflict' }

/** A launch of items that another run has had, to be written down. */
export interface NewRetry {
  key: RunKey
  /** The run whose items they are. */
  of: number
  spec: BatchSpec
  /** Items of the source that it is not about. */
  leftOut: IndexSet
  createdAt: Date
}

/** Ended tasks of one run's stage, to be written in one transaction with the state of the run after them. */
export interface TaskBlock extends ReadyTimes {
  stage: number
  /** Sequence numbers are firstSequence, firstSequence + 1, … over the rows kept. */
  firstSequence: number
  /** The lane that reported the block; null where no item of it has ever been in one. */
  lane: string | null
  columns: ResultColumns
  /** Places of the block that make no row: an attempt that is tried again, an item given back. */
  dropped: ReadonlySet<number> | null
  /** Of items that took several attempts: the place in the block, and all attempts, the last one included. */
  histories: { at: number; attempts: Attempt[] }[]
  /** Run.startedAt as epoch milliseconds: rows keep starts relative to it. */
  runStartedAt: number
}

/** The sketches of a run's times, as bytes (domain/timing.ts makes and reads them). */
export interface RunSketches {
  service: Uint8Array
  queueWait: Uint8Array
  /** As PhaseTimes packs them; null where there are no fetches. */
  phases: Uint8Array | null
}

export interface StageSketches extends RunSketches {
  stage: number
}

/** What is written of one run in one transaction. */
export interface Commit {
  runId: number
  state: RunState
  blocks: TaskBlock[]
  /** Once, when the run has ended and has more tasks than exact percentiles are kept for. */
  sketches: RunSketches | null
  /** As `sketches`, of those stages of a pipeline that have so many tasks by themselves. */
  stageSketches: readonly StageSketches[]
}

export interface RunFilter {
  kind?: readonly RunKind[]
  status?: readonly RunStatus[]
  /** As asked at launch. */
  strategy?: readonly Strategy[]
  name?: string
  function?: string
  host?: string
  /** All of them. */
  labels?: readonly { name: string; value: string }[]
  /** This instant included. */
  createdAfter?: Date
  /** This instant excluded. */
  createdBefore?: Date
}

export type RunOrder = 'CREATED_DESC' | 'CREATED_ASC' | 'DURATION_DESC' | 'DURATION_ASC'

export interface TaskFilter {
  status?: readonly StoredTaskStatus[]
  stage?: number
  lane?: string
  host?: string
  errorCode?: string
  minServiceMs?: number
}

export type TaskOrder = 'INDEX' | 'SLOWEST' | 'STARTED' | 'ENDED'

/** A place in an order: the values that it sorts by. Opaque to clients, see domain/cursors.ts. */
export type Position = readonly number[]

/** A window of an ordered list. Exactly one of `first` and `last` is used. */
export interface PageRequest {
  first?: number
  last?: number
  after?: Position
  before?: Position
}

export interface Page<Row> {
  rows: { row: Row; position: Position }[]
  hasNextPage: boolean
  hasPreviousPage: boolean
}

export interface ErrorGroup {
  code: string
  message: string
  count: number
  /** The first task of the group. */
  sample: TaskRecord
}

/** A body that a run holds. */
export interface StoredBody {
  path: string
  bytes: number
}

/** What a deleted run has left: its file and its bodies, and then rows. */
export type Leftover = 'FILES' | 'ROWS'

/** A run that has just been deleted. */
export interface DeletedRun {
  id: number
  key: RunKey
}

/** What an item has come to the next stage with. */
export interface HandedOver {
  index: number
  /** See domain/hand-over.ts. */
  text: string
  /** When the stage before had ended, in milliseconds after Run.startedAt. */
  readyMs: number
}

export interface TimingHistoryQuery {
  filter: RunFilter
  bucket: TimeBucket
  groupBy: TimingGroup
  /** The name of the label that is grouped by; null for every other group. */
  label: string | null
}

export type TimeColumn = 'serviceMs' | 'queueWaitMs'

/** Which tasks of a run are meant: all of them, where both are null. */
export interface TaskScope {
  stage: number | null
  host: string | null
}

/** Service times of SUCCEEDED and FAILED tasks that had an attempt. */
export interface ServiceSample {
  /** Ascending, in milliseconds. */
  timesMs: Float64Array
  /** How many of these tasks failed. */
  failed: number
  /** Whether these are all that there are; else a sample, even over the order of the commits. */
  isWhole: boolean
  /** See driftOf. */
  drift: number
  /** What the whole run fetched from, in order, the first ten. */
  hosts: string[]
}

/** What writes rejects with a StorageError where nothing can be written now, whatever it is: the disk is full, the database is locked. */
export interface Store {
  /** Writes a launch down, or finds the one that its idempotency key names; atomic between simultaneous launches. */
  createRun(run: NewRun): Promise<CreatedRun>
  /** What createRun finds for this key; null where it would write. */
  earlierRun(idempotency: Idempotency): Promise<CreatedRun | null>
  /** Writes a retry down, with a source of its own: what it needs of that of the other run. Null where that one is not there any more. */
  createRetry(retry: NewRetry): Promise<RunRecord | null>
  /** As createRun, for a comparison and all its runs; their order is that of their ids. */
  createComparison(comparison: NewComparison): Promise<CreatedComparison>
  /** What createComparison finds for this key; null where it would write. */
  earlierComparison(idempotency: Idempotency): Promise<CreatedComparison | null>
  /** The server ended while they ran, which is in their times. */
  noteInterrupted(runIds: readonly number[]): Promise<void>
  /**
   * Writes all commits in one transaction, rows and run states together. Where it rejects nothing is written and the
   * same commits may be given again: the columns are not transferred away.
   */
  commit(commits: readonly Commit[]): Promise<void>

  /**
   * Takes an ended run away: from now on nobody finds it, and its idempotency key is free. False where it is not there, or has
   * not ended. What it has left goes with purgeRuns. A comparison goes with the last of its runs.
   */
  deleteRun(runId: number): Promise<boolean>
  /**
   * Does the same to the next of those that ended before an instant, the one that ended first first: as many as a few milliseconds
   * are enough for, `max` at most. None where there is none left.
   */
  deleteFinished(before: Date, max: number): Promise<DeletedRun[]>
  /** Runs that were deleted and have left something, oldest first. */
  deletedRuns(): Promise<number[]>
  /**
   * Removes the next part of what deleted runs have left, of each its files first (its own, and bodies that no other run holds): one run
   * after the other, the first one at least, and as many as a few milliseconds are enough for. Answers with what is left then of each
   * that it came to, null for nothing.
   */
  purgeRuns(runIds: readonly number[]): Promise<(Leftover | null)[]>

  run(key: RunKey): Promise<RunRecord | null>
  runById(id: number): Promise<RunRecord | null>
  /** Runs that repeat items of this one, oldest first. */
  retriesOf(runId: number, limit: number): Promise<RunRecord[]>
  runs(filter: RunFilter, order: RunOrder, page: PageRequest): Promise<Page<RunRecord>>
  countRuns(filter: RunFilter): Promise<number>
  /** QUEUED, RUNNING and PAUSED runs, oldest first. */
  unfinishedRuns(): Promise<RunRecord[]>

  comparison(key: ComparisonKey): Promise<ComparisonRecord | null>
  comparisonById(id: number): Promise<ComparisonRecord | null>
  /** The latest first. */
  comparisons(page: PageRequest): Promise<Page<ComparisonRecord>>
  countComparisons(): Promise<number>
  /** In the order in which they are run: what is compared of them, and all of it. */
  comparedRuns(comparisonId: number): Promise<ComparedRun[]>
  runsOfComparison(comparisonId: number): Promise<RunRecord[]>

  task(runId: number, stage: number, index: number): Promise<TaskRecord | null>
  tasks(runId: number, filter: TaskFilter, order: TaskOrder, page: PageRequest): Promise<Page<TaskRecord>>
  countTasks(runId: number, filter: TaskFilter): Promise<number>
  /** In the order of the commits, after this sequence number. */
  tasksAfter(runId: number, sequence: number, limit: number): Promise<TaskRecord[]>
  errors(runId: number, first: number): Promise<ErrorGroup[]>

  /** The file of the body with this SHA-256; null where no run holds it, or somebody else took it away. */
  body(sha256: string): Promise<StoredBody | null>
  /** Its first bytes, all of it where it has not more. */
  bodyBeginning(sha256: string, maxBytes: number): Promise<Uint8Array | null>

  /**
   * The items of a list or file source at these indexes; asking for neighbours costs one read. Of a file not all may come: at
   * least the first, and the others as far as they fit into 16 MB. A line that is no request is an UnsendableRequest, one that
   * is no input its text, shortened. Rejects with what is wrong where the file cannot be read.
   */
  items(runId: number, indexes: readonly number[]): Promise<Map<number, Json>>
  /** Items that a run is not about: of a retry what it leaves out; null of any other run. `total`: of the source. */
  leftOut(runId: number, total: number): Promise<IndexSet | null>
  /** Of an ended run, what a retry of it leaves out: items that went through every stage, and those that it left out itself. */
  settledItems(runId: number, total: number): Promise<IndexSet>
  /** All indexes of a stage that have a row: what recovery does not run again. */
  endedIndexes(runId: number, stage: number, total: number): Promise<IndexSet>
  /** All indexes that have succeeded in a stage: what the next one is to have, or has had. */
  succeededIndexes(runId: number, stage: number, total: number): Promise<IndexSet>
  /**
   * What items that have succeeded in a stage hand over by this link; those that have not, or are not on disk yet, are left
   * out. Of long ones not all may come: at least the first, and the others as far as they fit into 16 MB.
   */
  handedOver(
    place: { runId: number; stage: number; link: StageLink },
    indexes: readonly number[],
  ): Promise<HandedOver[]>
  /** The times of all SUCCEEDED and FAILED tasks that had an attempt, unsorted; stage null: of all stages. */
  times(runId: number, stage: number | null, column: TimeColumn): Promise<Float64Array>
  /** The same of the phases of those that are fetches: what is null is left out. */
  phaseTimes(runId: number, stage: number | null): Promise<ByPhase<Float64Array>>
  /** Of these tasks of a run, `max` at most: the same ones whenever it is asked, as long as no more are committed. */
  serviceSample(runId: number, scope: TaskScope, max: number): Promise<ServiceSample>
  /** Of a run, or of a stage of a pipeline. */
  sketches(runId: number, stage: number | null): Promise<RunSketches | null>
  /**
   * What runs took that have ended, by the time that they ended in, the earliest first. Of runs that were deleted it is told by days and
   * weeks. Null where there are more than MAX_POINTS.
   */
  timingHistory(query: TimingHistoryQuery): Promise<TimingPoint[] | null>
  /** What ran when, of all that has been committed: see TimelineFold. Empty where nothing has. */
  timeline(runId: number, maxSpans: number): Promise<LaneTimeline[]>
  /** Of the run's last `limit` tasks, in the order of the commits, those of the stage that had an attempt and were not cancelled; in no order. */
  lastTasks(runId: number, stage: number, limit: number): Promise<LastTask[]>
  /**
   * The outputs of SUCCEEDED tasks of the last stage as JSON texts, by index; null elsewhere. `onRead` is told how many characters
   * more have been read; where it throws, no more are, and this rejects.
   */
  outputs(runId: number, total: number, onRead?: (characters: number) => void): Promise<(string | null)[]>

  /**
   * A file of all tasks that had ended when its first piece was asked for: UTF-8, in pieces of some hundred kilobytes. Rejects where not
   * all of it can be had, as when the run is deleted meanwhile. Whoever takes no more of it calls `return`.
   */
  exportRun(run: ExportedRun, format: ExportFormat): AsyncGenerator<Uint8Array, void>

  /** The file of a file source; null for a run of any other. */
  sourceFile(runId: number): Promise<SourceFile | null>

  /** Resolves when all that is committed so far would outlive a power cut as well: a commit by itself outlives the process. */
  synced(): Promise<void>
  /** Writes something that changes nothing: resolves where a commit is likely to succeed now. */
  proveWritable(): Promise<void>

  /** Ends the writer after what was handed to it; safe to call twice. */
  close(): Promise<void>
}
