/** Runs a compute function over what its lane is granted: up to `slots` asynchronous tasks at once, or one that is not. */

import { performance } from 'node:perf_hooks'
import type { TaskError } from '../domain/errors.js'
import { isTooDeep, toJsonText } from '../domain/output.js'
import { createFold, type Fold } from '../domain/reduction.js'
import { Outcome } from '../domain/results.js'
import type { RunnableFunction } from '../functions/registry.js'
import { Backlog } from './backlog.js'
import type { TaskTimes } from './block.js'
import { type Place, TaskContext } from './context.js'
import type { CpuClock } from './cpu.js'
import { invalidInput, outputTooDeep, outputTooLarge, timeoutError, toTaskError } from './failure.js'
import type { Job } from './job.js'
import type { LoadClock } from './load.js'
import { Outbox, TURN_MS } from './outbox.js'
import type { Grant, JobSpec, ResultBlock } from './protocol.js'
import type { SlateWriter } from './slate.js'
import type { Strays } from './strays.js'

export interface ComputeSetting {
  fn: RunnableFunction
  slate: SlateWriter
  cpu: CpuClock | null
  load: LoadClock
  strays: Strays
  /** Epoch milliseconds at the zero of performance.now(). */
  epochOfZeroMs: number
  send(block: ResultBlock): void
  /** See LaneListener.onWaiting. */
  tellWaiting(busyShare: number | null): void
}

/** Shorter tasks are not worth the two microseconds that their CPU time costs. */
const MIN_CPU_TASK_MS = 0.5

/** How long a task is looked at before it is told how busy it kept the event loop; twice as long the next time. */
const WAIT_LOOK_MS = 1
const MAX_WAIT_LOOK_MS = 256
/** What keeps it busy for no more of its time needs no other look: it waits. */
const QUIET_SHARE = 0.25

const NEVER_STARTED = { startedAt: 0, serviceMs: 0, cpuMs: Number.NaN } as const

/** A task that waits for its promise. */
interface Pending {
  slot: number
  times: TaskTimes
  context: TaskContext
  /** performance.now() */
  startedMs: number
  /** NaN where the CPU time is not taken. */
  cpuAtMs: number
  timer: NodeJS.Timeout | null
}

export class ComputeJob implements Job {
  readonly #spec: JobSpec
  readonly #setting: ComputeSetting
  readonly #backlog: Backlog
  readonly #fold: Fold | null
  readonly #outbox: Outbox
  readonly #pending = new Set<Pending>()
  /** A synchronous task is marked in the last one, which stays free. */
  readonly #freeSlots: number[]
  /** Of the synchronous task under way. */
  readonly #times: TaskTimes = { index: 0, attempt: 1, startedAt: 0, serviceMs: 0, cpuMs: Number.NaN }
  readonly #places: readonly Place[]
  #expectLong = true
  #tellsWaiting: boolean
  #cancelled = false
  #pumping = false
  #paused = false
  /** When the event loop is to turn, by performance.now(). */
  #turnEndsMs = 0

  constructor(spec: JobSpec, setting: ComputeSetting) {
    this.#spec = spec
    this.#setting = setting
    this.#backlog = new Backlog(spec)
    const reduce = spec.work.kind === 'COMPUTE' ? spec.work.reduce : null
    this.#fold = reduce === null ? null : createFold(reduce)
    this.#tellsWaiting = spec.tellsWaiting
    this.#outbox = new Outbox({ ...setting, spec, fold: this.#fold })
    this.#places = Array.from({ length: spec.slots }, (_, slot) => ({ slate: setting.slate, slot, spare: null }))
    this.#freeSlots = Array.from({ length: spec.slots }, (_, place) => spec.slots - 1 - place)
    // Now, and not in the service time of the first task.
    setting.fn.prepare()
  }

