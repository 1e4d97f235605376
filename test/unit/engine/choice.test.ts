import { describe, expect, it } from 'vitest'
import type { RunKey } from '../../../src/domain/ids.js'
import { Outcome } from '../../../src/domain/results.js'
import { World } from '../../support/engine-world.js'
import type { Verdict } from '../../support/fake-lanes.js'

const AUTO = { strategy: 'AUTO' as const }
const took = (serviceMs: number): Verdict => ({ outcome: Outcome.SUCCEEDED, serviceMs })
const inService = (world: World) => world.pool.busy.map((lane) => lane.inService().map(({ index }) => index))

async function decisionOf(world: World, key: RunKey) {
  const { record } = await world.view(key)
  return { effective: record.effectiveStrategy, lanes: record.lanes, ...record.decision }
}

/** Ends everything, and looks after each end. */
async function finish(world: World, verdict: Verdict): Promise<void> {
  const next = () => world.pool.busy.find(({ held }) => held.length > 0)
  for (let lane = next(); lane; lane = next()) {
    await world.end(lane, verdict)
    await world.look()
  }
  expect(world.pool.busy).toEqual([])
}

describe('AUTO of a compute run', () => {
  it('begins on one lane, with more on loan than it can have in service, and has another one warmed', async () => {
    const world = new World()
    const key = await world.compute({ items: 100, options: AUTO })
    expect(world.pool.busy.map(({ held }) => held.length)).toEqual([100])
    expect(inService(world)).toEqual([[0]])
    expect(world.pool.warmed).toEqual([{ kind: 'THREAD', count: 2 }])
    expect(await decisionOf(world, key)).toEqual({ effective: 'SEQUENTIAL', lanes: 1 })
  })

  it('stays with one lane where another one would save nothing', async () => {
    const world = new World()
    const key = await world.compute({ items: 10, options: AUTO })
    await world.end(world.pool.busy[0], took(0.03), 3)
    expect(await decisionOf(world, key)).toMatchObject({ effective: 'SEQUENTIAL', strategy: 'SEQUENTIAL', lanes: 1 })
    await finish(world, took(0.03))
    expect(world.pool.lanes).toHaveLength(1)
    expect(world.record(key)).toMatchObject({
      status: 'SUCCEEDED',
      effectiveStrategy: 'SEQUENTIAL',
      decision: { strategy: 'SEQUENTIAL', probe: { tasks: 3, left: 7, serviceMs: 0.03 } },
    })
  })

  it('does not go by the first task alone where that was short, nor by a few that were tiny', async () => {
    const world = new World()
    const key = await world.compute({ items: 1000, options: AUTO })
    await world.end(world.pool.busy[0], took(0.4), 1)
    expect((await world.view(key)).record.decision).toBeNull()
    await world.end(world.pool.busy[0], took(0.019), 100)
    expect((await world.view(key)).record.decision).toBeNull()
    await world.end(world.pool.busy[0], took(0.0001), 199)
    expect(await decisionOf(world, key)).toMatchObject({ strategy: 'SEQUENTIAL', probe: { tasks: 300, left: 700 } })
  })

  it('shares out what has not begun, as soon as a task is long', async () => {
    const world = new World()
    const key = await world.compute({ items: 6, options: AUTO })
    await world.pass(1)
    expect(inService(world)).toEqual([[0], [1]])
    expect(world.pool.busy.map(({ held }) => held.length)).toEqual([1, 1])
    expect(await decisionOf(world, key)).toMatchObject({
      effective: 'THREADS',
      lanes: 2,
      strategy: 'THREADS',
      reasons: [expect.stringMatching(/goes on/), expect.anything(), expect.anything()],
    })
    await finish(world, took(100))
    expect(world.rows(key)).toHaveLength(6)
    expect(world.record(key)).toMatchObject({ status: 'SUCCEEDED', effectiveStrategy: 'THREADS', concurrency: 2 })
  })

  it('shares out what is left where the first tasks say that it is much', async () => {
    const world = new World()
    const key = await world.compute({ items: 1000, options: AUTO })
    await world.end(world.pool.busy[0], took(0.2), 2)
    expect(await decisionOf(world, key)).toMatchObject({ strategy: 'THREADS', probe: { tasks: 2, left: 998 } })
    await finish(world, took(0.2))
    expect(world.rows(key)).toHaveLength(1000)
  })

  it('chooses again where tasks become long', async () => {
    const world = new World()
    const key = await world.compute({ source: { inputs: Array.from({ length: 20 }, (_, at) => at) }, options: AUTO })
    await world.end(world.pool.busy[0], took(0.02), 5)
    expect((await decisionOf(world, key)).strategy).toBe('SEQUENTIAL')
    await world.pass(10)
    expect(await decisionOf(world, key)).toMatchObject({ effective: 'THREADS', strategy: 'THREADS' })
    expect(inService(world)).toHaveLength(2)
    await finish(world, took(10))
    expect(world.record(key).status).toBe('SUCCEEDED')
  })

  it('takes one long task among many tiny ones for an accident, and several not', async () => {
    const world = new World()
    const key = await world.compute({ items: 5000, options: AUTO })
    await world.end(world.pool.busy[0], took(0.0001), 300)
    const lane = world.pool.busy[0]!
    lane.end(
      lane.held.slice(0, 40).map((_, at) => at),
      ({ index }) => took(index === 310 ? 8 : 0.0001),
    )
    await world.settle()
    expect((await decisionOf(world, key)).strategy).toBe('SEQUENTIAL')
    await world.pass(10)
    expect((await decisionOf(world, key)).strategy).toBe('SEQUENTIAL')
    await world.end(lane, took(8), 8)
    expect((await decisionOf(world, key)).strategy).toBe('THREADS')
    await finish(world, took(0.0001))
  })

  it('takes a very long task for what it is', async () => {
    const world = new World()
    const key = await world.compute({ items: 5000, options: AUTO })
    await world.end(world.pool.busy[0], took(0.0001), 300)
    await world.pass(30)
    expect((await decisionOf(world, key)).strategy).toBe('THREADS')
    await finish(world, took(0.0001))
  })

  it('has many in flight on one lane where tasks wait, and never more than it may', async () => {
    const world = new World()
    const key = await world.compute({ items: 40, options: AUTO })
    const [probing] = world.pool.busy
    probing!.wait(null)
    await world.pass(1)
    // Until it is known how much it computes.
    expect((await world.view(key)).record.decision).toBeNull()
    probing!.wait(0.05)
    await world.settle()
    expect(await decisionOf(world, key)).toMatchObject({ effective: 'ASYNC', lanes: 1 })
    expect(inService(world).map(({ length }) => length)).toEqual([1, 15])
    await world.look()
    await world.end(probing, took(50))
    expect(inService(world).map(({ length }) => length)).toEqual([16])
    expect(probing!.job?.slots).toBe(1)
    await finish(world, took(50))
    expect(world.record(key)).toMatchObject({ status: 'SUCCEEDED', effectiveStrategy: 'ASYNC', concurrency: 16 })
  })

  it('shares out what seemed to wait and computes in pieces', async () => {
    const world = new World()
    const key = await world.compute({ items: 10, options: AUTO })
    world.pool.busy[0]!.wait(null)
    world.pool.busy[0]!.wait(0.95)
    await world.settle()
    expect((await decisionOf(world, key)).strategy).toBe('THREADS')
    await finish(world, took(10))
  })

  it('hears what the lane has said before it looks at a task that is long', async () => {
    const world = new World()
    const key = await world.compute({ items: 10, options: AUTO })
    // The timer fires, and the message is there by then.
    world.clock.advance(1)
    world.pool.busy[0]!.wait(null)
    await world.settle()
    expect((await world.view(key)).record.decision).toBeNull()
    world.pool.busy[0]!.wait(0.05)
    await world.settle()
    expect((await decisionOf(world, key)).strategy).toBe('ASYNC')
    await finish(world, took(10))
  })

  it('does not hand to the lane what was being read for it when it chose', async () => {
    const world = new World()
    const inputs = Array.from({ length: 600 }, (_, at) => at)
    const key = await world.compute({ source: { inputs }, options: AUTO })
    const probing = world.pool.busy[0]!
    world.store.autoRead = false
    await world.end(probing, took(0.001), 300)
    probing.wait(null)
    await world.pass(100)
    probing.wait(0.05)
    await world.settle()
    expect((await decisionOf(world, key)).strategy).toBe('ASYNC')
    world.store.autoRead = true
    world.store.releaseReads()
    await world.settle()
    expect(probing.held).toHaveLength(1)
    await finish(world, took(10))
    expect(world.rows(key)).toHaveLength(600)
  })

  it('believes the first task that waits, if late, and no other one', async () => {
    const world = new World()
    const late = await world.compute({ items: 40, options: AUTO })
    await world.pass(1)
    expect((await decisionOf(world, late)).strategy).toBe('THREADS')
    world.pool.busy[0]!.wait(null)
    world.pool.busy[0]!.wait(0.05)
    await world.settle()
    expect(await decisionOf(world, late)).toMatchObject({ effective: 'ASYNC', lanes: 1 })
    await finish(world, took(10))
    expect(world.rows(late)).toHaveLength(40)
    const other = await world.compute({ items: 40, options: AUTO })
    await world.pass(1)
    await world.end(world.pool.busy[0], took(5), 1)
    world.pool.busy[0]!.wait(null)
    world.pool.busy[0]!.wait(0.05)
    await world.settle()
    expect((await decisionOf(world, other)).strategy).toBe('THREADS')
    await finish(world, took(10))
  })

  it('does not wait for ever for what a task that waits computes', async () => {
    const world = new World()
    const key = await world.compute({ items: 10, options: AUTO })
    world.pool.busy[0]!.wait(null)
    for (let look = 0; look < 10; look += 1) await world.pass(1)
    expect((await decisionOf(world, key)).strategy).toBe('THREADS')
    await finish(world, took(10))
  })

  it('takes lanes after all where the event loop of one is what holds it up', async () => {
    const world = new World()
    const key = await world.compute({ items: 200, options: AUTO })
    world.pool.busy[0]!.wait(null)
    world.pool.busy[0]!.wait(0)
    await world.settle()
    expect((await decisionOf(world, key)).strategy).toBe('ASYNC')
    const [, lane] = world.pool.busy
    await world.pass(100)
    lane!.end([0, 1, 2], () => took(95), { laneCpuMs: 95 })
    await world.settle()
    expect(await decisionOf(world, key)).toMatchObject({ effective: 'THREADS', probe: { tasks: 3 } })
    await finish(world, took(10))
    expect(world.rows(key)).toHaveLength(200)
  })

  it('takes what has waited for a core to compute', async () => {
    const advised = async (coreWaitMs: number) => {
      const world = new World()
      const key = await world.compute({ items: 200, options: AUTO })
      const probing = world.pool.busy[0]!
      probing.wait(null)
      await world.pass(0.5)
      probing.end([0], () => took(100), { laneCpuMs: 30, laneLoad: { busyMs: 100, coreWaitMs } })
      await world.settle()
      const decision = await decisionOf(world, key)
      await finish(world, took(10))
      return decision
    }
    expect(await advised(60)).toMatchObject({
      effective: 'THREADS',
      probe: { serviceMs: 100, coreWaitMs: 60, cpuShare: 0.75 },
    })
    expect(await advised(0)).toMatchObject({ effective: 'ASYNC', probe: { serviceMs: 100, cpuShare: 0.3 } })
  })

  it('stays with one event loop, however busy, where a task alone would wait for longer than that', async () => {
    const world = new World()
    const key = await world.compute({ items: 200, options: AUTO })
    const probing = world.pool.busy[0]!
    probing.wait(null)
    probing.wait(0.1)
    await world.settle()
    const [, lane] = world.pool.busy
    await world.pass(64)
    probing.end([0], () => took(64), { laneCpuMs: 4 })
    await world.settle()
    for (let round = 0; round < 10; round += 1) {
      await world.pass(64)
      lane!.end(
        lane!.held.slice(0, 15).map((_, at) => at),
        () => took(64),
        { laneCpuMs: 62 },
      )
      await world.settle()
    }
    expect((await decisionOf(world, key)).strategy).toBe('ASYNC')
    await finish(world, took(64))
  })

  it('takes lanes after all where tasks have waited for long before they compute', async () => {
    const world = new World()
    const key = await world.compute({ items: 500, options: AUTO })
    world.pool.busy[0]!.wait(null)
    world.pool.busy[0]!.wait(0)
    await world.settle()
    const [, lane] = world.pool.busy
    const round = async (passedMs: number, laneCpuMs: number) => {
      await world.pass(passedMs)
      lane!.end([0], () => took(100), { laneCpuMs })
      await world.settle()
    }
    for (let at = 0; at < 100; at += 1) await round(100, 1)
    // All that have waited compute at once: that is no sign.
    for (let at = 0; at < 4; at += 1) await round(100, 95)
    for (let at = 0; at < 20; at += 1) await round(100, 1)
    expect((await decisionOf(world, key)).strategy).toBe('ASYNC')
    for (let at = 0; at < 12; at += 1) await round(100, 95)
    expect((await decisionOf(world, key)).strategy).toBe('THREADS')
    await finish(world, took(95))
    expect(world.rows(key)).toHaveLength(500)
  })

  it('says in the end what was chosen, also of a run that was cut short before there was anything to go by', async () => {
    const world = new World()
    const no: Verdict = { outcome: Outcome.FAILED, error: { code: 'FUNCTION_ERROR', message: 'no', retryable: false } }
    const key = await world.compute({ items: 1000, options: { ...AUTO, failFast: true } })
    await world.end(world.pool.busy[0], { ...no, serviceMs: 0.001 }, 1)
    await world.end(world.pool.busy[0], { outcome: Outcome.NOT_STARTED })
    expect(world.record(key)).toMatchObject({
      status: 'FAILED',
      effectiveStrategy: 'SEQUENTIAL',
      decision: { strategy: 'SEQUENTIAL', lanes: 1, concurrency: 1, probe: { tasks: 1 }, expectedWallMs: null },
    })
    expect(world.record(key).decision?.reasons.at(-1)).toMatch(/ended before/)
  })

  it('says it of lanes that die before they have done anything, too', async () => {
    const world = new World()
    const key = await world.compute({ items: 3, options: AUTO })
    for (let lane = world.pool.busy[0]; lane; lane = world.pool.busy[0]) {
      lane.die({ code: 'OUT_OF_MEMORY', message: 'gone', retryable: false })
      await world.settle()
    }
    expect(world.record(key)).toMatchObject({ status: 'FAILED', decision: { strategy: 'SEQUENTIAL' } })
    expect(world.record(key).decision?.reasons).toEqual([expect.stringMatching(/ended before/)])
  })

  it('says it of a run that ends while the server leaves', async () => {
    const world = new World()
    const key = await world.compute({ items: 3, options: AUTO })
    await world.leave(1000, () => world.end(world.pool.busy[0], took(0.001)))
    expect(world.record(key)).toMatchObject({
      status: 'SUCCEEDED',
      decision: { strategy: 'SEQUENTIAL', probe: { tasks: 3, left: 0 } },
    })
  })

  it('looks at nothing while the run has no lane', async () => {
    const world = new World({ maxLanes: 1, defaultLanes: 1 })
    const key = await world.compute({ items: 1000, options: AUTO })
    const lane = world.pool.busy[0]!
    await world.end(lane, took(0.001), 300)
    const first = await world.compute({ items: 5, options: { priority: 1 } })
    lane.end(
      lane.held.map((_, at) => at),
      () => ({ outcome: Outcome.NOT_STARTED }),
    )
    await world.settle()
    expect(world.pool.busy.map((one) => one.held.length)).toEqual([1])
    await world.pass(10)
    // But for the scheduler's own timer.
    expect(world.clock.nextDueMs! - world.clock.monotonicMs()).toBeGreaterThan(20)
    await world.pass(200)
    await finish(world, took(0.001))
    expect([world.record(first).status, world.record(key).status]).toEqual(['SUCCEEDED', 'SUCCEEDED'])
  })

  it('has nothing to find out of a single task', async () => {
    const world = new World()
    const key = await world.compute({ items: 1, options: AUTO })
    expect(await decisionOf(world, key)).toMatchObject({ effective: 'SEQUENTIAL', probe: null })
    expect(world.pool.warmed).toEqual([])
    await finish(world, took(100))
  })

  it('says of fetches at once why one event loop is enough', async () => {
    const world = new World()
    const key = await world.fetch({ items: 3, options: AUTO })
    expect(await decisionOf(world, key)).toMatchObject({ effective: 'ASYNC', strategy: 'ASYNC', probe: null })
    await finish(world, took(1))
    const asked = await world.compute({ items: 3, options: { strategy: 'ASYNC' } })
    expect((await world.view(asked)).record.decision).toBeNull()
  })

  it('goes on after a crash as it had chosen, and looks again where it had not', async () => {
    const world = new World()
    const chosen = await world.compute({ items: 50, options: AUTO })
    await world.pass(1)
    await world.crash()
    expect(await decisionOf(world, chosen)).toMatchObject({ effective: 'THREADS', lanes: 2 })
    expect(inService(world)).toHaveLength(2)
    await finish(world, took(10))
    const open = await world.compute({ items: 50, options: AUTO })
    await world.crash()
    expect(await decisionOf(world, open)).toEqual({ effective: 'SEQUENTIAL', lanes: 1 })
    await world.pass(1)
    expect((await decisionOf(world, open)).strategy).toBe('THREADS')
    await finish(world, took(10))
    expect([world.record(chosen).status, world.record(open).status]).toEqual(['SUCCEEDED', 'SUCCEEDED'])
  })

  it('goes on with the lanes that it had chosen where a server has others to give', async () => {
    const world = new World()
    const key = await world.compute({ items: 50, options: AUTO })
    await world.pass(1)
    world.limits.defaultLanes = 4
    await world.crash()
    expect(await decisionOf(world, key)).toMatchObject({ effective: 'THREADS', lanes: 2 })
    expect(inService(world)).toHaveLength(2)
    await finish(world, took(10))
    expect(world.record(key)).toMatchObject({ status: 'SUCCEEDED', lanes: 2, concurrency: 2 })
  })

  it('leaves nothing behind that would fire after its end', async () => {
    const world = new World()
    await world.compute({ items: 3, options: AUTO })
    await finish(world, took(0.001))
    expect(world.clock.nextDueMs).toBeNull()
  })
})
