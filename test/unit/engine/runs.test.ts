import { describe, expect, it } from 'vitest'
import type { TaskError } from '../../../src/domain/errors.js'
import { Outcome } from '../../../src/domain/results.js'
import { World } from '../../support/engine-world.js'
import type { Verdict } from '../../support/fake-lanes.js'

const OK: Verdict = { outcome: Outcome.SUCCEEDED }
const CANCELLED: Verdict = { outcome: Outcome.CANCELLED }
const NOT_STARTED: Verdict = { outcome: Outcome.NOT_STARTED }
const GONE: TaskError = { code: 'LANE_DIED', message: 'gone', retryable: true }

function failure(retryable: boolean): Verdict {
  return { outcome: Outcome.FAILED, error: { code: 'FUNCTION_ERROR', message: 'no', retryable } }
}

function inputsOf(count: number) {
  return { source: { inputs: Array.from({ length: count }, (_, at) => at) } }
}

describe('Runs, leaving', () => {
  it('ends a run whose last tasks end while the server leaves', async () => {
    const world = new World()
    const key = await world.compute({ items: 2 })
    await world.leave(1000, async () => {
      for (const lane of world.pool.busy) await world.end(lane, OK)
    })
    expect(world.record(key)).toMatchObject({ status: 'SUCCEEDED', counts: { succeeded: 2 } })
    await world.start()
    expect((await world.view(key)).record.status).toBe('SUCCEEDED')
  })

  it('takes up a run of which nothing but its end is missing', async () => {
    const world = new World()
    const key = await world.compute({ items: 2 })
    for (const lane of world.pool.busy) await world.end(lane, OK)
    const record = world.record(key)
    // As a server would have left it that was ended between the last task and the run's end.
    world.store.records.set(record.id, { ...record, status: 'RUNNING', finishedAt: null })
    await world.crash()
    expect(world.record(key)).toMatchObject({ status: 'SUCCEEDED', counts: { succeeded: 2 } })
  })

  it('blames no task for a lane that is ended because the server leaves', async () => {
    const world = new World()
    const key = await world.compute({ items: 2, options: { failFast: true, retry: { maxAttempts: 1 } } })
    await world.leave(1000)
    expect(world.rows(key)).toEqual([])
    await world.start()
    for (const lane of world.pool.busy) await world.end(lane, OK)
    expect(world.record(key).status).toBe('SUCCEEDED')
  })

  it('leaves at once when lanes report that they were cancelled', async () => {
    const world = new World()
    const key = await world.compute({ items: 4, options: { concurrency: 2 } })
    await world.leave(1000, async () => {
      await world.pass(1000)
      for (const lane of world.pool.busy) {
        expect(lane.cancelled).toBe(true)
        lane.end([...lane.held.keys()], () => CANCELLED)
      }
      await world.settle()
      expect(world.pool.busy).toEqual([])
    })
    expect(world.rows(key)).toEqual([])
  })

  it('ends a run that failFast was ending as failed, and not again after the next start', async () => {
    const world = new World()
    const key = await world.compute({ items: 10, options: { failFast: true, strategy: 'THREADS' } })
    const [first, second] = world.pool.busy
    await world.end(first, failure(false))
    await world.leave(1000, async () => {
      second?.end([...second.held.keys()], ({ startedAt }) => (startedAt === null ? NOT_STARTED : CANCELLED))
      await world.settle()
    })
    expect(world.record(key)).toMatchObject({ status: 'FAILED', counts: { failed: 1, cancelled: 1, skipped: 8 } })
  })

  it('leaves while items are being read, and reads them after the next start', async () => {
    const world = new World()
    world.store.autoRead = false
    const key = await world.compute(inputsOf(3))
    await world.leave(1000, async () => {
      world.store.releaseReads()
      await world.settle()
      expect(world.pool.busy).toEqual([])
    })
    await world.start()
    for (let round = 0; round < 3; round += 1) for (const lane of world.pool.busy) await world.end(lane, OK)
    expect(world.record(key).status).toBe('SUCCEEDED')
  })

  it('does not wait for a lane whose items cannot be read', async () => {
    const world = new World()
    world.store.autoRead = false
    world.store.failReads = 9
    const key = await world.compute(inputsOf(3))
    await world.leave(1000, async () => {
      world.store.releaseReads()
      await world.settle()
      expect(world.pool.busy).toEqual([])
    })
    expect(world.record(key).status).toBe('RUNNING')
  })

  it('does not wait for lanes that wait for the disk', async () => {
    const world = new World()
    await world.compute({ items: 4, chunkSize: 1, options: { strategy: 'SEQUENTIAL' } })
    world.store.failCommits = 1
    while (world.pool.busy.some(({ held }) => held.length > 0)) await world.end(world.pool.busy[0], OK)
    expect(world.pool.busy).toHaveLength(1)
    await world.leave(60_000, async () => {
      expect(world.pool.busy).toEqual([])
    })
  })

  it('leaves in the end even where nothing can be written', async () => {
    const world = new World()
    await world.compute({ items: 2 })
    world.store.failCommits = Number.POSITIVE_INFINITY
    await world.leave(1000, async () => {
      for (const lane of world.pool.busy) await world.end(lane, OK)
    })
  })
})

