/**
 * AUTO of a compute run: its first tasks run on one lane, one after the other, and what they take tells how the rest is run. What
 * the lane has been handed and has not begun can be taken back at any moment, so that to look first costs next to nothing.
 */

import type { Clock } from '../clock.js'
import {
  adviseCompute,
  adviseTooLate,
  type ComputeOptions,
  type ProbeFigures,
  type StrategyAdvice,
} from '../domain/advice.js'
import { coreWaitWithin } from '../domain/lane-load.js'
import { Outcome, type ResultColumns } from '../domain/results.js'
import type { LaneCosts } from '../lanes/lane.js'
import type { ResultBlock } from '../lanes/protocol.js'
import { Alarm } from './alarm.js'
import { handOutCosts } from './lane-costs.js'
import { chosenFrom, type LivePlan } from './plan.js'

/** A task that has not ended after this long is no short one: what waits behind it is looked after. */
const LONG_TASK_MS = 1
/** Of tasks as short as that it takes some to tell. */
const TINY_TASK_MS = 0.02
const MIN_TINY_TASKS = 256
/** How often the lane is looked at afterwards: tasks may become longer. */
const LOOK_EVERY_MS = 5
/** Of this many tasks at most the mean counts, by halves: what comes may differ from what was first. */
const MAX_COUNTED = 64
/** One of many that took much longer than they is an accident, such as a collection of garbage, until there are more of them. */
const MAX_TIMES_MEAN = 16
/** But no accident takes that long. */
const LONG_ACCIDENT_MS = 20
/** Until a task that waits has told how much it computes meanwhile. */
const MAX_WAIT_LOOKS = 4
/** Of what seemed to wait it takes so much CPU time to tell how busy its event loop is. */
const MIN_BUSY_MS = 20
/** From this share of its time on the event loop is what holds the tasks up. */
const BUSY_SHARE = 0.8
/** What was more than this long ago says nothing of how busy it is now, nor what was so many tasks' time ago. */
const BUSY_WINDOW_MS = 500
const BUSY_WINDOW_TASKS = 4

interface Setting {
  plan: LivePlan
  options: ComputeOptions
  clock: Clock
  /** Of threads. */
  costs(): LaneCosts
  /** See ProbeFigures. */
  overheadMs(): number
  /** Items that are not known to have ended. */
  left(): number
  /** How long the task in service has been there; null where there is none. */
  inServiceMs(): number | null
  /** Whether the run holds a lane now. */
  holdsLane(): boolean
  /** The plan is what the advice says. */
  onChosen(advice: StrategyAdvice): void
  /** It is another one than before: what has not begun is to be handed out anew. */
  onReplanned(): void
}

export class StrategyChoice {
  readonly #setting: Setting
  readonly #alarm: Alarm
  #startedMs: number | null = null
  #isOver = false
  #advice: StrategyAdvice | null
  #tasks = 0
  /** The mean of the last ones. */
  #countedMs = 0
  #counted = 0
  #slowestMs = 0
  #serviceMs = 0
  #cpuMs = 0
  /** Of the tasks' time, what they waited for a core. */
  #coreWaitMs = 0
  #lagMs = 0
  /** What the last task took that had a lane to itself. */
  #aloneMs: number | null = null
  #yields = false
  /** A task waits, and is to tell how much it computes meanwhile. */
  #waitLooks = 0
  /** Since when the event loop of tasks that wait is looked at, and what there was by then. */
  #busySince = { atMs: 0, cpuMs: 0, tasks: 0 }

  constructor(setting: Setting, advice: StrategyAdvice | null) {
    this.#setting = setting
    this.#advice = advice
    this.#alarm = new Alarm(setting.clock, () => this.#look())
  }

  /** Whether what is handed out now may have to be taken back. */
  get isOpen(): boolean {
    return !this.#isOver && this.#setting.plan.strategy === 'SEQUENTIAL'
  }

