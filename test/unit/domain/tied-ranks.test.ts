import { expect, it } from 'vitest'
import { leastTiedRankP, tiedRankP } from '../../../src/domain/tied-ranks.js'

// 1, 2, 3, and 4 four times: the three lowest lie 6 ranks from the middle, any three of the highest 4.5.
const UNEVEN = { groups: [1, 1, 1, 4], chosen: 3 }

it('counts the ways that lie as far from the middle, or farther', () => {
  expect(tiedRankP(12, UNEVEN)).toBeCloseTo(1 / 35, 14)
  expect(tiedRankP(0, UNEVEN)).toBeCloseTo(1 / 35, 14)
  // Three of the four highest can be chosen in four ways.
  expect(tiedRankP(1.5, UNEVEN)).toBeCloseTo(5 / 35, 14)
  expect(tiedRankP(6, UNEVEN)).toBe(1)
})

it('has the least that there can be: at the farther end, or at both', () => {
  expect(leastTiedRankP(UNEVEN)).toBeCloseTo(1 / 35, 14)
  expect(leastTiedRankP({ groups: [4, 1, 1, 1], chosen: 3 })).toBeCloseTo(1 / 35, 14)
  expect(leastTiedRankP({ groups: [4, 4], chosen: 4 })).toBeCloseTo(2 / 70, 14)
  expect(leastTiedRankP({ groups: [3, 2, 3], chosen: 4 })).toBeCloseTo(4 / 70, 14)
  expect(leastTiedRankP({ groups: [8], chosen: 4 })).toBe(1)
  expect(leastTiedRankP({ groups: [10_000, 10_000], chosen: 10_000 })).toBe(0)
})
