import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toRunKey } from '../../../src/domain/ids.js'
import { type HostClaim, shareHost } from '../../../src/engine/host-shares.js'

let turns = 0

function claim(changes: Partial<Omit<HostClaim, 'run'>> & { run?: string } = {}): HostClaim {
  turns += 1
  const { run, ...rest } = changes
  return {
    run: run === undefined ? null : toRunKey(run),
    priority: 0,
    underway: 0,
    waiting: 100,
    spare: 100,
    wouldTake: () => true,
    isPassedOver: false,
    isInTurn: false,
    turn: turns,
    ...rest,
  }
}

describe('shareHost', () => {
  it('gives all to who is alone, and nothing to who wants nothing', () => {
    expect(shareHost([claim()], 16)).toEqual([16])
    expect(shareHost([claim(), claim({ waiting: 0 })], 16)).toEqual([16, 0])
    expect(shareHost([claim({ waiting: 3 })], 16)).toEqual([3])
  })

  it('is even among runs, what is under way counted, and the odd one goes to who was served longest ago', () => {
    expect(shareHost([claim(), claim()], 16)).toEqual([8, 8])
    expect(shareHost([claim({ underway: 10 }), claim()], 6)).toEqual([0, 6])
    expect(shareHost([claim({ underway: 4 }), claim()], 12)).toEqual([4, 8])
    expect(shareHost([claim({ turn: 9 }), claim({ turn: 8 })], 1)).toEqual([0, 1])
    expect(shareHost([claim({ waiting: 2 }), claim(), claim()], 16)).toEqual([2, 7, 7])
  })

  it('counts the stages of a run as one', () => {
    expect(shareHost([claim({ run: 'one' }), claim({ run: 'one' }), claim({ run: 'other' })], 16)).toEqual([4, 4, 8])
  })

  it('serves the highest priority first', () => {
    expect(shareHost([claim(), claim({ priority: 5, waiting: 10 })], 16)).toEqual([6, 10])
    expect(shareHost([claim(), claim({ priority: 5 })], 16)).toEqual([0, 16])
  })

  it('keeps nothing for who could not take it, unless nobody else can', () => {
    expect(shareHost([claim({ spare: 0 }), claim({ waiting: 10 })], 16)).toEqual([6, 10])
    expect(shareHost([claim({ spare: 2 }), claim()], 16)).toEqual([2, 14])
    expect(shareHost([claim({ isPassedOver: true }), claim({ waiting: 15 })], 16)).toEqual([1, 15])
  })

  it('keeps one place for the first of those that have no lane', () => {
    const waiting = { spare: null }
    expect(shareHost([claim({ underway: 15 }), claim(waiting), claim(waiting)], 1)).toEqual([0, 1, 0])
    expect(shareHost([claim(), claim(waiting), claim(waiting)], 16)).toEqual([15, 1, 0])
    expect(shareHost([claim(waiting), claim(waiting)], 16)).toEqual([8, 8])
    const idle = { spare: null, wouldTake: () => false }
    expect(shareHost([claim({ underway: 15 }), claim(idle), claim(waiting)], 1)).toEqual([0, 0, 1])
  })

  it('goes on with who has its turn, among those that have as many', () => {
    const inTurn = { isInTurn: true }
    expect(shareHost([claim({ turn: 9, ...inTurn }), claim({ turn: 8 })], 1)).toEqual([1, 0])
    expect(shareHost([claim({ underway: 1, ...inTurn }), claim()], 1)).toEqual([0, 1])
  })

  it('never gives more than is free or wanted, and leaves nothing that is wanted', () => {
    const claims = fc.array(
      fc
        .record({
          run: fc.constantFrom('a', 'b', 'c', 'd'),
          priority: fc.integer({ min: 0, max: 2 }),
          underway: fc.nat(20),
          waiting: fc.nat(20),
          spare: fc.option(fc.nat(20)),
          mayTake: fc.boolean(),
          isPassedOver: fc.boolean(),
          isInTurn: fc.boolean(),
        })
        .map(({ mayTake, ...changes }) => claim({ ...changes, wouldTake: () => mayTake })),
      { maxLength: 8 },
    )
    fc.assert(
      fc.property(claims, fc.nat(30), (all, free) => {
        const shares = shareHost(all, free)
        const wanted = all.reduce((sum, { waiting }) => sum + waiting, 0)
        expect(shares.reduce((sum, share) => sum + share, 0)).toBe(Math.min(free, wanted))
        shares.forEach((share, at) => {
          expect(share).toBeGreaterThanOrEqual(0)
          expect(share).toBeLessThanOrEqual(all[at]!.waiting)
        })
      }),
    )
  })
})