  /** Items are about to be handed to a lane that the run has come by. */
  begin(): void {
    if (this.#isOver) return
    const nowMs = this.#setting.clock.monotonicMs()
    this.#startedMs ??= nowMs
    if (this.isOpen) this.#alarm.set(nowMs + LONG_TASK_MS)
  }

  /** Nothing is chosen any more. */
  stop(): void {
    this.#isOver = true
    this.#alarm.set(null)
  }

  /** The run has ended, or is to end as soon as it can. */
  end(): void {
    this.stop()
    if (this.#advice !== null || this.#startedMs === null) return
    this.#advice = adviseTooLate(this.#figuresOfEnded(this.#setting.left()))
    this.#setting.onChosen(this.#advice)
  }

  /** Some have ended, on a lane that has so many in service at once. */
  observe({ columns, laneCpuMs, laneLoad }: ResultBlock, slots: number): void {
    this.#cpuMs += laneCpuMs
    this.#noteLast(columns, slots)
    const beforeMs = this.#serviceMs
    for (let at = 0; at < columns.count; at += 1) {
      if (columns.outcomes[at] !== Outcome.NOT_STARTED) this.#count(columns.serviceMs[at]!)
    }
    // Of several at once a lane's wait is not each one's.
    if (slots === 1) this.#coreWaitMs += coreWaitWithin(laneLoad, this.#serviceMs - beforeMs, laneCpuMs)
    if (this.#isOver) return
    const left = this.#setting.left()
    if (this.#setting.plan.strategy === 'ASYNC') this.#reconsider(left)
    else if (this.isOpen && (this.#isTelling || left <= 0)) {
      this.#take(this.#figuresOfEnded(left))
    }
  }

  /** The first ones are compiled on their way: where they are short, that is most of it. */
  get #isTelling(): boolean {
    if (this.#slowestMs >= LONG_TASK_MS / 2) return true
    const isTiny = this.#countedMs < TINY_TASK_MS * this.#counted
    return this.#tasks >= (isTiny ? MIN_TINY_TASKS : 2)
  }

  /** See LaneListener.onWaiting. */
  onWaiting(busyShare: number | null): void {
    this.#yields = true
    if (busyShare === null) this.#waitLooks = MAX_WAIT_LOOKS
    else if (this.isOpen || this.#isFirst) {
      this.#chooseBy(Math.max(LONG_TASK_MS, this.#setting.inServiceMs() ?? 0), busyShare)
    }
  }

  /** Whether the first task goes on: what was chosen before it could say that it waits went by less. */
  get #isFirst(): boolean {
    return !this.#isOver && this.#tasks === 0
  }

  /** A result is here some time after its task's end: messages take longer beside work than they did when they were measured. */
  #noteLast({ count, outcomes, startedAt, serviceMs }: ResultColumns, slots: number): void {
    const last = count - 1
    if (last < 0 || outcomes[last] === Outcome.NOT_STARTED) return
    if (slots === 1) this.#aloneMs = serviceMs[last]!
    this.#lagMs = Math.max(0, this.#setting.clock.epochMs() - startedAt[last]! - serviceMs[last]!)
  }

  #count(serviceMs: number): void {
    this.#tasks += 1
    this.#serviceMs += serviceMs
    this.#slowestMs = Math.max(this.#slowestMs, serviceMs)
    if (this.#counted >= MAX_COUNTED) {
      this.#countedMs /= 2
      this.#counted /= 2
    }
    // As above.
    const isSecond = this.#tasks === 2
    this.#countedMs = isSecond ? serviceMs : this.#countedMs + this.#taken(serviceMs)
    this.#counted = isSecond ? 1 : this.#counted + 1
  }

  /** What a task counts for. */
  #taken(serviceMs: number): number {
    const isOneOfMany = this.#tasks >= MAX_COUNTED && serviceMs < LONG_ACCIDENT_MS
    return isOneOfMany ? Math.min(serviceMs, (MAX_TIMES_MEAN * this.#countedMs) / this.#counted) : serviceMs
  }

  /** Timers go before messages: what the lane has said by now, such as that the task waits, is heard first. */
  #look(): void {
    setImmediate(() => this.#lookAtTask())
  }

  #lookAtTask(): void {
    if (!this.isOpen) return
    const ageMs = this.#setting.inServiceMs()
    const isLong = ageMs !== null && ageMs >= LONG_TASK_MS
    if (isLong && this.#waitLooks === 0) this.#chooseBy(ageMs, null)
    else if (isLong) this.#waitLooks -= 1
    // It is begun again with the next lane.
    if (!this.isOpen || !this.#setting.holdsLane()) return
    const nextMs = this.#tasks === 0 ? LONG_TASK_MS : LOOK_EVERY_MS
    this.#alarm.set(this.#setting.clock.monotonicMs() + nextMs)
  }

  /** By a task that has not ended. */
  #chooseBy(ageMs: number, cpuShare: number | null): void {
    this.#waitLooks = 0
    this.#slowestMs = Math.max(this.#slowestMs, ageMs)
    const serviceMs = (this.#countedMs + this.#taken(ageMs)) / (this.#counted + 1)
    this.#take(this.#figures(this.#setting.left(), serviceMs, cpuShare))
  }

  /** What seemed to wait may compute: one lane is then all that holds it up. */
  #reconsider(left: number): void {
    const { atMs, cpuMs, tasks } = this.#busySince
    const nowMs = this.#elapsedMs
    const passedMs = nowMs - atMs
    const busyMs = this.#cpuMs - cpuMs
    const isWindow = passedMs >= Math.max(BUSY_WINDOW_MS, BUSY_WINDOW_TASKS * this.#meanMs)
    // The first window begins with a wait, and tells early; others may begin where all that have waited compute.
    if (left <= 0 || !(isWindow || (atMs === 0 && busyMs >= MIN_BUSY_MS))) return
    const share = busyMs / passedMs
    const { plan, options } = this.#setting
    // In the first window those that are in flight have used some of it, too.
    const eachMs = busyMs / Math.max(1, this.#tasks - tasks + (atMs === 0 ? plan.concurrency : 0))
    // What waits for most of its time would still wait for it on a lane of its own.
    const isWorthLanes = this.#aloneMs === null || this.#aloneMs / options.threads.lanes < eachMs
    if (share > BUSY_SHARE && isWorthLanes) this.#take(this.#figures(left, eachMs, share))
    else if (isWindow) this.#busySince = { atMs: nowMs, cpuMs: this.#cpuMs, tasks: this.#tasks }
  }

  #take(probe: ProbeFigures): void {
    const { plan, options, onChosen, onReplanned } = this.#setting
    const advice = adviseCompute(options, probe)
    if (this.#advice !== null && advice.strategy === plan.strategy) return
    this.#advice = advice
    plan.change(chosenFrom(options, advice.strategy))
    onChosen(advice)
    if (this.isOpen) return
    this.#alarm.set(null)
    onReplanned()
  }

  get #meanMs(): number {
    return this.#countedMs / Math.max(1, this.#counted)
  }

  /** Of lanes it says more than the task itself where that is short. */
  get #cpuShare(): number | null {
    const ownMs = this.#serviceMs - this.#coreWaitMs
    return this.#cpuMs > 0 && ownMs > 0 ? Math.min(1, this.#cpuMs / ownMs) : null
  }

  get #elapsedMs(): number {
    return this.#setting.clock.monotonicMs() - (this.#startedMs ?? 0)
  }

  /** By those that have ended. */
  #figuresOfEnded(left: number): ProbeFigures {
    const figures = this.#figures(left, this.#meanMs, this.#cpuShare)
    if (this.#coreWaitMs === 0) return figures
    return { ...figures, coreWaitMs: (this.#meanMs * this.#coreWaitMs) / this.#serviceMs }
  }

  #figures(left: number, serviceMs: number, cpuShare: number | null): ProbeFigures {
    const { laneMs, roundTripMs } = handOutCosts(this.#setting.costs(), this.#lagMs)
    return {
      tasks: this.#tasks,
      left,
      elapsedMs: this.#elapsedMs,
      serviceMs,
      slowestMs: this.#slowestMs,
      cpuShare,
      yields: this.#yields,
      laneMs,
      roundTripMs,
      overheadMs: this.#setting.overheadMs(),
    }
  }
}
