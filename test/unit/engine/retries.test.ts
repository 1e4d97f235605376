import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type RunKey, runId, toRunKey } from '../../../src/domain/ids.js'
import { Outcome } from '../../../src/domain/results.js'
import { isFinalRunStatus } from '../../../src/domain/run.js'
import type { RunView } from '../../../src/engine/engine.js'
import { World } from '../../support/engine-world.js'
import type { FakeLane, Verdict } from '../../support/fake-lanes.js'

const BROKEN = { code: 'FUNCTION_ERROR' as const, message: 'no', retryable: false }
const FAILED: Verdict = { outcome: Outcome.FAILED, error: BROKEN }

function outputOf(index: number): Verdict {
  return { outcome: Outcome.SUCCEEDED, output: String(index * 10) }
}

class Retrying extends World {
  /** Every item that any lane was handed, in the order of their ends. */
  readonly done: number[] = []

  constructor(limits: ConstructorParameters<typeof World>[0] = {}) {
    super(limits)
    for (const name of ['first', 'second']) this.functions.add(name)
  }

  /** Ends whatever lanes hold, until the run has come to its end: items fail in the stage of a function where they are told to. */
  async finish(key: RunKey, fails: (index: number, name: string) => boolean = () => false): Promise<RunView> {
    for (let round = 0; round < 1_000; round += 1) {
      const view = await this.view(key)
      if (isFinalRunStatus(view.record.status)) return view
      for (const lane of this.pool.busy) await this.#endAll(lane, fails)
      await this.pass(1)
    }
    throw new Error('the run does not come to its end')
  }

  async #endAll(lane: FakeLane, fails: (index: number, name: string) => boolean): Promise<void> {
    const name = lane.job?.work.kind === 'COMPUTE' ? lane.job.work.function : 'fetch'
    lane.end([...lane.held.keys()], ({ index }) => {
      this.done.push(index)
      return fails(index, name) ? FAILED : outputOf(index)
    })
    await this.settle()
  }

  async retry(key: RunKey, retry: object | null = null): Promise<RunKey> {
    const { run, userErrors } = await this.runs.retryRun(key, retry)
    expect(userErrors).toEqual([])
    await this.settle()
    return run!.record.key
  }

  /** What lanes hold of all runs. */
  get held(): number[] {
    return this.pool.busy.flatMap(({ held }) => held.map(({ index }) => index)).sort((a, b) => a - b)
  }

  indexesOf(key: RunKey): number[] {
    return [...new Set(this.rows(key).map(({ index }) => index))].sort((a, b) => a - b)
  }
}

const among =
  (...indexes: number[]) =>
  (index: number) =>
    indexes.includes(index)

