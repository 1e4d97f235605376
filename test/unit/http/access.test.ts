import { connect } from 'node:net'
import { createClient } from 'graphql-ws'
import { afterEach, describe, expect, it } from 'vitest'
import WebSocket from 'ws'
import type { Scope } from '../../../src/domain/access.js'
import { runId } from '../../../src/domain/ids.js'
import { createHttpServer, type HttpServer, type HttpServerOptions } from '../../../src/http/server.js'
import { EventSource } from '../../support/event-source.js'
import { type TestServices, testServices } from '../../support/fake-services.js'
import { until } from '../../support/until.js'

const token = (name: string, ...scopes: Scope[]) => ({ token: name, scopes: new Set(scopes) })
const TOKENS = [token('reader', 'read'), token('launcher', 'launch'), token('owner', 'admin', 'read')]
const RUN_UPDATED = 'subscription($id: ID!) { runUpdated(id: $id) { status } }'

let services: TestServices
let server: HttpServer
let url: string

async function start(options: Partial<HttpServerOptions> = {}): Promise<void> {
  services = testServices()
  const own = { services, introspection: true, origins: [], tokens: TOKENS, readiness: () => [] }
  server = createHttpServer({ ...own, ...options })
  url = (await server.listen(0, '127.0.0.1')).url
}

afterEach(() => server.close())

const bearer = (name: string) => ({ authorization: `Bearer ${name}` })

async function ask(query: string, headers: Record<string, string> = {}) {
  const init = { method: 'POST', body: JSON.stringify({ query }) }
  const response = await fetch(`${url}/graphql`, {
    ...init,
    headers: { 'content-type': 'application/json', ...headers },
  })
  return { status: response.status, headers: response.headers, body: await response.json() }
}

const codeOf = ({ body }: { body: { errors?: { extensions: { code: string } }[] } }) =>
  body.errors?.[0]?.extensions.code

describe('without a token of the server', () => {
  it.each([
    ['POST', '/graphql'],
    ['GET', '/graphql?query={__typename}'],
    ['GET', '/'],
    ['GET', `/blobs/${'0'.repeat(64)}`],
    ['GET', '/metrics'],
    ['GET', '/runs/x/export.csv'],
    ['GET', '/nowhere'],
    ['PUT', '/graphql'],
  ])('%s %s is not answered', async (method, path) => {
    await start()
    for (const headers of [{}, bearer('readers'), { authorization: 'reader' }]) {
      const response = await fetch(url + path, { method, headers })
      expect([response.status, codeOf({ body: await response.json() })]).toEqual([401, 'UNAUTHENTICATED'])
      expect(response.headers.get('www-authenticate')).toBe('Bearer realm="Heddle"')
    }
  })

  it('a browser that shows a page is asked to ask its user, and the token is the password', async () => {
    await start()
    const accept = { accept: 'text/html,*/*;q=0.8' }
    const response = await fetch(`${url}/graphql`, { headers: accept })
    expect(response.headers.get('www-authenticate')).toMatch(/^Basic realm="Heddle/)
    const authorization = `Basic ${Buffer.from('me:reader').toString('base64')}`
    for (const path of ['/', '/graphql']) {
      const page = await fetch(url + path, { headers: { ...accept, authorization } })
      expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
      await page.text()
    }
  })

  it('health and readiness are told', async () => {
    await start()
    for (const path of ['/health', '/ready']) expect((await fetch(url + path)).status).toBe(200)
  })

  it('a browser learns whether a listed page may ask, and the page what was wrong', async () => {
    const origin = 'https://app.example'
    await start({ origins: [origin] })
    const asked = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' }
    const preflight = await fetch(`${url}/graphql`, { method: 'OPTIONS', headers: { origin, ...asked } })
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get('access-control-allow-headers')).toBe('authorization')
    expect(preflight.headers.get('access-control-allow-credentials')).toBeNull()
    const refused = await ask('{ __typename }', { origin })
    expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([401, origin])
  })
})

