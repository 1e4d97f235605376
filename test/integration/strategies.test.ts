import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ApiClient } from '../support/api.js'
import { type Origin, startOrigin } from '../support/origin.js'
import { jsonDocument, letters } from '../support/origin-routes.js'
import { startTestServer, type TestServer } from '../support/server.js'

const LANES = 2
const MILLIONS = [10_000_000, 20_000_000, 30_000_000]

let origin: Origin
let server: TestServer
let api: ApiClient

beforeAll(async () => {
  origin = await startOrigin()
  server = await startTestServer({ HEDDLE_LANES: String(LANES) })
  api = server.api
})

afterAll(async () => {
  await server.close()
  await origin.close()
  expect(server.logged).toEqual([])
})

/** Of the squares below n, by the formula. */
function sumOfSquares(n: number): string {
  const big = BigInt(n)
  return String(((big - 1n) * big * (2n * big - 1n)) / 6n)
}

interface Executed {
  status: string
  strategy: string
  effectiveStrategy: string
  lanes: number
  concurrency: number
}

interface TimedTask {
  index: number
  lane: string
  startedMs: number
  serviceMs: number
  queueWaitMs: number
}

const EXECUTED = 'status strategy effectiveStrategy lanes concurrency'

/** How many tasks were in service at once, at most. */
function mostAtOnce(tasks: readonly TimedTask[]): number {
  const changes = tasks.flatMap(({ startedMs, serviceMs }) => [
    { atMs: startedMs, by: 1 },
    { atMs: startedMs + serviceMs, by: -1 },
  ])
  let now = 0
  let most = 0
  for (const { by } of changes.sort((a, b) => a.atMs - b.atMs || a.by - b.by)) {
    now += by
    most = Math.max(most, now)
  }
  return most
}

describe.each([
  { strategy: 'SEQUENTIAL', effective: 'SEQUENTIAL', lane: /^thread-\d+$/, lanes: 1, concurrency: 1 },
  { strategy: 'ASYNC', effective: 'ASYNC', lane: /^thread-\d+$/, lanes: 1, concurrency: 3 },
  { strategy: 'THREADS', effective: 'THREADS', lane: /^thread-\d+$/, lanes: LANES, concurrency: LANES },
  { strategy: 'PROCESSES', effective: 'PROCESSES', lane: /^process-\d+$/, lanes: LANES, concurrency: LANES },
  { strategy: 'AUTO', effective: 'THREADS', lane: /^thread-\d+$/, lanes: LANES, concurrency: LANES },
])('computes under $strategy', ({ strategy, effective, lane, lanes, concurrency }) => {
  it.each([
    ['a list', { inputs: MILLIONS }],
    ['a list of decimal strings', { inputs: MILLIONS.map(String) }],
    ['a range', { range: { from: 10_000_000, to: 40_000_000, step: 10_000_000 } }],
  ])('are exact past 2^53, from %s', async (_what, source) => {
    expect(sumOfSquares(10_000_000)).toBe('333333283333335000000')
    const id = await api.finish(api.launchCompute({ function: 'sumOfSquares', source, options: { strategy } }))
    expect(await api.run<Executed>(id, EXECUTED)).toEqual({
      status: 'SUCCEEDED',
      strategy,
      effectiveStrategy: effective,
      lanes,
      concurrency,
    })
    const tasks = await api.tasks<TimedTask & { output: string; cpuMs: number }>(
      id,
      'index output lane startedMs serviceMs queueWaitMs cpuMs',
    )
    expect(tasks.map(({ output }) => output)).toEqual(MILLIONS.map(sumOfSquares))
    expect(new Set(tasks.map((task) => task.lane)).size).toBeLessThanOrEqual(lanes)
    for (const task of tasks) {
      expect(task.lane).toMatch(lane)
      expect(task.serviceMs).toBeGreaterThan(0)
      expect(task.queueWaitMs).toBeGreaterThanOrEqual(0)
    }
    expect(mostAtOnce(tasks)).toBeLessThanOrEqual(concurrency)
  })
})

