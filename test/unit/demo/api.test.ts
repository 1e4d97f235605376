import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { buildSchema, execute, graphql, subscribe, validate } from 'graphql'
import { useServer } from 'graphql-ws/use/ws'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocketServer } from 'ws'
import { Api, type RunProgress } from '../../../src/demo/api.js'

/** The part of the schema that the demonstration speaks. */
const schema = buildSchema(`
  scalar JSON
  input LaunchFetchBatchInput { source: JSON }
  input LaunchComputeBatchInput { function: String! }
  type UserError { code: String! message: String! field: [String!] }
  type Payload { run: Run userErrors: [UserError!]! }
  type Progress { total: Int! done: Int! running: Int! throughput: Float! }
  type Timings { wallMs: Float! serviceTotalMs: Float! cpuMs: Float! meanConcurrency: Float! }
  type ErrorGroup { code: String! message: String! count: Int! }
  type Fetch { status: Int bytes: Float! sha256: String }
  type Stage { name: String! effectiveStrategy: String lanes: Int concurrency: Int timings: Timings }
  type Diagnostic { code: String! severity: String! message: String! }
  type Span { startMs: Float! endMs: Float! status: String! tasks: Int! }
  type LaneTimeline { lane: String! busyFraction: Float! spans: [Span!]! }
  type Task { stage: Int! index: Int! status: String! output: JSON fetch: Fetch }
  type Tasks { nodes: [Task!]! }
  type Run {
    id: ID! status: String! lanes: Int concurrency: Int timings: Timings progress: Progress!
    stages: [Stage!]! diagnostics: [Diagnostic!]! timeline(maxSpans: Int): [LaneTimeline!]!
    errors: [ErrorGroup!]! tasks(first: Int): Tasks!
  }
  type Query { run(id: ID!): Run }
  type Mutation {
    launchFetchBatch(input: LaunchFetchBatchInput!): Payload!
    launchComputeBatch(input: LaunchComputeBatchInput!): Payload!
  }
  type Subscription { runUpdated(id: ID!): Run! }
`)

const progressAt = (done: number) => ({ total: 2, done, running: 2 - done, throughput: 0 })
const timings = { wallMs: 4, serviceTotalMs: 8, cpuMs: 1, meanConcurrency: 2 }
const tasks = { nodes: [{ stage: 0, index: 0, status: 'SUCCEEDED', output: 'x', fetch: null }] }
const told = {
  stages: [{ name: 'fetch', effectiveStrategy: 'ASYNC', lanes: 1, concurrency: 2, timings: null }],
  diagnostics: [{ code: 'STRAGGLERS', severity: 'WARNING', message: 'one was slow' }],
  timeline: [{ lane: 'thread-1', busyFraction: 1, spans: [{ startMs: 0, endMs: 4, status: 'SUCCEEDED', tasks: 1 }] }],
}
const ended = { id: 'run_1', status: 'SUCCEEDED', lanes: 1, concurrency: 2, timings, ...told, errors: [], tasks }

interface Stub {
  url: string
  sockets: Set<Socket>
}

const servers: Server[] = []
const apis: Api[] = []

/** A server whose subscription sends `states` and then, if `endless`, nothing more. */
async function stub(states: number[], endless = false): Promise<Stub> {
  const subscription = async function* () {
    for (const done of states) yield { runUpdated: { id: 'run_1', status: 'RUNNING', progress: progressAt(done) } }
    if (endless) await new Promise(() => {})
  }
  const roots = {
    run: ({ id }: { id: string }) => (id === 'run_1' ? ended : null),
    launchFetchBatch: () => ({ run: ended, userErrors: [] }),
    launchComputeBatch: () => ({
      run: null,
      userErrors: [{ code: 'UNKNOWN_FUNCTION', message: 'there is no knit', field: ['input', 'function'] }],
    }),
    runUpdated: subscription,
  }
  const server = createServer(async (request: IncomingMessage, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const { query, variables } = JSON.parse(Buffer.concat(parts).toString())
    const result = await graphql({ schema, source: query, variableValues: variables, rootValue: roots })
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(result))
  })
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => sockets.add(socket))
  // Its own copies of graphql's functions would not know a schema of this one.
  const options = { schema, roots: { subscription: roots }, validate, execute, subscribe }
  useServer(options, new WebSocketServer({ server, path: '/graphql' }))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  servers.push(server)
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sockets }
}

function session(url: string, signal = new AbortController().signal): Api {
  const api = new Api(url, signal)
  apis.push(api)
  return api
}

afterEach(async () => {
  await Promise.all(apis.splice(0).map((api) => api.close()))
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

describe('launch', () => {
  it('answers with the id of the run', async () => {
    const { url } = await stub([])
    expect(await session(url).launch({ kind: 'fetch', input: { source: { urls: [] } } })).toBe('run_1')
  })

  it('says what was refused, and where', async () => {
    const { url } = await stub([])
    const launch = session(url).launch({ kind: 'compute', input: { function: 'knit' } })
    await expect(launch).rejects.toThrow('input.function there is no knit (UNKNOWN_FUNCTION)')
  })

  it('says what is wrong with a query', async () => {
    const { url } = await stub([])
    await expect(session(url).launch({ kind: 'compute', input: { knit: 1 } })).rejects.toThrow('the query failed: ')
  })
})

describe('follow', () => {
  it('tells each state and resolves at the end', async () => {
    const { url } = await stub([0, 1, 2])
    const told: number[] = []
    await session(url).follow('run_1', ({ progress }) => told.push(progress.done))
    expect(told).toEqual([0, 1, 2])
  })

  it('rejects with the reason of an abort', async () => {
    const { url } = await stub([0], true)
    const abort = new AbortController()
    const told: RunProgress[] = []
    const following = session(url, abort.signal).follow('run_1', (state) => {
      told.push(state)
      abort.abort(new Error('interrupted'))
    })
    await expect(following).rejects.toThrow('interrupted')
    expect(told).toHaveLength(1)
  })

  it('rejects where the connection is lost', async () => {
    const { url, sockets } = await stub([0], true)
    const following = session(url).follow('run_1', () => {
      for (const socket of sockets) socket.destroy()
    })
    await expect(following).rejects.toThrow('the connection was lost')
  })
})

describe('read', () => {
  it('answers with what was measured', async () => {
    const { url } = await stub([])
    expect(await session(url).read('run_1')).toEqual({
      status: 'SUCCEEDED',
      lanes: 1,
      concurrency: 2,
      timings,
      ...told,
      errors: [],
      tasks,
    })
  })

  it('rejects for a run that is not there', async () => {
    const { url } = await stub([])
    await expect(session(url).read('run_2')).rejects.toThrow('does not know the run run_2')
  })
})
