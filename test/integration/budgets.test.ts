import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ApiClient } from '../support/api.js'
import { type Origin, startOrigin } from '../support/origin.js'
import { FUNCTIONS_DIR, startTestServer, type TestServer } from '../support/server.js'
import { until } from '../support/until.js'

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

interface Budget {
  passed: boolean
  checks: { name: string; limit: number; actual: number; passed: boolean }[]
}

const FIELDS = 'status budget { passed checks { name limit actual passed } }'
const budgetOf = (id: string) => api.run<{ status: string; budget: Budget | null }>(id, FIELDS)
/** Pages of which the last one is not there. */
const urls = () => [...Array.from({ length: 3 }, () => `${origin.url}/ok`), `${origin.url}/missing`]
const launch = (budget: object | null, key: string | null = null) =>
  api.launchFetch({ source: { urls: urls() }, options: { budget, idempotencyKey: key } })

describe('a budget', () => {
  it('is kept or not, check by check, and the work is done either way', async () => {
    const id = await api.finish(launch({ wallMs: 600_000, serviceP95Ms: 0.0001, failureRate: 0.25 }))
    const { status, budget } = await budgetOf(id)
    const { timings } = await api.run<{ timings: { wallMs: number; service: { p95: number } } }>(
      id,
      'timings { wallMs service { p95 } }',
    )
    expect(status).toBe('PARTIAL')
    expect(budget).toEqual({
      passed: false,
      checks: [
        { name: 'wallMs', limit: 600_000, actual: timings.wallMs, passed: true },
        { name: 'serviceP95Ms', limit: 0.0001, actual: timings.service.p95, passed: false },
        { name: 'failureRate', limit: 0.25, actual: 0.25, passed: true },
      ],
    })
  })

  it('is in what was asked, outlives a restart, and goes with a retry', async () => {
    const id = await api.finish(launch({ failureRate: 0 }))
    const expected = { passed: false, checks: [{ name: 'failureRate', limit: 0, actual: 0.25, passed: false }] }
    await server.restart()
    api = server.api
    expect((await budgetOf(id)).budget).toEqual(expected)
    const { request } = await api.run<{ request: { options: object } }>(id, 'request')
    expect(request.options).toMatchObject({ budget: { wallMs: null, serviceP95Ms: null, failureRate: 0 } })
    const { retryRun } = await api.ask<{ retryRun: { run: { id: string } } }>(
      'mutation($id: ID!) { retryRun(id: $id) { run { id } } }',
      { id },
    )
    await api.ended(retryRun.run.id)
    expect((await budgetOf(retryRun.run.id)).budget?.checks).toEqual([
      { name: 'failureRate', limit: 0, actual: 1, passed: false },
    ])
  })

  it('is none of a run that was given none', async () => {
    const id = await api.finish(launch(null))
    expect((await budgetOf(id)).budget).toBeNull()
    const { request } = await api.run<{ request: { options: object } }>(id, 'request')
    expect(request.options).toMatchObject({ budget: null })
  })

  it('says of a run under way how it stands', async () => {
    const source = { urls: [`${origin.url}/missing`, `${origin.url}/hold/budget`] }
    const options = { budget: { failureRate: 0.5 }, strategy: 'SEQUENTIAL' }
    const id = await api.start(api.launchFetch({ source, options }))
    await origin.arrived('/hold/budget')
    // The one before has ended, and may not be on disk yet.
    await until(
      async () => (await api.run<{ progress: { failed: number } }>(id, 'progress { failed }')).progress.failed === 1,
    )
    const held = await budgetOf(id)
    expect(held.status).toBe('RUNNING')
    expect(held.budget).toEqual({
      passed: false,
      checks: [{ name: 'failureRate', limit: 0.5, actual: 1, passed: false }],
    })
    origin.release('/hold/budget')
    await api.ended(id)
    expect((await budgetOf(id)).budget).toMatchObject({ passed: true, checks: [{ actual: 0.5 }] })
  })

  it('is a part of what an idempotency key stands for', async () => {
    const first = await api.start(launch({ wallMs: 1000 }, 'budgeted'))
    const again = await launch({ wallMs: 1000, failureRate: null }, 'budgeted')
    expect(again).toMatchObject({ deduplicated: true, run: { id: first } })
    for (const other of [{ wallMs: 2000 }, null]) {
      const { userErrors } = await launch(other, 'budgeted')
      expect(userErrors.map(({ code }) => code)).toEqual(['IDEMPOTENCY_CONFLICT'])
    }
  })

  it('is checked like everything that is asked', async () => {
    const { run, userErrors } = await launch({ wallMs: -1, serviceP95Ms: 0, failureRate: 2 })
    expect(run).toBeNull()
    expect(userErrors.map(({ code, field }) => `${code} ${field?.join('.')}`)).toEqual(
      ['wallMs', 'serviceP95Ms', 'failureRate'].map((name) => `INVALID input.options.budget.${name}`),
    )
    const empty = await launch({})
    expect(empty.userErrors.map(({ field }) => field?.join('.'))).toEqual(['input.options.budget'])
  })
})
