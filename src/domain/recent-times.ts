/** The last times of something: so few that they are kept as they are. */

const MAX_TIMES = 100

export class RecentTimes {
  /** A ring, once it is full. */
  readonly #timesMs: number[] = []
  #next = 0

  add(timeMs: number): void {
    if (this.#timesMs.length < MAX_TIMES) {
      this.#timesMs.push(timeMs)
      return
    }
    this.#timesMs[this.#next] = timeMs
    this.#next = (this.#next + 1) % MAX_TIMES
  }

  /** By nearest rank; null where there is none. `p` from 0 to 1. */
  percentile(p: number): number | null {
    if (this.#timesMs.length === 0) return null
    const sorted = Float64Array.from(this.#timesMs).sort()
    return sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)]!
  }
}
