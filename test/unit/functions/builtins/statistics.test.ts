import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { statistics } from '../../../../src/functions/builtins/statistics.js'
import { callerOf, problemsOf } from '../../../support/builtin.js'

interface Figures {
  count: number
  min: number
  max: number
  sum: number
  mean: number
  median: number
  variance: number
  stddev: number
  sampleVariance: number | null
  sampleStddev: number | null
  quantiles: { p: number; value: number }[]
}

const figures = callerOf<Figures>(statistics)
const problems = problemsOf(statistics)

describe('statistics', () => {
  it('has the figures of a list, by hand', async () => {
    expect(await figures({ values: [9, 2, 4, 4, 4, 5, 5, 7], quantiles: [0, 0.25, 0.5, 1] })).toEqual({
      count: 8,
      min: 2,
      max: 9,
      sum: 40,
      mean: 5,
      median: 4.5,
      variance: 4,
      stddev: 2,
      sampleVariance: 32 / 7,
      sampleStddev: Math.sqrt(32 / 7),
      quantiles: [
        { p: 0, value: 2 },
        { p: 0.25, value: 4 },
        { p: 0.5, value: 4.5 },
        { p: 1, value: 9 },
      ],
    })
  })

  it('has no sample variance of one value', async () => {
    expect(await figures([3.5])).toMatchObject({ variance: 0, stddev: 0, sampleVariance: null, sampleStddev: null })
  })

  it.each([
    // By Python's fractions: what doubles alone get wrong.
    [[0.1, 0.1, 0.1], { sum: 0.30000000000000004, mean: 0.1, variance: 0 }],
    [[1e16, 1e16 + 2, 1e16 + 4], { sum: 3.0000000000000008e16 - 2, mean: 1e16 + 2, sampleVariance: 4 }],
    [[1e150, 1, -1e150], { sum: 1, mean: 1 / 3, median: 1 }],
    [[2 ** 53, 1, 1], { sum: 2 ** 53 + 2, mean: 3002399751580331.5 }],
    [[5e-324, 5e-324, 1e-323], { sum: 2e-323, min: 5e-324 }],
  ])('of %j are right to the last digit', async (values, expected) => {
    expect(await figures(values)).toMatchObject(expected)
  })

  it('has the quantiles of Python, statistics.quantiles(n=20, method="inclusive")', async () => {
    const ps = Array.from({ length: 19 }, (_, at) => (at + 1) / 20)
    const expected = [
      -1.1998, -0.8996, -0.5994, -0.2992, 0.001, 0.4508, 0.9006, 1.3504, 1.8002, 2.25, 2.46, 2.67, 2.88, 3.09, 3.3,
      4.065, 4.83, 5.595, 6.36,
    ]
    const { quantiles } = await figures({ values: [-1.5, 2.25, 1e-3, 7.125, 3.3], quantiles: ps })
    expect(quantiles.map(({ p }) => p)).toEqual(ps)
    for (const [at, { value }] of quantiles.entries()) expect(value).toBeCloseTo(expected[at] ?? Number.NaN, 14)
    const standard = await figures([-1.5, 2.25, 1e-3, 7.125, 3.3])
    expect(standard.quantiles.map(({ p }) => p)).toEqual([0.05, 0.25, 0.5, 0.75, 0.95])
  })

  it('rounds exact sums, means and variances, whatever the values and their order', async () => {
    const value = fc.oneof(
      fc.double({ min: -1e150, max: 1e150, noNaN: true }),
      fc.double({ min: -1, max: 1, noNaN: true }),
      fc.integer({ min: -1000, max: 1000 }),
      // Close together, far from 0.
      fc.integer({ min: 0, max: 50 }).map((steps) => 1e15 + steps / 8),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(value, { minLength: 1, maxLength: 40 }), async (values) => {
        const found = await figures(values)
        const exact = exactFigures(values)
        // 0 and -0 are one JSON number.
        expect(found.sum + 0).toBe(exact.sum + 0)
        expect(found.mean + 0).toBe(exact.mean + 0)
        // Squares of less than 1e-300 lose digits.
        const error = Math.abs(found.variance - exact.variance)
        expect(error).toBeLessThanOrEqual(Math.max(1e-300, exact.variance * 2 ** -49))
        expect(found.min).toBe(Math.min(...values) + 0)
        expect(found.max).toBe(Math.max(...values) + 0)
        const { sum, mean, variance, median } = await figures([...values].reverse())
        expect([sum, mean, median]).toEqual([found.sum, found.mean, found.median])
        expect(Math.abs(variance - found.variance)).toBeLessThanOrEqual(Math.max(1e-300, found.variance * 2 ** -48))
      }),
    )
  })

  it('refuses values whose squares would not fit', async () => {
    await expect(figures([1, -1.1e150])).rejects.toThrow('value 1 is -1.1e+150: the values go from -1e150 to 1e150')
    expect((await figures([1e150, -1e150])).variance / 1e300).toBeCloseTo(1, 12)
  })

  it('refuses what is no list of numbers', () => {
    expect(problems([])).toEqual(['must NOT have fewer than 1 items'])
    expect(problems(5)).toEqual(['must be array,object'])
    expect(problems([1, '2'])).toEqual(['1 must be number'])
    expect(problems({ values: [1], quantiles: [1.5] })).toEqual(['quantiles 0 must be <= 1'])
    expect(problems({ quantiles: [0.5] })).toEqual(["must have required property 'values'"])
  })
})

const POWER = 1_200

/** In units of 2^-1200, and the variance in those of their squares: every figure is a ratio of whole numbers. */
function exactFigures(values: number[]): { sum: number; mean: number; variance: number } {
  const whole = values.map(units)
  const count = BigInt(values.length)
  const sum = whole.reduce((total, one) => total + one, 0n)
  const squares = whole.reduce((total, one) => total + (one * count - sum) ** 2n, 0n)
  return {
    sum: ratio(sum, 1n, POWER),
    mean: ratio(sum, count, POWER),
    variance: ratio(squares, count ** 3n, 2 * POWER),
  }
}

function units(value: number): bigint {
  let [fraction, power] = [value, POWER]
  while (!Number.isInteger(fraction)) {
    fraction *= 2 ** 50
    power -= 50
  }
  return BigInt(fraction) << BigInt(power)
}

/** top / bottom × 2^-power, rounded to the nearest double by comparing with its neighbours. */
function ratio(top: bigint, bottom: bigint, power: number): number {
  if (top < 0n) return -ratio(-top, bottom, power)
  if (top === 0n) return 0
  // Digits enough that no double's middle could be mistaken, as a decimal, which JavaScript reads rounding once.
  const digits = (top * 10n ** 2_000n) / (bottom << BigInt(power))
  return Number(`${digits}e-2000`)
}
