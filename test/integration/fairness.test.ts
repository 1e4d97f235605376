import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { ApiClient, Variables } from '../support/api.js'
import { type Origin, startOrigin } from '../support/origin.js'
import { FUNCTIONS_DIR, startTestServer, type TestServer } from '../support/server.js'

const TASK_MS = 3
const BIG = 30_000
const SMALL = 10

let origin: Origin
let server: TestServer
let api: ApiClient
let maxLanes: number

beforeAll(async () => {
  origin = await startOrigin()
})

afterAll(() => origin.close())

afterEach(() => server.close())

async function start(lanes: number): Promise<void> {
  maxLanes = lanes
  server = await startTestServer({
    HEDDLE_FUNCTIONS_DIR: FUNCTIONS_DIR,
    HEDDLE_MAX_INLINE_ITEMS: String(BIG),
    HEDDLE_DRAIN_MS: '0',
    HEDDLE_LANES: String(lanes),
    HEDDLE_MAX_LANES: String(lanes),
  })
  api = server.api
}

const burns = (count: number, ms = TASK_MS) => ({ inputs: Array.from({ length: count }, () => ({ do: 'burn', ms })) })

function compute(count: number, options: Variables = {}, rest: Variables = {}): Promise<string> {
  return api.start(api.launchCompute({ function: 'act', source: burns(count), options, ...rest }))
}

function pages(to: number, options: Variables = {}): Promise<string> {
  const template = { template: `${origin.url}/ok?i={i}`, from: 1, to }
  return api.start(api.launchFetch({ source: { template }, options }))
}

function pipeline(count: number): Promise<string> {
  const stages = [{ compute: { function: 'act' } }, { compute: { function: 'same' } }]
  return api.start(api.launchPipeline({ source: burns(count), stages, options: { strategy: 'THREADS' } }))
}

const times = <T>(count: number, launch: () => Promise<T>) => Promise.all(Array.from({ length: count }, launch))

/** What there is to be fair against: it goes on for minutes. */
const BESIDE: [string, () => Promise<string[]>][] = [
  ['a big one', () => times(1, () => compute(BIG, { strategy: 'THREADS' }))],
  ['three big ones', () => times(3, () => compute(BIG, { strategy: 'THREADS' }))],
  ['three big ones whose strategy is chosen', () => times(3, () => compute(BIG))],
  ['three big ASYNC ones', () => times(3, () => compute(BIG, { strategy: 'ASYNC' }))],
  ['a big one in chunks of seconds', () => times(1, () => compute(BIG, { strategy: 'THREADS' }, { chunkSize: 1_000 }))],
  ['a big pipeline', () => times(1, () => pipeline(BIG))],
  [
    'one of each',
    async () => [
      await compute(BIG, { strategy: 'THREADS' }),
      await pages(1_000_000, { concurrency: 256 }),
      await pipeline(BIG),
    ],
  ],
]

/** How often the work of these has been done: of fetches it takes no lane's time. */
async function burned(ids: readonly string[]): Promise<number> {
  const runs = await Promise.all(
    ids.map((id) =>
      api.run<{ kind: string; stages: { progress: { done: number } }[] }>(id, 'kind stages { progress { done } }'),
    ),
  )
  return runs.reduce((sum, { kind, stages }) => sum + (kind === 'FETCH' ? 0 : stages[0]!.progress.done), 0)
}

async function expectRunning(ids: readonly string[]): Promise<void> {
  for (const id of ids) expect(await api.run(id, 'status')).toEqual({ status: 'RUNNING' })
}

/** The small run ends before the others have done what takes all lanes a second. */
async function expectWithinASecond(small: () => Promise<string>, beside: readonly string[]): Promise<void> {
  const before = await burned(beside)
  expect(await api.ended(await small())).toBe('SUCCEEDED')
  expect((await burned(beside)) - before).toBeLessThan((maxLanes * 1_000) / TASK_MS)
  await expectRunning(beside)
}

