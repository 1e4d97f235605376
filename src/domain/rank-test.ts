/** Whether two samples differ by more than chance: the two-sided rank-sum test of Wilcoxon, or Mann and Whitney, exact for any size. */

import { wilcoxonRankSum } from 'simple-statistics'

/**
 * How likely ranks that lie as far apart are, or farther, where both samples come from one distribution. Exact where no two values
 * are equal: a simulation would only estimate it, at the cost of milliseconds. With equal ones it is rather too high than too low.
 */
export function rankSumP(a: readonly number[], b: readonly number[]): number {
  const [n, m] = [a.length, b.length]
  if (n === 0 || m === 0) return 1
  return exactRankP(wilcoxonRankSum([...a], [...b]) - (n * (n + 1)) / 2, n, m)
}

/** The same where it is known in how many pairs the value of one sample, whichever, is above. Takes min(n, m)² · max(n, m) steps. */
export function exactRankP(pairsAbove: number, n: number, m: number): number {
  const fewest = Math.ceil(Math.min(pairsAbove, n * m - pairsAbove))
  let [extreme, all] = [0, 0]
  waysOf(Math.min(n, m), Math.max(n, m)).forEach((ways, pairs) => {
    if (pairs <= fewest) extreme += ways
    // The other half is the mirror image of this one; in the middle they meet.
    all += 2 * pairs === n * m ? ways : 2 * ways
  })
  return Math.min(1, (2 * extreme) / all)
}

/** The least that rankSumP can answer for samples of this size, however far apart they lie. */
export function leastRankSumP(n: number, m: number): number {
  return rankSumP(Array<number>(n).fill(0), Array<number>(m).fill(1))
}

/**
 * In how many ways n values can be mixed with m others so that in so many pairs the first of them is above, up to half of the
 * pairs: the coefficients of the Gaussian binomial, the product of (1 - q^(m+i)) / (1 - q^i) for i from 1 to n. From below they are
 * whole numbers without rounding; the upper half would be made of differences of large ones.
 */
function waysOf(n: number, m: number): Float64Array {
  const ways = new Float64Array(Math.floor((n * m) / 2) + 1)
  ways[0] = 1
  for (let i = 1; i <= n; i += 1) {
    for (let at = ways.length - 1; at >= m + i; at -= 1) ways[at]! -= ways[at - m - i]!
    for (let at = i; at < ways.length; at += 1) ways[at]! += ways[at - i]!
  }
  return ways
}
