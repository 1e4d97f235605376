import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type RunKey, toRunKey } from '../../../src/domain/ids.js'
import { type ScheduledRun, Scheduler } from '../../../src/engine/scheduler.js'
import type { Solo } from '../../../src/engine/solos.js'
import type { Lane } from '../../../src/lanes/lane.js'
import { ManualClock } from '../../support/clock.js'
import { FakeLanePool } from '../../support/fake-lanes.js'

const MAX_LANES = 3

async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve))
}

/** A server with runs, and solos whose run takes all lanes that it can get. */
class World {
  readonly clock = new ManualClock()
  readonly pool = new FakeLanePool(() => this.clock.epochMs(), MAX_LANES)
  readonly scheduler = new Scheduler({
    pool: this.pool,
    clock: this.clock,
    maxLanes: MAX_LANES,
    cores: MAX_LANES,
    onError: (error) => {
      throw error
    },
  })
  readonly runs: Run[] = []
  readonly problems: string[] = []
  alone: Alone | null = null

  run(want: number, options: { priority?: number; key?: string } = {}): Run {
    const run = new Run(this, want, options)
    this.runs.push(run)
    this.scheduler.add(run)
    return run
  }

  async pass(ms: number): Promise<void> {
    this.clock.advance(ms)
    await settle()
    this.look()
  }

  /** Who is alone is so, and lanes are not idle for nobody. */
  look(): void {
    const strangers = this.runs.filter((run) => run.held > 0 && run.key !== this.alone?.key)
    if (this.alone && strangers.length > 0) this.problems.push(`${strangers.length} runs hold lanes beside the solo`)
  }
}

class Run implements ScheduledRun {
  readonly key: RunKey
  readonly priority: number
  readonly laneKind = 'THREAD'
  readonly workKind = 'COMPUTE'
  readonly lanes: Lane[] = []
  retiring = 0

  constructor(
    private readonly world: World,
    public want: number,
    { priority = 0, key = `run ${world.runs.length}` }: { priority?: number; key?: string },
  ) {
    this.key = toRunKey(key)
    this.priority = priority
  }

  get held(): number {
    return this.lanes.length
  }

  expectLane(): boolean {
    return true
  }

  attach(lane: Lane): void {
    this.lanes.push(lane)
    this.world.look()
  }

  missLane(): void {}

  retire(count: number): void {
    this.retiring = count
  }

  giveUp(): void {}

  /** What it has in service has ended. */
  yield(): void {
    for (; this.retiring > 0 && this.lanes.length > 0; this.retiring -= 1)
      this.world.scheduler.release(this.lanes.pop()!)
  }

  end(): void {
    this.want = 0
    for (const lane of this.lanes.splice(0)) this.world.scheduler.release(lane)
    this.world.runs.splice(this.world.runs.indexOf(this), 1)
    this.world.scheduler.remove(this)
  }
}

/** Several parts of one run, as the stages of a pipeline are. */
class Alone implements Solo {
  readonly key: RunKey
  parts: Run[] = []
  begun = 0

  constructor(
    private readonly world: World,
    name: string,
    readonly priority = 0,
  ) {
    this.key = toRunKey(name)
    world.scheduler.reserve(this)
  }

  begin(): void {
    if (this.world.alone) this.world.problems.push('two are alone')
    if (this.world.runs.some(({ held }) => held > 0)) this.world.problems.push('it began while lanes were held')
    this.begun += 1
    this.world.alone = this
    this.parts = [1, 1].map((want) => this.world.run(want, { key: this.key, priority: this.priority }))
  }

  end(again: boolean): void {
    this.world.alone = null
    for (const part of this.parts) part.end()
    this.world.scheduler.vacate(this, !again)
    if (again) this.world.scheduler.reserve(this)
  }
}

