import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FetchBudget } from '../../../src/engine/fetch-budget.js'
import { asking, budgetOf, claimed, Guest, Run, settle } from '../../support/fetching-runs.js'

describe('FetchBudget', () => {
  it('gives a lone run all that it wants, and no more than there is', () => {
    const budget = budgetOf(10)
    const run = new Run(budget, 100)
    run.pump()
    expect(run.claimed).toBe(10)
    expect(budget.roomFor(run)).toEqual({ room: 0, isScarce: false })
  })

  it('says by how much a run has more than its share, once there are others', () => {
    const budget = budgetOf(10)
    const first = new Run(budget, 100)
    first.pump()
    const second = new Run(budget, 100)
    expect([budget.roomFor(first), budget.roomFor(second)]).toEqual([
      { room: -5, isScarce: true },
      { room: 0, isScarce: true },
    ])
  })

  it('has what was handed out ahead given back when another run comes and there is not enough for all', () => {
    const budget = new FetchBudget({ maxInFlight: 10, maxLanes: 2 })
    const first = new Run(budget, 6)
    new Guest(budget, 4)
    expect(first.recalled).toBe(0)
    const late = new Guest(budget, 1)
    expect(first.recalled).toBe(0)
    const wide = new Guest(budget, 5)
    expect(first.recalled).toBe(1)
    budget.note(wide)
    budget.note(late)
    expect(first.recalled).toBe(1)
    const second = new Run(budget, 5)
    expect([first.recalled, second.recalled]).toEqual([2, 0])
  })

  it('has it given back, too, when one that is there comes to want more', () => {
    const budget = budgetOf(10)
    const first = new Run(budget, 9)
    const second = new Run(budget, 1)
    expect([first.recalled, second.recalled]).toEqual([0, 0])
    second.wanted = 5
    budget.note(second)
    expect([first.recalled, second.recalled]).toEqual([1, 0])
    budget.note(second)
    expect(first.recalled).toBe(1)
    second.wanted = 1
    budget.note(second)
    second.wanted = 2
    budget.note(second)
    expect(first.recalled).toBe(2)
  })

  it('moves towards equal shares as fetches end', async () => {
    const budget = budgetOf(10)
    const first = new Run(budget, 100)
    first.pump()
    const second = new Run(budget, 100)
    for (let ended = 0; ended < 8; ended += 1) {
      first.end(1)
      await settle()
      expect(first.claimed + second.claimed).toBe(10)
    }
    expect(claimed([first, second])).toEqual([5, 5])
  })

  it('lets the others have what one does not want', async () => {
    const budget = budgetOf(10)
    const runs = [1, 100, 3].map((wanted) => new Run(budget, wanted))
    budget.offer()
    await settle()
    expect(claimed(runs)).toEqual([1, 6, 3])
  })

  it('gives each run its turn where there are more runs than fetches', async () => {
    const budget = budgetOf(1)
    const runs = Array.from({ length: 3 }, () => new Run(budget, 5))
    const turns = [0, 0, 0]
    budget.offer()
    await settle()
    for (let round = 0; round < 30; round += 1) {
      const holder = runs.findIndex((run) => run.claimed === 1)
      turns[holder]! += 1
      runs[holder]?.end(1)
      await settle()
      expect(runs.reduce((sum, run) => sum + run.claimed, 0)).toBe(1)
    }
    expect(turns).toEqual([10, 10, 10])
  })

  it('offers what a run leaves to those that stay, and nothing to the one that has left', async () => {
    const budget = budgetOf(4)
    const first = new Run(budget, 4)
    const second = new Run(budget, 4)
    first.pump()
    first.claimed = 0
    first.held = 0
    first.wanted = 0
    budget.note(first)
    await settle()
    expect([second.claimed, first.pumped]).toEqual([4, 1])
  })

  it('offers once for all changes of a turn of the event loop', async () => {
    const budget = budgetOf(4)
    const run = new Run(budget, 4)
    for (let change = 0; change < 10; change += 1) budget.offer()
    await settle()
    expect(run.pumped).toBe(1)
  })

  it('never exceeds the limit, leaves nothing unused, and starves nobody', async () => {
    const wants = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 6 })
    const ends = fc.array(fc.record({ at: fc.nat(5), count: fc.integer({ min: 1, max: 5 }) }), { maxLength: 30 })
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 12 }), wants, ends, async (limit, each, steps) => {
        const budget = budgetOf(limit)
        const runs = each.map((wanted) => new Run(budget, wanted))
        const all = () => runs.reduce((sum, run) => sum + run.claimed, 0)
        const wanted = each.reduce((sum, want) => sum + want, 0)
        const served = new Set<Run>()
        const look = () => {
          expect(all()).toBe(Math.min(limit, wanted))
          for (const run of runs) if (run.claimed > 0) served.add(run)
        }
        budget.offer()
        await settle()
        look()
        for (const { at, count } of steps) {
          runs[at % runs.length]?.end(count)
          await settle()
          look()
        }
        for (let round = 0; round < runs.length; round += 1) {
          for (const run of runs) run.end(run.claimed)
          await settle()
          look()
        }
        expect(served.size).toBe(runs.length)
      }),
    )
  })
})

