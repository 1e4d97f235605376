import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { leastRankSumP, rankSumP } from '../../../src/domain/rank-test.js'
import { pByCounting } from '../../support/samples.js'

/** Two samples without equal values. */
const samples = (maxLength: number) =>
  fc
    .uniqueArray(fc.double({ min: 0, max: 1000, noNaN: true }), { minLength: 2, maxLength })
    .chain((values) => fc.nat(values.length).map((at) => [values.slice(0, at), values.slice(at)] as const))

describe('rankSumP', () => {
  it('is what tables say', () => {
    expect(rankSumP([1, 2, 3, 4, 5], [6, 7, 8, 9, 10])).toBeCloseTo(2 / 252, 12)
    expect(rankSumP([1, 2, 3, 4], [5, 6, 7, 8])).toBeCloseTo(2 / 70, 12)
    expect(rankSumP([1, 2, 3, 5], [4, 6, 7, 8])).toBeCloseTo(4 / 70, 12)
    expect(rankSumP([1], [2])).toBe(1)
  })

  it('is what counting all ways of sharing the values out gives', () => {
    fc.assert(
      fc.property(samples(9), ([a, b]) => {
        const expected = a.length === 0 || b.length === 0 ? 1 : pByCounting(a, b)
        expect(rankSumP(a, b)).toBeCloseTo(expected, 12)
      }),
    )
  })

  it('is the same whichever sample comes first, and whatever the unit', () => {
    fc.assert(
      fc.property(samples(60), fc.double({ min: 1e-3, max: 1e3, noNaN: true }), ([a, b], unit) => {
        const p = rankSumP(a, b)
        expect(p).toBeGreaterThan(0)
        expect(p).toBeLessThanOrEqual(1)
        expect(rankSumP(b, a)).toBe(p)
        const scaled = (list: readonly number[]) => list.map((value) => value * unit)
        // Values that the unit makes equal were next to each other.
        if (new Set(scaled([...a, ...b])).size === a.length + b.length) expect(rankSumP(scaled(a), scaled(b))).toBe(p)
      }),
    )
  })

  it('falls as the samples move apart', () => {
    fc.assert(
      fc.property(samples(40), fc.double({ min: 0, max: 100, noNaN: true }), ([a, b], by) => {
        const apart = (list: readonly number[]) => list.map((value) => value + 1000 + by)
        // What the sum rounds to one value is no longer the same sample.
        if (new Set([...a, ...apart(b)]).size < a.length + b.length) return
        expect(rankSumP(a, apart(b))).toBeLessThanOrEqual(rankSumP(a, b))
      }),
    )
  })

  it('stays exact for the largest samples', () => {
    const low = Array.from({ length: 50 }, (_, at) => at)
    const high = low.map((at) => at + 50)
    expect(rankSumP(low, high) * 1.0089134454556415e29).toBeCloseTo(2, 9)
    // 1,225 of 2,500 pairs: what the normal distribution has beyond 24.5 / 145.1 of its standard deviation, on both sides.
    const [even, odd] = [low.map((at) => 2 * at), low.map((at) => 2 * at + 1)]
    expect(rankSumP(even, odd)).toBeCloseTo(0.866, 2)
  })

  it('sees no difference where all are equal, and claims none with equal ones that it could not claim without', () => {
    expect(rankSumP([3, 3, 3, 3], [3, 3, 3, 3])).toBe(1)
    expect(rankSumP([1, 2, 3, 4], [4, 5, 6, 7])).toBeGreaterThanOrEqual(2 / 70)
    expect(rankSumP([], [1])).toBe(1)
  })
})

describe('leastRankSumP', () => {
  it('is the least that samples of this size can have', () => {
    expect(leastRankSumP(3, 3)).toBeCloseTo(0.1, 12)
    expect(leastRankSumP(4, 4)).toBeCloseTo(2 / 70, 12)
    expect(leastRankSumP(1, 50)).toBeCloseTo(2 / 51, 12)
    fc.assert(
      fc.property(samples(40), ([a, b]) => {
        expect(rankSumP(a, b)).toBeGreaterThanOrEqual(leastRankSumP(a.length, b.length))
      }),
    )
  })
})
