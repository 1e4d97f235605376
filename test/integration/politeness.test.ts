import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ApiClient } from '../support/api.js'
import { closedPort, type Origin, startOrigin } from '../support/origin.js'
import { startTestServer, type TestServer } from '../support/server.js'
import { until } from '../support/until.js'

/** Of one host at a time, over all runs. */
const LIMIT = 4

let origin: Origin
/** Asks to be left alone. */
let asking: Origin
let server: TestServer
let api: ApiClient

beforeAll(async () => {
  origin = await startOrigin()
  asking = await startOrigin()
  // The address is the owner's own host; a name that leads to it is not named, and may be reached all the same.
  server = await startTestServer({ HEDDLE_ALLOW_HOSTS: '127.0.0.1', HEDDLE_HOST_CONCURRENCY: String(LIMIT) })
  api = server.api
})

afterAll(async () => {
  await server.close()
  await origin.close()
  await asking.close()
  expect(server.logged).toEqual([])
})

const numbers = (count: number) => Array.from({ length: count }, (_, at) => at)
const byName = ({ port }: Origin) => `localhost:${port}`
const byAddress = ({ port }: Origin) => `127.0.0.1:${port}`

interface Host {
  host: string
  inFlight: number
  queued: number
  requests: number
  failures: number
  p95Ms: number | null
  throttledUntil: string | null
  restingUntil: string | null
}

async function hostOf(name: string): Promise<Host | undefined> {
  const { hosts } = await api.ask<{ hosts: Host[] }>(
    '{ hosts { host inFlight queued requests failures p95Ms throttledUntil restingUntil } }',
  )
  return hosts.find(({ host }) => host === name)
}

const template = (url: string, to: number) => ({ template: { template: url, from: 1, to } })

describe('HEDDLE_HOST_CONCURRENCY', () => {
  it('holds over runs of every kind of source, at once', async () => {
    const host = byName(origin)
    const url = `http://${host}/delay?ms=10`
    const options = { concurrency: 32 }
    const runs = await Promise.all([
      api.start(api.launchFetch({ source: template(`${url}&at={i}`, 40), options })),
      api.start(api.launchFetch({ source: { urls: numbers(40).map((at) => `${url}&of=list&at=${at}`) }, options })),
      api.start(
        api.launchFetch({
          source: template(`${url}&of=threads&at={i}`, 40),
          options: { ...options, strategy: 'THREADS' },
        }),
      ),
      api.start(
        api.launchFetch({
          source: { urls: numbers(60).map((at) => `${url}&of=once&at=${at % 40}`) },
          fetch: { dedupe: true, perHostConcurrency: 3 },
          options,
        }),
      ),
    ])
    for (const run of runs) expect(await api.ended(run)).toBe('SUCCEEDED')
    expect(origin.mostAtOnce(host)).toBe(LIMIT)
    expect(await hostOf(host)).toMatchObject({ requests: 160, failures: 0, inFlight: 0, queued: 0 })
  })

  it('does not hold for a host that HEDDLE_ALLOW_HOSTS names', async () => {
    const host = byAddress(origin)
    const urls = numbers(24).map((at) => `http://${host}/hold/own?at=${at}`)
    const run = await api.start(api.launchFetch({ source: { urls }, options: { concurrency: 24 } }))
    await origin.arrived('/hold/own', 24)
    expect(await hostOf(host)).toMatchObject({ inFlight: 24, queued: 0 })
    origin.release('/hold/own')
    expect(await api.ended(run)).toBe('SUCCEEDED')
    expect(origin.mostAtOnce(host)).toBe(24)
  })

  it('gives a run that comes its part, while an earlier one has more to send than the host takes', async () => {
    const host = byName(origin)
    const long = await api.start(api.launchFetch({ source: template(`http://${host}/delay?ms=20&long={i}`, 100_000) }))
    await origin.arrived('/delay', 200)
    const short = await api.start(api.launchFetch({ source: template(`http://${host}/delay?ms=20&short={i}`, 20) }))
    expect(await api.ended(short)).toBe('SUCCEEDED')
    const { status } = await api.run<{ status: string }>(long, 'status')
    expect(status).toBe('RUNNING')
    const now = await hostOf(host)
    expect(now?.inFlight).toBeLessThanOrEqual(LIMIT)
    expect(now?.queued).toBeGreaterThan(90_000)
    expect(now?.p95Ms).toBeGreaterThan(10)
    expect(origin.mostAtOnce(host)).toBe(LIMIT)
  })

  it('holds for the later stage of a pipeline', async () => {
    const host = byName(asking)
    const page = Buffer.from(JSON.stringify(`http://${host}/delay?ms=10`)).toString('hex')
    const id = await api.finish(
      api.launchPipeline({
        source: template(`${origin.url}/raw?type=application/json&hex=${page}&at={i}`, 40),
        stages: [{ fetch: { fetch: { bodyPolicy: 'JSON' } } }, { fetch: { fetch: { bodyPolicy: 'TEXT' } } }],
      }),
    )
    expect(await api.run<{ progress: object }>(id, 'progress { succeeded }')).toEqual({ progress: { succeeded: 80 } })
    expect(asking.mostAtOnce(host)).toBe(LIMIT)
  })
})

