import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ApiClient } from '../support/api.js'
import { type Origin, startOrigin } from '../support/origin.js'
import { startTestServer, type TestServer } from '../support/server.js'
import { fileOf, launchFetchFile } from '../support/uploads.js'

let first: Origin
let second: Origin
let server: TestServer
let api: ApiClient

beforeAll(async () => {
  first = await startOrigin()
  second = await startOrigin()
  // With one lane, who holds it for nothing keeps all others from their work.
  server = await startTestServer({ HEDDLE_MAX_LANES: '1', HEDDLE_LANES: '1', HEDDLE_DRAIN_MS: '10' })
  api = server.api
})

afterAll(async () => {
  await server.close()
  await first.close()
  await second.close()
  expect(server.logged).toEqual([])
})

const numbers = (count: number) => Array.from({ length: count }, (_, at) => at)

interface Counts {
  status: string
  progress: { succeeded: number; failed: number; running: number; bytes: number }
}
const COUNTS = 'status progress { succeeded failed running bytes }'

describe('perHostConcurrency', () => {
  it('holds for each host by itself, its port and its name included', async () => {
    const hosts = [`127.0.0.1:${first.port}`, `localhost:${first.port}`, `127.0.0.1:${second.port}`]
    const urls = numbers(90).map((at) => `http://${hosts[at % 3]}/delay?ms=15&at=${at}`)
    const id = await api.finish(
      api.launchFetch({ source: { urls }, fetch: { perHostConcurrency: 3 }, options: { concurrency: 60 } }),
    )
    expect(await api.run<Counts>(id, COUNTS)).toMatchObject({ status: 'SUCCEEDED', progress: { succeeded: 90 } })
    expect(hosts.slice(0, 2).map((host) => first.mostAtOnce(host))).toEqual([3, 3])
    expect(second.mostAtOnce(hosts[2]!)).toBe(3)
  })

  it('holds for all batches together that ask for it, lists and templates', async () => {
    const host = `localhost:${second.port}`
    const urls = numbers(20).map((at) => `http://${host}/delay?ms=15&together=${at}`)
    const template = { template: `http://${host}/delay?ms=15&also={i}`, from: 1, to: 20 }
    const fetch = { perHostConcurrency: 2 }
    const ids = await Promise.all(
      [{ urls }, { template }, { urls }].map((source) => api.start(api.launchFetch({ source, fetch }))),
    )
    for (const id of ids) expect(await api.ended(id)).toBe('SUCCEEDED')
    expect(second.mostAtOnce(host)).toBe(2)
  })

  it('counts each attempt, of templates too', async () => {
    const template = `${first.url.replace('127.0.0.1', 'localhost')}/flaky?fails=1&of=attempts&at={i}`
    const id = await api.finish(
      api.launchFetch({
        source: { template: { template, from: 1, to: 20 } },
        fetch: { perHostConcurrency: 1 },
        options: { retry: { maxAttempts: 2, backoffMs: 1 } },
      }),
    )
    expect((await api.run<Counts>(id, COUNTS)).progress.succeeded).toBe(20)
    const tasks = await api.tasks<{ history: { startedMs: number; serviceMs: number }[] }>(
      id,
      'history { startedMs serviceMs }',
    )
    const attempts = tasks.flatMap(({ history }) => history).sort((a, b) => a.startedMs - b.startedMs)
    expect(attempts).toHaveLength(40)
    attempts.slice(1).forEach(({ startedMs }, at) => {
      const before = attempts[at]!
      expect(startedMs).toBeGreaterThanOrEqual(before.startedMs + before.serviceMs - 0.001)
    })
  })

  it('lets a fast host go on while a slow one is waited for, whatever their order', async () => {
    const slow = numbers(3_000).map((at) => `${first.url}/hold/order?at=${at}`)
    const fast = numbers(40).map((at) => `${second.url}/ok?order=${at}`)
    const id = await api.start(
      api.launchFetch({
        source: { urls: [...slow, ...fast] },
        fetch: { perHostConcurrency: 2 },
        options: { concurrency: 8 },
      }),
    )
    await second.arrived('/ok', 40)
    expect(first.mostAtOnce(`127.0.0.1:${first.port}`)).toBeLessThanOrEqual(3)
    expect((await api.run<Counts>(id, COUNTS)).status).toBe('RUNNING')
    first.release('/hold/order')
    expect(await api.ended(id)).toBe('SUCCEEDED')
  })
})

