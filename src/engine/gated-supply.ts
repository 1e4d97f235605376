/**
 * The supply of fetches that go to several hosts, or may have to wait for another item with the same request: reads the source ahead,
 * knows where each item goes, and says of those alone that they are ready which may start now.
 */

import { setImmediate as nextTurn } from 'node:timers/promises'
import type { FetchOptions } from '../domain/batch.js'
import { commonHost, RequestKeys, type RequestLike, urlOf } from '../domain/request-key.js'
import type { ResultColumns } from '../domain/results.js'
import { itemsOf } from '../domain/run.js'
import { Alarm } from './alarm.js'
import { Duplicates } from './duplicates.js'
import { askedLimits, NO_HOST } from './host-gate.js'
import { HostQueues, MAX_ITEMS_A_HOST } from './host-queues.js'
import { reportTo, type SentItem } from './host-reports.js'
import { HostSeat } from './host-seat.js'
import { MAX_START_MS, MIN_RING_MS } from './pace.js'
import { MAX_WAITING, PendingItems } from './pending.js'
import { SourceReader } from './source-reader.js'
import type { Batch, Range, Starts, Supply } from './supply.js'
import { goneOf, type SupplyOptions } from './supply-options.js'

/** Items read at a time: a millisecond of the event loop or less. */
const SLICE = 250
/** Where all of a slice has to wait for its host, the next one comes after so many times what this one took. */
const SCAN_REST = 4
const MIN_SCAN_REST_MS = 2
/** Ready to go is enough with so many for each fetch in flight, and at least so many. */
const READY_EACH = 4
const MIN_READY = 1_000
/** Of one host, where the whole source goes to it. */
const MAX_ITEMS_OF_THE_ONE = 2 * MAX_ITEMS_A_HOST
/** Hosts that may wait at a time: those known by then keep any machine busy. */
const MAX_HOSTS = 100_000
/** Answers read from the disk at a time. */
const ANSWERS = 32
/** Until an answer that is on its way to the disk is looked for again. */
const REREAD_ANSWER_MS = 20

interface GatedOptions extends SupplyOptions {
  fetch: FetchOptions
  /** Whether one request is sent once. */
  hasDuplicates: boolean
}

/** Items to read: never read before, read before and known to lead, or to go before the others of their host. */
interface ToRead {
  kind: 'fresh' | 'known' | 'again'
  indexes: number[]
  attempts: number[] | null
  /** Where they are at hand. */
  inputs?: unknown[]
}

export class GatedSupply implements Supply {
  /** Never read. */
  readonly #fresh: Pick<Supply, 'take' | 'size' | 'giveBack'>
  /** In back-off, or given back. */
  readonly #again = new PendingItems(0)
  readonly #seat: HostSeat
  readonly #queues: HostQueues
  readonly #duplicates: Duplicates | null
  readonly #keys: RequestKeys
  readonly #reader: SourceReader
  /** Where all items go; null where that is to be seen of each. */
  readonly #host: string | null
  /** What is handed out. */
  readonly #out = new Map<number, SentItem>()
  readonly #alarm: Alarm
  readonly #enough: number
  #left: number
  #scanFromMs = Number.NEGATIVE_INFINITY
  #lastRingMs = Number.NEGATIVE_INFINITY
  #started = false
  #stopped = false
  #working = false
  #woken = false

