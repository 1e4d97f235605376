import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ApiClient, Variables } from '../support/api.js'
import { type Origin, startOrigin } from '../support/origin.js'
import { FUNCTIONS_DIR, startTestServer, type TestServer } from '../support/server.js'

let origin: Origin
let server: TestServer
let api: ApiClient

beforeAll(async () => {
  origin = await startOrigin()
  server = await startTestServer({ HEDDLE_FUNCTIONS_DIR: FUNCTIONS_DIR, HEDDLE_LANES: '2' })
  api = server.api
})

afterAll(async () => {
  await server.close()
  await origin.close()
})

async function runCount(): Promise<number> {
  return (await api.ask<{ runs: { totalCount: number } }>('{ runs { totalCount } }')).runs.totalCount
}

describe('an idempotency key', () => {
  const launchKeyed = (idempotencyKey: string, input: Variables = {}) => {
    const { options, ...rest } = input as { options?: object }
    return api.launchCompute({
      function: 'countPrimes',
      source: { inputs: [100, 1000] },
      ...rest,
      options: { idempotencyKey, ...options },
    })
  }

  it('answers a second launch with the run of the first', async () => {
    const before = await runCount()
    const first = await launchKeyed('twice')
    expect(first).toMatchObject({ deduplicated: false, userErrors: [] })
    const second = await launchKeyed('twice')
    expect(second).toMatchObject({ deduplicated: true, userErrors: [], run: { id: first.run?.id } })
    await api.ended(first.run?.id ?? '')
    const third = await launchKeyed('twice')
    expect(third).toMatchObject({ deduplicated: true, run: { id: first.run?.id, status: 'SUCCEEDED' } })
    expect(await runCount()).toBe(before + 1)
  })

  it('makes one run of launches at the same moment', async () => {
    const before = await runCount()
    const launches = await Promise.all(Array.from({ length: 8 }, () => launchKeyed('at once')))
    expect(new Set(launches.map(({ run }) => run?.id)).size).toBe(1)
    expect(launches.filter(({ deduplicated }) => !deduplicated)).toHaveLength(1)
    expect(await runCount()).toBe(before + 1)
  })

  it('takes inputs for the same that are equal after defaults', async () => {
    const first = await launchKeyed('defaults')
    const written = await launchKeyed('defaults', {
      options: { strategy: 'AUTO', priority: 0, failFast: false, retry: { maxAttempts: 3, backoffMs: 200 } },
    })
    expect(written).toMatchObject({ deduplicated: true, run: { id: first.run?.id } })
    const act = (input: object) => launchKeyed('order', { function: 'act', source: { inputs: [input] } })
    await act({ do: 'echo', value: { a: 1, b: 2 } })
    expect(await act({ value: { b: 2, a: 1 }, do: 'echo' })).toMatchObject({ deduplicated: true, userErrors: [] })
  })

  it.each<[string, Variables]>([
    ['items', { source: { inputs: [100, 1001] } }],
    ['their order', { source: { inputs: [1000, 100] } }],
    ['function', { function: 'sumOfSquares' }],
    ['reducer', { reduce: 'SUM' }],
    ['options', { options: { strategy: 'SEQUENTIAL' } }],
    ['name', { options: { name: 'another' } }],
  ])('with another input is refused: %s', async (what, input) => {
    const key = `conflict ${what}`
    await launchKeyed(key)
    const { run, userErrors } = await launchKeyed(key, input)
    expect(run).toBeNull()
    expect(userErrors).toMatchObject([{ code: 'IDEMPOTENCY_CONFLICT', field: ['input', 'options', 'idempotencyKey'] }])
  })

  it('is one for launches of every kind, and lives over a restart', async () => {
    const first = await launchKeyed('lasting')
    await api.ended(first.run?.id ?? '')
    await server.restart()
    api = server.api
    expect(await launchKeyed('lasting')).toMatchObject({
      deduplicated: true,
      run: { id: first.run?.id, status: 'SUCCEEDED' },
    })
    const fetch = { source: { urls: [`${origin.url}/ok`] }, options: { idempotencyKey: 'lasting' } }
    expect((await api.launchFetch(fetch)).userErrors).toMatchObject([{ code: 'IDEMPOTENCY_CONFLICT' }])
  })
})

