/**
 * A circuit breaker: whether a host that keeps failing is to be left alone for now. Closed, it counts failures in a row. Open, nothing is
 * sent. Half-open, one request is sent to see: it closes the circuit, or opens it for twice as long. Pure: it is told the time.
 */

/** Failures in a row that open it: more than are in flight to one host by default, so that one moment's fault is no outage. */
export const OPENS_AT = 20
/** How long it is open, at first; each time that was not enough it is twice as long, and no longer than the second. */
export const FIRST_REST_MS = 500
export const MAX_REST_MS = 8_000
/**
 * So long a host is left alone in all before it is taken for dead. Whatever waits for it has one attempt, or a few: with rests without
 * an end a run of a thousand items would have none either.
 */
export const MAX_RESTS_MS = 30_000
/** A host that was taken for dead is asked as any other for so long, and then left alone again should it still fail. */
export const DEAD_MS = 300_000

export type CircuitState = 'CLOSED' | 'OPEN' | 'HALF_OPEN'

export class Circuit {
  /** In a row. */
  #failures = 0
  /** Until when nothing is sent; null: it is closed. */
  #untilMs: number | null = null
  #restMs = 0
  /** In this outage. */
  #restedMs = 0
  /** Requests under way that were sent to see. */
  #probes = 0
  #deadUntilMs = Number.NEGATIVE_INFINITY

  get isClosed(): boolean {
    return this.#untilMs === null
  }

  state(nowMs: number): CircuitState {
    if (this.#untilMs === null) return 'CLOSED'
    return nowMs < this.#untilMs ? 'OPEN' : 'HALF_OPEN'
  }

  /** Requests that may start now. */
  room(nowMs: number): number {
    const state = this.state(nowMs)
    if (state === 'CLOSED') return Number.POSITIVE_INFINITY
    return state === 'OPEN' ? 0 : Math.max(0, 1 - this.#probes)
  }

  /** Until when nothing is sent; null where something may be, or is under way to see. */
  openUntilMs(nowMs: number): number | null {
    return this.state(nowMs) === 'OPEN' ? this.#untilMs : null
  }

  start(nowMs: number): void {
    if (this.state(nowMs) === 'HALF_OPEN') this.#probes += 1
  }

  /** A request is under way no more, whatever came of it. */
  end(startedMs: number): void {
    if (this.#isProbe(startedMs)) this.#probes = Math.max(0, this.#probes - 1)
  }

  /** The host has answered: whatever was the matter is over. */
  succeed(): void {
    this.#failures = 0
    this.#deadUntilMs = Number.NEGATIVE_INFINITY
    this.#close()
  }

  /** A request that was started then has failed; answers whether that opened the circuit. */
  fail(startedMs: number, nowMs: number): boolean {
    if (this.#untilMs === null) {
      this.#failures += 1
      if (this.#failures < OPENS_AT || nowMs < this.#deadUntilMs) return false
      this.#open(FIRST_REST_MS, nowMs)
      return true
    }
    // It was under way when the others failed: it tells nothing new.
    if (!this.#isProbe(startedMs)) return false
    this.#restedMs += this.#restMs
    if (this.#restedMs < MAX_RESTS_MS) {
      this.#open(Math.min(2 * this.#restMs, MAX_REST_MS), nowMs)
      return true
    }
    this.#deadUntilMs = nowMs + DEAD_MS
    this.#close()
    return false
  }

  #isProbe(startedMs: number): boolean {
    return this.#untilMs !== null && startedMs >= this.#untilMs
  }

  #open(restMs: number, nowMs: number): void {
    this.#restMs = restMs
    this.#untilMs = nowMs + restMs
    this.#probes = 0
  }

  #close(): void {
    this.#untilMs = null
    this.#restedMs = 0
    this.#probes = 0
  }
}
