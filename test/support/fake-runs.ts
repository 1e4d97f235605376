import { type BatchSpec, compactInput, type Json } from '../../src/domain/batch.js'
import type { ComparisonRecord } from '../../src/domain/comparison.js'
import type { Diagnostic } from '../../src/domain/diagnostic.js'
import type { ExportedRun, ExportFormat } from '../../src/domain/exports/export.js'
import { byPhase } from '../../src/domain/fetch-phases.js'
import { type RunKey, toComparisonKey, toRunKey } from '../../src/domain/ids.js'
import type { BatchPlan } from '../../src/domain/plan.js'
import { doneOf, isFinalRunStatus, type RunRecord, type RunStatus } from '../../src/domain/run.js'
import type { StrategyCost } from '../../src/domain/strategy-cost.js'
import type { InFlightTask, TaskRecord } from '../../src/domain/task.js'
import type { LaneTimeline } from '../../src/domain/timeline.js'
import { addMoment, distributionFromValues } from '../../src/domain/timing.js'
import type { TimingPoint } from '../../src/domain/timing-history.js'
import type {
  BatchInput,
  ComparisonOutcome,
  ControlOutcome,
  Engine,
  EngineLoad,
  HostStatus,
  LaunchOutcome,
  PlanCall,
  RunComparison,
  RunsOutcome,
  RunView,
} from '../../src/engine/engine.js'
import { MemoryEventBus } from '../../src/events/memory.js'
import type { StoreReads } from '../../src/graphql/context.js'
import type {
  ErrorGroup,
  Page,
  PageRequest,
  RunFilter,
  StoredBody,
  TaskFilter,
  TimingHistoryQuery,
} from '../../src/store/store.js'
import { comparedRun, batchSpec as computeSpec, queuedRecord } from './engine-parts.js'

interface HeldRun {
  record: RunRecord
  tasks: TaskRecord[]
  inFlight: InFlightTask[]
  items: Json[]
  timeline: LaneTimeline[]
}

/** A batch of `count` numbers for `square`, if nothing else is said. */
export function batchSpec(overrides: Partial<BatchSpec> = {}): BatchSpec {
  return computeSpec({
    strategy: 'AUTO',
    source: { kind: 'range', from: 0, to: 10, step: 1, count: 10 },
    stages: [{ kind: 'COMPUTE', name: 'square', function: 'square', chunkSize: null, reduce: null }],
    ...overrides,
  })
}

/** Engine, store and bus in one: runs that a test makes and moves by hand. */
export class FakeRuns {
  readonly bus = new MemoryEventBus()
  readonly #runs = new Map<RunKey, HeldRun>()
  /** What was launched, and under which space. */
  readonly launches: { input: unknown; space: string }[] = []
  /** What was to be planned, and how it was asked for. */
  readonly controls: { change: string; key: string }[] = []
  readonly plans: { batch: BatchInput; call: PlanCall }[] = []
  plan: BatchPlan | Promise<BatchPlan> | Error = {
    total: 0,
    duplicates: 0,
    hosts: [],
    hostCount: 0,
    advice: null,
    userErrors: [],
  }
  launchOutcome: LaunchOutcome | Error = { run: null, deduplicated: false, userErrors: [] }
  /** What many-run mutations were asked for. */
  readonly asked: { name: string; args: unknown[] }[] = []
  runsOutcome: RunsOutcome = { matched: 0, accepted: 0, runs: [], userErrors: [] }
  comparisonOutcome: ComparisonOutcome = { comparison: null, userErrors: [] }
  readonly #comparisons: ComparisonRecord[] = []
  /** Stored bodies by their SHA-256. */
  readonly bodies = new Map<string, Uint8Array>()
  /** Their files. */
  readonly files = new Map<string, StoredBody>()
  /** What was asked of timelines. */
  /** What timingHistory was asked for, and what it answers. */
  readonly askedHistories: TimingHistoryQuery[] = []
  history: TimingPoint[] | null = []
  readonly askedSpans: number[] = []
  /** Calls that a test counts. */
  costs: StrategyCost[] | Error = []
  readonly calls = { inputs: 0, distribution: 0, countTasks: 0, countRuns: 0, run: 0, comparedRuns: 0 }
  readonly diagnostics = new Map<RunKey, Diagnostic[]>()
  engineLoad: EngineLoad = {
    queuedTasks: 0,
    runningTasks: 0,
    runs: { QUEUED: 0, RUNNING: 0, PAUSED: 0 },
    oldestQueuedMs: null,
    storageTrouble: null,
    lanes: [],
  }

