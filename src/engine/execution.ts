/** One run under way: its stages, the books that they share, and how it comes to its end. */

import type { TaskError } from '../domain/errors.js'
import type { RunKey } from '../domain/ids.js'
import type { ExecutionState, RunRecord, RunStatus } from '../domain/run.js'
import type { InFlightTask } from '../domain/task.js'
import type { EventBus } from '../events/bus.js'
import { type Entry, epochMsOf, Ledger, type TimeBase, timeBaseOf } from './ledger.js'
import type { EngineObserver } from './observer.js'
import { type PlanLimits, runExecution, type StagePlan } from './plan.js'
import { Meters } from './rate.js'
import { StageExecution } from './stage.js'
import { NOTHING_RECOVERED, type StageRecovery } from './stage-items.js'
import type { Phase, StagedRun, StageSetting } from './staged-run.js'
import { type Ending, RunStates } from './states.js'

/** What a run's execution shares with the others. */
export interface ExecutionSetting extends StageSetting {
  bus: EventBus
  observer: EngineObserver
  limits: Pick<PlanLimits, 'maxLanes' | 'maxInFlight'>
  onEnded(execution: RunExecution): void
}

export class RunExecution implements StagedRun {
  readonly ledger: Ledger
  readonly meters: Meters
  readonly stages: readonly StageExecution[]
  readonly #states: RunStates
  #phase: Phase = 'waiting'
  #failure: TaskError | null = null
  #isCancelled = false
  #hasStarted: boolean
  #times: TimeBase = { runStartedAt: 0, readyAt: 0, resumedAt: null }

