import { describe, expect, it } from 'vitest'
import { RecentTimes } from '../../../src/domain/recent-times.js'

describe('RecentTimes', () => {
  it('has no percentile without a time, and the nearest rank of a few', () => {
    const times = new RecentTimes()
    expect(times.percentile(0.95)).toBeNull()
    for (const timeMs of [30, 10, 20]) times.add(timeMs)
    expect([0, 0.5, 0.95, 1].map((p) => times.percentile(p))).toEqual([10, 20, 30, 30])
  })

  it('forgets all but the last hundred', () => {
    const times = new RecentTimes()
    for (let timeMs = 1; timeMs <= 1_250; timeMs += 1) times.add(timeMs)
    expect([0, 0.95, 1].map((p) => times.percentile(p))).toEqual([1_151, 1_245, 1_250])
  })
})
