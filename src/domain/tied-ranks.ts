/** The rank-sum test where values are equal: they share the middle of their ranks, and the ways of sharing those out are counted. */

/** The values of two samples together. */
export interface TiedRanks {
  /** How many values are equal, the least value first: a single one is a group of 1. */
  groups: readonly number[]
  /** How many of them are in the smaller sample. */
  chosen: number
}

/**
 * The share of all ways to choose the smaller sample whose ranks lie as far from the middle, or farther, where it is known in how many
 * pairs the value of one sample, whichever, is above. Takes chosen² · others · all steps at most.
 */
export function tiedRankP(pairsAbove: number, { groups, chosen }: TiedRanks): number {
  const ranks = doubledRanks(groups)
  const ways = waysOfSums(ranks, chosen)
  // Twice the sum of ranks is twice the pairs and what the chosen ones have among themselves.
  const middle = chosen * (ranks.length + 1)
  const observed = Math.abs(2 * pairsAbove - chosen * (ranks.length - chosen))
  const lowest = sumOf(ranks.slice(0, chosen))
  let [extreme, all] = [0, 0]
  ways.forEach((count, at) => {
    if (Math.abs(lowest + at - middle) >= observed) extreme += count
    all += count
  })
  return extreme / all
}

/** The least that there can be: one sample has the lowest values, or the highest. */
export function leastTiedRankP({ groups, chosen }: TiedRanks): number {
  const all = sumOf(groups)
  const [low, high] = [outermost(groups, chosen), outermost(groups.toReversed(), chosen)]
  const farthest = Math.max(low.distance, high.distance)
  if (farthest === 0) return 1
  const outer = [low, high].filter(({ distance }) => distance === farthest)
  return sumOf(outer.map(({ members, picked }) => shareOf({ members, picked, all, chosen })))
}

/** Twice the rank of each value, which is a whole number for equal ones too. */
function doubledRanks(groups: readonly number[]): number[] {
  let before = 0
  return groups.flatMap((size) => {
    const rank = 2 * before + size + 1
    before += size
    return Array<number>(size).fill(rank)
  })
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0)
}

/**
 * In how many ways so many of the ranks can be chosen for each sum, from the least that there is: rank by rank, those that leave it out and
 * those that take it. All are added up and none subtracted, so that they are as exact as doubles are.
 */
function waysOfSums(ranks: readonly number[], chosen: number): Float64Array {
  const all = ranks.length
  /** The sum of so many ranks, the lowest ones. */
  const lowest = new Float64Array(all + 1)
  for (const [at, rank] of ranks.entries()) lowest[at + 1] = lowest[at]! + rank
  const ways = Array.from({ length: chosen + 1 }, (_, count) => {
    return new Float64Array(lowest[all]! - lowest[all - count]! - lowest[count]! + 1)
  })
  ways[0]![0] = 1
  for (let seen = 1; seen <= all; seen += 1) {
    // Fewer would not be enough any more, whatever comes.
    const fewest = Math.max(1, chosen - (all - seen))
    for (let count = Math.min(seen, chosen); count >= fewest; count -= 1) {
      const [from, to] = [ways[count - 1]!, ways[count]!]
      const shift = ranks[seen - 1]! - ranks[count - 1]!
      const highest = lowest[seen - 1]! - lowest[seen - count]! - lowest[count - 1]!
      for (let at = 0; at <= highest; at += 1) to[at + shift]! += from[at]!
    }
  }
  return ways[chosen]!
}

/** The chosen ones are the first: how far their ranks lie from the middle, and how many of the last group that they reach into they have. */
function outermost(groups: readonly number[], chosen: number): { distance: number; members: number; picked: number } {
  const all = sumOf(groups)
  let [before, sum] = [0, 0]
  for (const members of groups) {
    const picked = Math.min(members, chosen - before)
    sum += picked * (2 * before + members + 1)
    before += picked
    if (before === chosen) return { distance: chosen * (all + 1) - sum, members, picked }
  }
  throw new RangeError(`${chosen} of ${all} values cannot be chosen`)
}

/**
 * The share of all choices that have so many of these members and else the same: the ways to pick them over the ways to choose. None of the
 * factors is above 1, so that many of them come to 0 at worst.
 */
function shareOf({ members, picked, all, chosen }: { members: number; picked: number; all: number; chosen: number }) {
  let share = 1
  for (let at = 1; at <= chosen; at += 1) {
    share *= (at <= picked ? members - picked + at : at) / (all - chosen + at)
  }
  return share
}
