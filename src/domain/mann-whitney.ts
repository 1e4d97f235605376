/** Whether values of one sample tend to be larger than those of another: the test of Mann and Whitney, for samples of any size. */

import { compiled, erfc } from 'cephes'
import { exactRankP } from './rank-test.js'
import { leastTiedRankP, type TiedRanks, tiedRankP } from './tied-ranks.js'

// The library is WebAssembly: from here on it answers at once.
await compiled

export interface RankTest {
  /** Two-sided. */
  p: number
  /** The least p that there could be of these values, whichever of them belonged to which sample. */
  leastP: number
  /** In how many of all pairs the value of the second sample is the larger one, 0 to 1; equal ones count half. */
  secondAbove: number
}

/** Up to so many values in both samples, as in R, or in either one, as in SciPy, all ways of sharing the ranks out are counted. */
const MAX_COUNTED_BOTH = 50
const MAX_COUNTED_EITHER = 8
/** With equal values that takes far longer: as long as for fifty each, at most. */
const MAX_TIED_STEPS = 2 * MAX_COUNTED_BOTH ** 4

/**
 * Of two samples, each ascending. Small ones exactly, as their ranks can be counted out; all others by the normal approximation, with its
 * corrections for equal values and for continuity, and never below what can be.
 * H. B. Mann and D. R. Whitney, On a test of whether one of two random variables is stochastically larger than the other, Annals
 * of Mathematical Statistics 18 (1947); the correction for ties is that of E. L. Lehmann, Nonparametrics (1975), section 1.4.
 */
export function mannWhitney(first: Float64Array, second: Float64Array): RankTest {
  const [n, m] = [first.length, second.length]
  if (n === 0 || m === 0) return { p: 1, leastP: 1, secondAbove: 0.5 }
  const { pairsAbove, groups } = rankPairs(first, second)
  const ranks: TiedRanks = { groups, chosen: Math.min(n, m) }
  const leastP = leastTiedRankP(ranks)
  return { p: rankP(pairsAbove, ranks, leastP), leastP, secondAbove: pairsAbove / (n * m) }
}

function rankP(pairsAbove: number, ranks: TiedRanks, leastP: number): number {
  const { groups, chosen } = ranks
  const total = groups.reduce((sum, size) => sum + size, 0)
  const others = total - chosen
  const hasTies = groups.length < total
  if (hasTies && chosen ** 2 * others * total <= MAX_TIED_STEPS) return tiedRankP(pairsAbove, ranks)
  const isSmall = others <= MAX_COUNTED_BOTH || chosen <= MAX_COUNTED_EITHER
  if (!hasTies && isSmall) return exactRankP(pairsAbove, chosen, others)
  return Math.max(leastP, approximateP(pairsAbove, ranks, total))
}

function approximateP(pairsAbove: number, { groups, chosen }: TiedRanks, total: number): number {
  const pairs = chosen * (total - chosen)
  const tieSum = groups.reduce((sum, size) => sum + size ** 3 - size, 0)
  const variance = (pairs / 12) * (total + 1 - tieSum / (total * (total - 1)))
  const distance = Math.abs(pairsAbove - pairs / 2) - 0.5
  // Where all values are equal there is no variance, and no distance.
  return distance <= 0 || variance <= 0 ? 1 : tailsBeyond(distance / Math.sqrt(variance))
}

/** From here on it is less than the least number that there is, which the library throws for. */
const MAX_DEVIATIONS = 37.5

/** Of the normal distribution: what lies at least so many standard deviations from its middle, on either side. */
function tailsBeyond(deviations: number): number {
  return deviations > MAX_DEVIATIONS ? 0 : erfc(deviations / Math.SQRT2)
}

/** Pairs in which the second one's value is the larger (equal ones count half), and how many values are equal, in ascending order. */
function rankPairs(first: Float64Array, second: Float64Array): { pairsAbove: number; groups: number[] } {
  const groups: number[] = []
  let [pairsAbove, before, at] = [0, 0, 0]
  while (before < first.length || at < second.length) {
    const value = Math.min(first[before] ?? Number.POSITIVE_INFINITY, second[at] ?? Number.POSITIVE_INFINITY)
    const [ofFirst, ofSecond] = [runLength(first, before, value), runLength(second, at, value)]
    pairsAbove += ofSecond * (before + ofFirst / 2)
    groups.push(ofFirst + ofSecond)
    before += ofFirst
    at += ofSecond
  }
  return { pairsAbove, groups }
}

/** How often the value comes from this place on. */
function runLength(values: Float64Array, from: number, value: number): number {
  let end = from
  while (values[end] === value) end += 1
  return end - from
}
