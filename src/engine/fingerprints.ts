/** Which item was the first with a request: a table that costs 20 bytes an item, whatever the requests are. */

import { hash } from 'node:crypto'

/** Places for each item: as the table fills up, a search passes over more of them. */
const PLACES_AN_ITEM = 1.25
/** Numbers of a place: three of a fingerprint, and the index plus one; 0 is an empty place. */
const WIDTH = 4

/**
 * A fingerprint is 96 bits of SHA-256: of ten million requests two different ones have the same once in 10^15 batches, so
 * that nobody has to read the first one again to compare.
 */
export class FingerprintTable {
  readonly #places: number
  readonly #cells: Uint32Array
  #size = 0

  /** For at most so many different requests. */
  constructor(private readonly bound: number) {
    this.#places = Math.ceil(bound * PLACES_AN_ITEM) + 1
    this.#cells = new Uint32Array(this.#places * WIDTH)
  }

  /** Different requests so far. */
  get size(): number {
    return this.#size
  }

  /** The item that had the key first: this one, if none had. */
  firstWith(key: string, index: number): number {
    const digest = hash('sha256', key, 'buffer')
    const [a, b, c] = [digest.readUInt32LE(0), digest.readUInt32LE(4), digest.readUInt32LE(8)]
    const cells = this.#cells
    for (let place = Math.floor((a / 0x1_0000_0000) * this.#places); ; place = (place + 1) % this.#places) {
      const base = place * WIDTH
      const entered = cells[base + 3]!
      if (entered === 0) return this.#enter(base, [a, b, c], index)
      if (cells[base] === a && cells[base + 1] === b && cells[base + 2] === c) return entered - 1
    }
  }

  #enter(base: number, [a, b, c]: readonly [number, number, number], index: number): number {
    if (this.#size >= this.bound) throw new RangeError(`more than ${this.bound} different requests`)
    this.#cells[base] = a
    this.#cells[base + 1] = b
    this.#cells[base + 2] = c
    this.#cells[base + 3] = index + 1
    this.#size += 1
    return index
  }
}
