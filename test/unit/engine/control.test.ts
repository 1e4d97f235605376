import { describe, expect, it } from 'vitest'
import type { RunKey } from '../../../src/domain/ids.js'
import { Outcome } from '../../../src/domain/results.js'
import { StorageError } from '../../../src/domain/storage.js'
import type { ControlOutcome } from '../../../src/engine/engine.js'
import { World } from '../../support/engine-world.js'
import type { Verdict } from '../../support/fake-lanes.js'

const OK: Verdict = { outcome: Outcome.SUCCEEDED }
const CANCELLED: Verdict = { outcome: Outcome.CANCELLED }
const NOT_STARTED: Verdict = { outcome: Outcome.NOT_STARTED }
const AGAIN: Verdict = {
  outcome: Outcome.FAILED,
  error: { code: 'FUNCTION_ERROR', message: 'no', retryable: true },
}

/** What a mutation answers with while time passes, and lanes do what is asked of them. */
async function answerOf(
  world: World,
  asked: Promise<ControlOutcome>,
  meanwhile: () => Promise<void> = async () => {},
): Promise<ControlOutcome> {
  let answer: ControlOutcome | null = null
  void asked.then((outcome) => {
    answer = outcome
  })
  await world.settle()
  await meanwhile()
  for (let turn = 0; turn < 1000 && answer === null; turn += 1) await world.pass(5)
  return asked
}

/** Lanes let go of what they have in service, if `verdict` says how, and give back the rest. */
async function letGo(world: World, verdict: Verdict | null = CANCELLED): Promise<void> {
  for (const lane of world.pool.busy) {
    if (!lane.cancelled && !lane.recalled) continue
    const started = (at: number) => lane.held[at]!.startedAt !== null
    const places = [...lane.held.keys()]
    lane.end(
      places.filter((at) => verdict !== null || !started(at)),
      ({ startedAt }) => (startedAt === null || verdict === null ? NOT_STARTED : verdict),
    )
  }
  await world.settle()
}

const giveBack = (world: World) => letGo(world, null)

async function endAll(world: World, key: RunKey): Promise<void> {
  for (let turn = 0; turn < 100 && world.record(key).finishedAt === null; turn += 1) {
    for (const lane of world.pool.busy) await world.end(lane, OK)
    await world.pass(100)
  }
}

const codesOf = ({ userErrors }: ControlOutcome) => userErrors.map(({ code, message }) => `${code} ${message}`)

