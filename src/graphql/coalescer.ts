/** Which changed runs may be told now, where each may be told only so often. */

import type { Clock } from '../clock.js'
import type { RunKey } from '../domain/ids.js'

/** Of runs told long ago it is forgotten what was told: at worst one of their states is told again. */
const REMEMBERED_RUNS = 10_000

export class RunCoalescer {
  /** Changed and not told, with the time from which it may be; in the order of the changes. */
  readonly #due = new Map<RunKey, number>()
  /** The least recently told first. */
  readonly #told = new Map<RunKey, { atMs: number; sequence: number }>()

  constructor(
    readonly clock: Clock,
    readonly perSecond: number,
  ) {}

  note(runs: ReadonlySet<RunKey>): void {
    const now = this.clock.monotonicMs()
    for (const run of runs) {
      const told = this.#told.get(run)
      if (!this.#due.has(run)) this.#due.set(run, told ? Math.max(now, told.atMs + 1000 / this.perSecond) : now)
    }
  }

  /** A run whose turn it is, taken out; null where there is none. */
  take(): RunKey | null {
    const now = this.clock.monotonicMs()
    for (const [run, dueMs] of this.#due) {
      if (dueMs > now) continue
      this.#due.delete(run)
      return run
    }
    return null
  }

  /** Until the next run's turn; null where none waits. */
  waitMs(): number | null {
    let soonest: number | null = null
    for (const dueMs of this.#due.values()) soonest = Math.min(soonest ?? dueMs, dueMs)
    return soonest === null ? null : Math.max(0, soonest - this.clock.monotonicMs())
  }

  /** Whether this state of the run is later than the one that was told. */
  isNews(run: RunKey, sequence: number): boolean {
    return sequence > (this.#told.get(run)?.sequence ?? -1)
  }

  mark(run: RunKey, sequence: number): void {
    this.#told.delete(run)
    this.#told.set(run, { atMs: this.clock.monotonicMs(), sequence })
    if (this.#told.size <= REMEMBERED_RUNS) return
    for (const oldest of this.#told.keys()) {
      this.#told.delete(oldest)
      break
    }
  }
}
