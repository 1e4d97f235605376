import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LogSketch } from '../../../src/domain/sketch.js'
import {
  addColumn,
  addMoment,
  type Distribution,
  distributionFromSketch,
  distributionFromValues,
  EXACT_LIMIT,
  emptyMoments,
  MAX_HISTOGRAM_BUCKETS,
  type Moments,
  mergeMoments,
  TimingAccumulator,
} from '../../../src/domain/timing.js'

const times = fc.array(fc.double({ min: 0, max: 1e7, noNaN: true }), { maxLength: 200 })
const somePercents = fc.integer({ min: 0, max: 1000 })

function momentsOf(values: readonly number[]): Moments {
  const moments = emptyMoments()
  addColumn(moments, Float64Array.from(values))
  return moments
}

function sketchedOf(values: readonly number[]): Distribution {
  const sketch = new LogSketch()
  for (const value of values) sketch.add(value)
  return distributionFromSketch(sketch, momentsOf(values))
}

function exactOf(values: readonly number[]): Distribution {
  return distributionFromValues(Float64Array.from(values).sort())
}

/** ⌈p·n⌉-th smallest, p = thousandths / 1000, in whole numbers. */
function naivePercentile(values: readonly number[], thousandths: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const rank = Number((BigInt(thousandths) * BigInt(values.length) + 999n) / 1000n)
  return sorted[Math.max(1, rank) - 1] ?? 0
}

function expectClose(actual: Moments, expected: Moments): void {
  const scale = 1 + Math.abs(expected.max)
  expect(actual.count).toBe(expected.count)
  expect(actual.min).toBe(expected.min)
  expect(actual.max).toBe(expected.max)
  expect(Math.abs(actual.sum - expected.sum)).toBeLessThanOrEqual(1e-10 * scale * (1 + expected.count))
  expect(Math.abs(actual.mean - expected.mean)).toBeLessThanOrEqual(1e-10 * scale)
  expect(Math.abs(actual.m2 - expected.m2)).toBeLessThanOrEqual(1e-9 * scale ** 2 * (1 + expected.count))
}

describe('moments', () => {
  it('are the textbook figures', () => {
    const values = [2, 4, 4, 4, 5, 5, 7, 9]
    expect(momentsOf(values)).toEqual({ count: 8, min: 2, max: 9, sum: 40, mean: 5, m2: 32 })
    expect(exactOf(values).stddev).toBe(2)
    expect(emptyMoments()).toEqual({ count: 0, min: 0, max: 0, sum: 0, mean: 0, m2: 0 })
  })

  it('agree with two passes over the values', () => {
    fc.assert(
      fc.property(
        times.filter(({ length }) => length > 0),
        (values) => {
          const sum = values.reduce((total, value) => total + value, 0)
          const mean = sum / values.length
          const m2 = values.reduce((total, value) => total + (value - mean) ** 2, 0)
          const [min, max] = [Math.min(...values), Math.max(...values)]
          expectClose(momentsOf(values), { count: values.length, min, max, sum, mean, m2 })
        },
      ),
    )
  })

  it('keep a small spread beside a large mean', () => {
    const moments = emptyMoments()
    for (let at = 0; at < 10_000; at += 1) addMoment(moments, 1e9 + (at % 2))
    expect(Math.sqrt(moments.m2 / moments.count)).toBeCloseTo(0.5, 9)
  })

  it('take only the places asked for', () => {
    const moments = emptyMoments()
    addColumn(moments, Float64Array.of(1, Number.NaN, 3, 0), (at) => at === 0 || at === 2)
    expect(moments).toEqual({ count: 2, min: 1, max: 3, sum: 4, mean: 2, m2: 2 })
  })

  it('merge to what all values give', () => {
    fc.assert(
      fc.property(times, times, (a, b) => {
        expectClose(mergeMoments(momentsOf(a), momentsOf(b)), momentsOf([...a, ...b]))
      }),
    )
  })

  it('survive a merge with nothing, and are a copy then', () => {
    const one = momentsOf([3])
    const merged = mergeMoments(emptyMoments(), one)
    addMoment(merged, 9)
    expect(one).toEqual(momentsOf([3]))
    expect(mergeMoments(one, emptyMoments())).toEqual(one)
  })
})

