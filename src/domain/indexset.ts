/** A set of item indexes below a bound, one bit each: 10,000,000 items are 1.25 MB. */
export class IndexSet {
  #bits: Uint32Array
  #size = 0

  constructor(readonly bound: number) {
    this.#bits = new Uint32Array(Math.ceil(bound / 32))
  }

  /** The set that another thread has filled: index i is bit i % 32 of word i / 32. Bits at or past the bound must be clear; the array is taken over. */
  static fromBits(bound: number, bits: Uint32Array): IndexSet {
    const words = Math.ceil(bound / 32)
    if (bits.length !== words) throw new RangeError(`expected ${words} words for ${bound} indexes, got ${bits.length}`)
    const set = new IndexSet(bound)
    set.#bits = bits
    for (const word of bits) set.#size += bitsSet(word)
    return set
  }

  /** A copy, as fromBits takes it. */
  toBits(): Uint32Array {
    return this.#bits.slice()
  }

  get size(): number {
    return this.#size
  }

  has(index: number): boolean {
    return ((this.#bits[index >>> 5] ?? 0) & (1 << (index & 31))) !== 0
  }

  /** Whether the index was new. Indexes outside of 0 … bound - 1 throw RangeError. */
  add(index: number): boolean {
    if (!(index >= 0 && index < this.bound)) throw new RangeError(`index ${index} is outside of 0 … ${this.bound - 1}`)
    const word = index >>> 5
    const before = this.#bits[word] ?? 0
    // Unsigned like the array's elements: bit 31 would make a negative number.
    const after = (before | (1 << (index & 31))) >>> 0
    if (after === before) return false
    this.#bits[word] = after
    this.#size += 1
    return true
  }

  /** All indexes below the bound that are not in it. */
  complement(): IndexSet {
    return this.#combined((word) => ~word)
  }

  /** Those of it that are in the other one, of the same bound, too. */
  intersection(other: IndexSet): IndexSet {
    return this.#combined((word, at) => word & other.#bits[at]!)
  }

  /** Those of it and those of the other one, of the same bound. */
  union(other: IndexSet): IndexSet {
    return this.#combined((word, at) => word | other.#bits[at]!)
  }

  /** Those of it that are not in the other one, of the same bound. */
  difference(other: IndexSet): IndexSet {
    return this.#combined((word, at) => word & ~other.#bits[at]!)
  }

  #combined(combine: (word: number, at: number) => number): IndexSet {
    const bits = this.#bits.map(combine)
    const used = this.bound & 31
    if (used > 0) bits[bits.length - 1]! &= 2 ** used - 1
    return IndexSet.fromBits(this.bound, bits)
  }

  /** The first run of consecutive absent indexes at or after `from`, at most `limit` long; null where there is none. */
  nextAbsent(from: number, limit: number): { first: number; count: number } | null {
    let first = from
    while (first < this.bound && this.has(first)) {
      // A full word holds nothing to find.
      first = (first & 31) === 0 && this.#bits[first >>> 5] === 0xffffffff ? first + 32 : first + 1
    }
    if (first >= this.bound) return null
    let count = 1
    while (count < limit && first + count < this.bound && !this.has(first + count)) count += 1
    return { first, count }
  }
}

function bitsSet(word: number): number {
  let rest = word - ((word >>> 1) & 0x55555555)
  rest = (rest & 0x33333333) + ((rest >>> 2) & 0x33333333)
  return Math.imul((rest + (rest >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}
