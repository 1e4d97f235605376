import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ApiClient, Variables } from '../support/api.js'
import { closedPort, type Origin, startOrigin } from '../support/origin.js'
import { FUNCTIONS_DIR, startTestServer, type TestServer } from '../support/server.js'

interface Attempt {
  number: number
  startedMs: number
  serviceMs: number
  lane: string
  error: { code: string; message: string; retryable: boolean } | null
}

interface Task {
  index: number
  status: string
  attempts: number
  startedMs: number
  serviceMs: number
  lane: string
  error: { code: string; retryable: boolean } | null
  history: Attempt[]
  output: unknown
  fetch: { status: number | null } | null
}

const FIELDS = `index status attempts startedMs serviceMs lane error { code message retryable } output fetch { status }
  history { number startedMs serviceMs lane error { code message retryable } }`

/** The first wait is a random share of a millisecond: retries follow at once. */
const SOON = { maxAttempts: 3, backoffMs: 1 }

let origin: Origin
/** Another host. */
let elsewhere: Origin
let server: TestServer
let api: ApiClient

beforeAll(async () => {
  origin = await startOrigin()
  elsewhere = await startOrigin()
  server = await startTestServer({ HEDDLE_FUNCTIONS_DIR: FUNCTIONS_DIR, HEDDLE_LANES: '2' })
  api = server.api
})

afterAll(async () => {
  await server.close()
  await origin.close()
  await elsewhere.close()
})

async function fetched(requests: (string | object)[], options: Variables = {}): Promise<Task[]> {
  const source = { requests: requests.map((one) => (typeof one === 'string' ? { url: origin.url + one } : one)) }
  const launch = api.launchFetch({ source, fetch: { bodyPolicy: 'TEXT' }, options: { retry: SOON, ...options } })
  return api.tasks<Task>(await api.finish(launch), FIELDS)
}

/** What holds for every task, however many attempts it took. */
function expectHistory({ attempts, history, serviceMs, startedMs, lane, error }: Task): void {
  expect(history.map(({ number }) => number)).toEqual(Array.from({ length: attempts }, (_, at) => at + 1))
  expect(history.reduce((sum, one) => sum + one.serviceMs, 0)).toBeCloseTo(serviceMs, 6)
  expect(history[0]?.startedMs).toBeCloseTo(startedMs, 6)
  const last = history.at(-1)
  expect(last?.lane).toBe(lane)
  expect(last?.error?.code).toBe(error?.code)
  history.slice(1).forEach((attempt, at) => {
    const before = history[at]
    expect(before?.error).not.toBeNull()
    expect(attempt.startedMs).toBeGreaterThanOrEqual((before?.startedMs ?? 0) + (before?.serviceMs ?? 0))
  })
}

describe('a fetch that fails', () => {
  it.each(['SEQUENTIAL', 'ASYNC', 'THREADS', 'PROCESSES'])(
    'is tried again until it succeeds, under %s',
    async (strategy) => {
      const paths = [0, 1, 2].map((i) => `/flaky?fails=2&case=${strategy}&i=${i}`)
      const tasks = await fetched(paths, { strategy })
      for (const task of tasks) {
        expect(task).toMatchObject({ status: 'SUCCEEDED', attempts: 3, error: null, fetch: { status: 200 } })
        expect(task.output).toBe('answered at request 3')
        expectHistory(task)
        expect(task.history.map(({ error }) => error?.code ?? null)).toEqual(['HTTP_STATUS', 'HTTP_STATUS', null])
        expect(task.history[0]?.error).toEqual({
          code: 'HTTP_STATUS',
          message: expect.stringContaining('503'),
          retryable: true,
        })
      }
      expect(tasks).toHaveLength(3)
    },
  )

  it('fails for good when no attempt is left', async () => {
    const before = origin.requests('/flaky')
    const [task] = await fetched(['/flaky?fails=9&case=exhausted'])
    expect(task).toMatchObject({ status: 'FAILED', attempts: 3, error: { code: 'HTTP_STATUS', retryable: true } })
    expectHistory(task as Task)
    expect(origin.requests('/flaky')).toBe(before + 3)
    const [once] = await fetched(['/flaky?fails=9&case=once'], { retry: { maxAttempts: 1 } })
    expect(once).toMatchObject({ status: 'FAILED', attempts: 1 })
    expect(once?.history).toHaveLength(1)
  })

  it.each([408, 425, 429, 500, 502, 503, 504])('with status %i is tried again', async (code) => {
    const [task] = await fetched([`/flaky?fails=1&code=${code}&case=status`])
    expect(task).toMatchObject({ status: 'SUCCEEDED', attempts: 2 })
  })

  it.each([400, 401, 404, 410, 501])('with status %i is not', async (code) => {
    const [task] = await fetched([`/flaky?fails=1&code=${code}&case=status`])
    expect(task).toMatchObject({ status: 'FAILED', attempts: 1, error: { code: 'HTTP_STATUS', retryable: false } })
  })

  it('is tried again after what is the connection’s fault, and not after what the answer says', async () => {
    const refused = { url: `http://127.0.0.1:${await closedPort()}/` }
    const tasks = await fetched([refused, '/gone?how=reset', '/truncated?how=length', '/corrupt', '/redirects?left=9'])
    expect(tasks.map(({ attempts, error }) => [error?.code, attempts])).toEqual([
      ['CONNECTION_REFUSED', 3],
      ['CONNECTION_RESET', 3],
      ['BODY_TRUNCATED', 3],
      ['DECODING', 1],
      ['TOO_MANY_REDIRECTS', 1],
    ])
    for (const task of tasks) expectHistory(task)
  })

  it('is tried again after its time was up', async () => {
    const [task] = await fetched(['/hold/timeout'], { timeoutMs: 60, retry: { maxAttempts: 2, backoffMs: 0 } })
    expect(task).toMatchObject({ status: 'FAILED', attempts: 2, error: { code: 'TIMEOUT' } })
    for (const { serviceMs, error } of task?.history ?? []) {
      expect(error?.code).toBe('TIMEOUT')
      // Timers count whole milliseconds, from one that may have begun already.
      expect(serviceMs).toBeGreaterThan(59)
    }
    expect(origin.requests('/hold/timeout')).toBe(2)
  })

  it('is not tried again with a method that may do it twice, unless that is asked for', async () => {
    const request = (method: string, name: string) => ({
      url: `${origin.url}/flaky?fails=1&case=${method}-${name}`,
      method,
    })
    const methods = ['POST', 'PATCH', 'PUT', 'DELETE', 'HEAD', 'OPTIONS']
    const attempts = async (name: string, retry: object) => {
      const tasks = await fetched(
        methods.map((method) => request(method, name)),
        { retry: { ...SOON, ...retry } },
      )
      return Object.fromEntries(tasks.map((task, at) => [methods[at], task.attempts]))
    }
    const safe = { PUT: 2, DELETE: 2, HEAD: 2, OPTIONS: 2 }
    expect(await attempts('default', {})).toEqual({ POST: 1, PATCH: 1, ...safe })
    expect(await attempts('unsafe', { unsafe: true })).toEqual({ POST: 2, PATCH: 2, ...safe })
  })
})

