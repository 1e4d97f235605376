import { describe, expect, it } from 'vitest'
import { Outcome } from '../../../src/domain/results.js'
import { World } from '../../support/engine-world.js'
import type { FakeLane } from '../../support/fake-lanes.js'

const DONE = { outcome: Outcome.SUCCEEDED, output: '1' }
/** Past the quiet time of what ends its server as soon as it starts. */
const QUIET_MS = 6_000
const indexesOf = (lanes: readonly FakeLane[]) => lanes.flatMap(({ held }) => held.map(({ index }) => index))

/** Ends what lanes have until nothing of the culprits but one is there: whether one of them is in service. */
async function workOff(world: World, culprits: readonly number[]): Promise<boolean> {
  for (let turn = 0; turn < 400; turn += 1) {
    const started = world.pool.busy.flatMap((lane) => lane.inService().map(({ index }) => index))
    if (started.some((index) => culprits.includes(index))) return true
    const lane = world.pool.busy.find(({ held }) => held.length > 0)
    if (lane) await world.end(lane, DONE, 1)
    else {
      if (world.clock.nextDueMs === null) return false
      await world.pass(Math.max(1, world.clock.nextDueMs - world.clock.monotonicMs()))
    }
  }
  throw new Error('the run does not come to its end')
}

const isInService = (world: World, index: number) => workOff(world, [index])

/** Has each start end as soon as one of the culprits is in service; answers with the number of such ends. */
async function crashUntilOver(world: World, culprits: readonly number[]): Promise<number> {
  let ends = 0
  while (await workOff(world, culprits)) {
    await world.crash()
    ends += 1
    expect(ends).toBeLessThan(10)
  }
  return ends
}

describe('a task that ends its server', () => {
  it('fails at the third end, and the others succeed', async () => {
    const world = new World()
    const key = await world.compute({ items: 40, options: { strategy: 'THREADS', retry: { maxAttempts: 3 } } })
    expect(await crashUntilOver(world, [17])).toBe(3)
    const { record } = await world.view(key)
    expect(record).toMatchObject({ status: 'PARTIAL', counts: { succeeded: 39, failed: 1 } })
    const failed = world.rows(key).filter(({ error }) => error !== null)
    expect(failed).toMatchObject([
      {
        index: 17,
        attempts: 1,
        error: {
          code: 'LANE_DIED',
          retryable: false,
          message: expect.stringContaining('three ends of the server in a row'),
        },
      },
    ])
  })

  it('is found beside another one in the same run', async () => {
    const world = new World()
    const key = await world.compute({ items: 40 })
    expect(await crashUntilOver(world, [3, 4])).toBeLessThanOrEqual(6)
    expect((await world.view(key)).record.counts).toMatchObject({ succeeded: 38, failed: 2 })
  })

  it('ends a run that is to fail fast', async () => {
    const world = new World()
    const key = await world.compute({ items: 40, options: { strategy: 'THREADS', failFast: true } })
    await crashUntilOver(world, [0])
    expect((await world.view(key)).record).toMatchObject({ status: 'FAILED', counts: { failed: 1 } })
  })

  it.each([
    ['paused', 'pauseRun', { status: 'PAUSED', counts: { failed: 1, cancelled: 0, skipped: 0 } }],
    ['cancelled', 'cancelRun', { status: 'CANCELLED', counts: { failed: 1, skipped: 0 } }],
  ] as const)('is written down where its run is %s meanwhile', async (_what, change, expected) => {
    const world = new World()
    const key = await world.compute({ items: 200, options: { strategy: 'THREADS', concurrency: 1 } })
    for (let end = 0; end < 2; end += 1) {
      expect(await isInService(world, 17)).toBe(true)
      await world.crash()
    }
    await world.pass(QUIET_MS)
    expect(await isInService(world, 17)).toBe(true)
    void world.runs[change](key)
    await world.settle()
    await world.crash()
    expect(world.record(key)).toMatchObject(expected)
    const row = world.rows(key).find(({ index }) => index === 17)
    expect(row).toMatchObject({ status: 'FAILED', error: { code: 'LANE_DIED' } })
    expect(world.pool.busy).toEqual([])
    if (change === 'cancelRun') return
    void world.runs.resumeRun(key)
    await world.settle()
    expect(world.record(key).status).not.toBe('PAUSED')
    expect(await workOff(world, [17])).toBe(false)
    expect((await world.view(key)).record.counts).toMatchObject({ succeeded: 199, failed: 1 })
  })

  it('does not follow its run into a retry', async () => {
    const world = new World()
    const key = await world.compute({ items: 2 })
    expect(await crashUntilOver(world, [1])).toBe(3)
    const { run } = await world.runs.retryRun(key, null)
    await world.settle()
    expect(await workOff(world, [])).toBe(false)
    expect(world.record(run!.record.key)).toMatchObject({ status: 'SUCCEEDED', counts: { succeeded: 1 } })
  })

  it('is found in a run whose start was never written down', async () => {
    const world = new World()
    world.store.autoCommit = false
    const key = await world.compute({ items: 1 })
    for (const afterMs of [0, 0, QUIET_MS]) {
      await world.pass(afterMs)
      expect(indexesOf(world.pool.busy)).toEqual([0])
      await world.crash()
    }
    expect((await world.view(key)).record).toMatchObject({ status: 'FAILED', counts: { failed: 1 } })
  })

  it('is found in a later stage of a pipeline', async () => {
    const world = new World()
    const key = await world.pipeline({ items: 12 })
    const isInStageTwo = () =>
      world.pool.busy.some((lane) => lane.job?.takesOver && lane.inService().some(({ index }) => index === 5))
    let ends = 0
    for (let turn = 0; turn < 600 && ends < 3; turn += 1) {
      if (isInStageTwo()) {
        await world.crash()
        ends += 1
        continue
      }
      const lane = world.pool.busy.find(({ held }) => held.length > 0)
      if (lane) await world.end(lane, DONE, 1)
      else await world.pass(100)
    }
    expect(ends).toBe(3)
    await workOff(world, [])
    const { record, stages } = await world.view(key)
    expect(record.status).toBe('PARTIAL')
    expect(stages).toMatchObject([{ succeeded: 12 }, { succeeded: 11, failed: 1 }])
  })
})