describe('cancelRun', () => {
  it('aborts what is in service, counts what waits, and keeps what has succeeded', async () => {
    const world = new World()
    const key = await world.compute({ items: 10, options: { concurrency: 2 } })
    await world.end(world.pool.busy[0], OK, 1)
    const answer = await answerOf(world, world.runs.cancelRun(key), () => letGo(world))
    expect(answer.run?.record.status).toBe('CANCELLED')
    const { counts, status } = world.record(key)
    expect(status).toBe('CANCELLED')
    expect(counts).toMatchObject({ succeeded: 1, cancelled: 9, skipped: 0, failed: 0 })
    const rows = world.rows(key).map((row) => row.status)
    expect(rows.filter((one) => one === 'SUCCEEDED')).toHaveLength(1)
    expect(rows.filter((one) => one === 'CANCELLED').length).toBeLessThanOrEqual(2)
    expect(world.pool.busy).toEqual([])
  })

  it('ends the lane of a task that does not let go', async () => {
    const world = new World()
    const key = await world.compute({ items: 3, options: { concurrency: 1 } })
    const [lane] = world.pool.busy
    const answer = await answerOf(world, world.runs.cancelRun(key))
    expect(answer.run?.record.status).toBe('CANCELLED')
    expect(world.pool.busy).not.toContain(lane)
    expect(world.record(key).counts).toMatchObject({ cancelled: 3 })
  })

  it('is on disk before anything is aborted: a crash meanwhile changes nothing of it', async () => {
    const world = new World()
    const key = await world.compute({ items: 4, options: { concurrency: 2 } })
    void world.runs.cancelRun(key)
    await world.settle()
    expect(world.record(key)).toMatchObject({ status: 'RUNNING', isCancelRequested: true })
    await world.crash()
    expect(world.record(key)).toMatchObject({ status: 'CANCELLED', counts: { cancelled: 4 } })
    expect(world.pool.busy).toEqual([])
  })

  it('counts in every stage of a pipeline what it found waiting as cancelled', async () => {
    const world = new World()
    const key = await world.pipeline({ items: 4, options: { concurrency: 1 } })
    await world.end(world.pool.busy[0], OK, 1)
    await answerOf(world, world.runs.cancelRun(key), () => letGo(world))
    const { counts, stages } = world.record(key)
    expect(counts).toMatchObject({ total: 8, succeeded: 1, cancelled: 7, skipped: 0 })
    expect(stages?.map((stage) => stage.counts.cancelled)).toEqual([3, 4])
  })

  it('keeps the attempts of what waited for another one', async () => {
    const world = new World()
    const options = { concurrency: 1, retry: { maxAttempts: 3, backoffMs: 60_000 } }
    const key = await world.compute({ items: 2, options })
    await world.end(world.pool.busy[0], AGAIN, 1)
    await answerOf(world, world.runs.cancelRun(key), () => letGo(world))
    expect(world.record(key).counts).toMatchObject({ cancelled: 2, failed: 0 })
    const row = world.rows(key).find(({ index }) => index === 0)
    expect(row).toMatchObject({ status: 'CANCELLED', error: null, history: [1] })
  })

  it('ends what waits for a lane, and what is paused', async () => {
    const world = new World({ maxLanes: 1 })
    await world.compute({ items: 10 })
    const key = await world.compute({ items: 5 })
    await answerOf(world, world.runs.cancelRun(key))
    expect(world.record(key)).toMatchObject({ status: 'CANCELLED', startedAt: null, counts: { cancelled: 5 } })
    const paused = await world.compute({ items: 5 })
    await answerOf(world, world.runs.pauseRun(paused))
    await answerOf(world, world.runs.cancelRun(paused))
    expect(world.record(paused)).toMatchObject({ status: 'CANCELLED', counts: { cancelled: 5 } })
  })

  it('joins another one, and is refused where the run has ended', async () => {
    const world = new World()
    const key = await world.compute({ items: 2 })
    const both = Promise.all([world.runs.cancelRun(key), world.runs.cancelRun(key)])
    await answerOf(world, world.runs.cancelRun(key), () => letGo(world))
    for (const { run } of await both) expect(run?.record.status).toBe('CANCELLED')
    expect(codesOf(await world.runs.cancelRun(key))).toEqual([
      'INVALID_STATE the run is CANCELLED: expected QUEUED, RUNNING or PAUSED',
    ])
    expect(codesOf(await world.runs.cancelRun('none' as RunKey))).toEqual([
      expect.stringContaining('NOT_FOUND there is no run'),
    ])
  })
})

describe('on a disk that cannot be written', () => {
  it('changes are refused, and nothing is said to have happened', async () => {
    const world = new World()
    const key = await world.compute({ items: 4, options: { concurrency: 1 } })
    world.store.failCommits = Number.POSITIVE_INFINITY
    for (const change of ['pauseRun', 'cancelRun'] as const) {
      const refused = expect(world.runs[change](key)).rejects.toBeInstanceOf(StorageError)
      for (let turn = 0; turn < 1000; turn += 1) await world.pass(5)
      await refused
    }
    await world.crash()
    expect(world.record(key).status).toBe('RUNNING')
  })
})