  add(overrides: Partial<Omit<RunRecord, 'id' | 'key'>> = {}, items: Json[] = []): RunRecord {
    const id = this.#runs.size + 1
    const spec = overrides.spec ?? batchSpec()
    const key = toRunKey(`00000000-0000-4000-8000-${String(id).padStart(12, '0')}`)
    const createdAt = new Date(Date.UTC(2026, 10, 22, 18, id))
    const record: RunRecord = { ...queuedRecord({ id, key, spec, createdAt }), ...overrides }
    this.#runs.set(record.key, { record, tasks: [], inFlight: [], items, timeline: [] })
    this.bus.runChanged(record.key)
    return record
  }

  /** A comparison with a run of each strategy, in that order. */
  addComparison(overrides: Partial<ComparisonRecord> = {}): ComparisonRecord & { runs: RunRecord[] } {
    const id = this.#comparisons.length + 1
    const record: ComparisonRecord = {
      id,
      key: toComparisonKey(`00000000-0000-4000-9000-${String(id).padStart(12, '0')}`),
      name: null,
      strategies: ['SEQUENTIAL', 'THREADS'],
      rounds: 1,
      createdAt: new Date(Date.UTC(2026, 10, 22, 18, id)),
      ...overrides,
    }
    this.#comparisons.push(record)
    const runs = record.strategies.map((strategy) => this.add({ spec: batchSpec({ strategy }), comparisonId: id }))
    return { ...record, runs }
  }

  /** Lets a run have taken so long, and tells. */
  finishIn(key: RunKey, wallMs: number): void {
    const { times, counts } = this.#held(key).record
    this.change(key, {
      status: 'SUCCEEDED',
      concurrency: 2,
      counts: { ...counts, succeeded: counts.total },
      times: { ...times, firstStartMs: 0, lastEndMs: wallMs },
    })
  }

  #runsOf(comparisonId: number): RunRecord[] {
    return [...this.#runs.values()].map(({ record }) => record).filter((run) => run.comparisonId === comparisonId)
  }

  /** Commits one ended task, and tells. */
  end(key: RunKey, overrides: Partial<TaskRecord> = {}): TaskRecord {
    const held = this.#held(key)
    const sequence = held.record.lastTaskSequence + 1
    const task: TaskRecord = {
      sequence,
      stage: 0,
      index: sequence - 1,
      status: 'SUCCEEDED',
      output: String(sequence - 1),
      error: null,
      attempts: 1,
      history: null,
      lane: 'thread-1',
      startedMs: sequence * 10,
      queueWaitMs: sequence * 10,
      serviceMs: 5,
      cpuMs: null,
      fetch: null,
      ...overrides,
    }
    held.tasks.push(task)
    const { counts, times } = held.record
    const outcome = task.status.toLowerCase() as 'succeeded' | 'failed' | 'cancelled'
    const service = { ...times.service }
    const queueWait = { ...times.queueWait }
    addMoment(service, task.serviceMs ?? 0)
    addMoment(queueWait, task.queueWaitMs ?? 0)
    const startedMs = task.startedMs ?? 0
    this.change(key, {
      status: 'RUNNING',
      startedAt: held.record.startedAt ?? held.record.createdAt,
      concurrency: held.record.concurrency ?? 2,
      lanes: held.record.lanes ?? 2,
      effectiveStrategy: 'THREADS',
      lastTaskSequence: sequence,
      counts: { ...counts, [outcome]: counts[outcome] + 1 },
      times: {
        ...times,
        service,
        queueWait,
        firstStartMs: Math.min(times.firstStartMs ?? startedMs, startedMs),
        lastEndMs: Math.max(times.lastEndMs ?? 0, startedMs + (task.serviceMs ?? 0)),
      },
    })
    this.bus.tasksCommitted(key)
    return task
  }

  /** Changes the record, raises its sequence, and tells. */
  change(key: RunKey, overrides: Partial<RunRecord>): void {
    const held = this.#held(key)
    held.record = { ...held.record, ...overrides, sequence: held.record.sequence + 1 }
    this.bus.runChanged(key)
  }

  finish(key: RunKey, status: RunStatus): void {
    this.change(key, { status, finishedAt: new Date(Date.UTC(2026, 10, 22, 19)) })
  }

  setInFlight(key: RunKey, tasks: InFlightTask[]): void {
    this.#held(key).inFlight = tasks
  }

  setTimeline(key: RunKey, timeline: LaneTimeline[]): void {
    this.#held(key).timeline = timeline
  }

  delete(key: RunKey): void {
    this.#runs.delete(key)
    this.bus.runChanged(key)
  }

