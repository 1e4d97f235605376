import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type RunKey, toRunKey } from '../../../src/domain/ids.js'
import type { LaneKind } from '../../../src/domain/strategy.js'
import { type ScheduledRun, Scheduler } from '../../../src/engine/scheduler.js'
import type { Lane } from '../../../src/lanes/lane.js'
import { ManualClock } from '../../support/clock.js'
import { FakeLanePool } from '../../support/fake-lanes.js'

let runs = 0

/** A run, or a stage of one, that gives its lanes back when the test says so. */
class Run implements ScheduledRun {
  readonly key: RunKey
  workKind: 'COMPUTE' | 'FETCH' = 'COMPUTE'
  readonly lanes: Lane[] = []
  readonly gaveUp: string[] = []
  retiring = 0
  scheduler: Scheduler | null = null
  /** Whether it has a use for a lane when one could be had. */
  hasUse = true
  /** Lanes that it was to have. */
  expected = 0
  missed = 0
  /** How often it was asked what it wants. */
  asked = 0
  #want: number

  constructor(
    want: number,
    readonly priority = 0,
    readonly laneKind: LaneKind = 'THREAD',
    key?: RunKey,
  ) {
    runs += 1
    this.key = key ?? toRunKey(String(runs))
    this.#want = want
  }

  get want(): number {
    this.asked += 1
    return this.#want
  }

  set want(want: number) {
    this.#want = want
    this.scheduler?.wantChanged(this)
  }

  get held(): number {
    return this.lanes.length
  }

  expectLane(): boolean {
    if (this.hasUse) this.expected += 1
    return this.hasUse
  }

  attach(lane: Lane): void {
    this.expected -= 1
    this.lanes.push(lane)
  }

  missLane(): void {
    this.expected -= 1
    this.missed += 1
  }

  retire(count: number): void {
    this.retiring = count
  }

  giveUp(reason: string): void {
    this.gaveUp.push(reason)
  }

  /** Its tasks have ended: lanes that are to retire go back. */
  yield(): void {
    while (this.retiring > 0) {
      this.retiring -= 1
      this.scheduler?.release(this.lanes.pop()!)
    }
  }

  /** It has ended. */
  end(): void {
    this.want = 0
    for (const lane of this.lanes.splice(0)) this.scheduler?.release(lane)
    this.scheduler?.remove(this)
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve))
}

function setup(maxLanes: number, cores = maxLanes) {
  const clock = new ManualClock()
  const pool = new FakeLanePool(() => clock.epochMs(), maxLanes)
  const errors: string[] = []
  const onError = (error: unknown) => void errors.push((error as Error).message)
  const scheduler = new Scheduler({ pool, clock, maxLanes, cores, onError })
  const add = async (...added: Run[]) => {
    for (const run of added) {
      run.scheduler = scheduler
      scheduler.add(run)
    }
    await settle()
  }
  const pass = async (ms: number) => {
    clock.advance(ms)
    await settle()
  }
  return { clock, pool, scheduler, errors, add, pass }
}

const held = (list: Run[]) => list.map((run) => run.held)

const sum = (list: number[]) => list.reduce((total, one) => total + one, 0)

/** The stages of one run. */
function pipelineOf(count: number, want: number): Run[] {
  const first = new Run(want)
  return [first, ...Array.from({ length: count - 1 }, () => new Run(want, 0, 'THREAD', first.key))]
}

/** The lane time that each gets, where all give back what they are to as soon as they can. */
async function serve(list: Run[], pass: (ms: number) => Promise<void>, forMs: number): Promise<number[]> {
  const servedMs = list.map(() => 0)
  for (let ms = 0; ms < forMs; ms += 20) {
    await pass(20)
    list.forEach((run, at) => {
      servedMs[at]! += 20 * run.held
    })
    for (const run of list) run.yield()
    await settle()
  }
  return servedMs
}

