import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { ApiClient } from '../support/api.js'
import { drain, take } from '../support/api.js'
import {
  COMPARISON_UPDATED,
  type ComparisonState,
  followComparison,
  LAUNCH_COMPARISON,
  type LaunchedComparison,
  launchComparison,
  readComparison,
  startComparison,
} from '../support/comparisons.js'
import { type Origin, startOrigin } from '../support/origin.js'
import { FUNCTIONS_DIR, startTestServer, type TestServer } from '../support/server.js'
import { fileOf, formOf, send, uploadsIn } from '../support/uploads.js'

const ALL = ['SEQUENTIAL', 'ASYNC', 'THREADS', 'PROCESSES']

let origin: Origin
let server: TestServer
let api: ApiClient

beforeAll(async () => {
  origin = await startOrigin()
  server = await startTestServer({ HEDDLE_FUNCTIONS_DIR: FUNCTIONS_DIR, HEDDLE_LANES: '2', HEDDLE_MAX_LANES: '4' })
  api = server.api
})

afterAll(async () => {
  await server.close()
  await origin.close()
  expect(server.logged).toEqual([])
})

interface ComparedRun {
  id: string
  name: string
  strategy: string
  effectiveStrategy: string
  concurrency: number
  startedAt: string
  finishedAt: string
  timings: { wallMs: number }
  comparison: { id: string }
}

interface Row {
  strategy: string
  runs: number
  wallMs: { count: number; p50: number; exact: boolean }
  speedup: number
  efficiency: number
}

interface Whole {
  status: string
  verdict: string
  runs: ComparedRun[]
  rows: Row[]
}

const WHOLE = `status verdict
  runs { id name strategy effectiveStrategy concurrency startedAt finishedAt timings { wallMs } comparison { id } }
  rows { strategy runs wallMs { count p50 exact } speedup efficiency }`

/** Of an odd number of values. */
const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[(values.length - 1) / 2] ?? Number.NaN

function expectRows({ rows, runs }: Whole): void {
  const walls = (strategy: string) => runs.filter((run) => run.strategy === strategy).map((run) => run.timings.wallMs)
  const baseline = median(walls('SEQUENTIAL'))
  for (const { strategy, runs: count, wallMs, speedup, efficiency } of rows) {
    const own = walls(strategy)
    expect([count, wallMs.count, wallMs.exact]).toEqual([own.length, own.length, true])
    expect(wallMs.p50).toBeCloseTo(median(own), 9)
    expect(speedup).toBeCloseTo(baseline / median(own), 9)
    const { concurrency } = runs.find((run) => run.strategy === strategy)!
    expect(efficiency).toBeCloseTo(speedup / concurrency, 9)
  }
}