describe('Retry-After', () => {
  it('is kept to, and holds up no other host', async () => {
    const paths = ['/ok?i=1', '/ok?i=2']
    const asking = `${origin.url}/flaky?fails=1&code=429&retryAfter=1&case=wait`
    const source = { urls: [asking, ...paths.map((path) => elsewhere.url + path)] }
    const options = { strategy: 'SEQUENTIAL', retry: { maxAttempts: 2, backoffMs: 0 } }
    const id = await api.finish(api.launchFetch({ source, options }))
    const tasks = await api.tasks<Task>(id, FIELDS, 'orderBy: ENDED')
    expect(tasks.map(({ index, attempts }) => [index, attempts])).toEqual([
      [1, 1],
      [2, 1],
      [0, 2],
    ])
    const waited = tasks[2] as Task
    expectHistory(waited)
    const [first, second] = waited.history
    expect((second?.startedMs ?? 0) - (first?.startedMs ?? 0) - (first?.serviceMs ?? 0)).toBeGreaterThan(999)
    expect(waited.serviceMs).toBeLessThan((second?.startedMs ?? 0) - (first?.startedMs ?? 0))
  })

  it('that is longer than an hour fails the task at once', async () => {
    const url = `${elsewhere.url}/flaky?fails=1&code=503&retryAfter=3601&case=long`
    const [task] = await fetched([{ url }])
    const message = 'answered with status 503, with a Retry-After of more than an hour'
    expect(task).toMatchObject({ status: 'FAILED', attempts: 1, error: { code: 'HTTP_STATUS', message } })
  })
})

describe('a lane that is killed from outside', () => {
  it('loses what it had in service, which runs again on another one', async () => {
    const options = { strategy: 'PROCESSES', lanes: 1, concurrency: 3, retry: SOON }
    const whoami = api.launchCompute({ function: 'act', source: { inputs: [{ do: 'pid' }] }, options })
    const [asked] = await api.tasks<{ output: number; lane: string }>(await api.finish(whoami), 'output lane')
    const urls = [0, 1, 2, 3, 4].map((i) => `${origin.url}/hold/killed?i=${i}`)
    const id = await api.start(api.launchFetch({ source: { urls }, fetch: { bodyPolicy: 'TEXT' }, options }))
    await origin.arrived('/hold/killed', 3)
    const { inFlight } = await api.run<{ inFlight: { index: number; lane: string }[] }>(id, 'inFlight { index lane }')
    expect(inFlight.map(({ lane }) => lane)).toEqual(Array(3).fill(asked?.lane))
    process.kill(asked?.output ?? Number.NaN, 'SIGKILL')
    await origin.arrived('/hold/killed', 6)
    origin.release('/hold/killed')
    expect(await api.ended(id)).toBe('SUCCEEDED')
    const tasks = await api.tasks<Task>(id, FIELDS)
    const lost = inFlight.map(({ index }) => index)
    for (const task of tasks) {
      expect(task).toMatchObject({ status: 'SUCCEEDED', output: 'released' })
      expectHistory(task)
      expect(task.history.slice(0, -1).map(({ error }) => error?.code)).toEqual(
        lost.includes(task.index) ? ['LANE_DIED'] : [],
      )
    }
    expect(tasks).toHaveLength(5)
  })
})
