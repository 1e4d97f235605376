/** Runs whose items are the lines of a file. */

import { describe, expect, it } from 'vitest'
import { Outcome } from '../../../src/domain/results.js'
import type { LaunchComputeInput, LaunchFetchInput } from '../../../src/engine/engine.js'
import { LaunchChecks } from '../../../src/engine/launch.js'
import { World } from '../../support/engine-world.js'
import type { FakeLane, Verdict } from '../../support/fake-lanes.js'
import { TestUpload, tableOf } from '../../support/files.js'

const OK: Verdict = { outcome: Outcome.SUCCEEDED }
const functions = { list: () => [], has: () => true, validate: () => [], validateRange: () => [] }
const limits = { maxInlineItems: 5, maxItems: 1000, maxLanes: 4, maxQueuedTasks: 10_000 }

const checkFetch = (input: LaunchFetchInput) => new LaunchChecks(limits, functions).fetch(input)
const checkCompute = (input: LaunchComputeInput) => new LaunchChecks(limits, functions).compute(input)

describe('LaunchChecks, a file', () => {
  it('is a source as it came, of either kind', () => {
    const file = new TestUpload('a.jsonl', '1\n\n2')
    const { launch } = checkCompute({ function: 'any', source: { file } })
    const known = { kind: 'file', name: 'a.jsonl', bytes: 4, count: 2, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) }
    expect(launch?.spec.source).toEqual({ ...known, form: 'inputs' })
    expect(launch).toMatchObject({ items: null, upload: file })
    expect(checkFetch({ source: { file } }).launch?.spec.source).toEqual({ ...known, form: 'requests' })
  })

  it('is the same input where its bytes are, whatever it is called', () => {
    const hashOf = (name: string | null, content: string, lanes?: number) =>
      checkCompute({ function: 'any', source: { file: new TestUpload(name, content) }, options: { lanes } }).launch
        ?.inputHash
    expect(hashOf('a', '1\n2')).toBe(hashOf('b', '1\n2'))
    expect(hashOf('a', '1\n2')).toBe(hashOf(null, '1\n2'))
    expect(hashOf('a', '1\n2')).not.toBe(hashOf('a', '1\n3'))
    expect(hashOf('a', '1\n2')).not.toBe(hashOf('a', '1\n2', 2))
  })

  it('is refused for its own reason, at its place', () => {
    const file = new TestUpload('a', { kind: 'refused', code: 'TOO_MANY_ITEMS', reason: 'too many' })
    const problem = {
      code: 'TOO_MANY_ITEMS',
      message: 'too many',
      field: ['input', 'source', 'file'],
      retryAfterMs: null,
    }
    expect(checkFetch({ source: { file } }).userErrors).toEqual([problem])
    expect(checkCompute({ function: 'any', source: { file } }).userErrors).toEqual([problem])
  })

  it('has no more lines than can be collected', () => {
    const file = new TestUpload('a', '1\n'.repeat(100_001))
    const { userErrors } = checkCompute({ function: 'any', source: { file }, reduce: 'COLLECT' })
    expect(userErrors).toMatchObject([{ field: ['input', 'reduce'] }])
  })
})

const LINES = Array.from({ length: 20 }, (_, at) => at).join('\n')

describe('a launch of a file', () => {
  it('keeps the file that it is written down with, and drops that of a repeated one', async () => {
    const world = new World()
    const launch = (file: TestUpload, idempotencyKey: string | null = 'k') =>
      world.runs.launchCompute({ function: 'any', source: { file }, options: { idempotencyKey } }, '')
    const [first, second, other] = [new TestUpload('a', LINES), new TestUpload('b', LINES), new TestUpload('a', '1')]
    const launched = await launch(first)
    expect(await launch(second)).toMatchObject({
      deduplicated: true,
      run: { record: { key: launched.run?.record.key } },
    })
    expect((await launch(other)).userErrors).toMatchObject([{ code: 'IDEMPOTENCY_CONFLICT' }])
    expect([first, second, other].map(({ holders, isKept }) => [holders, isKept])).toEqual([
      [0, true],
      [0, false],
      [0, false],
    ])
  })

  it('lets go of the file where it cannot be written down', async () => {
    const world = new World()
    world.store.createRun = () => Promise.reject(new Error('the disk is full'))
    const file = new TestUpload('a', LINES)
    await expect(world.runs.launchCompute({ function: 'any', source: { file } }, '')).rejects.toThrow('full')
    expect([file.holders, file.isKept]).toEqual([0, false])
  })
})

