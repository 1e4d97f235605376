/** The lanes that one stage of a run holds, or a plan while it tries. */

import type { InFlightTask } from '../domain/task.js'
import type { Lane } from '../lanes/lane.js'
import type { LaneSession } from './session.js'

/** A task that has been in service for longer than this may go on for long: it is a turn of the scheduler's. */
const LONG_MS = 100

interface Options {
  /** Whether a lane with nothing to do stays, as there may be something soon. */
  mayStay(session: LaneSession): boolean
  /** The lane has nothing of this run any more. */
  release(lane: Lane): void
}

export class Sessions implements Iterable<LaneSession> {
  /** Oldest first. */
  readonly #held = new Set<LaneSession>()

  constructor(private readonly options: Options) {}

  get size(): number {
    return this.#held.size
  }

  get running(): number {
    let running = 0
    for (const session of this.#held) running += session.running
    return running
  }

  /** Granted and not reported, or on its way to a lane. */
  get outstanding(): number {
    let outstanding = 0
    for (const session of this.#held) outstanding += session.outstanding
    return outstanding
  }

  /** As LaneSession.longestInServiceMs, of all lanes. */
  longestInServiceMs(nowMs: number): number | null {
    let longestMs: number | null = null
    for (const session of this.#held) {
      const ms = session.longestInServiceMs(nowMs)
      if (ms !== null) longestMs = Math.max(longestMs ?? 0, ms)
    }
    return longestMs
  }

  /** Lanes that have something to do. */
  get busy(): number {
    let busy = 0
    for (const session of this.#held) if (!session.idle) busy += 1
    return busy
  }

  /** Whether all that was handed to the lanes is in service. */
  get isStill(): boolean {
    for (const session of this.#held) if (!session.isStill) return false
    return true
  }

  /** In service on lanes that end what they have begun and get no more. */
  get leaving(): number {
    let leaving = 0
    for (const session of this.#held) if (session.isLast && !session.idle) leaving += 1
    return leaving
  }

  /** Items that the lanes may have in service at once, of those handed to them. */
  get claimed(): number {
    let claimed = 0
    for (const session of this.#held) claimed += Math.min(session.claimed, session.slots)
    return claimed
  }

  /** Items that those which stay may have in service at once. */
  get slots(): number {
    let slots = 0
    for (const session of this.#held) if (!session.retiring && !session.isLast) slots += session.slots
    return slots
  }

  /** What those with something to do could have in service besides, of more items. */
  get freeSlots(): number {
    let free = 0
    for (const session of this.#held) {
      if (!session.idle && !session.retiring && !session.isLast) free += Math.max(0, session.slots - session.claimed)
    }
    return free
  }

  /** As they are now: what is done to one of them may take it away. */
  [Symbol.iterator](): Iterator<LaneSession> {
    return [...this.#held].values()
  }

  has(session: LaneSession): boolean {
    return this.#held.has(session)
  }

  /** The lowest number that no lane of the run has: its share of the concurrency follows from it. */
  get freeOrdinal(): number {
    const taken = new Set([...this.#held].map(({ ordinal }) => ordinal))
    let ordinal = 0
    while (taken.has(ordinal)) ordinal += 1
    return ordinal
  }

  add(session: LaneSession): void {
    this.#held.add(session)
  }

  /** Gives a dead lane back. */
  remove(session: LaneSession): void {
    if (!this.#held.delete(session)) return
    session.close()
    this.options.release(session.lane)
  }

  /** A lane with nothing to do goes back. */
  settle(session: LaneSession): void {
    if (session.idle && !this.options.mayStay(session)) this.remove(session)
  }

  settleAll(): void {
    for (const session of this) this.settle(session)
  }

  /**
   * Has this many lanes go back as soon as they have nothing in service, those first that do so anyway, then those that have
   * nothing now, then the newest: what was handed out ahead may take long by now. Where one of them has a long task, another one
   * is to go as well: whichever has nothing in service first does, and the rest then stay. `nowMs`: epoch milliseconds.
   */
  retire(count: number, nowMs: number): void {
    const newestFirst = [...this.#held].reverse()
    const last = newestFirst.filter(({ isLast }) => isLast)
    const idle = newestFirst.filter(({ claimed, isLast }) => claimed === 0 && !isLast)
    const busy = newestFirst.filter(({ claimed, isLast }) => claimed > 0 && !isLast)
    let lacking = count
    for (const session of [...last, ...idle, ...busy]) {
      const goes = lacking > 0
      if (goes && !session.retiring) session.recall()
      session.retiring = goes
      if (goes && !mayTakeLong(session, nowMs)) lacking -= 1
    }
    this.settleAll()
  }

  /** Has what is not in service given back. */
  recall(): void {
    for (const session of this.#held) session.recall()
  }

  cancel(): void {
    for (const session of this.#held) session.cancel()
  }

  /** `runStartedAt`: epoch milliseconds. */
  inFlight(stage: number, runStartedAt: number): InFlightTask[] {
    return [...this.#held].flatMap((session) =>
      session.inService().map(({ index, attempt, startedAt, progress }) => ({
        stage,
        index,
        attempt,
        lane: session.lane.name,
        startedMs: Math.max(0, startedAt - runStartedAt),
        progress,
      })),
    )
  }
}

function mayTakeLong(session: LaneSession, nowMs: number): boolean {
  return (session.longestInServiceMs(nowMs) ?? 0) > LONG_MS
}