  constructor(private readonly options: GatedOptions) {
    const { record, leftOut, ended, flow, fetch, hasDuplicates, clock, concurrency } = options
    const total = record.spec.source.count
    // Whoever leads those that are still to end may have ended: with duplicates these are read too. What is left out leads nobody.
    this.#fresh = flow ?? new PendingItems(total, hasDuplicates ? leftOut : goneOf(options))
    // What flows is without those that have ended, unless others are to have their answers.
    this.#left = this.#fresh.size - (hasDuplicates ? (ended?.size ?? 0) : 0)
    if (flow) flow.onArrival = () => this.#onArrival()
    const { hosts, user } = options
    this.#seat = new HostSeat({ hosts, user, asked: askedLimits(fetch), onChanged: (told) => this.#hostsChanged(told) })
    this.#queues = new HostQueues(this.#seat)
    this.#host = flow ? null : commonHost(record.spec.source)
    this.#keys = new RequestKeys(options.fetch.headers)
    this.#reader = new SourceReader(options)
    this.#duplicates = hasDuplicates
      ? new Duplicates({ count: total, items: itemsOf(record), ended, task: (index) => this.#reader.task(index) })
      : null
    this.#alarm = new Alarm(clock, () => this.#ring())
    this.#enough = Math.max(MIN_READY, READY_EACH * concurrency)
  }

  get ready(): number {
    return this.#queues.ready
  }

  get size(): number {
    return this.#left
  }

  /** Of a host with a limit the lanes are handed what they can start at once. */
  get mayWaitInLane(): boolean {
    return this.#queues.areUnlimited
  }

  /** Items that are handed out. */
  get out(): number {
    return this.#out.size
  }

  /** Of back-off: it looks after the pace of hosts by itself. */
  get nextDueMs(): number | null {
    return this.#again.nextDueMs
  }

  start(): void {
    this.#started = true
    this.#look(this.#seat.release())
    this.#wake()
  }

  hold(): void {
    this.#started = false
    this.#look(this.#seat.hold())
  }

  take(max: number): Batch | null {
    const takenMs = this.options.clock.monotonicMs()
    const taken = this.#queues.take(max, takenMs)
    this.#arm()
    this.#wake()
    if (taken.length === 0) return null
    this.#left -= taken.length
    for (const { item, host } of taken) this.#out.set(item.index, { host, takenMs })
    const indexes = taken.map(({ item }) => item.index)
    const attempts = taken.map(({ item }) => item.attempt)
    const batch: Batch = { first: indexes[0]!, count: taken.length, indexes, attempts }
    if (this.options.flow || this.options.record.spec.source.kind !== 'template')
      batch.inputs = taken.map(({ item }) => item.input)
    return batch
  }

  /** A lane that is new, or busy, starts late what it was handed: what comes after it keeps its distance from then on. */
  started({ indexes, startedAt }: Starts): void {
    const { clock } = this.options
    const nowMs = clock.monotonicMs()
    const zeroMs = clock.epochMs() - nowMs
    indexes.forEach((index, at) => {
      const out = this.#out.get(index)
      const startedMs = startedAt[at]! - zeroMs
      if (out === undefined || startedMs - out.takenMs <= MAX_START_MS) return
      this.#seat.startedLate(out.host, Math.min(startedMs, nowMs))
      this.#queues.changed(out.host, nowMs)
    })
    this.#arm()
  }

  reported(columns: ResultColumns): void {
    reportTo(this.#seat, columns, (index) => this.#out.get(index) ?? null)
  }

  giveBack(index: number, attempt: number): void {
    this.#comeBack(index)
    this.#again.giveBack(index, attempt)
  }

  restore({ first, count, indexes, attempts }: Range, from: number): void {
    for (let at = from; at < count; at += 1) this.giveBack(indexes?.[at] ?? first + at, attempts?.[at] ?? 1)
  }

  delay(index: number, attempt: number, dueMs: number): void {
    this.options.flow?.rest(index)
    this.#comeBack(index)
    this.#again.delay(index, attempt, dueMs)
  }

  release(nowMs: number): void {
    this.#again.release(nowMs)
    this.#queues.pass(nowMs)
    this.#arm()
    this.#wake()
  }

  ended(columns: ResultColumns, dropped: ReadonlySet<number> | null): void {
    for (let at = 0; at < columns.count; at += 1) if (!dropped?.has(at)) this.#free(columns.indexes[at]!)
    this.#duplicates?.leadersEnded(columns, dropped)
    this.options.flow?.ended(columns, dropped)
    this.#arm()
    this.#wake()
  }

  stop(): void {
    this.#stopped = true
    this.#alarm.set(null)
    this.#reader.stop()
    this.#seat.close()
  }

  /** Others have left room, or a host is to be left alone, or is not any more. */
  #hostsChanged(hosts: readonly string[]): void {
    if (this.#stopped) return
    const nowMs = this.options.clock.monotonicMs()
    for (const host of hosts) this.#queues.changed(host, nowMs)
    // What waits in a lane is not to be sent either.
    if (this.#out.size > 0 && hosts.some((host) => this.#seat.closedUntilMs(host, nowMs) !== null))
      this.options.recall()
    this.#arm()
    this.#wake()
    this.options.onChanged()
  }

  /** There is more or less room at these hosts than before. */
  #look(hosts: readonly string[]): void {
    const nowMs = this.options.clock.monotonicMs()
    for (const host of hosts) this.#queues.changed(host, nowMs)
    this.#arm()
  }

  #onArrival(): void {
    this.#left += 1
    this.#wake()
  }

  #comeBack(index: number): void {
    this.#free(index)
    this.#left += 1
    this.#arm()
    this.#wake()
  }

  /** Its host has room for another one. */
  #free(index: number): void {
    const out = this.#out.get(index)
    if (out === undefined) return
    this.#out.delete(index)
    this.#seat.end(out.host, out.takenMs)
    this.#queues.changed(out.host, this.options.clock.monotonicMs())
  }

