import { type Client, createClient } from 'graphql-ws'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import WebSocket from 'ws'
import { runId } from '../../../src/domain/ids.js'
import { createHttpServer, type HttpServer } from '../../../src/http/server.js'
import { EventSource } from '../../support/event-source.js'
import { type TestServices, testServices } from '../../support/fake-services.js'

interface Params {
  query?: unknown
  variables?: unknown
  operationName?: string
}

interface Reply {
  data?: unknown
  errors?: { message: string; path?: unknown; extensions: Record<string, unknown> }[]
  extensions?: unknown
}

let services: TestServices
let server: HttpServer
let closed: HttpServer
let url: string
let client: Client
/** Of the server whose owner has switched introspection off. */
let closedUrl: string
let closedClient: Client

beforeAll(async () => {
  services = testServices()
  const start = async (introspection: boolean) => {
    const made = createHttpServer({ services, introspection, origins: [], readiness: () => [] })
    const { url } = await made.listen(0, '127.0.0.1')
    const socket = createClient({
      url: `${url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      retryAttempts: 0,
    })
    return { made, url, socket }
  }
  const [open, shut] = await Promise.all([start(true), start(false)])
  ;({ made: server, url, socket: client } = open)
  ;({ made: closed, url: closedUrl, socket: closedClient } = shut)
})

afterEach(() => expect(services.logged.filter(({ level }) => level === 'error')).toEqual([]))

afterAll(async () => {
  await Promise.all([client.dispose(), closedClient.dispose()])
  await Promise.all([server.close(), closed.close()])
})

async function post(params: Params | string, at = url): Promise<{ status: number; body: Reply; text: string }> {
  const body = typeof params === 'string' ? params : JSON.stringify(params)
  const headers = { 'content-type': 'application/json', accept: 'application/graphql-response+json' }
  const response = await fetch(`${at}/graphql`, { method: 'POST', headers, body })
  const text = await response.text()
  return { status: response.status, body: JSON.parse(text) as Reply, text }
}

/** The errors that an operation over WebSocket ends with, or those of its first answer. */
async function overSocket(
  params: { query: string; variables?: Record<string, unknown> },
  via = client,
): Promise<Reply> {
  try {
    return ((await via.iterate(params).next()).value ?? {}) as Reply
  } catch (errors) {
    return { errors: errors as NonNullable<Reply['errors']> }
  }
}

async function overEvents(query: string): Promise<Reply> {
  const headers = { 'content-type': 'application/json', accept: 'text/event-stream' }
  const response = await fetch(`${url}/graphql`, { method: 'POST', headers, body: JSON.stringify({ query }) })
  const text = await response.text()
  return JSON.parse(/^(?:data: )?(\{.*\})$/m.exec(text)?.[1] ?? '{}') as Reply
}

const codesOf = ({ errors = [] }: Reply) => errors.map(({ extensions }) => extensions.code)
const times = (count: number, text: (at: number) => string) =>
  Array.from({ length: count }, (_, at) => text(at)).join(' ')
const nested = (levels: number, leaf: string) => `${'retryOf { '.repeat(levels)}${leaf}${' }'.repeat(levels)}`

const HOSTILE: [string, string, Record<string, unknown>][] = [
  ['aliases', `{ ${times(1000, (at) => `a${at}: system`)} }`, { limit: 50, requested: 1000 }],
  ['levels', `{ run(id: "x") { ${nested(20, 'id')} } }`, { limit: 15, requested: 22 }],
  ['directives', `{ runs { totalCount ${times(51, () => '@skip(if: false)')} } }`, { limit: 50, requested: 51 }],
  ['tokens', `{ runs { ${times(5000, () => 'totalCount')} } }`, { limit: 5000 }],
  [
    'objects',
    '{ runs(first: 1000) { nodes { tasks(first: 1000) { nodes { id } } } } }',
    { limit: 100_000, requested: 1_151_050 },
  ],
  ['levels, by far', `{ run(id: "x") { ${nested(100_000, 'id')} } }`, {}],
  ['values in each other', `{ run(id: ${'['.repeat(100_000)}${']'.repeat(100_000)}) { id } }`, {}],
  ['braces that are never closed', '{a'.repeat(100_000), {}],
]

describe.each(HOSTILE)('a document of too many %s', (_name, query, figures) => {
  const refused = { code: 'COST_LIMIT', ...figures }

  it('is refused over HTTP, Server-Sent Events and WebSocket alike, before anything is executed', async () => {
    const before = { ...services.runs.calls }
    const { status, body } = await post({ query })
    expect([status, body]).toEqual([400, { errors: [expect.objectContaining({ extensions: refused })] }])
    expect((await overEvents(query)).errors?.map(({ extensions }) => extensions)).toEqual([refused])
    expect((await overSocket({ query })).errors?.map(({ extensions }) => extensions)).toEqual([refused])
    expect(services.runs.calls).toEqual(before)
  })
})

describe('a subscription', () => {
  it('that costs too much is refused', async () => {
    const query = 'subscription { runsUpdated { retries { retries { id } } } }'
    expect(codesOf(await overEvents(query))).toEqual(['COST_LIMIT'])
    expect(codesOf(await overSocket({ query }))).toEqual(['COST_LIMIT'])
    expect(services.bus.watches).toBe(0)
  })

  it('tells what each of its events costs, with the first one', async () => {
    const { key } = services.runs.add()
    const query = 'subscription($id: ID!) { runUpdated(id: $id) { status retries { id } } }'
    const cost = { requested: 492, limit: 100_000 }
    const events = new EventSource(url, query, { id: runId(key) })
    await events.open()
    const stream = client.iterate({ query, variables: { id: runId(key) } })
    expect((await stream.next()).value).toMatchObject({ extensions: { cost } })
    expect(await events.data()).toMatchObject({ runUpdated: { status: 'QUEUED' } })
    services.clock.advance(1000)
    services.runs.finish(key, 'SUCCEEDED')
    expect((await stream.next()).value).toEqual({ data: { runUpdated: { status: 'SUCCEEDED', retries: [] } } })
    expect((await stream.next()).done).toBe(true)
    events.close()
  })
})

describe('an answer', () => {
  it('tells what its operation costs', async () => {
    const query = 'query($n: Int) { runs(first: $n) { nodes { id } } }'
    const { status, body } = await post({ query, variables: { n: 1000 } })
    expect([status, body.extensions]).toEqual([200, { cost: { requested: 1150, limit: 100_000 } }])
    expect((await overSocket({ query, variables: { n: 10 } })).extensions).toEqual({
      cost: { requested: 61, limit: 100_000 },
    })
  })
})

describe('what is no operation', () => {
  it.each<[string, Params]>([
    ['an empty document', { query: '' }],
    ['a comment', { query: '# nothing' }],
    ['a fragment alone', { query: 'fragment F on Query { functions { name } }' }],
    ['fragments in a circle', { query: '{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }' }],
    ['an operation that is not there', { query: 'query A { functions { name } }', operationName: 'B' }],
    [
      'two operations of one name',
      { query: 'query A { functions { name } } query A { hosts { host } }', operationName: 'A' },
    ],
    ['a type', { query: 'type A { a: Int }' }],
    ['NUL', { query: '\u0000{ functions { name } }' }],
    ['NUL within', { query: '{ functions { name\u0000 } }' }],
    ['garbage', { query: '\ud800{ \u202e\ufeff名 }' }],
    ['a number', { query: 7 }],
    ['a list', { query: ['{ functions { name } }'] }],
    ['variables that are a list', { query: '{ functions { name } }', variables: [1] }],
  ])('%s is BAD_USER_INPUT', async (_name, params) => {
    const { status, body } = await post(params)
    expect(status).toBe(400)
    expect(new Set(codesOf(body))).toEqual(new Set(['BAD_USER_INPUT']))
  })

  it('a batch is refused, whatever is in it', async () => {
    const { status, body } = await post(
      JSON.stringify(Array.from({ length: 100 }, () => ({ query: '{ functions { name } }' }))),
    )
    expect([status, codesOf(body)]).toEqual([400, ['BAD_USER_INPUT']])
  })
})

describe('variables', () => {
  const PAGE = 'query($n: Int) { runs(first: $n) { totalCount } }'
  const LAUNCH = `mutation($inputs: [JSON!]!) {
    launchComputeBatch(input: { function: "square", source: { inputs: $inputs } }) { deduplicated }
  }`

  it('are not echoed by the megabyte', async () => {
    const { body, text } = await post({ query: PAGE, variables: { n: 'x'.repeat(4_000_000) } })
    expect(codesOf(body)).toEqual(['BAD_USER_INPUT'])
    expect(body.errors?.[0]?.message).toMatch(
      /^Variable "\$n" got invalid value "x{59}…"; Int cannot represent non-integer value: "x{59}…"$/,
    )
    expect(text.length).toBeLessThan(1000)
  })

  it.each([
    ['names', { query: `{ ${'x'.repeat(1_000_000)} }` }],
    [
      'strings',
      { query: `{ run(id: 1, ${'y'.repeat(1_000_000)}: "${'"x'.repeat(3).replaceAll('"', '\\"')}") { id } }` },
    ],
    ['operations', { query: '{ functions { name } }', operationName: 'x'.repeat(1_000_000) }],
  ])('nor are %s', async (name, params) => {
    const { body, text } = await post(params)
    expect(codesOf(body)).toEqual([name === 'operations' ? 'BAD_USER_INPUT' : 'COST_LIMIT'])
    expect(text.length).toBeLessThan(1000)
  })

  it('are told of where fields side by side are too many to compare', async () => {
    const { body } = await post({ query: `{ ${'__typename '.repeat(2_000)} }` })
    expect(body.errors).toMatchObject([
      { message: expect.stringContaining('fields side by side'), extensions: { code: 'COST_LIMIT' } },
    ])
  })

  it('that are wrong a hundred thousand times are told a few times', async () => {
    const query = 'query($ids: [ID!]!) { nodes(ids: $ids) { id } }'
    const { body } = await post({ query, variables: { ids: Array.from({ length: 100_000 }, () => ({})) } })
    expect(body.errors).toHaveLength(11)
    const statuses = Array.from({ length: 100_000 }, () => 'x')
    const other = await post({
      query: 'query($s: [TaskStatus!]) { run(id: "x") { tasks(filter: { status: $s }) { totalCount } } }',
      variables: { s: statuses },
    })
    expect(other.body.errors?.length).toBeLessThanOrEqual(51)
  })

  it('may have keys that objects have by themselves', async () => {
    const launched = services.runs.launches.length
    const keys = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"toString":1}'
    const { status } = await post(
      `{"query":${JSON.stringify(LAUNCH)},"variables":{"__proto__":{"inputs":[1]},"constructor":1,"inputs":[${keys}]}}`,
    )
    expect(status).toBe(200)
    const [launch] = services.runs.launches.slice(launched)
    expect(JSON.stringify(launch?.input)).toContain(keys)
    expect(({} as { polluted?: number }).polluted).toBeUndefined()
    const literal =
      'mutation { launchComputeBatch(input: { function: "square", source: { inputs: [{ __proto__: { polluted: 1 } }] } }) { deduplicated } }'
    expect((await post({ query: literal })).status).toBe(200)
    expect(({} as { polluted?: number }).polluted).toBeUndefined()
  })

  it.each([1000, 10_000, 1_000_000])('nested %d deep are BAD_USER_INPUT', async (depth) => {
    const deep = `${'['.repeat(depth)}${']'.repeat(depth)}`
    const launched = services.runs.launches.length
    const { body } = await post(`{"query":${JSON.stringify(LAUNCH)},"variables":{"inputs":[${deep}]}}`)
    expect(codesOf(body)).toEqual(['BAD_USER_INPUT'])
    expect(codesOf((await post(`{"query":${JSON.stringify(PAGE)},"variables":{"n":${deep}}}`)).body)).toEqual([
      'BAD_USER_INPUT',
    ])
    expect(codesOf((await post(`{"query":${JSON.stringify(PAGE)},"variables":{"unknown":${deep}}}`)).body)).toEqual([])
    expect(services.runs.launches).toHaveLength(launched)
  })

  it('nested deep in the document are BAD_USER_INPUT', async () => {
    const query = `mutation { launchComputeBatch(input: { function: "square", source: { inputs: [${'['.repeat(1000)}${']'.repeat(1000)}] } }) { deduplicated } }`
    expect(codesOf((await post({ query })).body)).toEqual(['BAD_USER_INPUT'])
  })
})

describe('a server whose introspection is switched off', () => {
  it.each([
    '{ __schema { queryType { name } } }',
    '{ __type(name: "Run") { name } }',
    'subscription { __schema { queryType { name } } }',
  ])('answers nobody: %s', async (query) => {
    const { status, body } = await post({ query }, closedUrl)
    expect([status, new Set(codesOf(body))]).toEqual([400, new Set(['BAD_USER_INPUT'])])
    expect(body.data).toBeUndefined()
    expect(new Set(codesOf(await overSocket({ query }, closedClient)))).toEqual(new Set(['BAD_USER_INPUT']))
  })

  it('suggests no names, and tells of what it answers of which type it is', async () => {
    const misspelt = { query: '{ functons { name } }' }
    const messages = [(await post(misspelt, closedUrl)).body, await overSocket(misspelt, closedClient)]
    for (const { errors } of messages)
      expect(errors?.[0]?.message).toBe('Cannot query field "functons" on type "Query".')
    const named = { query: '{ __typename functions { __typename } }' }
    const data = { __typename: 'Query', functions: [{ __typename: 'ComputeFunction' }] }
    expect((await post(named, closedUrl)).body.data).toEqual(data)
    expect((await overSocket(named, closedClient)).data).toEqual(data)
  })
})

it('many operations of one document are looked at one by one', async () => {
  const query = times(400, (at) => `query Q${at} { runs { totalCount } }`)
  const { status, body } = await post({ query, operationName: 'Q399' })
  expect([status, body.extensions]).toEqual([200, { cost: { requested: 50, limit: 100_000 } }])
})
