import { describe, expect, it } from 'vitest'
import type { TaskError } from '../../../src/domain/errors.js'
import { Outcome } from '../../../src/domain/results.js'
import { World } from '../../support/engine-world.js'

const GONE: TaskError = { code: 'LANE_DIED', message: 'gone', retryable: true }
const NO_MEMORY: TaskError = { code: 'OUT_OF_MEMORY', message: 'needed more than 64 MB', retryable: false }
const OK = { outcome: Outcome.SUCCEEDED, output: '1' }

const held = (world: World) => world.pool.busy.map((lane) => lane.held.map(({ index }) => index))
const rowsOf = (world: World, key: Parameters<World['rows']>[0]) =>
  world.rows(key).map(({ index, status, errorCode, attempts }) => [index, status, errorCode, attempts])

/** Time goes by until it answers. */
async function answerOf(world: World, answer: Promise<unknown>): Promise<void> {
  let isThere = false
  void answer.then(() => {
    isThere = true
  })
  while (!isThere) await world.pass(5)
}

describe('tasks that were in service in one lane when it died', () => {
  const options = { strategy: 'ASYNC' as const, concurrency: 3, retry: { maxAttempts: 1 } }

  it('are tried each with a lane to itself: the one that ends it has failed, as that says, and no other', async () => {
    const world = new World()
    const key = await world.compute({ items: 5, options })
    expect(held(world)[0]!.slice(0, 3)).toEqual([0, 1, 2])
    world.pool.busy[0]?.die(GONE)
    await world.settle()
    expect(world.rows(key)).toEqual([])
    expect(held(world)).toEqual([[0]])
    await world.end(world.pool.busy[0], OK)
    expect(held(world)).toEqual([[1]])
    world.pool.busy[0]?.die(NO_MEMORY)
    await world.settle()
    expect(held(world)).toEqual([[2]])
    await world.end(world.pool.busy[0], OK)
    // Nobody suspects these.
    expect(held(world)[0]).toEqual([3, 4])
    await world.end(world.pool.busy[0], OK)
    expect(rowsOf(world, key)).toEqual([
      [0, 'SUCCEEDED', null, 1],
      [1, 'FAILED', 'OUT_OF_MEMORY', 1],
      [2, 'SUCCEEDED', null, 1],
      [3, 'SUCCEEDED', null, 1],
      [4, 'SUCCEEDED', null, 1],
    ])
    expect(world.record(key).status).toBe('PARTIAL')
  })

  it('are still tried apart when the run has been paused and resumed', async () => {
    const world = new World({ maxLanes: 1 })
    const key = await world.compute({ items: 4, options: { ...options, concurrency: 2 } })
    world.pool.busy[0]?.die(GONE)
    await world.settle()
    const paused = answerOf(world, world.runs.pauseRun(key))
    await world.end(world.pool.busy[0], OK)
    await paused
    await answerOf(world, world.runs.resumeRun(key))
    expect(held(world)).toEqual([[1]])
    await world.end(world.pool.busy[0], OK)
    expect(held(world)).toEqual([[2, 3]])
  })

  it('are not tried again once the run has ended', async () => {
    const world = new World()
    const key = await world.compute({ items: 3, options: { ...options, failFast: true } })
    world.pool.busy[0]?.die(GONE)
    await world.settle()
    world.pool.busy[0]?.die(GONE)
    await world.settle()
    expect(world.pool.busy).toEqual([])
    expect(world.record(key)).toMatchObject({ status: 'FAILED', counts: { failed: 1, skipped: 2 } })
  })

  it('are found out in the last stage and in those before it', async () => {
    const world = new World()
    const stages = ['any', 'any'].map((name) => ({ compute: { function: name } }))
    const source = { range: { from: 0, to: 2, step: 1 } }
    const { run } = await world.runs.launchPipeline({ source, stages, options: { ...options, concurrency: 2 } }, '')
    await world.settle()
    for (let deaths = 0; deaths < 2; deaths += 1) {
      world.pool.busy[0]?.die(GONE)
      await world.settle()
      for (let item = 0; item < 2; item += 1) {
        expect(world.pool.busy[0]?.held).toHaveLength(1)
        await world.end(world.pool.busy[0], OK)
      }
    }
    expect(world.record(run!.record.key)).toMatchObject({ status: 'SUCCEEDED', counts: { succeeded: 4 } })
  })
})

describe('a task that lanes die of', () => {
  it('is not tried again after three of them, whatever its retries', async () => {
    const world = new World()
    const retry = { maxAttempts: 10, backoffMs: 0 }
    const key = await world.compute({ items: 1, options: { strategy: 'SEQUENTIAL', retry } })
    for (let death = 1; death <= 3; death += 1) {
      expect(world.rows(key)).toEqual([])
      world.pool.busy[0]?.die(GONE)
      await world.pass(1)
    }
    expect(rowsOf(world, key)).toEqual([[0, 'FAILED', 'LANE_DIED', 3]])
    expect(world.record(key).status).toBe('FAILED')
  })
})
