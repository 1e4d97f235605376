/** What a probe hands out: which items, in which order, and when there are enough. */

import type { Clock } from '../clock.js'
import { cellsAt } from '../domain/fetch-column.js'
import { Outcome, type ResultColumns } from '../domain/results.js'
import type { InService } from '../lanes/lane.js'
import type { Grant, ResultBlock } from '../lanes/protocol.js'
import { type HostGate, NO_HOST } from './host-gate.js'
import type { SentItem } from './host-reports.js'
import { LONG_TASK_MS, type Measure, SHORT_TASK_MS } from './measure.js'
import type { Feed } from './probe-run.js'
import type { DeadLane } from './session.js'

/** So many tasks that took so long together tell enough. */
const ENOUGH_TASKS = 3
const ENOUGH_MS = 300

/** What feeds have in common: they tell the measure. */
abstract class MeasuredFeed implements Feed {
  #isDead = false
  #outstanding = 0
  #firstMs: number | null = null

  constructor(
    protected readonly measure: Measure,
    protected readonly clock: Clock,
  ) {}

  abstract readonly ready: number
  abstract readonly dueMs: number | null
  protected abstract readonly isDone: boolean
  protected abstract take(): Grant
  protected abstract ended(columns: ResultColumns): void

  /** Handed out, and not back. */
  protected get outstanding(): number {
    return this.#outstanding
  }

  get isOver(): boolean {
    return this.#isDead || this.#isEnough || this.isDone
  }

  get #isEnough(): boolean {
    const sinceMs = this.#firstMs === null ? 0 : this.clock.monotonicMs() - this.#firstMs
    return this.measure.tasks >= ENOUGH_TASKS && sinceMs >= ENOUGH_MS
  }

  next(): Grant {
    this.#firstMs ??= this.clock.monotonicMs()
    const grant = this.take()
    this.#outstanding += grant.count
    this.measure.granted(grant)
    return grant
  }

  results(block: ResultBlock): void {
    this.#outstanding -= block.columns.count
    this.measure.add(block)
    this.ended(block.columns)
  }

  waits(busyShare: number | null): void {
    this.measure.waits(busyShare)
  }

  /** Another lane might die of it as well. */
  died({ error, inService, killedFor }: DeadLane): void {
    this.#isDead = true
    const timeout = { code: 'TIMEOUT', message: 'it took longer than timeoutMs', retryable: true } as const
    for (const { index } of inService) this.measure.fail(index, killedFor === 'TIMEOUT' ? timeout : error)
  }

  unfinished(tasks: readonly InService[]): void {
    this.measure.unfinished(tasks, this.clock.epochMs())
  }
}

/** An item that was picked, as it is handed out. */
interface PickedInput {
  index: number
  /** Undefined where the lane has it from the source. */
  input: unknown
}

function toGrant({ index, input }: PickedInput): Grant {
  const inputs = input === undefined ? null : [input]
  return { first: index, count: 1, indexes: [index], inputs, attempts: null }
}

/** When the request was on its way at the latest, in epoch milliseconds: its end where nothing was answered. */
function sentAt({ startedAt, serviceMs, fetches }: ResultColumns, at: number): number {
  const fetch = cellsAt(fetches, at)
  if (fetch === null) return startedAt[at]!
  const { firstByteMs, downloadMs } = fetch
  return startedAt[at]! + serviceMs[at]! - (firstByteMs ?? 0) - (downloadMs ?? 0)
}

interface PickedFeedOptions {
  measure: Measure
  clock: Clock
  items: readonly (PickedInput & { host: string })[]
  /** At once. */
  slots: number
  gate: HostGate
  /** What could start later is not waited for, by the monotonic clock. */
  untilMs: number
  /** Requests have come back, and what they were is still known. */
  onReported(columns: ResultColumns, sentOf: (index: number) => SentItem | null): void
  onEnded(columns: ResultColumns): void
}

/** Items that were picked, each as soon as its host may be asked. */
export class PickedFeed extends MeasuredFeed {
  readonly #waiting: (PickedInput & { host: string })[]
  readonly #out = new Map<number, SentItem>()

  constructor(private readonly options: PickedFeedOptions) {
    super(options.measure, options.clock)
    this.#waiting = [...options.items]
    for (const { host } of this.#waiting) this.#tellWaiting(host)
  }

  get ready(): number {
    if (this.isOver) return 0
    const free = this.options.slots - this.#out.size
    return Math.min(free, this.#waiting.filter(({ host }) => this.#hasRoom(host)).length)
  }

  get dueMs(): number | null {
    const dues = this.#waiting.flatMap(({ host }) => this.#dueMs(host) ?? [])
    return dues.length === 0 ? null : Math.min(...dues)
  }

  protected get isDone(): boolean {
    return this.#out.size === 0 && this.#waiting.every(({ host }) => this.#comesTooLate(host))
  }

  protected take(): Grant {
    const place = this.#waiting.findIndex(({ host }) => this.#hasRoom(host))
    const [item] = this.#waiting.splice(place, 1)
    const { index, host } = item!
    const takenMs = this.clock.monotonicMs()
    this.options.gate.start(host, takenMs)
    this.#tellWaiting(host)
    this.#out.set(index, { host, takenMs })
    return toGrant(item!)
  }

  protected ended(columns: ResultColumns): void {
    const nowMs = this.clock.monotonicMs()
    const zeroMs = this.clock.epochMs() - nowMs
    this.options.onReported(columns, (index) => this.#out.get(index) ?? null)
    for (let at = 0; at < columns.count; at += 1) {
      const index = columns.indexes[at]!
      const { host, takenMs } = this.#out.get(index) ?? { host: NO_HOST, takenMs: nowMs }
      // A lane that is new loads and connects before it sends what it was handed: the host is to be spared from then on.
      this.options.gate.startedLate(host, Math.min(sentAt(columns, at) - zeroMs, nowMs))
      this.options.gate.end(host, takenMs)
      this.#out.delete(index)
    }
    this.options.onEnded(columns)
  }

  #hasRoom(host: string): boolean {
    return this.options.gate.room(host, this.clock.monotonicMs()) > 0
  }

  #tellWaiting(host: string): void {
    this.options.gate.want(host, this.#waiting.filter((item) => item.host === host).length)
  }

  /** Null where it is too late, or takes the end of a request. */
  #dueMs(host: string): number | null {
    const dueMs = this.options.gate.dueMs(host, this.clock.monotonicMs())
    return dueMs !== null && dueMs < this.options.untilMs ? dueMs : null
  }

  /** Where runs have all that a host is to be asked for, one of them may leave room in time. */
  #comesTooLate(host: string): boolean {
    const dueMs = this.#hasRoom(host) ? null : this.options.gate.dueMs(host, this.clock.monotonicMs())
    return dueMs !== null && dueMs >= this.options.untilMs
  }
}