describe('FetchBudget, runs of different priority', () => {
  it('gives a higher one all that it can use, as the fetches of the others end, and the others what it leaves', async () => {
    const budget = budgetOf(10)
    const low = new Guest(budget, 100, 0)
    low.come()
    const high = new Guest(budget, 6, 1)
    low.end(1)
    expect(high.come()).toBe(true)
    expect(low.recalled).toBeGreaterThan(0)
    for (let ended = 0; ended < 20; ended += 1) {
      low.end(1)
      await settle()
      expect(low.claimed + high.claimed).toBe(10)
    }
    expect([low.claimed, high.claimed]).toEqual([4, 6])
    high.wanted = 30
    high.end(0)
    for (let ended = 0; ended < 4; ended += 1) {
      low.end(1)
      await settle()
    }
    // Nothing is left for the lower one, and it gives its lane back.
    expect([low.claimed, low.held, high.claimed]).toEqual([0, 0, 10])
    high.end(3)
    await settle()
    expect([low.mayAsk, high.claimed]).toEqual([false, 10])
    high.wanted = 2
    high.end(8)
    expect(low.come()).toBe(true)
    await settle()
    expect([low.claimed, high.claimed]).toEqual([8, 2])
  })

  it('keeps nothing for what lanes cannot take that a run does not have', () => {
    const budget = budgetOf(64)
    const narrow = new Guest(budget, 64)
    Object.defineProperty(narrow, 'usable', { value: 16 })
    narrow.come()
    narrow.claimed = 16
    const wide = new Guest(budget, 64)
    expect(wide.come()).toBe(true)
    expect([wide.claimed, budget.roomFor(narrow).room]).toEqual([48, 0])
  })
})

