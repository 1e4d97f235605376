/**
 * The reader's thread: whatever may have to look at many rows to answer with few, or at all of a run. The main thread
 * goes on meanwhile, and so does the writer.
 */

import { workerData } from 'node:worker_threads'
import type { Json } from '../domain/batch.js'
import type { ComparedRun } from '../domain/comparison.js'
import type { LastTask } from '../domain/diagnostic.js'
import type { ExportedRun, ExportFormat } from '../domain/exports/export.js'
import type { ByPhase } from '../domain/fetch-phases.js'
import type { StageLink } from '../domain/hand-over.js'
import type { TaskRecord } from '../domain/task.js'
import type { LaneTimeline } from '../domain/timeline.js'
import type { TimingSums } from '../domain/timing-history.js'
import { BulkReads } from './bulk.js'
import { ComparisonRows } from './comparisons.js'
import { openReader } from './database.js'
import type { ExportReads } from './export-reads.js'
import { OwedParts } from './owed-parts.js'
import { RunLists } from './run-lists.js'
import { ServiceSamples } from './service-samples.js'
import { SettledItems } from './settled-items.js'
import { FileItems } from './source-files.js'
import type {
  HandedOver,
  Page,
  PageRequest,
  RunFilter,
  RunOrder,
  ServiceSample,
  TaskFilter,
  TaskOrder,
  TaskScope,
  TimeColumn,
  TimingHistoryQuery,
} from './store.js'
import { TaskLists } from './task-lists.js'
import { serve } from './thread.js'
import { Timelines } from './timelines.js'
import { TimingHistories } from './timing-histories.js'

/** What the thread is started with. */
export interface ReaderData {
  databasePath: string
  /** The folder of the files of file sources. */
  uploadsDir: string
}

/** What the main thread may ask. */
export interface ReaderMethods {
  /** Answers once the connection is open. */
  ready(): void
  tasks(runId: number, list: { filter: TaskFilter; order: TaskOrder; page: PageRequest }): Page<TaskRecord>
  countTasks(runId: number, filter: TaskFilter): number
  /** Ids. */
  runs(list: { filter: RunFilter; order: RunOrder; page: PageRequest }): Page<number>
  countRuns(filter: RunFilter): number
  comparedRuns(comparisonId: number): ComparedRun[]
  /** Takes turns with other questions. */
  settledItems(runId: number, total: number): Promise<Uint32Array>
  endedIndexes(runId: number, stage: number, total: number): Uint32Array
  succeededIndexes(runId: number, stage: number, total: number): Uint32Array
  handedOver(place: { runId: number; stage: number; link: StageLink }, indexes: readonly number[]): HandedOver[]
  times(runId: number, stage: number | null, column: TimeColumn): Float64Array
  phaseTimes(runId: number, stage: number | null): ByPhase<Float64Array>
  serviceSample(runId: number, scope: TaskScope, max: number): ServiceSample
  lastTasks(runId: number, stage: number, limit: number): LastTask[]
  outputs(runId: number, from: number, to: number): (string | null)[]
  /** Takes turns with other questions. */
  timeline(runId: number, maxSpans: number): Promise<LaneTimeline[]>
  /** The same. */
  timingHistory(query: TimingHistoryQuery): Promise<TimingSums[] | null>
  /** See OwedParts. */
  nextOwed(afterId: number): number | null
  makeParts(runId: number): Promise<Uint8Array>
  /** Items of a file: see FileItems. */
  lines(folder: string, runId: number, indexes: readonly number[]): Json[]
  /** See ExportReads. */
  openExport(run: ExportedRun, format: ExportFormat): Promise<number>
  readExport(file: number): Promise<Uint8Array | null>
  closeExport(file: number): Promise<void>
}

const { databasePath, uploadsDir } = workerData as ReaderData
const db = openReader(databasePath)
const tasks = new TaskLists(db)
const runs = new RunLists(db)
const comparisons = new ComparisonRows(db)
const bulk = new BulkReads(db)
const samples = new ServiceSamples(db)
const settled = new SettledItems(db)
const timelines = new Timelines(db)
const histories = new TimingHistories(db)
const owed = new OwedParts(db)
const files = new FileItems(db)

/** The formats and their libraries are for the one thread that exports: the others start without them. */
let exports: Promise<ExportReads> | null = null

function exporting(): Promise<ExportReads> {
  exports ??= import('./export-reads.js').then(({ ExportReads }) => new ExportReads(db, uploadsDir))
  return exports
}

serve<ReaderMethods>({
  ready: () => {},
  tasks: (runId, list) => tasks.page(runId, list),
  countTasks: (runId, filter) => tasks.count(runId, filter),
  runs: (list) => runs.page(list),
  countRuns: (filter) => runs.count(filter),
  comparedRuns: (comparisonId) => comparisons.runs(comparisonId),
  settledItems: (runId, total) => settled.read(runId, total),
  endedIndexes: (runId, stage, total) => bulk.endedIndexes(runId, stage, total),
  succeededIndexes: (runId, stage, total) => bulk.succeededIndexes(runId, stage, total),
  handedOver: (place, indexes) => bulk.handedOver(place, indexes),
  times: (runId, stage, column) => bulk.times(runId, stage, column),
  phaseTimes: (runId, stage) => bulk.phaseTimes(runId, stage),
  serviceSample: (runId, scope, max) => samples.read(runId, scope, max),
  lastTasks: (runId, stage, limit) => bulk.lastTasks(runId, stage, limit),
  outputs: (runId, from, to) => bulk.outputs(runId, from, to),
  timeline: (runId, maxSpans) => timelines.read(runId, maxSpans),
  timingHistory: (query) => histories.read(query),
  nextOwed: (afterId) => owed.next(afterId),
  makeParts: (runId) => owed.make(runId),
  lines: (folder, runId, indexes) => files.read(folder, runId, indexes),
  openExport: async (run, format) => (await exporting()).open(run, format),
  readExport: async (file) => (await exporting()).read(file),
  closeExport: async (file) => (await exporting()).close(file),
})
