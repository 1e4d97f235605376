import type { ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { serverAudits } from 'graphql-http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runId } from '../../../src/domain/ids.js'
import { createHttpServer, type HttpServer, type HttpServerOptions } from '../../../src/http/server.js'
import { EventSource } from '../../support/event-source.js'
import { type TestServices, testServices } from '../../support/fake-services.js'
import { warningsOfMany } from '../../support/signals.js'
import { until } from '../../support/until.js'

let services: TestServices
let server: HttpServer
let url: string
/** Requests that were counted, as route and status. */
const ended: string[] = []

async function start(options: Partial<HttpServerOptions> = {}): Promise<void> {
  services = testServices()
  ended.length = 0
  const metrics = {
    answer: async (res: ServerResponse) => void res.end('scraped'),
    requestEnded: (...request: unknown[]) => void ended.push(request.join(' ')),
  }
  server = createHttpServer({ services, introspection: true, origins: [], readiness: () => [], metrics, ...options })
  url = (await server.listen(0, '127.0.0.1')).url
}

beforeEach(() => start())
afterEach(() => server.close())

const QUERY = JSON.stringify({ query: '{ functions { name } }' })
const JSON_TYPE = { 'content-type': 'application/json' }

const post = (body: string | ReadableStream, headers: Record<string, string> = {}) =>
  fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { ...JSON_TYPE, ...headers },
    body,
    ...(typeof body === 'string' ? {} : { duplex: 'half' }),
  } as RequestInit)

describe('the routes', () => {
  it('say alive', async () => {
    const response = await fetch(`${url}/health`)
    expect([response.status, await response.json()]).toEqual([200, { status: 'ok' }])
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect((await fetch(`${url}/health`, { method: 'HEAD' })).status).toBe(200)
  })

  it('say ready, or why not', async () => {
    const reasons: string[] = []
    await server.close()
    await start({ readiness: async () => reasons })
    const ready = async () => {
      const response = await fetch(`${url}/ready`)
      return [response.status, await response.json()]
    }
    expect(await ready()).toEqual([200, { status: 'ready' }])
    reasons.push('migrations are running')
    expect(await ready()).toEqual([503, { status: 'not ready', reasons: ['migrations are running'] }])
  })

  it('take a check that fails for a reason', async () => {
    await server.close()
    await start({ readiness: () => Promise.reject(new Error('secret')) })
    const response = await fetch(`${url}/ready`)
    expect(response.status).toBe(503)
    expect(await response.text()).not.toContain('secret')
  })

  it('lead from the front page to the rest', async () => {
    const response = await fetch(url)
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8')
    const page = await response.text()
    expect(page).toContain('Heddle 1.2.3')
    for (const [, path] of page.matchAll(/href="([^"]+)"/g)) expect((await fetch(url + path)).status).not.toBe(404)
  })

  it('count what was answered, by a route that has no part of a client’s own', async () => {
    for (const path of [
      '/health',
      '/metrics',
      '/',
      '/graphql?query={functions{name}}',
      `/blobs/${'0'.repeat(64)}`,
      '/x/y',
    ])
      await (await fetch(url + path)).text()
    await until(() => ended.length === 6)
    expect(ended).toEqual(['/health 200', '/metrics 200', '/ 200', '/graphql 200', '/blobs 404', ' 404'])
    expect((await fetch(`${url}/metrics`, { method: 'POST' })).status).toBe(405)
  })

  it('answer with JSON where nothing is', async () => {
    const response = await fetch(`${url}/elsewhere?x=/graphql`)
    expect(response.status).toBe(404)
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'NOT_FOUND' } }] })
  })

  it('are found where a client asks as if it spoke to a proxy', async () => {
    const answer = await raw('GET http://localhost/health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n')
    expect(answer).toContain('{"status":"ok"}')
  })

  it('name the methods that they have', async () => {
    for (const path of ['/', '/health', '/ready', `/blobs/${'0'.repeat(64)}`]) {
      const response = await fetch(url + path, { method: 'POST' })
      expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
    }
  })

  it('let no browser guess at types', async () => {
    for (const path of ['/', '/health', '/graphql', '/elsewhere'])
      expect((await fetch(url + path)).headers.get('x-content-type-options')).toBe('nosniff')
  })
})

