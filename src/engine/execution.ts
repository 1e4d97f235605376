/** One run under way: hands its items to the lanes it holds, takes in what they report, and knows when it has ended. */

import type { Clock } from '../clock.js'
import type { StageSpec } from '../domain/batch.js'
import type { TaskError } from '../domain/errors.js'
import type { RunKey } from '../domain/ids.js'
import type { IndexSet } from '../domain/indexset.js'
import type { ResultColumns } from '../domain/results.js'
import { doneOf, type RunRecord } from '../domain/run.js'
import { type LaneKind, slotsOfLane } from '../domain/strategy.js'
import type { InFlightTask } from '../domain/task.js'
import type { EventBus } from '../events/bus.js'
import type { Lane, LaneCosts } from '../lanes/lane.js'
import type { ResultBlock } from '../lanes/protocol.js'
import type { SourceFile, Store } from '../store/store.js'
import { Alarm } from './alarm.js'
import { Attempts } from './attempts.js'
import { StrategyChoice } from './choice.js'
import { toColumns } from './columns.js'
import { Demand } from './demand.js'
import type { FetchBudget } from './fetch-budget.js'
import { createSupply } from './gated-supply.js'
import { Granter } from './granter.js'
import { toJobSpec } from './job.js'
import { type BlockFrame, Ledger, type TimeBase, timeBaseOf, toEntry } from './ledger.js'
import { judgeDeath } from './obituary.js'
import type { LivePlan, RunPlan } from './plan.js'
import { RateMeter } from './rate.js'
import type { Recorder } from './recorder.js'
import type { ScheduledRun } from './scheduler.js'
import { type DeadLane, LaneSession, type SessionListener } from './session.js'
import { Sessions } from './sessions.js'
import { RunStates } from './states.js'
import type { Supply } from './supply.js'

/** What a run's execution shares with the others. */
export interface ExecutionSetting {
  clock: Clock
  random(): number
  recorder: Recorder
  store: Pick<Store, 'items' | 'task'>
  /** Of a run under way whose source is a file; null for any other. */
  sourceFile(runId: number): SourceFile | null
  bus: EventBus
  fetches: FetchBudget
  maxOutputBytes: number
  laneCosts(kind: LaneKind): LaneCosts
  nextJob(): number
  /** The lane has nothing of this run any more. */
  release(lane: Lane): void
  /** It may want more or fewer lanes than before. */
  onWantChanged(execution: RunExecution): void
  onEnded(execution: RunExecution): void
}

/** Ending: the rest is not to run. Leaving: the rest is to run after the next start. */
type Phase = 'waiting' | 'running' | 'ending' | 'leaving'

/** A run gives up when this many lanes in a row died before they had done anything. */
const MAX_STILLBORN_LANES = 5

export class RunExecution implements ScheduledRun, SessionListener {
  readonly ledger: Ledger
  readonly rate: RateMeter
  readonly #pending: Supply
  readonly #attempts: Attempts
  readonly #sessions: Sessions
  readonly #demand: Demand
  readonly #granter: Granter
  /** Null where nothing is to be chosen. */
  readonly #choice: StrategyChoice | null
  readonly plan: LivePlan
  readonly #stage: StageSpec
  readonly #states: RunStates
  #phase: Phase = 'waiting'
  #failure: TaskError | null = null
  #times: TimeBase = { runStartedAt: 0, readyAt: 0 }
  #stillborn = 0
  /** Rings when an item's back-off is over. */
  readonly #backoff: Alarm

