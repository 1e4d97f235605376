import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { countPrimes } from '../../../../src/functions/builtins/countPrimes.js'
import { MAX_N } from '../../../../src/functions/builtins/naturalNumber.js'
import { abortedAtLook, functionContext, listeningContext } from '../../../support/builtin.js'

const context = functionContext()
const count = (n: unknown) => countPrimes.run(n, context)

/** By trial division. */
function isPrime(number: number): boolean {
  if (number < 2) return false
  for (let divisor = 2; divisor * divisor <= number; divisor += 1) if (number % divisor === 0) return false
  return true
}

describe('countPrimes', () => {
  it.each<[number, number]>([
    [10, 4],
    [100, 25],
    [1_000, 168],
    [10_000, 1_229],
    [100_000, 9_592],
    [1_000_000, 78_498],
    [10_000_000, 664_579],
    [100_000_000, 5_761_455],
  ])('below %d is the tabulated %d', (n, expected) => {
    expect(count(n)).toBe(expected)
  })

  it('does not count n itself', () => {
    expect([0, 1, 2, 3, 4, 5, 6, 7, 8].map(count)).toEqual([0, 0, 0, 1, 2, 2, 3, 3, 4])
    expect(count(7919)).toBe(999)
    expect(count(7920)).toBe(1000)
  })

  it('rises by one right after each prime, and nowhere else', () => {
    // Around a square of a prime, and around the ends of the sieve's segments.
    for (const around of [0, 25, 361 * 361, 2 ** 18, 2 ** 19, 3 * 2 ** 18]) {
      for (let n = Math.max(0, around - 30); n < around + 30; n += 1) {
        expect(Number(count(n + 1)) - Number(count(n)), `at ${n}`).toBe(isPrime(n) ? 1 : 0)
      }
    }
  })

  it('agrees with trial division', () => {
    const primesBelow: number[] = [0]
    for (let n = 0; n < 50_000; n += 1) primesBelow.push((primesBelow[n] ?? 0) + (isPrime(n) ? 1 : 0))
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 50_000 }), (n) => {
        expect(count(n)).toBe(primesBelow[n])
      }),
    )
  })

  it('takes n as a decimal string too, and refuses what is no whole number', () => {
    expect(count('1000')).toBe(168)
    for (const n of [-1, 2.5, 'x', MAX_N + 1, null]) expect(() => count(n)).toThrow(RangeError)
  })

  it('says how far it is', () => {
    const { context: listening, said } = listeningContext()
    countPrimes.run(4 * 2 ** 18, listening)
    expect(said).toEqual([0, 0.25, 0.5, 0.75])
  })

  it('ends early once its signal is aborted', () => {
    const { context: aborted, looks } = abortedAtLook(3)
    expect(() => countPrimes.run(MAX_N, aborted)).toThrow('aborted')
    expect(looks()).toBe(3)
  })
})
