import { describe, expect, it } from 'vitest'
import type { RunKey } from '../../../src/domain/ids.js'
import { Outcome } from '../../../src/domain/results.js'
import type { LaunchOptionsInput, LaunchOutcome } from '../../../src/engine/engine.js'
import { World } from '../../support/engine-world.js'

const OK = { outcome: Outcome.SUCCEEDED }

const rangeOf = (items: number) => ({ range: { from: 0, to: items, step: 1 } })

function launch(world: World, items: number, options: LaunchOptionsInput = {}): Promise<LaunchOutcome> {
  return world.runs.launchCompute({ function: 'any', source: rangeOf(items), options }, '')
}

const codes = (outcomes: readonly LaunchOutcome[]) => outcomes.map(({ userErrors }) => userErrors[0]?.code ?? 'OK')

/** Has all of them come while the first is being written down. */
async function atOnce(
  world: World,
  launches: readonly (() => Promise<LaunchOutcome>)[],
  meanwhile = () => {},
): Promise<LaunchOutcome[]> {
  world.store.autoLaunch = false
  const all = Promise.all(launches.map((one) => one()))
  await world.settle()
  meanwhile()
  world.store.autoLaunch = true
  world.store.releaseLaunches()
  return all
}

describe('Runs, launching past the queue limit', () => {
  it('refuses what would be too much together, also of launches at the same time', async () => {
    const world = new World({ maxQueuedTasks: 15 })
    const outcomes = await atOnce(world, [() => launch(world, 10), () => launch(world, 10), () => launch(world, 5)])
    expect(codes(outcomes)).toEqual(['OK', 'QUEUE_FULL', 'OK'])
    expect(outcomes[1]?.userErrors[0]).toMatchObject({
      message: '10 tasks wait already: with these 10 it would be more than 15',
      retryAfterMs: 5000,
    })
    expect(world.store.records.size).toBe(2)
    // That many will not fit later either.
    expect((await launch(world, 16)).userErrors[0]).toMatchObject({ code: 'QUEUE_FULL', retryAfterMs: null })
  })

  it('counts an item of a pipeline once a stage', async () => {
    const world = new World({ maxQueuedTasks: 15 })
    const stages = [{ compute: { function: 'any' } }, { compute: { function: 'any' } }]
    const pipeline = (items: number) => world.runs.launchPipeline({ source: rangeOf(items), stages }, '')
    const outcomes = [await pipeline(8), await pipeline(7), await launch(world, 2), await launch(world, 1)]
    expect(codes(outcomes)).toEqual(['QUEUE_FULL', 'OK', 'QUEUE_FULL', 'OK'])
  })

  it('says when there will be room, as fast as it goes now, and takes it then', async () => {
    const world = new World({ maxQueuedTasks: 20 })
    await world.compute({ items: 20, chunkSize: 1, options: { lanes: 1 } })
    for (let second = 0; second < 5; second += 1) {
      await world.pass(1000)
      await world.end(world.pool.busy[0], OK, 1)
    }
    const [refused] = (await launch(world, 10)).userErrors
    // 14 wait, one is in service, and one ends in a second.
    expect(refused).toMatchObject({ message: expect.stringContaining('14 tasks wait'), retryAfterMs: 4000 })
    for (let second = 0; second < 4; second += 1) {
      await world.pass(1000)
      await world.end(world.pool.busy[0], OK, 1)
    }
    expect(codes([await launch(world, 10)])).toEqual(['OK'])
  })

  it('leaves no room for what could not be written down, and gives it back', async () => {
    const world = new World({ maxQueuedTasks: 15 })
    world.store.failLaunches = 1
    await expect(launch(world, 15)).rejects.toThrow('the disk is full')
    expect(codes([await launch(world, 15)])).toEqual(['OK'])
  })

  it('counts what comes while the server leaves', async () => {
    const world = new World({ maxQueuedTasks: 15 })
    await world.leave(1000, async () => {
      expect(codes([await launch(world, 10), await launch(world, 10), await launch(world, 5)])).toEqual([
        'OK',
        'QUEUE_FULL',
        'OK',
      ])
    })
    await world.start()
    expect(codes([await launch(world, 5)])).toEqual(['QUEUE_FULL'])
  })
})

