import type { Clock } from '../../src/clock.js'

/** A clock that the test holds in its hands: time passes when the test says so. */
export class ManualClock implements Clock {
  #nowMs = 0
  #timers: { fire: () => void; dueMs: number }[] = []

  constructor(private readonly originMs: number = Date.UTC(2026, 0, 1)) {}

  now(): Date {
    return new Date(this.originMs + Math.floor(this.#nowMs))
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  epochMs(): number {
    return this.originMs + this.#nowMs
  }

  setTimer(fire: () => void, delayMs: number): () => void {
    const timer = { fire, dueMs: this.#nowMs + delayMs }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((one) => one !== timer)
    }
  }

  /** The process that set the timers is gone. */
  forgetTimers(): void {
    this.#timers = []
  }

  /** When the next timer is due; null where none is set. */
  get nextDueMs(): number | null {
    return this.#timers.length === 0 ? null : Math.min(...this.#timers.map(({ dueMs }) => dueMs))
  }

  /** Lets the time pass, and fires what becomes due, in order. */
  advance(byMs: number): void {
    const untilMs = this.#nowMs + byMs
    for (;;) {
      const due = this.#timers.filter(({ dueMs }) => dueMs <= untilMs).sort((a, b) => a.dueMs - b.dueMs)[0]
      if (!due) break
      this.#timers = this.#timers.filter((one) => one !== due)
      this.#nowMs = Math.max(this.#nowMs, due.dueMs)
      due.fire()
    }
    this.#nowMs = untilMs
  }
}
