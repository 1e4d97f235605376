/** Random numbers that are the same for the same seed, on every platform: xoshiro128**, seeded by SplitMix64. */

import type { Json } from '../../domain/batch.js'

/** A seed as JSON, a whole number that a double holds exactly. */
export const SEED_SCHEMA: Json = {
  type: 'integer',
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  description: 'The seed, a whole number from 0 to 2^53 - 1: the same seed gives the same numbers, everywhere.',
}

const MASK_64 = (1n << 64n) - 1n

/** The first outputs of SplitMix64 (Steele, Lea and Flood 2014) from this state. */
export function splitMix64(seed: bigint, count: number): bigint[] {
  let state = seed & MASK_64
  return Array.from({ length: count }, () => {
    state = (state + 0x9e3779b97f4a7c15n) & MASK_64
    let mixed = ((state ^ (state >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK_64
    mixed = ((mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn) & MASK_64
    return mixed ^ (mixed >> 31n)
  })
}

/** xoshiro128** 1.1 (Blackman and Vigna 2018): 128 bits of state, 32 bits at a time. */
export class Xoshiro128 {
  #a: number
  #b: number
  #c: number
  #d: number

  /** The four words of the state, not all zero. */
  constructor(a: number, b: number, c: number, d: number) {
    this.#a = a | 0
    this.#b = b | 0
    this.#c = c | 0
    this.#d = d | 0
  }

  /** The state is the first two outputs of SplitMix64, the lower half of each first. */
  static ofSeed(seed: number): Xoshiro128 {
    const words = splitMix64(BigInt(seed), 2).flatMap((word) => [word & 0xffffffffn, word >> 32n])
    const [a = 0, b = 0, c = 0, d = 0] = words.map(Number)
    return new Xoshiro128(a, b, c, d)
  }

  /** The next 32 bits, as a signed number: V8 keeps those without allocating. */
  next(): number {
    const b = this.#b
    const scrambled = Math.imul(b, 5)
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9)
    const c = this.#c ^ this.#a
    const d = this.#d ^ b
    this.#b = b ^ c
    this.#a ^= d
    this.#c = c ^ (b << 9)
    this.#d = (d << 11) | (d >>> 21)
    return result
  }
}
