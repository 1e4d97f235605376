import { createClient } from 'graphql-ws'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import WebSocket from 'ws'
import { runId } from '../../src/domain/ids.js'
import { createHttpServer, type HttpServer } from '../../src/http/server.js'
import { EventSource } from '../support/event-source.js'
import { type TestServices, testServices } from '../support/fake-services.js'
import { warningsOfMany } from '../support/signals.js'
import { until } from '../support/until.js'

const RUN_UPDATED =
  'subscription($id: ID!) { runUpdated(id: $id, maxPerSecond: 60) { status progress { done sequence } } }'
const TASK_ENDED =
  'subscription($id: ID!, $after: String) { taskEnded(runId: $id, after: $after) { cursor node { index } } }'

let services: TestServices
let server: HttpServer
let url: string

beforeEach(async () => {
  services = testServices()
  server = createHttpServer({ services, introspection: true, origins: ['https://app.example'], readiness: () => [] })
  url = (await server.listen(0, '127.0.0.1')).url
})

afterEach(() => server.close())

interface RunUpdate {
  runUpdated: { status: string; progress: { done: number; sequence: number } }
}

interface TaskEnd {
  taskEnded: { cursor: string; node: { index: number } }
}

describe('Server-Sent Events', () => {
  it('tell proxies to pass events on, and browsers to keep none', async () => {
    const { key } = services.runs.add()
    const events = new EventSource(url, RUN_UPDATED, { id: runId(key) })
    const { status, headers } = await events.open()
    expect(status).toBe(200)
    expect(headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    expect(headers.get('x-accel-buffering')).toBe('no')
    expect(headers.get('cache-control')).toBe('no-cache')
    events.close()
  })

  it('follow a run to its last state, and complete', async () => {
    const { key } = services.runs.add()
    const events = new EventSource(url, RUN_UPDATED, { id: runId(key) })
    await events.open()
    const first = await events.data<RunUpdate>()
    expect(first.runUpdated).toMatchObject({ status: 'QUEUED', progress: { done: 0 } })
    services.clock.advance(20)
    services.runs.end(key)
    const second = await events.data<RunUpdate>()
    expect(second.runUpdated).toMatchObject({ status: 'RUNNING', progress: { done: 1 } })
    services.clock.advance(20)
    services.runs.finish(key, 'PARTIAL')
    const last = await events.data<RunUpdate>()
    expect(last.runUpdated.status).toBe('PARTIAL')
    const sequences = [first, second, last].map(({ runUpdated }) => runUpdated.progress.sequence)
    expect(sequences).toEqual([...new Set(sequences)].sort((a, b) => a - b))
    expect(await events.next()).toEqual({ event: 'complete', data: '' })
    expect(await events.next()).toBeNull()
    expect(services.bus.watches).toBe(0)
  })

  it('are pinged while nothing happens', async () => {
    const { key } = services.runs.add()
    const events = new EventSource(url, RUN_UPDATED, { id: runId(key) })
    await events.open()
    await events.data()
    const before = events.pings
    services.clock.advance(12_000)
    await events.untilPings(before + 1)
    services.clock.advance(12_000)
    await events.untilPings(before + 2)
    events.close()
  })

  it('release what they watch as soon as the client is gone', async () => {
    const { key } = services.runs.add()
    const events = new EventSource(url, RUN_UPDATED, { id: runId(key) })
    await events.open()
    await events.data()
    await until(() => services.bus.watches === 1)
    events.close()
    await until(() => services.bus.watches === 0)
  })

  it('are taken up again at a cursor, without a gap or a repeat', async () => {
    const { key } = services.runs.add()
    const id = runId(key)
    for (let ended = 0; ended < 5; ended += 1) services.runs.end(key)
    const broken = new EventSource(url, TASK_ENDED, { id })
    await broken.open()
    const seen = [await broken.data<TaskEnd>(), await broken.data<TaskEnd>(), await broken.data<TaskEnd>()]
    broken.close()
    services.runs.end(key)
    services.runs.finish(key, 'SUCCEEDED')
    const again = new EventSource(url, TASK_ENDED, { id, after: seen.at(-1)?.taskEnded.cursor })
    await again.open()
    for (let rest = 0; rest < 3; rest += 1) seen.push(await again.data<TaskEnd>())
    expect(seen.map(({ taskEnded }) => taskEnded.node.index)).toEqual([0, 1, 2, 3, 4, 5])
    expect(await again.next()).toEqual({ event: 'complete', data: '' })
  })

  it('tell an unknown run, and complete', async () => {
    const events = new EventSource(url, RUN_UPDATED, { id: 'run_0' })
    const { status } = await events.open()
    expect(status).toBe(200)
    const event = await events.next()
    expect(JSON.parse(event?.data ?? '')).toMatchObject({ errors: [{ extensions: { code: 'NOT_FOUND' } }] })
    expect(await events.next()).toEqual({ event: 'complete', data: '' })
  })

  it('end without complete when the server goes, so that clients come back', async () => {
    const { key } = services.runs.add()
    const events = new EventSource(url, RUN_UPDATED, { id: runId(key) })
    await events.open()
    await events.data()
    const closed = server.close()
    expect(await events.next()).toBeNull()
    await closed
    expect(services.bus.watches).toBe(0)
  })

  it('are not given to those who accept JSON alone', async () => {
    const { key } = services.runs.add()
    const events = new EventSource(url, RUN_UPDATED, { id: runId(key) })
    const { status } = await events.open({ accept: 'application/json' })
    expect(status).toBe(406)
    expect(services.bus.watches).toBe(0)
  })
})

describe('WebSocket', () => {
  const client = () =>
    createClient({ url: `${url.replace('http', 'ws')}/graphql`, webSocketImpl: WebSocket, retryAttempts: 0 })

  it('gives what Server-Sent Events give', async () => {
    const { key } = services.runs.add()
    const connection = client()
    const updates = connection.iterate<RunUpdate>({ query: RUN_UPDATED, variables: { id: runId(key) } })
    const first = await updates.next()
    expect(first.value?.data).toEqual({ runUpdated: { status: 'QUEUED', progress: { done: 0, sequence: 1 } } })
    services.clock.advance(20)
    services.runs.finish(key, 'CANCELLED')
    const last = await updates.next()
    expect(last.value?.data).toEqual({ runUpdated: { status: 'CANCELLED', progress: { done: 0, sequence: 2 } } })
    expect((await updates.next()).done).toBe(true)
    await connection.dispose()
  })

  it('executes queries and mutations too', async () => {
    services.runs.add()
    const connection = client()
    const answer = await connection.iterate({ query: '{ runs { totalCount } }' }).next()
    expect(answer.value).toMatchObject({ data: { runs: { totalCount: 1 } } })
    await connection.dispose()
  })

  it('lets plans try tasks, and knows of a client that has left', async () => {
    services.runs.plan = new Promise(() => {})
    const connection = client()
    const query = '{ planBatch(batch: { compute: { function: "square", source: { inputs: [1] } } }) { total } }'
    const answer = connection
      .iterate({ query })
      .next()
      .catch(() => null)
    await until(() => services.runs.plans.length === 1)
    const [{ call }] = services.runs.plans as [(typeof services.runs.plans)[number]]
    expect([call.probing, call.signal.aborted]).toEqual(['ALLOWED', false])
    connection.terminate()
    await until(() => call.signal.aborted)
    await answer
  })

  it('tells all plans of a connection by one signal that it was closed', async () => {
    services.runs.plan = new Promise(() => {})
    const connection = client()
    const plan = 'planBatch(batch: { compute: { function: "square", source: { inputs: [1] } } }) { total }'
    const ask = (query: string) =>
      connection
        .iterate({ query })
        .next()
        .catch(() => null)
    const answers = [ask(`{ ${plan} }`), ask(`{ a: ${plan} b: ${plan} }`)]
    await until(() => services.runs.plans.length === 3)
    const signals = new Set(services.runs.plans.map(({ call }) => call.signal))
    expect(signals.size).toBe(1)
    const [signal] = signals
    expect(signal?.aborted).toBe(false)
    expect(await warningsOfMany(signal!)).toEqual([])
    connection.terminate()
    await until(() => signal?.aborted === true)
    await Promise.all(answers)
  })

  it('releases what an operation watches when it is completed, and all when the client is gone', async () => {
    const { key } = services.runs.add()
    const connection = client()
    const [first, second] = [0, 1].map(() => connection.iterate({ query: RUN_UPDATED, variables: { id: runId(key) } }))
    await Promise.all([first?.next(), second?.next()])
    await until(() => services.bus.watches === 2)
    await first?.return?.()
    await until(() => services.bus.watches === 1)
    connection.terminate()
    await until(() => services.bus.watches === 0)
  })

  it.each([
    ['syntax', '{', {}, 'BAD_USER_INPUT'],
    ['validation', '{ nothing }', {}, 'BAD_USER_INPUT'],
    ['a variable', RUN_UPDATED, {}, 'BAD_USER_INPUT'],
    ['nesting', '{a'.repeat(100_000) + '}'.repeat(100_000), {}, 'COST_LIMIT'],
    ['an unknown operation', 'query A { functions { name } } query B { functions { name } }', {}, 'BAD_USER_INPUT'],
    ['an unknown run', RUN_UPDATED, { id: 'run_0' }, 'NOT_FOUND'],
  ])('tells errors of %s with their code', async (_what, query, variables, code) => {
    const connection = client()
    const codes = (errors: unknown) => (errors as { extensions: unknown }[]).map(({ extensions }) => extensions)
    const told = await connection
      .iterate({ query, variables })
      .next()
      .then(
        ({ value }) => codes(value?.errors),
        (errors) => codes(errors),
      )
    expect(told).toEqual([{ code }])
    await connection.dispose()
  })

  it('masks what goes wrong in the server, in the middle of a stream too', async () => {
    const { key } = services.runs.add()
    const connection = client()
    const updates = connection.iterate({ query: RUN_UPDATED, variables: { id: runId(key) } })
    await updates.next()
    services.engine.run = () => Promise.reject(new Error('the disk is full'))
    services.clock.advance(20)
    services.bus.runChanged(key)
    const errors = await updates.next().then(
      ({ value }) => value?.errors,
      (thrown) => thrown,
    )
    expect(errors).toMatchObject([{ message: 'Internal error', extensions: { code: 'INTERNAL' } }])
    expect(JSON.stringify(services.logged)).toContain('the disk is full')
    await connection.dispose()
  })

  it('refuses pages of other origins, and takes those that are listed', async () => {
    const answerTo = (origin: string) =>
      new Promise((resolve) => {
        const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', { origin })
        socket.once('open', () => resolve('open'))
        socket.once('unexpected-response', (_request, response) => resolve(response.statusCode))
        socket.once('error', () => {})
      })
    expect(await answerTo('https://evil.example')).toBe(403)
    expect(await answerTo('null')).toBe(403)
    expect(await answerTo('https://app.example')).toBe('open')
    expect(await answerTo(url)).toBe('open')
  })

  it('takes messages up to 5 MB', async () => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
    await new Promise((resolve) => socket.once('open', resolve))
    socket.send(JSON.stringify({ type: 'connection_init', payload: { padding: ' '.repeat(5 * 1024 * 1024) } }))
    expect(await new Promise((resolve) => socket.once('close', resolve))).toBe(1009)
  })

  it('is only at /graphql', async () => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/elsewhere`, 'graphql-transport-ws')
    const status = await new Promise((resolve) => {
      socket.once('unexpected-response', (_request, response) => resolve(response.statusCode))
      socket.once('error', () => {})
    })
    expect(status).toBe(404)
  })

  it('ends with 1001 when the server goes, so that clients come back', async () => {
    const { key } = services.runs.add()
    let code: unknown
    const connection = createClient({
      url: `${url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      retryAttempts: 0,
      on: { closed: (event) => (code = (event as { code: number }).code) },
    })
    const updates = connection.iterate({ query: RUN_UPDATED, variables: { id: runId(key) } })
    await updates.next()
    const ended = updates.next().catch(() => 'cut')
    await server.close()
    expect(await ended).toBe('cut')
    expect(code).toBe(1001)
    await until(() => services.bus.watches === 0)
  })
})
