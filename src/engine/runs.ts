/** The engine: launches runs, carries them out, takes up those that a crash cut off, and tells what becomes of them. */

import type { Logger } from 'pino'
import type { Clock } from '../clock.js'
import type { ItemCounter } from '../counting/counter.js'
import type { Json } from '../domain/batch.js'
import type { ComparedRun, ComparisonRecord } from '../domain/comparison.js'
import type { Diagnostic } from '../domain/diagnostic.js'
import type { ByPhase } from '../domain/fetch-phases.js'
import type { ComparisonKey, RunKey } from '../domain/ids.js'
import type { BatchPlan } from '../domain/plan.js'
import type { RunRecord } from '../domain/run.js'
import type { StrategyCost } from '../domain/strategy-cost.js'
import type { InFlightTask } from '../domain/task.js'
import type { LaneTimeline } from '../domain/timeline.js'
import type { Distribution } from '../domain/timing.js'
import type { EventBus } from '../events/bus.js'
import type { FunctionCatalog } from '../functions/function.js'
import type { LanePool } from '../lanes/lane.js'
import type { NoteFile } from '../store/notes.js'
import type { RunFilter, Store, TaskScope, TimeColumn } from '../store/store.js'
import { Admission } from './admission.js'
import { Comparisons } from './comparisons.js'
import { Controls } from './control.js'
import { Deletions } from './deletion.js'
import { Diagnoses } from './diagnoses.js'
import type {
  BatchInput,
  ComparisonOutcome,
  ControlOutcome,
  DeleteOutcome,
  Engine,
  EngineLoad,
  LaunchComparisonInput,
  LaunchComputeInput,
  LaunchFetchInput,
  LaunchOutcome,
  LaunchPipelineInput,
  PlanCall,
  PruneOutcome,
  RetryInput,
  RunComparison,
  RunsOutcome,
  RunView,
} from './engine.js'
import { FetchBudget } from './fetch-budget.js'
import { GrantNotes } from './grant-notes.js'
import { type HostStatus, Hosts } from './hosts.js'
import { LaunchChecks } from './launch.js'
import { Launches } from './launches.js'
import type { LaunchLimits } from './limits.js'
import { countStatuses, LiveRuns } from './live-runs.js'
import { ManyRuns } from './many-runs.js'
import type { EngineObserver } from './observer.js'
import { Planner } from './planning.js'
import { Prober } from './probe.js'
import { QueueLimit } from './queue-limit.js'
import { Recorder } from './recorder.js'
import { Retention } from './retention.js'
import { Retries } from './retries.js'
import { compareRuns } from './run-comparison.js'
import { Scheduler } from './scheduler.js'
import { CANCEL_GRACE_MS } from './session.js'
import { NOTHING_RECOVERED } from './stage-items.js'
import type { StageSetting } from './staged-run.js'
import { StorageWatch } from './storage-watch.js'
import { StrategyCosts } from './strategy-costs.js'
import { TakeUp } from './take-up.js'
import { Views } from './views.js'

export interface EngineOptions {
  store: Store
  lanes: LanePool
  bus: EventBus
  observer: EngineObserver
  functions: FunctionCatalog
  clock: Clock
  random(): number
  log: Logger
  /** See the recorder's option of this name. */
  gatherMs: number
  /** Those that the server may use. */
  cores: number
  /** How long ended runs are kept; 0: for ever. */
  retentionDays: number
  limits: LaunchLimits & {
    defaultLanes: number
    maxInFlight: number
    /** Fetches in flight to one host at most, over all runs. */
    hostConcurrency: number
    maxOutputBytes: number
  }
  /** Whether the server's owner has named the host, a URL.host: it has no limit by default. */
  isOwnHost(host: string): boolean
  counter: ItemCounter
  notes: NoteFile
  /** Of an uploaded file, by its name. */
  uploadPath(file: string): string
}

/** When the server leaves: what lanes get to let go of what they do, those that must be ended included. */
const MAX_CANCEL_MS = 2 * CANCEL_GRACE_MS
/** When the server leaves: what a disk in trouble gets to take what has ended. */
const MAX_FLUSH_MS = 1_500

