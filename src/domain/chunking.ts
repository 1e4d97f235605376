/** How many computes to hand to a lane at a time: by the time that they take, not by their number. */

/** Work in a chunk: long enough that handing it out costs little, short enough that lanes end together. */
const TARGET_MS = 5
const LOW_MS = 2
const HIGH_MS = 10

/** Growth is careful, as a few quick tasks say little of the next; shrinking is not. */
const MAX_GROWTH = 4

/** Past it handing out costs next to nothing, whatever the tasks take. */
export const MAX_CHUNK = 4096

/** A lane that has items on loan is to have enough of the shortest until there is news of it. */
const MIN_LENT = 256

/** The size of the chunks of one run's stage. */
export class ChunkSizer {
  readonly #fixed: number | null
  #size = 1

  /** `chunkSize`: as the launch asked; null to choose from what is observed. */
  constructor(chunkSize: number | null) {
    this.#fixed = chunkSize
  }

  /**
   * Items of the next chunk; 0 where none remain. A chosen size is at most half of an equal share of what remains, so
   * that no lane holds the end of the run; a size asked for is kept.
   */
  next({ remaining, lanes }: { remaining: number; lanes: number }): number {
    if (this.#fixed !== null) return Math.min(this.#fixed, remaining)
    return Math.min(this.#size, Math.ceil(remaining / (2 * lanes)))
  }

  /** Items of a chunk that is on loan: how many are left does not matter then, nor what they take. */
  get lent(): number {
    return this.#fixed ?? Math.max(MIN_LENT, this.#size)
  }

  /** Tells of ended tasks: how many, and their service times added up. */
  observe(count: number, totalServiceMs: number): void {
    if (count <= 0) return
    const taskMs = totalServiceMs / count
    const chunkMs = taskMs * this.#size
    if (chunkMs >= LOW_MS && chunkMs <= HIGH_MS) return
    const fitting = taskMs > 0 ? Math.floor(TARGET_MS / taskMs) : MAX_CHUNK
    this.#size = Math.max(1, Math.min(fitting, this.#size * MAX_GROWTH, MAX_CHUNK))
  }
}
