/** One timer that follows the next due time, wherever that moves. */

import type { Clock } from '../clock.js'

export class Alarm {
  #dueMs: number | null = null
  #cancel: (() => void) | null = null

  constructor(
    private readonly clock: Clock,
    private readonly ring: () => void,
  ) {}

  /** By the monotonic clock; null: not at all. */
  set(dueMs: number | null): void {
    if (dueMs === this.#dueMs) return
    this.#cancel?.()
    this.#dueMs = dueMs
    this.#cancel = dueMs === null ? null : this.clock.setTimer(() => this.#fire(), dueMs - this.clock.monotonicMs())
  }

  #fire(): void {
    this.#dueMs = null
    this.#cancel = null
    this.ring()
  }
}
