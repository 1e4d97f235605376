/** The runs under way: what carries them out, from their launch or the start of the server on, to their end. */

import type { Logger } from 'pino'
import { functionsOf } from '../domain/batch.js'
import type { RunKey } from '../domain/ids.js'
import { doneOf, type RunRecord, type RunStatus } from '../domain/run.js'
import type { EventBus } from '../events/bus.js'
import type { FunctionCatalog } from '../functions/function.js'
import type { LanePool } from '../lanes/lane.js'
import type { SourceFile, Store } from '../store/store.js'
import type { Comparisons } from './comparisons.js'
import type { EngineLoad, UnfinishedStatus } from './engine.js'
import { RunExecution } from './execution.js'
import type { GrantNotes } from './grant-notes.js'
import type { EngineObserver } from './observer.js'
import { lanesAhead, type PlanLimits, planStage, type StagePlan } from './plan.js'
import type { QueueLimit } from './queue-limit.js'
import { recoverStages, restoreTimes } from './recovery.js'
import type { Scheduler } from './scheduler.js'
import type { StageRecovery } from './stage-items.js'
import type { StageSetting } from './staged-run.js'

interface Options {
  store: Store
  lanes: Pick<LanePool, 'warm'>
  bus: EventBus
  functions: FunctionCatalog
  log: Logger
  limits: PlanLimits
  setting: StageSetting
  observer: EngineObserver
  scheduler: Scheduler
  comparisons: Pick<Comparisons, 'isMeasuring'>
  notes: Pick<GrantNotes, 'suspectsOf' | 'culpritsOf'>
  queue: Pick<QueueLimit, 'keep'>
  /** It is under way no more. */
  onEnded(run: RunRecord): void
}

export class LiveRuns {
  readonly #runs = new Map<RunKey, RunExecution>()
  /** Their files, by run id. */
  readonly #files = new Map<number, SourceFile>()
  #leaving = false
  #onRelease = () => {}

  constructor(private readonly options: Options) {}

  get(key: RunKey): RunExecution | null {
    return this.#runs.get(key) ?? null
  }

  /** See StageSetting. */
  sourceFile(runId: number): SourceFile | null {
    return this.#files.get(runId) ?? null
  }

  get runningTasks(): number {
    return this.#sum(({ running }) => running)
  }

