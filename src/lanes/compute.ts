/** Runs a compute function over what its lane is granted: up to `slots` asynchronous tasks at once, or one that is not. */

import type { TaskError } from '../domain/errors.js'
import { createFold, type Fold } from '../domain/reduction.js'
import { Outcome } from '../domain/results.js'
import type { RunnableFunction } from '../functions/registry.js'
import type { Authors } from './authors.js'
import { Backlog } from './backlog.js'
import type { TaskTimes } from './block.js'
import { call, isThenable, toPromise } from './call.js'
import { type Place, TaskContext } from './context.js'
import type { CpuClock } from './cpu.js'
import { invalidInput, leftBehind, timeoutError, toTaskError } from './failure.js'
import type { Job } from './job.js'
import type { LoadClock } from './load.js'
import { now } from './now.js'
import { Outbox, TURN_MS } from './outbox.js'
import { type Pending, toPending } from './pending-task.js'
import type { Grant, JobSpec, ResultBlock } from './protocol.js'
import { type SlateWriter, SPARE_SLOTS } from './slate.js'
import type { Strays } from './strays.js'
import { type Verdict, verdictOn } from './verdict.js'
import { watchWaiting } from './waiting.js'

export interface ComputeSetting {
  fn: RunnableFunction
  slate: SlateWriter
  cpu: CpuClock | null
  load: LoadClock
  strays: Strays
  authors: Authors<TaskContext>
  /** Epoch milliseconds at the zero of performance.now(). */
  epochOfZeroMs: number
  send(block: ResultBlock): void
  /** See LaneListener.onWaiting. */
  tellWaiting(busyShare: number | null): void
}

/** Shorter tasks are not worth the two microseconds that their CPU time costs. */
const MIN_CPU_TASK_MS = 0.5

