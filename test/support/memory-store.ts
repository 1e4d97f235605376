import { AttemptList, unpackAttempts } from '../../src/domain/attempts.js'
import type { Json } from '../../src/domain/batch.js'
import type { ComparedRun, ComparisonRecord } from '../../src/domain/comparison.js'
import type { LastTask } from '../../src/domain/diagnostic.js'
import type { TaskError } from '../../src/domain/errors.js'
import { fetchAt } from '../../src/domain/fetch-column.js'
import { type ByPhase, byPhase, type Phase } from '../../src/domain/fetch-phases.js'
import { handOver, type StageLink } from '../../src/domain/hand-over.js'
import type { RunKey } from '../../src/domain/ids.js'
import { IndexSet } from '../../src/domain/indexset.js'
import { readyAtOf } from '../../src/domain/queue-wait.js'
import { outputAt } from '../../src/domain/results.js'
import { doneOf, isFinalRunStatus, type RunRecord } from '../../src/domain/run.js'
import { driftOf } from '../../src/domain/run-drift.js'
import { StorageError, type StorageTroubleCode } from '../../src/domain/storage.js'
import type { Attempt, FetchDetail, TaskRecord } from '../../src/domain/task.js'
import { STORED_TASK_STATUS, type StoredTaskStatus } from '../../src/domain/task.js'
import { type LaneTimeline, TimelineFold } from '../../src/domain/timeline.js'
import type {
  Commit,
  CreatedComparison,
  CreatedRun,
  DeletedRun,
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
  ServiceSample,
  SourceFile,
  Store,
  TaskBlock,
  TaskScope,
  TimeColumn,
} from '../../src/store/store.js'
import { comparedRun, queuedRecord } from './engine-parts.js'

export interface MemoryRow {
  stage: number
  index: number
  status: StoredTaskStatus
  attempts: number
  sequence: number
  /** Of the first attempt. */
  startedMs: number
  serviceMs: number
  /** Null where it was never sent. */
  queueWaitMs: number | null
  lane: string | null
  errorCode: string | null
  error: TaskError | null
  output: string | null
  fetch: FetchDetail | null
  /** The numbers of the attempts in its history; null without one. */
  history: number[] | null
  /** When each attempt ran, and where; none of what has another one's answer. */
  tries: Pick<Attempt, 'startedMs' | 'serviceMs' | 'lane'>[]
}

type Served =
  | 'createRun'
  | 'earlierRun'
  | 'createComparison'
  | 'earlierComparison'
  | 'noteInterrupted'
  | 'comparison'
  | 'comparedRuns'
  | 'commit'
  | 'items'
  | 'sourceFile'
  | 'task'
  | 'unfinishedRuns'
  | 'run'
  | 'endedIndexes'
  | 'succeededIndexes'
  | 'handedOver'
  | 'times'
  | 'phaseTimes'
  | 'serviceSample'
  | 'sketches'
  | 'lastTasks'
  | 'outputs'
  | 'timeline'
  | 'proveWritable'
  | 'synced'
  | 'deleteRun'
  | 'deletedRuns'
  | 'deleteFinished'
  | 'purgeRuns'
  | 'createRetry'
  | 'leftOut'
  | 'settledItems'
  | 'runs'
  | 'countRuns'
  | 'runById'
  | 'retriesOf'

/** What the engine needs of a store, in memory; it survives the engine, as a disk would. */
export class MemoryStore {
  readonly records = new Map<number, RunRecord>()
  readonly rows = new Map<number, MemoryRow[]>()
  /** Every commit that was carried out. */
  readonly commits: (readonly Commit[])[] = []
  /** What deleted runs have left. */
  readonly leftovers = new Map<number, Leftover[]>()
  /** This many of the next steps reject. */
  failPurges = 0
  readonly comparisons = new Map<number, ComparisonRecord>()
  /** Runs that a server's end has cut off. */
  readonly interrupted = new Set<number>()
  /** What retries leave out. */
  readonly selections = new Map<number, IndexSet>()
  readonly sketchesOf = new Map<number, Commit['sketches']>()
  #lastId = 0
  readonly #items = new Map<number, readonly unknown[]>()
  readonly #files = new Map<number, SourceFile>()
  readonly #keys = new Map<string, { id: number; inputHash: string }>()
  #heldCommits: (() => void)[] = []
  #heldReads: (() => void)[] = []
  #heldLaunches: (() => void)[] = []
  /** With true a commit is carried out at once, else with `release`. */
  autoCommit = true
  /** With true items are read at once, else with `releaseReads`. */
  autoRead = true
  /** With true launches are written down at once, else with `releaseLaunches`. */
  autoLaunch = true
  /** This many of the next launches reject. */
  failLaunches = 0
  /** This many of the next commits reject, and nothing of them is written. */
  failCommits = 0
  /** How often somebody waited until all was on the disk itself. */
  syncs = 0
  /** While it is set nothing can be written. */
  trouble: StorageTroubleCode | null = null
  /** This many of the next reads of ended indexes reject. */
  failEnded = 0
  /** This many of the next reads of items reject. */
  failReads = 0
  rejected = 0
  readonly #misuses: string[] = []

