import { describe, expect, it } from 'vitest'
import { splitMix64, Xoshiro128 } from '../../../../src/functions/builtins/random.js'

const numbers = (random: Xoshiro128, count: number) => Array.from({ length: count }, () => random.next() >>> 0)

describe('SplitMix64', () => {
  it('gives the published numbers', () => {
    // As on Rosetta Code, of the authors' splitmix64.c.
    expect(splitMix64(1234567n, 5)).toEqual([
      6457827717110365317n,
      3203168211198807973n,
      9817491932198370423n,
      4593380528125082431n,
      16408922859458223821n,
    ])
  })
})

describe('Xoshiro128', () => {
  it('gives the published numbers', () => {
    // Of the authors' xoshiro128starstar.c, as other implementations test against them.
    expect(numbers(new Xoshiro128(1, 2, 3, 4), 10)).toEqual([
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
    ])
    expect(numbers(new Xoshiro128(1, 3, 5, 7), 5)).toEqual(reference([1, 3, 5, 7], 5))
  })

  it('gives what the same steps in BigInt give, whatever the seed', () => {
    for (const seed of [0, 1, 42, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
      const words = splitMix64(BigInt(seed), 2).flatMap((word) => [Number(word & 0xffffffffn), Number(word >> 32n)])
      expect(numbers(Xoshiro128.ofSeed(seed), 1_000)).toEqual(reference(words, 1_000))
    }
  })
})

/** The same in unbounded integers, after the authors' text. */
function reference(words: number[], count: number): number[] {
  const mask = 0xffffffffn
  const rotated = (word: bigint, by: bigint) => ((word << by) | (word >> (32n - by))) & mask
  let [a = 0n, b = 0n, c = 0n, d = 0n] = words.map(BigInt)
  return Array.from({ length: count }, () => {
    const result = (rotated((b * 5n) & mask, 7n) * 9n) & mask
    const shifted = (b << 9n) & mask
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = rotated(d, 11n)
    return Number(result)
  })
}