describe('Runs, items of a list', () => {
  it('goes on when a lane dies while its items are being read', async () => {
    const world = new World()
    world.store.autoRead = false
    const key = await world.compute({ ...inputsOf(2), options: { strategy: 'SEQUENTIAL' } })
    world.pool.busy[0]?.die(GONE)
    await world.settle()
    expect(world.record(key).status).toBe('RUNNING')
    world.store.autoRead = true
    world.store.releaseReads()
    await world.settle()
    expect(world.pool.busy).toHaveLength(1)
    for (let round = 0; round < 2; round += 1) await world.end(world.pool.busy[0], OK)
    expect(world.record(key).status).toBe('SUCCEEDED')
    expect(world.pool.problems).toEqual([])
  })

  it('does not end while the last items are being read for a lane that has died', async () => {
    const world = new World()
    world.store.autoRead = false
    const key = await world.compute(inputsOf(1))
    world.pool.busy[0]?.die(GONE)
    await world.settle()
    expect(world.record(key)).toMatchObject({ status: 'RUNNING', finishedAt: null })
    world.store.autoRead = true
    world.store.releaseReads()
    await world.settle()
    await world.end(world.pool.busy[0], OK)
    expect(world.record(key)).toMatchObject({ status: 'SUCCEEDED', counts: { succeeded: 1 } })
  })

  it('tries again when items cannot be read, and gives up in the end', async () => {
    const world = new World()
    world.store.failReads = 1
    const once = await world.compute({ ...inputsOf(1), options: { strategy: 'SEQUENTIAL' } })
    await world.pass(10_000)
    await world.end(world.pool.busy[0], OK)
    expect(world.record(once).status).toBe('SUCCEEDED')
    world.store.failReads = Number.POSITIVE_INFINITY
    const never = await world.compute({ ...inputsOf(1), options: { strategy: 'SEQUENTIAL' } })
    for (let second = 0; second < 60; second += 1) await world.pass(1000)
    expect(world.record(never)).toMatchObject({ status: 'FAILED', counts: { skipped: 1 } })
    expect(world.record(never).failure?.message).toContain('the disk cannot be read')
    expect(world.pool.busy).toEqual([])
  })
})

describe('Runs, progress', () => {
  it('never lets the sequence go back, not even while the end is being written', async () => {
    const world = new World()
    await world.compute({ items: 3, options: { strategy: 'SEQUENTIAL' } })
    await world.look()
    await world.end(world.pool.busy[0], OK, 1)
    await world.look()
    world.store.autoCommit = false
    while (world.pool.busy[0]) {
      await world.end(world.pool.busy[0], OK)
      await world.look()
    }
    world.store.release()
    await world.settle()
    await world.look()
  })

  it('shows nothing as running before the start is on disk', async () => {
    const world = new World()
    world.store.autoCommit = false
    const key = await world.compute({ items: 3 })
    await world.look()
    expect((await world.view(key)).progress).toMatchObject({ running: 0, queued: 3 })
    world.store.release()
    await world.settle()
    await world.look()
    expect((await world.view(key)).progress).toMatchObject({ running: 2, queued: 1 })
  })

  it('counts the time before a crash that has left nothing of it', async () => {
    const world = new World()
    const key = await world.compute({ items: 1 })
    expect(world.record(key).startedAt).not.toBeNull()
    await world.pass(5_000)
    await world.crash()
    await world.pass(1_000)
    for (const lane of world.pool.busy) await world.end(lane, OK)
    // Its second start is the first one of which something is known, and it took a millisecond.
    expect(world.record(key).times).toMatchObject({ firstStartMs: 0, lastEndMs: 5_001 })
  })

  it('never lets the sequence go back over two crashes with no commit in between', async () => {
    const world = new World()
    const key = await world.compute({ items: 3 })
    await world.look()
    for (let crash = 0; crash < 3; crash += 1) {
      await world.crash()
      await world.look()
      world.store.autoCommit = false
      world.pool.busy[0]?.die(GONE)
      await world.settle()
      await world.look()
    }
    expect((await world.view(key)).record.status).toBe('RUNNING')
  })

  it('does not count what was skipped as throughput', async () => {
    const world = new World()
    const key = await world.compute({ items: 100_000, options: { failFast: true, strategy: 'SEQUENTIAL' } })
    await world.pass(1000)
    const [lane] = world.pool.busy
    lane?.end([...lane.held.keys()], ({ startedAt }) => (startedAt === null ? NOT_STARTED : failure(false)))
    await world.settle()
    expect(world.record(key)).toMatchObject({ status: 'FAILED', counts: { failed: 1, skipped: 99_999 } })
    expect(world.record(key).finalThroughput).toBe(1)
  })
})

