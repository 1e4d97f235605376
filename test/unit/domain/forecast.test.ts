import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { busyMsOf, type FetchLoad, fetchForecast, makespanMs, type SharedWork } from '../../../src/domain/forecast.js'

/** Hands each task to the lane that is free first. */
function simulated({ tasks, taskMs, lanes, laneMs }: SharedWork): number {
  const freeAt = Array.from({ length: lanes }, (_, lane) => (lane === 0 ? 0 : laneMs))
  for (let task = 0; task < tasks; task += 1) {
    const next = freeAt.indexOf(Math.min(...freeAt))
    freeAt[next]! += taskMs
  }
  const busy = freeAt.filter((ms, lane) => ms > (lane === 0 ? 0 : laneMs))
  return Math.max(0, ...busy)
}

describe('makespanMs', () => {
  it('is the time of one lane where there is one', () => {
    expect(makespanMs({ tasks: 7, taskMs: 3, lanes: 1, laneMs: 50 })).toBe(21)
    expect(makespanMs({ tasks: 0, taskMs: 3, lanes: 2, laneMs: 0 })).toBe(0)
  })

  it('shares whole tasks out', () => {
    expect(makespanMs({ tasks: 3, taskMs: 100, lanes: 2, laneMs: 0.5 })).toBe(200)
    expect(makespanMs({ tasks: 2, taskMs: 100, lanes: 2, laneMs: 0.5 })).toBe(100.5)
    expect(makespanMs({ tasks: 100, taskMs: 40, lanes: 4, laneMs: 0 })).toBe(1000)
  })

  it('has lanes that come late do less, or nothing', () => {
    expect(makespanMs({ tasks: 10, taskMs: 10, lanes: 2, laneMs: 50 })).toBe(80)
    expect(makespanMs({ tasks: 3, taskMs: 0.001, lanes: 2, laneMs: 0.5 })).toBeCloseTo(0.003)
  })

  it('is what a lane after the other comes to', () => {
    const work = fc.record({
      tasks: fc.integer({ min: 1, max: 200 }),
      taskMs: fc.integer({ min: 1, max: 50 }),
      lanes: fc.integer({ min: 1, max: 6 }),
      laneMs: fc.integer({ min: 0, max: 300 }),
    })
    fc.assert(
      fc.property(work, (one) => {
        expect(makespanMs(one)).toBeCloseTo(simulated(one))
      }),
    )
  })
})

describe('fetchForecast', () => {
  const load: FetchLoad = {
    requests: 100,
    concurrency: 10,
    mostToOneHost: 60,
    perHostConcurrency: null,
    serverHostConcurrency: null,
    perHostRate: null,
  }
  const cost = { serviceMs: 20, connectMs: 3, busyMs: 0.1 }

  it('goes by rounds of those that are in flight at once', () => {
    expect(fetchForecast(load, cost)).toEqual({ wallMs: 203, pace: 'CONCURRENCY' })
    expect(fetchForecast({ ...load, requests: 101 }, cost).wallMs).toBe(223)
    expect(fetchForecast({ ...load, requests: 3 }, cost).wallMs).toBe(23)
  })

  it.each<[string, Partial<FetchLoad>, number, string]>([
    ['what may be in flight to one host', { perHostConcurrency: 2 }, 603, 'HOST_CONCURRENCY'],
    ['what all runs may have in flight to one host', { serverHostConcurrency: 3 }, 403, 'SERVER_HOST_CONCURRENCY'],
    ['the lower one of two limits', { perHostConcurrency: 2, serverHostConcurrency: 3 }, 603, 'HOST_CONCURRENCY'],
    ['what a host may be asked in a second', { perHostRate: 10 }, 59 * 102 + 23, 'HOST_RATE'],
    [
      'what the event loop is kept busy, to open connections too',
      { requests: 100_000, concurrency: 1_000 },
      10_000 + 1_000 * 0.4,
      'EVENT_LOOP',
    ],
    ['the concurrency where a host may have more', { perHostConcurrency: 20, perHostRate: 10_000 }, 203, 'CONCURRENCY'],
  ])('is bounded by %s', (_what, change, wallMs, pace) => {
    const forecast = fetchForecast({ ...load, ...change }, cost)
    expect(forecast.pace).toBe(pace)
    expect(forecast.wallMs).toBeCloseTo(wallMs)
  })

  it('expects a single request at once, whatever the rate', () => {
    const one = { ...load, requests: 1, mostToOneHost: 1, perHostRate: 0.1 }
    expect(fetchForecast(one, cost).wallMs).toBe(23)
  })
})

describe('busyMsOf', () => {
  it('is what a lone request takes less what it takes as such, and a little at least', () => {
    expect(busyMsOf(3)).toBeCloseTo(2.5)
    expect(busyMsOf(0.4)).toBe(0.05)
  })
})
