/** A supply with suspects among its items: hands those out one at a time, when they may be in service. */

import type { ResultColumns } from '../domain/results.js'
import type { Batch, Supply } from './supply.js'
import { SupplyAround } from './supply-around.js'
import type { Suspects } from './suspects.js'

interface Parked {
  index: number
  attempt: number
  /** Where it has been read already. */
  inputs?: unknown[]
}

export class IsolatingSupply extends SupplyAround {
  /** Suspects that wait for nothing but a slot, or for other suspects. */
  readonly #parked: Parked[] = []
  /**
   * Others are in their way. One of them then waits for a moment as if it were in back-off: what is ready here changes with what is
   * done here, and never with time alone.
   */
  #isBlocked = false

  constructor(
    inner: Supply,
    private readonly suspects: Suspects,
  ) {
    super(inner)
  }

  get ready(): number {
    return this.inner.ready + (this.#isBlocked ? 0 : this.#parked.length)
  }

  override get size(): number {
    return this.inner.size + this.#parked.length
  }

  take(max: number, slots = max): Batch | null {
    if (this.suspects.size === 0) return this.inner.take(max, slots)
    while (true) {
      const next = this.#next()
      // A lane that is busy gets nothing ahead of it: it comes to its end, and then it goes.
      if (next !== null) return slots > 0 ? this.#handOut(next) : null
      const batch = this.inner.take(max, slots)
      const others = batch && this.#withoutSuspects(batch)
      if (batch === null || others !== null) return others
    }
  }

  override giveBack(index: number, attempt: number): void {
    this.#takeOut(index)
    this.inner.giveBack(index, attempt)
  }

  override delay(index: number, attempt: number, dueMs: number): void {
    this.#takeOut(index)
    this.inner.delay(index, attempt, dueMs)
  }

  override ended(columns: ResultColumns, dropped: ReadonlySet<number> | null): void {
    if (this.suspects.size > 0) {
      for (let at = 0; at < columns.count; at += 1) if (!dropped?.has(at)) this.#end(columns.indexes[at]!)
    }
    this.inner.ended(columns, dropped)
  }

  #takeOut(index: number): void {
    if (!this.suspects.has(index)) return
    this.suspects.takeOut(index)
    this.#isBlocked = false
  }

  #end(index: number): void {
    this.#takeOut(index)
    this.suspects.forget(index)
  }

  /** The suspect that may go now; null where there is none. */
  #next(): Parked | null {
    for (let next = this.#parked[0]; next !== undefined && !this.#isBlocked; next = this.#parked[0]) {
      const { index, attempt } = next
      if (!this.#mustWait(next)) {
        const blockedUntilMs = this.suspects.blockedUntilMs(index)
        if (blockedUntilMs === null) return next
        this.inner.delay(index, attempt, blockedUntilMs)
        this.#isBlocked = true
      }
      this.#parked.shift()
    }
    return null
  }

  #handOut({ index, attempt, ...read }: Parked): Batch {
    this.#parked.shift()
    this.suspects.putInService(index)
    return { first: index, count: 1, indexes: [index], attempts: [attempt], isAlone: true, ...read }
  }

  /** What may go in any company; the suspects wait. Null where all are suspects. */
  #withoutSuspects(batch: Batch): Batch | null {
    const { first, count } = batch
    const places = Array.from({ length: count }, (_, at) => at)
    const indexOf = (at: number) => batch.indexes?.[at] ?? first + at
    const others = places.filter((at) => !this.suspects.has(indexOf(at)))
    if (others.length === count) return batch
    for (const at of places) {
      const suspect = { index: indexOf(at), attempt: batch.attempts?.[at] ?? 1 }
      if (!this.suspects.has(suspect.index) || this.#mustWait(suspect)) continue
      this.#isBlocked = false
      this.#parked.push({ ...suspect, ...(batch.inputs && { inputs: [batch.inputs[at]] }) })
    }
    if (others.length === 0) return null
    const indexes = others.map(indexOf)
    const attempts = batch.attempts && others.map((at) => batch.attempts![at]!)
    const { inputs } = batch
    return {
      first: indexes[0]!,
      count: indexes.length,
      indexes,
      attempts,
      ...(inputs && { inputs: others.map((at) => inputs[at]) }),
    }
  }

  /** Waits where all others do, and holds nothing meanwhile: neither a lane nor its host. */
  #mustWait({ index, attempt }: Parked): boolean {
    const dueMs = this.suspects.dueMs(index)
    if (dueMs === null) return false
    this.inner.delay(index, attempt, dueMs)
    return true
  }
}