describe('Retry-After', () => {
  it('holds up all that goes to the host, of other runs and plans too, and no other host', async () => {
    const host = byAddress(asking)
    const url = `http://${host}`
    // Handed out ahead of what its lane can send at once.
    const plain = await api.start(
      api.launchFetch({ source: template(`${url}/delay?ms=2&of=plain&i={i}`, 3_000), options: { concurrency: 8 } }),
    )
    await asking.arrived('/delay', 100)
    const retry = { maxAttempts: 2, backoffMs: 0 }
    const asked = await api.start(
      api.launchFetch({ source: { urls: [`${url}/flaky?fails=1&code=429&retryAfter=3`] }, options: { retry } }),
    )
    await until(async () => ((await hostOf(host))?.throttledUntil ?? null) !== null)
    await until(async () => (await hostOf(host))?.inFlight === 0)
    const before = asking.arrivals.length
    const askedAtMs = asking.arrivals.find(({ url }) => url.startsWith('/flaky'))!.atMs
    const fetch = { source: { urls: [`${url}/ok?of=other`] } }
    const other = await api.start(api.launchFetch(fetch))
    const plan = await api.ask<{ planBatch: { advice: { reasons: string[] } } }>(
      'query($batch: BatchInput!) { planBatch(batch: $batch) { advice { reasons } } }',
      { batch: { fetch } },
    )
    expect(plan.planBatch.advice.reasons.join(' ')).toContain('measured')
    const elsewhere = api.launchFetch({ source: { urls: [`${origin.url}/ok?elsewhere`] } })
    await api.finish(elsewhere)
    for (const run of [plain, asked, other]) expect(await api.ended(run)).toBe('SUCCEEDED')
    expect(asking.arrivals[before]!.atMs - askedAtMs).toBeGreaterThan(2_990)
    expect(asking.arrivals.filter(({ url }) => url.endsWith('of=other'))).toHaveLength(1)
    expect(await hostOf(host)).toMatchObject({ throttledUntil: null, failures: 1 })
  })
})

describe('a host that fails', () => {
  it('has what goes to it fail at once where it is the owner’s own, however much that is', async () => {
    const host = `127.0.0.1:${await closedPort()}`
    const id = await api.finish(
      api.launchFetch({ source: template(`http://${host}/{i}`, 1_000), options: { retry: { maxAttempts: 1 } } }),
    )
    expect(await api.run(id, 'status progress { failed }')).toEqual({ status: 'FAILED', progress: { failed: 1_000 } })
    expect(await hostOf(host)).toMatchObject({ requests: 1_000, failures: 1_000, restingUntil: null })
  })

  it('is left alone for a while where it is another’s', async () => {
    const host = `localhost:${await closedPort()}`
    const id = await api.start(
      api.launchFetch({ source: template(`http://${host}/{i}`, 60), options: { retry: { maxAttempts: 1 } } }),
    )
    await until(async () => ((await hostOf(host))?.restingUntil ?? null) !== null)
    const resting = await hostOf(host)
    expect(resting?.failures).toBeLessThan(60)
    expect(resting?.queued).toBeGreaterThan(0)
    expect((await api.run<{ status: string }>(id, 'status')).status).toBe('RUNNING')
    await until(async () => (await hostOf(host))!.failures > resting!.failures)
  })
})

describe('hosts', () => {
  it('counts what redirects led to, and those with nothing to do last', async () => {
    const target = `${byAddress(asking)}`
    const to = encodeURIComponent(`http://${target}/ok?led`)
    const before = await hostOf(target)
    await api.finish(
      api.launchFetch({ source: { urls: [`${origin.url}/redirect?to=${to}`, `${origin.url}/redirects?left=3`] } }),
    )
    expect((await hostOf(target))!.requests - before!.requests).toBe(1)
  })

  it('takes from none to ten thousand of them', async () => {
    const { hosts } = await api.ask<{ hosts: Host[] }>('{ hosts(first: 1) { host } }')
    expect(hosts).toHaveLength(1)
    expect(await api.refusal('{ hosts(first: 10001) { host } }')).toEqual(['BAD_USER_INPUT'])
  })
})
