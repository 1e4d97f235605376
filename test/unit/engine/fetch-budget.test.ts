import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FetchBudget, type FetchingRun } from '../../../src/engine/fetch-budget.js'

class Run implements FetchingRun {
  claimed = 0
  pumped = 0

  constructor(
    readonly budget: FetchBudget,
    readonly wanted: number,
  ) {
    budget.join(this)
  }

  pump(): void {
    this.pumped += 1
    this.claimed += Math.max(0, Math.min(this.wanted - this.claimed, this.budget.roomFor(this).room))
  }

  /** Some of its fetches have ended. */
  end(count: number): void {
    this.claimed -= Math.min(count, this.claimed)
    this.budget.offer()
  }
}

const claimed = (runs: Run[]) => runs.map((run) => run.claimed)

async function settle(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve))
}

describe('FetchBudget', () => {
  it('gives a lone run all that it wants, and no more than there is', () => {
    const budget = new FetchBudget(10)
    const run = new Run(budget, 100)
    run.pump()
    expect(run.claimed).toBe(10)
    expect(budget.roomFor(run)).toEqual({ room: 0, isScarce: false })
  })

  it('says by how much a run has more than its share, once there are others', () => {
    const budget = new FetchBudget(10)
    const first = new Run(budget, 100)
    first.pump()
    const second = new Run(budget, 100)
    expect([budget.roomFor(first), budget.roomFor(second)]).toEqual([
      { room: -5, isScarce: true },
      { room: 0, isScarce: true },
    ])
  })

  it('moves towards equal shares as fetches end', async () => {
    const budget = new FetchBudget(10)
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
    const budget = new FetchBudget(10)
    const runs = [1, 100, 3].map((wanted) => new Run(budget, wanted))
    budget.offer()
    await settle()
    expect(claimed(runs)).toEqual([1, 6, 3])
  })

  it('gives each run its turn where there are more runs than fetches', async () => {
    const budget = new FetchBudget(1)
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
    const budget = new FetchBudget(4)
    const first = new Run(budget, 4)
    const second = new Run(budget, 4)
    first.pump()
    first.claimed = 0
    budget.leave(first)
    await settle()
    expect([second.claimed, first.pumped]).toEqual([4, 1])
  })

  it('offers once for all changes of a turn of the event loop', async () => {
    const budget = new FetchBudget(4)
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
        const budget = new FetchBudget(limit)
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
