import type { GraphQLSchema } from 'graphql'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ApiClient } from '../support/api.js'
import { everythingOf, schemaOf } from '../support/documents.js'
import { closedPort, type Origin, startOrigin } from '../support/origin.js'
import { FUNCTIONS_DIR, startTestServer, type TestServer } from '../support/server.js'

const ORDERS = ['INDEX', 'SLOWEST', 'STARTED', 'ENDED']
const FILTERS = [
  '{ status: [FAILED] }',
  '{ status: [SUCCEEDED, CANCELLED] }',
  '{ status: [SKIPPED] }',
  '{ stage: 0 }',
  '{ stage: LAST_STAGE }',
  '{ errorCode: "HTTP_STATUS" }',
  '{ lane: "thread-1" }',
  '{ host: "HOST" }',
  '{ minServiceMs: 1 }',
]

let origin: Origin
let server: TestServer
let schema: GraphQLSchema
const ids = new Map<string, string>()

beforeAll(async () => {
  origin = await startOrigin()
  server = await startTestServer({ HEDDLE_FUNCTIONS_DIR: FUNCTIONS_DIR, HEDDLE_LANES: '2', HEDDLE_DRAIN_MS: '0' })
  schema = await schemaOf(server.api)
  await launchAll(server.api)
})

afterAll(async () => {
  await server.close()
  await origin.close()
})

/** Runs of every sort that there is, each with its name. */
async function launchAll(api: ApiClient): Promise<void> {
  const at = (path: string) => origin.url + path
  const labels = [{ name: 'kept', value: 'for ever' }]
  const retry = { maxAttempts: 3, backoffMs: 1 }
  const fetch = (urls: string[], options: object, fetchOptions: object = {}) =>
    api.start(api.launchFetch({ source: { urls }, fetch: fetchOptions, options: { labels, retry, ...options } }))
  const act = (inputs: object[], options: object, reduce: string) =>
    api.start(
      api.launchCompute({ function: 'act', source: { inputs }, reduce, options: { labels, retry, ...options } }),
    )
  const paths = [
    '/json?i=1',
    '/missing',
    '/flaky?fails=2&case=history',
    '/redirects?left=2',
    '/encoded',
    '/gone?how=reset',
  ]
  const mixed = [...paths.map(at), ...paths.map(at), `http://127.0.0.1:${await closedPort()}/`]
  const echo = (value: number) => ({ do: 'echo', value })
  const fails = [
    { do: 'fail', message: 'no' },
    { do: 'exit', code: 1 },
    { do: 'fail', message: 'no', retryable: true },
  ]
  const held = (place: string, count: number) => Array.from({ length: count }, (_, i) => at(`/hold/${place}?i=${i}`))
  const secret = { headers: [{ name: 'authorization', value: 'Bearer hidden' }] }

  ids.set(
    'fetches',
    await fetch(mixed, { name: 'fetches', priority: 2, strategy: 'THREADS' }, { bodyPolicy: 'TEXT', ...secret }),
  )
  ids.set('in processes', await fetch(mixed.slice(0, 4), { name: 'in processes', strategy: 'PROCESSES' }))
  ids.set('sum', await act([...[1, 2, 3].map(echo), ...fails], { strategy: 'THREADS' }, 'SUM'))
  ids.set('collection', await act([1, 2, 3].map(echo), { name: 'collection', strategy: 'ASYNC' }, 'COLLECT'))
  ids.set(
    'ended early',
    await fetch([...held('never', 20), at('/missing')].reverse(), { failFast: true, concurrency: 3 }),
  )
  const pages = {
    source: { urls: paths.map(at) },
    stages: [
      { fetch: { name: 'pages', strategy: 'ASYNC', fetch: { bodyPolicy: 'JSON' } } },
      { compute: { name: 'names', strategy: 'THREADS', function: 'anything', inputFrom: '/name' } },
    ],
    options: { labels, retry, name: 'pipeline' },
  }
  ids.set('pipeline', await api.start(api.launchPipeline(pages)))
  ids.set('nothing succeeded', await fetch([at('/missing')], { strategy: 'SEQUENTIAL' }))
  const many = { function: 'same', source: { range: { from: 0, to: 100_500 } }, reduce: 'SUM', options: { labels } }
  ids.set('many', await api.start(api.launchCompute(many)))
  ids.set('cut off', await fetch([...paths.slice(0, 4).map(at), ...held('cut', 6)], { concurrency: 4 }))
  for (const [name, id] of ids) if (name !== 'cut off') await api.ended(id)
  await origin.arrived('/hold/cut', 4)
  await server.restart()
  origin.release('/hold/cut')
  await server.api.ended(ids.get('cut off') ?? '')
}