  /** The store as one server knows it: after `disconnect` nothing of it reaches the disk, nor does the server hear of it. */
  connect(): { store: Store; disconnect(): void } {
    let connected = true
    const own: Pick<Store, Served> = {
      commit: async (commits) => {
        if (!this.autoCommit) await new Promise<void>((resolve) => this.#heldCommits.push(resolve))
        if (!connected) return new Promise<void>(() => {})
        this.#carryOut(commits)
      },
      createRun: async (run) => {
        this.#refuseInTrouble()
        return this.createRun(run)
      },
      synced: async () => {
        this.syncs += 1
      },
      proveWritable: async () => {
        this.#refuseInTrouble()
        if (this.failCommits > 0) throw new StorageError('FAILED', 'the disk is in trouble')
      },
      earlierRun: (idempotency) => this.earlierRun(idempotency),
      createComparison: async (comparison) => {
        this.#refuseInTrouble()
        return this.createComparison(comparison)
      },
      earlierComparison: (idempotency) => this.earlierComparison(idempotency),
      noteInterrupted: async (runIds) => {
        this.#refuseInTrouble()
        for (const runId of runIds) this.interrupted.add(runId)
      },
      comparison: async (key) => [...this.comparisons.values()].find((one) => one.key === key) ?? null,
      comparedRuns: async (comparisonId) => this.comparedRuns(comparisonId),
      items: (runId, indexes) => this.items(runId, indexes),
      sourceFile: async (runId) => this.#files.get(runId) ?? null,
      task: (runId, stage, index) => this.task(runId, stage, index),
      unfinishedRuns: () => this.unfinishedRuns(),
      run: (key) => this.run(key),
      endedIndexes: (runId, stage, total) => this.endedIndexes(runId, stage, total),
      succeededIndexes: (runId, stage, total) => this.succeededIndexes(runId, stage, total),
      handedOver: (place, indexes) => this.handedOver(place, indexes),
      times: (runId, stage, column) => this.times(runId, stage, column),
      phaseTimes: async (runId, stage) => this.#phaseTimes(runId, stage),
      serviceSample: async (runId, part, max) => this.serviceSample(runId, part, max),
      timeline: async (runId, maxSpans) => this.timeline(runId, maxSpans),
      lastTasks: async (runId, stage, limit) => this.lastTasks(runId, stage, limit),
      sketches: async (runId) => this.sketchesOf.get(runId) ?? null,
      deleteRun: async (runId) => this.deleteRun(runId),
      deletedRuns: async () => [...this.leftovers.keys()].sort((a, b) => a - b),
      deleteFinished: async (before, max) => this.deleteFinished(before, max),
      purgeRuns: async (runIds) => runIds.slice(0, 1).map((runId) => this.purgeRun(runId)),
      createRetry: async (retry) => this.createRetry(retry),
      leftOut: async (runId) => this.selections.get(runId) ?? null,
      settledItems: async (runId, total) => this.settledItems(runId, total),
      runs: async (filter, order, page) => this.list(filter, order, page),
      countRuns: async (filter) => this.find(filter).length,
      runById: async (id) => this.records.get(id) ?? null,
      retriesOf: async (runId, limit) =>
        [...this.records.values()].filter(({ retryOf }) => retryOf === runId).slice(0, limit),
      outputs: async (runId, total, onRead) => {
        const outputs = this.outputs(runId, total)
        onRead?.(outputs.reduce((sum, output) => sum + (output?.length ?? 0), 0))
        return outputs
      },
    }
    const disconnect = () => {
      connected = false
    }
    return { store: own as Store, disconnect }
  }

  async earlierRun(idempotency: Idempotency): Promise<CreatedRun | null> {
    const { space, key, inputHash } = idempotency
    const earlier = this.#keys.get(JSON.stringify([space, key]))
    return earlier
      ? { outcome: earlier.inputHash === inputHash ? 'existing' : 'conflict', run: this.records.get(earlier.id)! }
      : null
  }

  async createComparison(launch: NewComparison): Promise<CreatedComparison> {
    const { runs, items, file, idempotency, ...asked } = launch
    await this.#launching()
    const earlier = idempotency && (await this.earlierComparison(idempotency))
    if (earlier) return earlier
    const comparison = { id: this.comparisons.size + 1, ...asked }
    this.comparisons.set(comparison.id, comparison)
    const records: RunRecord[] = []
    for (const [at, { key, spec }] of runs.entries()) {
      const run = { key, spec, items, file, idempotency: at === 0 ? idempotency : null, createdAt: launch.createdAt }
      records.push(this.#insert(run, { comparisonId: comparison.id }))
    }
    return { outcome: 'created', comparison, runs: records }
  }

  async earlierComparison(idempotency: Idempotency): Promise<CreatedComparison | null> {
    const earlier = await this.earlierRun(idempotency)
    if (earlier === null) return null
    const comparison = this.comparisons.get(earlier.run.comparisonId ?? 0)
    if (earlier.outcome !== 'existing' || !comparison) return { outcome: 'conflict' }
    return { outcome: 'existing', comparison }
  }

  comparedRuns(comparisonId: number): ComparedRun[] {
    return [...this.records.values()]
      .filter((run) => run.comparisonId === comparisonId)
      .map((run) => comparedRun(run, this.interrupted.has(run.id)))
  }

  async createRun(run: NewRun): Promise<CreatedRun> {
    await this.#launching()
    const earlier = run.idempotency && (await this.earlierRun(run.idempotency))
    if (earlier) return earlier
    return { outcome: 'created', run: this.#insert(run) }
  }

  async #launching(): Promise<void> {
    if (!this.autoLaunch) await new Promise<void>((resolve) => this.#heldLaunches.push(resolve))
    if (this.failLaunches === 0) return
    this.failLaunches -= 1
    throw new Error('the disk is full')
  }

  createRetry({ of, leftOut, ...run }: NewRetry): RunRecord | null {
    if (!this.records.has(of)) return null
    const record = this.#insert(
      { ...run, items: this.#items.get(of) ?? null, file: null, idempotency: null },
      { retryOf: of, items: run.spec.source.count - leftOut.size },
    )
    const file = this.#files.get(of)
    if (file) this.#files.set(record.id, file)
    if (leftOut.size > 0) this.selections.set(record.id, leftOut)
    return record
  }

  settledItems(runId: number, total: number): IndexSet {
    const run = this.records.get(runId)
    if (!run) return new IndexSet(total)
    const lastStage = run.spec.stages.length - 1
    const succeeded = this.#indexes(runId, total, (row) => row.stage === lastStage && row.status === 'SUCCEEDED')
    return succeeded.union(this.selections.get(runId) ?? new IndexSet(total))
  }

  /** By status and name alone, in the order of the launches. */
  find({ status, name }: RunFilter): RunRecord[] {
    return [...this.records.values()].filter(
      (run) => (status?.includes(run.status) ?? true) && (name ?? run.spec.name) === run.spec.name,
    )
  }

  list(filter: RunFilter, order: RunOrder, { first = 0, after, before }: PageRequest): Page<RunRecord> {
    const inOrder = order === 'CREATED_DESC' ? this.find(filter).reverse() : this.find(filter)
    const found = inOrder.filter(({ id }) => id > (after?.[0] ?? 0) && id < (before?.[0] ?? Number.POSITIVE_INFINITY))
    const rows = found.slice(0, first).map((row) => ({ row, position: [row.id] }))
    return { rows, hasNextPage: found.length > first, hasPreviousPage: false }
  }

  #insert(run: NewRun, own: { comparisonId?: number; retryOf?: number; items?: number } = {}): RunRecord {
    this.#lastId += 1
    const id = this.#lastId
    const record = queuedRecord({ id, key: run.key, spec: run.spec, createdAt: run.createdAt, ...own })
    this.records.set(id, record)
    this.rows.set(id, [])
    if (run.idempotency) {
      const { space, key, inputHash } = run.idempotency
      this.#keys.set(JSON.stringify([space, key]), { id, inputHash })
    }
    if (run.items) this.#items.set(id, run.items)
    if (run.file) this.#files.set(id, { path: `/uploads/${run.file.file}`, stretches: run.file.stretches })
    return record
  }

  #carryOut(commits: readonly Commit[]): void {
    this.#refuseInTrouble()
    if (this.failCommits > 0) {
      this.failCommits -= 1
      this.rejected += 1
      throw new Error('the disk is full')
    }
    this.commits.push(commits)
    for (const { runId, state, blocks, sketches } of commits) {
      const before = this.records.get(runId)!
      if (isFinalRunStatus(before.status)) this.#misuses.push(`run ${runId} was written to after its end`)
      if (state.sequence <= before.sequence)
        this.#misuses.push(`run ${runId} went from ${before.sequence} to ${state.sequence}`)
      for (const block of blocks) this.#write(runId, block)
      this.records.set(runId, structuredClone({ ...this.records.get(runId)!, ...state }))
      if (sketches) this.sketchesOf.set(runId, sketches)
    }
  }

  #refuseInTrouble(): void {
    if (this.trouble !== null) throw new StorageError(this.trouble, `the store is ${this.trouble}`)
  }

