/** Distributions of times: exact figures from the values, mergeable sketches where there are too many of them. */

import { LogSketch } from './sketch.js'

/** Count, sum and spread, kept exactly while values arrive and mergeable. In milliseconds. All 0 where count is 0. */
export interface Moments {
  count: number
  min: number
  max: number
  sum: number
  mean: number
  /** Sum of squared differences from the mean (Welford; merged after Chan et al.). */
  m2: number
}

/** Percentiles of at most this many tasks are exact. */
export const EXACT_LIMIT = 100_000

export interface HistogramBucket {
  fromMs: number
  toMs: number
  count: number
}

/** More buckets than this are refused. */
export const MAX_HISTOGRAM_BUCKETS = 1000

/** One column of times, to be asked. In milliseconds; all figures 0 where count is 0. */
export interface Distribution {
  readonly moments: Moments
  /** Population standard deviation. */
  readonly stddev: number
  /** Whether percentiles come from the values or from a sketch, within 1 %. */
  readonly exact: boolean
  /** Nearest rank: the ⌈p·n⌉-th smallest, p from 0 to 1; p = 0 gives the smallest. Throws RangeError for other p. */
  percentile(p: number): number
  /**
   * Equal widths from min to max; toMs is excluded but in the last. Counts add up to the count. No bucket where there
   * is no value, one of no width where all are equal. Throws RangeError for less than 1 bucket, or more than
   * MAX_HISTOGRAM_BUCKETS.
   */
  histogram(buckets: number): HistogramBucket[]
}

export function emptyMoments(): Moments {
  return { count: 0, min: 0, max: 0, sum: 0, mean: 0, m2: 0 }
}

/** Adds to `moments` in place. */
export function addMoment(moments: Moments, value: number): void {
  const first = moments.count === 0
  moments.count += 1
  if (first || value < moments.min) moments.min = value
  if (first || value > moments.max) moments.max = value
  moments.sum += value
  const delta = value - moments.mean
  moments.mean += delta / moments.count
  moments.m2 += delta * (value - moments.mean)
}

/** Adds a column in place: all of it, or the places that `counts` is true for. */
export function addColumn(moments: Moments, values: Float64Array, counts?: (at: number) => boolean): void {
  // In variables, not in the object: a number with a fraction that is stored in an object is a new object each time.
  let { count, min, max, sum, mean, m2 } = moments
  for (let at = 0; at < values.length; at += 1) {
    if (counts !== undefined && !counts(at)) continue
    const value = values[at]!
    const delta = value - mean
    if (count === 0 || value < min) min = value
    if (count === 0 || value > max) max = value
    count += 1
    sum += value
    mean += delta / count
    m2 += delta * (value - mean)
  }
  Object.assign(moments, { count, min, max, sum, mean, m2 })
}

/** The moments of both together. */
export function mergeMoments(a: Moments, b: Moments): Moments {
  if (a.count === 0) return { ...b }
  if (b.count === 0) return { ...a }
  const count = a.count + b.count
  const delta = b.mean - a.mean
  return {
    count,
    min: Math.min(a.min, b.min),
    max: Math.max(a.max, b.max),
    sum: a.sum + b.sum,
    mean: a.mean + (delta * b.count) / count,
    m2: a.m2 + b.m2 + (delta * delta * a.count * b.count) / count,
  }
}

/** Exact. `sorted`: ascending, and not changed afterwards; `moments`: of the same values, if they are known. */
export function distributionFromValues(sorted: Float64Array, moments?: Moments): Distribution {
  const known = moments ? { ...moments } : emptyMoments()
  if (!moments) addColumn(known, sorted)
  return {
    moments: known,
    stddev: stddevOf(known),
    exact: true,
    percentile: (p) => sorted[nearestRank(p, sorted.length) - 1] ?? 0,
    histogram(buckets) {
      return histogramOf(known, buckets, (edgeMs) => countBelow(sorted, edgeMs))
    },
  }
}

/** Within 1 %. `moments`: of the same values; the extremes and the mean are exact. */
export function distributionFromSketch(sketch: LogSketch, moments: Moments): Distribution {
  const known = { ...moments }
  const { count } = sketch
  return {
    moments: known,
    stddev: stddevOf(known),
    exact: false,
    percentile(p) {
      const rank = nearestRank(p, count)
      if (rank === 0) return 0
      if (rank === 1) return known.min
      return rank === count ? known.max : Math.min(known.max, Math.max(known.min, sketch.valueAtRank(rank)))
    },
    histogram(buckets) {
      const held = sketch.buckets().map((bucket) => ({
        fromMs: Math.max(known.min, bucket.lowerMs),
        toMs: Math.min(known.max, bucket.upperMs),
        count: bucket.count,
      }))
      return histogramOf(known, buckets, (edgeMs) => Math.round(spreadBelow(held, edgeMs)))
    },
  }
}

function stddevOf(moments: Moments): number {
  return moments.count === 0 ? 0 : Math.sqrt(moments.m2 / moments.count)
}

/** ⌈p·n⌉, but 1 for p = 0; 0 where n is 0. */
function nearestRank(p: number, n: number): number {
  if (!(p >= 0 && p <= 1)) throw new RangeError(`a percentile is from 0 to 1, not ${p}`)
  const product = p * n
  // 0.07 × 100 is a little more than 7 in doubles: what rounding may have added does not make it the 8th.
  const whole = Math.round(product)
  const rank = Math.abs(product - whole) <= product * 2 ** -51 ? whole : Math.ceil(product)
  return Math.min(n, Math.max(1, rank))
}

