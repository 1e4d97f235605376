import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'csv-parse/sync'
import type { Har } from 'har-format'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ApiClient, type Launched, type Variables } from '../support/api.js'
import { type Origin, startOrigin } from '../support/origin.js'
import { FUNCTIONS_DIR, startTestServer, type TestServer } from '../support/server.js'
import { fileOf, formOf, send } from '../support/uploads.js'

const TOKENS = { reader: 'r'.repeat(24), all: 'a'.repeat(24) }

let origin: Origin
let server: TestServer
let api: ApiClient

const settings = {
  HEDDLE_FUNCTIONS_DIR: FUNCTIONS_DIR,
  HEDDLE_LANES: '2',
  HEDDLE_TOKENS: `${TOKENS.reader}:read,${TOKENS.all}:read+launch+admin`,
}
const as = (token: string) => new ApiClient(server.app.url, token)

beforeAll(async () => {
  origin = await startOrigin()
  server = await startTestServer(settings)
  api = as(TOKENS.all)
})

afterAll(async () => {
  await server.close()
  await origin.close()
})

type Row = Record<string, string>
type Format = 'CSV' | 'NDJSON' | 'HAR' | 'TRACE'

async function urlOf(id: string, format: Format, client = api): Promise<string> {
  const { exportUrl } = await client.run<{ exportUrl: string }>(id, `exportUrl(format: ${format})`)
  return server.app.url + exportUrl
}