describe('with a token', () => {
  it('what its scopes open is answered, and nothing else', async () => {
    await start()
    expect((await ask('{ functions { name } }', bearer('reader'))).body.data).toEqual({
      functions: [{ name: 'square' }],
    })
    const refused = await ask('{ functions { name } }', bearer('launcher'))
    expect(refused.body).toMatchObject({
      errors: [{ message: 'The token does not open Query.functions', extensions: { code: 'FORBIDDEN' } }],
    })
    expect((await ask('{ __typename }', bearer('launcher'))).body.data).toEqual({ __typename: 'Query' })
  })

  it('bodies and the front page take the scope read', async () => {
    await start()
    for (const path of ['/', `/blobs/${'0'.repeat(64)}`]) {
      const refused = await fetch(url + path, { headers: bearer('launcher') })
      expect([refused.status, codeOf({ body: await refused.json() })]).toEqual([403, 'FORBIDDEN'])
      expect((await fetch(url + path, { headers: bearer('reader') })).status).not.toBe(403)
    }
  })

  it('a mutation shows how its run is, and what the run carries to readers alone', async () => {
    await start()
    const { key } = services.runs.add()
    const cancel = (fields: string) => `mutation { cancelRun(id: "${runId(key)}") { run { ${fields} } } }`
    expect((await ask(cancel('id name progress { total }'), bearer('launcher'))).body).toMatchObject({
      data: { cancelRun: { run: { id: runId(key) } } },
    })
    expect(codeOf(await ask(cancel('id request'), bearer('launcher')))).toBe('FORBIDDEN')
  })
})

describe('an operation that a token does not open in one place', () => {
  it('is executed in none', async () => {
    await start()
    const { key } = services.runs.add()
    const id = JSON.stringify(runId(key))
    const document = `mutation { cancelRun(id: ${id}) { run { id } } deleteRun(id: ${id}) { deletedRunId } }`
    const refused = await ask(document, bearer('launcher'))
    expect(refused.body).toMatchObject({
      errors: [{ message: 'The token does not open Mutation.deleteRun', extensions: { code: 'FORBIDDEN' } }],
    })
    expect(refused.body.data).toBeUndefined()
    expect(services.runs.controls).toEqual([])
    const strict = await ask(document, { ...bearer('launcher'), accept: 'application/graphql-response+json' })
    expect(strict.status).toBe(403)
  })

  it('has none of its files taken', async () => {
    await start({ uploads: { receive: () => Promise.reject(new Error('it was to be refused before')) } })
    for (const name of ['reader', 'owner']) {
      const form = new FormData()
      form.set('operations', JSON.stringify({ query: 'mutation($f: Upload!) { __typename }', variables: { f: null } }))
      form.set('map', '{"0":["variables.f"]}')
      form.set('0', new Blob(['1']), 'items.jsonl')
      const refused = await fetch(`${url}/graphql`, { method: 'POST', headers: bearer(name), body: form })
      expect([refused.status, codeOf({ body: await refused.json() })]).toEqual([403, 'FORBIDDEN'])
    }
  })
})

interface Ended {
  code: number
  reason: string
}

/** How a connection ends that says this first. */
function closing(params: Record<string, unknown> | undefined, headers: Record<string, string> = {}): Promise<Ended> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', { headers })
  return new Promise((resolve, reject) => {
    socket.once('open', () => socket.send(JSON.stringify({ type: 'connection_init', payload: params })))
    socket.on('message', (text) => {
      if (JSON.parse(String(text)).type === 'connection_ack') socket.close(1000, 'let in')
    })
    socket.once('close', (code, reason) => resolve({ code, reason: String(reason) }))
    socket.once('error', reject)
  })
}

const socketClient = (authorization: string) =>
  createClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    retryAttempts: 0,
    connectionParams: { authorization },
  })

