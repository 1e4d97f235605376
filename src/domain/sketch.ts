/**
 * A mergeable sketch of times, after DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch
 * with relative-error guarantees", VLDB 2019). Bucket k counts the values in (γ^(k-1), γ^k] milliseconds; its midpoint
 * 2γ^k/(γ+1) is within α of all of them.
 */

import { ByteReader, ByteWriter } from './byte-coding.js'

/** α: how far from the true value a quantile may be. */
export const RELATIVE_ACCURACY = 0.01

/** Smaller values, 0 among them, share one bucket: a millionth of a millisecond. */
export const MIN_TRACKED_MS = 1e-6

const GAMMA = (1 + RELATIVE_ACCURACY) / (1 - RELATIVE_ACCURACY)
const KEYS_PER_LOG = 1 / Math.log(GAMMA)
const MIN_KEY = keyOf(MIN_TRACKED_MS)
const MAX_KEY = keyOf(Number.MAX_VALUE)

/** What toBytes begins with; it stands for the accuracy and the smallest value too. */
const FORMAT = 1

/** Room beside a key that did not fit, so that growing is rare. */
const SPARE_BUCKETS = 64

function keyOf(valueMs: number): number {
  return Math.ceil(Math.log(valueMs) * KEYS_PER_LOG)
}

export interface SketchBucket {
  /** Excluded; -Infinity for the bucket of the smallest values. */
  lowerMs: number
  /** Included. */
  upperMs: number
  count: number
}

export class LogSketch {
  #count = 0
  #underflow = 0
  /** #buckets[k - #firstKey] is bucket k. Float64Array: merged over a year, counts pass 2^32. */
  #buckets = new Float64Array(0)
  #firstKey = 0

  get count(): number {
    return this.#count
  }

  /** RangeError for NaN and infinities; a negative time (a clock stepped back) counts as the smallest. */
  add(valueMs: number): void {
    if (!Number.isFinite(valueMs)) throw new RangeError(`${valueMs} is no time`)
    if (valueMs < MIN_TRACKED_MS) this.#underflow += 1
    else this.#addAt(keyOf(valueMs), 1)
    this.#count += 1
  }

  merge(other: LogSketch): void {
    this.#count += other.#count
    this.#underflow += other.#underflow
    other.#buckets.forEach((count, at) => {
      if (count > 0) this.#addAt(other.#firstKey + at, count)
    })
  }

  /** The estimate of the `rank`-th smallest value, from 1: 0 for one below MIN_TRACKED_MS. */
  valueAtRank(rank: number): number {
    let left = rank - this.#underflow
    if (left <= 0) return 0
    const buckets = this.#buckets
    for (let at = 0; at < buckets.length; at += 1) {
      left -= buckets[at] ?? 0
      if (left <= 0) return (2 * GAMMA ** (this.#firstKey + at)) / (GAMMA + 1)
    }
    throw new RangeError(`rank ${rank} is past the count ${this.#count}`)
  }

  /** The buckets that hold something, ascending. */
  buckets(): SketchBucket[] {
    const found: SketchBucket[] = []
    if (this.#underflow > 0) found.push({ lowerMs: -Infinity, upperMs: MIN_TRACKED_MS, count: this.#underflow })
    this.#buckets.forEach((count, at) => {
      const key = this.#firstKey + at
      if (count > 0) found.push({ lowerMs: GAMMA ** (key - 1), upperMs: GAMMA ** key, count })
    })
    return found
  }

  /** A few bytes for each bucket that holds something: format, underflow, then (distance to the key before, count). */
  toBytes(): Uint8Array {
    const writer = new ByteWriter()
    writer.varint(FORMAT)
    writer.varint(this.#underflow)
    let nextKey = MIN_KEY
    this.#buckets.forEach((count, at) => {
      if (count === 0) return
      const key = this.#firstKey + at
      writer.varint(key - nextKey)
      writer.varint(count)
      nextKey = key + 1
    })
    return writer.bytes()
  }

  /** Throws an Error for what toBytes did not write. */
  static fromBytes(bytes: Uint8Array): LogSketch {
    const sketch = new LogSketch()
    sketch.mergeBytes(bytes)
    return sketch
  }

  /** Merges what toBytes gave. Throws an Error for other bytes; what of them it has merged by then stays. */
  mergeBytes(bytes: Uint8Array): void {
    const reader = new ByteReader(bytes)
    const format = reader.varint()
    if (format !== FORMAT) throw new Error(`a sketch of format ${format} is not known here`)
    const underflow = reader.varint()
    this.#underflow += underflow
    this.#count += underflow
    let key = MIN_KEY
    while (!reader.atEnd) {
      key += reader.varint()
      if (key > MAX_KEY) throw new Error('the bytes are no sketch: a bucket is past the largest')
      const count = reader.varint()
      this.#addAt(key, count)
      this.#count += count
      key += 1
    }
  }

  #addAt(key: number, count: number): void {
    let at = key - this.#firstKey
    if (at < 0 || at >= this.#buckets.length) {
      this.#growTo(key)
      at = key - this.#firstKey
    }
    this.#buckets[at]! += count
  }

  #growTo(key: number): void {
    const old = this.#buckets
    const empty = old.length === 0
    const first = Math.min(empty ? key : this.#firstKey, key - SPARE_BUCKETS)
    const end = Math.max(empty ? key : this.#firstKey + old.length, key + SPARE_BUCKETS)
    const grown = new Float64Array(end - first)
    grown.set(old, empty ? 0 : this.#firstKey - first)
    this.#buckets = grown
    this.#firstKey = first
  }
}