function idOf(name: string): string {
  const id = ids.get(name)
  if (id === undefined) throw new Error(`nothing was launched under ${name}`)
  return id
}

/** Everything that the API tells of a run. */
async function documentOf(name: string): Promise<Record<string, unknown>> {
  const host = new URL(origin.url).host
  const { stages } = await server.api.run<{ stages: object[] }>(idOf(name), 'stages { name }')
  const task = everythingOf(schema, 'Task', { 'Task.run': 'run { id }' })
  const run = everythingOf(schema, 'Run', {
    'Run.comparison': 'comparison { id }',
    'Run.retryOf': 'retryOf { id }',
    'Run.retries': 'retries { id }',
    'Run.exportUrl': 'exportUrl(format: NDJSON)',
    'Run.tasks': '',
    'Task.run': 'run { id }',
    'Distribution.percentile': 'percentile(p: 0.333) p1: percentile(p: 1)',
    'Distribution.histogram': 'histogram(buckets: 7) { fromMs toMs count }',
  })
  const page = `totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } edges { cursor node { ${task} } }`
  const lists = ORDERS.flatMap((order) => [
    `${order}: tasks(first: 100, orderBy: ${order}) { ${page} }`,
    `${order}_LAST: tasks(last: 3, orderBy: ${order}) { ${page} }`,
  ])
  const filters = FILTERS.map((filter) => filter.replace('HOST', host).replace('LAST_STAGE', `${stages.length - 1}`))
  const filtered = filters.map((filter, at) => `filter${at}: tasks(first: 100, filter: ${filter}) { ${page} }`)
  return server.api.run(idOf(name), [run, ...lists, ...filtered].join('\n'))
}

/** The lists of runs, in every order. */
async function listsOfRuns(): Promise<object> {
  const orders = ['CREATED_DESC', 'CREATED_ASC', 'DURATION_DESC', 'DURATION_ASC']
  const lists = orders.map(
    (order) => `${order}: runs(first: 100, orderBy: ${order}) { totalCount edges { cursor node { id status } } }`,
  )
  return server.api.ask(`{ ${lists.join(' ')} functions { name description inputSchema outputSchema example } }`)
}

interface TimedRun {
  concurrency: number
  progress: { succeeded: number; failed: number; bytes: number }
  timings: Record<'wallMs' | 'serviceTotalMs' | 'cpuMs' | 'throughput' | 'meanConcurrency' | 'utilization', number> & {
    service: Times
    queueWait: Times
  }
}

interface Times {
  count: number
  exact: boolean
  min: number
  mean: number
  p50: number
  p90: number
  p95: number
  p99: number
  max: number
  stddev: number
  p333: number
  histogram: { fromMs: number; toMs: number; count: number }[]
}

interface TimedTask {
  status: string
  serviceMs: number
  queueWaitMs: number
  history: { startedMs: number; serviceMs: number }[]
  fetch: { bytes: number } | null
}

const TIMES = `count exact min mean p50 p90 p95 p99 max stddev p333: percentile(p: 0.333)
  histogram(buckets: 5) { fromMs toMs count }`
const TIMED_RUN = `concurrency progress { succeeded failed bytes } timings { wallMs serviceTotalMs cpuMs throughput
  meanConcurrency utilization service { ${TIMES} } queueWait { ${TIMES} } }`

function expectTimes(times: Times, values: readonly number[]): void {
  const sorted = [...values].sort((a, b) => a - b)
  const rank = (p: number) => sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)]
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length
  const { p50, p90, p95, p99, p333, min, max, exact, count } = times
  expect({ p50, p90, p95, p99, p333, min, max, exact, count }).toEqual({
    p50: rank(0.5),
    p90: rank(0.9),
    p95: rank(0.95),
    p99: rank(0.99),
    p333: rank(0.333),
    min: sorted[0],
    max: sorted.at(-1),
    exact: true,
    count: values.length,
  })
  expect(times.mean).toBeCloseTo(mean, 6)
  expect(times.stddev).toBeCloseTo(Math.sqrt(variance), 6)
  expect(times.histogram.reduce((sum, bar) => sum + bar.count, 0)).toBe(values.length)
  for (const [at, { fromMs, toMs, count: inBar }] of times.histogram.entries()) {
    const last = at === times.histogram.length - 1
    expect(inBar).toBe(values.filter((value) => value >= fromMs && (value < toMs || (last && value <= toMs))).length)
  }
}