describe('a WebSocket', () => {
  it.each([
    [undefined],
    [{}],
    [{ authorization: 'Bearer nobody' }],
    [{ authorization: 'reader' }],
    [{ authorization: { toString: 'Bearer reader' } }],
    [{ Authorization: 'Bearer reader' }],
  ])('with %j is refused with 4403', async (params) => {
    await start()
    expect(await closing(params)).toEqual({ code: 4403, reason: 'Forbidden' })
  })

  it('is let in by its parameters, or by the header of a program', async () => {
    await start()
    expect((await closing({ authorization: 'Bearer reader' })).reason).toBe('let in')
    expect((await closing(undefined, bearer('reader'))).reason).toBe('let in')
    // What it says last counts.
    expect((await closing({ authorization: 'Bearer nobody' }, bearer('reader'))).code).toBe(4403)
  })

  it('has the scopes of its token, for subscriptions and everything else', async () => {
    await start()
    const { key } = services.runs.add()
    const client = socketClient('Bearer launcher')
    for (const query of ['{ functions { name } }', RUN_UPDATED]) {
      const answer = await client.iterate({ query, variables: { id: runId(key) } }).next()
      expect(answer.value.errors[0].extensions.code).toBe('FORBIDDEN')
    }
    await client.dispose()
  })

  it('is cut where its client does not answer pings', async () => {
    await start({ pingMs: 50 })
    const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', { autoPong: false })
    const code = await new Promise((resolve) => socket.once('close', resolve))
    // No closing handshake: nobody is there to shake hands with.
    expect(code).toBe(1006)
  })

  it('is not opened for a page of another origin', async () => {
    await start()
    const opened = closing(undefined, { origin: 'https://evil.example' })
    await expect(opened).rejects.toThrow('403')
    await expect(closing(undefined, { 'sec-fetch-site': 'cross-site' })).rejects.toThrow('403')
  })
})

describe('the number of subscriptions', () => {
  it('is limited for each token, over SSE and WebSocket together', async () => {
    await start({ maxSubscriptions: 2 })
    const { key } = services.runs.add()
    const variables = { id: runId(key) }
    const events = new EventSource(url, RUN_UPDATED, variables)
    await events.open(bearer('reader'))
    await events.data()
    const client = socketClient('Bearer reader')
    const second = client.iterate({ query: RUN_UPDATED, variables })
    expect((await second.next()).value).toMatchObject({ data: { runUpdated: { status: 'QUEUED' } } })

    const refused = await client.iterate({ query: RUN_UPDATED, variables }).next()
    expect(refused.value.errors[0].extensions).toMatchObject({ code: 'RATE_LIMITED', retryAfterMs: null })
    const other = new EventSource(url, RUN_UPDATED, variables)
    await other.open(bearer('owner'))
    expect(await other.data()).toEqual({ runUpdated: { status: 'QUEUED' } })

    events.close()
    await until(async () => {
      const again = client.iterate({ query: RUN_UPDATED, variables })
      const { value } = await again.next()
      await again.return?.()
      return value.data !== undefined
    })
    other.close()
    await client.dispose()
  })

  it.each(['application/json', 'multipart/mixed', 'application/graphql-response+json'])(
    'has room again where the subscription cannot be answered as %s',
    async (accept) => {
      await start({ maxSubscriptions: 1 })
      const { key } = services.runs.add()
      for (let times = 0; times < 2; times += 1) {
        const events = new EventSource(url, RUN_UPDATED, { id: runId(key) })
        expect((await events.open({ ...bearer('reader'), accept })).status).toBe(406)
        events.close()
      }
      const events = new EventSource(url, RUN_UPDATED, { id: runId(key) })
      await events.open(bearer('reader'))
      expect(await events.data()).toEqual({ runUpdated: { status: 'QUEUED' } })
      events.close()
    },
  )

  it('has room again where a subscription was refused or has ended by itself', async () => {
    await start({ maxSubscriptions: 1 })
    const { key } = services.runs.add()
    services.runs.finish(key, 'SUCCEEDED')
    const client = socketClient('Bearer reader')
    for (const id of [runId(key), 'nothing', runId(key), 'nothing', runId(key)]) {
      const stream = client.iterate({ query: RUN_UPDATED, variables: { id } })
      const { value } = await stream.next()
      expect(value.errors?.[0].extensions.code).toBe(id === 'nothing' ? 'NOT_FOUND' : undefined)
      expect((await stream.next()).done).toBe(true)
    }
    await client.dispose()
  })
})