describe('Scheduler', () => {
  it('gives each run what it wants while there is enough, of the kind that it wants', async () => {
    const { add, pool } = setup(4)
    const list = [new Run(1), new Run(3, 0, 'PROCESS')]
    await add(...list)
    expect(held(list)).toEqual([1, 3])
    expect(list.flatMap(({ lanes }) => lanes.map(({ kind }) => kind))).toEqual(['THREAD', ...Array(3).fill('PROCESS')])
    expect(pool.problems).toEqual([])
  })

  it('takes lanes back from who has more than its share, when a run comes', async () => {
    const { add } = setup(4)
    const [first, second] = [new Run(4), new Run(4)]
    await add(first)
    await add(second)
    expect([first.retiring, held([first, second])]).toEqual([2, [4, 0]])
    first.yield()
    await settle()
    expect(held([first, second])).toEqual([2, 2])
    expect(first.retiring).toBe(0)
  })

  it('takes lanes back that would compute on the cores of a higher priority, also where there are more lanes', async () => {
    const { add, scheduler } = setup(32, 2)
    const [low, high] = [new Run(2), new Run(2, 1)]
    await add(low)
    await add(high)
    expect([low.retiring, held([low, high])]).toEqual([2, [2, 2]])
    low.yield()
    await settle()
    expect(held([low, high])).toEqual([0, 2])
    // It has less to do now than there are cores.
    high.want = 1
    await settle()
    expect(high.retiring).toBe(1)
    high.yield()
    await settle()
    expect(held([low, high])).toEqual([1, 1])
    scheduler.stop()
  })

  it('lets those that fetch go on where others have all cores, however many wait for these', async () => {
    const { add, scheduler } = setup(4, 1)
    const high = new Run(1, 10)
    const computes = Array.from({ length: 50 }, () => new Run(1, 5))
    const fetches = new Run(1)
    fetches.workKind = 'FETCH'
    await add(high, ...computes, fetches)
    expect(held([high, fetches])).toEqual([1, 1])
    expect(sum(held(computes))).toBe(0)
    scheduler.stop()
  })

  it('lets a run keep the lanes that it was to give back, when the other wants them no more', async () => {
    const { add } = setup(2)
    const [first, second] = [new Run(2), new Run(2)]
    await add(first)
    await add(second)
    expect(first.retiring).toBe(1)
    second.want = 0
    await settle()
    expect(first.retiring).toBe(0)
  })

  it('starts lanes for a run that wants more than before, and none for one that wants no more', async () => {
    const { add, pool } = setup(4)
    const run = new Run(1)
    await add(run)
    run.want = 3
    await settle()
    expect(run.held).toBe(3)
    pool.slowStarts = true
    run.want = 4
    await settle()
    run.want = 3
    pool.letStart()
    await settle()
    expect([run.held, pool.idle.length]).toEqual([3, 1])
    expect([run.expected, run.missed]).toEqual([0, 1])
  })

  it('lets runs take turns where there are more of them than lanes, whatever their number of lanes', async () => {
    const { add, pass, pool } = setup(2)
    const list = Array.from({ length: 5 }, () => new Run(2))
    await add(...list)
    const servedMs = list.map(() => 0)
    for (let ms = 0; ms < 10_000; ms += 20) {
      await pass(20)
      list.forEach((run, at) => {
        servedMs[at]! += 20 * run.held
      })
      for (const run of list) run.yield()
      await settle()
      expect(held(list).reduce((sum, count) => sum + count)).toBeLessThanOrEqual(2)
    }
    // 20,000 ms of lanes among five.
    for (const ms of servedMs) expect(Math.abs(ms - 4000)).toBeLessThanOrEqual(400)
    expect(pool.problems).toEqual([])
  })

  it('gives a lane that becomes free to whose turn it is, not to who came first', async () => {
    const { add, pass, scheduler } = setup(5)
    const [back, wide, narrow] = [new Run(0), new Run(4), new Run(1)]
    await add(back, wide, narrow)
    await pass(1000)
    narrow.want = 2
    back.want = 2
    await settle()
    expect([held([back, wide, narrow]), wide.retiring]).toEqual([[0, 4, 1], 3])
    scheduler.release(wide.lanes.pop()!)
    await settle()
    expect(held([back, wide, narrow])).toEqual([1, 3, 1])
  })

  it('does not let a run that has nothing to do keep the others waiting', async () => {
    const { add } = setup(1)
    const [asleep, awake] = [new Run(0), new Run(1)]
    await add(asleep, awake)
    expect(held([asleep, awake])).toEqual([0, 1])
    awake.end()
    asleep.want = 1
    await settle()
    expect(asleep.held).toBe(1)
  })

  it('serves thousands of waiting runs in the order of their coming', async () => {
    const { add, pool } = setup(2)
    const list = Array.from({ length: 3000 }, () => new Run(1))
    await add(...list)
    for (let first = 0; first < list.length; first += 2) {
      expect([list[first]?.held, list[first + 1]?.held, list[first + 2]?.held ?? 0]).toEqual([1, 1, 0])
      list[first]?.end()
      list[first + 1]?.end()
      await settle()
    }
    expect(pool.busy).toEqual([])
  })

  it('does not ask thousands again and again that want nothing, nor any of them twice at a time', async () => {
    const { add, scheduler } = setup(2)
    const resting = Array.from({ length: 3000 }, () => new Run(0))
    await add(...resting)
    const [first, second] = [new Run(2), new Run(1)]
    await add(first, second)
    const asked = () => resting.reduce((sum, run) => sum + run.asked, 0)
    const before = [asked(), first.asked, second.asked]
    scheduler.balance()
    await settle()
    expect([asked(), first.asked, second.asked]).toEqual([before[0], before[1]! + 1, before[2]! + 1])
    for (const run of [first, second]) run.end()
    await settle()
    expect(asked()).toBe(before[0])
  })

  it('serves a run that wants lanes again when it says so, and forgets one that ends without', async () => {
    const { add, pool } = setup(1)
    const [asleep, gone] = [new Run(0), new Run(0)]
    await add(asleep, gone)
    gone.end()
    gone.want = 1
    asleep.want = 1
    await settle()
    expect([held([asleep, gone]), pool.acquired]).toEqual([[1, 0], 1])
  })

  it('owes a run nothing for the time that it wanted no lane, also where it has never had one', async () => {
    const { add, pass } = setup(1)
    const [asleep, worker] = [new Run(0), new Run(1)]
    await add(asleep, worker)
    await pass(10_000)
    asleep.want = 1
    const servedMs = [0, 0]
    for (let ms = 0; ms < 2000; ms += 20) {
      await pass(20)
      ;[asleep, worker].forEach((run, at) => {
        servedMs[at]! += 20 * run.held
        run.yield()
      })
      await settle()
    }
    expect(Math.abs(servedMs[0]! - servedMs[1]!)).toBeLessThanOrEqual(200)
  })

  it('leaves a lane to the others that a run had asked for and has no use for, and takes it for none', async () => {
    const { add, pool } = setup(1)
    const [first, second] = [new Run(1), new Run(1)]
    first.hasUse = false
    await add(first, second)
    // As it does when it learns that it has no use for a lane.
    first.want = 0
    await settle()
    expect([held([first, second]), pool.acquired]).toEqual([[0, 1], 1])
    second.end()
    first.hasUse = true
    first.want = 1
    await settle()
    expect([held([first, second]), first.expected]).toEqual([[1, 0], 0])
  })

  it('loses no lane and lends none out twice, whatever comes, goes, changes and fails', async () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('add' as const), want: fc.nat(5), priority: fc.nat(2), staged: fc.boolean() }),
      fc.record({ do: fc.constant('want' as const), at: fc.nat(9), want: fc.nat(5) }),
      fc.record({ do: fc.constant('yield' as const), at: fc.nat(9) }),
      fc.record({ do: fc.constant('end' as const), at: fc.nat(9) }),
      fc.record({ do: fc.constant('fail' as const), times: fc.nat(4) }),
      fc.record({ do: fc.constant('pass' as const), ms: fc.nat(700) }),
      fc.constant({ do: 'hold' as const }),
      fc.constant({ do: 'start' as const }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const { add, pass, pool, scheduler } = setup(4)
        const list: Run[] = []
        for (const one of steps) {
          const run = 'at' in one ? list[one.at % Math.max(1, list.length)] : undefined
          if (one.do === 'add') {
            // Those of one priority that are staged are stages of one run.
            const key = one.staged ? toRunKey(`pipeline of priority ${one.priority}`) : undefined
            list.push(new Run(one.want, one.priority, 'THREAD', key))
            await add(list.at(-1)!)
          } else if (one.do === 'want' && run) run.want = run.held === 0 ? one.want : Math.max(run.held, one.want)
          else if (one.do === 'yield') run?.yield()
          else if (one.do === 'end' && run) {
            run.end()
            list.splice(list.indexOf(run), 1)
          } else if (one.do === 'fail') pool.failStarts = one.times
          else if (one.do === 'hold') pool.slowStarts = true
          else if (one.do === 'start') {
            pool.slowStarts = false
            pool.letStart()
          }
          scheduler.balance()
          await pass(one.do === 'pass' ? one.ms : 0)
          expect(pool.problems).toEqual([])
          expect(held(list).reduce((sum, count) => sum + count, 0)).toBe(pool.busy.length)
          if (!pool.slowStarts) for (const { expected } of list) expect(expected).toBe(0)
        }
        pool.failStarts = 0
        pool.slowStarts = false
        for (let round = 0; round < 20; round += 1) {
          pool.letStart()
          for (const run of list) run.yield()
          await pass(500)
        }
        const wanted = list.reduce((sum, { want }) => sum + want, 0)
        expect(pool.busy.length).toBe(Math.min(4, wanted))
        const priorities = list.filter((run) => run.want > run.held).map(({ priority }) => priority)
        const highest = Math.max(...priorities)
        for (const run of list) if (run.priority < highest) expect(run.held).toBe(0)
      }),
      { numRuns: 100 },
    )
  }, 60_000)
})