const NEVER_STARTED = { startedAt: 0, serviceMs: 0, cpuMs: Number.NaN } as const

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
  /** Whose function has the event loop, without having returned. */
  #running: TaskContext | null = null
  /** Those among the pending that have a verdict, in the order of their ends. */
  #ended: Pending[] = []
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
    const length = spec.slots + SPARE_SLOTS
    this.#places = Array.from({ length }, (_, slot) => ({ slate: setting.slate, slot, spare: null }))
    this.#freeSlots = Array.from({ length }, (_, place) => length - 1 - place)
    // Now, and not in the service time of the first task.
    setting.fn.prepare()
    setting.authors.start()
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
    this.#closeEnded()
    for (const task of this.#pending) this.#giveUp(task, new DOMException('the run has ended', 'AbortError'), null)
    this.#giveBack()
  }

  flush(): void {
    this.#outbox.flush()
  }

  indexOf(author: TaskContext): number | null {
    if (author === this.#running) return author.index
    return this.#pendingOf(author)?.times.index ?? null
  }

  blame(author: TaskContext, thrown: unknown): void {
    const error = leftBehind(thrown)
    const pending = this.#pendingOf(author)
    if (pending?.verdict) {
      this.#ended = this.#ended.filter((task) => task !== pending)
      this.#close(pending, { error })
    } else if (pending) this.#giveUp(pending, new DOMException('the task has failed', 'AbortError'), error)
    else if (author === this.#running) this.#failRunning(error)
  }

  #pendingOf(author: TaskContext): Pending | undefined {
    return [...this.#pending].find(({ context }) => context === author)
  }

  /** Its function goes on; what it returns is not heard. */
  #failRunning(error: TaskError): void {
    this.#running = null
    const times = this.#times
    times.serviceMs = this.#setting.epochOfZeroMs + now() - times.startedAt
    times.cpuMs = Number.NaN
    this.#setting.slate.wipe(this.#freeSlots.at(-1)!)
    this.#end(times, Outcome.FAILED, error)
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
    this.#turnEndsMs = now() + TURN_MS
    this.#pump()
  }

  /** Starts what there are slots for, and runs what is synchronous to its end, until the turn is over. */
  #pump(): void {
    if (this.#pumping || this.#paused) return
    this.#pumping = true
    const backlog = this.#backlog
    while (this.#hasRoom && backlog.next()) {
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

  /** Of those that have ended a few may be kept meanwhile, unless they are to be told of at once: what is started may take long. */
  get #hasRoom(): boolean {
    const ended = this.#ended.length
    if (this.#freeSlots.length === 0 || this.#pending.size - ended >= this.#spec.slots) return false
    return ended === 0 || !this.#outbox.isDue(now())
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
    const { fn, slate, cpu, authors, epochOfZeroMs } = this.#setting
    const { index, attempt } = this.#backlog
    const times = this.#times
    const slot = this.#freeSlots[this.#freeSlots.length - 1]!
    const cpuAtMs = cpu !== null && this.#expectLong ? cpu() : Number.NaN
    times.index = index
    times.attempt = attempt
    times.startedAt = epochOfZeroMs + now()
    slate.mark(slot, times)
    // To mark a file takes as long as many a task: its time is not the task's.
    const startedMs = now()
    times.startedAt = epochOfZeroMs + startedMs
    const begunBefore = authors.begun
    const context = new TaskContext(index, attempt, this.#places[slot]!)
    let value: unknown
    let error: TaskError | null = null
    this.#running = context
    try {
      const input = this.#backlog.input()
      const problems = fn.validate(input)
      if (problems.length > 0) error = invalidInput(problems)
      else {
        value = authors.run(context, call, fn.fn, input, context)
        if (isThenable(value) && this.#running === context) {
          this.#running = null
          this.#await(value, this.#putAside(toPending(times, { slot, context, startedMs, cpuAtMs })))
          const waitingMs = now()
          this.#outbox.noteBusy(waitingMs - startedMs)
          return waitingMs
        }
      }
    } catch (thrown) {
      error = toTaskError(thrown)
    }
    const endedMs = now()
    TaskContext.endUnaborted(context)
    // It was given up meanwhile, and is reported.
    if (this.#running !== context) return endedMs
    this.#measure(times, { startedMs, endedMs, cpuAtMs })
    const verdict = this.#judge({ times, context }, error, value)
    this.#running = null
    // Those that have ended before it are told before it.
    if (authors.begun === begunBefore && this.#ended.length === 0) this.#report(times, verdict)
    else this.#awaitRest(this.#putAside(toPending(times, { slot, context, startedMs, cpuAtMs })), verdict)
    this.#outbox.noteBusy(times.serviceMs)
    return endedMs
  }

  /** It keeps its slot, and others may be started. */
  #putAside(task: Pending): Pending {
    this.#freeSlots.pop()
    this.#pending.add(task)
    return task
  }

  #await(promise: PromiseLike<unknown>, task: Pending): void {
    this.#places[task.slot]!.spare = null
    const { timeoutMs } = this.#spec
    if (timeoutMs !== null) {
      const leftMs = timeoutMs - (now() - task.startedMs)
      const reason = () => new DOMException(`more than ${timeoutMs} ms`, 'TimeoutError')
      task.timer = setTimeout(() => this.#giveUp(task, reason(), timeoutError(timeoutMs)), leftMs)
    }
    if (this.#tellsWaiting) this.#watchWaiting(task)
    // A thenable that is no promise may call back at once, or twice: a promise does not.
    const settled = this.#setting.authors.run(task.context, toPromise, promise)
    settled.then(
      (value) => this.#settle(task, null, value),
      (thrown: unknown) => this.#settle(task, toTaskError(thrown), null),
    )
  }

  #watchWaiting(task: Pending): void {
    watchWaiting({
      sinceMs: task.startedMs,
      isAwaited: () => this.#pending.has(task) && task.verdict === null,
      isWanted: () => this.#tellsWaiting,
      tell: (busyShare) => {
        this.#tellsWaiting = false
        this.#setting.tellWaiting(busyShare)
      },
    })
  }

  #settle(task: Pending, error: TaskError | null, value: unknown): void {
    if (!this.#pending.has(task)) {
      this.#setting.strays.remove()
      return
    }
    // With others in service the thread's time is not this task's.
    if (this.#spec.slots > 1) task.cpuAtMs = Number.NaN
    this.#measure(task.times, { startedMs: task.startedMs, endedMs: now(), cpuAtMs: task.cpuAtMs })
    // It is in service while its output is read: that may run code of its own, for ever.
    const verdict = this.#judge(task, error, value)
    if (task.timer) clearTimeout(task.timer)
    TaskContext.end(task.context)
    this.#awaitRest(task, verdict)
    this.#pump()
  }

  /** Ends a task whose function goes on. Without an error it was cancelled. */
  #giveUp(task: Pending, reason: DOMException, error: TaskError | null): void {
    this.#measure(task.times, { startedMs: task.startedMs, endedMs: now(), cpuAtMs: Number.NaN })
    this.#leave(task)
    this.#setting.strays.add()
    this.#end(task.times, error ? Outcome.FAILED : Outcome.CANCELLED, error)
    TaskContext.abort(task.context, reason)
    if (error) this.#next()
  }

  #leave(task: Pending): void {
    if (task.timer) clearTimeout(task.timer)
    TaskContext.end(task.context)
    this.#setting.slate.wipe(task.slot)
    this.#pending.delete(task)
    this.#freeSlots.push(task.slot)
  }

  /** After an asynchronous end: the result on its way, and what is next. */
  #next(): void {
    if (this.#outbox.isDue(now())) this.#outbox.flush()
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
  #judge({ times, context }: Pick<Pending, 'times' | 'context'>, error: TaskError | null, value: unknown): Verdict {
    const { timeoutMs, maxOutputBytes } = this.#spec
    // A function that kept the event loop to itself was past its limit before anyone could tell it so.
    if (timeoutMs !== null && times.serviceMs > timeoutMs) return { error: timeoutError(timeoutMs) }
    if (error) return { error }
    // Of an object that is read getters and a toJSON may be called.
    return typeof value === 'object'
      ? this.#setting.authors.run(context, verdictOn, value, maxOutputBytes)
      : verdictOn(value, maxOutputBytes)
  }

  /** It stays in service until the event loop has turned. */
  #awaitRest(task: Pending, verdict: Verdict): void {
    task.verdict = verdict
    if (this.#ended.push(task) > 1) return
    setImmediate(() => {
      this.#closeEnded()
      this.#next()
    })
  }

  #closeEnded(): void {
    const ended = this.#ended
    this.#ended = []
    for (const task of ended) this.#close(task, task.verdict!)
  }

  #close(task: Pending, verdict: Verdict): void {
    this.#leave(task)
    this.#report(task.times, verdict)
  }

  #report(times: TaskTimes, verdict: Verdict): void {
    if (verdict.error !== null) {
      this.#end(times, Outcome.FAILED, verdict.error)
      return
    }
    try {
      this.#fold?.add(verdict.value)
    } catch (thrown) {
      this.#end(times, Outcome.FAILED, toTaskError(thrown))
      return
    }
    this.#outbox.block.succeed(times, verdict.output)
  }

  #end(times: TaskTimes, outcome: Outcome, error: TaskError | null): void {
    this.#outbox.block.add(times, { outcome, output: null, error, retryAfterMs: null, fetch: null })
  }
}