describe('Runs, commits that fail', () => {
  it('loses and doubles nothing, and shows nothing before it is written', async () => {
    const world = new World()
    const key = await world.compute({ items: 4, options: { strategy: 'SEQUENTIAL' } })
    world.store.failCommits = 2
    await world.end(world.pool.busy[0], OK, 1)
    await world.look()
    expect((await world.view(key)).progress.succeeded).toBe(0)
    await world.end(world.pool.busy[0], OK)
    await world.pass(1000)
    await world.look()
    expect(world.store.rejected).toBe(2)
    // Nothing more is handed out meanwhile.
    expect(world.pool.busy.flatMap(({ held }) => held)).toEqual([])
    await world.pass(1000)
    await world.look()
    for (let round = 0; round < 4; round += 1) {
      await world.end(world.pool.busy[0], OK)
      await world.look()
    }
    expect(world.record(key)).toMatchObject({ status: 'SUCCEEDED', counts: { succeeded: 4 } })
    expect(world.store.problems()).toEqual([])
  })

  it('ends a run once, though its last commit fails twice', async () => {
    const world = new World()
    const key = await world.compute({ items: 1 })
    world.store.failCommits = 2
    await world.end(world.pool.busy[0], OK)
    await world.look()
    expect((await world.view(key)).record.status).toBe('RUNNING')
    await world.pass(1000)
    await world.pass(1000)
    await world.look()
    expect(world.record(key).status).toBe('SUCCEEDED')
    expect(world.store.problems()).toEqual([])
  })
})

describe('Runs, lanes that die', () => {
  it('gives up a run whose lanes die before they do anything', async () => {
    const world = new World()
    const key = await world.compute({ items: 10, options: { strategy: 'SEQUENTIAL' } })
    const error: TaskError = { code: 'LANE_DIED', message: 'the function is not there any more', retryable: true }
    for (let death = 0; death < 30 && world.pool.busy.length > 0; death += 1) {
      const lane = world.pool.busy[0]!
      for (const held of lane.held) held.startedAt = null
      lane.die(error)
      await world.pass(1000)
    }
    expect(world.record(key)).toMatchObject({ status: 'FAILED', counts: { skipped: 10 } })
    expect(world.record(key).failure?.message).toContain('the function is not there any more')
  })

  it('counts a task as cancelled whose lane dies after it was asked to end', async () => {
    const world = new World()
    const key = await world.compute({ items: 10, options: { failFast: true } })
    const [first, second] = world.pool.busy
    await world.end(first, failure(false), 1)
    expect(second?.cancelled).toBe(true)
    second?.die(GONE)
    await world.settle()
    expect(world.record(key)).toMatchObject({ status: 'FAILED', counts: { failed: 1, cancelled: 1, skipped: 8 } })
  })

  it('ends a cancelled lane that does not listen', async () => {
    const world = new World()
    const key = await world.compute({ items: 10, options: { failFast: true } })
    const [first, second] = world.pool.busy
    await world.end(first, failure(false), 1)
    await world.pass(499)
    expect(second?.killed).toBe(false)
    await world.pass(1)
    expect(second?.killed).toBe(true)
    expect(world.record(key)).toMatchObject({ status: 'FAILED', counts: { failed: 1, cancelled: 1, skipped: 8 } })
  })

  it('blames those past their time limit, and runs the others of their lane again', async () => {
    const world = new World()
    const options = { strategy: 'ASYNC' as const, concurrency: 2, timeoutMs: 1000, retry: { maxAttempts: 1 } }
    const key = await world.compute({ items: 3, options })
    const [lane] = world.pool.busy
    await world.pass(900)
    await world.end(lane, OK, 1)
    await world.pass(400)
    expect(world.rows(key).map(({ index, status, errorCode }) => [index, status, errorCode])).toEqual([
      [0, 'SUCCEEDED', null],
      [1, 'FAILED', 'TIMEOUT'],
    ])
    await world.end(world.pool.busy[0], OK)
    expect(world.record(key)).toMatchObject({ status: 'PARTIAL', counts: { succeeded: 2, failed: 1 } })
  })

  it('does not lend out a lane that it has ended', async () => {
    const world = new World()
    await world.compute({ items: 1, options: { timeoutMs: 1000 } })
    const [lane] = world.pool.busy
    // Its result comes between the deadline and its death.
    lane!.kill = () => {
      lane!.killed = true
    }
    await world.pass(1400)
    expect(lane?.killed).toBe(true)
    await world.end(lane, OK)
    expect(world.pool.idle).toEqual([])
    lane?.die(GONE)
    await world.settle()
    expect(world.pool.busy).toEqual([])
  })
})

