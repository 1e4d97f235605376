/** Items that have been read, in a queue for each host: which of them may go now, and whose turn it is. */

import type { HostGate } from './host-gate.js'
import { IndexList } from './index-list.js'
import { SortedList } from './sorted-list.js'

/** An item that can be handed out at once. */
export interface ReadItem {
  index: number
  attempt: number
  /** Of a list's item; null where it follows from the index. */
  input: unknown
  /** What it weighs in memory, in characters. */
  chars: number
}

/** Items in memory at most, whatever waits for its host, and characters of their requests. */
const MAX_ITEMS = 10_000
const MAX_CHARS = 4 * 1024 * 1024
/** Past so many not even the first item of another host is taken in: a file may have a long one for each host. */
const MAX_CHARS_AT_ALL = 4 * MAX_CHARS
/** Of one host: what comes after them is known by its index alone, and read again when it is near. */
export const MAX_ITEMS_A_HOST = 500
/** With fewer than this left, a host's next ones are read again. */
const LOW = MAX_ITEMS_A_HOST / 4
/** And so many at a time where there is no room for more in memory. */
const FEW = 16

interface HostQueue {
  readonly host: string
  readonly order: number
  /** Whether the host has a limit. */
  readonly isLimited: boolean
  /** From `head` on. */
  items: ReadItem[]
  head: number
  /** Those to go before them: tried again, or given back. The last one first. */
  front: ReadItem[]
  /** Read once, and to be read again. */
  spilled: IndexList | null
  /** How many of its items are counted as ready. */
  ready: number
  dueMs: number | null
}

export class HostQueues {
  readonly #queues = new Map<string, HostQueue>()
  /** Those with something ready, the one whose turn is next first. */
  readonly #open = new Set<HostQueue>()
  /** Those that wait for time to pass. */
  readonly #due = new SortedList<HostQueue>((a, b) => a.dueMs! - b.dueMs! || a.order - b.order)
  readonly #hungry = new Set<HostQueue>()
  #ready = 0
  #items = 0
  #chars = 0
  #lastOrder = 0
  /** Hosts that have a limit. */
  #limited = 0

  constructor(private readonly gate: HostGate) {}

  /** Items that may go now: as far as is known since the last change, and never more than that. */
  get ready(): number {
    return this.#ready
  }

  /** Hosts that have something to do. */
  get hosts(): number {
    return this.#queues.size
  }

  /** Whether there is no limit for any of the hosts that have something to do. */
  get areUnlimited(): boolean {
    return this.#limited === 0
  }

  /** Items in memory. */
  get items(): number {
    return this.#items
  }

  /** When a host that waits for its pace may go on; null where none does. */
  get nextDueMs(): number | null {
    const [first] = this.#due
    return first?.dueMs ?? null
  }

  /** Whether there is room in memory, for whichever host. */
  get hasRoom(): boolean {
    return this.#items < MAX_ITEMS && this.#chars < MAX_CHARS
  }

  /** Whether nothing more is to be read before some have gone, for whichever host. */
  get isFull(): boolean {
    return this.#chars >= MAX_CHARS_AT_ALL
  }

  /** Whether an item of the host is kept in memory: the first one always is, so that no host waits behind another's items. */
  takes(host: string): boolean {
    const queue = this.#queues.get(host)
    if (!queue) return true
    if (queue.spilled !== null) return false
    const length = lengthOf(queue)
    const most = queue.isLimited ? MAX_ITEMS_A_HOST : MAX_ITEMS
    return length === 0 || (length < most && this.hasRoom)
  }

  add(host: string, item: ReadItem, { nowMs, first }: { nowMs: number; first: boolean }): void {
    const queue = this.#queueOf(host)
    // Where not all of them may go, one more may not either.
    const waits = queue.ready < lengthOf(queue)
    if (first) queue.front.push(item)
    else queue.items.push(item)
    this.#items += 1
    this.#chars += item.chars
    if (waits) this.#tellWaiting(queue)
    else this.#refresh(queue, nowMs)
  }

  /** Remembers an item by its index alone. */
  spill(host: string, index: number): void {
    const queue = this.#queueOf(host)
    queue.spilled ??= new IndexList()
    queue.spilled.push(index)
    this.#tellWaiting(queue)
    this.#noteHunger(queue)
  }

