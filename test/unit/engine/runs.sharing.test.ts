import { describe, expect, it } from 'vitest'
import type { RunKey } from '../../../src/domain/ids.js'
import { Outcome } from '../../../src/domain/results.js'
import { World } from '../../support/engine-world.js'
import type { Verdict } from '../../support/fake-lanes.js'

const OK: Verdict = { outcome: Outcome.SUCCEEDED }
const CANCELLED: Verdict = { outcome: Outcome.CANCELLED }
const NOT_STARTED: Verdict = { outcome: Outcome.NOT_STARTED }

function failure(retryable: boolean): Verdict {
  return { outcome: Outcome.FAILED, error: { code: 'FUNCTION_ERROR', message: 'no', retryable } }
}

describe('Runs, many at a time', () => {
  it('never has more fetches in flight than may be, over all runs', async () => {
    const world = new World({ maxInFlight: 8 })
    const inFlight = () => world.pool.busy.map((lane) => lane.inService().length)
    const keys = [await world.fetch({ items: 100 })]
    expect(inFlight()).toEqual([8])
    keys.push(await world.fetch({ items: 100 }))
    expect(inFlight()).toEqual([8])
    for (let round = 0; round < 40; round += 1) {
      for (const lane of world.pool.busy) await world.end(lane, OK, 1)
      const [first = 0, second = 0] = inFlight()
      expect(first + second).toBe(8)
    }
    // By now each has its share.
    expect(inFlight()).toEqual([4, 4])
    for (const key of keys) expect(world.record(key).counts.succeeded).toBeGreaterThan(20)
  })

  it('lets every fetching run have its turn, though fewer fetches may be in flight than there are runs', async () => {
    const world = new World({ maxInFlight: 1 })
    const keys = []
    for (let run = 0; run < 3; run += 1) keys.push(await world.fetch({ items: 20 }))
    for (let round = 0; round < 30; round += 1) {
      const held = world.pool.busy.filter((lane) => lane.held.length > 0)
      expect(held.reduce((sum, lane) => sum + lane.held.length, 0)).toBe(1)
      await world.end(held[0], OK)
    }
    const succeeded = keys.map((key) => world.record(key).counts.succeeded)
    expect(Math.max(...succeeded) - Math.min(...succeeded)).toBeLessThanOrEqual(2)
  })

  it('gives a fetching run what the others do not want', async () => {
    const world = new World({ maxInFlight: 8 })
    await world.fetch({ items: 100, options: { strategy: 'SEQUENTIAL' } })
    await world.fetch({ items: 100 })
    expect(world.pool.busy.map(({ held }) => held.length)).toEqual([1, 7])
  })

  it('has as many in flight after a crash as before it, however scattered what is left', async () => {
    const world = new World({ maxInFlight: 64 })
    const key = await world.fetch({ items: 64 })
    const [lane] = world.pool.busy
    lane?.end(
      [...lane.held.keys()].filter((place) => place % 2 === 0),
      () => OK,
    )
    await world.settle()
    await world.crash()
    expect(world.pool.busy[0]?.held.map(({ index }) => index)).toHaveLength(32)
    await world.end(world.pool.busy[0], OK)
    expect(world.record(key).status).toBe('SUCCEEDED')
  })

  it('lets all runs have their turn where there are more of them than lanes, none for less than its turn', async () => {
    const world = new World({ maxLanes: 2 })
    const keys = []
    for (let run = 0; run < 5; run += 1) {
      keys.push(await world.compute({ items: 10_000, chunkSize: 1, options: { strategy: 'SEQUENTIAL' } }))
    }
    for (let ms = 0; ms < 2500; ms += 5) {
      for (const lane of world.pool.busy) lane.end([0], () => ({ ...OK, serviceMs: 5 }))
      world.clock.advance(5)
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
    await world.settle()
    const served = keys.map((key) => world.record(key).counts.succeeded)
    expect(Math.min(...served)).toBeGreaterThan(0.6 * Math.max(...served))
    // 2,500 ms of two lanes in turns of 100 ms; each change of hands is an acquire.
    expect(world.pool.acquired).toBeLessThan(100)
    expect(world.pool.problems).toEqual([])
  })

  it('owes a run nothing for the time that it did not want a lane', async () => {
    const world = new World({ maxLanes: 1 })
    const options = { strategy: 'SEQUENTIAL' as const }
    const sleeper = await world.compute({ items: 3, options })
    while (world.record(sleeper).counts.failed === 0 && world.pool.busy[0]) {
      await world.end(world.pool.busy[0], { ...failure(true), retryAfterMs: 60_000 }, 1)
    }
    const worker = await world.compute({ items: 100_000, chunkSize: 1, options })
    const work = async (ms: number) => {
      for (let left = ms; left > 0; left -= 50) {
        await world.end(world.pool.busy[0], OK, 1)
        await world.pass(50)
      }
    }
    await work(50_000)
    const before = world.record(worker).counts.succeeded
    const newcomer = await world.compute({ items: 1000, chunkSize: 1, options })
    await work(20_000)
    // It had its turn when its back-off was over, and no more than that.
    expect(world.record(sleeper).status).toBe('SUCCEEDED')
    const [own, other] = [world.record(worker).counts.succeeded - before, world.record(newcomer).counts.succeeded]
    expect(own / other).toBeGreaterThan(0.8)
    expect(own / other).toBeLessThan(1.25)
  })

  it('gives a lane that becomes free to whose turn it is, by priority first', async () => {
    const world = new World({ maxLanes: 1 })
    const options = { strategy: 'SEQUENTIAL' as const }
    await world.compute({ items: 1, options })
    const low = await world.compute({ items: 5, options })
    const high = await world.compute({ items: 5, options: { ...options, priority: 1 } })
    await world.end(world.pool.busy[0], OK)
    await world.end(world.pool.busy[0], OK)
    expect([low, high].map((key) => world.record(key).status)).toEqual(['QUEUED', 'RUNNING'])
  })

  it('asks for no more lanes than there are, though a run ends while its lane starts', async () => {
    const world = new World({ maxLanes: 2 })
    world.pool.slowStarts = true
    const first = await world.compute({ items: 2 })
    world.pool.letStart(1)
    await world.settle()
    while (world.pool.busy[0]) await world.end(world.pool.busy[0], OK)
    expect(world.record(first).status).toBe('SUCCEEDED')
    const second = await world.compute({ items: 2 })
    expect(world.pool.problems).toEqual([])
    world.pool.letStart()
    await world.settle()
    expect(world.pool.busy).toHaveLength(2)
    for (const lane of world.pool.busy) await world.end(lane, OK)
    expect(world.record(second).status).toBe('SUCCEEDED')
  })

  it('keeps a run going that has a lane, though no other can be started for it', async () => {
    const world = new World()
    const first = await world.compute({ items: 1 })
    await world.end(world.pool.busy[0], OK)
    world.pool.failStarts = Number.POSITIVE_INFINITY
    const key = await world.compute({ items: 20, chunkSize: 1, options: { lanes: 3 } })
    for (let round = 0; round < 20; round += 1) await world.pass(600)
    expect(world.record(key).status).toBe('RUNNING')
    while (world.pool.busy[0]) await world.end(world.pool.busy[0], OK)
    expect([first, key].map((one) => world.record(one).status)).toEqual(['SUCCEEDED', 'SUCCEEDED'])
  })

  it('gives up a run only when no lane could be started again and again', async () => {
    const world = new World({ maxLanes: 8 })
    world.pool.failStarts = 8
    const key = await world.compute({ items: 8, options: { lanes: 8 } })
    expect(world.record(key).status).toBe('QUEUED')
    await world.pass(500)
    for (const lane of world.pool.busy) await world.end(lane, OK)
    expect(world.record(key).status).toBe('SUCCEEDED')
    world.pool.failStarts = Number.POSITIVE_INFINITY
    const other = await world.compute({ items: 8, options: { strategy: 'PROCESSES' } })
    for (let second = 0; second < 5; second += 1) await world.pass(500)
    expect(world.record(other)).toMatchObject({ status: 'FAILED', counts: { skipped: 8 } })
    expect(world.record(other).failure?.message).toBe('no lane could be started: no memory')
    expect(world.clock.nextDueMs).toBeNull()
  })
})

describe('Runs, fetches that find no room', () => {
  const statuses = (world: World, keys: RunKey[]) => keys.map((key) => world.record(key).status)
  const inFlight = (world: World) => world.pool.busy.map((lane) => lane.inService().length)
  const unavailable: Verdict = {
    outcome: Outcome.FAILED,
    error: { code: 'HTTP_STATUS', message: 'no', retryable: true },
    retryAfterMs: 1000,
  }
  /** As many fetches end as were handed out ahead: with the next one that ends there is room. */
  const endAhead = (world: World) => {
    const [lane] = world.pool.busy
    return world.end(lane, OK, lane!.held.length - lane!.inService().length)
  }

  it('hold no lane and stay queued, and run when a fetch of another run has ended', async () => {
    const world = new World({ maxLanes: 2, maxInFlight: 4 })
    const first = await world.fetch({ items: 12 })
    const others = [await world.fetch({ items: 6 }), await world.fetch({ items: 6 })]
    expect([inFlight(world), statuses(world, others)]).toEqual([[4], ['QUEUED', 'QUEUED']])
    // Nor is any lane sought for them as time goes by.
    await world.pass(1000)
    expect(world.pool.acquired).toBe(1)
    const compute = await world.compute({ items: 1 })
    expect(statuses(world, [compute])).toEqual(['RUNNING'])
    await world.end(world.pool.busy[1], OK)
    expect([inFlight(world), statuses(world, [compute])]).toEqual([[4], ['SUCCEEDED']])
    await endAhead(world)
    expect([inFlight(world), statuses(world, others)]).toEqual([[4], ['QUEUED', 'QUEUED']])
    await world.end(world.pool.busy[0], OK, 1)
    expect([inFlight(world), statuses(world, others)]).toEqual([
      [3, 1],
      ['RUNNING', 'QUEUED'],
    ])
    while (world.pool.busy[0]) {
      await world.end(world.pool.busy[0], OK, 1)
      expect(inFlight(world)).not.toContain(0)
    }
    expect(statuses(world, [first, ...others])).toEqual(Array(3).fill('SUCCEEDED'))
    expect(world.pool.problems).toEqual([])
  })

  it('give their lane back when others have had less, and go on when it is their turn', async () => {
    const world = new World({ maxInFlight: 1 })
    const keys = [await world.fetch({ items: 10 }), await world.fetch({ items: 10 }), await world.fetch({ items: 10 })]
    for (let round = 0; round < 9; round += 1) {
      expect(inFlight(world)).toEqual([1])
      await world.end(world.pool.busy[0], OK, 1)
    }
    expect(keys.map((key) => world.record(key).counts.succeeded)).toEqual([3, 3, 3])
    expect(statuses(world, keys)).toEqual(Array(3).fill('RUNNING'))
  })

  it('wait by priority', async () => {
    const world = new World({ maxInFlight: 2 })
    await world.fetch({ items: 9 })
    const low = await world.fetch({ items: 2 })
    const high = await world.fetch({ items: 2, options: { priority: 1 } })
    await endAhead(world)
    await world.end(world.pool.busy[0], OK, 1)
    expect(statuses(world, [low, high])).toEqual(['QUEUED', 'RUNNING'])
  })

  it('are as they were after a crash, and after the server has left', async () => {
    const world = new World({ maxInFlight: 1 })
    const keys = [await world.fetch({ items: 3 }), await world.fetch({ items: 3 })]
    const shut = [[1], ['RUNNING', 'QUEUED']]
    expect([inFlight(world), statuses(world, keys)]).toEqual(shut)
    await world.crash()
    expect([inFlight(world), statuses(world, keys)]).toEqual(shut)
    await world.leave(0)
    await world.start()
    expect([inFlight(world), statuses(world, keys)]).toEqual(shut)
    while (world.pool.busy[0]) await world.end(world.pool.busy[0], OK)
    expect(statuses(world, keys)).toEqual(['SUCCEEDED', 'SUCCEEDED'])
  })

  it('hold none either when their back-off is over', async () => {
    const world = new World({ maxInFlight: 2 })
    const back = await world.fetch({ items: 1 })
    await world.end(world.pool.busy[0], unavailable)
    const other = await world.fetch({ items: 9 })
    await world.pass(2000)
    expect([inFlight(world), world.pool.acquired]).toEqual([[2], 2])
    await endAhead(world)
    await world.end(world.pool.busy[0], OK, 1)
    expect(inFlight(world)).toEqual([1, 1])
    while (world.pool.busy[0]) await world.end(world.pool.busy[0], OK)
    expect(statuses(world, [back, other])).toEqual(['SUCCEEDED', 'SUCCEEDED'])
    expect(world.rows(back)).toMatchObject([{ attempts: 2 }])
  })

  it('want nothing any more when failFast ends their run in its back-off', async () => {
    const world = new World({ maxInFlight: 2 })
    const failing = await world.fetch({ items: 3, options: { failFast: true } })
    await world.end(world.pool.busy[0], unavailable, 1)
    await world.end(world.pool.busy[0], failure(false), 1)
    const other = await world.fetch({ items: 9 })
    await world.end(world.pool.busy[0], CANCELLED)
    expect(statuses(world, [failing, other])).toEqual(['FAILED', 'RUNNING'])
    await world.pass(2000)
    expect([inFlight(world), world.pool.acquired]).toEqual([[2], 2])
    expect(world.record(failing).counts).toMatchObject({ failed: 2, cancelled: 1 })
  })

  it('leave the room to others while no lane can be started for them', async () => {
    const world = new World({ maxInFlight: 2 })
    const first = await world.fetch({ items: 9 })
    const second = await world.fetch({ items: 1, options: { strategy: 'PROCESSES' } })
    await endAhead(world)
    world.pool.failStarts = 1
    await world.end(world.pool.busy[0], OK, 1)
    expect([inFlight(world), statuses(world, [second])]).toEqual([[2], ['QUEUED']])
    await world.pass(500)
    await endAhead(world)
    await world.end(world.pool.busy[0], OK, 1)
    expect([inFlight(world), statuses(world, [first, second])]).toEqual([
      [1, 1],
      ['RUNNING', 'RUNNING'],
    ])
  })

  it('keep the room that they have found while their lane starts', async () => {
    const world = new World({ maxInFlight: 2 })
    await world.fetch({ items: 9 })
    const second = await world.fetch({ items: 2 })
    await endAhead(world)
    world.pool.slowStarts = true
    await world.end(world.pool.busy[0], OK, 1)
    expect([inFlight(world), statuses(world, [second])]).toEqual([[1], ['QUEUED']])
    world.pool.letStart()
    await world.settle()
    expect([inFlight(world), statuses(world, [second])]).toEqual([[1, 1], ['RUNNING']])
  })

  it('have their turn though computes want all lanes, and hold none idle', async () => {
    const world = new World({ maxLanes: 2, maxInFlight: 2 })
    const options = { strategy: 'SEQUENTIAL' as const }
    const fetches = [await world.fetch({ items: 5000 }), await world.fetch({ items: 5000 })]
    const computes = [await world.compute({ items: 5000, chunkSize: 1 }), await world.compute({ items: 5000, options })]
    for (let ms = 0; ms < 4000; ms += 5) {
      for (const lane of world.pool.busy) if (lane.held.length > 0) lane.end([0], () => ({ ...OK, serviceMs: 5 }))
      world.clock.advance(5)
      await new Promise<void>((resolve) => setImmediate(resolve))
      expect(world.pool.busy.filter(({ held }) => held.length === 0)).toEqual([])
    }
    await world.settle()
    for (const key of [...fetches, ...computes]) expect(world.record(key).counts.succeeded).toBeGreaterThan(200)
    expect(world.pool.problems).toEqual([])
  })

  it('give back lanes beyond the room that there is, and do not ask for them again', async () => {
    const world = new World({ maxInFlight: 4 })
    const wide = await world.fetch({ items: 400, options: { strategy: 'THREADS', lanes: 2, concurrency: 4 } })
    expect(inFlight(world)).toEqual([2, 2])
    const others = [await world.fetch({ items: 400 }), await world.fetch({ items: 400 })]
    const round = async () => {
      for (const lane of world.pool.busy) if (lane.held.length > 0) await world.end(lane, OK, 1)
      expect(inFlight(world)).not.toContain(0)
    }
    for (let turn = 0; turn < 20; turn += 1) await round()
    const { acquired } = world.pool
    for (let turn = 0; turn < 20; turn += 1) await round()
    expect(world.pool.acquired).toBe(acquired)
    expect(inFlight(world).reduce((sum, one) => sum + one)).toBe(4)
    for (const key of [wide, ...others]) expect(world.record(key).counts.succeeded).toBeGreaterThan(20)
  })

  it('all have their turn where they are many, each with its lane once', async () => {
    const world = new World({ maxLanes: 2, maxInFlight: 4 })
    const keys: RunKey[] = []
    for (let run = 0; run < 200; run += 1) keys.push(await world.fetch({ items: 2 }))
    for (let round = 0; round < 300 && world.pool.busy[0]; round += 1) {
      for (const lane of world.pool.busy) await world.end(lane, OK)
    }
    expect(new Set(statuses(world, keys))).toEqual(new Set(['SUCCEEDED']))
    expect(world.pool.acquired).toBe(200)
  })
})

describe('Runs, handing out', () => {
  it('calls the last items back from a lane that is busy with long ones, for another lane', async () => {
    const world = new World()
    const key = await world.compute({ items: 6, chunkSize: 3, options: { strategy: 'THREADS', lanes: 2 } })
    const [slow, quick] = world.pool.busy
    expect([slow?.held.length, quick?.held.length]).toEqual([3, 3])
    await world.end(quick, OK)
    expect(slow?.recalled).toBe(true)
    // The first one goes on; the others are given back.
    slow?.end([1, 2], () => NOT_STARTED)
    await world.settle()
    expect(world.pool.busy.map(({ held }) => held.map(({ index }) => index))).toEqual([[0], [2, 1]])
    for (const lane of world.pool.busy) await world.end(lane, OK)
    expect(world.record(key)).toMatchObject({ status: 'SUCCEEDED', counts: { succeeded: 6 } })
  })
})

describe('Runs, taken up with fewer lanes', () => {
  it('have as many in flight on the lanes that can be had', async () => {
    const world = new World({ maxInFlight: 8, maxLanes: 4 })
    const key = await world.fetch({ items: 40, options: { strategy: 'THREADS', lanes: 4, concurrency: 8 } })
    expect(world.pool.busy.map(({ job }) => job?.slots)).toEqual([2, 2, 2, 2])
    world.limits.maxLanes = 2
    await world.crash()
    expect(world.pool.busy.map(({ job }) => job?.slots)).toEqual([4, 4])
    expect(world.record(key)).toMatchObject({ lanes: 4, concurrency: 8 })
  })
})
