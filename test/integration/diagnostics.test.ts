import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ApiClient, Launched, Variables } from '../support/api.js'
import { closedPort, type Origin, startOrigin } from '../support/origin.js'
import { startTestServer, type TestServer } from '../support/server.js'

interface Diagnostic {
  code: string
  severity: string
  message: string
  evidence: Record<string, unknown>
}

const FIELDS = 'diagnostics { code severity message evidence }'
/** countPrimes of these is some 60 ms of CPU, and some 10: work is a number of steps, so that lanes share cores. */
const LONG = 40_000_000
const SHORT = 7_000_000
const LANES = 2

let origin: Origin
let server: TestServer
let api: ApiClient
let cores: number

beforeAll(async () => {
  origin = await startOrigin()
  server = await startTestServer({ HEDDLE_LANES: String(LANES), HEDDLE_MAX_LANES: '512' })
  api = server.api
  const { system } = await api.ask<{ system: { cores: number } }>('{ system { cores } }')
  cores = system.cores
  // Lanes that are there already begin at once.
  await finished(
    api.launchCompute({ function: 'countPrimes', source: { inputs: [10, 20] }, options: { strategy: 'THREADS' } }),
  )
  await finished(
    api.launchCompute({ function: 'countPrimes', source: { inputs: [10, 20] }, options: { strategy: 'PROCESSES' } }),
  )
})

afterAll(async () => {
  await server.close()
  await origin.close()
  expect(server.logged).toEqual([])
})

async function finished(launch: Promise<Launched>): Promise<Diagnostic[]> {
  const { diagnostics } = await api.run<{ diagnostics: Diagnostic[] }>(await api.finish(launch), FIELDS)
  return diagnostics
}

const computed = (inputs: number[], options: Variables) =>
  finished(api.launchCompute({ function: 'countPrimes', source: { inputs }, options }))
const fetched = (urls: string[], options: Variables = {}, fetch: Variables = {}) =>
  finished(api.launchFetch({ source: { urls }, fetch, options }))
const codes = (diagnostics: Diagnostic[]) => diagnostics.map(({ code }) => code)
const times = <Value>(count: number, value: Value) => Array<Value>(count).fill(value)

describe('computes that take long', () => {
  const inputs = times(16, LONG)

  it('are held up on one event loop, and are told so', async () => {
    const diagnostics = await computed(inputs, { strategy: 'ASYNC' })
    if (cores === 1) {
      expect(diagnostics).toEqual([])
      return
    }
    expect(diagnostics).toMatchObject([{ code: 'CPU_BOUND_ON_EVENT_LOOP', severity: 'WARNING' }])
    expect(diagnostics[0]?.message).toMatch(
      /of 16 tasks it served one at a time.* THREADS or PROCESSES on \d+ cores would save/,
    )
    expect(diagnostics[0]?.evidence).toMatchObject({ tasks: 16, concurrency: 16, cores, wallMs: expect.any(Number) })
  })

  it.each(['SEQUENTIAL', 'THREADS', 'PROCESSES', 'AUTO'])('are not under %s', async (strategy) => {
    expect(await computed(inputs, { strategy })).toEqual([])
  })

  it('are crowded on more lanes than cores', async () => {
    const lanes = 4 * cores
    const diagnostics = await computed(times(4 * lanes, LONG), { strategy: 'THREADS', lanes })
    expect(diagnostics).toMatchObject([{ code: 'TOO_MANY_WORKERS', evidence: { lanes, cores, tasks: 4 * lanes } }])
    expect(diagnostics[0]?.message).toMatch(
      / (As many lanes as cores|Fewer lanes) \(lanes: \d+\) would be done as soon/,
    )
  })

  it.each(['THREADS', 'PROCESSES'])(
    'keep a run waiting where one is larger than the others, under %s',
    async (strategy) => {
      const diagnostics = await computed([...times(30, SHORT), 200 * SHORT], { strategy })
      expect(diagnostics).toMatchObject([{ code: 'STRAGGLERS', evidence: { stragglers: 1, items: [30], tasks: 31 } }])
      expect(diagnostics[0]?.message).toMatch(/^The last task \(item 30\) took .* times the median/)
    },
  )
})

describe('computes that take no time', () => {
  it.each(['THREADS', 'PROCESSES'])('cost more to hand out than to run, under %s', async (strategy) => {
    const inputs = times(10_000, 2)
    const diagnostics = await computed(inputs, { strategy })
    expect(diagnostics).toMatchObject([{ code: 'OVERHEAD_DOMINATES', evidence: { tasks: 10_000, lanes: LANES } }])
    expect(diagnostics[0]?.message).toContain('It would help to do more in one item')
  })

  it.each(['SEQUENTIAL', 'AUTO'])(
    'do not where the server chose, or nothing was to be gained: %s',
    async (strategy) => {
      expect(await computed(times(10_000, 2), { strategy })).toEqual([])
    },
  )

  it.each(['SEQUENTIAL', 'ASYNC', 'THREADS', 'PROCESSES', 'AUTO'])(
    'and are few have nothing to be told, under %s',
    async (strategy) => {
      expect(await computed([10, 20, 30], { strategy })).toEqual([])
    },
  )
})

