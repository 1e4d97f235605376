import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ApiClient, Variables } from '../support/api.js'
import { type Origin, startOrigin } from '../support/origin.js'
import { FUNCTIONS_DIR, startTestServer, type TestServer } from '../support/server.js'

const MAX_LANES = 2
const MAX_IN_FLIGHT = 4

let origin: Origin
let server: TestServer
let api: ApiClient

beforeAll(async () => {
  origin = await startOrigin()
  server = await startTestServer({
    HEDDLE_FUNCTIONS_DIR: FUNCTIONS_DIR,
    HEDDLE_LANES: String(MAX_LANES),
    HEDDLE_MAX_LANES: String(MAX_LANES),
    HEDDLE_MAX_IN_FLIGHT: String(MAX_IN_FLIGHT),
  })
  api = server.api
})

afterAll(async () => {
  await server.close()
  await origin.close()
  expect(server.logged).toEqual([])
})

function hold(place: string, count: number, options: Variables = {}): Promise<string> {
  const urls = Array.from({ length: count }, (_, i) => `${origin.url}/hold/${place}?i=${i}`)
  return api.start(api.launchFetch({ source: { urls }, options }))
}

function burn(count: number, ms: number, options: Variables = {}): Promise<string> {
  const inputs = Array.from({ length: count }, () => ({ do: 'burn', ms }))
  return api.start(api.launchCompute({ function: 'act', source: { inputs }, options }))
}

async function busyLanes(): Promise<number> {
  const { system } = await api.ask<{ system: { lanes: { busy: boolean }[] } }>('{ system { lanes { busy } } }')
  return system.lanes.filter(({ busy }) => busy).length
}

describe('over all runs', () => {
  it('no more fetches are in flight than the server allows, and a run that waits for that holds no lane', async () => {
    // Each at a place of its own, to be released one by one.
    const urls = (run: string) => Array.from({ length: 6 }, (_, i) => `${origin.url}/hold/${run}/${i}`)
    const launch = (run: string) => api.start(api.launchFetch({ source: { urls: urls(run) } }))
    const place = (at: number) => (at < 6 ? `/hold/first/${at}` : `/hold/second/${at - 6}`)
    const places = Array.from({ length: 12 }, (_, at) => place(at))
    const arrived = () => places.filter((path) => origin.requests(path) > 0)
    const first = await launch('first')
    await Promise.all(places.slice(0, MAX_IN_FLIGHT).map((path) => origin.arrived(path)))
    expect(await api.run(first, 'concurrency')).toEqual({ concurrency: MAX_IN_FLIGHT })
    const second = await launch('second')
    // The other lane is free: its turn would have come before that of a run launched later.
    expect(await api.ended(await burn(1, 1))).toBe('SUCCEEDED')
    expect(await api.run(second, 'status startedAt')).toEqual({ status: 'QUEUED', startedAt: null })
    expect(await busyLanes()).toBe(1)
    const released = new Set<string>()
    while (released.size < places.length) {
      const [next] = arrived().filter((path) => !released.has(path))
      if (next === undefined) throw new Error('nothing is in flight')
      const waiting = places.filter((path) => origin.requests(path) === 0)
      released.add(next)
      origin.release(next)
      if (waiting.length > 0) await Promise.race(waiting.map((path) => origin.arrived(path)))
      expect(arrived().length - released.size).toBeLessThanOrEqual(MAX_IN_FLIGHT)
    }
    expect(await Promise.all([api.ended(first), api.ended(second)])).toEqual(['SUCCEEDED', 'SUCCEEDED'])
  })

  it('no more lanes are in use than the server allows, and a short run need not wait for a long one', async () => {
    const long = await burn(150, 15, { strategy: 'THREADS' })
    await api.running(long, 1)
    const short = await burn(4, 1, { strategy: 'PROCESSES' })
    const ended = api.ended(short)
    let most = 0
    let done = false
    void ended.then(() => {
      done = true
    })
    while (!done) most = Math.max(most, await busyLanes())
    expect(await ended).toBe('SUCCEEDED')
    expect(most).toBeGreaterThan(0)
    expect(most).toBeLessThanOrEqual(MAX_LANES)
    expect(await api.run(long, 'status')).toEqual({ status: 'RUNNING' })
    expect(await api.ended(long)).toBe('SUCCEEDED')
  })

  it('a run of a higher priority goes first', async () => {
    const options = { strategy: 'SEQUENTIAL' }
    const holding = [await hold('one', 1, options), await hold('other', 1, options)]
    await Promise.all([origin.arrived('/hold/one'), origin.arrived('/hold/other')])
    const low = await burn(1, 30, { ...options, priority: -1 })
    const usual = await burn(1, 30, options)
    const high = await burn(1, 30, { ...options, priority: 7 })
    for (const id of [low, usual, high]) expect(await api.run(id, 'status')).toEqual({ status: 'QUEUED' })
    const { system } = await api.ask<{ system: { queuedTasks: number; oldestQueuedMs: number } }>(
      '{ system { queuedTasks oldestQueuedMs } }',
    )
    expect(system.queuedTasks).toBe(3)
    expect(system.oldestQueuedMs).toBeGreaterThanOrEqual(0)
    origin.release('/hold/one')
    for (const id of [high, usual, low]) await api.ended(id)
    const starts = await Promise.all(
      [high, usual, low].map(async (id) => (await api.run<{ startedAt: string }>(id, 'startedAt')).startedAt),
    )
    expect(starts).toEqual([...starts].sort())
    expect(new Set(starts).size).toBe(3)
    origin.release('/hold/other')
    for (const id of holding) expect(await api.ended(id)).toBe('SUCCEEDED')
  })
})
