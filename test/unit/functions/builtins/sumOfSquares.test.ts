import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_N } from '../../../../src/functions/builtins/naturalNumber.js'
import { sumOfSquares, sumOfSquaresBetween } from '../../../../src/functions/builtins/sumOfSquares.js'
import { abortedAtLook, functionContext, listeningContext } from '../../../support/builtin.js'

const context = functionContext()
const sum = (n: unknown) => sumOfSquares.run(n, context) as number | bigint

/** (n - 1)·n·(2n - 1) / 6. */
function formula(n: number): bigint {
  const big = BigInt(n)
  return ((big - 1n) * big * (2n * big - 1n)) / 6n
}

describe('sumOfSquares', () => {
  it.each<[number, number]>([
    [0, 0],
    [1, 0],
    [2, 1],
    [3, 5],
    [100, 328350],
  ])('of %d is %d', (n, expected) => {
    expect(sum(n)).toBe(expected)
  })

  it('is exact past 2^53', () => {
    expect(sum(10_000_000)).toBe(333333283333335000000n)
    expect(sum(20_000_000)).toBe(2666666466666670000000n)
    expect(sum(30_000_000)).toBe(8999999550000005000000n)
  })

  it('is exact where it passes 2^53, where its blocks meet, and where i × i passes 2^52', () => {
    for (const around of [208_063, 300_000, 300_079, 2 ** 21, 2 ** 22, 2 ** 26]) {
      for (const n of [around - 1, around, around + 1, around + 2]) expect(BigInt(sum(n))).toBe(formula(n))
    }
  })

  it('agrees with the closed formula', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2_000_000 }), (n) => {
        expect(BigInt(sum(n))).toBe(formula(n))
      }),
      { numRuns: 50 },
    )
  })

  it('is exact between any two numbers up to the largest', () => {
    const spans = fc.tuple(fc.integer({ min: 0, max: MAX_N - 20_000 }), fc.nat(20_000))
    fc.assert(
      fc.property(spans, ([from, length]) => {
        expect(sumOfSquaresBetween(from, from + length)).toBe(formula(from + length) - formula(from))
      }),
    )
    expect(sumOfSquaresBetween(2 ** 26 - 10, 2 ** 26 + 10)).toBe(formula(2 ** 26 + 10) - formula(2 ** 26 - 10))
    expect(sumOfSquaresBetween(MAX_N - 5_000_000, MAX_N)).toBe(formula(MAX_N) - formula(MAX_N - 5_000_000))
    expect(() => sumOfSquaresBetween(0, MAX_N + 1)).toThrow(RangeError)
  })

  it('takes n as a decimal string too', () => {
    expect(sum('100')).toBe(328350)
    expect(sum('0000000100')).toBe(328350)
  })

  it.each([[-1], [1.5], ['-1'], ['1e3'], [''], [MAX_N + 1], [String(MAX_N + 1)], [null], [undefined], [[5]]])(
    'refuses %o',
    (n) => {
      expect(() => sum(n)).toThrow('n is a whole number from 0 to 10000000000')
    },
  )

  it('says how far it is', () => {
    const { context: listening, said } = listeningContext()
    sumOfSquares.run(4 * 2 ** 21, listening)
    expect(said).toEqual([0, 0.25, 0.5, 0.75])
  })

  it('ends early once its signal is aborted', () => {
    const { context: aborted, looks } = abortedAtLook(3)
    expect(() => sumOfSquares.run(MAX_N, aborted)).toThrow('aborted')
    expect(looks()).toBe(3)
  })
})