describe('Runs, launching with an idempotency key', () => {
  const keyed = (world: World, items: number) => launch(world, items, { idempotencyKey: 'once' })
  const keysOf = (outcomes: readonly LaunchOutcome[]) => new Set(outcomes.map(({ run }) => run?.record.key))

  it('answers a repeated launch with the first one, though the queue is full of it', async () => {
    const world = new World({ maxQueuedTasks: 15 })
    const first = await keyed(world, 10)
    const again = await keyed(world, 10)
    expect(again).toMatchObject({ deduplicated: true, userErrors: [] })
    expect(again.run?.record.key).toBe(first.run?.record.key)
    expect(codes([await keyed(world, 11), await launch(world, 10)])).toEqual(['IDEMPOTENCY_CONFLICT', 'QUEUE_FULL'])
  })

  it('makes one run of launches at once, though there is room for one alone', async () => {
    const world = new World({ maxQueuedTasks: 15 })
    const outcomes = await atOnce(
      world,
      Array.from({ length: 8 }, () => () => keyed(world, 10)),
    )
    expect(codes(outcomes)).toEqual(Array(8).fill('OK'))
    expect(outcomes.map(({ deduplicated }) => deduplicated)).toEqual([false, ...Array(7).fill(true)])
    expect(keysOf(outcomes).size).toBe(1)
    expect(world.store.records.size).toBe(1)
  })

  it('lets the first one of different inputs win, and those of other keys not wait for it', async () => {
    const world = new World({ maxQueuedTasks: 15 })
    const other = () => launch(world, 1, { idempotencyKey: 'another' })
    const outcomes = await atOnce(world, [
      () => keyed(world, 10),
      () => keyed(world, 11),
      () => keyed(world, 10),
      other,
    ])
    expect(codes(outcomes)).toEqual(['OK', 'IDEMPOTENCY_CONFLICT', 'OK', 'OK'])
    expect(keysOf([outcomes[0]!, outcomes[2]!]).size).toBe(1)
  })

  it('has the next one launched where the first could not be written down', async () => {
    const world = new World({ maxQueuedTasks: 15 })
    world.store.autoLaunch = false
    const first = expect(keyed(world, 10)).rejects.toThrow('the disk is full')
    const second = keyed(world, 10)
    await world.settle()
    world.store.autoLaunch = true
    world.store.failLaunches = 1
    world.store.releaseLaunches()
    await first
    expect(await second).toMatchObject({ deduplicated: false, userErrors: [] })
    expect(world.store.records.size).toBe(1)
  })

  it('answers after a restart with the run of before', async () => {
    const world = new World({ maxQueuedTasks: 15 })
    const { run } = await keyed(world, 10)
    await world.crash()
    const outcomes = [await keyed(world, 10), await keyed(world, 10)]
    expect(outcomes.map(({ deduplicated }) => deduplicated)).toEqual([true, true])
    expect(keysOf(outcomes)).toEqual(new Set([run?.record.key]))
    expect(codes([await keyed(world, 9)])).toEqual(['IDEMPOTENCY_CONFLICT'])
  })
})

describe('Runs, launching while the server leaves', () => {
  it('writes a launch down, and runs it after the next start', async () => {
    const world = new World()
    let key: RunKey | undefined
    await world.leave(1000, async () => {
      key = await world.compute({ items: 1 })
      expect(world.pool.busy).toEqual([])
    })
    expect(world.record(key!).status).toBe('QUEUED')
    await world.start()
    await world.end(world.pool.busy[0], OK)
    expect(world.record(key!).status).toBe('SUCCEEDED')
  })
})