  /** The next ones of a host that has few left, to be read again and added; null where none has. */
  nextToRead(): number[] | null {
    for (const queue of this.#hungry) {
      if (!this.hasRoom && lengthOf(queue) > 0) continue
      this.#hungry.delete(queue)
      const indexes = queue.spilled!.take(this.hasRoom ? MAX_ITEMS_A_HOST / 2 : FEW)
      if (queue.spilled!.size === 0) queue.spilled = null
      this.#tellWaiting(queue)
      this.#forgetIfDone(queue)
      return indexes
    }
    return null
  }

  /** Takes up to `max` of what may go, one host after the other; they are under way from now on. */
  take(max: number, nowMs: number): { item: ReadItem; host: string }[] {
    const taken: { item: ReadItem; host: string }[] = []
    while (taken.length < max) {
      const [queue] = this.#open
      if (queue === undefined) break
      // Back to the end of the line, if there is more: whose turn it was is the last to have it again.
      this.#open.delete(queue)
      if (this.gate.room(queue.host, nowMs) > 0) {
        const item = shift(queue)
        this.#items -= 1
        this.#chars -= item.chars
        this.gate.start(queue.host, nowMs)
        taken.push({ item, host: queue.host })
      }
      this.#refresh(queue, nowMs)
      this.#noteHunger(queue)
      this.#forgetIfDone(queue)
    }
    return taken
  }

  /** The host's room may have changed. */
  changed(host: string, nowMs: number): void {
    const queue = this.#queues.get(host)
    if (queue) this.#refresh(queue, nowMs)
  }

  /** Counts as ready what time has made so. */
  pass(nowMs: number): void {
    for (let [queue] = this.#due; queue !== undefined && queue.dueMs! <= nowMs; [queue] = this.#due) {
      this.#refresh(queue, nowMs)
    }
  }

  #queueOf(host: string): HostQueue {
    let queue = this.#queues.get(host)
    if (!queue) {
      this.#lastOrder += 1
      const order = this.#lastOrder
      const isLimited = !this.gate.mayWaitInLane(host)
      queue = { host, order, isLimited, items: [], head: 0, front: [], spilled: null, ready: 0, dueMs: null }
      this.#queues.set(host, queue)
      if (isLimited) this.#limited += 1
    }
    return queue
  }

  #tellWaiting(queue: HostQueue): void {
    this.gate.want(queue.host, lengthOf(queue) + (queue.spilled?.size ?? 0))
  }

  #refresh(queue: HostQueue, nowMs: number): void {
    this.#tellWaiting(queue)
    const length = lengthOf(queue)
    const ready = length === 0 ? 0 : Math.max(0, Math.min(length, this.gate.room(queue.host, nowMs)))
    this.#ready += ready - queue.ready
    queue.ready = ready
    if (ready > 0) this.#open.add(queue)
    else this.#open.delete(queue)
    this.#setDue(queue, length > 0 && ready === 0 ? this.gate.dueMs(queue.host, nowMs) : null)
  }

  #setDue(queue: HostQueue, dueMs: number | null): void {
    if (dueMs === queue.dueMs) return
    if (queue.dueMs !== null) this.#due.remove(queue)
    queue.dueMs = dueMs
    if (dueMs !== null) this.#due.add(queue)
  }

  #noteHunger(queue: HostQueue): void {
    if (queue.spilled !== null && lengthOf(queue) <= LOW) this.#hungry.add(queue)
  }

  #forgetIfDone(queue: HostQueue): void {
    if (lengthOf(queue) > 0 || queue.spilled !== null) return
    this.#queues.delete(queue.host)
    if (queue.isLimited) this.#limited -= 1
  }
}

function lengthOf({ items, head, front }: HostQueue): number {
  return items.length - head + front.length
}

function shift(queue: HostQueue): ReadItem {
  const returned = queue.front.pop()
  if (returned) return returned
  const item = queue.items[queue.head]!
  queue.head += 1
  if (queue.head === queue.items.length || queue.head >= MAX_ITEMS_A_HOST) {
    queue.items = queue.items.slice(queue.head)
    queue.head = 0
  }
  return item
}