describe('perHostRate', () => {
  it('spreads the requests to each host, and holds no lane between them', async () => {
    const before = first.arrivals.length
    const paced = await api.start(
      api.launchFetch({
        source: { template: { template: `${first.url}/ok?paced={i}`, from: 1, to: 30 } },
        fetch: { perHostRate: 15 },
      }),
    )
    // There is one lane: these would have to wait for it.
    const other = await api.start(
      api.launchFetch({ source: { urls: [`${second.url}/ok?beside`] }, fetch: { perHostRate: 0.01 } }),
    )
    const computed = await api.start(
      api.launchCompute({ function: 'sumOfSquares', source: { inputs: [10, 20, 30] }, options: { priority: -1 } }),
    )
    expect(await api.ended(computed)).toBe('SUCCEEDED')
    expect(await api.ended(other)).toBe('SUCCEEDED')
    expect((await api.run<Counts>(paced, COUNTS)).status).toBe('RUNNING')
    expect(await api.ended(paced)).toBe('SUCCEEDED')
    const times = first.arrivals.slice(before).map(({ atMs }) => atMs)
    expect(times).toHaveLength(30)
    // What is told late of the first looks nearer to the last.
    times.slice(15).forEach((atMs, at) => {
      expect(atMs - times[at]!).toBeGreaterThan(900)
    })
  })
})

interface Row {
  index: number
  status: string
  output: unknown
  attempts: number
  history: object[]
  lane: string | null
  startedMs: number | null
  queueWaitMs: number | null
  serviceMs: number | null
  cpuMs: number | null
  error: { code: string; message: string } | null
  fetch: { url: string; status: number; bytes: number; sha256: string }
}
const ROW =
  'index status output attempts history { number } lane startedMs queueWaitMs serviceMs cpuMs error { code message } fetch { url status bytes sha256 }'

