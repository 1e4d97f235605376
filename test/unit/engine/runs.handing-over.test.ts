import { describe, expect, it } from 'vitest'
import { Outcome } from '../../../src/domain/results.js'
import { World } from '../../support/engine-world.js'
import type { Verdict } from '../../support/fake-lanes.js'

const OK: Verdict = { outcome: Outcome.SUCCEEDED }

describe('Runs, where a lane is to change hands', () => {
  it('gives a run the lane that is free first, not the one whose task takes long', async () => {
    const world = new World({ maxLanes: 2 })
    await world.compute({ items: 10_000, chunkSize: 1 })
    const [quick, slow] = world.pool.busy
    for (let turn = 0; turn < 5; turn += 1) {
      await world.pass(30)
      await world.end(quick, OK, 1)
    }
    const small = await world.compute({ items: 1 })
    // A long one of its own has it known that tasks may be long.
    for (let turn = 0; turn < 3 && world.record(small).status === 'QUEUED'; turn += 1) {
      await world.pass(30)
      await world.end(quick, OK, 1)
    }
    expect(world.record(small).status).toBe('RUNNING')
    expect(slow?.held).toHaveLength(1)
    // The lane with the long task is the big run's, which goes on with it.
    await world.end(slow, OK, 1)
    expect(slow?.held.length).toBeGreaterThan(0)
    expect(world.pool.problems).toEqual([])
  })

  it('hands nothing more to a lane that is to go to another run, also of what is being read for it', async () => {
    const world = new World({ maxLanes: 1 })
    const inputs = Array.from({ length: 200 }, (_, at) => at)
    const big = await world.compute({ source: { inputs }, chunkSize: 50 })
    world.store.autoRead = false
    await world.end(world.pool.busy[0], OK)
    const small = await world.compute({ items: 1 })
    await world.pass(200)
    world.store.autoRead = true
    world.store.releaseReads()
    await world.settle()
    expect([big, small].map((key) => world.record(key).counts.succeeded)).toEqual([50, 0])
    expect(world.pool.busy.map(({ held }) => held.length)).toEqual([1])
    expect(world.record(small).status).toBe('RUNNING')
    while (world.pool.busy[0]) await world.end(world.pool.busy[0], OK)
    expect([big, small].map((key) => world.record(key).status)).toEqual(['SUCCEEDED', 'SUCCEEDED'])
    expect(world.pool.problems).toEqual([])
  })
})