describe('the history of a run', () => {
  it.each([
    ['fetches', 'PARTIAL'],
    ['in processes', 'PARTIAL'],
    ['sum', 'PARTIAL'],
    ['collection', 'SUCCEEDED'],
    ['ended early', 'FAILED'],
    ['pipeline', 'PARTIAL'],
    ['nothing succeeded', 'FAILED'],
    ['many', 'SUCCEEDED'],
    ['cut off', 'PARTIAL'],
  ])('has what became of it: %s is %s', async (name, status) => {
    expect(await server.api.run(idOf(name), 'status progress { queued running }')).toEqual({
      status,
      progress: { queued: 0, running: 0 },
    })
  })

  it.each(['fetches', 'in processes', 'sum', 'collection', 'cut off'])(
    'has figures that are those of its tasks: %s',
    async (name) => {
      const { concurrency, progress, timings } = await server.api.run<TimedRun>(idOf(name), TIMED_RUN)
      const tasks = await server.api.tasks<TimedTask>(
        idOf(name),
        'status serviceMs queueWaitMs history { startedMs serviceMs } fetch { bytes }',
      )
      expect(tasks).toHaveLength(progress.succeeded + progress.failed)
      expectTimes(
        timings.service,
        tasks.map(({ serviceMs }) => serviceMs),
      )
      expectTimes(
        timings.queueWait,
        tasks.map(({ queueWaitMs }) => queueWaitMs),
      )
      const attempts = tasks.flatMap(({ history }) => history)
      // What had started before the server was killed has left nothing, and has taken its time.
      const firstStartMs = name === 'cut off' ? 0 : Math.min(...attempts.map(({ startedMs }) => startedMs))
      const lastEndMs = Math.max(...attempts.map(({ startedMs, serviceMs }) => startedMs + serviceMs))
      const { wallMs, serviceTotalMs, meanConcurrency } = timings
      expect(wallMs).toBeCloseTo(lastEndMs - firstStartMs, 3)
      expect(serviceTotalMs).toBeCloseTo(
        tasks.reduce((sum, { serviceMs }) => sum + serviceMs, 0),
        3,
      )
      expect(meanConcurrency).toBeCloseTo(serviceTotalMs / wallMs, 6)
      expect(timings.utilization).toBeCloseTo(meanConcurrency / concurrency, 6)
      expect(timings.throughput).toBeCloseTo((tasks.length / wallMs) * 1000, 3)
      expect(timings.cpuMs).toBeGreaterThan(0)
      expect(progress.bytes).toBe(tasks.reduce((sum, { fetch }) => sum + (fetch?.bytes ?? 0), 0))
    },
  )

  it('of very many tasks has percentiles of a sketch', async () => {
    const { timings } = await server.api.run<TimedRun>(idOf('many'), TIMED_RUN)
    for (const times of [timings.service, timings.queueWait]) {
      expect(times).toMatchObject({ count: 100_500, exact: false })
      const rising = [times.min, times.p50, times.p90, times.p95, times.p99, times.max]
      expect(rising).toEqual([...rising].sort((a, b) => a - b))
      expect(times.histogram.reduce((sum, { count }) => sum + count, 0)).toBe(100_500)
    }
    expect(await server.api.run(idOf('many'), 'reduction')).toEqual({ reduction: (100_499 * 100_500) / 2 })
  })

  it('is the same after a restart, in everything that the API tells', async () => {
    const names = [...ids.keys()]
    const before = { lists: await listsOfRuns(), runs: await Promise.all(names.map(documentOf)) }
    expect(before.runs.every((run) => run !== null)).toBe(true)
    await server.restart()
    const after = { lists: await listsOfRuns(), runs: await Promise.all(names.map(documentOf)) }
    names.forEach((name, at) => {
      expect(after.runs[at], name).toEqual(before.runs[at])
    })
    expect(after.lists).toEqual(before.lists)
  })
})
