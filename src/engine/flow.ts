/**
 * What flows from one stage of a pipeline into the next: items that have left the one before, with what they were handed over, until
 * they have ended in this one. There is room for so many, and so much of it; while there is none the stage before stands still, so
 * that the slowest stage sets the pace and memory does not grow with the batch.
 */

import type { IndexSet } from '../domain/indexset.js'
import { detached, type ResultColumns } from '../domain/results.js'
import type { HandedOver } from '../store/store.js'
import { MAX_WAITING, PendingItems } from './pending.js'
import type { Batch, Range, Supply } from './supply.js'

/** What a flow takes. */
interface Capacity {
  items: number
  /** Where they are soon over. */
  mostItems: number
  /** UTF-16 units of what was handed over. */
  chars: number
}

export const FLOW: Capacity = { items: 1_024, mostItems: 4_096, chars: 1024 * 1024 }
/** Of a stage with limits per host: those of a busy one must not keep all others waiting. */
export const GATED_FLOW: Capacity = { items: 10_000, mostItems: 10_000, chars: 8 * 1024 * 1024 }
/** There is room for so many times what the stage before can have in service at once, so that as much can wait as comes. */
const TIMES_IN_SERVICE = 2
/** But not for more than this. */
export const MOST_CHARS = 32 * 1024 * 1024
/** What a stage ends in this time there is room for, so that it has work until more has come: of the shortest tasks that is much. */
const PACE_MS = 100
/** What is full lets nothing in until it is so far empty: the stage before then goes on with many items, not with one at a time. */
const REOPENS_AT = 0.5
/** Of the last items the mean length counts, by halves. */
const COUNTED = 64
/** Of items in back-off more than these are read again from the disk. */
const MAX_HELD_RESTING = 256

interface Held {
  /** Null where it is to be read again. */
  text: string | null
  /** Epoch milliseconds. */
  readyAt: number
  /** In back-off: whatever it waits for, others need not. */
  isResting: boolean
}

interface Options {
  capacity: Capacity
  /** Items of the batch. */
  total: number
  /** Those that had come, and have not ended, when this process came to know of the run; in the order of the lists. */
  recovered: readonly IndexSet[]
  /** What was handed over, as the lanes or the gate of the stage take it. */
  toInput(text: string): unknown
  /** What these items were handed over, as far as it is on disk. */
  read(indexes: readonly number[]): Promise<HandedOver[]>
  /** Run.startedAt, epoch milliseconds. */
  runStartedAt(): number
  /** What the stage before can have in service at once. */
  inService(): number
  /** The monotonic clock. */
  nowMs(): number
}

export class FlowSupply implements Supply {
  readonly mayWaitInLane = true
  /** In the order of their coming; those before `#head` are out. */
  #arrived: number[] = []
  #head = 0
  readonly #recovered: readonly PendingItems[]
  /** Given back, or in back-off. */
  readonly #again = new PendingItems(0)
  readonly #held = new Map<number, Held>()
  #chars = 0
  #resting = 0
  #restingChars = 0
  /** Lengths of the last items. */
  #countedChars = 0
  #counted = 0
  #isShut = false
  /** What is ended in PACE_MS, and what has ended since when. */
  #pace = 0
  #ended = 0
  #endedSinceMs: number | null = null
  /** Told of each item that comes. */
  onArrival = () => {}

  constructor(private readonly options: Options) {
    const { total, recovered } = options
    this.#recovered = recovered.map((items) => new PendingItems(total, items.complement()))
  }

  get ready(): number {
    return this.#again.ready + (this.#again.waiting < MAX_WAITING ? this.#untouched : 0)
  }

  get size(): number {
    return this.#again.size + this.#untouched
  }

  get nextDueMs(): number | null {
    return this.#again.nextDueMs
  }

