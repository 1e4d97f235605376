/**
 * The store: Prisma for launches and ordinary reads, a thread that writes what ended, and one that searches. What is read
 * on the main thread costs a few milliseconds at most.
 */

import { join } from 'node:path'
import type Database from 'better-sqlite3'
import type { Json } from '../domain/batch.js'
import type { ComparedRun, ComparisonRecord } from '../domain/comparison.js'
import type { LastTask } from '../domain/diagnostic.js'
import type { ExportedRun, ExportFormat } from '../domain/exports/export.js'
import type { ByPhase } from '../domain/fetch-phases.js'
import type { StageLink } from '../domain/hand-over.js'
import type { ComparisonKey, RunKey } from '../domain/ids.js'
import { IndexSet } from '../domain/indexset.js'
import type { RunRecord } from '../domain/run.js'
import type { TaskRecord } from '../domain/task.js'
import type { LaneTimeline } from '../domain/timeline.js'
import { type TimingPoint, toTimingPoint } from '../domain/timing-history.js'
import { ComparisonRows } from './comparisons.js'
import type { Lock } from './database.js'
import { readExport } from './exports.js'
import type { PrismaClient } from './generated/client.js'
import { Launcher } from './launcher.js'
import { findEarlier, runsOf } from './launches.js'
import { LogSync, syncLog } from './log-sync.js'
import { OwedParts } from './owed-parts.js'
import { PartsFiller } from './parts-filler.js'
import type { Reader } from './reader.js'
import type { ReaderMethods } from './reader-entry.js'
import { toRetryLaunch } from './retry-launches.js'
import { toRunRecord } from './rows.js'
import { RunLists } from './run-lists.js'
import { unpackSelection } from './selections.js'
import { type SourceBlockRow, SourceBlocks } from './source-blocks.js'
import { SourceFileRows } from './source-files.js'
import type {
  Commit,
  CreatedComparison,
  CreatedRun,
  DeletedRun,
  ErrorGroup,
  HandedOver,
  Idempotency,
  Leftover,
  NewComparison,
  NewRetry,
  NewRun,
  Page,
  PageRequest,
  RunFilter,
  RunOrder,
  RunSketches,
  ServiceSample,
  SourceFile,
  Store,
  StoredBody,
  TaskFilter,
  TaskOrder,
  TaskScope,
  TimeColumn,
  TimingHistoryQuery,
} from './store.js'
import type { StoredBodies } from './stored-bodies.js'
import { TaskLists } from './task-lists.js'
import type { StoreThread } from './thread.js'
import { proveRoom, toStorageError } from './trouble.js'
import type { Writer } from './writer.js'

/** Outputs taken from the reader's thread at a time, so that receiving them never holds the main thread up for long. */
const OUTPUTS_AT_ONCE = 10_000

/** What has been opened, and is closed with the store. */
export interface StoreParts {
  /** Of the database. */
  path: string
  prisma: PrismaClient
  writer: Writer
  /** What a run took could not be added up for the history. */
  onPartsFailure(runId: number, error: unknown): void
  /** Searches. */
  reader: Reader
  /** Reads the lines of files, and what the stages of a pipeline take over again: neither shall wait for a search. */
  lines: Reader
  /** Reads exports, which are long. */
  exports: Reader
  db: Database.Database
  bodies: StoredBodies
  /** Released in this order. */
  locks: readonly Lock[]
  uploadsDir: string
}

export class PrismaStore implements Store {
  readonly #parts: StoreParts
  readonly #tasks: TaskLists
  readonly #runs: RunLists
  readonly #comparisons: ComparisonRows
  readonly #blocks: SourceBlocks
  readonly #files: SourceFileRows
  readonly #log: LogSync
  readonly #launcher: Launcher
  readonly #owed: OwedParts
  readonly #filler: PartsFiller
  #closed: Promise<void> | null = null

