/** One stage of a run under way: hands its items to the lanes it holds, and takes in what they report. */

import type { StageSpec } from '../domain/batch.js'
import type { TaskError } from '../domain/errors.js'
import type { RunKey } from '../domain/ids.js'
import { type LaneKind, type StageKind, slotsOfLane } from '../domain/strategy.js'
import type { InFlightTask } from '../domain/task.js'
import type { Lane, LaneCosts } from '../lanes/lane.js'
import type { ResultBlock } from '../lanes/protocol.js'
import { Alarm } from './alarm.js'
import { BoundedSupply } from './bounded-supply.js'
import { StrategyChoice } from './choice.js'
import { toColumns } from './columns.js'
import { toFailedBlock } from './culprits.js'
import { Demand } from './demand.js'
import type { LaneWork, NotedLane } from './grant-notes.js'
import { Granter } from './granter.js'
import type { HostUser } from './host-state.js'
import { Intake } from './intake.js'
import { toJobSpec } from './job.js'
import { judgeDeath } from './obituary.js'
import { concurrencyOf, type StagePlan } from './plan.js'
import type { ScheduledRun } from './scheduler.js'
import { SecludingSupply } from './secluding-supply.js'
import { type DeadLane, LaneSession, type SessionListener } from './session.js'
import { Sessions } from './sessions.js'
import { StageItems, type StageRecovery } from './stage-items.js'
import type { StagedRun, StageSetting } from './staged-run.js'

/** A run gives up when this many lanes in a row died before they had done anything. */
const MAX_STILLBORN_LANES = 5

export class StageExecution implements ScheduledRun, SessionListener, HostUser {
  /** The stage after it, which is told of what leaves this one. */
  next: StageExecution | null = null
  /** What is to be carried out, and what of it has come. */
  readonly items: StageItems
  readonly #work: StageSpec
  readonly #pending: SecludingSupply
  readonly #intake: Intake
  readonly #sessions: Sessions
  readonly #demand: Demand
  readonly #granter: Granter
  /** Null where nothing is to be chosen. */
  readonly #choice: StrategyChoice | null
  #stillborn = 0
  /** Rings when an item's back-off is over. */
  readonly #backoff: Alarm

