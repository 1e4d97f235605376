import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FetchBudget, type FetchingRun } from '../../../src/engine/fetch-budget.js'

/** A run that keeps its lane. */
class Run implements FetchingRun {
  readonly priority: number = 0
  held = 1
  claimed = 0
  pumped = 0
  recalled = 0

  constructor(
    readonly budget: FetchBudget,
    public wanted: number,
  ) {
    budget.note(this)
  }

  get usable(): number {
    return this.wanted
  }

  pump(): void {
    this.pumped += 1
    this.claimed += Math.max(0, Math.min(this.wanted - this.claimed, this.budget.roomFor(this).room))
  }

  recall(): void {
    this.recalled += 1
  }

  admissionChanged(): void {}

  /** Some of its fetches have ended. */
  end(count: number): void {
    this.claimed -= Math.min(count, this.claimed)
    this.budget.offer()
  }
}

/** A run that begins without a lane, and gives its lane back where it has nothing to do on it. */
class Guest implements FetchingRun {
  held = 0
  claimed = 0
  told = 0
  recalled = 0
  /** Its lane is wanted back: it takes nothing more. */
  isLeaving = false

  constructor(
    readonly budget: FetchBudget,
    public wanted: number,
    readonly priority = 0,
    private readonly release = () => {},
  ) {
    budget.note(this)
  }

  get usable(): number {
    return this.isLeaving ? this.claimed : this.wanted
  }

  pump(): void {
    if (this.held === 0) return
    if (!this.isLeaving) this.#fill()
    if (this.claimed === 0 && (this.isLeaving || this.wanted === 0 || this.budget.roomFor(this).room <= 0))
      this.#leave()
  }

  recall(): void {
    this.recalled += 1
  }

  admissionChanged(): void {
    this.told += 1
  }

  get mayAsk(): boolean {
    return this.held === 0 && this.budget.mayAsk(this)
  }

  attach(): void {
    this.held = 1
    this.#fill()
    this.budget.note(this)
    this.pump()
  }

  /** It asks, a lane is free, and comes at once; answers whether it was of use. */
  come(): boolean {
    if (!this.mayAsk || !this.budget.expect(this)) return false
    this.attach()
    return true
  }

  end(count: number): void {
    this.claimed -= Math.min(count, this.claimed)
    this.budget.note(this)
    this.budget.offer()
  }

  #fill(): void {
    this.claimed += Math.max(0, Math.min(this.wanted - this.claimed, this.budget.roomFor(this).room))
  }

  #leave(): void {
    this.held = 0
    this.isLeaving = false
    this.release()
    this.budget.note(this)
  }
}

/** A few lanes that runs get late, or not at all, and have to give back; computes have some of them at times. */
class LateLanes {
  readonly budget: FetchBudget
  readonly runs: Guest[] = []
  /** Lanes on their way. */
  readonly coming: Guest[] = []
  /** Of those, the ones that had something to do all the time. */
  readonly sure = new Set<Guest>()
  computes = 0
  /** The budget had no use for a lane, for a run that had asked for it. */
  turnedDown = false

  constructor(
    readonly limit: number,
    readonly lanes: number,
  ) {
    this.budget = budgetOf(limit, lanes)
  }

  get free(): number {
    return this.lanes - this.computes - this.coming.length - this.runs.reduce((sum, { held }) => sum + held, 0)
  }

  launch(wanted: number, priority: number): void {
    this.runs.push(new Guest(this.budget, wanted, priority))
  }

  /** Lanes are sought for those that ask, the ones in front first. */
  seek(runs: readonly Guest[]): void {
    for (const run of runs) {
      if (this.free === 0 || !run.mayAsk || this.coming.includes(run)) continue
      const isOfUse = this.budget.expect(run)
      this.turnedDown = !isOfUse
      if (!isOfUse) continue
      this.coming.push(run)
      this.sure.add(run)
    }
  }

  arrive(at: number): void {
    const [run] = this.coming.splice(at % Math.max(1, this.coming.length), 1)
    if (run?.mayAsk) run.attach()
    else if (run) this.budget.miss(run)
    if (run && this.sure.delete(run)) expect(run.claimed).toBeGreaterThan(0)
  }

  miss(at: number): void {
    const [run] = this.coming.splice(at % Math.max(1, this.coming.length), 1)
    if (!run) return
    this.sure.delete(run)
    this.budget.miss(run)
  }

  retire(run: Guest | undefined): void {
    if (!run || run.held === 0) return
    run.isLeaving = true
    run.pump()
  }

  want(run: Guest | undefined, wanted: number): void {
    if (!run) return
    run.wanted = Math.max(run.claimed, wanted)
    if (run.wanted === 0) this.sure.delete(run)
    this.budget.note(run)
    this.budget.offer()
  }

