/** The supply of fetches that all go to one host: none has to be read to see whether it may start. */

import type { FetchOptions } from '../domain/batch.js'
import type { ResultColumns } from '../domain/results.js'
import { Alarm } from './alarm.js'
import { askedLimits } from './host-gate.js'
import { reportTo, type SentItem } from './host-reports.js'
import { HostSeat } from './host-seat.js'
import { MAX_START_MS, MIN_RING_MS } from './pace.js'
import type { PendingItems } from './pending.js'
import type { Batch, Range, Starts, Supply } from './supply.js'
import type { SupplyOptions } from './supply-options.js'

interface OneHostOptions extends Pick<SupplyOptions, 'clock' | 'hosts' | 'user' | 'onChanged' | 'recall'> {
  fetch: FetchOptions
  host: string
}

export class OneHostSupply implements Supply {
  readonly mayWaitInLane: boolean
  readonly #host: string
  readonly #seat: HostSeat
  /** When each item that is handed out was; null where the host has no limit, and that does not matter. */
  readonly #taken: Map<number, SentItem> | null
  #out = 0
  readonly #alarm: Alarm
  #lastRingMs = Number.NEGATIVE_INFINITY
  #stopped = false
  #isHeld = false

  constructor(
    private readonly inner: PendingItems,
    private readonly options: OneHostOptions,
  ) {
    const { hosts, user, host, fetch, clock } = options
    this.#host = host
    this.#seat = new HostSeat({ hosts, user, asked: askedLimits(fetch), onChanged: () => this.#hostChanged() })
    this.mayWaitInLane = this.#seat.mayWaitInLane(host)
    this.#taken = this.mayWaitInLane ? null : new Map()
    this.#alarm = new Alarm(clock, () => this.#ring())
  }

  get ready(): number {
    const { ready } = this.inner
    return ready === 0 || this.#stopped ? 0 : Math.max(0, Math.min(ready, this.#seat.room(this.#host, this.#nowMs)))
  }

  get size(): number {
    return this.inner.size
  }

  /** Items that are handed out. */
  get out(): number {
    return this.#out
  }

  /** Of back-off: it looks after the pace of the host by itself. */
  get nextDueMs(): number | null {
    return this.inner.nextDueMs
  }

  start(): void {
    this.#isHeld = false
    this.#changed()
  }

  hold(): void {
    this.#isHeld = true
    this.#changed()
  }

  take(max: number): Batch | null {
    const nowMs = this.#nowMs
    const room = Math.min(max, this.#seat.room(this.#host, nowMs))
    const batch = room > 0 ? this.inner.take(room) : null
    if (batch !== null) {
      this.#seat.start(this.#host, nowMs, batch.count)
      this.#out += batch.count
      this.#noteTaken(batch, nowMs)
    }
    this.#changed()
    return batch
  }

  /** See GatedSupply.started. */
  started({ indexes, startedAt }: Starts): void {
    if (this.#taken === null) return
    const nowMs = this.#nowMs
    const zeroMs = this.options.clock.epochMs() - nowMs
    indexes.forEach((index, at) => {
      const taken = this.#taken?.get(index)
      const startedMs = startedAt[at]! - zeroMs
      if (taken === undefined || startedMs - taken.takenMs <= MAX_START_MS) return
      this.#seat.startedLate(this.#host, Math.min(startedMs, nowMs))
    })
    this.#arm()
  }

  reported(columns: ResultColumns): void {
    const sent = { host: this.#host, takenMs: 0 }
    const taken = this.#taken
    reportTo(this.#seat, columns, taken === null ? () => sent : (index) => taken.get(index) ?? null)
  }

  giveBack(index: number, attempt: number): void {
    this.#free(index)
    this.inner.giveBack(index, attempt)
    this.#changed()
  }

  restore(batch: Range, from: number): void {
    for (let at = from; at < batch.count; at += 1) this.#free(batch.indexes?.[at] ?? batch.first + at)
    this.inner.restore(batch, from)
    this.#changed()
  }

  delay(index: number, attempt: number, dueMs: number): void {
    this.#free(index)
    this.inner.delay(index, attempt, dueMs)
    this.#changed()
  }

  release(nowMs: number): void {
    this.inner.release(nowMs)
    this.#changed()
  }

  ended(columns: ResultColumns, dropped: ReadonlySet<number> | null): void {
    if (this.#taken === null) this.#freeSome(columns.count - (dropped?.size ?? 0))
    else for (let at = 0; at < columns.count; at += 1) if (!dropped?.has(at)) this.#free(columns.indexes[at]!)
    this.#changed()
  }

  stop(): void {
    this.#stopped = true
    this.#alarm.set(null)
    this.#seat.close()
  }

  get #nowMs(): number {
    return this.options.clock.monotonicMs()
  }

  #noteTaken({ first, count, indexes }: Batch, takenMs: number): void {
    const sent = { host: this.#host, takenMs }
    for (let at = 0; this.#taken !== null && at < count; at += 1) this.#taken.set(indexes?.[at] ?? first + at, sent)
  }

  /** The item is not handed out any more. */
  #free(index: number): void {
    if (this.#taken === null) {
      this.#freeSome(1)
      return
    }
    const sent = this.#taken.get(index)
    if (sent === undefined) return
    this.#taken.delete(index)
    this.#out -= 1
    this.#seat.end(this.#host, sent.takenMs)
  }

  #freeSome(count: number): void {
    this.#out -= count
    this.#seat.end(this.#host, 0, count)
  }

  /** More or fewer wait, or are under way, than before. */
  #changed(): void {
    // What is in back-off is to keep no other run's item waiting.
    if (!this.#stopped) this.#seat.want(this.#host, this.#isHeld ? 0 : this.inner.ready)
    this.#arm()
  }

  /** Others have left room, or the host is to be left alone, or is not any more. */
  #hostChanged(): void {
    if (this.#stopped) return
    // What waits in a lane is not to be sent either.
    if (this.#out > 0 && this.#seat.closedUntilMs(this.#host, this.#nowMs) !== null) this.options.recall()
    this.#arm()
    this.options.onChanged()
  }

  #ring(): void {
    this.#lastRingMs = this.#nowMs
    this.#arm()
    this.options.onChanged()
  }

  /** Rings when the host may be asked again: it rings in vain where another one takes what is free. */
  #arm(): void {
    const nowMs = this.#nowMs
    const waits = !this.#stopped && this.inner.ready > 0 && this.#seat.room(this.#host, nowMs) <= 0
    const dueMs = waits ? this.#seat.dueMs(this.#host, nowMs) : null
    this.#alarm.set(dueMs === null ? null : Math.max(dueMs, this.#lastRingMs + MIN_RING_MS))
  }
}
