import { statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseExposition, sampleValue } from '../support/exposition.js'
import { type Origin, startOrigin } from '../support/origin.js'
import { startTestServer, type TestServer } from '../support/server.js'
import { SocketClient } from '../support/socket.js'
import { until } from '../support/until.js'

const TOKENS = { reader: 'one-that-may-read', launcher: 'one-that-may-launch' }

let origin: Origin
let server: TestServer

beforeAll(async () => {
  origin = await startOrigin()
  server = await startTestServer()
})

afterAll(async () => {
  await server.close()
  await origin.close()
})

const scrape = (init: RequestInit = {}) => fetch(`${server.app.url}/metrics`, init)

async function metrics(): Promise<(name: string, labels?: Record<string, string>) => number> {
  const families = parseExposition(await (await scrape()).text())
  return (name, labels) => sampleValue(families, name, labels)
}

interface Times {
  timings: { cpuMs: number; service: { count: number }; queueWait: { count: number }; serviceTotalMs: number }
  progress: { succeeded: number; failed: number; bytes: number }
}

const TIMES =
  'timings { cpuMs serviceTotalMs service { count } queueWait { count } } progress { succeeded failed bytes }'

describe('/metrics', () => {
  it('is in the text format of Prometheus, names its units and says what it is of', async () => {
    const response = await scrape()
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(response.headers.get('cache-control')).toBe('no-store')
    const families = parseExposition(await response.text())
    const own = [...families].filter(([name]) => name.startsWith('heddle_'))
    expect(own.length).toBeGreaterThan(15)
    for (const [name, { help, type }] of own) {
      expect(help).toMatch(/\w.*\.$/)
      expect(name.endsWith('_total'), name).toBe(type === 'counter')
      expect(name).not.toMatch(/_(ms|millis|mb|kb|minutes)\b/)
    }
    expect(families.has('process_resident_memory_bytes')).toBe(true)
    expect(families.has('nodejs_gc_duration_seconds')).toBe(true)
    const head = await scrape({ method: 'HEAD' })
    expect([head.status, await head.text()]).toEqual([200, ''])
  })

  it('counts what the API tells of runs and tasks', async () => {
    const earlier = await metrics()
    const urls = ['/ok', '/bytes?n=500', '/status?code=404', '/status?code=404', '/corrupt'].map(
      (path) => origin.url + path,
    )
    const options = { retry: { maxAttempts: 1 } }
    const fetches = await server.api.finish(server.api.launchFetch({ source: { urls }, options }))
    const computes = await server.api.finish(
      server.api.launchCompute({ function: 'countPrimes', source: { range: { from: 1, to: 501 } } }),
    )
    const told = {
      FETCH: await server.api.run<Times>(fetches, TIMES),
      COMPUTE: await server.api.run<Times>(computes, TIMES),
    }
    const after = await metrics()
    const counted = (name: string, labels?: Record<string, string>) => after(name, labels) - earlier(name, labels)
    for (const [kind, { timings, progress }] of Object.entries(told)) {
      expect(counted('heddle_runs_launched_total', { kind })).toBe(1)
      expect(counted('heddle_tasks_ended_total', { kind, status: 'SUCCEEDED' })).toBe(progress.succeeded)
      expect(counted('heddle_tasks_ended_total', { kind, status: 'FAILED' })).toBe(progress.failed)
      expect(counted('heddle_task_service_seconds_count', { kind })).toBe(timings.service.count)
      expect(counted('heddle_task_service_seconds_sum', { kind })).toBeCloseTo(timings.serviceTotalMs / 1000, 6)
      expect(counted('heddle_task_queue_wait_seconds_count', { kind })).toBe(timings.queueWait.count)
    }
    expect(counted('heddle_runs_ended_total', { kind: 'FETCH', status: 'PARTIAL' })).toBe(1)
    expect(counted('heddle_runs_ended_total', { kind: 'COMPUTE', status: 'SUCCEEDED' })).toBe(1)
    expect(counted('heddle_task_errors_total', { code: 'HTTP_STATUS' })).toBe(2)
    expect(counted('heddle_task_errors_total', { code: 'DECODING' })).toBe(1)
    expect(counted('heddle_fetched_bytes_total')).toBe(told.FETCH.progress.bytes)
    const cpuMs = told.FETCH.timings.cpuMs + told.COMPUTE.timings.cpuMs
    expect(counted('heddle_lane_cpu_seconds_total')).toBeCloseTo(cpuMs / 1000, 6)
  })

  it('tells what the server is busy with, and who follows it', async () => {
    const { api } = server
    const urls = Array.from({ length: 3 }, (_, at) => `${origin.url}/hold?${at}`)
    const id = await api.start(api.launchFetch({ source: { urls }, options: { concurrency: 2, strategy: 'ASYNC' } }))
    await api.running(id, 2)
    const document = 'subscription($id: ID!) { runUpdated(id: $id) { status } }'
    const events = await api.open(document, { id })
    await events.next()
    const socket = new SocketClient(server.app.url)
    const messages = socket.subscribe(document, { id })
    await messages.next()
    const busy = await metrics()
    expect(busy('heddle_runs', { status: 'RUNNING' })).toBe(1)
    expect([busy('heddle_running_tasks'), busy('heddle_queued_tasks')]).toEqual([2, 1])
    expect(busy('heddle_lanes', { strategy: 'THREADS', state: 'busy' })).toBe(1)
    expect(busy('heddle_storage_trouble')).toBe(0)
    expect(busy('heddle_event_loop_delay_p99_seconds')).toBeGreaterThanOrEqual(0)
    const transports = ['SSE', 'WEBSOCKET'].map((transport) => busy('heddle_subscriptions', { transport }))
    expect(transports).toEqual([1, 1])
    const database = join(server.dataDir, 'heddle.db')
    expect(busy('heddle_database_bytes', { file: 'main' })).toBe(statSync(database).size)
    expect(busy('heddle_database_bytes', { file: 'log' })).toBeGreaterThan(0)
    origin.release('/hold')
    await api.ended(id)
    await Promise.all([events.return('cut'), messages.return('complete')])
    await socket.close()
    await until(async () => {
      const idle = await metrics()
      const open = ['SSE', 'WEBSOCKET'].map((transport) => idle('heddle_subscriptions', { transport }))
      return open.every((count) => count === 0) && idle('heddle_runs', { status: 'RUNNING' }) === 0
    })
  })

  it('counts requests by route and status, whatever clients ask for', async () => {
    const earlier = await metrics()
    await (await fetch(`${server.app.url}/health`)).text()
    for (const path of ['/nothing/of/the/kind', '/blobs/none', '/metricsx'])
      await (await fetch(server.app.url + path)).text()
    const families = parseExposition(await (await scrape()).text())
    const counted = (route: string, status: string) => {
      const labels = { route, status }
      const name = 'heddle_http_requests_total'
      return sampleValue(families, name, labels) - (earlier(name, labels) || 0)
    }
    expect(counted('/health', '200')).toBe(1)
    expect(counted('/blobs', '404')).toBe(1)
    expect(counted('other', '404')).toBe(2)
    expect(counted('/metrics', '200')).toBeGreaterThan(0)
    // The socket of the test before.
    expect(sampleValue(families, 'heddle_http_requests_total', { route: '/graphql', status: '101' })).toBe(1)
    const routes = new Set(families.get('heddle_http_requests_total')?.samples.map(({ labels }) => labels.route))
    for (const route of routes) expect(['/', '/graphql', '/health', '/blobs', '/metrics', 'other']).toContain(route)
  })

  it('has no label that a client can name', async () => {
    const name = 'a-name-of-its-own'
    await server.api.finish(
      server.api.launchFetch({
        source: { urls: [`${origin.url}/ok`] },
        options: { name, labels: [{ name: 'team', value: name }] },
      }),
    )
    const text = await (await scrape()).text()
    expect(text).not.toContain(name)
    expect(text).not.toContain(new URL(origin.url).host)
  })

  it('begins with 0 after a restart, as counters do', async () => {
    await server.restart()
    const counted = await metrics()
    expect(counted('heddle_runs_launched_total', { kind: 'FETCH' })).toBe(0)
  })

  it('takes a token that reads, where there are tokens', async () => {
    const { reader, launcher } = TOKENS
    const guarded = await startTestServer({ HEDDLE_TOKENS: `${reader}:read,${launcher}:launch` })
    const ask = async (token: string | null) => {
      const headers = token === null ? {} : { authorization: `Bearer ${token}` }
      const response = await fetch(`${guarded.app.url}/metrics`, { headers })
      const text = await response.text()
      return [response.status, text.includes('heddle_runs')]
    }
    expect(await ask(null)).toEqual([401, false])
    expect(await ask(launcher)).toEqual([403, false])
    expect(await ask(reader)).toEqual([200, true])
    await guarded.close()
  })
})
