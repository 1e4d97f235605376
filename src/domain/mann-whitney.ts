/** Whether values of one sample tend to be larger than those of another: the test of Mann and Whitney, for samples of any size. */

import { compiled, erfc } from 'cephes'
import { exactRankP } from './rank-test.js'

// The library is WebAssembly: from here on it answers at once.
await compiled

export interface RankTest {
  /** Two-sided. */
  p: number
  /** In how many of all pairs the value of the second sample is the larger one, 0 to 1; equal ones count half. */
  secondAbove: number
}

/** Up to so many values in both samples, as in R, or in either one, as in SciPy, all ways of sharing the ranks out are counted. */
const MAX_COUNTED_BOTH = 50
const MAX_COUNTED_EITHER = 8

/**
 * Of two samples, each ascending. Small ones without equal values exactly, as their ranks can be counted out; all others by the
 * normal approximation, with its corrections for equal values and for continuity.
 * H. B. Mann and D. R. Whitney, On a test of whether one of two random variables is stochastically larger than the other, Annals
 * of Mathematical Statistics 18 (1947); the correction for ties is that of E. L. Lehmann, Nonparametrics (1975), section 1.4.
 */
export function mannWhitney(first: Float64Array, second: Float64Array): RankTest {
  const [n, m] = [first.length, second.length]
  if (n === 0 || m === 0) return { p: 1, secondAbove: 0.5 }
  const { pairsAbove, tieSum } = rankPairs(first, second)
  const secondAbove = pairsAbove / (n * m)
  const isSmall = Math.max(n, m) <= MAX_COUNTED_BOTH || Math.min(n, m) <= MAX_COUNTED_EITHER
  if (tieSum === 0 && isSmall) return { p: exactRankP(pairsAbove, n, m), secondAbove }
  const total = n + m
  const variance = ((n * m) / 12) * (total + 1 - tieSum / (total * (total - 1)))
  const distance = Math.abs(pairsAbove - (n * m) / 2) - 0.5
  // Where all values are equal there is no variance, and no distance.
  if (distance <= 0 || variance <= 0) return { p: 1, secondAbove }
  return { p: tailsBeyond(distance / Math.sqrt(variance)), secondAbove }
}

/** From here on it is less than the least number that there is, which the library throws for. */
const MAX_DEVIATIONS = 37.5

/** Of the normal distribution: what lies at least so many standard deviations from its middle, on either side. */
function tailsBeyond(deviations: number): number {
  return deviations > MAX_DEVIATIONS ? 0 : erfc(deviations / Math.SQRT2)
}

/** Pairs in which the second one's value is the larger (equal ones count half), and t³ - t of each group of t equal values, added up. */
function rankPairs(first: Float64Array, second: Float64Array): { pairsAbove: number; tieSum: number } {
  let [pairsAbove, tieSum] = [0, 0]
  let [before, at] = [0, 0]
  while (before < first.length || at < second.length) {
    const value = Math.min(first[before] ?? Number.POSITIVE_INFINITY, second[at] ?? Number.POSITIVE_INFINITY)
    const [ofFirst, ofSecond] = [runLength(first, before, value), runLength(second, at, value)]
    pairsAbove += ofSecond * (before + ofFirst / 2)
    const equal = ofFirst + ofSecond
    tieSum += equal ** 3 - equal
    before += ofFirst
    at += ofSecond
  }
  return { pairsAbove, tieSum }
}

/** How often the value comes from this place on. */
function runLength(values: Float64Array, from: number, value: number): number {
  let end = from
  while (values[end] === value) end += 1
  return end - from
}
