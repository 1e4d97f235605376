/** One host, as the whole server sees it: what is under way to it, who waits for it, and how it bears that. */

import { Circuit } from '../domain/circuit.js'
import type { HostVerdict } from '../domain/host-verdict.js'
import type { RunKey } from '../domain/ids.js'
import { RecentTimes } from '../domain/recent-times.js'
import { MAX_RETRY_AFTER_MS } from '../domain/retry.js'
import type { HostClaim } from './host-shares.js'

/** A stage of a run that fetches, or a plan that tries, as hosts see it. */
export interface HostUser {
  readonly key: RunKey
  /** Whether other stages of the run may fetch as well. */
  readonly hasKin: boolean
  readonly priority: number
  /** Whether it holds a lane that takes more. */
  readonly holdsLane: boolean
  /** How many more it could have in flight now, whatever their host; 0 where it is to start nothing. */
  readonly spare: number
  /** In service on its lanes at most: of what it was handed for hosts without a limit some waits in a lane. */
  readonly running: number
}

/** What one user has to do with one host. */
export interface HostPlace {
  readonly user: HostUser
  /** Handed out, and not back. */
  underway: number
  /** Items that wait, as far as they are known. */
  waiting: number
  /** Whether the user would start something if it had a lane. */
  wouldTake(): boolean
  /** How many of them its own limits let start now. */
  mayStart(nowMs: number): number
  /** Higher with each start: who was served longest ago has the lowest. */
  turn: number
  /** Since when it has its turn: it begins where it starts something after the last one was over. */
  turnFromMs: number
  /** What it was dealt last; null: nothing yet. */
  share: HostShare | null
  /** What it could start when it was last told. */
  room: number
  /** Since when it is offered something that it does not take, while others wait; null where it is not. */
  offeredMs: number | null
  /** Until then it has what the others leave. */
  passedUntilMs: number
  /** Its room may be another one. */
  changed(): void
}

/** What a place was dealt, and by what. */
export interface HostShare {
  /** Of the host. */
  version: number
  free: number
  claim: HostClaim
  count: number
}

/** What came of a request that was sent. */
export interface HostReport {
  /** By the monotonic clock: when it was handed out. */
  startedMs: number
  failed: boolean
  verdict: HostVerdict
  /** For so long the host asks to be left alone; null where it does not. */
  retryAfterMs: number | null
  /** Null where it is not this host's alone. */
  serviceMs: number | null
}

/** What the users of a host share there. */
export interface SharedHost {
  readonly places: Set<HostPlace>
  /** Higher with each change that matters to others. */
  version: number
  /** Whether its users know that nothing is sent to it for now. */
  isToldClosed: boolean
  /** Under way at most. */
  readonly limit: number
  /** Whether what one of them starts is another one's loss. */
  readonly isShared: boolean
  /** Requests that may start now, whoever sends them. */
  free(nowMs: number): number
  /** Until when nothing is sent to it; null where something may be. */
  closedUntilMs(nowMs: number): number | null
  start(count: number, nowMs: number): void
  end(count: number, startedMs: number): void
}

export class HostState implements SharedHost {
  readonly places = new Set<HostPlace>()
  version = 0
  isToldClosed = false
  readonly limit: number
  /** Null where failures are told at once: the owner's own. */
  readonly #circuit: Circuit | null
  readonly #times = new RecentTimes()
  #underway = 0
  #requests = 0
  #failures = 0
  #heldUntilMs = Number.NEGATIVE_INFINITY

  /** `limit` null: the host is the owner's own. */
  constructor(
    readonly host: string,
    limit: number | null,
  ) {
    this.limit = limit ?? Number.POSITIVE_INFINITY
    this.#circuit = limit === null ? null : new Circuit()
  }

  get isShared(): boolean {
    return Number.isFinite(this.limit)
  }

  get requests(): number {
    return this.#requests
  }

  get failures(): number {
    return this.#failures
  }

  /** Of the last requests; null where there were none. */
  get p95Ms(): number | null {
    return this.#times.percentile(0.95)
  }

  /** Until when the host has asked to be left alone; null where it has not. */
  heldUntilMs(nowMs: number): number | null {
    return this.#heldUntilMs > nowMs ? this.#heldUntilMs : null
  }

  /** Until when it is left alone as it keeps failing; null where it is not. */
  restingUntilMs(nowMs: number): number | null {
    return this.#circuit?.openUntilMs(nowMs) ?? null
  }

  closedUntilMs(nowMs: number): number | null {
    const heldMs = this.heldUntilMs(nowMs)
    const restingMs = this.restingUntilMs(nowMs)
    return heldMs === null || restingMs === null ? (heldMs ?? restingMs) : Math.max(heldMs, restingMs)
  }

  free(nowMs: number): number {
    if (this.#heldUntilMs > nowMs) return 0
    const room = this.#circuit?.room(nowMs) ?? Number.POSITIVE_INFINITY
    return Math.max(0, Math.min(this.limit - this.#underway, room))
  }

  start(count: number, nowMs: number): void {
    this.#underway += count
    this.#circuit?.start(nowMs)
  }

  end(count: number, startedMs: number): void {
    this.#underway -= count
    this.#circuit?.end(startedMs)
  }

  noteRequests(count: number): void {
    this.#requests += count
  }

  /** A request was sent, and answered as it should be: as nearly all are, it costs no more than it must. Answers as `report`. */
  reportSuccess(serviceMs: number): boolean {
    this.#requests += 1
    this.#times.add(serviceMs)
    if (this.#circuit === null) return false
    const wasClosed = this.#circuit.isClosed
    this.#circuit.succeed()
    return !wasClosed
  }

  /** Answers whether others may start more or less than before. */
  report({ startedMs, failed, verdict, retryAfterMs, serviceMs }: HostReport, nowMs: number): boolean {
    if (failed) this.#failures += 1
    if (serviceMs !== null) this.#times.add(serviceMs)
    let hasChanged = false
    if (retryAfterMs !== null && retryAfterMs > 0) {
      const untilMs = nowMs + Math.min(retryAfterMs, MAX_RETRY_AFTER_MS)
      hasChanged = untilMs > this.#heldUntilMs
      this.#heldUntilMs = Math.max(this.#heldUntilMs, untilMs)
    }
    const circuit = this.#circuit
    if (circuit === null || verdict === 'UNKNOWN') return hasChanged
    const wasClosed = circuit.state(nowMs) === 'CLOSED'
    if (verdict === 'UP') circuit.succeed()
    else circuit.fail(startedMs, nowMs)
    return hasChanged || !wasClosed || circuit.state(nowMs) !== 'CLOSED'
  }
}