describe('a comparison', () => {
  it.each<[string, () => object]>([
    ['a list of inputs', () => ({ compute: { function: 'anything', source: { inputs: [1, 'a', [2], { b: 3 }] } } })],
    ['a range', () => ({ compute: { function: 'sumOfSquares', source: { range: { from: 1000, to: 1040 } } } })],
    ['URLs', () => ({ fetch: { source: { urls: [1, 2, 3].map((i) => `${origin.url}/json?i=${i}`) } } })],
    ['a template', () => ({ fetch: { source: { template: { template: `${origin.url}/json?i={i}`, to: 12 } } } })],
  ])('runs %s under each strategy, one run after the other, and adds up what they took', async (_what, batch) => {
    const id = await startComparison(api, { batch: batch(), rounds: 3, name: 'which' })
    const last = await followComparison(api, id)
    expect(last.status).toBe('SUCCEEDED')
    const whole = await readComparison<Whole>(api, id, WHOLE)
    expect(whole.status).toBe('SUCCEEDED')
    expect(whole.runs).toHaveLength(12)
    for (const round of [0, 1, 2]) {
      const strategies = whole.runs.slice(4 * round, 4 * round + 4).map(({ strategy }) => strategy)
      expect(strategies.sort()).toEqual([...ALL].sort())
    }
    for (const [at, run] of whole.runs.entries()) {
      expect(run).toMatchObject({ name: 'which', effectiveStrategy: run.strategy, comparison: { id } })
      const before = whole.runs[at - 1]
      if (before) expect(run.startedAt >= before.finishedAt).toBe(true)
    }
    expect(whole.rows.map(({ strategy }) => strategy)).toEqual(ALL)
    expectRows(whole)
    const [fastest] = [...whole.rows].sort((a, b) => a.wallMs.p50 - b.wallMs.p50)
    expect(whole.verdict).toContain(`${fastest!.strategy} was the fastest`)
    expect(whole.verdict).toContain('3 runs each are too few to tell that from chance')
  })

  it('gives the outputs that single runs give, under each strategy', async () => {
    const batch = { compute: { function: 'anything', source: { inputs: ['a', { b: [1] }, 3] }, reduce: 'COUNT' } }
    const { runs } = await followComparison(api, await startComparison(api, { batch, strategies: [...ALL, 'AUTO'] }))
    expect(runs).toHaveLength(5)
    for (const run of runs) {
      expect(await api.tasks(run.id, 'index input output')).toEqual([
        { index: 0, input: 'a', output: 'a' },
        { index: 1, input: { b: [1] }, output: { b: [1] } },
        { index: 2, input: 3, output: 3 },
      ])
      expect(await api.run(run.id, 'reduction')).toEqual({ reduction: 3 })
    }
  })

  it('sends no more than its runs send, each over connections of its own', async () => {
    const own = await startOrigin()
    const urls = Array.from({ length: 6 }, (_, i) => `${own.url}/json?i=${i}`)
    const batch = { fetch: { source: { urls }, options: { concurrency: 2 } } }
    const id = await startComparison(api, { batch, strategies: ['SEQUENTIAL', 'ASYNC'], rounds: 2 })
    const { runs } = await followComparison(api, id)
    expect(own.requests()).toBe(24)
    for (const { id: run } of runs) {
      const tasks = await api.tasks<{ fetch: { reusedConnection: boolean } }>(run, 'fetch { reusedConnection }')
      const opened = tasks.filter(({ fetch }) => !fetch.reusedConnection).length
      const { concurrency } = await api.run<{ concurrency: number }>(run, 'concurrency')
      expect(opened).toBe(concurrency)
    }
    await own.close()
  })

  it('takes its items from one file, which is there as long as one of its runs', async () => {
    const lines = Array.from({ length: 300 }, (_, at) => ({ item: at }))
    const input = {
      batch: { compute: { function: 'anything', source: { file: fileOf(lines) } } },
      strategies: ['SEQUENTIAL', 'THREADS'],
    }
    const { body } = await send<{ launch: LaunchedComparison }>(api.url, formOf(LAUNCH_COMPARISON, { input }))
    const { comparison, userErrors } = body.data!.launch
    expect(userErrors).toEqual([])
    const { runs, status } = await followComparison(api, comparison!.id)
    expect(status).toBe('SUCCEEDED')
    for (const run of runs) {
      const outputs = (await api.tasks<{ output: unknown }>(run.id, 'output')).map(({ output }) => output)
      expect(outputs).toEqual(lines)
    }
    expect(uploadsIn(server.dataDir)).toHaveLength(1)
    const DELETE = 'mutation($id: ID!) { deleteRun(id: $id) { deletedRunId userErrors { code } } }'
    await api.ask(DELETE, { id: runs[0]!.id })
    expect(uploadsIn(server.dataDir)).toHaveLength(1)
    expect(await readComparison(api, comparison!.id, 'status runs { id } rows { strategy }')).toEqual({
      status: 'SUCCEEDED',
      runs: [{ id: runs[1]!.id }],
      rows: [{ strategy: runs[1]!.strategy }],
    })
    await api.ask(DELETE, { id: runs[1]!.id })
    expect(uploadsIn(server.dataDir)).toEqual([])
    const { comparison: gone } = await api.ask<{ comparison: null }>('query($id: ID!) { comparison(id: $id) { id } }', {
      id: comparison!.id,
    })
    expect(gone).toBeNull()
  })

  it('counts runs with failed tasks, and says so; of those that could not go to their end it has no row', async () => {
    const urls = [`${origin.url}/json?i=1`, `${origin.url}/status?code=404`]
    const batch = { fetch: { source: { urls } } }
    const failing = await followComparison(api, await startComparison(api, { batch, strategies: ['ASYNC', 'THREADS'] }))
    expect(failing).toMatchObject({ status: 'PARTIAL', rows: [{ runs: 1 }, { runs: 1 }] })
    expect(failing.verdict).toContain('Tasks failed in 1 run of ASYNC and 1 run of THREADS')
    const failFast = { fetch: { ...batch.fetch, options: { failFast: true } } }
    const cut = await followComparison(api, await startComparison(api, { batch: failFast, strategies: ['SEQUENTIAL'] }))
    expect(cut).toMatchObject({ status: 'FAILED', rows: [], verdict: 'Nothing to compare: failFast ended 1 of 1 run.' })
  })
})

