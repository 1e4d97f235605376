import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PHASES, type Phase } from '../../src/domain/fetch-phases.js'
import type { ApiClient, Variables } from '../support/api.js'
import { closedPort, type Origin, startOrigin } from '../support/origin.js'
import { letters } from '../support/origin-routes.js'
import { startTestServer, type TestServer } from '../support/server.js'

interface Fetched {
  status: string
  output: unknown
  attempts: number
  input: unknown
  error: { code: string; message: string; retryable: boolean } | null
  fetch: {
    url: string
    finalUrl: string
    status: number | null
    bytes: number
    sha256: string | null
    contentType: string | null
    redirects: number
  }
}

interface Echo {
  method: string
  url: string
  headers: Record<string, string>
  rawHeaders: string[]
  body: string
}

const FIELDS =
  'status output attempts input error { code message retryable } fetch { url finalUrl status bytes sha256 contentType redirects }'

let origin: Origin
let other: Origin
let secure: Origin
let server: TestServer
let api: ApiClient

beforeAll(async () => {
  origin = await startOrigin()
  other = await startOrigin()
  secure = await startOrigin({ tls: true })
  server = await startTestServer({ HEDDLE_ALLOW_HOSTS: '127.0.0.1' })
  api = server.api
})

afterAll(async () => {
  await server.close()
  await origin.close()
  await other.close()
  await secure.close()
})

async function fetched(input: Variables): Promise<Fetched[]> {
  const { options, ...rest } = input as { options?: object }
  const launch = api.launchFetch({ ...rest, options: { retry: { maxAttempts: 1 }, ...options } })
  return api.tasks<Fetched>(await api.finish(launch), FIELDS)
}

async function fetchOne(path: string, input: Variables = {}): Promise<Fetched> {
  const url = path.startsWith('http') ? path : origin.url + path
  const [task] = await fetched({ source: { urls: [url] }, ...input })
  if (!task) throw new Error('there is no task')
  return task
}

async function echoes(requests: object[], fetch: object = {}): Promise<Echo[]> {
  const tasks = await fetched({
    source: { requests: requests.map((request) => ({ url: `${origin.url}/echo`, ...request })) },
    fetch: { bodyPolicy: 'JSON', ...fetch },
  })
  return tasks.map(({ output }) => output as Echo)
}

describe('requests', () => {
  it('have the method, the headers and the body that they were written with', async () => {
    const [posted, put, got, head] = await echoes([
      { method: 'post', headers: [{ name: 'content-type', value: 'application/json' }], body: '{"größe":1}' },
      { method: 'PUT', body: '' },
      {},
      { method: 'HEAD' },
    ])
    expect(posted).toMatchObject({ method: 'POST', body: '{"größe":1}' })
    expect(posted?.headers).toMatchObject({ 'content-type': 'application/json', 'content-length': '13' })
    expect(put).toMatchObject({ method: 'PUT', body: '' })
    expect(got).toMatchObject({ method: 'GET', url: '/echo', body: '' })
    expect(head).toBeNull()
  })

  it('take the headers of the batch, and their own before those', async () => {
    const [plain, special] = await echoes([{}, { headers: [{ name: 'X-Trace', value: 'own' }] }], {
      headers: [
        { name: 'x-trace', value: 'batch' },
        { name: 'accept', value: 'application/json' },
      ],
    })
    expect(plain?.headers).toMatchObject({ 'x-trace': 'batch', accept: 'application/json' })
    expect(special?.headers).toMatchObject({ 'x-trace': 'own', accept: 'application/json' })
    expect(special?.rawHeaders.filter((name) => /^x-trace$/i.test(name))).toHaveLength(1)
  })

  it('send credentials that the URL has, and do not show them', async () => {
    const url = `http://user:pass%21word@127.0.0.1:${origin.port}/echo`
    const shown = `http://***@127.0.0.1:${origin.port}/echo`
    const task = await fetchOne(url, { fetch: { bodyPolicy: 'JSON' } })
    const sent = Buffer.from('user:pass!word').toString('base64')
    expect((task.output as Echo).headers.authorization).toBe(`Basic ${sent}`)
    expect(task.input).toBe(shown)
    expect(task.fetch.url).toBe(shown)
    expect(task.fetch.finalUrl).not.toContain('pass')
  })

  it('show no header that carries a secret', async () => {
    const headers = [
      { name: 'Authorization', value: 'Bearer hidden' },
      { name: 'accept', value: 'text/html' },
    ]
    const launch = api.launchFetch({
      source: { requests: [{ url: `${origin.url}/echo`, headers }] },
      fetch: { bodyPolicy: 'JSON', headers: [{ name: 'x-api-key', value: 'hidden' }] },
    })
    const id = await api.finish(launch)
    const [task] = await api.tasks<{ input: unknown; output: Echo }>(id, 'input output')
    expect(task?.input).toMatchObject({ headers: [{ name: 'Authorization', value: '***' }, headers[1]] })
    expect(task?.output.headers).toMatchObject({ authorization: 'Bearer hidden', 'x-api-key': 'hidden' })
    const { request } = await api.run<{ request: object }>(id, 'request')
    expect(request).toMatchObject({ fetch: { headers: [{ name: 'x-api-key', value: '***' }] } })
  })
})

