/** How fast a run goes now, and how long it will still take: the windows of domain/eta.ts on the server's clock. */

import type { Clock } from '../clock.js'
import { estimateEnd, ThroughputWindow } from '../domain/eta.js'

export class RateMeter {
  readonly #window = new ThroughputWindow()
  #startMs: number | null = null
  /** Tasks that had ended before this process took the run up. */
  #doneBefore = 0
  #done = 0

  constructor(private readonly clock: Clock) {}

  /** The run goes (on) from here. */
  start(done: number): void {
    if (this.#startMs !== null) return
    this.#startMs = this.clock.monotonicMs()
    this.#doneBefore = done
    this.#done = done
    this.#window.record(this.#startMs, done)
  }

  sample(done: number): void {
    this.#done = done
    if (this.#startMs !== null) this.#window.record(this.clock.monotonicMs(), done)
  }

  /** Tasks a second over the last five seconds. */
  perSecond(): number {
    return this.#window.perSecond(this.clock.monotonicMs())
  }

  /** Of what is left; null figures while nothing has ended. */
  estimate(left: number): { etaMs: number | null; etaHighMs: number | null } {
    const unknown = { etaMs: null, etaHighMs: null }
    if (this.#startMs === null) return unknown
    const now = this.clock.monotonicMs()
    const done = this.#done - this.#doneBefore
    const estimate = estimateEnd({
      done,
      total: done + left,
      elapsedMs: now - this.#startMs,
      throughput: this.#window.perSecond(now),
      slices: this.#window.slices(now),
    })
    return estimate ?? unknown
  }
}