  #ring(): void {
    const nowMs = this.options.clock.monotonicMs()
    this.#lastRingMs = nowMs
    this.#queues.pass(nowMs)
    this.#arm()
    this.#wake()
    this.options.onChanged()
  }

  #arm(): void {
    if (this.#stopped) return
    const pacedMs = this.#queues.nextDueMs
    const dueMs = [
      ...(pacedMs === null ? [] : [pacedMs]),
      ...(this.#scanFromMs > this.options.clock.monotonicMs() && this.#wantsMore ? [this.#scanFromMs] : []),
    ]
    this.#alarm.set(dueMs.length === 0 ? null : Math.max(Math.min(...dueMs), this.#lastRingMs + MIN_RING_MS))
  }

  #wake(): void {
    if (!this.#goesOn) return
    this.#woken = true
    if (!this.#working) void this.#work()
  }

  /** One thing after the other, each in a turn of the event loop of its own. */
  async #work(): Promise<void> {
    this.#working = true
    // Whoever has woken it is in the middle of something.
    await null
    while (this.#woken && this.#goesOn) {
      this.#woken = false
      while (this.#goesOn && (await this.#step())) await nextTurn()
    }
    this.#working = false
  }

  get #goesOn(): boolean {
    return this.#started && !this.#stopped
  }

  /** Whether there may be more to do. */
  async #step(): Promise<boolean> {
    if (this.options.isFull()) return false
    if (await this.#answerLate()) return true
    if (this.#endFollowers()) return true
    if (this.#duplicates?.hasLate) {
      await this.#reader.rest(REREAD_ANSWER_MS)
      return true
    }
    const next = this.#nextToRead()
    if (next === null) return false
    const inputs = next.inputs ?? (await this.#reader.inputs(next.indexes))
    if (inputs === null || this.#stopped) return false
    this.#admit(next, inputs)
    this.options.onChanged()
    return true
  }

  /** Several at a time: their followers go with one block. */
  async #answerLate(): Promise<boolean> {
    const duplicates = this.#duplicates
    let answered = 0
    while (duplicates?.hasLate && answered < ANSWERS && (await duplicates.answerLate())) answered += 1
    return answered > 0
  }

  #endFollowers(): boolean {
    const block = this.#duplicates?.takeBlock() ?? null
    if (block === null) return false
    this.#left -= block.count
    this.options.onEnded(block)
    this.options.flow?.ended(block, null)
    this.options.onChanged()
    return true
  }

  #nextToRead(): ToRead | null {
    if (this.#queues.isFull) return null
    const again = this.#again.take(SLICE)
    if (again) return { kind: 'again', indexes: again.indexes!, attempts: again.attempts }
    const known = this.#queues.nextToRead()
    if (known) return { kind: 'known', indexes: known, attempts: null }
    if (!this.#wantsMore) return null
    if (this.options.clock.monotonicMs() < this.#scanFromMs) {
      this.#arm()
      return null
    }
    const fresh = this.#fresh.take(SLICE)
    if (!fresh) return null
    const indexes = fresh.indexes ?? Array.from({ length: fresh.count }, (_, at) => fresh.first + at)
    return { kind: 'fresh', indexes, attempts: null, ...(fresh.inputs && { inputs: fresh.inputs }) }
  }

  /** Whether to go on in the source: until enough is ready, however much of it has to wait for its host. */
  get #wantsMore(): boolean {
    const queues = this.#queues
    if (queues.isFull) return false
    if (this.#fresh.size === 0 || this.#again.waiting >= MAX_WAITING || queues.ready >= this.#enough) return false
    return this.#host === null ? queues.hosts < MAX_HOSTS : queues.items < MAX_ITEMS_OF_THE_ONE && queues.hasRoom
  }

  /** `inputs`: undefined in the place of what is to be read another time. */
  #admit({ kind, indexes, attempts }: ToRead, inputs: readonly unknown[]): void {
    const startMs = this.options.clock.monotonicMs()
    const readyBefore = this.#queues.ready
    let spilled = 0
    const unread: { index: number; attempt: number }[] = []
    indexes.forEach((index, at) => {
      const input = inputs[at]
      if (input === undefined) {
        unread.push({ index, attempt: attempts?.[at] ?? 1 })
        return
      }
      const host = kind === 'fresh' ? this.#hostOfFresh(index, input) : this.#hostOf(input)
      if (host === null) {
        if (this.#duplicates?.hasEnded(index)) this.options.flow?.forget(index)
        return
      }
      if (kind === 'fresh' && this.#host === null && !this.#queues.takes(host)) {
        this.#queues.spill(host, index)
        spilled += 1
        return
      }
      const item = { index, attempt: attempts?.[at] ?? 1, input, chars: charsOf(input) }
      this.#queues.add(host, item, { nowMs: startMs, first: kind === 'again' })
    })
    // What is given back last is read first: in the order of the source, whose first item with a request is to lead.
    const givenBack = kind === 'fresh' ? this.#fresh : this.#again
    for (const { index, attempt } of unread.reverse()) givenBack.giveBack(index, attempt)
    if (spilled > 0 && this.#queues.ready <= readyBefore) {
      const nowMs = this.options.clock.monotonicMs()
      this.#scanFromMs = nowMs + Math.max(MIN_SCAN_REST_MS, SCAN_REST * (nowMs - startMs))
    }
    this.#arm()
  }

  #hostOf(input: unknown): string {
    return this.#host ?? urlOf(toRequest(input))?.host ?? NO_HOST
  }

  /** Null where it is not to be sent: it has ended, or follows another one. */
  #hostOfFresh(index: number, input: unknown): string | null {
    const duplicates = this.#duplicates
    if (duplicates === null) return this.#hostOf(input)
    const request = toRequest(input)
    const url = urlOf(request)
    const leads = url === null || duplicates.leads(this.#keys.keyOf(request, url), index)
    if (!leads || duplicates.hasEnded(index)) return null
    return this.#host ?? url?.host ?? NO_HOST
  }
}

function toRequest(input: unknown): RequestLike {
  return typeof input === 'object' && input !== null ? (input as RequestLike) : { url: String(input) }
}

/** About what it takes to keep. */
function charsOf(input: unknown): number {
  const { url, headers = [], body } = toRequest(input)
  return headers.reduce((sum, { name, value }) => sum + name.length + value.length, url.length + (body?.length ?? 0))
}