  /** Tasks that have neither ended nor begun. */
  get queuedTasks(): number {
    return this.#sum(({ ledger, running }) => {
      const { counts } = ledger.visible
      return counts.total - doneOf(counts) - running
    })
  }

  get statuses(): RunStatus[] {
    return [...this.#runs.values()].map(({ ledger }) => ledger.visible.status)
  }

  /** As they end now. */
  get tasksPerSecond(): number {
    return this.#sum(({ meters }) => meters.run.perSecond())
  }

  /** When the oldest was launched of those that wait for a lane; null where none waits. */
  get oldestQueuedMs(): number | null {
    const waiting = [...this.#runs.values()].filter(({ waitsForLane }) => waitsForLane)
    return waiting.length === 0 ? null : Math.min(...waiting.map(({ record }) => record.createdAt.getTime()))
  }

  /** Carries out what was just written down. While the server leaves that is left to the next one. */
  async begin(run: RunRecord, recovery: readonly StageRecovery[]): Promise<void> {
    this.options.observer.runLaunched(run.spec.kind)
    await this.#findFile(run)
    if (this.#leaving) this.options.queue.keep(run.counts.total)
    else this.#execute(this.#executionOf(run, recovery))
  }

  /** Carries a run out that is on disk, from where it is. */
  async resume(record: RunRecord): Promise<void> {
    const { store, notes } = this.options
    await this.#findFile(record)
    const execution = this.#executionOf(record, await recoverStages(store, record, notes))
    await restoreTimes(store, record, execution.ledger)
    // The server has begun to leave meanwhile: the next one takes it up.
    if (this.#leaving) return
    this.#execute(execution)
    execution.takeUp()
    if (record.status !== 'PAUSED') this.checkNeeds(execution)
  }

  /** What a run needs, and is not there any more, has it fail. */
  checkNeeds(execution: RunExecution): void {
    const { functions, log } = this.options
    const { record } = execution
    const { source } = record.spec
    if (source.kind === 'file' && !this.#files.has(record.id)) {
      log.warn({ run: record.key }, 'a run cannot go on: nothing is known of its file')
      execution.fail({ code: 'INVALID_INPUT', message: 'nothing is known of its file any more', retryable: false })
    }
    const missing = functionsOf(record.spec).find((name) => !functions.has(name))
    if (missing === undefined) return
    log.warn({ run: record.key, function: missing }, 'a run cannot go on: its function is gone')
    const message = `there is no function "${missing}" any more`
    execution.fail({ code: 'FUNCTION_ERROR', message, retryable: false })
  }

  /** Something may be granted that could not be before. */
  pump(): void {
    for (const execution of this.#runs.values()) execution.pump()
    this.options.scheduler.balance()
  }

  /** A lane was given back. */
  released(): void {
    this.#onRelease()
  }

  /** Nothing more is granted, and nothing more is begun. */
  leave(): void {
    this.#leaving = true
    for (const execution of this.#runs.values()) execution.leave()
  }

  /** Aborts what is in service. */
  cancelSessions(): void {
    for (const execution of this.#runs.values()) execution.cancelSessions()
  }

  /** Resolves when no run holds a lane any more. One waits at a time. */
  lanesBack(): Promise<void> {
    return new Promise((resolve) => {
      this.#onRelease = () => {
        if (this.#sum(({ held }) => held) === 0) resolve()
      }
      this.#onRelease()
    })
  }

  #sum(count: (execution: RunExecution) => number): number {
    let sum = 0
    for (const execution of this.#runs.values()) sum += count(execution)
    return sum
  }

  #executionOf(record: RunRecord, recovery: readonly StageRecovery[]): RunExecution {
    const { setting, bus, limits, observer } = this.options
    const own = { ...setting, bus, limits, observer, onEnded: (execution: RunExecution) => this.#forget(execution) }
    return new RunExecution(record, this.#plans(record), own, recovery)
  }

  /** What lanes must know of the file of a run. */
  async #findFile({ id, spec }: RunRecord): Promise<void> {
    const file = spec.source.kind === 'file' ? await this.options.store.sourceFile(id) : null
    if (file) this.#files.set(id, file)
  }

  #plans(record: RunRecord): StagePlan[] {
    const { limits, comparisons, lanes } = this.options
    const plans = Array.from(record.spec.stages.keys(), (stage) => planStage(record, stage, limits))
    // What a comparison's run has for itself is not to be shared with lanes that start.
    if (comparisons.isMeasuring || record.status === 'PAUSED') return plans
    for (const [kind, count] of lanesAhead(plans)) lanes.warm(kind, count)
    return plans
  }

  #execute(execution: RunExecution): void {
    this.#runs.set(execution.key, execution)
    execution.enter()
    for (const stage of execution.stages) this.options.scheduler.add(stage)
    this.options.bus.runChanged(execution.key)
  }

  #forget(execution: RunExecution): void {
    this.#runs.delete(execution.key)
    this.options.observer.runEnded(execution.record.spec.kind, execution.ledger.visible.status)
    this.#files.delete(execution.record.id)
    for (const stage of execution.stages) this.options.scheduler.remove(stage)
    this.options.onEnded(execution.record)
  }
}

export function countStatuses(statuses: readonly RunStatus[]): EngineLoad['runs'] {
  const counts = { QUEUED: 0, RUNNING: 0, PAUSED: 0 }
  for (const status of statuses) if (status in counts) counts[status as UnfinishedStatus] += 1
  return counts
}