describe('a retry', () => {
  it('is a run of the items that did not succeed, under their indexes, with the options of the first one', async () => {
    const world = new Retrying({ maxInFlight: 100 })
    const options = {
      name: 'pages',
      labels: [{ name: 'a', value: 'b' }],
      priority: 3,
      idempotencyKey: 'k',
      budget: { wallMs: 5 },
    }
    const key = await world.fetch({ items: 15, options })
    await world.finish(key, among(2, 3, 7, 11, 14))
    const first = await world.view(key)
    const retry = await world.retry(key)
    expect(world.held).toEqual([2, 3, 7, 11, 14])
    const { record, progress } = await world.view(retry)
    expect(record.retryOf).toBe(first.record.id)
    expect(record.spec).toEqual(first.record.spec)
    expect(record.spec.budget).toEqual({ wallMs: 5, serviceP95Ms: null, failureRate: null })
    expect(progress).toMatchObject({ total: 5, running: 5, queued: 0, done: 0 })
    // No more than the items.
    expect(record.concurrency).toBe(5)
    await world.finish(retry, among(7))
    expect(world.record(retry)).toMatchObject({ status: 'PARTIAL', counts: { total: 5, succeeded: 4, failed: 1 } })
    expect(world.indexesOf(retry)).toEqual([2, 3, 7, 11, 14])
    // The first one stays as it was.
    expect(await world.view(key)).toEqual(first)
    expect(world.store.problems()).toEqual([])
  })

  it('has the retries of tasks that it is given, as a whole', async () => {
    const world = new Retrying()
    const key = await world.fetch({ items: 2, options: { retry: { maxAttempts: 1, unsafe: true } } })
    await world.finish(key, () => true)
    const retry = await world.retry(key, { maxAttempts: 7 })
    expect(world.record(retry).spec.retry).toEqual({
      maxAttempts: 7,
      backoffMs: 200,
      maxBackoffMs: 10_000,
      unsafe: false,
    })
  })

  it('repeats what its first failure kept from being begun', async () => {
    const world = new Retrying()
    const key = await world.compute({ items: 10, chunkSize: 1, options: { failFast: true, strategy: 'SEQUENTIAL' } })
    await world.finish(key, among(1))
    const { failed, skipped } = world.record(key).counts
    expect(failed).toBe(1)
    expect(skipped).toBeGreaterThan(5)
    const succeeded = world.rows(key).filter(({ status }) => status === 'SUCCEEDED')
    const retry = await world.retry(key)
    await world.finish(retry)
    const total = failed + skipped
    expect(world.record(retry)).toMatchObject({ status: 'SUCCEEDED', counts: { total, succeeded: total } })
    expect([...world.indexesOf(retry), ...succeeded.map(({ index }) => index)].sort((a, b) => a - b)).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
    ])
  })

  it('starts the items of a pipeline again at its first stage', async () => {
    const world = new Retrying()
    const key = await world.pipeline({ items: 15, functions: ['first', 'second'] })
    await world.finish(key, (index, name) => (name === 'first' ? [1, 2] : [4, 8, 9]).includes(index))
    expect(world.record(key)).toMatchObject({ status: 'PARTIAL', counts: { succeeded: 23, failed: 5, skipped: 2 } })
    const retry = await world.retry(key)
    const { stages } = await world.view(retry)
    expect(stages.map(({ total }) => total)).toEqual([5, 5])
    await world.finish(retry)
    expect(world.record(retry)).toMatchObject({ status: 'SUCCEEDED', counts: { total: 10, succeeded: 10 } })
    const rowsOf = (stage: number) => world.rows(retry).filter((row) => row.stage === stage)
    for (const stage of [0, 1])
      expect(
        rowsOf(stage)
          .map(({ index }) => index)
          .sort((a, b) => a - b),
      ).toEqual([1, 2, 4, 8, 9])
    expect(world.store.problems()).toEqual([])
  })

  it('has the items of a list, and goes on without the first run', async () => {
    const world = new Retrying()
    const inputs = Array.from({ length: 8 }, (_, at) => `item ${at}`)
    const key = await world.compute({ source: { inputs } })
    await world.finish(key, among(3, 6))
    const retry = await world.retry(key)
    await world.runs.deleteRun(key)
    expect(world.pool.busy.flatMap(({ held }) => held.map(({ input }) => input)).sort()).toEqual(['item 3', 'item 6'])
    await world.finish(retry, among(6))
    const again = await world.retry(retry)
    expect(world.held).toEqual([6])
    const { record } = await world.finish(again)
    expect(await world.runs.inputs(record, 0, [6])).toEqual(new Map([[6, 'item 6']]))
    expect(record.counts).toMatchObject({ total: 1, succeeded: 1 })
  })

  it('sends what followed an item that it leaves out', async () => {
    const world = new Retrying()
    const urls = ['http://a.example/x', 'http://a.example/y', 'http://a.example/x', 'http://a.example/x']
    const key = await world.fetch({ source: { urls }, fetch: { dedupe: true }, options: { failFast: true } })
    // The first one has its answer on disk, and those that follow it are skipped.
    world.store.autoCommit = false
    const [lane] = world.pool.busy
    expect(world.held).toEqual([0, 1])
    lane?.end([1], () => FAILED)
    lane?.end([0], () => ({ outcome: Outcome.SUCCEEDED, output: '"x"' }))
    await world.settle()
    world.store.autoCommit = true
    world.store.release()
    const { record } = await world.finish(key)
    expect(record.counts).toMatchObject({ succeeded: 1, failed: 1, skipped: 2 })
    const retry = await world.retry(key)
    // The next one leads.
    expect(world.held).toEqual([1, 2])
    await world.finish(retry)
    expect(world.record(retry)).toMatchObject({ status: 'SUCCEEDED', counts: { total: 3, succeeded: 3 } })
    expect(world.rows(retry).map(({ index, attempts }) => [index, attempts])).toEqual([
      [1, 1],
      [2, 1],
      [3, 0],
    ])
  })

  it('collects its own outputs, each in the place of its item', async () => {
    const world = new Retrying()
    const key = await world.compute({ items: 6, reduce: 'COLLECT' })
    await world.finish(key, among(1, 4))
    const retry = await world.finish(await world.retry(key), among(4))
    expect(await world.runs.reduction(retry)).toEqual([null, 10, null, null, null, null])
  })

  it.each(['crash', 'leave'] as const)('goes on with its own items after a %s', async (how) => {
    const world = new Retrying()
    const key = await world.compute({ items: 15, chunkSize: 1, options: { strategy: 'SEQUENTIAL' } })
    await world.finish(key, among(2, 3, 7, 11, 14))
    const retry = await world.retry(key)
    await world.end(world.pool.busy[0], outputOf(2), 1)
    expect(world.indexesOf(retry)).toEqual([2])
    if (how === 'crash') await world.crash()
    else {
      await world.leave(0, async () => {
        for (const lane of world.pool.busy) await world.end(lane, { outcome: Outcome.NOT_STARTED })
      })
      await world.start()
    }
    expect((await world.view(retry)).progress).toMatchObject({ total: 5, succeeded: 1 })
    world.done.length = 0
    await world.finish(retry)
    expect(world.done).toEqual([3, 7, 11, 14])
    expect(world.record(retry)).toMatchObject({ status: 'SUCCEEDED', counts: { total: 5, succeeded: 5 } })
    expect(world.store.problems()).toEqual([])
  })

  it('that is launched while the server leaves runs after the next start', async () => {
    const world = new Retrying()
    const key = await world.compute({ items: 4 })
    await world.finish(key, among(1))
    let retry: RunKey | null = null
    await world.leave(0, async () => {
      retry = await world.retry(key)
      expect(world.pool.busy).toEqual([])
    })
    await world.start()
    expect(world.held).toEqual([1])
    await world.finish(retry!)
    expect(world.record(retry!).status).toBe('SUCCEEDED')
  })

  it('comes to what is left, however often some fail, and over crashes', async () => {
    const failing = fc.uniqueArray(fc.integer({ min: 0, max: 19 }), { maxLength: 20 })
    const round = fc.record({ failing, crashes: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(fc.array(round, { minLength: 1, maxLength: 4 }), fc.boolean(), async (rounds, isPipeline) => {
        const world = new Retrying()
        let key = isPipeline
          ? await world.pipeline({ items: 20, functions: ['first', 'second'] })
          : await world.compute({ items: 20 })
        let left = [...Array(20).keys()]
        for (const { failing: indexes, crashes } of rounds) {
          if (crashes) await world.crash()
          await world.finish(key, (index, name) => name !== 'first' && indexes.includes(index))
          expect(world.indexesOf(key)).toEqual(left)
          left = left.filter(among(...indexes))
          if (left.length === 0) break
          key = await world.retry(key)
        }
        expect(world.store.problems()).toEqual([])
      }),
      { numRuns: 25 },
    )
  })
})

