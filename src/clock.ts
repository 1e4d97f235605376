/** The contract of time. Everything that measures or waits takes a clock, so that a test can hold it in its hands. */

export interface Clock {
  /** The wall clock: for stored instants. */
  now(): Date
  /** Milliseconds with fractions that never go back: for durations. Its zero means nothing. */
  monotonicMs(): number
  /** Epoch milliseconds with fractions that never go back while the process lives: the clock that lanes stamp tasks with. */
  epochMs(): number
  /** Calls `fire` once after `delayMs`; the answer takes it back, and does no harm when it has fired. */
  setTimer(fire: () => void, delayMs: number): () => void
}

/** setTimeout fires at once for more than this. */
const LONGEST_TIMER_MS = 2_147_483_647

export const systemClock: Clock = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
  epochMs: () => performance.timeOrigin + performance.now(),
  setTimer(fire, delayMs) {
    const timer = setTimeout(fire, Math.min(Math.max(delayMs, 0), LONGEST_TIMER_MS))
    return () => clearTimeout(timer)
  },
}