describe('beside a comparison', () => {
  it('nothing runs: it waits for what is in service, and what comes waits for it', async () => {
    const first = await api.start(api.launchFetch({ source: { urls: [`${origin.url}/hold/first`] } }))
    await origin.arrived('/hold/first')
    const batch = { fetch: { source: { urls: [`${origin.url}/hold/compared`] } } }
    const id = await startComparison(api, { batch, strategies: ['ASYNC'] })
    const computes = await api.start(api.launchCompute({ function: 'same', source: { range: { from: 0, to: 5 } } }))
    // There are idle lanes, and it takes none of them.
    expect(await readComparison(api, id, 'status')).toEqual({ status: 'QUEUED' })
    expect(origin.requests('/hold/compared')).toBe(0)
    origin.release('/hold/first')
    expect(await api.ended(first)).toBe('SUCCEEDED')
    await origin.arrived('/hold/compared')
    const later = await api.start(api.launchFetch({ source: { urls: [`${origin.url}/hold/later`] } }))
    for (const run of [computes, later]) {
      expect(await api.run(run, 'status progress { running }')).toEqual({ status: 'QUEUED', progress: { running: 0 } })
    }
    // The origin may hear of a request before the server hears from the lane that sent it.
    await vi.waitFor(async () => {
      const { system } = await api.ask<{ system: { lanes: { busy: boolean }[]; runningTasks: number } }>(
        '{ system { runningTasks lanes { busy } } }',
      )
      expect([system.runningTasks, system.lanes.filter(({ busy }) => busy).length]).toEqual([1, 1])
    })
    expect(origin.requests('/hold/later')).toBe(0)
    origin.release('/hold/compared')
    origin.release('/hold/later')
    expect((await followComparison(api, id)).status).toBe('SUCCEEDED')
    expect(await api.ended(computes)).toBe('SUCCEEDED')
    expect(await api.ended(later)).toBe('SUCCEEDED')
  })

  it('others have the lanes between two of its runs', async () => {
    const urls = [`${origin.url}/hold/turn`]
    const id = await startComparison(api, { batch: { fetch: { source: { urls } } }, strategies: ['ASYNC'], rounds: 2 })
    await origin.arrived('/hold/turn')
    const other = await api.start(api.launchFetch({ source: { urls: [`${origin.url}/hold/between`] } }))
    origin.release('/hold/turn')
    await origin.arrived('/hold/between')
    const { runs } = await readComparison<ComparisonState>(api, id, 'runs { status }')
    expect(runs.map(({ status }) => status)).toEqual(['SUCCEEDED', 'QUEUED'])
    origin.release('/hold/between')
    expect(await api.ended(other)).toBe('SUCCEEDED')
    expect((await followComparison(api, id)).status).toBe('SUCCEEDED')
  })
})

describe('comparisonUpdated', () => {
  it('tells the state at once, then what changes, and completes with the last', async () => {
    const urls = [`${origin.url}/hold/told`]
    const id = await startComparison(api, { batch: { fetch: { source: { urls } } }, strategies: ['ASYNC', 'THREADS'] })
    const stream = await api.open<{ comparisonUpdated: ComparisonState }>(COMPARISON_UPDATED, { id })
    const [first] = await take(stream, 1)
    expect(first!.comparisonUpdated).toMatchObject({ verdict: null, rows: [] })
    await origin.arrived('/hold/told')
    origin.release('/hold/told')
    const { all, end } = await drain(stream)
    expect(end).toBe('complete')
    const states = all.map(({ comparisonUpdated }) => comparisonUpdated)
    expect(states.at(-1)).toMatchObject({ status: 'SUCCEEDED', rows: [{ runs: 1 }, { runs: 1 }] })
    const soFar = states.filter(({ verdict }) => verdict?.startsWith('So far, after 1 of 2 runs: '))
    for (const { status, rows } of soFar) expect([status, rows.length]).toEqual(['RUNNING', 1])
    const rest = await drain(api.subscribe<{ comparisonUpdated: ComparisonState }>(COMPARISON_UPDATED, { id }))
    expect(rest).toEqual({ all: [{ comparisonUpdated: states.at(-1) }], end: 'complete' })
  })

  it('goes on over a restart, for who subscribes again', async () => {
    const own = await startTestServer({ HEDDLE_LANES: '2', HEDDLE_DRAIN_MS: '50' })
    const urls = [`${origin.url}/hold/restart`, `${origin.url}/ok`]
    const id = await startComparison(own.api, {
      batch: { fetch: { source: { urls } } },
      strategies: ['ASYNC'],
      rounds: 2,
    })
    await followComparison(own.api, id, ({ status }) => status === 'RUNNING')
    await own.restart()
    await followComparison(own.api, id, ({ status }) => status === 'RUNNING')
    origin.release('/hold/restart')
    const { status, verdict, rows } = await followComparison(own.api, id)
    expect({ status, rows }).toEqual({ status: 'SUCCEEDED', rows: [{ strategy: 'ASYNC', runs: 1 }] })
    expect(verdict).toContain('Left out, as a restart of the server cut it in two: 1 run of ASYNC.')
    await own.close()
  })

  it('is NOT_FOUND for an id that is none', async () => {
    expect(await api.refusal(COMPARISON_UPDATED, { id: 'comparison_0' })).toEqual(['NOT_FOUND'])
  })
})