describe('pauseRun', () => {
  it('is answered when nothing more starts, and what is in service goes on to its end', async () => {
    const world = new World()
    const key = await world.compute({ items: 100, chunkSize: 10, options: { concurrency: 1 } })
    const [lane] = world.pool.busy
    expect(lane!.held.length).toBeGreaterThan(1)
    const answer = await answerOf(world, world.runs.pauseRun(key), () => giveBack(world))
    expect(answer.run?.record.status).toBe('PAUSED')
    expect(lane!.held.length).toBe(1)
    await world.end(lane, OK)
    await world.pass(10_000)
    expect(world.pool.busy).toEqual([])
    expect(world.record(key)).toMatchObject({ status: 'PAUSED', counts: { succeeded: 1 } })
  })

  it('stays over crashes and leaves, until the run is resumed', async () => {
    const world = new World()
    const key = await world.compute({ items: 6, options: { concurrency: 2 } })
    await world.end(world.pool.busy[0], OK, 1)
    await answerOf(world, world.runs.pauseRun(key), () => giveBack(world))
    await world.crash()
    await world.pass(1000)
    expect([world.record(key).status, world.pool.busy]).toEqual(['PAUSED', []])
    expect((await world.view(key)).progress).toMatchObject({ done: 1, running: 0, etaMs: null })
    await world.leave(1000)
    await world.start()
    expect([world.record(key).status, world.pool.busy]).toEqual(['PAUSED', []])
    await answerOf(world, world.runs.resumeRun(key))
    expect(world.record(key).status).toBe('RUNNING')
    await endAll(world, key)
    expect(world.record(key)).toMatchObject({ status: 'SUCCEEDED', counts: { succeeded: 6 } })
    expect(new Set(world.rows(key).map(({ index }) => index)).size).toBe(6)
  })

  it('lets failFast end the run, and keeps what is to be tried again', async () => {
    const world = new World()
    const retry = { maxAttempts: 2, backoffMs: 10 }
    const key = await world.compute({ items: 1, options: { retry } })
    await answerOf(world, world.runs.pauseRun(key), () => giveBack(world))
    await world.end(world.pool.busy[0], AGAIN)
    await world.pass(10_000)
    expect(world.record(key).status).toBe('PAUSED')
    await answerOf(world, world.runs.resumeRun(key))
    await endAll(world, key)
    expect(world.rows(key)).toMatchObject([{ attempts: 2, status: 'SUCCEEDED' }])
    const fast = await world.compute({ items: 4, options: { failFast: true, concurrency: 1 } })
    await answerOf(world, world.runs.pauseRun(fast), () => giveBack(world))
    await world.end(world.pool.busy[0], {
      ...AGAIN,
      error: { code: 'FUNCTION_ERROR', message: 'no', retryable: false },
    })
    expect(world.record(fast)).toMatchObject({ status: 'FAILED', counts: { failed: 1, skipped: 3 } })
  })

  it('lets what is to be tried again have its turn, also where nothing else is left when it is resumed', async () => {
    const world = new World()
    const key = await world.compute({ items: 1, options: { retry: { maxAttempts: 2, backoffMs: 1_000 } } })
    await world.end(world.pool.busy[0], AGAIN)
    await answerOf(world, world.runs.pauseRun(key))
    await answerOf(world, world.runs.resumeRun(key))
    expect(world.pool.busy).toEqual([])
    await world.pass(1_000)
    await world.end(world.pool.busy[0], OK)
    expect(world.record(key)).toMatchObject({ status: 'SUCCEEDED', counts: { succeeded: 1 } })
  })

  it('and resumeRun are answered when both are on disk, also where one follows the other at once', async () => {
    const world = new World()
    const key = await world.compute({ items: 4, chunkSize: 1 })
    world.store.autoCommit = false
    const answered: string[] = []
    const note = (outcome: ControlOutcome) => answered.push(outcome.run?.record.status ?? codesOf(outcome).join())
    void world.runs.pauseRun(key).then(note)
    await world.settle()
    void world.runs.resumeRun(key).then(note)
    await world.pass(100)
    // A crash would undo it.
    expect(answered).toEqual([])
    world.store.autoCommit = true
    world.store.release()
    await world.settle()
    await world.pass(5)
    expect(answered).toEqual(['RUNNING', 'RUNNING'])
    expect(world.record(key).status).toBe('RUNNING')
  })

  it('ends the run where what was in service was the last of it', async () => {
    const world = new World()
    const key = await world.compute({ items: 1 })
    await answerOf(world, world.runs.pauseRun(key), () => giveBack(world))
    for (const lane of world.pool.busy) await world.end(lane, OK)
    expect(world.record(key)).toMatchObject({ status: 'SUCCEEDED', counts: { succeeded: 1 } })
  })

  it('takes a run that has not started back to the queue, and has it wait from then on', async () => {
    const world = new World({ maxLanes: 1 })
    const first = await world.compute({ items: 1 })
    const key = await world.compute({ items: 1 })
    expect(world.record(key).status).toBe('QUEUED')
    await answerOf(world, world.runs.pauseRun(key))
    await world.pass(60_000)
    await endAll(world, first)
    expect(world.record(key)).toMatchObject({ status: 'PAUSED', startedAt: null })
    await answerOf(world, world.runs.resumeRun(key))
    await endAll(world, key)
    const [row] = world.rows(key)
    expect(row).toMatchObject({ status: 'SUCCEEDED' })
    expect(row!.queueWaitMs).toBeLessThan(60_000)
  })

  it('is refused where it cannot happen', async () => {
    const world = new World()
    const key = await world.compute({ items: 2 })
    expect(codesOf(await world.runs.resumeRun(key))).toEqual(['INVALID_STATE the run is RUNNING: expected PAUSED'])
    await answerOf(world, world.runs.pauseRun(key), () => giveBack(world))
    expect(codesOf(await world.runs.pauseRun(key))).toEqual([
      'INVALID_STATE the run is PAUSED: expected QUEUED or RUNNING',
    ])
  })

  it('is told the state that is on disk where all has ended and cannot be written yet', async () => {
    const world = new World()
    const key = await world.compute({ items: 1 })
    world.store.autoCommit = false
    for (const lane of world.pool.busy) await world.end(lane, OK)
    const told = 'INVALID_STATE the run is RUNNING and about to end: expected QUEUED or RUNNING'
    expect(codesOf(await world.runs.pauseRun(key))).toEqual([told])
  })

  it('has the stages of a pipeline stand still together', async () => {
    const world = new World()
    const key = await world.pipeline({ items: 6, options: { concurrency: 1 } })
    await world.end(world.pool.busy[0], OK, 2)
    await answerOf(world, world.runs.pauseRun(key), () => giveBack(world))
    for (const lane of world.pool.busy) await world.end(lane, OK)
    await world.pass(5_000)
    expect([world.record(key).status, world.pool.busy]).toEqual(['PAUSED', []])
    await world.crash()
    expect(world.pool.busy).toEqual([])
    await answerOf(world, world.runs.resumeRun(key))
    await endAll(world, key)
    expect(world.record(key)).toMatchObject({ status: 'SUCCEEDED', counts: { succeeded: 12 } })
  })

  it('has the items stand still that wait for another one, over a crash too', async () => {
    const world = new World()
    const urls = Array.from({ length: 1000 }, () => 'http://a.example/same')
    const { run } = await world.runs.launchFetch({ source: { urls }, fetch: { dedupe: true } }, '')
    const { key } = run!.record
    await world.settle()
    const paused = answerOf(world, world.runs.pauseRun(key), () => giveBack(world))
    for (const lane of world.pool.busy) lane.end([...lane.held.keys()], () => OK)
    await paused
    const { done } = (await world.view(key)).progress
    expect(done).toBeLessThan(1000)
    await world.pass(5_000)
    await world.crash()
    await world.pass(5_000)
    expect(world.record(key)).toMatchObject({ status: 'PAUSED', counts: { succeeded: done } })
    await answerOf(world, world.runs.resumeRun(key))
    await endAll(world, key)
    expect(world.record(key)).toMatchObject({ status: 'SUCCEEDED', counts: { succeeded: 1000 } })
  })
})