describe('the rate of requests', () => {
  it('is limited for each token, over HTTP and WebSocket together', async () => {
    await start({ rateLimit: 3 })
    expect((await ask('{ __typename }', bearer('reader'))).status).toBe(200)
    expect((await fetch(url, { headers: bearer('reader') })).status).toBe(200)
    const client = socketClient('Bearer reader')
    expect((await client.iterate({ query: '{ __typename }' }).next()).value.data).toBeDefined()
    const [told] = await client
      .iterate({ query: '{ __typename }' })
      .next()
      .then(
        () => [],
        (errors) => errors,
      )
    expect(told.extensions).toMatchObject({ code: 'RATE_LIMITED', retryAfterMs: expect.any(Number) })
    await client.dispose()

    const refused = await ask('{ __typename }', bearer('reader'))
    expect([refused.status, codeOf(refused)]).toEqual([429, 'RATE_LIMITED'])
    const { retryAfterMs } = refused.body.errors[0].extensions
    expect(retryAfterMs).toBeGreaterThan(0)
    expect(Number(refused.headers.get('retry-after'))).toBe(Math.ceil(retryAfterMs / 1000))
    expect((await ask('{ __typename }', bearer('owner'))).status).toBe(200)
    expect((await fetch(`${url}/health`)).status).toBe(200)
  })

  it('is limited for whoever tries tokens out, and that harms nobody else', async () => {
    await start({ rateLimit: 2 })
    const statuses = []
    for (const name of ['a', 'b', 'c']) statuses.push((await ask('{ __typename }', bearer(name))).status)
    expect(statuses).toEqual([401, 401, 429])
    expect((await ask('{ __typename }', bearer('reader'))).status).toBe(200)
  })

  it('is not limited without tokens', async () => {
    await start({ rateLimit: 1, tokens: [], maxSubscriptions: 1 })
    for (let i = 0; i < 5; i += 1) expect((await ask('{ __typename }')).status).toBe(200)
    const { key } = services.runs.add()
    for (let i = 0; i < 3; i += 1) {
      const events = new EventSource(url, RUN_UPDATED, { id: runId(key) })
      await events.open()
      expect(await events.data()).toEqual({ runUpdated: { status: 'QUEUED' } })
    }
  })
})

it('a connection on which nothing moves is closed', async () => {
  await start({ idleMs: 200, tokens: [] })
  const port = Number(new URL(url).port)
  const page = await (await fetch(`${url}/graphql`, { headers: { accept: 'text/html' } })).text()
  const asked = 20
  const stalled = connect(port, '127.0.0.1').pause()
  stalled.write('GET /graphql HTTP/1.1\r\nhost: localhost\r\naccept: text/html\r\n\r\n'.repeat(asked))
  // Each of them asks nothing until it is closed: after them the one that takes nothing must be closed as well.
  for (let times = 0; times < 3; times += 1) {
    const silent = connect(port, '127.0.0.1').resume()
    await new Promise((resolve) => silent.once('close', resolve))
  }
  let bytes = 0
  stalled.on('data', (piece) => {
    bytes += piece.length
  })
  stalled.on('error', () => {})
  stalled.resume()
  await new Promise((resolve) => stalled.once('close', resolve))
  expect(bytes).toBeLessThan(asked * page.length)
  expect((await ask('{ __typename }')).status).toBe(200)
})

it('a connection that waits for an answer is not taken for one on which nothing moves', async () => {
  await start({ idleMs: 100, tokens: [] })
  let answer = () => {}
  services.store.countRuns = () =>
    new Promise((resolve) => {
      answer = () => resolve(7)
    })
  const slow = ask('{ runs { totalCount } }')
  for (let times = 0; times < 3; times += 1) {
    const silent = connect(Number(new URL(url).port), '127.0.0.1').resume()
    await new Promise((resolve) => silent.once('close', resolve))
  }
  answer()
  expect((await slow).body.data).toEqual({ runs: { totalCount: 7 } })
})

it('a connection whose upgrade was refused is let go, though its client holds on to it', async () => {
  await start({ tokens: [] })
  for (const [path, headers] of [
    ['/nowhere', ''],
    ['/graphql', 'origin: https://evil.example\r\n'],
  ]) {
    const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1', allowHalfOpen: true })
    socket.on('error', () => {})
    socket.write(
      `GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n${headers}\r\n`,
    )
    await new Promise((resolve) => socket.resume().once('end', resolve))
    const gone = new Promise((resolve) => socket.once('close', resolve))
    const writing = setInterval(() => socket.write('x'), 10)
    await gone
    clearInterval(writing)
  }
})