describe('AUTO', () => {
  const DECIDED = `${EXECUTED} decision { strategy concurrency lanes reasons probe expectedWallMs expectedWallHighMs }`

  it('shares long tasks out, and keeps why with the run', async () => {
    const source = { inputs: MILLIONS }
    const id = await api.finish(api.launchCompute({ function: 'sumOfSquares', source }))
    const run = await api.run<Executed & { decision: { reasons: string[]; probe: object } }>(id, DECIDED)
    expect(run).toMatchObject({ effectiveStrategy: 'THREADS', decision: { strategy: 'THREADS', lanes: LANES } })
    expect(run.decision.reasons.at(-1)).toMatch(/2 lanes would save/)
    expect(run.decision.probe).toMatchObject({ left: expect.any(Number), serviceMs: expect.any(Number) })
  })

  it('stays with one lane where tasks are few and short', async () => {
    const source = { range: { from: 0, to: 5 } }
    const launched = async () => {
      const id = await api.finish(api.launchCompute({ function: 'sumOfSquares', source }))
      return api.run<Executed>(id, DECIDED)
    }
    let run = await launched()
    // A machine that is busy with something else may make a short task long, but not each time.
    while (run.effectiveStrategy !== 'SEQUENTIAL') run = await launched()
    expect(run).toMatchObject({
      status: 'SUCCEEDED',
      strategy: 'AUTO',
      effectiveStrategy: 'SEQUENTIAL',
      lanes: 1,
      concurrency: 1,
      decision: { strategy: 'SEQUENTIAL', lanes: 1, concurrency: 1 },
    })
  })

  it('says nothing where a strategy was asked for', async () => {
    const source = { range: { from: 0, to: 5 } }
    const options = { strategy: 'THREADS' }
    const id = await api.finish(api.launchCompute({ function: 'sumOfSquares', source, options }))
    expect(await api.run(id, 'decision { strategy }')).toEqual({ decision: null })
  })
})

describe.each([
  { strategy: 'SEQUENTIAL', effective: 'SEQUENTIAL', lane: /^thread-\d+$/, lanes: 1, concurrency: 1 },
  { strategy: 'ASYNC', effective: 'ASYNC', lane: /^thread-\d+$/, lanes: 1, concurrency: 5 },
  { strategy: 'THREADS', effective: 'THREADS', lane: /^thread-\d+$/, lanes: LANES, concurrency: 5 },
  { strategy: 'PROCESSES', effective: 'PROCESSES', lane: /^process-\d+$/, lanes: LANES, concurrency: 5 },
  { strategy: 'AUTO', effective: 'ASYNC', lane: /^thread-\d+$/, lanes: 1, concurrency: 5 },
])('fetches under $strategy', ({ strategy, effective, lane, lanes, concurrency }) => {
  const options = () => ({ strategy, ...(strategy === 'SEQUENTIAL' ? {} : { concurrency }) })
  const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

  interface Fetched extends TimedTask {
    status: string
    output: unknown
    fetch: { status: number; bytes: number; sha256: string; finalUrl: string; reusedConnection: boolean }
  }

  const fetched = (id: string) =>
    api.tasks<Fetched>(
      id,
      'index status output lane startedMs serviceMs fetch { status bytes sha256 finalUrl reusedConnection }',
    )

  it.each([
    ['JSON', (i: number) => JSON.parse(jsonDocument(i))],
    ['TEXT', (i: number) => jsonDocument(i)],
    ['DISCARD', () => null],
  ])('read bodies as %s', async (bodyPolicy, output) => {
    const template = { template: `${origin.url}/json?i={i}`, from: 1, to: 25 }
    const id = await api.finish(api.launchFetch({ source: { template }, fetch: { bodyPolicy }, options: options() }))
    expect(await api.run<Executed>(id, EXECUTED)).toEqual({
      status: 'SUCCEEDED',
      strategy,
      effectiveStrategy: effective,
      lanes,
      concurrency,
    })
    const tasks = await fetched(id)
    expect(tasks.map((task) => task.output)).toEqual(tasks.map(({ index }) => output(index + 1)))
    for (const { index, fetch } of tasks) {
      const body = jsonDocument(index + 1)
      expect(fetch).toMatchObject({ status: 200, bytes: body.length, sha256: sha256(body) })
      expect(fetch.finalUrl).toBe(`${origin.url}/json?i=${index + 1}`)
    }
    expect(tasks.every((task) => lane.test(task.lane))).toBe(true)
    expect(mostAtOnce(tasks)).toBeLessThanOrEqual(concurrency)
    // Connections are kept: no more than there are fetches in flight.
    expect(tasks.filter(({ fetch }) => !fetch.reusedConnection).length).toBeLessThanOrEqual(concurrency)
  })

  it('have as many in flight as is told', async () => {
    const place = `/hold/${strategy}`
    const urls = Array.from({ length: 12 }, (_, i) => `${origin.url}${place}?i=${i}`)
    const id = await api.start(api.launchFetch({ source: { urls }, options: options() }))
    await origin.arrived(place, concurrency)
    await api.running(id, concurrency)
    const { inFlight, progress } = await api.run<{ inFlight: { lane: string }[]; progress: { running: number } }>(
      id,
      'inFlight { lane } progress { running }',
    )
    expect(inFlight).toHaveLength(concurrency)
    expect(new Set(inFlight.map((task) => task.lane)).size).toBe(lanes)
    expect(progress.running).toBe(concurrency)
    expect(origin.requests(place)).toBe(concurrency)
    origin.release(place)
    expect(await api.ended(id)).toBe('SUCCEEDED')
    expect(mostAtOnce(await fetched(id))).toBeLessThanOrEqual(concurrency)
  })

  it('take encodings off before they count and hash', async () => {
    const urls = ['gzip', 'br', 'deflate', 'deflate-raw', 'gzip,br'].map(
      (coding) => `${origin.url}/encoded?as=${coding}&n=20000`,
    )
    const launch = api.launchFetch({ source: { urls }, fetch: { bodyPolicy: 'TEXT' }, options: options() })
    const tasks = await fetched(await api.finish(launch))
    const body = letters(20_000)
    for (const task of tasks) {
      expect(task.status).toBe('SUCCEEDED')
      expect(task.output).toBe(body)
      expect(task.fetch).toMatchObject({ bytes: 20_000, sha256: sha256(body) })
    }
    expect(tasks).toHaveLength(urls.length)
  })
})