  constructor(
    private readonly run: StagedRun,
    readonly index: number,
    private readonly options: {
      plan: StagePlan
      recovery: StageRecovery
      setting: StageSetting
      /** Null in the first one. */
      previous: StageExecution | null
    },
  ) {
    const { record } = run
    const { plan, setting } = options
    const { clock, store } = setting
    this.#work = record.spec.stages[index]!
    this.items = this.#createItems(store)
    const { supply } = this.items
    const isLast = index === record.spec.stages.length - 1
    const bounded = isLast ? supply : new BoundedSupply(supply, () => this.#room)
    this.#pending = new SecludingSupply(bounded, options.recovery.suspects)
    this.#sessions = new Sessions({
      mayStay: (session) =>
        run.phase === 'running' && !session.retiring && !session.isLast && this.#demand.grantable > 0,
      release: (lane) => this.#giveBack(lane),
    })
    this.#demand = new Demand({
      key: record.key,
      kind: this.#work.kind,
      priority: record.spec.priority,
      plan: plan.live,
      pending: this.#pending,
      sessions: this.#sessions,
      fetches: setting.fetches,
      goesOn: () => this.#goesOn,
      pump: () => this.pump(),
      onWantChanged: () => setting.onWantChanged(this),
    })
    this.#granter = this.#createGranter()
    this.#choice = this.#chooser()
    this.#intake = new Intake({
      run,
      stage: index,
      pending: this.#pending,
      items: this.items,
      granter: this.#granter,
      setting,
      next: () => this.next?.items ?? null,
    })
    this.#backoff = new Alarm(clock, () => this.#onDue())
  }

  get key(): RunKey {
    return this.run.record.key
  }

  get priority(): number {
    return this.run.record.spec.priority
  }

  get laneKind(): LaneKind {
    return this.options.plan.live.laneKind
  }

  get workKind(): StageKind {
    return this.#work.kind
  }

  get held(): number {
    return this.#sessions.size
  }

  get want(): number {
    return this.#demand.want
  }

  /** Tasks in service, as far as can be told without asking the lanes. */
  get running(): number {
    return this.#sessions.running
  }

  get hasKin(): boolean {
    return this.run.record.spec.stages.length > 1
  }

  get holdsLane(): boolean {
    return this.#sessions.slots > 0
  }

  /** How many more it could have in flight now: on the lanes that it holds, or on those that it would get. */
  get spare(): number {
    if (!this.#goesOn) return 0
    const { slots, claimed } = this.#sessions
    return Math.max(0, Math.min(this.#room, slots > 0 ? slots - claimed : this.execution.concurrency))
  }

  /** How it is executed now. */
  get execution(): StagePlan['live'] {
    return this.options.plan.live
  }

  /** Whether some of its items wait for a lane. */
  get waitsForLane(): boolean {
    return this.#pending.ready > 0 && this.run.phase !== 'ending' && this.run.phase !== 'paused'
  }

  /** Nothing is in service, and nothing that is here will be. */
  get isDrained(): boolean {
    const left = this.run.phase === 'ending' ? 0 : this.#pending.size + this.#granter.reading
    return this.#sessions.busy === 0 && left === 0
  }

  /** Items that have not ended here, as far as is known. */
  get left(): number {
    const { previous } = this.options
    return this.#pending.size + this.#granter.reading + this.#sessions.outstanding + (previous?.left ?? 0)
  }

  /** From now on it may have lanes. */
  enter(): void {
    this.#pending.start()
    this.#demand.changed()
  }

  /** Writes down as failed what is found to end the server. */
  recordCulprits(): void {
    const { culprits } = this.options.recovery
    if (culprits.length === 0) return
    // Its start may never have come to the disk.
    if (this.run.phase === 'waiting') this.run.begin(this.index)
    for (const culprit of culprits) {
      const { columns, origin } = toFailedBlock(culprit, this.run.times.runStartedAt)
      this.#intake.take(columns, origin)
    }
  }

  expectLane(): boolean {
    return this.#demand.expectLane()
  }

  missLane(): void {
    this.#demand.missLane()
  }

  /** A lane that this stage may use from now on. */
  attach(lane: Lane): void {
    const { setting } = this.options
    this.#demand.laneCame()
    this.run.begin(this.index)
    const { clock, maxOutputBytes, nextJob } = setting
    const ordinal = this.#sessions.freeOrdinal
    const slots = slotsOfLane(this.execution, ordinal)
    const tellsWaiting = this.#choice?.isOpen ?? false
    const place = { stage: this.index, file: setting.sourceFile(this.run.record.id) }
    const isAwaited = !this.#pending.mayWaitInLane
    const own = { job: nextJob(), slots, maxOutputBytes, tellsWaiting, isAwaited }
    const job = toJobSpec(this.run.record, place, own)
    const session = new LaneSession(lane, ordinal, job, { clock, listener: this, ...this.#noting(lane) })
    this.#sessions.add(session)
    this.#choice?.begin()
    this.#fill(session)
    // Only now: what was kept free for it is not to be shown to others in between.
    this.#demand.noteLanes()
    this.#sessions.settle(session)
    this.run.showRunning()
  }

  retire(count: number): void {
    this.#sessions.retire(count, this.options.setting.clock.epochMs())
  }

  giveUp(message: string): void {
    this.run.fail({ code: 'LANE_DIED', message, retryable: false })
  }

  /** Grants what there is to grant: after a change elsewhere that may have made room. */
  pump(): void {
    const { ready } = this.#pending
    this.#pending.release(this.options.setting.clock.monotonicMs())
    if (this.#pending.ready !== ready) this.#demand.changed()
    this.#fillAll()
    this.run.showRunning()
  }

  /** Whether everything that was handed out is in service: nothing more starts by itself. */
  get isStill(): boolean {
    return this.#granter.reading === 0 && this.#sessions.isStill
  }

  /** Nothing more is granted until it is resumed; what is in service may end. */
  pause(): void {
    this.#backoff.set(null)
    this.#pending.hold()
    for (const session of this.#sessions) this.#takeBack(session)
    this.#sessions.recall()
    this.#sessions.settleAll()
    this.#demand.changed()
  }

  resume(): void {
    this.#pending.start()
    this.#onDue()
  }

  /** Nothing more is granted; what is in service may end. */
  leave(): void {
    this.#choice?.stop()
    this.#backoff.set(null)
    this.#pending.stop()
    this.#sessions.recall()
    this.#sessions.settleAll()
    this.#demand.changed()
  }

  /** Nothing more is granted, and what is in service is aborted. */
  end(): void {
    this.#choice?.end()
    this.#backoff.set(null)
    this.#pending.stop()
    this.#sessions.cancel()
    this.#sessions.settleAll()
    this.#demand.changed()
  }

  /** The run has come to its end: what waits for another attempt has failed. */
  close(): void {
    this.#choice?.end()
    if (this.run.phase === 'ending') this.#intake.abandon()
  }

  /** Aborts what is in service. */
  cancelSessions(): void {
    this.#sessions.cancel()
  }

  inFlight(): InFlightTask[] {
    return this.#sessions.inFlight(this.index, this.run.times.runStartedAt)
  }

  onResults(session: LaneSession, block: ResultBlock): void {
    this.#stillborn = 0
    this.#granter.observe(block.columns)
    this.#choice?.observe(block, session.slots)
    const { columns, laneCpuMs, laneLoad, reduction, unreadable } = block
    const heldUntilMs = unreadable === undefined ? null : this.#granter.postpone(unreadable)
    this.#intake.take(columns, { lane: session.lane.name, laneCpuMs, laneLoad, reduction, heldUntilMs })
    // Of fetches the others may have been waiting longer for the room that this makes.
    if (this.#work.kind === 'COMPUTE') this.#fill(session)
    // What it leaves free is the others'.
    if (session.isLast) for (const other of this.#sessions) this.#fill(other)
    this.#sessions.settle(session)
    this.#afterResults()
  }

  onWaiting(session: LaneSession, busyShare: number | null): void {
    if (this.#sessions.has(session)) this.#choice?.onWaiting(busyShare)
  }

  onDeath(session: LaneSession, death: DeadLane): void {
    const { timeoutMs } = session
    const nowMs = this.options.setting.clock.epochMs()
    const { ended, givenBack, suspects } = judgeDeath(death, {
      timeoutMs,
      nowMs,
      canTryApart: this.#work.kind === 'COMPUTE',
    })
    for (const { index, attempt } of givenBack) this.#pending.giveBack(index, attempt)
    for (const { index, attempt } of suspects) this.#pending.seclude(index, attempt)
    if (ended.length > 0)
      this.#intake.take(toColumns(ended), { lane: session.lane.name, laneCpuMs: 0, reduction: null, heldUntilMs: null })
    this.#sessions.remove(session)
    if (!session.hasReported && ended.length === 0 && death.killedFor === null) this.#countStillborn(death.error)
    this.#afterResults()
  }

  #createItems(store: StageSetting['store']): StageItems {
    const { run, index } = this
    const { setting, recovery, plan } = this.options
    return new StageItems({
      record: run.record,
      stage: index,
      recovery,
      store,
      runStartedAt: () => run.times.runStartedAt,
      inService: () => this.options.previous?.execution.concurrency ?? 0,
      concurrency: plan.live.concurrency,
      clock: setting.clock,
      isFull: () => setting.recorder.full,
      onEnded: (columns) => this.#intake.skip(columns),
      onChanged: () => this.#onDue(),
      onUnreadable: (error) => run.fail(error),
      hosts: setting.hosts,
      user: this,
      recall: () => this.#sessions.recall(),
    })
  }

  /** Whether more is to be handed out, now or when there are lanes. */
  get #goesOn(): boolean {
    return this.run.phase === 'waiting' || this.run.phase === 'running'
  }

  /** How many more may be handed out, so that there is room for them in the next stage. */
  get #room(): number {
    const room = this.next === null ? Number.POSITIVE_INFINITY : this.next.items.room
    return room - this.#sessions.outstanding - this.#granter.reading
  }

  /** Whether the next stage takes nothing for now. */
  get #isHeldUp(): boolean {
    return this.next === null ? false : this.next.items.isShut
  }

  #createGranter(): Granter {
    const { run, options } = this
    const { spec } = run.record
    return new Granter({
      stage: this.#work,
      concurrency: concurrencyOf(spec, this.#work),
      inputs: this.items.inputs,
      plan: options.plan.live,
      pending: this.#pending,
      clock: options.setting.clock,
      sessions: this.#sessions,
      fetchRoom: () => this.#demand.fetchRoom(),
      lends: () => this.#choice?.isOpen ?? false,
      mayGrant: (session) =>
        run.phase === 'running' && this.#sessions.has(session) && !session.isLast && !session.retiring,
      onFilled: (session) => this.#onFilled(session),
      onUnreadable: (error) => run.fail(error),
    })
  }

  #chooser(): StrategyChoice | null {
    const { options, decision } = this.options.plan
    if (options === null) return null
    const { clock, recorder, laneCosts } = this.options.setting
    return new StrategyChoice(
      {
        plan: this.execution,
        options,
        clock,
        costs: () => this.#share(laneCosts('THREAD')),
        overheadMs: () => recorder.rowMs,
        left: () => this.left,
        inServiceMs: () => this.#sessions.longestInServiceMs(clock.epochMs()),
        holdsLane: () => this.#sessions.size > 0,
        onChosen: (advice) => {
          const { strategy, lanes, concurrency } = this.execution
          this.run.replanned(this.index, { decision: advice, effectiveStrategy: strategy, lanes, concurrency })
        },
        onReplanned: () => this.#replan(),
      },
      decision,
    )
  }

  /** Lanes that are idle are there for all stages of a pipeline: where one takes them, others start theirs. */
  #share(costs: LaneCosts): LaneCosts {
    return this.run.record.stages === null ? costs : { ...costs, idle: 0 }
  }

  /** The plan has changed: what has not begun is handed out anew. */
  #replan(): void {
    for (const session of this.#sessions) {
      this.#takeBack(session)
      session.isLast = session.slots !== slotsOfLane(this.execution, session.ordinal)
      if (session.isLast) session.recall()
    }
    this.#demand.changed()
    for (const session of this.#sessions) this.#fill(session)
  }

  /** What is on loan and has not begun. */
  #takeBack(session: LaneSession): void {
    for (const { grant, started } of session.takeBack().reverse()) this.#pending.restore(grant, started)
  }

  #fill(session: LaneSession): void {
    if (this.run.phase !== 'running' || session.retiring || session.isLast) return
    if (session.filling > 0 || this.options.setting.recorder.full) return
    if (!this.#sessions.has(session)) return
    this.#granter.fill(session)
    // Of what was asked for some may have to wait.
    this.#expectDue()
  }

  #fillAll(): void {
    for (const session of this.#sessions) {
      this.#fill(session)
      this.#sessions.settle(session)
    }
  }

  #onFilled(session: LaneSession): void {
    this.#fill(session)
    this.#sessions.settle(session)
    this.#afterResults()
  }

  /** Something has come from the stage before, or the one after it has room. */
  #look(): void {
    this.#demand.changed()
    this.#fillAll()
  }

  /** Time, or another item's end, has made something ready. */
  #onDue(): void {
    this.pump()
    this.#afterResults()
  }

  #afterResults(): void {
    this.#expectDue()
    this.run.endIfDrained()
    const { previous } = this.options
    if (this.next) this.next.#look()
    if (previous) previous.#look()
    // What was handed out ahead gives more than there is room for by now.
    if (this.#isHeldUp) this.#sessions.recall()
    // The last items may wait behind long ones in the lane that was handed them, while there could be another one.
    if (this.#pending.ready === 0 && this.#sessions.size < this.execution.lanes) this.#sessions.recall()
    this.#demand.changed()
    this.#demand.offer()
    this.run.showRunning()
  }

  /** A run that has been resumed may have nothing but items in back-off, and no lane. */
  #expectDue(): void {
    if (this.#goesOn) this.#backoff.set(this.#pending.nextDueMs)
  }

  /** What ends lanes before they do anything would do so for ever. */
  #countStillborn({ message }: TaskError): void {
    this.#stillborn += 1
    if (this.#stillborn >= MAX_STILLBORN_LANES) this.giveUp(`no lane could do anything: ${message}`)
  }

  /** Nothing is noted of what cannot end the server: functions in a process of their own, and fetches, which run no function. */
  #noting({ name }: Lane): { note?(work: LaneWork): NotedLane } {
    if (this.#work.kind === 'FETCH' || this.laneKind === 'PROCESS') return {}
    const place = { run: this.key, stage: this.index }
    return { note: (work) => this.options.setting.notes.open(place, name, work) }
  }

  #giveBack(lane: Lane): void {
    this.options.setting.release(lane)
    this.#demand.noteLanes()
  }
}