  #held(key: RunKey): HeldRun {
    const held = this.#runs.get(key)
    if (!held) throw new Error(`no run ${key}`)
    return held
  }

  #byId(id: number): HeldRun {
    for (const held of this.#runs.values()) if (held.record.id === id) return held
    throw new Error(`no run ${id}`)
  }

  readonly #view = (record: RunRecord): RunView => {
    const { counts } = record
    const done = doneOf(counts)
    const running = this.#runs.get(record.key)?.inFlight.length ?? 0
    const progress = {
      ...counts,
      running,
      queued: counts.total - done - running,
      done,
      fraction: done / counts.total,
      throughput: 0,
      elapsedMs: 0,
      etaMs: null,
      etaHighMs: null,
      sequence: record.sequence,
    }
    return { record, progress, stages: record.spec.stages.map(() => progress) }
  }

  #controlled(change: string, key: RunKey): ControlOutcome {
    this.controls.push({ change, key })
    const held = this.#runs.get(key)
    return { run: held ? this.#view(held.record) : null, userErrors: [] }
  }

  readonly #launch = async (input: unknown, space: string): Promise<LaunchOutcome> => {
    this.launches.push({ input, space })
    if (this.launchOutcome instanceof Error) throw this.launchOutcome
    return this.launchOutcome
  }

  hosts: HostStatus[] = []
  runComparison: RunComparison | null = null

  readonly engine: Engine = {
    launchFetch: this.#launch,
    launchCompute: this.#launch,
    launchPipeline: this.#launch,
    launchComparison: async (input, space) => {
      this.launches.push({ input, space })
      return this.comparisonOutcome
    },
    comparedRuns: async ({ id }) => {
      this.calls.comparedRuns += 1
      return this.#runsOf(id).map((run) => comparedRun(run))
    },
    planBatch: async (batch, call) => {
      this.plans.push({ batch, call })
      if (this.plan instanceof Error) throw this.plan
      return this.plan
    },
    cancelRun: async (key) => this.#controlled('cancelRun', key),
    pauseRun: async (key) => this.#controlled('pauseRun', key),
    resumeRun: async (key) => this.#controlled('resumeRun', key),
    cancelComparison: async (key) => {
      this.controls.push({ change: 'cancelComparison', key })
      return this.comparisonOutcome
    },
    deleteRun: async (key) => {
      this.delete(key)
      return { deletedRun: key, userErrors: [] }
    },
    retryRun: async (...args) => {
      this.asked.push({ name: 'retryRun', args })
      if (this.launchOutcome instanceof Error) throw this.launchOutcome
      return this.launchOutcome
    },
    retryRuns: async (...args) => {
      this.asked.push({ name: 'retryRuns', args })
      return this.runsOutcome
    },
    cancelRuns: async (...args) => {
      this.asked.push({ name: 'cancelRuns', args })
      return this.runsOutcome
    },
    pruneRuns: async (...args) => {
      this.asked.push({ name: 'pruneRuns', args })
      return { deletedCount: 3, userErrors: [] }
    },
    run: async (key) => {
      this.calls.run += 1
      const held = this.#runs.get(key)
      return held ? this.#view(held.record) : null
    },
    view: this.#view,
    hosts: () => this.hosts,
    inFlight: (key) => this.#held(key).inFlight,
    distribution: async (run, _stage, column) => {
      this.calls.distribution += 1
      const values = this.#held(run.record.key).tasks.map((task) => task[column] ?? 0)
      return distributionFromValues(Float64Array.from(values).sort())
    },
    phases: async ({ record }) => {
      const fetches = this.#held(record.key).tasks.flatMap(({ fetch }) => fetch ?? [])
      if (fetches.length === 0) return null
      return byPhase((phase) =>
        distributionFromValues(Float64Array.from(fetches.flatMap((fetch) => fetch[`${phase}Ms`] ?? [])).sort()),
      )
    },
    compareRuns: async (...args) => {
      this.asked.push({ name: 'compareRuns', args })
      return this.runComparison
    },
    timeline: async ({ record }, maxSpans) => {
      this.askedSpans.push(maxSpans)
      return this.#held(record.key).timeline
    },
    diagnostics: async ({ record }) => this.diagnostics.get(record.key) ?? [],
    reduction: async ({ record }) => (isFinalRunStatus(record.status) ? record.reduction : null),
    inputs: async ({ key, spec }, _stage, indexes) => {
      this.calls.inputs += 1
      const { items } = this.#held(key)
      const { source } = spec
      const at = (index: number) =>
        source.kind === 'list' || source.kind === 'file' ? (items[index] ?? null) : compactInput(source, index)
      return new Map(indexes.map((index) => [index, at(index)]))
    },
    load: () => this.engineLoad,
    strategyCosts: async () => {
      if (this.costs instanceof Error) throw this.costs
      return this.costs
    },
  }

  /** What every export is. */
  exported: (run: ExportedRun, format: ExportFormat) => AsyncGenerator<Uint8Array, void> = async function* () {}

  readonly store: StoreReads = {
    exportRun: (run, format) => this.exported(run, format),
    run: async (key) => this.#runs.get(key)?.record ?? null,
    runById: async (id) => [...this.#runs.values()].find(({ record }) => record.id === id)?.record ?? null,
    retriesOf: async (runId) =>
      [...this.#runs.values()].map(({ record }) => record).filter(({ retryOf }) => retryOf === runId),
    runs: async (filter, order, page) => {
      const records = this.#matching(filter)
      if (order.endsWith('_DESC')) records.reverse()
      const position = (record: RunRecord) => (order.startsWith('CREATED') ? [record.id] : [0, record.id])
      return pageOf(records, page, { position, descending: order.endsWith('_DESC') })
    },
    countRuns: async (filter) => {
      this.calls.countRuns += 1
      return this.#matching(filter).length
    },
    timingHistory: async (query) => {
      this.askedHistories.push(query)
      return this.history
    },
    comparison: async (key) => this.#comparisons.find((one) => one.key === key) ?? null,
    comparisonById: async (id) => this.#comparisons.find((one) => one.id === id) ?? null,
    comparisons: async (page) =>
      pageOf([...this.#comparisons].reverse(), page, { position: ({ id }) => [id], descending: true }),
    countComparisons: async () => this.#comparisons.length,
    runsOfComparison: async (id) => this.#runsOf(id),
    task: async (runId, stage, index) =>
      this.#byId(runId).tasks.find((task) => task.stage === stage && task.index === index) ?? null,
    tasks: async (runId, filter, order, page) => {
      const tasks = tasksMatching(this.#byId(runId).tasks, filter)
      if (order === 'INDEX') tasks.sort((a, b) => a.index - b.index)
      const position = (task: TaskRecord) => (order === 'ENDED' ? [task.sequence] : [task.index, task.stage])
      return pageOf(tasks, page, { position })
    },
    countTasks: async (runId, filter) => {
      this.calls.countTasks += 1
      return tasksMatching(this.#byId(runId).tasks, filter).length
    },
    tasksAfter: async (runId, sequence, limit) =>
      this.#byId(runId)
        .tasks.filter((task) => task.sequence > sequence)
        .slice(0, limit),
    body: async (sha256) => this.files.get(sha256) ?? null,
    bodyBeginning: async (sha256, maxBytes) => this.bodies.get(sha256)?.subarray(0, maxBytes) ?? null,
    errors: async (runId, first) => errorGroups(this.#byId(runId).tasks).slice(0, first),
  }

  #matching({ kind, status }: RunFilter): RunRecord[] {
    return [...this.#runs.values()]
      .map(({ record }) => record)
      .filter((record) => kind?.includes(record.spec.kind) ?? true)
      .filter((record) => status?.includes(record.status) ?? true)
  }
}

function tasksMatching(tasks: TaskRecord[], { status, host, errorCode }: TaskFilter): TaskRecord[] {
  return tasks
    .filter((task) => status?.includes(task.status) ?? true)
    .filter((task) => host === undefined || task.fetch?.host === host)
    .filter((task) => errorCode === undefined || task.error?.code === errorCode)
}

function errorGroups(tasks: TaskRecord[]): ErrorGroup[] {
  const groups = new Map<string, ErrorGroup>()
  for (const sample of tasks) {
    if (!sample.error) continue
    const { code, message } = sample.error
    const group = groups.get(code) ?? { code, message, count: 0, sample }
    groups.set(code, { ...group, count: group.count + 1 })
  }
  return [...groups.values()].sort((a, b) => b.count - a.count)
}

/** `position` falls along the rows where `descending` says so. */
function pageOf<Row>(
  rows: Row[],
  page: PageRequest,
  { position, descending = false }: { position: (row: Row) => number[]; descending?: boolean },
): Page<Row> {
  /** Of the first row at or past the place; what is not there any more has a place, too. */
  const placeOf = (bound: readonly number[], past: 0 | 1) => {
    const at = rows.findIndex((row) => compare(position(row), bound) * (descending ? -1 : 1) >= past)
    return at < 0 ? rows.length : at
  }
  const start = page.after ? placeOf(page.after, 1) : 0
  const end = page.before ? placeOf(page.before, 0) : rows.length
  const from = page.last === undefined ? start : Math.max(start, end - page.last)
  const to = page.first === undefined ? end : Math.min(end, start + page.first)
  return {
    rows: rows.slice(from, to).map((row) => ({ row, position: position(row) })),
    hasNextPage: to < rows.length,
    hasPreviousPage: from > 0,
  }
}

function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, place) => value !== b[place])
  return at < 0 ? 0 : Math.sign(a[at]! - b[at]!)
}
