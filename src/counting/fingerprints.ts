/** Texts told apart by 64 bits of their SHA-256, in tables that grow with what is in them: memory is for the numbers alone. */

import { hash } from 'node:crypto'

/** Tables that grow each by itself: to grow one takes little beside all of them. */
const SHARDS = 256
const FIRST_PLACES = 64
/** Fuller ones take long to search. */
const MAX_LOAD = 0.75

interface Shard {
  cells: Uint32Array<ArrayBuffer>
  places: number
  size: number
}

/**
 * Of ten million different texts two are taken for the same once in 400,000 times: good enough to count by. Each has a cell of
 * so many numbers besides its fingerprint.
 */
export class Fingerprints {
  readonly #shards: (Shard | undefined)[] = new Array<undefined>(SHARDS).fill(undefined)
  readonly #width: number
  #size = 0
  /** Of the text found last: where its numbers are. */
  cells = new Uint32Array(0)
  at = 0

  constructor(numbers: number) {
    this.#width = 2 + numbers
  }

  /** Different texts so far. */
  get size(): number {
    return this.#size
  }

  /** Whether the text is new; from then on it is not. Its numbers are zeros then. */
  enter(text: string): boolean {
    const digest = hash('sha256', text, 'buffer')
    const shard = this.#shardOf(digest[8]!)
    const low = digest.readUInt32LE(0)
    // Two zeros mark an empty cell.
    const high = digest.readUInt32LE(4) || 1
    const base = find(shard, this.#width, [low, high])
    this.cells = shard.cells
    this.at = base + 2
    if (shard.cells[base + 1] !== 0) return false
    shard.cells[base] = low
    shard.cells[base + 1] = high
    shard.size += 1
    this.#size += 1
    return true
  }

  /** The numbers of each text, in no order. */
  *entries(): Iterable<Uint32Array> {
    for (const shard of this.#shards) {
      if (shard === undefined) continue
      for (let base = 0; base < shard.cells.length; base += this.#width) {
        if (shard.cells[base + 1] !== 0) yield shard.cells.subarray(base + 2, base + this.#width)
      }
    }
  }

  /** With room for one more. */
  #shardOf(number: number): Shard {
    const shard = this.#shards[number]
    if (shard !== undefined && shard.size < shard.places * MAX_LOAD) return shard
    const places = shard === undefined ? FIRST_PLACES : 2 * shard.places
    const grown = { cells: new Uint32Array(places * this.#width), places, size: shard?.size ?? 0 }
    if (shard !== undefined) copyInto(grown, shard, this.#width)
    this.#shards[number] = grown
    return grown
  }
}

/** Where the fingerprint is, or is to be. */
function find({ cells, places }: Shard, width: number, [low, high]: readonly [number, number]): number {
  let place = Math.floor((low / 0x1_0000_0000) * places)
  for (;;) {
    const base = place * width
    if (cells[base + 1] === 0 || (cells[base] === low && cells[base + 1] === high)) return base
    place = (place + 1) % places
  }
}

function copyInto(grown: Shard, { cells }: Shard, width: number): void {
  for (let base = 0; base < cells.length; base += width) {
    if (cells[base + 1] === 0) continue
    const to = find(grown, width, [cells[base]!, cells[base + 1]!])
    grown.cells.set(cells.subarray(base, base + width), to)
  }
}