  /** How many items more may be on their way here. */
  get room(): number {
    if (this.isShut) return 0
    const byChars = Math.ceil((this.#maxChars - this.#awakeChars) / this.#meanChars)
    return Math.min(this.#maxItems - this.#awake, byChars)
  }

  /** Whether nothing more is to come for now. */
  get isShut(): boolean {
    const fill = Math.max(this.#awake / this.#maxItems, this.#awakeChars / this.#maxChars)
    if (fill >= 1) this.#isShut = true
    else if (fill <= REOPENS_AT) this.#isShut = false
    return this.#isShut
  }

  /** An item has left the stage before. */
  arrive(index: number, text: string, readyAt: number): void {
    if (this.#counted >= COUNTED) {
      this.#countedChars /= 2
      this.#counted /= 2
    }
    this.#countedChars += text.length
    this.#counted += 1
    this.#hold(index, text, readyAt)
    this.#arrived.push(index)
    this.onArrival()
  }

  /** When the item left the stage before, in epoch milliseconds; null where that is not at hand. */
  readyAtOf(index: number): number | null {
    return this.#held.get(index)?.readyAt ?? null
  }

  start(): void {}

  hold(): void {}

  take(max: number): Batch | null {
    const again = this.#again.take(max)
    if (again) return this.#withInputs(again)
    if (max <= 0 || this.#again.waiting >= MAX_WAITING) return null
    for (const recovered of this.#recovered) {
      const batch = recovered.take(max)
      if (batch) return this.#withInputs(batch)
    }
    return this.#takeArrived(max)
  }

  /** The inputs of items that were taken without; of long ones not all may come. Rejects where there is none to be had. */
  async inputs(indexes: readonly number[]): Promise<Map<number, unknown>> {
    const missing = indexes.filter((index) => (this.#held.get(index)?.text ?? null) === null)
    if (missing.length > 0) {
      const base = this.options.runStartedAt()
      for (const { index, text, readyMs } of await this.options.read(missing)) this.#hold(index, text, base + readyMs)
    }
    const inputs = new Map<number, unknown>()
    for (const index of indexes) {
      const held = this.#held.get(index)
      if (held === undefined || held.text === null) continue
      this.#wake(held)
      inputs.set(index, this.options.toInput(held.text))
    }
    if (inputs.size === 0) throw new Error('what the stage before gave is not on disk')
    return inputs
  }

  started(): void {}

  reported(): void {}

  giveBack(index: number, attempt: number): void {
    this.#again.giveBack(index, attempt)
  }

  restore({ first, count, indexes, attempts }: Range, from: number): void {
    for (let at = count - 1; at >= from; at -= 1) this.giveBack(indexes?.[at] ?? first + at, attempts?.[at] ?? 1)
  }

  delay(index: number, attempt: number, dueMs: number): void {
    this.rest(index)
    this.#again.delay(index, attempt, dueMs)
  }

  /** The item waits for a while, here or with whoever took it. */
  rest(index: number): void {
    const held = this.#held.get(index)
    if (held === undefined || held.isResting) return
    this.#chars -= charsOf(held)
    // It may stay for long: what came with it goes.
    held.text = held.text === null || !this.#mayKeepResting ? null : detached(held.text)
    this.#chars += charsOf(held)
    held.isResting = true
    this.#resting += 1
    this.#restingChars += charsOf(held)
  }

  release(nowMs: number): void {
    this.#again.release(nowMs)
  }

  ended(columns: Pick<ResultColumns, 'count' | 'indexes'>, dropped: ReadonlySet<number> | null): void {
    for (let at = 0; at < columns.count; at += 1) if (!dropped?.has(at)) this.forget(columns.indexes[at]!)
    this.#notePace(columns.count - (dropped?.size ?? 0))
  }

  /** The item is not on its way any more. */
  forget(index: number): void {
    const held = this.#held.get(index)
    if (held === undefined) return
    this.#wake(held)
    this.#held.delete(index)
    this.#chars -= charsOf(held)
  }

  stop(): void {}

  get #mayKeepResting(): boolean {
    return this.#resting < MAX_HELD_RESTING && this.#restingChars < this.options.capacity.chars
  }

  get #maxItems(): number {
    const { capacity, inService } = this.options
    const atPace = Math.min(this.#pace, capacity.mostItems)
    return Math.max(capacity.items, TIMES_IN_SERVICE * inService(), atPace)
  }

  get #maxChars(): number {
    const { capacity, inService } = this.options
    return Math.max(capacity.chars, Math.min(TIMES_IN_SERVICE * inService() * this.#meanChars, MOST_CHARS))
  }

  /** Of the last items. */
  get #meanChars(): number {
    return Math.max(1, this.#countedChars / Math.max(1, this.#counted))
  }

  /** Those that do not rest. */
  get #awake(): number {
    return this.#held.size - this.#resting
  }

  get #awakeChars(): number {
    return this.#chars - this.#restingChars
  }

  get #untouched(): number {
    return this.#arrived.length - this.#head + this.#recovered.reduce((sum, { size }) => sum + size, 0)
  }

  #notePace(ended: number): void {
    const { nowMs } = this.options
    this.#endedSinceMs ??= nowMs()
    this.#ended += ended
    const passedMs = nowMs() - this.#endedSinceMs
    if (passedMs < PACE_MS) return
    this.#pace = Math.ceil((this.#ended * PACE_MS) / passedMs)
    this.#endedSinceMs = nowMs()
    this.#ended = 0
  }

  #takeArrived(max: number): Batch | null {
    const indexes = this.#arrived.slice(this.#head, this.#head + max)
    if (indexes.length === 0) return null
    this.#head += indexes.length
    if (2 * this.#head >= this.#arrived.length) {
      this.#arrived = this.#arrived.slice(this.#head)
      this.#head = 0
    }
    return this.#withInputs({ first: indexes[0]!, count: indexes.length, indexes, attempts: null })
  }

  /** Without, where some of them have to be read. */
  #withInputs(batch: Batch): Batch {
    const indexes = batch.indexes ?? Array.from({ length: batch.count }, (_, at) => batch.first + at)
    const inputs: unknown[] = []
    for (const index of indexes) {
      const held = this.#held.get(index)
      if (held === undefined || held.text === null) return { ...batch, indexes }
      this.#wake(held)
      inputs.push(this.options.toInput(held.text))
    }
    return { ...batch, indexes, inputs }
  }

  /** What is known of it already was measured, and not read from the disk. */
  #hold(index: number, text: string, readyAt: number): void {
    const known = this.#held.get(index)
    this.forget(index)
    this.#held.set(index, { text, readyAt: known?.readyAt ?? readyAt, isResting: false })
    this.#chars += text.length
  }

  #wake(held: Held): void {
    if (!held.isResting) return
    held.isResting = false
    this.#resting -= 1
    this.#restingChars -= charsOf(held)
  }
}

function charsOf({ text }: Held): number {
  return text?.length ?? 0
}