describe('Scheduler, stages of a pipeline', () => {
  it('takes a pipeline for one run beside a plain one, and lets each of its stages have its turns', async () => {
    const { add, pass, pool } = setup(4)
    const [plain, stages] = [new Run(4), pipelineOf(9, 4)]
    await add(...stages, plain)
    const [plainMs, ...stageMs] = await serve([plain, ...stages], pass, 18_000)
    // 72,000 ms of lanes, half of them for the plain run and a ninth of the other half for each stage.
    expect(Math.abs(plainMs! - 36_000)).toBeLessThanOrEqual(1000)
    for (const ms of stageMs) expect(Math.abs(ms - 4000)).toBeLessThanOrEqual(400)
    expect(pool.problems).toEqual([])
  })

  it('gives it no more than others where there are more runs than lanes', async () => {
    const { add, pass, pool } = setup(2)
    const [stages, plain] = [pipelineOf(5, 2), Array.from({ length: 4 }, () => new Run(2))]
    await add(...stages, ...plain)
    const servedMs = await serve([...stages, ...plain], pass, 10_000)
    const byRun = [sum(servedMs.slice(0, 5)), ...servedMs.slice(5)]
    // 20,000 ms of lanes among five.
    for (const ms of byRun) expect(Math.abs(ms - 4000)).toBeLessThanOrEqual(400)
    for (const ms of servedMs.slice(0, 5)) expect(Math.abs(ms - 800)).toBeLessThanOrEqual(200)
    expect(pool.problems).toEqual([])
  })

  it('leaves it all lanes while it is alone', async () => {
    const { add } = setup(4)
    const stages = pipelineOf(3, 4)
    await add(...stages)
    expect(held(stages)).toEqual([2, 1, 1])
  })

  it('owes a stage nothing for the time that it wanted no lane, nor the run for that of a stage', async () => {
    const { add, pass } = setup(1)
    const [stages, plain] = [pipelineOf(2, 1), new Run(1)]
    const [early, late] = stages as [Run, Run]
    late.want = 0
    await add(...stages, plain)
    await serve([...stages, plain], pass, 10_000)
    late.want = 1
    const [earlyMs, lateMs, plainMs] = await serve([early, late, plain], pass, 4000)
    expect(Math.abs(plainMs! - 2000)).toBeLessThanOrEqual(200)
    for (const ms of [earlyMs!, lateMs!]) expect(Math.abs(ms - 1000)).toBeLessThanOrEqual(200)
  })

  it('keeps what a run has had while any of its stages is there', async () => {
    const { add, pass } = setup(1)
    const [stages, plain] = [pipelineOf(2, 1), new Run(1)]
    const [first, second] = stages as [Run, Run]
    await add(...stages)
    await pass(90)
    await add(plain)
    await pass(10)
    first.end()
    await settle()
    // Its time was the run's: now it is the other run's turn.
    expect(held([second, plain])).toEqual([0, 1])
  })
})