describe('distributionFromValues', () => {
  it('has nearest-rank percentiles', () => {
    const distribution = exactOf([15, 20, 35, 40, 50])
    expect([0, 0.05, 0.2, 0.3, 0.4, 0.5, 1].map((p) => distribution.percentile(p))).toEqual([
      15, 15, 15, 20, 20, 35, 50,
    ])
    expect(distribution.exact).toBe(true)
  })

  it('takes a percentile as the decimal it was written as', () => {
    // 0.07 × 100 and 0.55 × 100 are more than 7 and 55 in doubles.
    const hundred = exactOf(Array.from({ length: 100 }, (_, at) => at + 1))
    expect([0.07, 0.55, 0.29, 0.57, 0.58].map((p) => hundred.percentile(p))).toEqual([7, 55, 29, 57, 58])
  })

  it('agrees with the naive percentile at every thousandth', () => {
    fc.assert(
      fc.property(times, somePercents, (values, thousandths) => {
        expect(exactOf(values).percentile(thousandths / 1000)).toBe(naivePercentile(values, thousandths))
      }),
    )
  })

  it('puts every value into the bucket that its edges name', () => {
    fc.assert(
      fc.property(times, fc.integer({ min: 1, max: 60 }), (values, buckets) => {
        const histogram = exactOf(values).histogram(buckets)
        const last = histogram.length - 1
        for (const [at, { fromMs, toMs, count }] of histogram.entries()) {
          const inside = values.filter((value) => value >= fromMs && (value < toMs || (at === last && value <= toMs)))
          expect(count).toBe(inside.length)
        }
      }),
    )
  })
})

describe('distributionFromSketch', () => {
  it('is within one per cent of the naive percentile, the extremes exact', () => {
    fc.assert(
      fc.property(times, somePercents, (values, thousandths) => {
        const distribution = sketchedOf(values)
        const naive = naivePercentile(values, thousandths)
        // Below a millionth of a millisecond nothing is told apart.
        expect(Math.abs(distribution.percentile(thousandths / 1000) - naive)).toBeLessThanOrEqual(
          0.0100001 * naive + 1e-6,
        )
        expect(distribution.percentile(0)).toBe(values.length === 0 ? 0 : Math.min(...values))
        expect(distribution.percentile(1)).toBe(values.length === 0 ? 0 : Math.max(...values))
        expect(distribution.exact).toBe(false)
      }),
    )
  })

  it('has a histogram like the exact one', () => {
    const values = Array.from({ length: 20_000 }, (_, at) => 10 + (at % 1000) / 10)
    const exact = exactOf(values).histogram(10)
    for (const [at, bucket] of sketchedOf(values).histogram(10).entries()) {
      expect(bucket.fromMs).toBe(exact[at]?.fromMs)
      expect(bucket.toMs).toBe(exact[at]?.toMs)
      expect(Math.abs(bucket.count - (exact[at]?.count ?? 0))).toBeLessThan(0.1 * 2000)
    }
  })

  it('spreads values that are closer than its buckets', () => {
    const values = Array.from({ length: 1000 }, (_, at) => 100 + at / 10_000)
    for (const { count } of sketchedOf(values).histogram(4)) expect(count).toBe(250)
  })
})

describe.each([
  ['from values', exactOf],
  ['from a sketch', sketchedOf],
])('a distribution %s', (_, distributionOf) => {
  it('is all 0 of nothing', () => {
    const distribution = distributionOf([])
    expect(distribution.moments).toEqual(emptyMoments())
    expect(distribution.stddev).toBe(0)
    expect(distribution.percentile(0.5)).toBe(0)
    expect(distribution.histogram(30)).toEqual([])
  })

  it('has one bucket of no width where all values are equal', () => {
    expect(distributionOf([5, 5, 5]).histogram(30)).toEqual([{ fromMs: 5, toMs: 5, count: 3 }])
  })

  it('has buckets of equal width from min to max whose counts add up', () => {
    fc.assert(
      fc.property(times, fc.integer({ min: 1, max: 60 }), (values, buckets) => {
        fc.pre(new Set(values).size > 1)
        const histogram = distributionOf(values).histogram(buckets)
        expect(histogram).toHaveLength(buckets)
        expect(histogram[0]?.fromMs).toBe(Math.min(...values))
        expect(histogram.at(-1)?.toMs).toBe(Math.max(...values))
        expect(histogram.reduce((sum, { count }) => sum + count, 0)).toBe(values.length)
        for (const [at, bucket] of histogram.entries()) {
          expect(bucket.count).toBeGreaterThanOrEqual(0)
          if (at > 0) expect(bucket.fromMs).toBe(histogram[at - 1]?.toMs)
        }
      }),
    )
  })

  it('refuses percentiles and histograms that there are not', () => {
    const distribution = distributionOf([1, 2])
    for (const p of [-0.1, 1.1, Number.NaN]) expect(() => distribution.percentile(p)).toThrow(RangeError)
    for (const n of [0, -1, 1.5, MAX_HISTOGRAM_BUCKETS + 1]) expect(() => distribution.histogram(n)).toThrow(RangeError)
  })
})