  deleteRun(runId: number): boolean {
    if (!this.records.delete(runId)) return false
    this.leftovers.set(runId, ['FILES', 'FILES', 'ROWS', 'ROWS', 'ROWS'])
    return true
  }

  deleteFinished(before: Date, max: number): DeletedRun[] {
    return [...this.records.values()]
      .filter(({ finishedAt }) => finishedAt !== null && finishedAt < before)
      .sort((a, b) => a.finishedAt!.getTime() - b.finishedAt!.getTime())
      .slice(0, max)
      .map(({ id, key }) => {
        this.deleteRun(id)
        return { id, key }
      })
  }

  purgeRun(runId: number): Leftover | null {
    if (this.failPurges > 0) {
      this.failPurges -= 1
      throw new Error('the disk cannot be written')
    }
    const left = this.leftovers.get(runId)
    left?.shift()
    if (left?.[0]) return left[0]
    this.leftovers.delete(runId)
    this.rows.delete(runId)
    return null
  }

  /** Carries out what waits. */
  release(): void {
    for (const resolve of this.#heldCommits.splice(0)) resolve()
  }

  /** Lets the reads of items come that wait. */
  releaseReads(): void {
    for (const resolve of this.#heldReads.splice(0)) resolve()
  }

  /** Lets the launches be written down that wait. */
  releaseLaunches(): void {
    for (const resolve of this.#heldLaunches.splice(0)) resolve()
  }

  /** A crash: what was not carried out never happened. */
  forgetHeld(): void {
    this.#heldCommits = []
    this.#heldReads = []
    this.#heldLaunches = []
  }

  #write(runId: number, block: TaskBlock): void {
    const { columns, dropped, firstSequence, histories, runStartedAt } = block
    const rows = this.rows.get(runId)!
    let sequence = firstSequence
    for (let at = 0; at < columns.count; at += 1) {
      if (dropped?.has(at)) continue
      const status = STORED_TASK_STATUS[columns.outcomes[at]!]
      if (!status) throw new Error(`item ${columns.indexes[at]} was not started and cannot have a row`)
      const attempts = histories.find((history) => history.at === at)?.attempts ?? null
      const startedMs = attempts?.[0]?.startedMs ?? columns.startedAt[at]! - runStartedAt
      const error = columns.errors.find((one) => one.at === at)?.error ?? null
      rows.push({
        stage: block.stage,
        index: columns.indexes[at]!,
        status,
        attempts: columns.attempts[at]!,
        sequence: sequence++,
        startedMs,
        serviceMs: attempts ? attempts.reduce((sum, one) => sum + one.serviceMs, 0) : columns.serviceMs[at]!,
        queueWaitMs:
          columns.attempts[at] === 0
            ? null
            : Math.max(0, startedMs + (runStartedAt - readyAtOf(block, at, startedMs + runStartedAt))),
        lane: block.lane,
        errorCode: error?.code ?? null,
        error,
        output: outputAt(columns.outputs, at),
        fetch: fetchAt(columns.fetches, at),
        history: attempts?.map(({ number }) => number) ?? null,
        tries: attempts ?? triesOf(block, at),
      })
    }
  }

  async run(key: RunKey): Promise<RunRecord | null> {
    return [...this.records.values()].find((record) => record.key === key) ?? null
  }

  async unfinishedRuns(): Promise<RunRecord[]> {
    return [...this.records.values()].filter((record) => !isFinalRunStatus(record.status))
  }

  async items(runId: number, indexes: readonly number[]): Promise<Map<number, Json>> {
    if (!this.autoRead) await new Promise<void>((resolve) => this.#heldReads.push(resolve))
    if (this.failReads > 0) {
      this.failReads -= 1
      throw new Error('the disk cannot be read')
    }
    const items = this.#items.get(runId)!
    return new Map(indexes.map((index) => [index, items[index] as Json]))
  }

  async task(runId: number, stage: number, index: number): Promise<TaskRecord | null> {
    if (!this.autoRead) await new Promise<void>((resolve) => this.#heldReads.push(resolve))
    if (this.failReads > 0) {
      this.failReads -= 1
      throw new Error('the disk cannot be read')
    }
    const row = this.rows.get(runId)!.find((one) => one.stage === stage && one.index === index)
    return row ? { ...row, startedMs: null, cpuMs: null, history: null } : null
  }

  async endedIndexes(runId: number, stage: number, total: number): Promise<IndexSet> {
    if (this.failEnded > 0) {
      this.failEnded -= 1
      throw new Error('the disk cannot be read')
    }
    return this.#indexes(runId, total, (row) => row.stage === stage)
  }

  async succeededIndexes(runId: number, stage: number, total: number): Promise<IndexSet> {
    return this.#indexes(runId, total, (row) => row.stage === stage && row.status === 'SUCCEEDED')
  }

  #indexes(runId: number, total: number, isIn: (row: MemoryRow) => boolean): IndexSet {
    const set = new IndexSet(total)
    for (const row of this.rows.get(runId)!) if (isIn(row)) set.add(row.index)
    return set
  }

  async handedOver(
    { runId, stage, link }: { runId: number; stage: number; link: StageLink },
    indexes: readonly number[],
  ): Promise<HandedOver[]> {
    if (this.failReads > 0) {
      this.failReads -= 1
      throw new Error('the disk cannot be read')
    }
    const rows = this.rows.get(runId)!.filter((row) => row.stage === stage && row.status === 'SUCCEEDED')
    return indexes.flatMap((index) => {
      const row = rows.find((one) => one.index === index)
      return row ? [{ index, text: handOver(link, row), readyMs: 0 }] : []
    })
  }

  async times(runId: number, stage: number | null, column: TimeColumn): Promise<Float64Array> {
    const isAsked = (row: MemoryRow) => stage === null || row.stage === stage
    return Float64Array.from(
      this.rows.get(runId)!.filter((row) => isAsked(row) && row.status !== 'CANCELLED' && row.attempts > 0),
      (row) => row[column] ?? Number.NaN,
    )
  }

  #phaseTimes(runId: number, stage: number | null): ByPhase<Float64Array> {
    const rows = this.rows.get(runId)!.filter((row) => stage === null || row.stage === stage)
    const fetches = rows.flatMap(({ status, attempts, fetch }) =>
      status !== 'CANCELLED' && attempts > 0 && fetch ? [fetch] : [],
    )
    return byPhase((phase) => Float64Array.from(fetches.flatMap((fetch) => fetch[`${phase}Ms`] ?? [])))
  }

  serviceSample(runId: number, { stage, host }: TaskScope, max: number): ServiceSample {
    const all = this.rows.get(runId)!
    const timed = all.filter(
      (row) =>
        (stage === null || row.stage === stage) &&
        (host === null || row.fetch?.host === host) &&
        row.status !== 'CANCELLED' &&
        row.attempts > 0,
    )
    const taken = timed.slice(0, max)
    return {
      timesMs: Float64Array.from(taken, ({ serviceMs }) => serviceMs).sort(),
      failed: taken.filter(({ status }) => status === 'FAILED').length,
      isWhole: timed.length <= max,
      drift: driftOf(taken.map(({ serviceMs }) => serviceMs)),
      hosts: [...new Set(all.flatMap(({ fetch }) => fetch?.host ?? []))].sort(),
    }
  }

  outputs(runId: number, total: number): (string | null)[] {
    const outputs = new Array<string | null>(total).fill(null)
    for (const { index, status, output } of this.rows.get(runId) ?? [])
      if (status === 'SUCCEEDED') outputs[index] = output
    return outputs
  }

  timeline(runId: number, maxSpans: number): LaneTimeline[] {
    const names: string[] = []
    const numberOf = (name: string) => (names.includes(name) ? names.indexOf(name) : names.push(name) - 1)
    const list = new AttemptList()
    for (const { stage, index, status, tries } of this.rows.get(runId) ?? []) {
      list.addHistory({ stage, index, outcome: STORED_TASK_STATUS.indexOf(status) }, tries, { numberOf })
    }
    const fold = new TimelineFold(maxSpans)
    fold.add(unpackAttempts(list.pack().bytes))
    return fold.lanes((number) => names[number]!)
  }

  lastTasks(runId: number, stage: number, limit: number): LastTask[] {
    return this.rows
      .get(runId)!
      .slice(-limit)
      .filter((row) => row.stage === stage && row.status !== 'CANCELLED' && row.attempts > 0)
      .map(({ index, serviceMs, startedMs }) => ({ index, serviceMs, endedMs: startedMs + serviceMs, cpuMs: null }))
  }

  /** What must hold at any time: one row an item, sequences without a gap, counts that agree with the rows. */
  problems(): string[] {
    const found: string[] = []
    for (const record of this.records.values()) {
      const rows = this.rows.get(record.id)!
      const { counts } = record
      if (new Set(rows.map(({ stage, index }) => `${stage} ${index}`)).size !== rows.length)
        found.push(`run ${record.id} has an item twice`)
      rows.forEach(({ sequence }, at) => {
        if (sequence !== at + 1) found.push(`run ${record.id} row ${at} has sequence ${sequence}`)
      })
      for (const [status, count] of [
        ['SUCCEEDED', counts.succeeded],
        ['FAILED', counts.failed],
        ['CANCELLED', counts.cancelled],
      ] as const) {
        const actual = rows.filter((row) => row.status === status).length
        // What a cancelled run had not begun is counted without a row.
        const isCounted = record.status === 'CANCELLED' && status === 'CANCELLED' ? actual <= count : actual === count
        if (!isCounted) found.push(`run ${record.id} counts ${count} ${status}, has ${actual}`)
      }
      if (doneOf(counts) > counts.total) found.push(`run ${record.id} has more ended than items`)
      const timed = rows.filter(({ status, attempts }) => status !== 'CANCELLED' && attempts > 0).length
      if (record.times.service.count !== timed || record.times.queueWait.count !== timed)
        found.push(`run ${record.id} counts its times wrongly`)
      for (const [phase, times] of Object.entries(this.#phaseTimes(record.id, null)))
        if (times.length !== (record.times.phases?.[phase as Phase].count ?? 0))
          found.push(`run ${record.id} counts the phase ${phase} wrongly`)
      const ended = isFinalRunStatus(record.status)
      if (ended !== (record.finishedAt !== null))
        found.push(`run ${record.id} is ${record.status}, finished ${record.finishedAt}`)
      if (ended && doneOf(counts) !== counts.total)
        found.push(`run ${record.id} has ended without ${counts.total - doneOf(counts)} items`)
      for (const { index, attempts, history } of rows) {
        const whole = history === null || history.at(-1) === attempts
        if (!whole) found.push(`run ${record.id} item ${index} has ${attempts} attempts and the history ${history}`)
      }
    }
    return [...found, ...this.#misuses]
  }
}

function triesOf({ columns, lane, runStartedAt }: TaskBlock, at: number): MemoryRow['tries'] {
  const startedAt = columns.startedAt[at]!
  if (lane === null || columns.attempts[at] === 0 || !(startedAt > 0)) return []
  return [{ startedMs: startedAt - runStartedAt, serviceMs: columns.serviceMs[at]!, lane }]
}