describe('launchComparison', () => {
  it('tells every problem at once, each at its place, and launches nothing', async () => {
    const before = await api.ask('{ runs { totalCount } comparisons { totalCount } }')
    const { comparison, userErrors } = await launchComparison(api, {
      batch: { compute: { function: 'sumOfSquares', source: { inputs: [1, -1] }, options: { lanes: 99 } } },
      strategies: ['THREADS', 'CLUSTER', 'THREADS'],
      rounds: 51,
    })
    expect(comparison).toBeNull()
    expect(userErrors.map(({ code, field }) => `${code} ${field?.join('.')}`)).toEqual([
      'CLUSTER_UNAVAILABLE input.strategies.1',
      'INVALID input.strategies.2',
      'INVALID input.rounds',
      'INVALID input.batch.compute.source.inputs.1',
      'INVALID input.batch.compute.options.lanes',
    ])
    expect(await api.ask('{ runs { totalCount } comparisons { totalCount } }')).toEqual(before)
  })

  it('is safe to repeat under one key, in one space with all launches', async () => {
    const compute = { function: 'same', source: { range: { from: 0, to: 3 } }, options: { idempotencyKey: 'compared' } }
    const input = { batch: { compute }, strategies: ['ASYNC', 'THREADS'] }
    const id = await startComparison(api, input)
    expect((await launchComparison(api, input)).comparison?.id).toBe(id)
    const conflict = ['IDEMPOTENCY_CONFLICT']
    const codes = ({ userErrors }: Pick<LaunchedComparison, 'userErrors'>) => userErrors.map(({ code }) => code)
    expect(codes(await launchComparison(api, { ...input, rounds: 2 }))).toEqual(conflict)
    expect(codes(await api.launchCompute(compute))).toEqual(conflict)
    await followComparison(api, id)
    expect((await launchComparison(api, input)).comparison).toEqual({ id, status: 'SUCCEEDED' })
  })

  it('lists its runs like any others, and itself among the comparisons', async () => {
    const labels = [{ name: 'kind', value: 'listed' }]
    const compute = { function: 'same', source: { range: { from: 0, to: 3 } }, options: { labels, name: 'listed' } }
    const id = await startComparison(api, { batch: { compute }, strategies: ['ASYNC', 'THREADS'] })
    await followComparison(api, id)
    const { runs, comparisons, node } = await api.ask<{
      runs: { nodes: { strategy: string; comparison: { id: string } }[] }
      comparisons: { nodes: { id: string; name: string }[] }
      node: object
    }>(
      `query($id: ID!, $labels: [LabelInput!]) {
        runs(filter: { labels: $labels, status: [SUCCEEDED] }) { nodes { strategy comparison { id } } }
        comparisons(first: 1) { nodes { id name } }
        node(id: $id) { __typename ... on Comparison { name rounds } }
      }`,
      { id, labels },
    )
    expect(runs.nodes.map(({ strategy }) => strategy).sort()).toEqual(['ASYNC', 'THREADS'])
    for (const { comparison } of runs.nodes) expect(comparison).toEqual({ id })
    expect(comparisons.nodes).toEqual([{ id, name: 'listed' }])
    expect(node).toEqual({ __typename: 'Comparison', name: 'listed', rounds: 1 })
  })
})
