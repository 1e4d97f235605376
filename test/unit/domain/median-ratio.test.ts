import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { medianRatio } from '../../../src/domain/median-ratio.js'
import { ascending, Draws, spread } from '../../support/samples.js'

/** What the bootstrap comes to when it is done: all resamples of two small samples, each as likely as the next. */
function byAllResamples(first: readonly number[], second: readonly number[]): { low: number; high: number } {
  const mediansOf = (values: readonly number[]) => {
    let drawn: number[][] = [[]]
    for (const _ of values) drawn = drawn.flatMap((list) => values.map((value) => [...list, value]))
    return drawn.map((list) => list.sort((a, b) => a - b)[Math.ceil(list.length / 2) - 1]!)
  }
  const ratios = ascending(mediansOf(second).flatMap((over) => mediansOf(first).map((under) => over / under)))
  const quantile = (share: number) => ratios[Math.ceil(share * ratios.length) - 1]!
  return { low: quantile(0.025), high: quantile(0.975) }
}

describe('medianRatio', () => {
  it('is that of the medians by nearest rank', () => {
    expect(medianRatio(ascending([1, 2, 3]), ascending([2, 4, 6, 8]))).toMatchObject({
      firstMs: 2,
      secondMs: 4,
      ratio: 2,
    })
  })

  it('has the interval that all resamples together give', () => {
    const values = (length: number) => fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: length })
    fc.assert(
      fc.property(values(4), values(4), (first, second) => {
        const { low, high } = medianRatio(ascending(first), ascending(second))
        const all = byAllResamples(first, second)
        expect({ low, high }).toEqual(all)
      }),
      { numRuns: 60 },
    )
  })

  // Quantiles of 100,000 resamples, each median by nearest rank, with numpy 2 (Generator.choice): drawn, so known to some digits alone.
  it.each<[Float64Array, Float64Array, number, number, number]>([
    [
      spread(200, { step: 37, modulus: 101, add: 20 }),
      spread(150, { step: 41, modulus: 103, add: 40 }),
      1.3285714285714285,
      1.14666667,
      1.50793651,
    ],
    [
      ascending(Array.from({ length: 1000 }, (_, i) => ((i * i * 0.37) % 13) + 5)),
      ascending(Array.from({ length: 700 }, (_, i) => ((i * i * 0.73) % 17) + 5)),
      1.1918402777772448,
      1.10702055,
      1.27573859,
    ],
    [ascending([3, 1, 4, 1, 5]), ascending([9, 2, 6, 5]), 5 / 3, 0.5, 6],
  ])('has the interval of a bootstrap with many resamples, %#', (first, second, ratio, low, high) => {
    const found = medianRatio(first, second)
    expect(found.ratio).toBeCloseTo(ratio, 12)
    expect(Math.abs(found.low / low - 1)).toBeLessThan(0.01)
    expect(Math.abs(found.high / high - 1)).toBeLessThan(0.01)
  })

  it('lies within its interval, the same each time', () => {
    const draws = new Draws(3)
    for (const count of [1, 2, 3, 10, 99, 10_000]) {
      const [first, second] = [draws.times(count), draws.times(count, 12)]
      const found = medianRatio(first, second)
      expect(found.low).toBeLessThanOrEqual(found.ratio)
      expect(found.high).toBeGreaterThanOrEqual(found.ratio)
      expect(medianRatio(first, second)).toEqual(found)
    }
  })

  it('is exactly 1 where most values are equal, and so is its interval', () => {
    const mostly = ascending([1, ...Array<number>(98).fill(5), 9])
    expect(medianRatio(mostly, mostly)).toEqual({ firstMs: 5, secondMs: 5, ratio: 1, low: 1, high: 1 })
  })

  it('takes what took no time for a step of the clock', () => {
    const none = ascending([0, 0, 0])
    expect(medianRatio(none, none)).toEqual({ firstMs: 0, secondMs: 0, ratio: 1, low: 1, high: 1 })
    expect(medianRatio(none, ascending([0.5])).ratio).toBe(2_000)
    expect(medianRatio(ascending([1e12]), none).ratio).toBe(2.5e-16)
  })

  it('misses the true ratio about one time in twenty', () => {
    const draws = new Draws(11)
    const tries = 1000
    let missed = 0
    for (let at = 0; at < tries; at += 1) {
      const { low, high } = medianRatio(draws.times(100, 10), draws.times(150, 15))
      if (low > 1.5 || high < 1.5) missed += 1
    }
    expect(missed / tries).toBeGreaterThan(0.02)
    expect(missed / tries).toBeLessThan(0.08)
  })
})