describe('answers', () => {
  it('are told with status, size, hash, type and final URL', async () => {
    const { fetch, status } = await fetchOne('/bytes?n=5000')
    expect(status).toBe('SUCCEEDED')
    expect(fetch).toEqual({
      url: `${origin.url}/bytes?n=5000`,
      finalUrl: `${origin.url}/bytes?n=5000`,
      status: 200,
      bytes: 5000,
      sha256: createHash('sha256').update(letters(5000)).digest('hex'),
      contentType: 'text/plain',
      redirects: 0,
    })
  })

  it('succeed with 200 to 299, or with the statuses that count as success', async () => {
    const outcome = async (code: number, okStatuses?: number[]) => {
      const task = await fetchOne(`/status?code=${code}`, { fetch: okStatuses ? { okStatuses } : {} })
      expect(task.fetch.status).toBe(code)
      return task.error?.code ?? task.status
    }
    expect(await outcome(201)).toBe('SUCCEEDED')
    expect(await outcome(204)).toBe('SUCCEEDED')
    expect(await outcome(404)).toBe('HTTP_STATUS')
    expect(await outcome(404, [200, 404])).toBe('SUCCEEDED')
    expect(await outcome(500, [500])).toBe('SUCCEEDED')
    expect(await outcome(201, [200, 404])).toBe('HTTP_STATUS')
  })

  it('are followed to where they redirect', async () => {
    const { fetch } = await fetchOne('/redirects?left=3')
    expect(fetch).toMatchObject({ finalUrl: `${origin.url}/ok`, status: 200, redirects: 3, bytes: 2 })
    const [seeOther, temporary] = await echoes([
      { method: 'POST', body: 'text', url: `${origin.url}/redirect?to=/echo&code=303` },
      { method: 'POST', body: 'text', url: `${origin.url}/redirect?to=/echo&code=307` },
    ])
    expect(seeOther).toMatchObject({ method: 'GET', body: '' })
    expect(temporary).toMatchObject({ method: 'POST', body: 'text' })
  })

  it('lose what is secret where they redirect to another origin', async () => {
    const headers = [
      { name: 'authorization', value: 'Bearer hidden' },
      { name: 'x-trace', value: 'shown' },
    ]
    const [near, far] = await echoes(
      [origin, other].map(({ url }) => ({
        url: `${origin.url}/redirect?to=${encodeURIComponent(`${url}/echo`)}`,
        headers,
      })),
    )
    expect(near?.headers).toMatchObject({ authorization: 'Bearer hidden', 'x-trace': 'shown' })
    expect(far?.headers).toMatchObject({ host: `127.0.0.1:${other.port}`, 'x-trace': 'shown' })
    expect(far?.headers).not.toHaveProperty('authorization')
  })

  it('may be as large as maxBytes, decoded', async () => {
    const limited = (path: string) => fetchOne(path, { fetch: { maxBytes: 1000 } })
    expect((await limited('/bytes?n=1000')).status).toBe('SUCCEEDED')
    expect((await limited('/bytes?n=1001')).error?.code).toBe('BODY_TOO_LARGE')
    expect((await limited('/bytes?n=1001&chunked')).error?.code).toBe('BODY_TOO_LARGE')
    expect((await limited('/encoded?as=gzip&n=1001')).error?.code).toBe('BODY_TOO_LARGE')
    expect((await limited('/bomb')).error?.code).toBe('BODY_TOO_LARGE')
  })
})

