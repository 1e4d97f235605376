import { describe, expect, it } from 'vitest'
import { type EstimateInput, estimateEnd, ThroughputWindow } from '../../../src/domain/eta.js'

/** A generator of its own, so that a run of the test is every run. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

describe('ThroughputWindow', () => {
  it('is 0 before anything is known', () => {
    const window = new ThroughputWindow()
    expect(window.perSecond(100)).toBe(0)
    expect(window.slices(100)).toEqual([])
    window.record(1000, 0)
    expect(window.perSecond(1000)).toBe(0)
    expect(window.perSecond(1500)).toBe(0)
  })

  it('divides by the time since the start while that is less than five seconds', () => {
    const window = new ThroughputWindow()
    window.record(1000, 0)
    window.record(1010, 40)
    expect(window.perSecond(1010)).toBe(4000)
    expect(window.perSecond(1100)).toBe(400)
    expect(window.perSecond(3000)).toBe(20)
  })

  it('counts the last five seconds and nothing before them', () => {
    const window = new ThroughputWindow()
    window.record(0, 0)
    for (let ms = 100; ms <= 20_000; ms += 100) window.record(ms, ms <= 10_000 ? ms : 10_000 + (ms - 10_000) / 10)
    expect(window.perSecond(20_000)).toBe(100)
    expect(window.perSecond(22_500)).toBe(50)
    expect(window.perSecond(25_000)).toBe(0)
  })

  it('starts from what had ended before, after a restart', () => {
    const window = new ThroughputWindow()
    window.record(0, 5000)
    window.record(1000, 5030)
    expect(window.perSecond(1000)).toBe(30)
  })

  it('forgets nothing of the window, however many samples there are', () => {
    const window = new ThroughputWindow()
    window.record(0, 0)
    for (let at = 1; at <= 200_000; at += 1) window.record(at / 10, at)
    // Samples closer than 50 ms are told apart no more: 1 % of the window.
    expect(window.perSecond(20_000)).toBeGreaterThan(9900)
    expect(window.perSecond(20_000)).toBeLessThanOrEqual(10_100)
    const slices = window.slices(20_000)
    expect(slices).toHaveLength(10)
    expect(slices.reduce((sum, count) => sum + count, 0)).toBeCloseTo(window.perSecond(20_000) * 5)
  })

  it('tells the half seconds since the start, the newest first', () => {
    const window = new ThroughputWindow()
    window.record(0, 0)
    window.record(400, 10)
    window.record(900, 13)
    window.record(1100, 14)
    expect(window.slices(1100)).toEqual([4, 10])
    expect(window.slices(499)).toEqual([])
  })
})

describe('estimateEnd', () => {
  const base: EstimateInput = { done: 500, total: 1000, elapsedMs: 5000, throughput: 100, slices: Array(10).fill(50) }

  it('is null while there is nothing to estimate from', () => {
    expect(estimateEnd({ ...base, done: 0, throughput: 0, slices: [] })).toBeNull()
    expect(estimateEnd({ ...base, elapsedMs: 0 })).toBeNull()
  })

  it('is 0 when all is done', () => {
    expect(estimateEnd({ ...base, done: 1000 })).toEqual({ etaMs: 0, etaHighMs: 0 })
  })

  it('is what is left over the recent throughput', () => {
    expect(estimateEnd(base)?.etaMs).toBe(5000)
    expect(estimateEnd({ ...base, throughput: 50 })?.etaMs).toBe(10_000)
  })

  it('goes by the whole run while nothing moves', () => {
    const stalled = estimateEnd({ ...base, elapsedMs: 20_000, throughput: 0, slices: Array(10).fill(0) })
    expect(stalled?.etaMs).toBe(20_000)
    expect(stalled?.etaHighMs).toBeGreaterThan(20_000)
  })

  it('has a high bound near the likely one where the rate is steady, and far from it where it is not', () => {
    const steady = estimateEnd(base)?.etaHighMs as number
    const wild = estimateEnd({ ...base, slices: [90, 10, 90, 10, 90, 10, 90, 10, 90, 10] })?.etaHighMs as number
    expect(steady).toBeLessThan(5100)
    expect(wild).toBeGreaterThan(1.3 * steady)
  })

  it('is no sooner than the whole run’s average says', () => {
    expect(estimateEnd({ ...base, elapsedMs: 50_000 })?.etaHighMs).toBe(50_000)
  })

  it('says little after the first task, and more with each', () => {
    const spread = (done: number) => {
      const input = { done, total: 10_000, elapsedMs: done, throughput: 1000, slices: [] }
      const { etaMs, etaHighMs } = estimateEnd(input) as { etaMs: number; etaHighMs: number }
      return etaHighMs / etaMs
    }
    expect(spread(1)).toBeGreaterThan(8)
    expect(spread(10)).toBeLessThan(2)
    expect(spread(400)).toBeLessThan(1.1)
  })

  it('is always finite and never below the likely one', () => {
    for (const slices of [[], [0, 1], [0, 0, 1], [1, 0, 0, 0, 0, 0, 0, 0, 0, 0], [3, 3, 3]]) {
      const estimate = estimateEnd({ done: 1, total: 1_000_000, elapsedMs: 400, throughput: 0.2, slices })
      expect(Number.isFinite(estimate?.etaHighMs)).toBe(true)
      expect(estimate?.etaHighMs).toBeGreaterThanOrEqual(estimate?.etaMs as number)
    }
  })

  it('is passed by the true end about one time in ten', () => {
    const random = randomFrom(7)
    let late = 0
    const runs = 400
    for (let run = 0; run < runs; run += 1) {
      // Tasks end one by one, after exponential gaps of 20 ms; asked after six seconds.
      const window = new ThroughputWindow()
      let nowMs = 0
      let done = 0
      let asked: { atMs: number; highMs: number } | null = null
      window.record(0, 0)
      while (done < 600) {
        nowMs += -20 * Math.log(1 - random())
        done += 1
        window.record(nowMs, done)
        if (asked === null && nowMs > 6000) {
          const input = { done, total: 600, elapsedMs: nowMs, throughput: window.perSecond(nowMs) }
          const estimate = estimateEnd({ ...input, slices: window.slices(nowMs) })
          asked = { atMs: nowMs, highMs: estimate?.etaHighMs ?? 0 }
        }
      }
      if (asked && nowMs > asked.atMs + asked.highMs) late += 1
    }
    expect(late / runs).toBeGreaterThan(0.03)
    expect(late / runs).toBeLessThan(0.15)
  })
})
