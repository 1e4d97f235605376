/** Samples for the tests of statistics: the same numbers each time. */

import { Xoshiro128 } from '../../src/functions/builtins/random.js'

export function ascending(values: Iterable<number>): Float64Array {
  return Float64Array.from(values).sort()
}

/** add, step + add, 2 · step + add, each but `add` taken modulo `modulus`: spread out, and equal again after `modulus` of them. */
export function spread(count: number, { step, modulus, add = 0 }: { step: number; modulus: number; add?: number }) {
  return ascending(Array.from({ length: count }, (_, at) => ((at * step) % modulus) + add))
}

/** Draws of random samples, each other than the one before. */
export class Draws {
  readonly #random: Xoshiro128

  constructor(seed: number) {
    this.#random = Xoshiro128.ofSeed(seed)
  }

  /** From 0 to 1, both excluded. */
  uniform(): number {
    return ((this.#random.next() >>> 0) + 0.5) / 2 ** 32
  }

  /** As service times are: most near the median, some far longer. Ascending. */
  times(count: number, medianMs = 10): Float64Array {
    const normal = () => Math.sqrt(-2 * Math.log(this.uniform())) * Math.cos(2 * Math.PI * this.uniform())
    return ascending(Array.from({ length: count }, () => medianMs * Math.exp(0.5 * normal())))
  }
}