describe('dedupe', () => {
  it('sends one request once, and gives its answer to all that name it', async () => {
    const urls = numbers(60).map((at) => `${first.url}/json?i=${at % 4}#${at}`)
    const id = await api.finish(api.launchFetch({ source: { urls }, fetch: { dedupe: true, bodyPolicy: 'JSON' } }))
    expect(first.arrivals.filter(({ url }) => url.startsWith('/json'))).toHaveLength(4)
    const rows = await api.tasks<Row>(id, ROW)
    expect(rows).toHaveLength(60)
    for (const row of rows) {
      const leader = rows[row.index % 4]!
      expect(row.status).toBe('SUCCEEDED')
      expect({ output: row.output, fetch: row.fetch }).toEqual({ output: leader.output, fetch: leader.fetch })
      if (row === leader) expect(row).toMatchObject({ attempts: 1, lane: 'thread-1' })
      else {
        expect(row).toMatchObject({ attempts: 0, history: [], lane: null, startedMs: null, queueWaitMs: null })
        expect(row).toMatchObject({ serviceMs: 0, cpuMs: null, error: null })
      }
    }
    const run = await api.run<Counts & { timings: { service: { count: number; p50: number }; queueWait: object } }>(
      id,
      `${COUNTS} timings { service { count p50 } queueWait { count min } }`,
    )
    const received = rows.slice(0, 4).reduce((sum, { fetch }) => sum + fetch.bytes, 0)
    expect(run.progress).toMatchObject({ succeeded: 60, bytes: received })
    expect(run.timings.service.count).toBe(4)
    expect(run.timings.service.p50).toBeGreaterThan(0)
    expect(run.timings.queueWait).toMatchObject({ count: 4 })
  })

  it('has them fail with it, once all its attempts have', async () => {
    const requests = numbers(20).map((at) => ({
      url: `${second.url}/status?code=503&of=dedupe`,
      headers: at % 2 === 0 ? [{ name: 'X-Part', value: '1' }] : [{ name: 'x-part', value: '1' }],
    }))
    const options = { retry: { maxAttempts: 2, backoffMs: 1 } }
    const id = await api.finish(api.launchFetch({ source: { requests }, fetch: { dedupe: true }, options }))
    expect(second.requests('/status')).toBe(2)
    const rows = await api.tasks<Row>(id, ROW)
    expect(rows.map(({ attempts }) => attempts)).toEqual([2, ...Array(19).fill(0)])
    expect(new Set(rows.map(({ error }) => error?.code))).toEqual(new Set(['HTTP_STATUS']))
    for (const row of rows.slice(1)) expect(row).toMatchObject({ serviceMs: 0, startedMs: null, queueWaitMs: null })
    const { errors } = await api.run<{ errors: object[] }>(id, 'errors { code count }')
    expect(errors).toEqual([{ code: 'HTTP_STATUS', count: 20 }])
  })

  it('sends a POST once as well, and others where body or headers differ', async () => {
    const post = (body: string, value: string) => ({
      url: `${second.url}/echo?of=post`,
      method: 'POST',
      body,
      headers: [{ name: 'x-part', value }],
    })
    const requests = [post('a', '1'), post('b', '1'), post('a', '1'), post('a', '2'), post('b', '1')]
    const fetch = { dedupe: true, bodyPolicy: 'JSON' }
    const id = await api.finish(api.launchFetch({ source: { requests }, fetch }))
    expect(second.requests('/echo')).toBe(3)
    const rows = await api.tasks<{ output: { body: string } }>(id, 'output')
    expect(rows.map(({ output }) => output.body)).toEqual(['a', 'b', 'a', 'a', 'b'])
  })

  it('ends a hundred thousand items with one answer', async () => {
    const template = `${second.url}/bytes?n=100#{i}`
    const id = await api.finish(
      api.launchFetch({ source: { template: { template, from: 1, to: 100_000 } }, fetch: { dedupe: true } }),
    )
    expect(second.requests('/bytes')).toBe(1)
    const { progress } = await api.run<Counts>(id, COUNTS)
    expect(progress).toMatchObject({ succeeded: 100_000, bytes: 100 })
  })

  it('goes for the lines of a file, also where some are long and others are no requests', async () => {
    // More than one answer of the source holds: the third one is read later, and what is behind it.
    const long = (at: number) => ({ url: `${second.url}/ok?of=${at}`, method: 'POST', body: 'x'.repeat(4_500_000) })
    const page = (at: number) => `${second.url}/json?of=lines&i=${at}#${at}`
    const lines = [
      page(0),
      'bad',
      ...[1, 2, 1, 2].map(long),
      page(3),
      page(3),
      'bad',
      page(0),
      'x'.repeat(5_300_000),
      long(1),
    ]
    const before = second.arrivals.length
    const id = await api.finish(
      launchFetchFile(
        server.api.url,
        fileOf(lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n')),
        {
          fetch: { dedupe: true, perHostConcurrency: 1, perHostRate: 1_000 },
        },
      ),
    )
    const rows = await api.tasks<Row>(id, ROW)
    const given = rows.filter(({ attempts }) => attempts === 0).map(({ index }) => index)
    expect(given).toEqual([4, 5, 7, 9, 11])
    expect(rows.filter(({ error }) => error?.code === 'INVALID_INPUT').map(({ index }) => index)).toEqual([1, 8, 10])
    expect(second.arrivals.length - before).toBe(4)
    const { progress, errors } = await api.run<Counts & { errors: object[] }>(id, `${COUNTS} errors { code count }`)
    expect(progress).toMatchObject({ succeeded: 9, failed: 3, running: 0 })
    expect(errors).toEqual([{ code: 'INVALID_INPUT', count: 3 }])
  })

  it('asks again for nothing that was answered before a restart', async () => {
    const pages = numbers(400).map((at) => `${first.url}/json?i=${at % 100}&of=restart`)
    const held = [`${first.url}/hold/restart`, `${first.url}/hold/restart#2`]
    const fetch = { dedupe: true, bodyPolicy: 'TEXT' }
    const options = { concurrency: 4, timeoutMs: 60_000 }
    const id = await api.start(api.launchFetch({ source: { urls: [...held, ...pages] }, fetch, options }))
    await first.arrived('/hold/restart')
    let answered = 0
    while (answered < 400) answered = (await api.run<Counts>(id, COUNTS)).progress.succeeded
    await server.restart()
    api = server.api
    await first.arrived('/hold/restart', 2)
    first.release('/hold/restart')
    expect(await api.ended(id)).toBe('SUCCEEDED')
    expect(first.requests('/hold/restart')).toBe(2)
    expect(first.arrivals.filter(({ url }) => url.endsWith('of=restart'))).toHaveLength(100)
    const { timings } = await api.run<{ timings: Record<'service' | 'queueWait', { count: number; p50: number }> }>(
      id,
      'timings { service { count p50 } queueWait { count p50 } }',
    )
    // Three of four had no time of their own: with them the median would be 0.
    for (const { count, p50 } of [timings.service, timings.queueWait]) {
      expect(count).toBe(101)
      expect(p50).toBeGreaterThan(0)
    }
    const rows = await api.tasks<Row>(id, ROW)
    expect(rows.filter(({ attempts }) => attempts === 0)).toHaveLength(301)
    for (const { index, output } of rows.slice(2)) expect(output).toBe(rows[2 + ((index - 2) % 100)]!.output)
  })
})