/** Ends all that the lane holds as a lane that cannot read does. */
async function failToRead(world: World, lane: FakeLane | undefined): Promise<void> {
  lane?.end([...lane.held.keys()], () => ({ outcome: Outcome.NOT_STARTED }), { unreadable: 'EIO: i/o error' })
  await world.settle()
}

describe('a compute run over a file', () => {
  const compute = (world: World) => world.compute({ source: { file: new TestUpload('a', LINES, 'some-file') } })

  it('tells its lanes where the lines are, also after a crash', async () => {
    const world = new World()
    await compute(world)
    const source = { kind: 'file', path: '/uploads/some-file', stretches: tableOf(LINES).stretches }
    expect(world.pool.busy[0]?.job?.source).toEqual(source)
    expect(world.pool.busy[0]?.grants[0]?.inputs).toBe(null)
    await world.crash()
    expect(world.pool.busy[0]?.job?.source).toEqual(source)
  })

  it('waits where a lane cannot read, and goes on when it can', async () => {
    const world = new World()
    const key = await compute(world)
    for (let round = 0; round < 8; round += 1) {
      for (const lane of world.pool.busy) await failToRead(world, lane)
      await world.pass(600)
    }
    expect(world.rows(key)).toEqual([])
    for (let round = 0; round < 40; round += 1) {
      for (const lane of world.pool.busy) await world.end(lane, OK)
      await world.pass(500)
    }
    expect(world.record(key)).toMatchObject({ status: 'SUCCEEDED', counts: { succeeded: 20 } })
    expect(world.rows(key).every(({ attempts }) => attempts === 1)).toBe(true)
  })

  it('gives up where that goes on, says why, and blames no task', async () => {
    const world = new World()
    const key = await compute(world)
    for (let round = 0; round < 30; round += 1) {
      for (const lane of world.pool.busy) await failToRead(world, lane)
      await world.pass(500)
    }
    expect(world.record(key)).toMatchObject({
      status: 'FAILED',
      counts: { failed: 0, skipped: 20 },
      failure: { code: 'INVALID_INPUT', message: 'the items could not be read: EIO: i/o error' },
    })
    expect(world.rows(key)).toEqual([])
    expect(world.pool.busy).toEqual([])
  })
})

describe('a fetch run over a file', () => {
  it('has its items read here, and grants those that came', async () => {
    const world = new World()
    const items = Array.from({ length: 20 }, (_, at) => `http://a.example/${at}`)
    // As of long lines: three at a time.
    world.store.items = async (_runId, indexes) =>
      new Map(indexes.slice(0, 3).map((index) => [index, items[index] ?? null]))
    const key = await world.fetch({ source: { file: new TestUpload('a', LINES) } })
    expect(world.pool.busy[0]?.job?.source).toBe(null)
    expect(world.pool.busy[0]?.grants[0]).toMatchObject({ count: 3, inputs: items.slice(0, 3) })
    for (let round = 0; round < 20; round += 1) for (const lane of world.pool.busy) await world.end(lane, OK)
    expect(world.record(key)).toMatchObject({ status: 'SUCCEEDED', counts: { succeeded: 20 } })
    expect(
      world
        .rows(key)
        .map(({ index }) => index)
        .sort((a, b) => a - b),
    ).toEqual(items.map((_, at) => at))
  })

  it('tries again by the method of each request, each time it is read', async () => {
    const world = new World()
    const request = (at: number) => ({
      url: 'http://a.example/',
      method: at === 0 ? 'POST' : 'GET',
      headers: [],
      body: null,
    })
    world.store.items = async (_runId, indexes) => new Map(indexes.map((index) => [index, request(index)]))
    const key = await world.fetch({
      source: { file: new TestUpload('a', '0\n1') },
      options: { retry: { backoffMs: 10 } },
    })
    const died: Verdict = {
      outcome: Outcome.FAILED,
      error: { code: 'CONNECTION_RESET', message: 'gone', retryable: true },
    }
    for (let round = 0; round < 3; round += 1) {
      for (const lane of world.pool.busy) await world.end(lane, died)
      await world.pass(1_000)
    }
    const rows = world.rows(key).map(({ index, attempts }) => [index, attempts])
    expect(rows.sort()).toEqual([
      [0, 1],
      [1, 3],
    ])
  })
})