describe('a server that ended unasked', () => {
  it('hands out what was granted one at a time, at once, and the rest as ever', async () => {
    const world = new World()
    await world.compute({ items: 100 })
    const granted = indexesOf(world.pool.busy)
    expect(granted.length).toBeGreaterThan(1)
    await world.crash()
    const handedOut: number[] = []
    while (handedOut.length < granted.length) {
      for (const lane of world.pool.busy) {
        expect(lane.held.length).toBeLessThanOrEqual(1)
        handedOut.push(...lane.held.map(({ index }) => index))
        await world.end(lane, DONE, 1)
      }
    }
    expect(handedOut.slice(0, granted.length).sort((a, b) => a - b)).toEqual(granted.sort((a, b) => a - b))
  })

  it.each([
    ['a process of its own', (world: World) => world.compute({ options: { strategy: 'PROCESSES' } })],
    ['a fetch', (world: World) => world.fetch()],
  ])('suspects nobody who could not end it: %s', async (_what, launch) => {
    const world = new World()
    const key = await launch(world)
    const granted = indexesOf(world.pool.busy)
    for (let crash = 0; crash < 4; crash += 1) await world.crash()
    expect(indexesOf(world.pool.busy)).toEqual(granted)
    expect(world.notes.text).not.toMatch(/^[GTSC] /m)
    while (world.record(key).status !== 'SUCCEEDED') await world.end(world.pool.busy[0], DONE)
  })

  it('blames nobody where it was told to leave', async () => {
    const world = new World()
    const key = await world.compute({ items: 10 })
    for (let leave = 0; leave < 5; leave += 1) {
      await world.leave(10)
      await world.start()
      expect(indexesOf(world.pool.busy)).toContain(0)
    }
    expect(world.notes.text).not.toMatch(/^[SC] /m)
    while ((await world.view(key)).record.status === 'RUNNING') await world.end(world.pool.busy[0], DONE)
    expect((await world.view(key)).record.counts.succeeded).toBe(10)
  })

  it('lets a task be that is in service for long, however often it is killed', async () => {
    const world = new World()
    const key = await world.compute({ items: 1 })
    for (let kill = 0; kill < 6; kill += 1) {
      for (let minute = 0; minute < 30; minute += 1) await world.pass(60_000)
      expect(indexesOf(world.pool.busy)).toEqual([0])
      await world.crash()
    }
    await world.end(world.pool.busy[0], DONE)
    expect((await world.view(key)).record.status).toBe('SUCCEEDED')
  })

  it('goes on without notes where they cannot be written', async () => {
    const world = new World()
    world.notes.isFull = true
    const key = await world.compute({ items: 10 })
    await world.crash()
    expect(world.notes.text).toBeNull()
    while ((await world.view(key)).record.status !== 'SUCCEEDED') await world.end(world.pool.busy[0], DONE)
    world.notes.isFull = false
    await world.pass(10_000)
    await world.compute({ items: 10 })
    expect(world.notes.text).toMatch(/^G /m)
  })

  it('goes on where the notes are damaged', async () => {
    const world = new World()
    await world.compute({ items: 10 })
    world.notes.text = 'what is this?\n'
    await world.crash()
    expect(world.notes.text).toMatch(/^heddle-grants 1\n/)
    expect(indexesOf(world.pool.busy).length).toBeGreaterThan(0)
  })
})