describe('the API', () => {
  it('is held to the audits over the network too', async () => {
    const results = await Promise.all(serverAudits({ url: `${url}/graphql` }).map((audit) => audit.fn()))
    expect(results.filter(({ status }) => status !== 'ok')).toEqual([])
  })

  it('takes bodies up to 5 MB, and answers to larger ones whichever way they come', async () => {
    const sized = (bytes: number) => `${QUERY}${' '.repeat(bytes - QUERY.length)}`
    const limit = 5 * 1024 * 1024
    expect((await post(sized(limit))).status).toBe(200)
    const chunk = new TextEncoder().encode(' '.repeat(1024 * 1024))
    let chunks = 0
    const endless = new ReadableStream({
      pull(controller) {
        chunks += 1
        if (chunks > 8) controller.close()
        else controller.enqueue(chunk)
      },
    })
    for (const body of [sized(limit + 1), endless]) {
      const response = await post(body)
      expect(response.status).toBe(413)
      expect(await response.json()).toMatchObject({
        errors: [{ message: 'The body is larger than 5242880 bytes', extensions: { code: 'BAD_USER_INPUT' } }],
      })
    }
    expect((await post(QUERY)).status).toBe(200)
  })

  it('is answered in the middle of everything else', async () => {
    const { key } = services.runs.add()
    const events = new EventSource(url, 'subscription($id: ID!) { runUpdated(id: $id) { status } }', { id: runId(key) })
    await events.open()
    await events.data()
    expect((await post(QUERY)).status).toBe(200)
    events.close()
  })

  it('has no body to answer with where the client has gone', async () => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    socket.write(
      'POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{',
    )
    await new Promise((resolve) => socket.once('connect', resolve))
    socket.destroy()
    expect((await post(QUERY)).status).toBe(200)
    expect(services.logged.filter(({ level }) => level === 'fatal' || level === 'error')).toEqual([])
  })

  it('answers in HTTP/1.1 who would rather speak HTTP/2', async () => {
    const offer =
      'host: localhost\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n'
    const body = JSON.stringify({ query: `{ __typename } # ${'x'.repeat(200_000)}` })
    const head = `POST /graphql HTTP/1.1\r\n${offer}content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`
    // The connection stays open for what follows.
    const answers = await raw(`${head}${body}GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`)
    expect(answers.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200'])
    expect(answers).toContain('{"data":{"__typename":"Query"}')
    expect(await raw(`GET /health HTTP/1.1\r\n${offer.replace('Upgrade,', 'Upgrade, close,')}\r\n`)).toContain('"ok"')
  })

  it('survives requests that make no sense', async () => {
    const answers = await Promise.all(
      [
        'GET /graphql HTTP/1.1\r\nhost: a b\r\nconnection: close\r\n\r\n',
        'GET //graphql HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n',
        'GET /graphql?query=%E0%A4%A HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n',
        'NONSENSE\r\n\r\n',
      ].map(raw),
    )
    expect(answers.map((answer) => answer.slice(9, 12))).toEqual(['400', '404', '200', '400'])
    expect(answers[2]).toContain('BAD_USER_INPUT')
    for (const answer of answers) expect(answer).not.toContain('node_modules')
    expect((await post(QUERY)).status).toBe(200)
  })
})

/** What a server answers to these bytes. */
function raw(request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write(request))
    let answer = ''
    socket.setEncoding('utf8').on('data', (text: string) => {
      answer += text
    })
    socket.once('close', () => resolve(answer))
    socket.once('error', reject)
  })
}

describe('pages of other origins', () => {
  const LISTED = 'https://app.example'

  it('are refused, whatever they send', async () => {
    for (const origin of ['https://evil.example', 'null', 'http://127.0.0.1:1', `${url}.evil.example`]) {
      const response = await post(QUERY, { origin })
      expect(response.status).toBe(403)
      expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'FORBIDDEN' } }] })
      expect(response.headers.get('access-control-allow-origin')).toBeNull()
    }
  })

  it('are taken where they are listed, and may read the answer', async () => {
    await server.close()
    await start({ origins: [LISTED] })
    const response = await post(QUERY, { origin: LISTED })
    expect(response.status).toBe(200)
    expect(response.headers.get('access-control-allow-origin')).toBe(LISTED)
    expect(response.headers.get('vary')).toContain('Origin')
    const preflight = await fetch(`${url}/graphql`, {
      method: 'OPTIONS',
      headers: { origin: LISTED, 'access-control-request-method': 'POST' },
    })
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get('access-control-allow-headers')).toContain('content-type')
    expect((await post(QUERY, { origin: 'https://evil.example' })).status).toBe(403)
  })

  it('are not told apart where there is no page: no Origin, or the own', async () => {
    for (const headers of [{}, { origin: url }]) {
      const response = await post(QUERY, headers)
      expect(response.status).toBe(200)
      expect(response.headers.get('access-control-allow-origin')).toBeNull()
    }
  })
})

