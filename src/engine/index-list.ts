/** Indexes in the order of their coming, four bytes each: there may be ten million that wait for one thing. */

const FIRST_CHUNK = 8
const MAX_CHUNK = 4_096

export class IndexList {
  /** Each full but the last one; the first is read from `#head` on. */
  readonly #chunks: Uint32Array[] = []
  /** Chunks before it have been read. */
  #first = 0
  #head = 0
  /** Filled places of the last chunk. */
  #tail = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  push(index: number): void {
    const last = this.#chunks.at(-1)
    if (last === undefined || this.#tail === last.length) {
      this.#chunks.push(new Uint32Array(Math.min(MAX_CHUNK, Math.max(FIRST_CHUNK, 2 * (last?.length ?? 0)))))
      this.#tail = 0
    }
    this.#chunks.at(-1)![this.#tail] = index
    this.#tail += 1
    this.#size += 1
  }

  /** Takes the first one out; undefined where there is none. */
  shift(): number | undefined {
    if (this.#size === 0) return undefined
    const chunk = this.#chunks[this.#first]!
    const index = chunk[this.#head]!
    this.#head += 1
    this.#size -= 1
    if (this.#head === chunk.length || this.#size === 0) this.#dropFirst()
    return index
  }

  /** Takes out the first ones, up to `max`. */
  take(max: number): number[] {
    const taken: number[] = []
    while (taken.length < max && this.#size > 0) taken.push(this.shift()!)
    return taken
  }

  #dropFirst(): void {
    this.#head = 0
    this.#first += 1
    if (this.#size === 0) {
      this.#chunks.length = 0
      this.#first = 0
      this.#tail = 0
    } else if (this.#first >= 64 && this.#first * 2 >= this.#chunks.length) {
      this.#chunks.splice(0, this.#first)
      this.#first = 0
    }
  }
}
