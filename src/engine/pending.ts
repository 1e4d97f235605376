/** Which items of a stage are to be handed out next: those never tried, those given back, those whose back-off is over. */

import type { IndexSet } from '../domain/indexset.js'
import type { Batch, Range, Supply } from './supply.js'

interface Waiting {
  index: number
  attempt: number
  dueMs: number
}

/** Fewer items that lie together are not handed out on their own where there are more. */
const MIN_STRETCH = 32
/** With more items than this in back-off none is tried that was not: each of them costs memory, and an origin patience. */
export const MAX_WAITING = 100_000

export class PendingItems implements Supply {
  readonly mayWaitInLane = true
  /** All items below it have been handed out, or had ended before. */
  #cursor = 0
  readonly #ended: IndexSet | null
  #untouched: number
  /** Taken and given back untouched, the last one first. */
  readonly #stretches: { first: number; count: number }[] = []
  /** Handed out before, to be handed out again; the last one first. */
  readonly #returned: { index: number; attempt: number }[] = []
  /** A binary heap by dueMs: a million failures with back-off must not cost a scan each. */
  readonly #waiting: Waiting[] = []

  constructor(total: number, ended: IndexSet | null = null) {
    this.#ended = ended
    this.#untouched = total - (ended?.size ?? 0)
  }

  /** Items that could be handed out now. */
  get ready(): number {
    return this.#returned.length + (this.waiting < MAX_WAITING ? this.#untouched : 0)
  }

  /** Items in back-off. */
  get waiting(): number {
    return this.#waiting.length
  }

  get size(): number {
    return this.#untouched + this.#returned.length + this.waiting
  }

  /** Takes up to `max` items, as many as are ready or lie together; null where none is. */
  take(max: number): Batch | null {
    const count = Math.min(max, this.ready)
    if (count <= 0) return null
    const run = this.#returned.length === 0 ? this.#nextRun(count) : null
    // As a rule what was never tried lies together; what is left after a crash, or comes back, may be scattered.
    return run && (run.count === count || run.count >= MIN_STRETCH)
      ? { ...run, indexes: null, attempts: null }
      : this.#gather(count, run)
  }

  /** Indexes need not be read. */
  start(): void {}

  hold(): void {}

  giveBack(index: number, attempt: number): void {
    this.#returned.push({ index, attempt })
  }

  /** Gives back the end of a batch, from this place on. */
  restore({ first, count, indexes, attempts }: Range, from: number): void {
    if (indexes === null && attempts === null) {
      if (from === count) return
      this.#stretches.push({ first: first + from, count: count - from })
      this.#untouched += count - from
      return
    }
    for (let at = count - 1; at >= from; at -= 1) this.giveBack(indexes?.[at] ?? first + at, attempts?.[at] ?? 1)
  }

  /** Keeps the item back until `dueMs` of the clock that `release` is called with. */
  delay(index: number, attempt: number, dueMs: number): void {
    const heap = this.#waiting
    let at = heap.push({ index, attempt, dueMs }) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (heap[parent]!.dueMs <= heap[at]!.dueMs) break
      ;[heap[parent], heap[at]] = [heap[at]!, heap[parent]!]
      at = parent
    }
  }

  /** Makes ready what is due. */
  release(nowMs: number): void {
    for (let due = this.#waiting[0]; due !== undefined && due.dueMs <= nowMs; due = this.#waiting[0]) {
      this.#returned.push({ index: due.index, attempt: due.attempt })
      this.#removeFirst()
    }
  }

  /** What was taken is not remembered. */
  started(): void {}

  reported(): void {}

  ended(): void {}

  stop(): void {}

  /** When the next item in back-off is due; null where none waits. */
  get nextDueMs(): number | null {
    return this.#waiting[0]?.dueMs ?? null
  }

  #gather(count: number, run: { first: number; count: number } | null): Batch {
    const taken = this.#returned.splice(-Math.min(count, this.#returned.length)).reverse()
    const indexes = taken.map((item) => item.index)
    const attempts = taken.map((item) => item.attempt)
    for (let next = run; indexes.length < count; next = null) {
      const { first, count: length } = next ?? this.#nextRun(count - indexes.length)
      for (let at = 0; at < length; at += 1) {
        indexes.push(first + at)
        attempts.push(1)
      }
    }
    return { first: indexes[0]!, count, indexes, attempts }
  }

  /** The next items that were never tried: there are some. */
  #nextRun(max: number): { first: number; count: number } {
    const stretch = this.#stretches.pop()
    if (stretch !== undefined) {
      const count = Math.min(max, stretch.count)
      if (count < stretch.count) this.#stretches.push({ first: stretch.first + count, count: stretch.count - count })
      this.#untouched -= count
      return { first: stretch.first, count }
    }
    const { first, count } = this.#ended?.nextAbsent(this.#cursor, max) ?? { first: this.#cursor, count: max }
    this.#cursor = first + count
    this.#untouched -= count
    return { first, count }
  }

  #removeFirst(): void {
    const heap = this.#waiting
    const last = heap.pop()!
    if (heap.length === 0) return
    heap[0] = last
    for (let at = 0; ; ) {
      let least = at
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < heap.length && heap[child]!.dueMs < heap[least]!.dueMs) least = child
      }
      if (least === at) return
      ;[heap[least], heap[at]] = [heap[at]!, heap[least]!]
      at = least
    }
  }
}