describe('a retry is refused', () => {
  const refusals = async (world: Retrying, key: RunKey, retry: object | null = null) => {
    const { run, userErrors } = await world.runs.retryRun(key, retry)
    expect(run).toBeNull()
    return userErrors.map(({ code, field, message }) => ({ code, field, message }))
  }

  it('where there is no run', async () => {
    const key = toRunKey('f'.repeat(32))
    expect(await refusals(new Retrying(), key)).toEqual([
      { code: 'NOT_FOUND', field: ['id'], message: `there is no run with the id "${runId(key)}"` },
    ])
  })

  it('while the run goes on, and where it has nothing to repeat, by the state that it is in', async () => {
    const world = new Retrying({ maxLanes: 1 })
    const key = await world.compute({ items: 2 })
    const waiting = await world.compute({ items: 2 })
    const expected = 'expected one that has ended: PARTIAL, FAILED or CANCELLED'
    expect(await refusals(world, key)).toEqual([
      { code: 'INVALID_STATE', field: ['id'], message: `the run is RUNNING: ${expected}` },
    ])
    expect(await refusals(world, waiting)).toMatchObject([{ message: `the run is QUEUED: ${expected}` }])
    await world.finish(key)
    expect(await refusals(world, key)).toEqual([
      {
        code: 'INVALID_STATE',
        field: ['id'],
        message: 'the run is SUCCEEDED: every item went through every stage, and there is nothing to repeat',
      },
    ])
  })

  it('with every problem of what it is given', async () => {
    const world = new Retrying()
    const key = await world.compute({ items: 1 })
    expect(await refusals(world, key, { maxAttempts: 0, backoffMs: -1 })).toMatchObject([
      { code: 'INVALID', field: ['retry', 'maxAttempts'], message: '0 is not a whole number from 1 to 100' },
      { code: 'INVALID', field: ['retry', 'backoffMs'] },
      { code: 'INVALID_STATE', field: ['id'] },
    ])
  })

  it('where its function is gone', async () => {
    const world = new Retrying()
    const key = await world.compute({ items: 1, function: 'first' })
    await world.finish(key, () => true)
    world.functions.delete('first')
    expect(await refusals(world, key)).toMatchObject([
      { code: 'UNKNOWN_FUNCTION', field: ['id'], message: expect.stringContaining('there is no function "first"') },
    ])
  })

  it('where the queue has no room for what it repeats', async () => {
    const world = new Retrying({ maxLanes: 1, maxQueuedTasks: 20 })
    const key = await world.compute({ items: 10 })
    await world.finish(key, among(1, 2, 3))
    await world.compute({ items: 19, chunkSize: 1, options: { strategy: 'SEQUENTIAL' } })
    const { userErrors } = await world.runs.retryRun(key, null)
    expect(userErrors).toMatchObject([{ code: 'QUEUE_FULL', field: ['id'], retryAfterMs: 5_000 }])
    expect(world.store.records.size).toBe(2)
  })

  it('where it is deleted in between', async () => {
    const world = new Retrying()
    const key = await world.compute({ items: 2 })
    await world.finish(key, among(1))
    const retrying = world.runs.retryRun(key, null)
    world.store.deleteRun(world.record(key).id)
    expect(await retrying).toMatchObject({ run: null, userErrors: [{ code: 'NOT_FOUND', field: ['id'] }] })
  })
})