  /** `plans`: one a stage; `recovery`: likewise, where the run was taken up. */
  constructor(
    readonly record: RunRecord,
    private readonly plans: readonly StagePlan[],
    private readonly setting: ExecutionSetting,
    recovery: readonly StageRecovery[] = [],
  ) {
    const { clock, bus, observer } = setting
    const [only] = record.spec.stages
    this.ledger = new Ledger(record, only?.kind === 'COMPUTE' ? only.reduce : null)
    this.meters = new Meters(clock, record)
    this.#states = new RunStates({
      record,
      ledger: this.ledger,
      meters: this.meters,
      clock,
      bus,
      observer,
      running: (stage) => this.stages[stage]!.running,
      ending: () => this.#ending(),
      onEnded: () => setting.onEnded(this),
    })
    this.#hasStarted = record.startedAt !== null
    const resumedAt = record.resumedAt && epochMsOf(record.resumedAt, clock)
    if (record.startedAt) this.#times = { ...timeBaseOf({ ...record, startedAt: record.startedAt }, clock), resumedAt }
    else this.#times = { ...this.#times, resumedAt }
    if (record.status === 'PAUSED') this.#phase = 'paused'
    const stages: StageExecution[] = []
    for (const [index, plan] of plans.entries()) {
      const previous = stages.at(-1) ?? null
      const stage = new StageExecution(this, index, {
        plan,
        recovery: recovery[index] ?? NOTHING_RECOVERED,
        setting,
        previous,
      })
      if (previous) previous.next = stage
      stages.push(stage)
    }
    this.stages = stages
  }

  get key(): RunKey {
    return this.record.key
  }

  get phase(): Phase {
    return this.#phase
  }

  get times(): TimeBase {
    return this.#times
  }

  get isCancelled(): boolean {
    return this.#isCancelled
  }

  /** Whether nothing of it starts any more: all that is handed out is in service. */
  get isStill(): boolean {
    return this.stages.every(({ isStill }) => isStill)
  }

  /** Whether all that has ended is on disk, and shown. */
  get isWritten(): boolean {
    return this.#states.isWritten
  }

  get held(): number {
    return this.stages.reduce((sum, { held }) => sum + held, 0)
  }

  get running(): number {
    return this.#states.running
  }

  /** Of one stage. */
  runningIn(stage: number): number {
    return this.#states.runningIn(stage)
  }

  get sequence(): number {
    return this.#states.sequence
  }

  /** Whether some of its items wait for a lane. */
  get waitsForLane(): boolean {
    return this.stages.some(({ waitsForLane }) => waitsForLane)
  }

  /** After a restart: what the end of the server cut off is done now. */
  takeUp(): void {
    for (const stage of this.stages) stage.recordCulprits()
    if (this.record.isCancelRequested) this.cancel()
    else if (this.record.spec.failFast && this.record.counts.failed > 0) this.#end()
    else this.endIfDrained()
  }

  /** Whether its status is on disk, and no other one on its way there. */
  get isStatusWritten(): boolean {
    return this.#states.isStatusWritten
  }

  /** As it will be when what is on its way to the disk is there. */
  get status(): RunStatus {
    return this.#states.status
  }

  /** Whether it ends as soon as what is in service lets go. */
  get isEnding(): boolean {
    return this.#phase === 'ending' || this.#states.isFinal
  }

  /** Nothing more is handed out until it is resumed; what is in service goes on to its end. To be called where PAUSE can happen. */
  pause(): void {
    this.#states.enter('pause', 'PAUSED')
    if (this.#phase !== 'leaving') {
      this.#phase = 'paused'
      for (const stage of this.stages) stage.pause()
    }
    this.setting.recorder.touch(this.#states)
    this.endIfDrained()
  }

  /** Goes on where it was. To be called where RESUME can happen. */
  resume(): void {
    const { clock, recorder } = this.setting
    this.#states.enter('resume', this.#hasStarted ? 'RUNNING' : 'QUEUED')
    this.#states.change({ resumedAt: clock.now() })
    this.#times = { ...this.#times, resumedAt: clock.epochMs() }
    recorder.touch(this.#states)
    if (this.#phase !== 'paused') return
    this.meters.resume(this.ledger.recorded)
    this.#phase = this.held > 0 ? 'running' : 'waiting'
    for (const stage of this.stages) stage.resume()
  }

  /** It ends CANCELLED, whatever happens to the server meanwhile: what is in service is aborted, and what waits never starts. */
  cancel(): void {
    // It is about to end, in whichever way.
    if (this.isEnding) return
    this.#states.change({ isCancelRequested: true })
    this.setting.recorder.touch(this.#states)
    // The next start ends it.
    if (this.#phase === 'leaving') return
    this.#isCancelled = true
    this.#end()
  }

  /** From now on it may have lanes. */
  enter(): void {
    if (this.#phase === 'paused') return
    for (const stage of this.stages) stage.enter()
  }

  /** Grants what there is to grant: after a change elsewhere that may have made room. */
  pump(): void {
    // The last ones first: what they take makes room for those before.
    for (const stage of this.stages.toReversed()) stage.pump()
  }

  /** The run cannot go on. What has ended stays; the rest is skipped. */
  fail(error: TaskError): void {
    if (this.#isOver) return
    this.#failure ??= error
    this.#end()
  }

  /** The server is leaving: nothing more is granted, what ends in time is recorded, the rest runs after the next start. */
  leave(): void {
    if (this.#phase === 'ending' || this.#phase === 'leaving') return
    this.#phase = 'leaving'
    for (const stage of this.stages) stage.leave()
  }

  /** What is in service now. */
  inFlight(): InFlightTask[] {
    return this.stages.flatMap((stage) => stage.inFlight())
  }

  /** Aborts what is in service. */
  cancelSessions(): void {
    for (const stage of this.stages) stage.cancelSessions()
  }

  begin(stage: number): void {
    this.meters.start(this.ledger.recorded)
    this.meters.startStage(stage, this.ledger.recorded)
    if (this.#phase !== 'waiting') return
    this.#phase = 'running'
    if (this.#hasStarted) return
    this.#hasStarted = true
    const startedAt = this.setting.clock.now()
    const { resumedAt } = this.#times
    this.#times = { ...timeBaseOf({ createdAt: this.record.createdAt, startedAt }, this.setting.clock), resumedAt }
    this.#states.enter('start', 'RUNNING')
    this.#states.change({ startedAt })
    for (const [stage, { live, decision }] of this.plans.entries()) {
      const { strategy, lanes, concurrency } = live
      this.#notePlan(stage, { effectiveStrategy: strategy, lanes, concurrency, decision })
    }
    this.setting.recorder.touch(this.#states)
  }

  add(entry: Entry): void {
    this.#states.handOver()
    this.setting.recorder.add(this.#states, entry)
  }

  replanned(stage: number, execution: ExecutionState): void {
    this.#notePlan(stage, execution)
    this.setting.recorder.touch(this.#states)
  }

  taskFailed(): void {
    if (this.record.spec.failFast && (this.#phase === 'running' || this.#phase === 'paused')) this.#end()
  }

  showRunning(): void {
    this.#states.showRunning()
  }

  endIfDrained(): void {
    if (this.#states.isFinal || !this.#isDrained) return
    for (const stage of this.stages) stage.close()
    this.setting.recorder.touch(this.#states)
  }

  /** Nothing changes any more what becomes of it. */
  get #isOver(): boolean {
    return this.#states.isFinal || this.#phase === 'leaving'
  }

  /** Nothing is in service, and nothing will be. */
  get #isDrained(): boolean {
    return this.stages.every(({ isDrained }) => isDrained)
  }

  /** With the next state that is written. */
  #notePlan(stage: number, execution: ExecutionState): void {
    if (this.record.stages === null) {
      this.#states.change(execution)
      return
    }
    this.#states.changeStage(stage, execution)
    const stages = this.plans.map(({ live }, at) => ({ kind: this.record.spec.stages[at]!.kind, execution: live }))
    this.#states.change(runExecution(stages, this.setting.limits))
  }

  #end(): void {
    if (this.#isOver) return
    this.#phase = 'ending'
    for (const stage of this.stages) stage.end()
    this.endIfDrained()
  }

  /** With the rows handed over so far the run has ended, where nothing else is to come. */
  #ending(): Ending | null {
    if (!this.#isDrained) return null
    const { failFast } = this.record.spec
    const isCutShort = this.#phase === 'ending' || (failFast && this.ledger.recorded.counts.failed > 0)
    return { failure: this.#failure, isCutShort, isCancelled: this.#isCancelled }
  }
}