describe('lanes and concurrency', () => {
  const settled = async (options: object, count: number) => {
    const inputs = Array.from({ length: count }, () => 1000)
    const launch = api.launchCompute({ function: 'countPrimes', source: { inputs }, options })
    const { effectiveStrategy, lanes, concurrency } = await api.run<Executed>(await api.finish(launch), EXECUTED)
    return { effectiveStrategy, lanes, concurrency }
  }

  it.each([
    ['as many lanes as asked', { strategy: 'THREADS', lanes: 3 }, 10, { lanes: 3, concurrency: 3 }],
    ['no more lanes than items', { strategy: 'THREADS', lanes: 3 }, 2, { lanes: 2, concurrency: 2 }],
    ['the smaller of both', { strategy: 'THREADS', lanes: 3, concurrency: 1 }, 10, { lanes: 1, concurrency: 1 }],
    ['one lane with ASYNC', { strategy: 'ASYNC', lanes: 3 }, 40, { lanes: 1, concurrency: 16 }],
    ['one lane with SEQUENTIAL', { strategy: 'SEQUENTIAL', lanes: 3 }, 10, { lanes: 1, concurrency: 1 }],
  ])('of computes: %s', async (_what, options, count, expected) => {
    expect(await settled(options, count)).toEqual({ effectiveStrategy: options.strategy, ...expected })
  })

  it('of fetches: 64 in flight if nothing is asked', async () => {
    const template = { template: `${origin.url}/ok?i={i}`, to: 100 }
    const id = await api.finish(api.launchFetch({ source: { template } }))
    expect(await api.run(id, 'lanes concurrency')).toEqual({ lanes: 1, concurrency: 64 })
  })

  it('keeps outputs in the order of the inputs, whatever the chunks', async () => {
    for (const chunkSize of [1, 7, 1000]) {
      const launch = api.launchCompute({
        function: 'sumOfSquares',
        source: { range: { from: 300, to: 0, step: -3 } },
        chunkSize,
        options: { strategy: 'THREADS' },
      })
      const tasks = await api.tasks<{ index: number; input: number; output: number }>(
        await api.finish(launch),
        'index input output',
      )
      const inputs = Array.from({ length: 100 }, (_, index) => 300 - 3 * index)
      expect(tasks).toEqual(inputs.map((input, index) => ({ index, input, output: Number(sumOfSquares(input)) })))
    }
  })
})
