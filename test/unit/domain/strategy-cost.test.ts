import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type LaneMeasures, strategyCosts } from '../../../src/domain/strategy-cost.js'

const MEASURES: LaneMeasures = {
  THREAD: { startMs: 48.61, roundTripUs: 16.24, memoryMb: 9.87 },
  PROCESS: { startMs: 112.4, roundTripUs: 31.6, memoryMb: 18.16 },
}

describe('strategyCosts', () => {
  it('has the textbook’s rows, each with the figures of its kind of lane', () => {
    const thread = { laneStartMs: 48.61, roundTripUs: 16.24, memoryPerLaneMb: 9.87, sharesMemory: true }
    const process = { laneStartMs: 112.4, roundTripUs: 31.6, memoryPerLaneMb: 18.16, sharesMemory: false }
    expect(strategyCosts(MEASURES, 2).map(({ bestFor: _bestFor, ...figures }) => figures)).toEqual([
      { strategy: 'SEQUENTIAL', ...thread, parallel: false },
      { strategy: 'ASYNC', ...thread, parallel: false },
      { strategy: 'THREADS', ...thread, parallel: true },
      { strategy: 'PROCESSES', ...process, parallel: true },
    ])
  })

  it('says what each suits, with the figures of this machine', () => {
    expect(strategyCosts(MEASURES, 2).map(({ bestFor }) => bestFor)).toEqual([
      'the baseline, and what is over in less than the 49 ms that one lane more takes to start',
      'waiting: one lane of 9.9 MB has hundreds of requests in flight, and a lane for each of 100 would take 990 MB',
      'computing on 2 cores: a lane takes 49 ms to start and 9.9 MB, a message there and back 16 µs',
      'computing on 2 cores, in memory of its own, where a crash ends a lane and not the server: a lane takes 110 ms to start and 18 MB, a message there and back 32 µs (a thread: 49 ms, 9.9 MB, 16 µs)',
    ])
  })

  it('promises no parallelism on one core', () => {
    const costs = strategyCosts(MEASURES, 1)
    expect(costs.map(({ parallel }) => parallel)).toEqual([false, false, false, false])
    for (const { bestFor } of costs.slice(2)) {
      expect(bestFor).toMatch(/^computing beside other work, as on 1 core lanes take turns and nothing is done sooner/)
      expect(bestFor).not.toContain('1 cores')
    }
  })

  it('writes large figures in units that can be read', () => {
    const large = { startMs: 2_345, roundTripUs: 1_234, memoryMb: 1_240 }
    const [sequential, async, threads] = strategyCosts({ THREAD: large, PROCESS: large }, 64)
    expect(sequential?.bestFor).toContain('the 2.3 s')
    expect(async?.bestFor).toContain('a lane for each of 100 would take 120 GB')
    expect(threads?.bestFor).toBe(
      'computing on 64 cores: a lane takes 2.3 s to start and 1.2 GB, a message there and back 1.2 ms',
    )
  })

  it('changes no figure and has no sentence without one, whatever was measured', () => {
    const positive = fc.double({ min: 1e-3, max: 1e6, noNaN: true })
    const measure = fc.record({ startMs: positive, roundTripUs: positive, memoryMb: positive })
    const measures = fc.record({ THREAD: measure, PROCESS: measure })
    fc.assert(
      fc.property(measures, fc.integer({ min: 1, max: 512 }), (given, cores) => {
        for (const cost of strategyCosts(given, cores)) {
          const { startMs, roundTripUs, memoryMb } = given[cost.sharesMemory ? 'THREAD' : 'PROCESS']
          expect([cost.laneStartMs, cost.roundTripUs, cost.memoryPerLaneMb]).toEqual([startMs, roundTripUs, memoryMb])
          expect(cost.bestFor).toMatch(/\d (µs|ms|s|MB|GB)\b/)
          expect(cost.bestFor).not.toMatch(/NaN|undefined|e[+-]\d/)
        }
      }),
    )
  })
})