describe('phases', () => {
  interface Times {
    serviceMs: number
    fetch: Record<`${Phase}Ms`, number | null> & { reusedConnection: boolean | null }
  }
  const distributions = (phases: readonly Phase[]) =>
    phases.map((phase) => `${phase} { count min mean p50 p99 max exact }`).join(' ')
  const everyPhase = `phases { ${distributions(PHASES)} }`
  type Phases = Record<Phase, { count: number; min: number; mean: number; p50: number; max: number; exact: boolean }>
  interface Timed {
    timings: { phases: Phases | null }
    stages: { timings: { phases: Phases | null } | null }[]
  }

  it('of a run are those of its tasks, and within their service times', async () => {
    const urls = Array.from({ length: 30 }, (_, at) => `http://localhost:${origin.port}/delay?ms=${at % 5}`)
    const gone = `http://127.0.0.1:${await closedPort()}/`
    const id = await api.finish(
      api.launchFetch({ source: { urls: [...urls, gone] }, options: { concurrency: 4, retry: { maxAttempts: 1 } } }),
    )
    const fields = PHASES.map((phase) => `${phase}Ms`).join(' ')
    const tasks = await api.tasks<Times>(id, `serviceMs fetch { ${fields} reusedConnection }`)
    for (const { serviceMs, fetch } of tasks)
      expect(PHASES.reduce((sum, phase) => sum + (fetch[`${phase}Ms`] ?? 0), 0)).toBeLessThanOrEqual(serviceMs)
    const { timings, stages } = await api.run<Timed>(
      id,
      `timings { ${everyPhase} } stages { timings { ${everyPhase} } }`,
    )
    for (const phase of PHASES) {
      const values = tasks.flatMap(({ fetch }) => fetch[`${phase}Ms`] ?? []).sort((a, b) => a - b)
      expect(timings.phases?.[phase]).toMatchObject({
        count: values.length,
        exact: true,
        min: values[0] ?? 0,
        p50: values[Math.ceil(values.length / 2) - 1] ?? 0,
        max: values.at(-1) ?? 0,
      })
    }
    expect(stages[0]?.timings?.phases).toEqual(timings.phases)
    const { phases } = timings
    expect([phases?.tls.count, phases?.firstByte.count, phases?.download.count]).toEqual([0, 30, 30])
    const opened = tasks.filter(({ fetch }) => fetch.reusedConnection === false)
    expect(phases?.connect.count).toBe(opened.length)
    expect(opened.length).toBeLessThan(30)
  })

  it('are none of what was not fetched', async () => {
    const id = await api.finish(api.launchCompute({ function: 'countPrimes', source: { range: { from: 0, to: 3 } } }))
    expect(await api.run<Timed>(id, `timings { ${everyPhase} }`)).toEqual({ timings: { phases: null } })
  })
})

