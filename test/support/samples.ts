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

/** In how many pairs the value of `a` is above, equal ones as half. */
function pairsAbove(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, x) => sum + b.filter((y) => x > y).length + b.filter((y) => x === y).length / 2, 0)
}

/** All ways to share the values out between two samples, of which the first has so many. */
export function* sharedOut(pooled: readonly number[], ofFirst: number): Generator<[number[], number[]], void> {
  for (let chosen = 0; chosen < 2 ** pooled.length; chosen += 1) {
    const isChosen = (_: number, at: number) => ((chosen >> at) & 1) === 1
    const first = pooled.filter(isChosen)
    if (first.length === ofFirst) yield [first, pooled.filter((value, at) => !isChosen(value, at))]
  }
}

/** The p of the rank-sum test by its definition: the share of all ways that lie at least as far from the middle as this one. */
export function pByCounting(a: readonly number[], b: readonly number[]): number {
  const distanceOf = (first: readonly number[], second: readonly number[]) =>
    Math.abs(pairsAbove(first, second) - (a.length * b.length) / 2)
  const distances = [...sharedOut([...a, ...b], a.length)].map(([first, second]) => distanceOf(first, second))
  return distances.filter((distance) => distance >= distanceOf(a, b)).length / distances.length
}