/** As a browser follows its link: without a token. */
async function exported(id: string, format: Format): Promise<string> {
  const response = await fetch(await urlOf(id, format))
  if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`)
  return response.text()
}

const csvOf = async (id: string): Promise<Row[]> => parse(await exported(id, 'CSV'), { columns: true })
const linesOf = async (id: string) =>
  (await exported(id, 'NDJSON'))
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line))

interface Slice {
  ph: string
  tid: number
  ts: number
  dur: number
  name: string
  args: { index: number; stage: number; attempt: number; status: string; error?: string; name?: string }
}

async function traceOf(id: string): Promise<{ slices: Slice[]; events: Slice[] }> {
  const events = JSON.parse(await exported(id, 'TRACE')).traceEvents as Slice[]
  return { events, slices: events.filter(({ ph }) => ph === 'X') }
}

/** All that NDJSON tells, as the API has it. */
const TASK = `id run { id } stage index status input output error { code message retryable } attempts
  history { number startedMs serviceMs lane error { code message retryable } }
  lane startedMs queueWaitMs serviceMs cpuMs
  fetch { url finalUrl status bytes sha256 contentType redirects dnsMs connectMs tlsMs firstByteMs downloadMs reusedConnection }
  bodyUrl`

/** Each line is what the API says of the task, and when it started. */
async function expectSameAsApi(id: string): Promise<void> {
  const { startedAt } = await api.run<{ startedAt: string }>(id, 'startedAt')
  const tasks = await api.tasks<{ startedMs: number | null }>(id, TASK)
  const told = tasks.map((task) => ({
    ...task,
    startedAt: task.startedMs === null ? null : new Date(Date.parse(startedAt) + task.startedMs).toISOString(),
  }))
  expect(await linesOf(id)).toEqual(told)
}

describe('a fetch run with failures and retries', () => {
  let id: string
  const launch = (): Promise<string> => {
    const secret = origin.url.replace('://', '://user:pass@')
    const requests: Variables[] = [
      { url: `${secret}/json?i=1`, headers: [{ name: 'X-Api-Key', value: 'hidden' }] },
      { url: `${origin.url}/flaky?fails=1&of=exports` },
      { url: `${origin.url}/status?code=500` },
      { url: `${origin.url}/echo`, method: 'POST', body: '=1+1', headers: [{ name: 'content-type', value: 'text/x' }] },
      { url: `${origin.url}/json?i=1`, headers: [{ name: 'X-Api-Key', value: 'hidden' }] },
    ]
    return api.finish(
      api.launchFetch({
        source: { requests },
        fetch: { bodyPolicy: 'TEXT' },
        options: { name: 'nightly', retry: { maxAttempts: 2, backoffMs: 1 } },
      }),
    )
  }
  beforeAll(async () => {
    id = await launch()
  })

  it('is a table in the order of its items', async () => {
    const rows = await csvOf(id)
    expect(
      rows.map(({ index, status, attempts, httpStatus, errorCode }) => [
        index,
        status,
        attempts,
        httpStatus,
        errorCode,
      ]),
    ).toEqual([
      ['0', 'SUCCEEDED', '1', '200', ''],
      ['1', 'SUCCEEDED', '2', '200', ''],
      ['2', 'FAILED', '2', '500', 'HTTP_STATUS'],
      ['3', 'SUCCEEDED', '1', '200', ''],
      ['4', 'SUCCEEDED', '1', '200', ''],
    ])
    expect(JSON.parse(rows[3]?.input ?? '')).toMatchObject({ method: 'POST', body: '=1+1' })
    expect(rows[0]?.url).toBe(`${origin.url.replace('://', '://***@')}/json?i=1`)
  })

  it('is what the API tells, a line a task', () => expectSameAsApi(id))

  it('is a HAR of what was sent last', async () => {
    const { log } = JSON.parse(await exported(id, 'HAR')) as Har
    expect(log.entries.map(({ request, response }) => [request.method, response.status])).toEqual([
      ['GET', 200],
      ['GET', 200],
      ['GET', 500],
      ['POST', 200],
      ['GET', 200],
    ])
    const tasks = await api.tasks<{ history: { serviceMs: number }[] }>(id, 'history { serviceMs }')
    for (const [at, { time }] of log.entries.entries()) {
      expect(Math.abs(time - (tasks[at]?.history.at(-1)?.serviceMs ?? 0))).toBeLessThan(1)
    }
    expect(log.entries[0]?.request.headers).toContainEqual({ name: 'X-Api-Key', value: '***' })
    expect(log.entries[3]?.request.postData).toEqual({ mimeType: 'text/x', text: '=1+1' })
  })

  it('is a trace with a slice for each attempt', async () => {
    const { slices } = await traceOf(id)
    const told = slices.map(({ name, args }) => [args.index, args.attempt, args.status, args.error ?? '', name])
    const { host } = new URL(origin.url)
    expect(told.toSorted()).toEqual([
      [0, 1, 'SUCCEEDED', '', `fetch ${host}/json`],
      [1, 1, 'TRIED_AGAIN', 'HTTP_STATUS', `fetch ${host}/flaky`],
      [1, 2, 'SUCCEEDED', '', `fetch ${host}/flaky`],
      [2, 1, 'TRIED_AGAIN', 'HTTP_STATUS', `fetch ${host}/status`],
      [2, 2, 'FAILED', 'HTTP_STATUS', `fetch ${host}/status`],
      [3, 1, 'SUCCEEDED', '', `fetch ${host}/echo`],
      [4, 1, 'SUCCEEDED', '', `fetch ${host}/json`],
    ])
  })

  it('tells no secret in any format', async () => {
    for (const format of ['CSV', 'NDJSON', 'HAR', 'TRACE'] as const) {
      expect(await exported(id, format)).not.toMatch(/user:pass|hidden/)
    }
  })

  it('and its retry has a file of its own', async () => {
    const query = 'mutation($id: ID!) { retryRun(id: $id) { run { id } } }'
    const { retryRun } = await api.ask<{ retryRun: { run: { id: string } } }>(query, { id })
    await api.ended(retryRun.run.id)
    const rows = await csvOf(retryRun.run.id)
    expect(rows.map(({ run, index, input }) => [run, index, JSON.parse(input ?? '').url])).toEqual([
      [retryRun.run.id, '2', `${origin.url}/status?code=500`],
    ])
  })

  it('has the answers of other items, but no entry for what was never sent', async () => {
    const urls = Array(3).fill(`${origin.url}/json?i=2`)
    const shared = await api.finish(api.launchFetch({ source: { urls }, fetch: { dedupe: true } }))
    expect((await csvOf(shared)).map(({ attempts, httpStatus }) => [attempts, httpStatus]).toSorted()).toEqual([
      ['0', '200'],
      ['0', '200'],
      ['1', '200'],
    ])
    expect((JSON.parse(await exported(shared, 'HAR')) as Har).log.entries).toHaveLength(1)
    await expectSameAsApi(shared)
  })
})

describe('a compute run', () => {
  it('has its outputs as they are, formulas defused', async () => {
    const inputs = ['=1+1', 'a,"b"\n', -5, { deep: ['ä'] }, null].map((value) => ({ do: 'echo', value }))
    const id = await api.finish(
      api.launchCompute({
        function: 'act',
        source: { inputs: [...inputs, { do: 'bigint', digits: '-333283333335000000' }] },
      }),
    )
    expect((await csvOf(id)).map(({ output }) => output)).toEqual([
      "'=1+1",
      'a,"b"\n',
      '-5',
      '{"deep":["ä"]}',
      '',
      // Past 2^53 an output is a text.
      "'-333283333335000000",
    ])
    await expectSameAsApi(id)
    const response = await fetch(await urlOf(id, 'HAR'))
    expect([response.status, await response.json()]).toMatchObject([
      404,
      { errors: [{ extensions: { code: 'NOT_FOUND' } }] },
    ])
  })

  it('goes on from page to page, every task once, and draws no two tasks at one place', async () => {
    const count = 2_345
    const input = {
      function: 'sumOfSquares',
      source: { range: { from: 0, to: count } },
      options: { strategy: 'THREADS' },
    }
    const id = await api.finish(api.launchCompute(input))
    expect((await csvOf(id)).map(({ index }) => Number(index))).toEqual(Array.from({ length: count }, (_, at) => at))
    const { slices, events } = await traceOf(id)
    expect(new Set(slices.map(({ args }) => args.index)).size).toBe(count)
    const ends = new Map<number, number>()
    for (const { tid, ts, dur } of slices) {
      expect(ts).toBeGreaterThanOrEqual(ends.get(tid) ?? 0)
      ends.set(tid, ts + dur)
    }
    const names = events.filter(({ name }) => name === 'thread_name').map(({ args }) => args.name)
    const lanes = new Set((await api.tasks<{ lane: string }>(id, 'lane')).map(({ lane }) => lane))
    expect(names).toEqual(expect.arrayContaining([...lanes]))
    expect(events.some(({ ph, name }) => ph === 'C' && name === 'in flight')).toBe(true)
  })

  it('has the lines of its file, long ones too', async () => {
    const long = 'x'.repeat(3_000_000)
    const lines = [...Array.from({ length: 7 }, (_, at) => `${at}${long}`), 'short']
    const values = lines.map((value) => ({ do: 'echo', value: value.length }))
    const withPads = values.map((value, at) => ({ ...value, pad: lines[at] }))
    const query =
      'mutation($input: LaunchComputeBatchInput!) { launch: launchComputeBatch(input: $input) { run { id } } }'
    const form = formOf(query, { input: { function: 'act', source: { file: fileOf(withPads) } } })
    const { body } = await send<{ launch: Launched }>(server.app.url, form, { authorization: `Bearer ${TOKENS.all}` })
    const id = body.data?.launch.run?.id ?? ''
    await api.ended(id)
    const rows = await csvOf(id)
    expect(rows.map(({ output, input }) => [Number(output), JSON.parse(input ?? '').pad])).toEqual(
      lines.map((line) => [line.length, line]),
    )
  })

  it('that goes on is told as far as it has come', async () => {
    const inputs = [
      { do: 'echo', value: 1 },
      { do: 'wait', ms: 600_000 },
    ]
    const id = await api.start(
      api.launchCompute({ function: 'act', source: { inputs }, options: { strategy: 'ASYNC' } }),
    )
    await api.running(id, 1)
    for (;;) {
      const { progress } = await api.run<{ progress: { done: number } }>(id, 'progress { done }')
      if (progress.done === 1) break
    }
    expect((await csvOf(id)).map(({ index, output }) => [index, output])).toEqual([['0', '1']])
    await api.ask('mutation($id: ID!) { cancelRun(id: $id) { run { status } } }', { id })
    expect((await csvOf(id)).map(({ index, status }) => [index, status])).toEqual([
      ['0', 'SUCCEEDED'],
      ['1', 'CANCELLED'],
    ])
  })
})

describe('a pipeline', () => {
  it('has a line for each stage of an item, with what the stage before gave it', async () => {
    const stages = [
      { fetch: { fetch: { bodyPolicy: 'JSON' } } },
      { compute: { function: 'act', name: 'shape', inputFrom: '' } },
    ]
    const urls = [1, 2].map((i) => `${origin.url}/json?i=${i}`)
    const id = await api.finish(api.launchPipeline({ source: { urls }, stages }))
    const rows = await csvOf(id)
    expect(rows.map(({ stage, index }) => [stage, index])).toEqual([
      ['fetch', '0'],
      ['shape', '0'],
      ['fetch', '1'],
      ['shape', '1'],
    ])
    expect(rows[1]?.input).toBe(rows[0]?.output)
    await expectSameAsApi(id)
    expect((JSON.parse(await exported(id, 'HAR')) as Har).log.entries).toHaveLength(2)
  })

  it('that computes first has the requests that it made', async () => {
    const stages = [
      { compute: { function: 'act', name: 'make' } },
      { fetch: { fetch: { bodyPolicy: 'DISCARD' }, urlFrom: '/to' } },
      { compute: { function: 'act', name: 'look' } },
    ]
    const request = {
      url: `${origin.url}/echo`,
      method: 'PUT',
      body: 'b',
      headers: [{ name: 'cookie', value: 'hidden' }],
    }
    const inputs = [{ do: 'echo', value: { to: request } }]
    const id = await api.finish(api.launchPipeline({ source: { inputs }, stages }))
    const [entry] = (JSON.parse(await exported(id, 'HAR')) as Har).log.entries
    expect(entry?.request).toMatchObject({ method: 'PUT', postData: { text: 'b' } })
    expect(entry?.request.headers).toContainEqual({ name: 'cookie', value: '***' })
    await expectSameAsApi(id)
  })
})

describe('a link', () => {
  it('outlives a restart, opens its file alone, and ends with its run', async () => {
    const id = await api.finish(api.launchCompute({ function: 'act', source: { inputs: [{ do: 'echo', value: 1 }] } }))
    const link = new URL(await urlOf(id, 'CSV', as(TOKENS.reader)))
    const keyPath = join(server.dataDir, 'heddle.links')
    expect([readFileSync(keyPath).length, statSync(keyPath).mode & 0o777]).toEqual([32, 0o600])
    await server.restart()
    api = as(TOKENS.all)
    const again = new URL(link.pathname + link.search, server.app.url)
    expect((await fetch(again)).status).toBe(200)
    expect((await fetch(new URL(link.pathname, server.app.url))).status).toBe(401)
    again.searchParams.set('expires', String(Number(link.searchParams.get('expires')) + 1))
    expect((await fetch(again)).status).toBe(403)
    await api.ask('mutation($id: ID!) { deleteRun(id: $id) { deletedRunId } }', { id })
    expect((await fetch(new URL(link.pathname + link.search, server.app.url))).status).toBe(404)
  })
})