describe('a run of a comparison', () => {
  async function compared(world: World): Promise<[RunKey, RunKey]> {
    const batch = { compute: { function: 'any', source: { range: { from: 0, to: 4, step: 1 } } } }
    const { userErrors } = await world.runs.launchComparison(
      { batch, strategies: ['THREADS', 'SEQUENTIAL'], rounds: 1 },
      '',
    )
    expect(userErrors).toEqual([])
    await world.settle()
    const [first, second] = [...world.store.records.values()]
    return [first!.key, second!.key]
  }

  it('that waits for its turn goes on to wait where its cancellation cannot be written', async () => {
    const world = new World()
    const [first, second] = await compared(world)
    world.store.failCommits = 1
    await expect(world.runs.cancelRun(second)).rejects.toThrow()
    await endAll(world, first)
    await endAll(world, second)
    expect(world.record(second).status).toBe('SUCCEEDED')
  })

  it('goes on where its turn came while its cancellation could not be written', async () => {
    const world = new World()
    const other = await world.compute({ items: 2 })
    const batch = { compute: { function: 'any', source: { range: { from: 0, to: 2, step: 1 } } } }
    await world.runs.launchComparison({ batch, strategies: ['THREADS'], rounds: 1 }, '')
    await world.settle()
    const { key } = [...world.store.records.values()].at(-1)!
    world.store.autoCommit = false
    const refused = expect(world.runs.cancelRun(key)).rejects.toThrow()
    await world.settle()
    for (const lane of world.pool.busy) await world.end(lane, OK)
    world.store.autoCommit = true
    world.store.failCommits = 1
    world.store.release()
    await refused
    await endAll(world, other)
    await endAll(world, key)
    expect(world.record(key).status).toBe('SUCCEEDED')
    const next = await world.compute({ items: 1 })
    await endAll(world, next)
    expect(world.record(next).status).toBe('SUCCEEDED')
  })

  it('that waits for its turn is never begun once it is cancelled', async () => {
    const world = new World()
    const [first, second] = await compared(world)
    await answerOf(world, world.runs.cancelRun(second))
    expect(world.record(second)).toMatchObject({ status: 'CANCELLED', startedAt: null, counts: { cancelled: 4 } })
    await endAll(world, first)
    expect(world.record(first).status).toBe('SUCCEEDED')
    const next = await world.compute({ items: 1 })
    await endAll(world, next)
    expect(world.record(next).status).toBe('SUCCEEDED')
  })

  it('that was being cancelled waits for nobody after a crash', async () => {
    const world = new World()
    const [first] = await compared(world)
    await world.compute({ items: 8, options: { priority: 5, strategy: 'THREADS' } })
    void world.runs.cancelRun(first)
    await world.settle()
    expect(world.record(first).isCancelRequested).toBe(true)
    await world.crash()
    expect(world.record(first).status).toBe('CANCELLED')
  })
})