describe('close', () => {
  it('lets a request under way end, and takes no more', async () => {
    let finish = () => {}
    services.store.countRuns = () =>
      new Promise((resolve) => {
        finish = () => resolve(7)
      })
    let asked = false
    const { runs } = services.store
    services.store.runs = (...args) => {
      asked = true
      return runs(...args)
    }
    const answer = post(JSON.stringify({ query: '{ runs { totalCount } }' }))
    await until(() => asked)
    const closed = server.close()
    finish()
    expect(await (await answer).json()).toMatchObject({ data: { runs: { totalCount: 7 } } })
    await closed
    await expect(post(QUERY)).rejects.toThrow()
  })

  it('closes connections that are at rest, those that never asked anything too', async () => {
    const silent = connect(Number(new URL(url).port), '127.0.0.1')
    await new Promise((resolve) => silent.once('connect', resolve))
    await post(QUERY)
    const gone = new Promise((resolve) => silent.once('close', resolve))
    await server.close()
    await gone
  })

  it('waits for what does not end no longer than it may', async () => {
    let asked = false
    services.store.runs = () => {
      asked = true
      return new Promise(() => {})
    }
    const answer = post(JSON.stringify({ query: '{ runs { totalCount } }' })).catch(() => 'cut')
    await until(() => asked)
    const closed = server.close()
    services.clock.advance(2000)
    await closed
    expect(await answer).toBe('cut')
  })

  it('may be called twice, and before it listens', async () => {
    await Promise.all([server.close(), server.close()])
    const idle = createHttpServer({ services, introspection: true, origins: [], readiness: () => [] })
    await idle.close()
  })
})

describe('listen', () => {
  it('rejects where the port is taken', async () => {
    const second = createHttpServer({ services, introspection: true, origins: [], readiness: () => [] })
    await expect(second.listen(Number(new URL(url).port), '127.0.0.1')).rejects.toThrow('EADDRINUSE')
    await second.close()
  })
})

describe('who asks for a plan', () => {
  const BATCH = '{ compute: { function: "square", source: { inputs: [1] } } }'
  const PLAN = `{ planBatch(batch: ${BATCH}) { total } }`

  it('is asked nothing in return by GET, as that may change nothing', async () => {
    await (await fetch(`${url}/graphql?query=${encodeURIComponent(PLAN)}`, { headers: JSON_TYPE })).json()
    await (await post(JSON.stringify({ query: PLAN }))).json()
    expect(services.runs.plans.map(({ call }) => call.probing)).toEqual(['NOT_BY_GET', 'ALLOWED'])
  })

  it('waits for one response, however many plans a document asks for, and with others for another', async () => {
    const plan = `planBatch(batch: ${BATCH}) { total }`
    await (await post(JSON.stringify({ query: `{ a: ${plan} b: ${plan} }` }))).json()
    await (await post(JSON.stringify({ query: PLAN }))).json()
    const [a, b, other] = services.runs.plans.map(({ call }) => call.signal)
    expect(a).toBe(b)
    expect(a).not.toBe(other)
    expect(await warningsOfMany(a!)).toEqual([])
  })

  it('is known to have left when the connection is closed, and not before', async () => {
    let answer = () => {}
    services.runs.plan = new Promise((resolve) => {
      answer = () => resolve({ total: 1, duplicates: 0, hosts: [], hostCount: 0, advice: null, userErrors: [] })
    })
    const patient = post(JSON.stringify({ query: PLAN }))
    const leaving = new AbortController()
    const left = fetch(`${url}/graphql`, {
      method: 'POST',
      headers: JSON_TYPE,
      body: JSON.stringify({ query: PLAN }),
      signal: leaving.signal,
    }).catch(() => null)
    await until(() => services.runs.plans.length === 2)
    leaving.abort()
    await left
    await until(() => services.runs.plans.some(({ call }) => call.signal.aborted))
    answer()
    expect(await (await patient).json()).toMatchObject({ data: { planBatch: { total: 1 } } })
    expect(services.runs.plans.filter(({ call }) => call.signal.aborted)).toHaveLength(1)
    expect(services.logged).toEqual([])
  })
})