  constructor(parts: StoreParts) {
    this.#parts = parts
    this.#tasks = new TaskLists(parts.db)
    this.#runs = new RunLists(parts.db)
    this.#comparisons = new ComparisonRows(parts.db)
    this.#blocks = new SourceBlocks((runId, index) => this.#blockAt(runId, index))
    this.#files = new SourceFileRows(parts.db)
    this.#log = new LogSync(() => syncLog(parts.path))
    this.#launcher = new Launcher(parts.writer, this.#comparisons)
    this.#owed = new OwedParts(parts.db)
    this.#filler = new PartsFiller({
      next: (afterId) => this.#searching.call('nextOwed', afterId),
      make: (runId) => this.#searching.call('makeParts', runId),
      put: (runId, bytes) => parts.writer.putParts(runId, bytes),
      onFailure: parts.onPartsFailure,
    })
    this.#filler.fill()
  }

  /** Prisma would open the database again for whoever asks after the end. */
  get #prisma(): PrismaClient {
    this.#refuseAfterEnd()
    return this.#parts.prisma
  }

  #refuseAfterEnd(): void {
    if (this.#closed) throw new Error('the store is closed')
  }

  get #searching(): StoreThread<ReaderMethods> {
    return this.#parts.reader.thread
  }

  createRun(run: NewRun): Promise<CreatedRun> {
    return this.#writing(() => this.#launcher.createRun(this.#prisma, run))
  }

  /** Whatever writes: says of trouble with the disk that it is one. */
  async #writing<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw await toStorageError(this.#parts.path, error)
    }
  }

  synced(): Promise<void> {
    return this.#writing(() => this.#log.now())
  }

  proveWritable(): Promise<void> {
    const { path, writer } = this.#parts
    return this.#writing(async () => {
      await proveRoom(path)
      await writer.rewritePage()
    })
  }

  earlierRun(idempotency: Idempotency): Promise<CreatedRun | null> {
    return findEarlier(this.#prisma, { idempotency })
  }

  async createRetry(retry: NewRetry): Promise<RunRecord | null> {
    const launch = await toRetryLaunch(retry)
    const id = await this.#writing(() => this.#parts.writer.createRetry(launch))
    return id === null ? null : this.runById(id)
  }

  createComparison(comparison: NewComparison): Promise<CreatedComparison> {
    return this.#writing(() => this.#launcher.createComparison(this.#prisma, comparison))
  }

  async earlierComparison(idempotency: Idempotency): Promise<CreatedComparison | null> {
    return this.#launcher.earlierComparison(this.#prisma, idempotency)
  }

  noteInterrupted(runIds: readonly number[]): Promise<void> {
    return this.#writing(() => this.#parts.writer.noteInterrupted(runIds))
  }

  commit(commits: readonly Commit[]): Promise<void> {
    return this.#writing(async () => {
      const isAllDone = await this.#parts.writer.commit(commits)
      if (!isAllDone) this.#filler.fill()
    })
  }

  deleteRun(runId: number): Promise<boolean> {
    return this.#writing(async () => {
      if (this.#owed.isOwed(runId)) await this.#filler.settle(runId)
      return this.#parts.writer.deleteRun(runId)
    })
  }

  deleteFinished(before: Date, max: number): Promise<DeletedRun[]> {
    const { writer } = this.#parts
    return this.#writing(async () => {
      const deleted = await writer.deleteFinished(before, max)
      const owed = deleted.length > 0 ? null : this.#owed.endedBefore(before.getTime())
      if (owed === null) return deleted
      // Those that owe their parts come last, one by one.
      await this.#filler.settle(owed)
      return writer.deleteFinished(before, max)
    })
  }

  async deletedRuns(): Promise<number[]> {
    const rows = await this.#prisma.deletedRun.findMany({ select: { id: true }, orderBy: { id: 'asc' } })
    return rows.map(({ id }) => id)
  }

  purgeRuns(runIds: readonly number[]): Promise<(Leftover | null)[]> {
    return this.#writing(() => this.#parts.writer.purgeRuns(runIds))
  }

  async run(key: RunKey): Promise<RunRecord | null> {
    const row = await this.#prisma.run.findUnique({ where: { key } })
    return row && toRunRecord(row)
  }

  async runById(id: number): Promise<RunRecord | null> {
    const row = await this.#prisma.run.findUnique({ where: { id } })
    return row && toRunRecord(row)
  }

  async retriesOf(runId: number, limit: number): Promise<RunRecord[]> {
    const rows = await this.#prisma.run.findMany({ where: { retryOf: runId }, orderBy: { id: 'asc' }, take: limit })
    return rows.map(toRunRecord)
  }

  async runs(filter: RunFilter, order: RunOrder, page: PageRequest): Promise<Page<RunRecord>> {
    const list = { filter, order, page }
    const found = isEmpty(filter) ? this.#runs.page(list) : await this.#searching.call('runs', list)
    const rows = await this.#prisma.run.findMany({ where: { id: { in: found.rows.map(({ row }) => row) } } })
    const records = new Map(rows.map((row) => [row.id, toRunRecord(row)]))
    return {
      ...found,
      rows: found.rows.flatMap(({ row: id, position }) => {
        const row = records.get(id)
        return row ? [{ row, position }] : []
      }),
    }
  }

  async countRuns(filter: RunFilter): Promise<number> {
    return isEmpty(filter) ? this.#runs.count(filter) : this.#searching.call('countRuns', filter)
  }

  async unfinishedRuns(): Promise<RunRecord[]> {
    const rows = await this.#prisma.run.findMany({
      where: { status: { in: ['QUEUED', 'RUNNING', 'PAUSED'] } },
      orderBy: { id: 'asc' },
    })
    return rows.map(toRunRecord)
  }

  async comparison(key: ComparisonKey): Promise<ComparisonRecord | null> {
    return this.#comparisons.byKey(key)
  }

  async comparisonById(id: number): Promise<ComparisonRecord | null> {
    return this.#comparisons.byId(id)
  }

  async comparisons(page: PageRequest): Promise<Page<ComparisonRecord>> {
    return this.#comparisons.page(page)
  }

  async countComparisons(): Promise<number> {
    return this.#comparisons.count()
  }

  comparedRuns(comparisonId: number): Promise<ComparedRun[]> {
    return this.#searching.call('comparedRuns', comparisonId)
  }

  runsOfComparison(comparisonId: number): Promise<RunRecord[]> {
    return runsOf(this.#prisma, comparisonId)
  }

  async task(runId: number, stage: number, index: number): Promise<TaskRecord | null> {
    return this.#tasks.at(runId, stage, index)
  }

  async tasks(runId: number, filter: TaskFilter, order: TaskOrder, page: PageRequest): Promise<Page<TaskRecord>> {
    const list = { filter, order, page }
    // A filter may have to pass over many rows, and the slowest are in many places: neither is for the main thread.
    if (!isEmpty(filter) || order === 'SLOWEST') return this.#searching.call('tasks', runId, list)
    return this.#tasks.page(runId, list)
  }

  async countTasks(runId: number, filter: TaskFilter): Promise<number> {
    return isEmpty(filter) ? this.#tasks.count(runId, filter) : this.#searching.call('countTasks', runId, filter)
  }

  async tasksAfter(runId: number, sequence: number, limit: number): Promise<TaskRecord[]> {
    return this.#tasks.after(runId, sequence, limit)
  }

  async errors(runId: number, first: number): Promise<ErrorGroup[]> {
    const rows = await this.#prisma.runError.findMany({
      where: { runId },
      orderBy: [{ count: 'desc' }, { code: 'asc' }],
      take: first,
    })
    return rows.flatMap(({ code, message, count, sampleSequence }) =>
      this.#tasks.bySequence(runId, [sampleSequence]).map((sample) => ({ code, message, count, sample })),
    )
  }

  body(sha256: string): Promise<StoredBody | null> {
    return this.#parts.bodies.find(sha256)
  }

  bodyBeginning(sha256: string, maxBytes: number): Promise<Uint8Array | null> {
    return this.#parts.bodies.beginning(sha256, maxBytes)
  }

  async items(runId: number, indexes: readonly number[]): Promise<Map<number, Json>> {
    this.#refuseAfterEnd()
    if (!this.#files.has(runId)) return this.#blocks.items(runId, indexes)
    const { lines, uploadsDir } = this.#parts
    const items = await lines.thread.call('lines', uploadsDir, runId, indexes)
    return new Map(items.map((item, at) => [indexes[at]!, item]))
  }

  async sourceFile(runId: number): Promise<SourceFile | null> {
    this.#refuseAfterEnd()
    const found = this.#files.find(runId)
    return found && { path: join(this.#parts.uploadsDir, found.file), stretches: found.stretches }
  }

  async #blockAt(runId: number, index: number): Promise<SourceBlockRow | null> {
    const own = { where: { runId, first: { lte: index } }, orderBy: { first: 'desc' } } as const
    return (await this.#prisma.sourceBlock.findFirst(own)) ?? this.#comparisons.blockAt(runId, index)
  }

  async leftOut(runId: number, total: number): Promise<IndexSet | null> {
    const row = await this.#prisma.runSelection.findUnique({ where: { runId } })
    return row && unpackSelection(total, row.leftOut)
  }

  async settledItems(runId: number, total: number): Promise<IndexSet> {
    return IndexSet.fromBits(total, await this.#searching.call('settledItems', runId, total))
  }

  async endedIndexes(runId: number, stage: number, total: number): Promise<IndexSet> {
    return IndexSet.fromBits(total, await this.#searching.call('endedIndexes', runId, stage, total))
  }

  async succeededIndexes(runId: number, stage: number, total: number): Promise<IndexSet> {
    return IndexSet.fromBits(total, await this.#searching.call('succeededIndexes', runId, stage, total))
  }

  handedOver(
    place: { runId: number; stage: number; link: StageLink },
    indexes: readonly number[],
  ): Promise<HandedOver[]> {
    return this.#parts.lines.thread.call('handedOver', place, indexes)
  }

  times(runId: number, stage: number | null, column: TimeColumn): Promise<Float64Array> {
    return this.#searching.call('times', runId, stage, column)
  }

  phaseTimes(runId: number, stage: number | null): Promise<ByPhase<Float64Array>> {
    return this.#searching.call('phaseTimes', runId, stage)
  }

  serviceSample(runId: number, scope: TaskScope, max: number): Promise<ServiceSample> {
    return this.#searching.call('serviceSample', runId, scope, max)
  }

  async sketches(runId: number, stage: number | null): Promise<RunSketches | null> {
    const row =
      stage === null
        ? await this.#prisma.runSketch.findUnique({ where: { runId } })
        : await this.#prisma.stageSketch.findUnique({ where: { runId_stage: { runId, stage } } })
    return row && { service: row.service, queueWait: row.queueWait, phases: row.phases }
  }

  async timingHistory(query: TimingHistoryQuery): Promise<TimingPoint[] | null> {
    const points = await this.#searching.call('timingHistory', query)
    return points?.map(toTimingPoint) ?? null
  }

  timeline(runId: number, maxSpans: number): Promise<LaneTimeline[]> {
    return this.#searching.call('timeline', runId, maxSpans)
  }

  lastTasks(runId: number, stage: number, limit: number): Promise<LastTask[]> {
    return this.#searching.call('lastTasks', runId, stage, limit)
  }

  async outputs(
    runId: number,
    total: number,
    onRead: (characters: number) => void = () => {},
  ): Promise<(string | null)[]> {
    const outputs: (string | null)[] = []
    for (let from = 0; from < total; from += OUTPUTS_AT_ONCE) {
      const to = Math.min(total, from + OUTPUTS_AT_ONCE)
      const part = await this.#searching.call('outputs', runId, from, to)
      onRead(part.reduce((sum, output) => sum + (output?.length ?? 0), 0))
      for (const output of part) outputs.push(output)
    }
    return outputs
  }

  exportRun(run: ExportedRun, format: ExportFormat): AsyncGenerator<Uint8Array, void> {
    return readExport(this.#parts.exports, run, format)
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.#filler.close()
    const { prisma, writer, reader, lines, exports, db, locks } = this.#parts
    try {
      await writer.exclusive(async () => {
        await reader.close()
        await lines.close()
        await exports.close()
        await prisma.$disconnect()
        db.close()
      })
      // The last connection to close folds the log into the database: that is the writer's, off the main thread.
      await writer.close()
    } finally {
      for (const lock of locks) lock.release()
    }
  }
}

function isEmpty(filter: RunFilter | TaskFilter): boolean {
  return Object.values(filter).every((value) => value === undefined)
}