describe('Scheduler.reserve', () => {
  it('has all lanes given back, then lets the solo begin, and gives lanes to nobody but its run', async () => {
    const world = new World()
    const [first, second] = [world.run(2), world.run(2)]
    await settle()
    const solo = new Alone(world, 'solo')
    await settle()
    expect([first.retiring, second.retiring, solo.begun]).toEqual([2, 1, 0])
    first.yield()
    await settle()
    expect([first.held, second.held, solo.begun]).toEqual([0, 1, 0])
    second.yield()
    await settle()
    expect(solo.begun).toBe(1)
    world.run(1, { priority: 9 })
    await world.pass(1000)
    expect(world.runs.map(({ held }) => held)).toEqual([0, 0, 1, 1, 0])
    solo.end(false)
    await world.pass(0)
    expect(world.runs.map(({ held }) => held)).toEqual([1, 1, 1])
    expect([world.problems, world.clock.nextDueMs]).toEqual([[], null])
  })

  it('takes back lanes that were on their way when it closed, before the solo begins', async () => {
    const world = new World()
    world.pool.slowStarts = true
    const run = world.run(2)
    await settle()
    const solo = new Alone(world, 'solo')
    await settle()
    expect(solo.begun).toBe(0)
    world.pool.letStart(1)
    await settle()
    expect([run.held, solo.begun]).toEqual([0, 0])
    world.pool.letStart()
    await settle()
    expect([run.held, solo.begun]).toEqual([0, 1])
    expect(world.pool.problems).toEqual([])
  })

  it('gives the others the lanes between two turns, for as long as the last one took', async () => {
    const world = new World()
    const run = world.run(3)
    const solo = new Alone(world, 'solo')
    await settle()
    await world.pass(700)
    solo.end(true)
    await settle()
    expect([run.held, solo.begun]).toEqual([3, 1])
    await world.pass(699)
    expect(run.retiring).toBe(0)
    await world.pass(1)
    expect(run.retiring).toBe(3)
    run.yield()
    await settle()
    expect([run.held, solo.begun]).toEqual([0, 2])
  })

  it('keeps those that rest in mind, and lets a run that wants no lane keep nobody', async () => {
    const world = new World()
    const run = world.run(0)
    const solo = new Alone(world, 'solo')
    await world.pass(100)
    expect(solo.begun).toBe(1)
    run.want = 1
    world.scheduler.wantChanged(run)
    await world.pass(100)
    expect(run.held).toBe(0)
    solo.end(true)
    await settle()
    expect([run.held, solo.begun]).toEqual([1, 1])
    run.end()
    await settle()
    expect(solo.begun).toBe(2)
  })

  it('gives the lanes back to the others where the solo goes before it has begun', async () => {
    const world = new World()
    const [holder, waiting] = [world.run(2), world.run(0)]
    await settle()
    const solo = new Alone(world, 'solo')
    await settle()
    waiting.want = 1
    world.scheduler.wantChanged(waiting)
    await settle()
    expect([holder.retiring, waiting.held]).toEqual([2, 0])
    world.scheduler.vacate(solo, true)
    await settle()
    expect([holder.retiring, waiting.held, solo.begun]).toEqual([0, 1, 0])
    expect(world.clock.nextDueMs).toBeNull()
  })

  it('begins none any more after the end, and leaves no timer behind', async () => {
    const world = new World()
    const run = world.run(1)
    await settle()
    const solo = new Alone(world, 'solo')
    await settle()
    expect(world.clock.nextDueMs).not.toBeNull()
    world.scheduler.stop()
    run.end()
    await settle()
    expect([solo.begun, world.clock.nextDueMs]).toEqual([0, null])
  })

  it('is never beside another, and has its turn, whatever the order of events', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom('run', 'solo', 'yield', 'end', 'pass', 'leave'), fc.nat(9)), {
          maxLength: 40,
        }),
        async (steps) => {
          const world = new World()
          const solos: Alone[] = []
          const ordinary = () => world.runs.filter(({ key }) => !solos.some((solo) => solo.key === key))
          for (const [step, at] of steps) {
            const some = ordinary()
            const run = some[at % Math.max(1, some.length)]
            if (step === 'run') world.run(1 + (at % 4))
            else if (step === 'solo' && solos.length < 3) solos.push(new Alone(world, `solo ${solos.length}`))
            else if (step === 'yield') run?.yield()
            else if (step === 'end') run?.end()
            else if (step === 'pass') world.clock.advance(at * 40)
            else if (step === 'leave') world.alone?.end(true)
            await settle()
            world.look()
          }
          // From here on all go on as they should: tasks end, and so do the runs of who is alone.
          const begun = solos.map((solo) => solo.begun)
          for (let turn = 0; turn < 60; turn += 1) {
            await world.pass(100)
            for (const run of ordinary()) run.yield()
            await settle()
            if (turn % 3 === 2) world.alone?.end(true)
          }
          expect([world.problems, world.pool.problems]).toEqual([[], []])
          for (const [at, solo] of solos.entries()) expect(solo.begun).toBeGreaterThan(begun[at]!)
          world.scheduler.stop()
        },
      ),
      { numRuns: 60 },
    )
  })
})
