import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { asking, budgetOf, claimed, Guest, settle } from '../../support/fetching-runs.js'

describe('FetchBudget.isolate', () => {
  it('lets the run ask that has the lanes to itself, whoever stands in line before it', () => {
    const budget = budgetOf(4, 2)
    const line = Array.from({ length: 5 }, (_, at) => new Guest(budget, 3, at))
    const solo = new Guest(budget, 3)
    expect([...asking(line), solo.mayAsk]).toEqual([false, false, false, true, true, false])
    budget.isolate(solo.key)
    expect([...asking(line), solo.mayAsk]).toEqual([false, false, false, false, false, true])
    budget.isolate(null)
    expect([...asking(line), solo.mayAsk]).toEqual([false, false, false, true, true, false])
  })

  it('gives it all room, though others wait that want it, of higher priority too', () => {
    const budget = budgetOf(4)
    const others = [new Guest(budget, 9, 1), new Guest(budget, 9)]
    const solo = new Guest(budget, 4)
    budget.isolate(solo.key)
    expect(solo.come()).toBe(true)
    expect([solo.claimed, budget.roomFor(solo).isScarce]).toEqual([4, false])
    expect(others.map((other) => other.come())).toEqual([false, false])
  })

  it('keeps nothing for the line that was owed before', async () => {
    const budget = budgetOf(1)
    const member = new Guest(budget, 5)
    member.come()
    // A lane that has to be turned down: the next free fetch would be its.
    const waiting = new Guest(budget, 5)
    budget.expect(waiting)
    member.wanted = 0
    member.end(1)
    member.pump()
    await settle()
    const solo = new Guest(budget, 2)
    budget.isolate(solo.key)
    expect(solo.come()).toBe(true)
    expect([solo.claimed, waiting.claimed, member.held]).toEqual([1, 0, 0])
    solo.end(1)
    await settle()
    expect(solo.claimed).toBe(1)
  })

  it('shares the room among the parts of the run', () => {
    const budget = budgetOf(4)
    const stranger = new Guest(budget, 9)
    const parts = [new Guest(budget, 9), new Guest(budget, 1)]
    parts[1]!.key = parts[0]!.key
    budget.isolate(parts[0]!.key)
    for (const part of parts) part.come()
    expect(stranger.come()).toBe(false)
    expect(claimed(parts)).toEqual([4, 0])
    parts[0]!.end(1)
    expect(parts[1]!.come()).toBe(true)
    expect(claimed(parts)).toEqual([3, 1])
  })

  it('leaves the line as it was for those who wait in it, whatever the run did meanwhile', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 6 }), fc.nat(2)), { maxLength: 8 }),
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 6 }),
        (wants, maxInFlight, wanted) => {
          const budget = budgetOf(maxInFlight, 3)
          const line = wants.map(([want, priority]) => new Guest(budget, want, priority))
          const before = asking(line)
          const solo = new Guest(budget, wanted)
          budget.isolate(solo.key)
          expect(solo.come()).toBe(true)
          expect(solo.claimed).toBe(Math.min(wanted, maxInFlight))
          expect(asking(line).includes(true)).toBe(false)
          solo.wanted = 0
          solo.end(solo.claimed)
          solo.pump()
          budget.isolate(null)
          expect(asking(line)).toEqual(before)
        },
      ),
    )
  })
})