  constructor(
    readonly record: RunRecord,
    private readonly chosen: RunPlan,
    private readonly setting: ExecutionSetting,
    ended: IndexSet | null = null,
  ) {
    const { clock, store } = setting
    const stage = record.spec.stages[0]!
    const plan = chosen.live
    this.plan = plan
    this.#stage = stage
    this.ledger = new Ledger(record, stage.kind === 'COMPUTE' ? stage.reduce : null)
    this.rate = new RateMeter(clock)
    this.#states = new RunStates({
      record,
      ledger: this.ledger,
      rate: this.rate,
      clock,
      bus: setting.bus,
      running: () => this.#sessions.running,
      ending: () => this.#ending(),
      onEnded: () => setting.onEnded(this),
    })
    const pending = createSupply({
      record,
      ended,
      concurrency: plan.concurrency,
      clock,
      store,
      isFull: () => setting.recorder.full,
      onEnded: (columns) =>
        this.#record(columns, { lane: null, laneCpuMs: 0, reduction: null, dropped: null, histories: [] }),
      onChanged: () => this.#onDue(),
      onUnreadable: (error) => this.fail(error),
    })
    this.#pending = pending
    const sessions = new Sessions({
      mayStay: (session) =>
        this.#phase === 'running' && !session.retiring && !session.isLast && this.#demand.grantable > 0,
      release: (lane) => this.#giveBack(lane),
    })
    this.#sessions = sessions
    this.#demand = new Demand({
      kind: stage.kind,
      priority: record.spec.priority,
      plan,
      pending,
      sessions,
      fetches: setting.fetches,
      goesOn: () => this.#phase === 'waiting' || this.#phase === 'running',
      pump: () => this.pump(),
      onWantChanged: () => setting.onWantChanged(this),
    })
    this.#granter = new Granter({
      record,
      plan,
      pending,
      clock,
      store,
      sessions,
      fetchRoom: () => this.#demand.fetchRoom(),
      lends: () => this.#choice?.isOpen ?? false,
      mayGrant: (session) => this.#phase === 'running' && sessions.has(session) && !session.isLast,
      onFilled: (session) => this.#onFilled(session),
      onUnreadable: (error) => this.fail(error),
    })
    this.#choice = this.#chooser()
    this.#attempts = new Attempts({
      spec: record.spec,
      stage,
      pending,
      clock,
      random: () => setting.random(),
      methodOf: (index) => this.#granter.methodOf(index),
    })
    this.#backoff = new Alarm(clock, () => this.#onDue())
    if (record.startedAt) this.#times = timeBaseOf({ createdAt: record.createdAt, startedAt: record.startedAt }, clock)
  }

  get key(): RunKey {
    return this.record.key
  }

  get priority(): number {
    return this.record.spec.priority
  }

  get laneKind(): LaneKind {
    return this.plan.laneKind
  }

  get held(): number {
    return this.#sessions.size
  }

  get want(): number {
    return this.#demand.want
  }

  get running(): number {
    return this.#states.running
  }

  get sequence(): number {
    return this.#states.sequence
  }

  /** Whether some of its items wait for a lane. */
  get waitsForLane(): boolean {
    return this.#pending.ready > 0 && this.#phase !== 'ending'
  }

  /** After a restart: what the end of the server cut off is done now. */
  takeUp(): void {
    if (this.record.spec.failFast && this.record.counts.failed > 0) this.#end()
    else this.#endIfDrained()
  }

  /** From now on it may have lanes. */
  enter(): void {
    this.#pending.start()
    this.#demand.changed()
  }

  expectLane(): boolean {
    return this.#demand.expectLane()
  }

  missLane(): void {
    this.#demand.missLane()
  }

  /** A lane that this run may use from now on. */
  attach(lane: Lane): void {
    this.#demand.laneCame()
    if (this.#phase === 'waiting') this.#start()
    const { clock, maxOutputBytes, nextJob } = this.setting
    const ordinal = this.#sessions.freeOrdinal
    const slots = slotsOfLane(this.plan, ordinal)
    const tellsWaiting = this.#choice?.isOpen ?? false
    const file = this.setting.sourceFile(this.record.id)
    const job = toJobSpec(this.record, file, { job: nextJob(), slots, maxOutputBytes, tellsWaiting })
    const session = new LaneSession(lane, ordinal, job, { clock, listener: this })
    this.#sessions.add(session)
    this.#choice?.begin()
    this.#fill(session)
    // Only now: what was kept free for it is not to be shown to others in between.
    this.#demand.noteLanes()
    this.#sessions.settle(session)
    this.#states.showRunning()
  }

  retire(count: number): void {
    this.#sessions.retire(count)
  }

  /** Grants what there is to grant: after a change elsewhere that may have made room. */
  pump(): void {
    const { ready } = this.#pending
    this.#pending.release(this.setting.clock.monotonicMs())
    if (this.#pending.ready !== ready) this.#demand.changed()
    for (const session of this.#sessions) {
      this.#fill(session)
      this.#sessions.settle(session)
    }
    this.#states.showRunning()
  }

  giveUp(message: string): void {
    this.fail({ code: 'LANE_DIED', message, retryable: false })
  }

  /** The run cannot go on. What has ended stays; the rest is skipped. */
  fail(error: TaskError): void {
    if (this.#isOver) return
    this.#failure ??= error
    this.#end()
  }

  /** The server is leaving: nothing more is granted, what ends in time is recorded, the rest runs after the next start. */
  leave(): void {
    if (this.#phase !== 'waiting' && this.#phase !== 'running') return
    this.#phase = 'leaving'
    this.#choice?.stop()
    this.#backoff.set(null)
    this.#pending.stop()
    this.#sessions.recall()
    this.#sessions.settleAll()
    this.#demand.changed()
  }

  /** What is in service now. */
  inFlight(): InFlightTask[] {
    return this.#sessions.inFlight(this.#times.runStartedAt)
  }

  /** Aborts what is in service. */
  cancelSessions(): void {
    this.#sessions.cancel()
  }

  onResults(session: LaneSession, block: ResultBlock): void {
    this.#stillborn = 0
    this.#granter.observe(block.columns)
    this.#choice?.observe(block.columns, { laneCpuMs: block.laneCpuMs, slots: session.slots })
    const { columns, laneCpuMs, reduction, unreadable } = block
    const heldUntilMs = unreadable === undefined ? null : this.#granter.postpone(unreadable)
    this.#take(columns, { lane: session.lane.name, laneCpuMs, reduction, heldUntilMs })
    // Of fetches the others may have been waiting longer for the room that this makes.
    if (this.#stage.kind === 'COMPUTE') this.#fill(session)
    // What it leaves free is the others'.
    if (session.isLast) for (const other of this.#sessions) this.#fill(other)
    this.#sessions.settle(session)
    this.#afterResults()
  }

  onWaiting(session: LaneSession, busyShare: number | null): void {
    if (this.#sessions.has(session)) this.#choice?.onWaiting(busyShare)
  }

  onDeath(session: LaneSession, death: DeadLane): void {
    const { timeoutMs } = this.record.spec
    const { ended, givenBack } = judgeDeath(death, { timeoutMs, nowMs: this.setting.clock.epochMs() })
    for (const { index, attempt } of givenBack) this.#pending.giveBack(index, attempt)
    if (ended.length > 0)
      this.#take(toColumns(ended), { lane: session.lane.name, laneCpuMs: 0, reduction: null, heldUntilMs: null })
    this.#sessions.remove(session)
    if (!session.hasReported && ended.length === 0 && death.killedFor === null) this.#countStillborn(death.error)
    this.#afterResults()
  }

  /** Nothing changes any more what becomes of it. */
  get #isOver(): boolean {
    return this.#states.isFinal || this.#phase === 'leaving'
  }

  /** Nothing is in service, and nothing will be. */
  get #drained(): boolean {
    const left = this.#phase === 'ending' ? 0 : this.#pending.size + this.#granter.reading
    return this.#sessions.busy === 0 && left === 0
  }

  #start(): void {
    this.#phase = 'running'
    this.rate.start(doneOf(this.ledger.recorded.counts))
    if (this.ledger.recorded.startedAt) return
    const startedAt = this.setting.clock.now()
    this.#times = timeBaseOf({ createdAt: this.record.createdAt, startedAt }, this.setting.clock)
    const { strategy, lanes, concurrency } = this.plan
    const { decision } = this.chosen
    this.#states.change({ status: 'RUNNING', startedAt, effectiveStrategy: strategy, lanes, concurrency, decision })
    this.setting.recorder.touch(this.#states)
  }

  #chooser(): StrategyChoice | null {
    const { options, decision } = this.chosen
    if (options === null) return null
    const { clock, recorder, laneCosts } = this.setting
    return new StrategyChoice(
      {
        plan: this.plan,
        options,
        clock,
        costs: () => laneCosts('THREAD'),
        overheadMs: () => recorder.rowMs,
        left: () => this.#left,
        inServiceMs: () => this.#sessions.longestInServiceMs(clock.epochMs()),
        holdsLane: () => this.#sessions.size > 0,
        onChosen: (decision) => {
          const { strategy, lanes, concurrency } = this.plan
          this.#states.change({ decision, effectiveStrategy: strategy, lanes, concurrency })
        },
        onReplanned: () => this.#replan(),
      },
      decision,
    )
  }

  /** Items that have not ended, as far as is known here. */
  get #left(): number {
    return this.#pending.size + this.#granter.reading + this.#sessions.outstanding
  }

  /** The plan has changed: what has not begun is handed out anew. */
  #replan(): void {
    for (const session of this.#sessions) {
      for (const { grant, started } of session.takeBack().reverse()) this.#pending.restore(grant, started)
      session.isLast = session.slots !== slotsOfLane(this.plan, session.ordinal)
      if (session.isLast) session.recall()
    }
    this.#demand.changed()
    for (const session of this.#sessions) this.#fill(session)
    this.setting.recorder.touch(this.#states)
  }

  #fill(session: LaneSession): void {
    if (this.#phase !== 'running' || session.retiring || session.isLast) return
    if (session.filling > 0 || this.setting.recorder.full) return
    if (this.#sessions.has(session)) this.#granter.fill(session)
  }

  #onFilled(session: LaneSession): void {
    this.#fill(session)
    this.#sessions.settle(session)
    this.#afterResults()
  }

  #take(
    columns: ResultColumns,
    {
      heldUntilMs,
      ...from
    }: Pick<BlockFrame, 'laneCpuMs' | 'reduction'> & { lane: string; heldUntilMs: number | null },
  ): void {
    this.#pending.started(columns)
    const { dropped, histories, failed } = this.#attempts.judge(columns, {
      heldUntilMs,
      lane: from.lane,
      runStartedAt: this.#times.runStartedAt,
      ending: this.#phase === 'ending',
      leaving: this.#phase === 'leaving',
    })
    this.#granter.forget(columns)
    this.#record(columns, { ...from, dropped, histories })
    this.#pending.ended(columns, dropped)
    if (failed && this.record.spec.failFast && this.#phase === 'running') this.#end()
  }

  #record(columns: ResultColumns, frame: Omit<BlockFrame, 'stage' | 'runStartedAt' | 'readyAt'>): void {
    this.setting.recorder.add(this.#states, toEntry(columns, { ...frame, ...this.#times, stage: 0 }))
  }

  /** Time, or another item's end, has made something ready. */
  #onDue(): void {
    this.pump()
    this.#afterResults()
  }

  #afterResults(): void {
    if (this.#phase === 'running') this.#backoff.set(this.#pending.nextDueMs)
    this.#endIfDrained()
    // The last items may wait behind long ones in the lane that was handed them, while there could be another one.
    if (this.#pending.ready === 0 && this.#sessions.size < this.plan.lanes) this.#sessions.recall()
    this.#demand.changed()
    this.#demand.offer()
    this.#states.showRunning()
  }

  /** What ends lanes before they do anything would do so for ever. */
  #countStillborn({ message }: TaskError): void {
    this.#stillborn += 1
    if (this.#stillborn >= MAX_STILLBORN_LANES) this.giveUp(`no lane could do anything: ${message}`)
  }

  #giveBack(lane: Lane): void {
    this.setting.release(lane)
    this.#demand.noteLanes()
  }

  #end(): void {
    if (this.#isOver) return
    this.#phase = 'ending'
    this.#choice?.end()
    this.#backoff.set(null)
    this.#pending.stop()
    this.#sessions.cancel()
    this.#sessions.settleAll()
    this.#endIfDrained()
    this.#demand.changed()
  }

  #endIfDrained(): void {
    if (!this.#drained || this.#states.isFinal) return
    this.#choice?.end()
    for (const block of this.#phase === 'ending' ? this.#attempts.abandon(this.#times.runStartedAt) : []) {
      this.#record(block.columns, { ...block, dropped: null, laneCpuMs: 0, reduction: null })
    }
    this.setting.recorder.touch(this.#states)
  }

  /** With the rows handed over so far the run has ended, where nothing else is to come. */
  #ending(): { failure: TaskError | null; isCutShort: boolean } | null {
    if (!this.#drained) return null
    const { failFast } = this.record.spec
    const isCutShort = this.#phase === 'ending' || (failFast && this.ledger.recorded.counts.failed > 0)
    return { failure: this.#failure, isCutShort }
  }
}
