import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mannWhitney } from '../../../src/domain/mann-whitney.js'
import { rankSumP } from '../../../src/domain/rank-test.js'
import { ascending, pByCounting, sharedOut, spread } from '../../support/samples.js'

const MALES = ascending([19, 22, 16, 29, 24])
const FEMALES = ascending([20, 11, 17, 12])

/** How far two figures are apart, as a share of the second one. */
const off = (p: number, expected: number) => Math.abs(p / expected - 1)

describe('mannWhitney', () => {
  // The p of scipy.stats.mannwhitneyu(first, second), SciPy 1.17.1; the first from the example of its documentation, the second from
  // that of wilcox.test of R (Hollander and Wolfe 1973, table 4.1: permeability of the placenta), which gives the half of it, one-sided.
  it.each<[string, Float64Array, Float64Array, number]>([
    ['SciPy’s own example, exactly', MALES, FEMALES, 1 / 9],
    [
      'the example of R, exactly',
      ascending([0.8, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]),
      ascending([1.15, 0.88, 0.9, 0.74, 1.21]),
      2 * 0.1272061272061272,
    ],
    ['few, with ties, exactly', ascending([1, 2, 2, 3, 9]), ascending([2, 3, 4, 5, 6, 7]), 122 / 462],
    [
      'many, with ties',
      spread(200, { step: 37, modulus: 101 }),
      spread(150, { step: 37, modulus: 101, add: 7 }),
      0.04181854364288317,
    ],
    [
      'many, without ties',
      spread(60, { step: 17, modulus: 1009 }),
      spread(80, { step: 23, modulus: 1013, add: 200.5 }),
      0.0025885072930360094,
    ],
    [
      '50 each, exactly',
      spread(50, { step: 17, modulus: 1009 }),
      spread(50, { step: 23, modulus: 1013, add: 100.5 }),
      0.02350827380481295,
    ],
    [
      'few beside many, exactly',
      spread(8, { step: 17, modulus: 97 }),
      spread(300, { step: 23, modulus: 1013, add: 20.5 }),
      1.0533818269916186e-10,
    ],
    [
      'the far tail',
      spread(300, { step: 37, modulus: 101 }),
      spread(300, { step: 37, modulus: 101, add: 60 }),
      4.027229228637006e-70,
    ],
    [
      'the farthest tail',
      spread(3000, { step: 37, modulus: 101 }),
      spread(3000, { step: 37, modulus: 101, add: 30 }),
      2.358553831683044e-252,
    ],
  ])('has the p of %s', (_name, first, second, expected) => {
    expect(off(mannWhitney(first, second).p, expected)).toBeLessThan(1e-9)
    expect(off(mannWhitney(second, first).p, expected)).toBeLessThan(1e-9)
  })

  it('counts the pairs in which the second one is larger, equal ones as half', () => {
    // U of SciPy's example: 17 of 20 pairs are the first one's.
    expect(mannWhitney(MALES, FEMALES).secondAbove).toBe(3 / 20)
    expect(mannWhitney(ascending([1, 2]), ascending([2, 3])).secondAbove).toBe(3.5 / 4)
    expect(mannWhitney(ascending([1]), ascending([1])).secondAbove).toBe(0.5)
  })

  it('is 1 where there is nothing to go by', () => {
    const same = ascending([5, 5, 5, 5])
    for (const [first, second] of [
      [same, same],
      [MALES, MALES],
      [ascending([]), MALES],
      [MALES, ascending([])],
      [ascending([]), ascending([])],
    ] as const)
      expect(mannWhitney(first, second).p).toBe(1)
  })

  it('is a number from 0 to 1 whatever the samples, 0 where it is too small for one', () => {
    const lists = fc.array(fc.oneof(fc.nat(5), fc.double({ min: 0, max: 1e9, noNaN: true })), { maxLength: 80 })
    fc.assert(
      fc.property(lists, lists, (a, b) => {
        const { p, secondAbove } = mannWhitney(ascending(a), ascending(b))
        expect(p).toBeGreaterThanOrEqual(0)
        expect(p).toBeLessThanOrEqual(1)
        expect(secondAbove).toBeGreaterThanOrEqual(0)
        expect(secondAbove).toBeLessThanOrEqual(1)
      }),
    )
    const [low, high] = [
      spread(10_000, { step: 1, modulus: 10_007 }),
      spread(10_000, { step: 1, modulus: 10_007, add: 1e5 }),
    ]
    expect(mannWhitney(low, high)).toEqual({ p: 0, leastP: 0, secondAbove: 1 })
  })

  it('is near the exact one where the normal approximation takes over', () => {
    const [a, b] = [spread(60, { step: 7, modulus: 61 }), spread(70, { step: 7, modulus: 71, add: 2.5 })]
    expect(off(mannWhitney(a, b).p, rankSumP([...a], [...b]))).toBeLessThan(0.03)
  })

  it.each<[number[], number[], number]>([
    [[1, 1, 2, 2, 2], [2, 2, 3, 3, 3], 20 / 252],
    [[1, 1, 1, 1], [2, 2, 2, 2], 2 / 70],
    [[1, 1, 1], [3, 4, 4, 4], 2 / 35],
    // Equal values above lie nearer to the middle: only one way of all is as far from it.
    [[1, 2, 3], [4, 4, 4, 4], 1 / 35],
  ])('counts all ways of sharing out few values with equal ones: %j and %j', (first, second, expected) => {
    expect(mannWhitney(ascending(first), ascending(second)).p).toBeCloseTo(expected, 14)
    expect(mannWhitney(ascending(second), ascending(first)).p).toBeCloseTo(expected, 14)
  })

  it('has the p of the definition, and the least of all that the same values could have', () => {
    const few = fc.array(fc.nat(4), { minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(few, few, (a, b) => {
        const { p, leastP } = mannWhitney(ascending(a), ascending(b))
        expect(p).toBeCloseTo(pByCounting(a, b), 12)
        const others = [...sharedOut([...a, ...b], a.length)].map(
          ([first, second]) => mannWhitney(ascending(first), ascending(second)).p,
        )
        expect(leastP).toBeCloseTo(Math.min(...others), 12)
      }),
    )
  })

  it('counts up to fifty values each', () => {
    // Of two values alone it is Fisher's exact test: scipy.stats.fisher_exact([[20, 30], [30, 20]]).
    const [fewer, more] = [20, 30].map((ones) => ascending(Array.from({ length: 50 }, (_, at) => Number(at < ones))))
    expect(off(mannWhitney(fewer!, more!).p, 0.0713424034882103)).toBeLessThan(1e-9)
    const [low, high] = [new Float64Array(50).fill(1), new Float64Array(50).fill(2)]
    expect(off(mannWhitney(low, high).p, 2 / 1.0089134454556415e29)).toBeLessThan(1e-9)
  })

  it('never claims more than so many values can bear out where they are too many to be counted', () => {
    const same = new Float64Array(5_000).fill(1)
    expect(mannWhitney(same, ascending([2])).p).toBeCloseTo(1 / 5_001, 12)
    expect(mannWhitney(ascending([2, 2]), same).p).toBeCloseTo(2 / (5_002 * 5_001), 14)
    expect(mannWhitney(ascending([...same.slice(1), 2]), same).p).toBeCloseTo(1, 9)
  })
})