describe.each([1, 2])('with %i lanes, a small run', (lanes) => {
  it.each(BESIDE)('beside %s ends while the others do less than the work of a second', async (_what, launch) => {
    await start(lanes)
    const big = await launch()
    for (const id of big) await api.running(id, 1)
    for (const strategy of ['THREADS', 'AUTO', 'ASYNC', 'SEQUENTIAL']) {
      await expectWithinASecond(() => compute(SMALL, { strategy }), big)
    }
  })

  it('that fetches has its turn as well', async () => {
    await start(lanes)
    const big = [await compute(BIG, { strategy: 'THREADS' }), await pages(1_000_000, { concurrency: 256 })]
    for (const id of big) await api.running(id, 1)
    // The first one has the lane load what fetching takes.
    expect(await api.ended(await pages(SMALL))).toBe('SUCCEEDED')
    await expectWithinASecond(() => pages(SMALL), big)
  })

  it('beside fetches that take all that may be in flight has its turn before they end', async () => {
    await start(lanes)
    const big = await times(3, () => pages(1_000_000, { concurrency: 256 }))
    for (const id of big) await api.running(id, 1)
    expect(await api.ended(await compute(SMALL))).toBe('SUCCEEDED')
    expect(await api.ended(await pages(SMALL))).toBe('SUCCEEDED')
    await expectRunning(big)
  })
})

describe('with two lanes', () => {
  it('runs of one size advance together, whichever came first', async () => {
    await start(2)
    const ids = [await compute(600, { strategy: 'THREADS' })]
    await api.running(ids[0]!, 1)
    ids.push(await compute(600, { strategy: 'THREADS' }), await compute(600, { strategy: 'THREADS' }))
    // The last one has waited no longer than the first for its share.
    expect(await api.ended(ids[0]!)).toBe('SUCCEEDED')
    for (const id of ids.slice(1)) {
      const { progress } = await api.run<{ progress: { done: number } }>(id, 'progress { done }')
      expect(progress.done).toBeGreaterThan(200)
    }
  })

  it('a run of a higher priority goes first, and what runs is not ended for it', async () => {
    await start(2)
    const low = await compute(BIG, { strategy: 'THREADS' })
    await api.running(low, 2)
    const high = await compute(400, { strategy: 'THREADS', priority: 1 })
    await api.running(high, 2)
    const before = await burned([low])
    expect(await api.ended(high)).toBe('SUCCEEDED')
    // Its lanes are the other's when it has no use for them: at its end, not before.
    expect((await burned([low])) - before).toBeLessThan(100)
    const { tasks } = await api.run<{ tasks: { totalCount: number } }>(
      low,
      'tasks(filter: { status: [CANCELLED] }) { totalCount }',
    )
    expect(tasks.totalCount).toBe(0)
  })

  it('a run has the lane that is free first, though the other one has a task that takes minutes', async () => {
    await start(2)
    const inputs = [...burns(200).inputs, { do: 'burn', ms: 600_000 }, ...burns(BIG - 201).inputs]
    const big = await api.start(
      api.launchCompute({ function: 'act', source: { inputs }, options: { strategy: 'THREADS' } }),
    )
    for await (const { runUpdated } of api.subscribe<{ runUpdated: { progress: { done: number } } }>(
      'subscription($id: ID!) { runUpdated(id: $id) { progress { done } } }',
      { id: big },
    )) {
      if (runUpdated.progress.done > 400) break
    }
    for (let run = 0; run < 3; run += 1) await expectWithinASecond(() => compute(SMALL, { strategy: 'THREADS' }), [big])
  })

  it('a run waits while tasks that take long are in all lanes, and goes on with the first that is free', async () => {
    await start(2)
    const hold = (place: string) => `${origin.url}/hold/${place}`
    const options = { strategy: 'SEQUENTIAL' }
    const long = [
      await api.start(api.launchFetch({ source: { urls: [hold('one')] }, options })),
      await api.start(api.launchFetch({ source: { urls: [hold('other')] }, options })),
    ]
    await Promise.all([origin.arrived('/hold/one'), origin.arrived('/hold/other')])
    const later = await compute(SMALL, { priority: 9 })
    expect(await api.run(later, 'status progress { done running }')).toEqual({
      status: 'QUEUED',
      progress: { done: 0, running: 0 },
    })
    origin.release('/hold/one')
    expect(await api.ended(later)).toBe('SUCCEEDED')
    await expectRunning(long.slice(1))
    origin.release('/hold/other')
    expect(await api.ended(long[1]!)).toBe('SUCCEEDED')
  })
})