describe('FetchBudget, runs without a lane', () => {
  it('lets them ask for one while there is room, by priority and then as they came, and no more than there are lanes', () => {
    const budget = budgetOf(10, 2)
    const runs = [0, 0, 5, 0].map((priority) => new Guest(budget, 3, priority))
    expect(asking(runs)).toEqual([true, false, true, false])
    // The second one was told that it might ask, and that it may no more.
    expect(runs.map(({ told }) => told)).toEqual([1, 2, 1, 0])
    expect(runs[2]?.come()).toBe(true)
    expect(asking(runs)).toEqual([true, true, false, false])
  })

  it('lets no more of them ask than there is room for', () => {
    const budget = budgetOf(3)
    new Run(budget, 1).pump()
    const runs = Array.from({ length: 4 }, () => new Guest(budget, 1))
    expect(asking(runs)).toEqual([true, true, false, false])
  })

  it('lets none ask while there is no room, and the first one when a fetch ends', async () => {
    const budget = budgetOf(4)
    const runs = Array.from({ length: 3 }, () => new Guest(budget, 10))
    expect(runs[0]?.come()).toBe(true)
    expect([claimed(runs), asking(runs)]).toEqual([
      [4, 0, 0],
      [false, false, false],
    ])
    runs[0]?.end(1)
    expect(asking(runs)).toEqual([false, true, false])
    expect(runs[1]?.come()).toBe(true)
    await settle()
    expect(claimed(runs)).toEqual([3, 1, 0])
  })

  it('keeps a fetch free for a run whose lane is on its way, and its share of what ends meanwhile', async () => {
    const budget = budgetOf(4)
    const [first, second] = [new Guest(budget, 10), new Guest(budget, 10)]
    first.come()
    first.end(1)
    expect(budget.expect(second)).toBe(true)
    await settle()
    expect(first.claimed).toBe(3)
    first.end(2)
    await settle()
    expect(first.claimed).toBe(2)
    second.attach()
    expect(claimed([first, second])).toEqual([2, 2])
  })

  it('gives what was kept to the others when the lane does not come, and lets another one try first', async () => {
    const budget = budgetOf(4, 1)
    const member = new Run(budget, 10)
    member.pump()
    const [first, second] = [new Guest(budget, 10), new Guest(budget, 10)]
    member.claimed -= 1
    budget.note(first)
    expect(asking([first, second])).toEqual([true, false])
    budget.expect(first)
    await settle()
    budget.miss(first)
    expect(asking([first, second])).toEqual([false, true])
    budget.offer()
    await settle()
    expect(member.claimed).toBe(4)
  })

  it('forgets a run that has nothing more to fetch, wherever it waits', async () => {
    const budget = budgetOf(2)
    const member = new Run(budget, 10)
    member.pump()
    const [first, second] = [new Guest(budget, 10), new Guest(budget, 10)]
    member.end(1)
    budget.note(first)
    expect(budget.expect(first)).toBe(true)
    await settle()
    first.wanted = 0
    budget.note(first)
    expect(asking([first, second])).toEqual([false, true])
    second.wanted = 0
    budget.note(second)
    await settle()
    expect([member.claimed, asking([first, second])]).toEqual([2, [false, false]])
  })

  it('lets who waits for a lane go on asking, though the others take up what becomes free', async () => {
    const budget = budgetOf(2)
    const member = new Run(budget, 10)
    member.pump()
    const [first, later] = [new Guest(budget, 10), new Guest(budget, 10)]
    member.end(1)
    budget.note(member)
    await settle()
    expect([member.claimed, asking([first, later])]).toEqual([2, [true, false]])
    // Who comes now came too late for that room, be it before the others.
    const high = new Guest(budget, 10, 1)
    expect(asking([high, first, later])).toEqual([true, false, false])
  })

  it('lets nobody ask in the place of one that has gone, where the room has gone too', () => {
    const budget = budgetOf(3)
    const member = new Run(budget, 10)
    const first = new Guest(budget, 10)
    expect(first.mayAsk).toBe(true)
    member.pump()
    const later = new Guest(budget, 10)
    expect([member.claimed, asking([first, later])]).toEqual([3, [true, false]])
    first.wanted = 0
    budget.note(first)
    expect(asking([first, later])).toEqual([false, false])
  })

  it('keeps the next free fetch for the line when a lane had to be turned down', async () => {
    const budget = budgetOf(2)
    const member = new Run(budget, 10)
    member.pump()
    const runs = [new Guest(budget, 10), new Guest(budget, 10)]
    member.end(1)
    budget.note(member)
    await settle()
    expect(runs[0]?.come()).toBe(false)
    expect(asking(runs)).toEqual([false, false])
    member.end(1)
    budget.note(member)
    await settle()
    expect([member.claimed, asking(runs)]).toEqual([1, [true, false]])
    expect(runs[0]?.come()).toBe(true)
    expect([member.claimed, runs[0]?.claimed]).toEqual([1, 1])
    // That was for once.
    member.end(1)
    await settle()
    expect(member.claimed).toBe(1)
  })

  it('keeps nothing for a line that has gone', async () => {
    const budget = budgetOf(2)
    const member = new Run(budget, 10)
    member.pump()
    const run = new Guest(budget, 10)
    member.end(1)
    budget.note(member)
    await settle()
    expect(run.come()).toBe(false)
    member.end(1)
    await settle()
    expect(member.claimed).toBe(1)
    run.wanted = 0
    budget.note(run)
    await settle()
    expect(member.claimed).toBe(2)
  })

  it('says that there is not enough for all while some wait for room, not while they wait for a lane', async () => {
    const budget = budgetOf(4)
    const member = new Run(budget, 4)
    member.pump()
    expect(budget.roomFor(member).isScarce).toBe(false)
    const runs = [new Guest(budget, 1), new Guest(budget, 1)]
    expect(budget.roomFor(member).isScarce).toBe(true)
    member.end(1)
    budget.note(member)
    await settle()
    expect([member.claimed, asking(runs), budget.roomFor(member).isScarce]).toEqual([4, [true, false], false])
  })

  it('gives each its turn, one fetch each, where one may be in flight and two lanes are free', async () => {
    const budget = budgetOf(1, 2)
    const runs = Array.from({ length: 3 }, () => new Guest(budget, 5))
    const turns: number[] = []
    for (let round = 0; round < 9; round += 1) {
      for (const run of runs) run.come()
      await settle()
      expect(runs.map(({ held }) => held)).toEqual(claimed(runs))
      turns.push(runs.findIndex((run) => run.claimed === 1))
      runs[turns.at(-1)!]?.end(1)
    }
    expect(turns).toEqual([0, 1, 2, 0, 1, 2, 0, 1, 2])
  })
})
