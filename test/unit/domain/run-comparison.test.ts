import { describe, expect, it } from 'vitest'
import { compareTimes } from '../../../src/domain/run-comparison.js'
import { ascending, Draws } from '../../support/samples.js'

describe('compareTimes', () => {
  it('has the figures of both runs', () => {
    expect(compareTimes(ascending([10, 11, 12]), ascending([20, 22, 24]))).toEqual({
      baselineMedianMs: 11,
      candidateMedianMs: 22,
      ratio: 2,
      ratioLow: 20 / 12,
      ratioHigh: 2.4,
      pValue: 0.1,
      leastPValue: 0.1,
      candidateLonger: 1,
    })
  })

  it('tells two equal runs apart about one time in twenty', () => {
    const draws = new Draws(5)
    const tries = 400
    let told = 0
    for (let at = 0; at < tries; at += 1) if (compareTimes(draws.times(200), draws.times(200)).pValue <= 0.05) told += 1
    expect(told / tries).toBeGreaterThan(0.015)
    expect(told / tries).toBeLessThan(0.1)
  })

  it('finds a run that is 1.5 times slower, with 200 tasks each', () => {
    const draws = new Draws(9)
    for (let at = 0; at < 100; at += 1) {
      const { pValue, ratioLow, candidateLonger } = compareTimes(draws.times(200, 10), draws.times(200, 15))
      expect(pValue).toBeLessThan(0.001)
      expect(ratioLow).toBeGreaterThan(1)
      expect(candidateLonger).toBeGreaterThan(0.5)
    }
  })

  it('takes times for equal that differ by less than the clocks can tell', () => {
    const noisy = (ms: number, noise: number) => ascending(Array.from({ length: 50 }, (_, at) => ms + noise * at))
    // What rounding leaves of equal times, and what is shorter than the step of a clock.
    for (const [a, b] of [
      [noisy(10, 1e-13), noisy(10 + 1e-10, 1e-13)],
      [noisy(0.00009, 1e-16), noisy(0.0002, 1e-7)],
    ] as const)
      expect(compareTimes(a, b)).toMatchObject({ ratio: 1, ratioLow: 1, ratioHigh: 1, pValue: 1, candidateLonger: 0.5 })
  })

  it('is the other way round with the runs changed over', () => {
    const draws = new Draws(13)
    const [a, b] = [draws.times(101), draws.times(101, 13)]
    const [one, other] = [compareTimes(a, b), compareTimes(b, a)]
    expect(other.pValue).toBe(one.pValue)
    expect(other.ratio).toBeCloseTo(1 / one.ratio, 12)
    expect(other.ratioLow).toBeCloseTo(1 / one.ratioHigh, 1)
    expect(other.candidateLonger).toBeCloseTo(1 - one.candidateLonger, 12)
  })
})