describe('Runs, retries', () => {
  it('tries again after the back-off, with the whole history kept', async () => {
    const world = new World()
    const retry = { maxAttempts: 3, backoffMs: 1000 }
    const key = await world.compute({ items: 1, options: { retry } })
    await world.end(world.pool.busy[0], failure(true))
    expect(world.pool.busy).toEqual([])
    await world.pass(499)
    expect(world.pool.busy).toEqual([])
    await world.pass(1)
    await world.end(world.pool.busy[0], failure(true))
    await world.pass(1000)
    await world.end(world.pool.busy[0], OK)
    expect(world.rows(key)).toMatchObject([{ status: 'SUCCEEDED', attempts: 3, history: [1, 2, 3] }])
    expect(world.clock.nextDueMs).toBeNull()
  })

  it('fails a task at once where there is one attempt, or Retry-After is more than an hour', async () => {
    const world = new World()
    const once = await world.compute({ items: 1, options: { retry: { maxAttempts: 1 } } })
    await world.end(world.pool.busy[0], failure(true))
    expect(world.record(once)).toMatchObject({ status: 'FAILED', counts: { failed: 1 } })
    const late = await world.compute({ items: 1 })
    await world.end(world.pool.busy[0], { ...failure(true), retryAfterMs: 3_600_001 })
    expect(world.record(late)).toMatchObject({ status: 'FAILED', counts: { failed: 1 } })
    const later = await world.compute({ items: 1 })
    await world.end(world.pool.busy[0], { ...failure(true), retryAfterMs: 3_600_000 })
    await world.pass(3_599_999)
    expect(world.pool.busy).toEqual([])
    await world.pass(1)
    await world.end(world.pool.busy[0], OK)
    expect(world.record(later).status).toBe('SUCCEEDED')
  })

  it('fails what waits for its next attempt when failFast ends the run', async () => {
    const world = new World()
    const options = { failFast: true, strategy: 'SEQUENTIAL' as const, retry: { maxAttempts: 3 } }
    const key = await world.compute({ items: 5, options })
    await world.end(world.pool.busy[0], failure(true), 1)
    await world.end(world.pool.busy[0], failure(false), 1)
    await world.end(world.pool.busy[0], NOT_STARTED)
    expect(world.record(key)).toMatchObject({ status: 'FAILED', counts: { failed: 2, skipped: 3 } })
    expect(world.rows(key)).toMatchObject([
      { index: 1, attempts: 1, history: null },
      { index: 0, attempts: 1, errorCode: 'FUNCTION_ERROR' },
    ])
    expect(world.store.problems()).toEqual([])
  })

  it('ends a run that failFast had ended before the crash', async () => {
    const world = new World()
    const key = await world.compute({ items: 5, options: { failFast: true } })
    const [first] = world.pool.busy
    await world.end(first, failure(false), 1)
    expect(world.record(key)).toMatchObject({ status: 'RUNNING', counts: { failed: 1 } })
    await world.crash()
    expect(world.record(key)).toMatchObject({ status: 'FAILED', counts: { failed: 1, skipped: 4 } })
    expect(world.clock.nextDueMs).toBeNull()
  })
})