  look(): void {
    const total = this.runs.reduce((sum, run) => sum + run.claimed, 0)
    expect(total + this.sure.size).toBeLessThanOrEqual(this.limit)
    // Who is shut out has no lane.
    for (const { held, claimed } of this.runs) if (held > 0) expect(claimed).toBeGreaterThan(0)
    const isInChange = this.coming.length > 0 || this.runs.some(({ isLeaving }) => isLeaving)
    const waits = this.runs.some(({ held, wanted }) => held === 0 && wanted > 0)
    if (!waits) this.turnedDown = false
    const unused = this.limit - total
    if (!isInChange && this.runs.some(({ held, claimed, wanted }) => held > 0 && wanted > claimed)) {
      expect(unused).toBe(this.turnedDown ? Math.min(unused, 1) : 0)
    }
    if (unused > this.coming.length && waits) {
      expect(this.coming.length > 0 || this.runs.some(({ mayAsk }) => mayAsk)).toBe(true)
    }
  }

  /** Fetches end, lanes change hands, and nobody has enough: answers with who had something in flight. */
  async turns(rounds: number): Promise<Set<Guest>> {
    const served = new Set<Guest>()
    for (let round = 0; round < rounds; round += 1) {
      while (this.coming.length > 0) this.arrive(0)
      for (const run of this.runs) if (run.claimed > 0) served.add(run)
      for (const run of [...this.runs]) run.end(run.claimed)
      await settle()
      this.look()
      // Whose turn is over, as the scheduler sees it: one of those that had theirs.
      const [holder] = this.runs.filter((run) => run.held > 0 && served.has(run))
      if (this.free === 0 && this.runs.some(({ mayAsk }) => mayAsk)) this.retire(holder)
      const waiting = this.runs.filter((run) => !served.has(run))
      this.seek([...waiting, ...this.runs].sort((a, b) => b.priority - a.priority))
      // The last ones to have had their turn are the last to have it again.
      this.runs.push(...this.runs.splice(0, 1))
    }
    return served
  }
}

function budgetOf(maxInFlight: number, maxLanes = 4): FetchBudget {
  return new FetchBudget({ maxInFlight, maxLanes })
}

const asking = (runs: Guest[]) => runs.map((run) => run.mayAsk)

const claimed = (runs: FetchingRun[]) => runs.map((run) => run.claimed)

async function settle(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve))
}

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

type LaneStep =
  | { do: 'launch'; wanted: number; priority: number }
  | { do: 'want'; at: number; count: number }
  | { do: 'end'; at: number; count: number }
  | { do: 'arrive' | 'miss' | 'retire' | 'seek'; at: number }
  | { do: 'compute'; takes: boolean }

const laneStep: fc.Arbitrary<LaneStep> = fc.oneof(
  fc.record({ do: fc.constant('launch' as const), wanted: fc.integer({ min: 1, max: 12 }), priority: fc.nat(1) }),
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('end' as const), at: fc.nat(9), count: fc.integer({ min: 1, max: 6 }) }),
  },
  fc.record({ do: fc.constant('want' as const), at: fc.nat(9), count: fc.nat(12) }),
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'arrive' as const,
        'arrive' as const,
        'miss' as const,
        'retire' as const,
        'seek' as const,
        'seek' as const,
      ),
      at: fc.nat(9),
    }),
  },
  fc.record({ do: fc.constant('compute' as const), takes: fc.boolean() }),
)

function takeStep(lanes: LateLanes, step: LaneStep): void {
  const { runs } = lanes
  if (step.do === 'launch') lanes.launch(step.wanted, step.priority)
  else if (step.do === 'compute') lanes.computes = step.takes ? lanes.computes + Math.min(1, lanes.free) : 0
  else if (step.do === 'arrive') lanes.arrive(step.at)
  else if (step.do === 'miss') lanes.miss(step.at)
  else if (step.do === 'seek') lanes.seek([...runs.slice(step.at), ...runs.slice(0, step.at)])
  else {
    const run = runs[step.at % Math.max(1, runs.length)]
    if (step.do === 'want') lanes.want(run, step.count)
    else if (step.do === 'end') run?.end(step.count)
    else lanes.retire(run)
  }
}

describe('FetchBudget, lanes that come late, not at all, or are taken away', () => {
  it('never exceeds the limit, leaves nothing unused, lets nobody hold a lane for nothing, and starves nobody', async () => {
    const limits = fc.integer({ min: 1, max: 8 })
    const lanesOf = fc.integer({ min: 1, max: 4 })
    const launches = fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 5 })
    const changes = fc.array(laneStep, { maxLength: 50, size: 'max' })
    await fc.assert(
      fc.asyncProperty(limits, lanesOf, launches, changes, async (limit, count, wants, steps) => {
        const lanes = new LateLanes(limit, count)
        for (const wanted of wants) lanes.launch(wanted, 0)
        for (const step of steps) {
          takeStep(lanes, step)
          await settle()
          lanes.look()
        }
        lanes.computes = 0
        for (const priority of [1, 0]) {
          const hungry = lanes.runs.filter((run) => run.priority === priority && run.wanted > 0)
          const served = await lanes.turns(4 * lanes.runs.length + 4)
          for (const run of hungry) expect(served.has(run)).toBe(true)
          for (const run of hungry) {
            run.end(run.claimed)
            lanes.want(run, 0)
          }
          await settle()
          lanes.look()
        }
      }),
      { numRuns: 300 },
    )
  }, 60_000)
})