export class Runs implements Engine {
  readonly #live: LiveRuns
  readonly #recorder: Recorder
  readonly #scheduler: Scheduler
  readonly #hosts: Hosts
  readonly #views: Views
  readonly #diagnoses: Diagnoses
  readonly #deletions: Deletions
  readonly #retention: Retention
  readonly #launches: Launches
  readonly #retries: Retries
  readonly #many: ManyRuns
  readonly #strategyCosts: StrategyCosts
  readonly #comparisons: Comparisons
  readonly #queue: QueueLimit
  /** Whether anything can be written down. */
  readonly storage: StorageWatch
  readonly #admission: Admission
  readonly #planner: Planner
  readonly #controls: Controls
  readonly #takeUp: TakeUp
  readonly #notes: GrantNotes
  #left: Promise<void> | null = null

  constructor(private readonly options: EngineOptions) {
    const { store, clock, bus, lanes, limits } = options
    const onError = (error: unknown) => {
      if (!this.storage.failed(error)) options.log.error({ err: error }, 'the engine met a fault')
    }
    this.storage = new StorageWatch({
      store,
      clock,
      log: options.log,
      isStuck: () => this.#recorder.isStuck,
      onOver: () => {
        this.#live.pump()
        if (!this.#left) this.#takeUp.goOn()
      },
    })
    const onDeleted = (id: number) => {
      this.#views.forget(id)
      this.#diagnoses.forget(id)
    }
    this.#views = new Views(store, clock)
    const measuredLanes = { measure: () => this.#comparisons.aside(() => lanes.measure()) }
    this.#strategyCosts = new StrategyCosts(measuredLanes, options.cores)
    this.#diagnoses = new Diagnoses({ store, cores: options.cores })
    this.#deletions = new Deletions({ store, bus, clock, onDeleted, onError })
    this.#retention = new Retention({
      ...options,
      days: options.retentionDays,
      prune: (finishedBefore) => this.#deletions.prune(finishedBefore),
    })
    this.#recorder = new Recorder({
      store,
      clock,
      gatherMs: options.gatherMs,
      onError,
      onDrained: () => this.#live.pump(),
      isInTrouble: () => this.storage.trouble !== null,
    })
    this.#scheduler = new Scheduler({ ...options, pool: lanes, maxLanes: limits.maxLanes, onError })
    this.#queue = new QueueLimit({
      maxTasks: limits.maxQueuedTasks,
      waiting: () => this.#queuedTasks,
      perSecond: () => this.#live.tasksPerSecond,
    })
    this.#admission = new Admission(this.#queue)
    const launching = {
      ...options,
      queue: this.#queue,
      admission: this.#admission,
      creating: <T>(work: () => Promise<T>) => this.storage.create(work),
      writing: <T>(work: () => Promise<T>) => this.storage.over(work),
      view: (record: RunRecord) => this.view(record),
    }
    this.#launches = new Launches({ ...launching, execute: (run) => this.#live.begin(run, []) })
    this.#retries = new Retries({
      ...launching,
      execute: (run, leftOut) => this.#live.begin(run, [{ ...NOTHING_RECOVERED, leftOut }]),
    })
    this.#many = new ManyRuns({
      store,
      cancel: (key) => this.cancelRun(key),
      repeat: (run, path) => this.#retries.repeat(run, null, path),
    })
    const fetches = new FetchBudget({ maxInFlight: limits.maxInFlight, maxLanes: limits.maxLanes })
    this.#hosts = new Hosts({ clock, concurrency: limits.hostConcurrency, isOwn: (host) => options.isOwnHost(host) })
    this.#comparisons = new Comparisons({
      ...options,
      scheduler: this.#scheduler,
      fetches,
      hosts: this.#hosts,
      queue: this.#queue,
      admission: this.#admission,
      execute: (run) => this.#live.resume(run),
      creating: (work) => this.storage.create(work),
      writing: (work) => this.storage.over(work),
      onError,
    })
    this.#controls = new Controls({
      store,
      clock,
      comparisons: this.#comparisons,
      live: (key) => this.#live.get(key),
      check: (execution) => this.#live.checkNeeds(execution),
      trouble: () => this.storage.trouble,
      view: (record) => this.view(record),
    })
    this.#notes = new GrantNotes({
      file: options.notes,
      clock,
      onDamaged: () => options.log.warn('the notes of what lanes were granted are damaged: what follows is left out'),
    })
    this.#takeUp = new TakeUp({
      store,
      comparisons: this.#comparisons,
      storage: this.storage,
      notes: this.#notes,
      resume: (record) => this.#live.resume(record),
      log: options.log,
    })
    let jobs = 0
    const setting: StageSetting = {
      clock,
      random: options.random,
      recorder: this.#recorder,
      store,
      sourceFile: (runId) => this.#live.sourceFile(runId),
      fetches,
      hosts: this.#hosts,
      maxOutputBytes: limits.maxOutputBytes,
      laneCosts: (kind) => lanes.costs(kind),
      notes: this.#notes,
      nextJob: () => ++jobs,
      release: (lane) => {
        this.#scheduler.release(lane)
        this.#live.released()
      },
      onNoRoom: () => this.storage.look(),
      onWantChanged: (stage) => this.#scheduler.wantChanged(stage),
    }
    this.#live = new LiveRuns({
      ...options,
      setting,
      scheduler: this.#scheduler,
      comparisons: this.#comparisons,
      notes: this.#notes,
      queue: this.#queue,
      onEnded: (run) => {
        this.#notes.forget(run.key)
        this.#comparisons.ended(run)
        this.#controls.ended(run.key)
      },
    })
    this.#planner = new Planner({
      ...options,
      limits: { ...limits, cores: options.cores },
      prober: new Prober({ ...setting, scheduler: this.#scheduler }),
      refusals: (launch, space, path) => this.#launches.refusals(launch, space, path),
      hostLimit: (host) => this.#hosts.limitOf(host),
      laneCosts: () => lanes.costs('THREAD'),
      overheadMs: () => this.#recorder.rowMs,
    })
  }

  /** Takes up the runs that had not ended when the server did. */
  async start(): Promise<void> {
    await this.#deletions.resume()
    this.#retention.start()
    await this.#takeUp.start()
  }

  /**
   * Leaves: nothing more is granted, what is in service gets `drainMs` to end, the rest is left for the next start.
   * Resolves when everything that has ended is on disk, or cannot be written. Safe to call twice.
   */
  stop(drainMs: number): Promise<void> {
    this.#left ??= this.#leave(drainMs)
    return this.#left
  }

  async #leave(drainMs: number): Promise<void> {
    const { clock, log } = this.options
    this.#notes.leave()
    this.#scheduler.stop()
    this.#comparisons.stop()
    this.#retention.stop()
    this.#live.leave()
    const planned = this.#planner.stop()
    const deleted = this.#deletions.stop()
    await within(clock, drainMs, this.#live.lanesBack())
    this.#live.cancelSessions()
    await within(clock, MAX_CANCEL_MS, Promise.all([this.#live.lanesBack(), planned]))
    this.#hosts.stop()
    const flushed = this.#recorder.flushed().then(() => true)
    const [isFlushed] = await Promise.all([within(clock, MAX_FLUSH_MS, flushed), within(clock, MAX_FLUSH_MS, deleted)])
    this.storage.stop()
    if (isFlushed) return
    this.#recorder.stop()
    log.error('what has ended last could not be written: it will run again')
  }

  launchFetch(input: LaunchFetchInput, space: string): Promise<LaunchOutcome> {
    return this.#launches.launch(this.#checks().fetch(input), space)
  }

  launchCompute(input: LaunchComputeInput, space: string): Promise<LaunchOutcome> {
    return this.#launches.launch(this.#checks().compute(input), space)
  }

  launchPipeline(input: LaunchPipelineInput, space: string): Promise<LaunchOutcome> {
    return this.#launches.launch(this.#checks().pipeline(input), space)
  }

  #checks(): LaunchChecks {
    return new LaunchChecks(this.options.limits, this.options.functions)
  }

  launchComparison(input: LaunchComparisonInput, space: string): Promise<ComparisonOutcome> {
    return this.#comparisons.launch(input, space)
  }

  planBatch(batch: BatchInput, call: PlanCall): Promise<BatchPlan> {
    return this.#planner.plan(batch, call)
  }

  cancelRun(key: RunKey): Promise<ControlOutcome> {
    return this.storage.over(() => this.#controls.cancelRun(key))
  }

  pauseRun(key: RunKey): Promise<ControlOutcome> {
    return this.storage.over(() => this.#controls.pauseRun(key))
  }

  resumeRun(key: RunKey): Promise<ControlOutcome> {
    return this.storage.over(() => this.#controls.resumeRun(key))
  }

  cancelComparison(key: ComparisonKey): Promise<ComparisonOutcome> {
    return this.storage.over(() => this.#controls.cancelComparison(key))
  }

  async deleteRun(key: RunKey): Promise<DeleteOutcome> {
    const run = await this.run(key)
    return this.storage.over(() => this.#deletions.delete(key, run))
  }

  async pruneRuns(finishedBefore: Date): Promise<PruneOutcome> {
    // What ends meanwhile is not meant.
    const before = new Date(Math.min(finishedBefore.getTime(), this.options.clock.now().getTime()))
    return { deletedCount: await this.storage.over(() => this.#deletions.prune(before)), userErrors: [] }
  }

  async retryRun(key: RunKey, retry: RetryInput | null): Promise<LaunchOutcome> {
    const known = await this.run(key)
    const { run, userErrors } = await this.#retries.retry(key, known?.record ?? null, retry)
    return run ? { run, deduplicated: false, userErrors: [] } : { run: null, deduplicated: false, userErrors }
  }

  retryRuns(filter: RunFilter): Promise<RunsOutcome> {
    return this.#many.retry(filter)
  }

  cancelRuns(filter: RunFilter): Promise<RunsOutcome> {
    return this.#many.cancel(filter)
  }

  async run(key: RunKey): Promise<RunView | null> {
    const live = this.#live.get(key)
    if (live) return this.#views.view(live.record, live)
    const record = await this.options.store.run(key)
    return record && this.view(record)
  }

  view(record: RunRecord): RunView {
    return this.#views.view(record, this.#live.get(record.key))
  }

  async comparedRuns({ id }: ComparisonRecord): Promise<ComparedRun[]> {
    const runs = await this.options.store.comparedRuns(id)
    return runs.map((run) => {
      const live = this.#live.get(run.key)
      if (!live) return run
      const { status, concurrency } = live.ledger.visible
      return { ...run, status, concurrency, sequence: live.sequence }
    })
  }

  inFlight(key: RunKey): InFlightTask[] {
    const tasks = this.#live.get(key)?.inFlight() ?? []
    return tasks.sort((a, b) => a.startedMs - b.startedMs)
  }

  distribution(run: RunView, stage: number | null, column: TimeColumn): Promise<Distribution> {
    return this.#views.distribution(run, { stage, column }, this.#live.get(run.record.key))
  }

  phases(run: RunView, stage: number | null): Promise<ByPhase<Distribution> | null> {
    return this.#views.phases(run, stage, this.#live.get(run.record.key))
  }

  async compareRuns(baseline: RunKey, candidate: RunKey, scope: TaskScope): Promise<RunComparison | null> {
    const [one, other] = await Promise.all([this.run(baseline), this.run(candidate)])
    return one && other && compareRuns(this.options.store, { baseline: one, candidate: other }, scope)
  }

  timeline(run: RunView, maxSpans: number): Promise<LaneTimeline[]> {
    return this.#views.timeline(run, maxSpans)
  }

  diagnostics(run: RunView): Promise<readonly Diagnostic[]> {
    return this.#diagnoses.of(run.record)
  }

  reduction(run: RunView, onRead?: (characters: number) => void): Promise<Json> {
    return this.#views.reduction(run, onRead)
  }

  inputs(record: RunRecord, stage: number, indexes: readonly number[]): Promise<Map<number, Json>> {
    return this.#views.inputs(record, stage, indexes)
  }

  load(): EngineLoad {
    const none = Number.POSITIVE_INFINITY
    const oldest = Math.min(this.#comparisons.oldestQueuedMs ?? none, this.#live.oldestQueuedMs ?? none)
    const oldestQueuedMs = Number.isFinite(oldest) ? Math.max(0, this.options.clock.now().getTime() - oldest) : null
    return {
      queuedTasks: this.#queuedTasks,
      runningTasks: this.#live.runningTasks,
      runs: countStatuses([...this.#comparisons.waitingStatuses, ...this.#live.statuses]),
      oldestQueuedMs,
      lanes: this.options.lanes.statuses(),
      storageTrouble: this.storage.trouble,
    }
  }

  hosts(max: number): HostStatus[] {
    return this.#hosts.list(max)
  }

  strategyCosts(): Promise<StrategyCost[]> {
    return this.#strategyCosts.get()
  }

  get #queuedTasks(): number {
    return this.#comparisons.queuedTasks + this.#live.queuedTasks
  }
}

/** The promise's value, or null where the time is up before. */
async function within<T>(clock: Clock, limitMs: number, promise: Promise<T>): Promise<T | null> {
  let cancel = () => {}
  const late = new Promise<null>((resolve) => {
    cancel = clock.setTimer(() => resolve(null), limitMs)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    cancel()
  }
}