  grant(grant: Grant, claims: SharedArrayBuffer | null = null): void {
    this.#backlog.push(grant, claims)
    if (this.#cancelled) this.#giveBack()
    else if (!this.#paused) this.#startTurn()
  }

  recall(): void {
    this.#giveBack()
  }

  cancel(): void {
    this.#cancelled = true
    for (const task of this.#pending) this.#giveUp(task, new DOMException('the run has ended', 'AbortError'), null)
    this.#giveBack()
  }

  flush(): void {
    this.#outbox.flush()
  }

  #giveBack(): void {
    const times = { ...this.#times, ...NEVER_STARTED }
    while (this.#backlog.next()) {
      times.index = this.#backlog.index
      times.attempt = this.#backlog.attempt
      this.#end(times, Outcome.NOT_STARTED, null)
    }
    this.#outbox.flush()
  }

  #startTurn(): void {
    this.#turnEndsMs = performance.now() + TURN_MS
    this.#pump()
  }

  /** Starts what there are slots for, and runs what is synchronous to its end, until the turn is over. */
  #pump(): void {
    if (this.#pumping || this.#paused) return
    this.#pumping = true
    const backlog = this.#backlog
    while (this.#freeSlots.length > 0 && backlog.next()) {
      if (!this.#prepare()) break
      const nowMs = this.#start()
      if (nowMs >= this.#turnEndsMs) {
        this.#pause()
        break
      }
      if (backlog.endsGrant || this.#outbox.isDue(nowMs)) this.#send()
    }
    this.#pumping = false
    if (this.#pending.size === 0 && backlog.isEmpty) this.#send()
  }

  /**
   * Reads ahead what the current item is made of: that takes time which is not its own. False where it cannot be read: no task
   * is to blame, and all that was to come is given back.
   */
  #prepare(): boolean {
    try {
      this.#backlog.prepare()
      return true
    } catch (error) {
      const { index, attempt } = this.#backlog
      this.#end({ ...this.#times, ...NEVER_STARTED, index, attempt }, Outcome.NOT_STARTED, null)
      this.#outbox.noteUnreadable(error instanceof Error ? error.message : String(error))
      // The task before it has ended: see #send.
      this.#setting.slate.wipe(this.#freeSlots.at(-1)!)
      this.#giveBack()
      return false
    }
  }

  /** Lets the event loop turn, so that the lane hears of grants and of being cancelled. */
  #pause(): void {
    this.#send()
    this.#paused = true
    // Twice: what ran for long may have been heard of from a message, and the next ones are read only after the first.
    setImmediate(() => {
      setImmediate(() => {
        this.#paused = false
        this.#startTurn()
      })
    })
  }

  /** No result goes out while the slate still has its task in service. */
  #send(): void {
    if (this.#outbox.block.count === 0) return
    const slot = this.#freeSlots.at(-1)
    if (slot !== undefined) this.#setting.slate.wipe(slot)
    this.#outbox.flush()
  }

  /** Starts the backlog's current item; answers with the time when it had ended or, being asynchronous, began to wait. */
  #start(): number {
    const { fn, slate, cpu, epochOfZeroMs } = this.#setting
    const { index, attempt } = this.#backlog
    const times = this.#times
    const slot = this.#freeSlots[this.#freeSlots.length - 1]!
    const cpuAtMs = cpu !== null && this.#expectLong ? cpu() : Number.NaN
    times.index = index
    times.attempt = attempt
    times.startedAt = epochOfZeroMs + performance.now()
    slate.mark(slot, times)
    // To mark a file takes as long as many a task: its time is not the task's.
    const startedMs = performance.now()
    times.startedAt = epochOfZeroMs + startedMs
    let value: unknown
    let error: TaskError | null = null
    let context: TaskContext | null = null
    try {
      const input = this.#backlog.input()
      const problems = fn.validate(input)
      if (problems.length > 0) error = invalidInput(problems)
      else {
        context = new TaskContext(index, attempt, this.#places[slot]!)
        value = fn.fn.run(input, context)
        if (isThenable(value)) {
          this.#await(value, { slot, times: { ...times }, context, startedMs, cpuAtMs, timer: null })
          const waitingMs = performance.now()
          this.#outbox.noteBusy(waitingMs - startedMs)
          return waitingMs
        }
      }
    } catch (thrown) {
      error = toTaskError(thrown)
    }
    const endedMs = performance.now()
    if (context) TaskContext.endUnaborted(context)
    this.#measure(times, { startedMs, endedMs, cpuAtMs })
    this.#judge(times, error, value)
    this.#outbox.noteBusy(times.serviceMs)
    return endedMs
  }

  #await(promise: PromiseLike<unknown>, task: Pending): void {
    this.#freeSlots.pop()
    this.#pending.add(task)
    this.#places[task.slot]!.spare = null
    const { timeoutMs } = this.#spec
    if (timeoutMs !== null) {
      const leftMs = timeoutMs - (performance.now() - task.startedMs)
      const reason = () => new DOMException(`more than ${timeoutMs} ms`, 'TimeoutError')
      task.timer = setTimeout(() => this.#giveUp(task, reason(), timeoutError(timeoutMs)), leftMs)
    }
    if (this.#tellsWaiting) this.#watchWaiting(task)
    // A thenable that is no promise may call back at once, or twice: a promise does not.
    Promise.resolve(promise).then(
      (value) => this.#settle(task, null, value),
      (thrown: unknown) => this.#settle(task, toTaskError(thrown), null),
    )
  }

  /**
   * What has not settled when the event loop has turned waits for something, or computes in pieces: how busy the event loop is
   * tells. Not the CPU time: where others take the CPU, what computes has little of it, too.
   */
  #watchWaiting(task: Pending): void {
    const { tellWaiting } = this.#setting
    setImmediate(() => {
      if (!this.#tellsWaiting || !this.#pending.has(task)) return
      this.#tellsWaiting = false
      const turned = performance.eventLoopUtilization()
      const untilTurnMs = performance.now() - task.startedMs
      tellWaiting(null)
      const look = (afterMs: number) => {
        if (!this.#pending.has(task)) return
        const busyMs = untilTurnMs + performance.eventLoopUtilization(turned).active
        const busyShare = Math.min(1, busyMs / (performance.now() - task.startedMs))
        tellWaiting(busyShare)
        // It may have begun with some work, such as to load what it waits with.
        if (busyShare > QUIET_SHARE && afterMs < MAX_WAIT_LOOK_MS) setTimeout(look, 2 * afterMs, 2 * afterMs)
      }
      setTimeout(look, WAIT_LOOK_MS, WAIT_LOOK_MS)
    })
  }

  #settle(task: Pending, error: TaskError | null, value: unknown): void {
    if (!this.#pending.has(task)) {
      this.#setting.strays.remove()
      return
    }
    // With others in service the thread's time is not this task's.
    if (this.#spec.slots > 1) task.cpuAtMs = Number.NaN
    this.#leave(task)
    this.#judge(task.times, error, value)
    this.#next()
  }

  /** Ends a task whose function goes on. Without an error it was cancelled. */
  #giveUp(task: Pending, reason: DOMException, error: TaskError | null): void {
    task.cpuAtMs = Number.NaN
    this.#leave(task)
    this.#setting.strays.add()
    this.#end(task.times, error ? Outcome.FAILED : Outcome.CANCELLED, error)
    TaskContext.abort(task.context, reason)
    if (error) this.#next()
  }

  #leave(task: Pending): void {
    const endedMs = performance.now()
    if (task.timer) clearTimeout(task.timer)
    this.#measure(task.times, { startedMs: task.startedMs, endedMs, cpuAtMs: task.cpuAtMs })
    TaskContext.end(task.context)
    this.#setting.slate.wipe(task.slot)
    this.#pending.delete(task)
    this.#freeSlots.push(task.slot)
  }

  /** After an asynchronous end: the result on its way, and what is next. */
  #next(): void {
    if (this.#outbox.isDue(performance.now())) this.#outbox.flush()
    this.#pump()
    this.#outbox.flushSoon()
  }

  #measure(times: TaskTimes, at: { startedMs: number; endedMs: number; cpuAtMs: number }): void {
    const serviceMs = at.endedMs - at.startedMs
    times.serviceMs = serviceMs
    times.cpuMs = Number.NaN
    if (this.#setting.cpu === null) return
    this.#expectLong = serviceMs >= MIN_CPU_TASK_MS
    if (this.#expectLong && at.cpuAtMs >= 0) times.cpuMs = this.#setting.cpu() - at.cpuAtMs
  }

  /** What a function that ran to its end has come to. */
  #judge(times: TaskTimes, error: TaskError | null, value: unknown): void {
    const { timeoutMs } = this.#spec
    // A function that kept the event loop to itself was past its limit before anyone could tell it so.
    const late = timeoutMs !== null && times.serviceMs > timeoutMs ? timeoutError(timeoutMs) : null
    const failure = late ?? error ?? this.#succeed(times, value)
    if (failure) this.#end(times, Outcome.FAILED, failure)
  }

  /** What stands in the way of the output, or null when it has been gathered. */
  #succeed(times: TaskTimes, value: unknown): TaskError | null {
    const { maxOutputBytes } = this.#spec
    try {
      const output = toJsonText(value)
      if (isLarger(output, maxOutputBytes)) return outputTooLarge(maxOutputBytes)
      if (isTooDeep(output)) return outputTooDeep()
      this.#fold?.add(value)
      this.#outbox.block.succeed(times, output)
      return null
    } catch (thrown) {
      return toTaskError(thrown)
    }
  }

  #end(times: TaskTimes, outcome: Outcome, error: TaskError | null): void {
    this.#outbox.block.add(times, { outcome, output: null, error, retryAfterMs: null, fetch: null })
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  return typeof (value as { then?: unknown }).then === 'function'
}

function isLarger(text: string, maxBytes: number): boolean {
  // A UTF-16 unit is one to three bytes of UTF-8: most outputs need not be measured.
  if (text.length > maxBytes) return true
  return text.length * 3 > maxBytes && Buffer.byteLength(text) > maxBytes
}