describe('failFast', () => {
  const COUNTS = 'status failure { code } progress { total queued running succeeded failed cancelled skipped }'

  interface Ended {
    status: string
    failure: null
    progress: { total: number; queued: number; running: number } & Record<
      'succeeded' | 'failed' | 'cancelled' | 'skipped',
      number
    >
  }

  it('ends the run at the first failure: what is in flight is cancelled, the rest is skipped', async () => {
    const held = (i: number) => `${origin.url}/hold/fast?i=${i}`
    const urls = [
      held(0),
      held(1),
      held(2),
      `${origin.url}/missing`,
      ...Array.from({ length: 46 }, (_, i) => held(i + 4)),
    ]
    const options = { failFast: true, concurrency: 4 }
    const id = await api.finish(api.launchFetch({ source: { urls }, options }))
    const { status, failure, progress } = await api.run<Ended>(id, COUNTS)
    expect({ status, failure }).toEqual({ status: 'FAILED', failure: null })
    expect(progress).toMatchObject({ total: 50, queued: 0, running: 0, succeeded: 0, failed: 1 })
    expect(progress.cancelled).toBeGreaterThanOrEqual(3)
    expect(progress.cancelled + progress.skipped).toBe(49)
    expect(progress.skipped).toBeGreaterThan(40)
    const tasks = await api.tasks<{ index: number; status: string; error: object | null }>(
      id,
      'index status error { code }',
    )
    expect(tasks.filter((task) => task.status === 'FAILED')).toEqual([
      { index: 3, status: 'FAILED', error: { code: 'HTTP_STATUS' } },
    ])
    expect(tasks.filter((task) => task.status === 'CANCELLED')).toHaveLength(progress.cancelled)
    expect(tasks).toHaveLength(1 + progress.cancelled)
    await origin.abandoned('/hold/fast')
  })

  it('waits for the last attempt', async () => {
    const urls = [`${origin.url}/flaky?fails=2&case=fast`, `${origin.url}/ok`]
    const options = { failFast: true, retry: { maxAttempts: 3, backoffMs: 0 } }
    const id = await api.finish(api.launchFetch({ source: { urls }, options }))
    expect(await api.run(id, 'status')).toEqual({ status: 'SUCCEEDED' })
  })

  it.each(['SEQUENTIAL', 'ASYNC', 'THREADS', 'PROCESSES'])('ends computes under %s', async (strategy) => {
    const inputs = [...Array(3).fill({ do: 'echo', value: 1 }), { do: 'fail', message: 'no' }]
    const slow = Array.from({ length: 150 }, () => ({ do: 'burn', ms: 20 }))
    const options = { strategy, failFast: true }
    const launch = api.launchCompute({ function: 'act', source: { inputs: [...inputs, ...slow] }, options })
    const { status, progress } = await api.run<Ended>(await api.finish(launch), COUNTS)
    expect(status).toBe('FAILED')
    expect(progress).toMatchObject({ total: 154, queued: 0, running: 0, failed: 1 })
    expect(progress.skipped).toBeGreaterThan(0)
    expect(progress.succeeded + progress.cancelled + progress.skipped).toBe(153)
  })
})

describe('what was asked', () => {
  it('is told with its defaults', async () => {
    const launch = api.launchFetch({ source: { urls: [`${origin.url}/ok`, `${origin.url}/ok`] } })
    const run = await api.run<{ request: object }>(
      await api.finish(launch),
      'kind name labels { name value } priority strategy function request stages { index kind name }',
    )
    expect(run).toEqual({
      kind: 'FETCH',
      name: null,
      labels: [],
      priority: 0,
      strategy: 'AUTO',
      function: null,
      stages: [{ index: 0, kind: 'FETCH', name: 'fetch' }],
      request: {
        source: { urls: 2 },
        fetch: {
          bodyPolicy: 'DISCARD',
          maxBytes: 10485760,
          maxRedirects: 5,
          headers: [],
          okStatuses: null,
          perHostConcurrency: null,
          perHostRate: null,
          dedupe: false,
        },
        options: {
          name: null,
          labels: [],
          priority: 0,
          strategy: 'AUTO',
          concurrency: 64,
          lanes: null,
          failFast: false,
          retry: { maxAttempts: 3, backoffMs: 200, maxBackoffMs: 10000, unsafe: false },
          timeoutMs: 30000,
          budget: null,
        },
      },
    })
  })

  it('is told as it was asked', async () => {
    const options = {
      name: 'primes',
      labels: [
        { name: 'b', value: '2' },
        { name: 'a', value: '' },
      ],
      strategy: 'THREADS',
      concurrency: 1,
      lanes: 2,
      priority: -3,
      failFast: true,
      retry: { maxAttempts: 2, backoffMs: 1, maxBackoffMs: 5, unsafe: true },
      timeoutMs: 60_000,
      budget: { wallMs: 60_000, serviceP95Ms: null, failureRate: 0.5 },
    }
    const launch = api.launchCompute({
      function: 'countPrimes',
      source: { range: { from: 10, to: 35, step: 10 } },
      chunkSize: 2,
      reduce: 'MAX',
      options,
    })
    const run = await api.run(
      await api.finish(launch),
      'kind name labels { name value } priority strategy function request reduction',
    )
    const { name, labels, priority, strategy } = options
    expect(run).toEqual({
      kind: 'COMPUTE',
      name,
      labels,
      priority,
      strategy,
      function: 'countPrimes',
      reduction: 10,
      request: {
        source: { range: { from: 10, to: 35, step: 10, count: 3 } },
        function: 'countPrimes',
        chunkSize: 2,
        reduce: 'MAX',
        options,
      },
    })
  })
})
