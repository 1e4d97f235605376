/** Fetches in flight over all runs: never more than allowed, shared fairly, and every run has its turn. */

/** A run that fetches and holds a lane. */
export interface FetchingRun {
  /** Fetches that it may have in flight now. */
  readonly claimed: number
  /** Those, and what else it could have in flight. */
  readonly wanted: number
  /** Takes what there is room for. */
  pump(): void
}

export interface FetchRoom {
  /** How many more a run may have in flight; negative where it has more than its share. */
  room: number
  /** Whether there is not enough for all: what is handed out ahead would keep others from their turn. */
  isScarce: boolean
}

export class FetchBudget {
  /** Who was given something last is last. */
  readonly #runs = new Set<FetchingRun>()
  #offering = false

  constructor(private readonly maxInFlight: number) {}

  join(run: FetchingRun): void {
    this.#runs.add(run)
  }

  leave(run: FetchingRun): void {
    if (this.#runs.delete(run)) this.offer()
  }

  roomFor(run: FetchingRun): FetchRoom {
    let left = this.maxInFlight
    let wanted = 0
    for (const one of this.#runs) {
      left -= one.claimed
      wanted += one.wanted
    }
    const isScarce = wanted > this.maxInFlight && this.#runs.size > 1
    return { room: Math.min(left, this.#level() - run.claimed), isScarce }
  }

  /** There may be room: soon, once for all changes of this turn of the event loop, each run takes its part. */
  offer(): void {
    if (this.#offering) return
    this.#offering = true
    queueMicrotask(() => {
      this.#offering = false
      for (const run of [...this.#runs]) this.#offerTo(run)
    })
  }

  #offerTo(run: FetchingRun): void {
    const before = run.claimed
    run.pump()
    if (run.claimed <= before || !this.#runs.delete(run)) return
    this.#runs.add(run)
  }

  /** What each may have: max-min fair, so that what one does not want goes to the others. */
  #level(): number {
    let left = this.maxInFlight
    let sharing = this.#runs.size
    const wants = [...this.#runs].map(({ wanted }) => wanted).sort((a, b) => a - b)
    for (const wanted of wants) {
      // Rounded up: the last ones then wait for their turn, but nothing is left unused.
      if (wanted * sharing > left) return Math.ceil(left / sharing)
      left -= wanted
      sharing -= 1
    }
    return this.maxInFlight
  }
}