describe('TimingAccumulator', () => {
  const filled = (values: Iterable<number>) => {
    const accumulator = new TimingAccumulator()
    for (const value of values) accumulator.add(value)
    return accumulator
  }
  const counting = (count: number) => Float64Array.from({ length: count }, (_, at) => at + 1)

  it('is exact up to the limit, and from the sketch past it', () => {
    const accumulator = filled(counting(EXACT_LIMIT))
    const before = accumulator.distribution()
    expect(before.exact).toBe(true)
    expect([0, 0.5, 0.99999, 1].map((p) => before.percentile(p))).toEqual([1, 50_000, 99_999, 100_000])
    accumulator.add(0.5)
    const after = accumulator.distribution()
    expect(after.exact).toBe(false)
    expect(after.moments.count).toBe(EXACT_LIMIT + 1)
    expect(after.percentile(0)).toBe(0.5)
    expect(Math.abs(after.percentile(0.5) - 50_000)).toBeLessThanOrEqual(500)
    // What was asked before stays what it was.
    expect(before.percentile(0)).toBe(1)
    expect(before.moments.count).toBe(EXACT_LIMIT)
  })

  it('adds a column, the places asked for', () => {
    const accumulator = new TimingAccumulator()
    accumulator.addColumn(Float64Array.of(4, Number.NaN, 8), (at) => at !== 1)
    accumulator.addColumn(Float64Array.of(6))
    expect(accumulator.moments).toEqual({ count: 3, min: 4, max: 8, sum: 18, mean: 6, m2: 8 })
    expect(accumulator.distribution().percentile(0.5)).toBe(6)
  })

  it('merges to what all values give', () => {
    fc.assert(
      fc.property(times, times, somePercents, (a, b, thousandths) => {
        const merged = filled(a)
        const other = filled(b)
        merged.merge(other)
        const all = [...a, ...b]
        expect(merged.distribution().percentile(thousandths / 1000)).toBe(naivePercentile(all, thousandths))
        expectClose(merged.moments, momentsOf(all))
        expect(other.moments).toEqual(filled(b).moments)
        expect(merged.toBytes()).toEqual(filled(all).toBytes())
        merged.add(1)
        expect(merged.distribution().percentile(1)).toBe(Math.max(1, ...all))
      }),
    )
  })

  it('is no more exact once two halves pass the limit together', () => {
    const merged = filled(counting(60_000))
    merged.merge(filled(counting(60_000)))
    expect(merged.distribution().exact).toBe(false)
    expect(Math.abs(merged.distribution().percentile(0.5) - 30_000)).toBeLessThanOrEqual(300)
  })

  it('goes on from its bytes and moments', () => {
    const accumulator = filled([1, 2, 3])
    const restored = TimingAccumulator.fromBytes(accumulator.toBytes(), accumulator.moments)
    restored.add(1000)
    accumulator.add(1000)
    expect(restored.moments).toEqual(accumulator.moments)
    expect(restored.toBytes()).toEqual(accumulator.toBytes())
    expect(restored.distribution().exact).toBe(false)
    expect(Math.abs(restored.distribution().percentile(0.5) - 2)).toBeLessThanOrEqual(0.0200001)
  })

  it('refuses what is no time, and is as it was', () => {
    const accumulator = filled([1])
    expect(() => accumulator.add(Number.NaN)).toThrow(RangeError)
    expect(accumulator.moments.count).toBe(1)
    expect(accumulator.distribution().percentile(1)).toBe(1)
  })
})
