import { describe, expect, it } from 'vitest'
import type { TaskError } from '../../../src/domain/errors.js'
import { Outcome } from '../../../src/domain/results.js'
import { World } from '../../support/engine-world.js'

const FAILED: TaskError = { code: 'HTTP_STATUS', message: 'answered with status 503', retryable: true }
const GONE: TaskError = { code: 'LANE_DIED', message: 'gone', retryable: true }
const OK = { outcome: Outcome.SUCCEEDED, output: '"body"' }

/** So many items that name one page, and one that names another. */
const pages = (count: number) => ({
  urls: [...Array.from({ length: count }, (_, at) => `http://a.example/#${at}`), 'http://a.example/other'],
})

describe('a run that keeps to a pace', () => {
  it('holds no lane while its hosts wait, and has one when they are due', async () => {
    const world = new World({ maxLanes: 1 })
    const paced = await world.fetch({ items: 3, fetch: { perHostRate: 1 } })
    expect(world.pool.busy.map(({ held }) => held.length)).toEqual([1])
    await world.end(world.pool.busy[0], OK)
    expect(world.pool.busy).toEqual([])
    expect(world.clock.nextDueMs).toBe(1_020)
    const computed = await world.compute({ items: 1 })
    expect(world.pool.busy.map(({ job }) => job?.work.kind)).toEqual(['COMPUTE'])
    await world.end(world.pool.busy[0], OK)
    expect(world.record(computed).status).toBe('SUCCEEDED')
    await world.pass(1_020)
    expect(world.pool.busy.map(({ held }) => held.length)).toEqual([1])
    await world.end(world.pool.busy[0], OK)
    await world.pass(1_020)
    await world.end(world.pool.busy[0], OK)
    expect(world.record(paced)).toMatchObject({ status: 'SUCCEEDED', counts: { succeeded: 3 } })
    expect(world.clock.nextDueMs).toBeNull()
  })

  it('keeps its distance from what its lane has started late', async () => {
    const world = new World()
    await world.fetch({ items: 2, fetch: { perHostRate: 1 } })
    const [lane] = world.pool.busy
    await world.pass(900)
    lane!.held[0]!.startedAt! += 800
    await world.end(lane, OK)
    expect(world.clock.nextDueMs).toBe(1_820)
  })

  it('goes on after a restart, and keeps no timer when the server leaves', async () => {
    const world = new World()
    const key = await world.fetch({ items: 3, fetch: { perHostRate: 1, perHostConcurrency: 1 } })
    await world.end(world.pool.busy[0], OK)
    await world.leave(1_000)
    await world.start()
    for (let round = 0; round < 2; round += 1) {
      expect(world.pool.busy).toHaveLength(1)
      await world.end(world.pool.busy[0], OK)
      await world.pass(1_020)
    }
    expect(world.record(key).status).toBe('SUCCEEDED')
    expect(world.store.problems()).toEqual([])
  })
})

describe('a run that sends one request once', () => {
  it('waits with the others while their leader is tried again, and fails them with it', async () => {
    const world = new World()
    const key = await world.fetch({
      source: pages(5),
      fetch: { dedupe: true },
      options: { retry: { maxAttempts: 2, backoffMs: 1_000 } },
    })
    const [lane] = world.pool.busy
    expect(lane?.held.map(({ index }) => index)).toEqual([0, 5])
    await world.end(lane, { outcome: Outcome.FAILED, error: FAILED }, 1)
    expect(world.rows(key)).toEqual([])
    await world.pass(1_000)
    lane?.die(GONE)
    await world.settle()
    // Item 0 had its last attempt, the other one goes elsewhere.
    expect(world.rows(key).map(({ index, attempts, errorCode }) => [index, attempts, errorCode])).toEqual([
      [0, 2, 'LANE_DIED'],
      ...[1, 2, 3, 4].map((index) => [index, 0, 'LANE_DIED']),
    ])
    await world.pass(2_000)
    await world.end(world.pool.busy[0], OK)
    expect(world.record(key)).toMatchObject({ status: 'PARTIAL', counts: { succeeded: 1, failed: 5 } })
    expect(world.record(key).times.service.count).toBe(2)
  })

  it('skips the others when its first failure ends it', async () => {
    const world = new World()
    const key = await world.fetch({
      source: pages(5),
      fetch: { dedupe: true },
      options: { failFast: true, retry: { maxAttempts: 1 } },
    })
    const [lane] = world.pool.busy
    await world.end(lane, { outcome: Outcome.FAILED, error: FAILED }, 1)
    await world.end(lane, { outcome: Outcome.CANCELLED })
    expect(world.record(key)).toMatchObject({ status: 'FAILED', counts: { failed: 1, cancelled: 1, skipped: 4 } })
    expect(world.store.problems()).toEqual([])
  })

  it('gives them after a crash the answer that their leader had before it, without asking again', async () => {
    const world = new World()
    const key = await world.fetch({ source: pages(5), fetch: { dedupe: true } })
    world.store.autoCommit = false
    await world.end(world.pool.busy[0], { ...OK, serviceMs: 7 }, 1)
    world.store.release()
    await world.settle()
    expect(world.rows(key).map(({ index }) => index)).toEqual([0])
    await world.crash()
    expect(world.rows(key).map(({ index, attempts, output }) => [index, attempts, output])).toEqual(
      [0, 1, 2, 3, 4].map((index) => [index, index === 0 ? 1 : 0, '"body"']),
    )
    expect(world.pool.busy[0]?.held.map(({ index }) => index)).toEqual([5])
    const service = await world.runs.distribution(await world.view(key), null, 'serviceMs')
    expect([service.moments.count, service.percentile(0.5)]).toEqual([1, 7])
    await world.end(world.pool.busy[0], { ...OK, serviceMs: 9 })
    const ended = await world.runs.distribution(await world.view(key), null, 'serviceMs')
    expect([ended.moments.count, ended.percentile(0), ended.percentile(1)]).toEqual([2, 7, 9])
    expect(world.record(key)).toMatchObject({ status: 'SUCCEEDED', counts: { succeeded: 6 } })
    expect(world.store.problems()).toEqual([])
  })
})