describe('what goes wrong with a fetch has a code', () => {
  const cases: { code: string; retryable: boolean; path: string; input?: Variables; status?: number }[] = [
    { code: 'TIMEOUT', retryable: true, path: '/hold', input: { timeoutMs: 100 } },
    { code: 'TIMEOUT', retryable: true, path: '/hold-body', input: { timeoutMs: 100 }, status: 200 },
    { code: 'CONNECTION_RESET', retryable: true, path: '/gone?how=reset' },
    { code: 'CONNECTION_RESET', retryable: true, path: '/gone?how=end' },
    { code: 'HTTP_STATUS', retryable: false, path: '/status?code=404', status: 404 },
    { code: 'HTTP_STATUS', retryable: true, path: '/status?code=503', status: 503 },
    { code: 'BODY_TOO_LARGE', retryable: false, path: '/bytes?n=100', input: { fetch: { maxBytes: 99 } }, status: 200 },
    { code: 'BODY_TRUNCATED', retryable: true, path: '/truncated?how=length', status: 200 },
    { code: 'BODY_TRUNCATED', retryable: true, path: '/truncated?how=chunked', status: 200 },
    { code: 'DECODING', retryable: false, path: '/corrupt?as=gzip', status: 200 },
    { code: 'DECODING', retryable: false, path: '/encoding?as=rot13', status: 200 },
    { code: 'DECODING', retryable: false, path: '/ok', input: { fetch: { bodyPolicy: 'JSON' } }, status: 200 },
    { code: 'DECODING', retryable: false, path: '/wire' },
    { code: 'TOO_MANY_REDIRECTS', retryable: false, path: '/redirects?left=6', status: 302 },
    { code: 'TOO_MANY_REDIRECTS', retryable: false, path: '/redirect', input: { fetch: { maxRedirects: 0 } } },
    { code: 'INVALID_INPUT', retryable: false, path: '/redirect?to=http://' },
    { code: 'DESTINATION_FORBIDDEN', retryable: false, path: '/redirect?to=file:///etc/passwd' },
    {
      code: 'OUTPUT_TOO_LARGE',
      retryable: false,
      path: '/bytes?n=1100000',
      input: { fetch: { bodyPolicy: 'TEXT' } },
      status: 200,
    },
  ]

  it.each(cases)('$code: $path', async ({ code, retryable, path, input = {}, status }) => {
    const { timeoutMs, ...rest } = input
    const options = { retry: { maxAttempts: 1 }, ...(timeoutMs === undefined ? {} : { timeoutMs }) }
    const task = await fetchOne(path, { ...rest, options })
    expect(task).toMatchObject({ status: 'FAILED', attempts: 1, output: null, error: { code, retryable } })
    expect(task.error?.message).not.toBe('')
    if (status !== undefined) expect(task.fetch.status).toBe(status)
  })

  it('CONNECTION_REFUSED: nobody listens there', async () => {
    const { error, fetch } = await fetchOne(`http://127.0.0.1:${await closedPort()}/`)
    expect(error).toMatchObject({ code: 'CONNECTION_REFUSED', retryable: true })
    expect(fetch).toMatchObject({ status: null, bytes: 0, sha256: null })
  })

  it('DNS: the name has a part too long for any resolver', async () => {
    const { error } = await fetchOne(`http://${'a'.repeat(64)}.test/`)
    expect(error).toMatchObject({ code: 'DNS', retryable: true })
  })

  it('TLS: the certificate is signed by nobody that is known', async () => {
    const { error } = await fetchOne(`${secure.url}/ok`)
    expect(error).toMatchObject({ code: 'TLS', retryable: false })
    expect(secure.requests()).toBe(0)
  })

  it.each([
    ['another loopback address', () => `http://127.0.0.2:${origin.port}/forbidden`],
    ['the address of every interface', () => `http://0.0.0.0:${origin.port}/forbidden`],
    ['an address as one number', () => `http://2130706434:${origin.port}/forbidden`],
    ['IPv6', () => `http://[::1]:${origin.port}/forbidden`],
    ['an address in disguise', () => `http://[::ffff:127.0.0.2]:${origin.port}/forbidden`],
    ['a redirect', () => `${origin.url}/redirect?to=${encodeURIComponent('http://127.0.0.3/forbidden')}`],
  ])('DESTINATION_FORBIDDEN: %s', async (_what, url) => {
    const { error } = await fetchOne(url())
    expect(error).toMatchObject({ code: 'DESTINATION_FORBIDDEN', retryable: false })
    expect(origin.requests('/forbidden')).toBe(0)
  })

  it('and failures are grouped by it, the most frequent first', async () => {
    const missing = Array.from({ length: 5 }, (_, i) => `${origin.url}/status?code=404&i=${i}`)
    const broken = Array.from({ length: 3 }, () => `${origin.url}/corrupt`)
    const launch = api.launchFetch({
      source: { urls: [`${origin.url}/ok`, ...broken, ...missing, `${origin.url}/wire`] },
    })
    const id = await api.finish(launch)
    const { errors, two } = await api.run<{ errors: object[]; two: object[] }>(
      id,
      'errors { code message count sample { index status error { code message } } } two: errors(first: 1) { code count }',
    )
    const group = (code: string, count: number, index: number) => ({
      code,
      count,
      message: expect.any(String),
      sample: { index, status: 'FAILED', error: { code, message: expect.any(String) } },
    })
    expect(errors.slice(0, 1)).toEqual([group('HTTP_STATUS', 5, expect.any(Number))])
    expect(errors.slice(1)).toEqual([group('DECODING', 4, expect.any(Number))])
    expect(two).toEqual([{ code: 'HTTP_STATUS', count: 5 }])
  })
})