describe('fetches that wait', () => {
  const urls = (count = 5) => Array.from({ length: count }, (_, at) => `${origin.url}/delay?ms=1000&i=${at}`)

  it.each(['ASYNC', 'AUTO'])('are at their place on one event loop: %s', async (strategy) => {
    expect(await fetched(urls(), { strategy })).toEqual([])
  })

  it.each(['THREADS', 'PROCESSES'])('do not need parallel lanes: %s', async (strategy) => {
    const diagnostics = await fetched(urls(), { strategy })
    expect(diagnostics).toMatchObject([
      { code: 'WAITING_ON_PARALLEL_LANES', severity: 'INFO', evidence: { lanes: LANES } },
    ])
    expect(diagnostics[0]?.message).toContain('ASYNC, with as many in flight (5)')
  })

  it('have nothing to be told as the baseline', async () => {
    expect(await fetched(urls(2), { strategy: 'SEQUENTIAL' })).toEqual([])
  })
})

describe('an origin that throttles', () => {
  const retry = { maxAttempts: 4, backoffMs: 1 }

  it.each([429, 503])('is named, with what it refused, also where retries succeeded: %i', async (code) => {
    const urls = Array.from({ length: 10 }, (_, at) => `${origin.url}/flaky?fails=2&code=${code}&case=told&i=${at}`)
    const id = await api.finish(api.launchFetch({ source: { urls }, options: { retry } }))
    const run = await api.run<{ status: string; diagnostics: Diagnostic[] }>(id, `status ${FIELDS}`)
    expect(run).toMatchObject({
      status: 'SUCCEEDED',
      diagnostics: [{ code: 'ORIGIN_THROTTLING', severity: 'WARNING' }],
    })
    const host = new URL(origin.url).host
    expect(run.diagnostics[0]?.message).toContain(`${host} refused 20 of 30 attempts, 67 % (status ${code}: 20)`)
    expect(run.diagnostics[0]?.evidence).toMatchObject({
      host,
      attempts: 30,
      refused: 20,
      refusedShare: 0.6667,
      reasons: { [`HTTP_${code}`]: 20 },
    })
  })

  it('is named where nobody takes connections', async () => {
    const port = await closedPort()
    const diagnostics = await fetched(times(3, `http://127.0.0.1:${port}/`), {
      retry: { maxAttempts: 2, backoffMs: 1 },
    })
    expect(diagnostics).toMatchObject([
      { code: 'ORIGIN_THROTTLING', evidence: { host: `127.0.0.1:${port}`, refused: 6 } },
    ])
    expect(diagnostics[0]?.message).toContain('Nothing went through: is it up')
  })

  it('is not where requests fail for another reason, or one of many was refused', async () => {
    const gone = Array.from({ length: 10 }, (_, at) => `${origin.url}/status?code=404&i=${at}`)
    expect(await fetched(gone)).toEqual([])
    const fine = Array.from({ length: 30 }, (_, at) => `${origin.url}/ok?i=${at}`)
    expect(await fetched([...fine, `${origin.url}/flaky?fails=1&code=429&case=once`], { retry })).toEqual([])
  })

  it('is known after a restart, and while all of the run waits for it', async () => {
    const urls = Array.from(
      { length: 5 },
      (_, at) => `${origin.url}/flaky?fails=9&code=503&retryAfter=3000&case=wait&i=${at}`,
    )
    const id = await api.start(api.launchFetch({ source: { urls }, options: { retry } }))
    const told = { code: 'ORIGIN_THROTTLING', evidence: { attempts: 5, refused: 5, maxRetryAfterMs: 3_000_000 } }
    for await (const { runUpdated } of api.subscribe<{ runUpdated: { diagnostics: Diagnostic[] } }>(
      `subscription($id: ID!) { runUpdated(id: $id, maxPerSecond: 60) { ${FIELDS} } }`,
      { id },
    )) {
      if (runUpdated.diagnostics[0]?.evidence.refused === 5) break
    }
    expect(await api.run(id, `status ${FIELDS}`)).toMatchObject({ status: 'RUNNING', diagnostics: [told] })
    await server.restart()
    api = server.api
    const { diagnostics } = await api.run<{ diagnostics: Diagnostic[] }>(id, FIELDS)
    expect(codes(diagnostics)).toEqual(['ORIGIN_THROTTLING'])
  })
})