interface ComputeFeedOptions {
  measure: Measure
  clock: Clock
  /** All items of the source. */
  total: number
  /** Indexes, in the order of trying. */
  picked: readonly number[]
  /** Of a list; undefined where the lane has it from the source. */
  inputAt(index: number): unknown
}

/** Of short tasks so much work is enough, or so many. */
const ENOUGH_WORK_MS = 30
const ENOUGH_SHORT = 4_096
/** Parts of the source that neighbours are taken from in turn. */
const PARTS = 8
/** Of neighbours: the first ones, and later as many as take so long. */
const FIRST_BLOCK = 64
const BLOCK_MS = 4
const MAX_BLOCK = 1_024

/**
 * First those that were picked, one after the other. If they are short, neighbours from all over the source, until the function is
 * compiled and has been measured; else the first one again, as its first call was compiled on its way.
 */
export class ComputeFeed extends MeasuredFeed {
  #phase: 'picked' | 'again' | 'blocks' | 'done' = 'picked'
  /** Picked, and not tried yet. */
  readonly #left: number[]
  /** Of each part, where it goes on and where it ends. */
  readonly #parts: { next: number; end: number }[]
  #part = 0
  /** Of the tasks before neighbours. */
  #before = { tasks: 0, totalMs: 0 }

  constructor(private readonly options: ComputeFeedOptions) {
    super(options.measure, options.clock)
    const { total, picked } = options
    this.#left = [...picked]
    this.#parts = Array.from({ length: PARTS }, (_, part) => ({
      next: Math.floor((part * total) / PARTS),
      end: Math.floor(((part + 1) * total) / PARTS),
    }))
  }

  readonly dueMs = null

  get ready(): number {
    return this.isOver || this.outstanding > 0 ? 0 : 1
  }

  protected get isDone(): boolean {
    return this.#phase === 'done'
  }

  protected take(): Grant {
    if (this.#phase === 'blocks') return this.#block()
    const index = this.#phase === 'again' ? this.options.picked[0]! : this.#left.shift()!
    return toGrant({ index, input: this.options.inputAt(index) })
  }

  protected ended({ count, outcomes }: ResultColumns): void {
    if (this.outstanding > 0 || this.#left.length > 0) return
    // Its lane was wanted elsewhere: what is known has to do.
    const isCutShort = outcomes[count - 1] === Outcome.NOT_STARTED
    this.#phase = isCutShort ? 'done' : this.#nextPhase()
  }

  #nextPhase(): 'again' | 'blocks' | 'done' {
    const { tasks, totalMs, lastMs } = this.measure
    if (this.#phase === 'again' || lastMs === null) return 'done'
    if (this.#phase === 'blocks') {
      const isEnough = totalMs - this.#before.totalMs >= ENOUGH_WORK_MS || tasks - this.#before.tasks >= ENOUGH_SHORT
      return isEnough || this.#parts.every(({ next, end }) => next >= end) ? 'done' : 'blocks'
    }
    this.#before = { tasks, totalMs }
    if (lastMs < SHORT_TASK_MS && this.options.total > this.options.picked.length) return 'blocks'
    return totalMs / tasks < LONG_TASK_MS ? 'again' : 'done'
  }

  /** Neighbours: a file is read in stretches. */
  #block(): Grant {
    const { measure } = this.options
    const tasks = measure.tasks - this.#before.tasks
    const taskMs = tasks === 0 ? 0 : (measure.totalMs - this.#before.totalMs) / tasks
    const wanted = taskMs === 0 ? FIRST_BLOCK : Math.min(MAX_BLOCK, Math.max(1, Math.floor(BLOCK_MS / taskMs)))
    while (this.#parts[this.#part]!.next >= this.#parts[this.#part]!.end) this.#part = (this.#part + 1) % PARTS
    const part = this.#parts[this.#part]!
    this.#part = (this.#part + 1) % PARTS
    const first = part.next
    const count = Math.min(wanted, part.end - first)
    part.next += count
    const inputs = Array.from({ length: count }, (_, at) => this.options.inputAt(first + at))
    return { first, count, indexes: null, inputs: inputs.includes(undefined) ? null : inputs, attempts: null }
  }
}
