import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addLoad, coreWaitWithin, type LaneLoad, loadSince, NO_LOAD } from '../../../src/domain/lane-load.js'

const ms = fc.integer({ min: 0, max: 1_000_000 })
const load: fc.Arbitrary<LaneLoad> = fc.record({ busyMs: ms, coreWaitMs: fc.option(ms) })

describe('addLoad', () => {
  it('adds what is known, and does not know the sum of what is not', () => {
    expect(addLoad({ busyMs: 3, coreWaitMs: 1 }, { busyMs: 4, coreWaitMs: 2 })).toEqual({ busyMs: 7, coreWaitMs: 3 })
    expect(addLoad({ busyMs: 3, coreWaitMs: 1 }, { busyMs: 4, coreWaitMs: null })).toEqual({
      busyMs: 7,
      coreWaitMs: null,
    })
  })

  it('comes to the same in any order, and to nothing with nothing', () => {
    fc.assert(
      fc.property(load, load, load, (a, b, c) => {
        expect(addLoad(a, b)).toEqual(addLoad(b, a))
        expect(addLoad(addLoad(a, b), c)).toEqual(addLoad(a, addLoad(b, c)))
        expect(addLoad(a, NO_LOAD)).toEqual(a)
      }),
    )
  })
})

describe('loadSince', () => {
  it('is what was added', () => {
    fc.assert(
      fc.property(load, load, (before, more) => {
        const since = loadSince(before, addLoad(before, more))
        expect(since.busyMs).toBe(more.busyMs)
        expect(since.coreWaitMs).toBe(before.coreWaitMs === null ? null : more.coreWaitMs)
      }),
    )
  })
})

describe('coreWaitWithin', () => {
  const load = (coreWaitMs: number | null) => ({ busyMs: 100, coreWaitMs })

  it('is no more than the tasks were off the CPU', () => {
    expect(coreWaitWithin(load(67), 106, 39)).toBe(67)
    expect(coreWaitWithin(load(80), 106, 39)).toBe(67)
    expect(coreWaitWithin(load(5), 106, 110)).toBe(0)
  })

  it('is nothing where the platform does not tell', () => {
    expect(coreWaitWithin(load(null), 106, 39)).toBe(0)
    expect(coreWaitWithin(undefined, 106, 39)).toBe(0)
    expect(coreWaitWithin(load(67), 106, 0)).toBe(0)
  })
})