/** `below`: how many values are less than an edge; whole, and rising with it. */
function histogramOf(moments: Moments, buckets: number, below: (edgeMs: number) => number): HistogramBucket[] {
  if (!(Number.isInteger(buckets) && buckets >= 1 && buckets <= MAX_HISTOGRAM_BUCKETS)) {
    throw new RangeError(`a histogram has 1 to ${MAX_HISTOGRAM_BUCKETS} buckets, not ${buckets}`)
  }
  const { count, min, max } = moments
  if (count === 0) return []
  if (min === max) return [{ fromMs: min, toMs: max, count }]
  const edgeAt = (at: number) => (at === buckets ? max : min + (max - min) * (at / buckets))
  let counted = 0
  return Array.from({ length: buckets }, (_, at) => {
    const toMs = edgeAt(at + 1)
    const end = at === buckets - 1 ? count : below(toMs)
    const bucket = { fromMs: edgeAt(at), toMs, count: end - counted }
    counted = end
    return bucket
  })
}

/** How many of the sorted values are less than `edge`. */
function countBelow(sorted: Float64Array, edge: number): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sorted[middle] ?? 0) < edge) low = middle + 1
    else high = middle
  }
  return low
}

/** How many values are less than `edgeMs`, if those of a bucket are spread evenly over it. */
function spreadBelow(buckets: HistogramBucket[], edgeMs: number): number {
  let below = 0
  for (const { fromMs, toMs, count } of buckets) {
    if (edgeMs <= fromMs) break
    below += edgeMs >= toMs ? count : (count * (edgeMs - fromMs)) / (toMs - fromMs)
  }
  return below
}

const FIRST_CAPACITY = 1024

/** Gathers one column of times: all values up to EXACT_LIMIT of them, moments and a sketch beside them. */
export class TimingAccumulator {
  #moments = emptyMoments()
  readonly #sketch = new LogSketch()
  /** Null once there are too many. */
  #values: Float64Array | null = new Float64Array(0)
  #kept = 0
  /** Of the values as they are; sorting a hundred thousand takes milliseconds, and many may ask. */
  #distribution: Distribution | null = null

  /** As they are: a copy. */
  get moments(): Moments {
    return { ...this.#moments }
  }

  /** RangeError for NaN and infinities. */
  add(valueMs: number): void {
    this.#sketch.add(valueMs)
    this.#keep(valueMs)
    addMoment(this.#moments, valueMs)
    this.#distribution = null
  }

  /** Adds all of a column, or the places that `counts` is true for. RangeError for NaN and infinities. */
  addColumn(valuesMs: Float64Array, counts?: (at: number) => boolean): void {
    for (let at = 0; at < valuesMs.length; at += 1) {
      if (counts !== undefined && !counts(at)) continue
      this.#sketch.add(valuesMs[at]!)
      this.#keep(valuesMs[at]!)
    }
    addColumn(this.#moments, valuesMs, counts)
    this.#distribution = null
  }

  /** Adds what `other` holds; it stays as it is. */
  merge(other: TimingAccumulator): void {
    const merged = mergeMoments(this.#moments, other.#moments)
    if (this.#values && other.#values && merged.count <= EXACT_LIMIT) {
      const values = new Float64Array(merged.count)
      values.set(this.#values.subarray(0, this.#moments.count))
      values.set(other.#values.subarray(0, other.#moments.count), this.#moments.count)
      this.#values = values
      this.#kept = merged.count
    } else this.#values = null
    this.#sketch.merge(other.#sketch)
    this.#moments = merged
    this.#distribution = null
  }

  /** Of what is held now: later additions do not change it. */
  distribution(): Distribution {
    this.#distribution ??= this.#values
      ? distributionFromValues(this.#values.slice(0, this.#moments.count).sort(), this.#moments)
      : distributionFromSketch(LogSketch.fromBytes(this.#sketch.toBytes()), this.#moments)
    return this.#distribution
  }

  /** All values, in the order in which they came; null where there are too many of them. */
  values(): Float64Array | null {
    return this.#values?.slice(0, this.#kept) ?? null
  }

  /** The sketch, for LogSketch.fromBytes; the moments are kept beside it. */
  toBytes(): Uint8Array {
    return this.#sketch.toBytes()
  }

  /** What toBytes and `moments` gave, to go on from. Its percentiles come from the sketch. */
  static fromBytes(bytes: Uint8Array, moments: Moments): TimingAccumulator {
    const accumulator = new TimingAccumulator()
    accumulator.#sketch.merge(LogSketch.fromBytes(bytes))
    accumulator.#moments = { ...moments }
    accumulator.#values = null
    return accumulator
  }

  #keep(valueMs: number): void {
    if (this.#values === null) return
    if (this.#kept >= EXACT_LIMIT) {
      this.#values = null
      return
    }
    if (this.#kept === this.#values.length) {
      const grown = new Float64Array(Math.min(EXACT_LIMIT, Math.max(FIRST_CAPACITY, 2 * this.#kept)))
      grown.set(this.#values)
      this.#values = grown
    }
    this.#values[this.#kept++] = valueMs
  }
}