describe('Scheduler, lanes that cannot be started', () => {
  it('asks again after half a second, and takes lanes that fail together for one failure', async () => {
    const { add, pass, pool, errors } = setup(8)
    pool.failStarts = 8
    const run = new Run(8)
    await add(run)
    expect(errors).toHaveLength(8)
    expect([run.expected, run.missed]).toEqual([0, 8])
    await pass(499)
    expect(pool.acquired).toBe(8)
    await pass(1)
    expect([run.held, run.gaveUp]).toEqual([8, []])
  })

  it('gives up a run without a lane after five failures in a row', async () => {
    const { add, pass, pool } = setup(2)
    pool.failStarts = Number.POSITIVE_INFINITY
    const run = new Run(1)
    await add(run)
    for (let failure = 2; failure < 5; failure += 1) await pass(500)
    expect(run.gaveUp).toEqual([])
    await pass(500)
    expect(run.gaveUp).toEqual(['no lane could be started: no memory'])
    run.end()
  })

  it('never gives up a run that has a lane', async () => {
    const { add, pass, pool } = setup(2)
    const run = new Run(1)
    await add(run)
    pool.failStarts = Number.POSITIVE_INFINITY
    run.want = 2
    for (let failure = 0; failure < 10; failure += 1) await pass(500)
    run.scheduler?.balance()
    await settle()
    expect([run.held, run.gaveUp]).toEqual([1, []])
  })

  it('leaves the lanes to the others meanwhile', async () => {
    const { add, pool } = setup(1)
    pool.failStarts = 1
    const [first, second] = [new Run(1), new Run(1)]
    await add(first)
    await add(second)
    expect(held([first, second])).toEqual([0, 1])
  })
})

describe('Scheduler.stop', () => {
  it('gives out no more lanes, takes back what was on its way, and leaves no timer behind', async () => {
    const { add, pool, scheduler, clock, errors } = setup(1)
    pool.slowStarts = true
    const [first, second] = [new Run(1), new Run(1)]
    await add(first, second)
    expect(clock.nextDueMs).not.toBeNull()
    scheduler.stop()
    pool.letStart()
    await settle()
    expect([held([first, second]), pool.idle.length]).toEqual([[0, 0], 1])
    expect([first.expected, first.missed]).toEqual([0, 1])
    expect(clock.nextDueMs).toBeNull()
    first.end()
    await settle()
    expect([second.held, errors]).toEqual([0, []])
  })

  it('says nothing of lanes that fail because the server leaves', async () => {
    const { add, pool, scheduler, clock, errors } = setup(1)
    pool.slowStarts = true
    pool.failStarts = 1
    await add(new Run(1))
    scheduler.stop()
    pool.letStart()
    await settle()
    expect([errors, clock.nextDueMs]).toEqual([[], null])
  })
})
