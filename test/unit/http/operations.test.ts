import { serverAudits } from 'graphql-http'
import { afterEach, describe, expect, it } from 'vitest'
import { ANYONE } from '../../../src/domain/access.js'
import { createOperations } from '../../../src/http/operations.js'
import { type TestServices, testServices } from '../../support/fake-services.js'

const URL = 'http://localhost/graphql'
const JSON_TYPE = { 'content-type': 'application/json' }

function setUp(introspection = true) {
  const services = testServices()
  const closing = new AbortController()
  const operations = createOperations({
    services,
    introspection,
    clock: services.clock,
    closing: closing.signal,
    maxSubscriptions: null,
  })
  const yoga = {
    fetch: (url: string | URL, init: RequestInit = {}) => operations.fetch(String(url), init, { identity: ANYONE }),
  }
  const post = async (body: unknown, headers: Record<string, string> = JSON_TYPE) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    const response = await yoga.fetch(URL, { method: 'POST', headers, body: text })
    return { status: response.status, body: await response.json() }
  }
  return { services, closing, yoga, post }
}

const codesOf = (body: { errors?: { extensions: { code: string } }[] }) =>
  (body.errors ?? []).map(({ extensions }) => extensions.code)

describe('GraphQL over HTTP', () => {
  const { yoga } = setUp()
  const audits = serverAudits({ url: URL, fetchFn: yoga.fetch })

  it('is held to all audits', () => {
    expect(audits).toHaveLength(61)
  })

  it.each(audits.map((audit) => [audit.name, audit] as const))('%s', async (_name, audit) => {
    const result = await audit.fn()
    expect(result.status, 'reason' in result ? result.reason : '').toBe('ok')
  })
})

describe('an answer over HTTP', () => {
  it('has its fields in the order in which they were asked for', async () => {
    const { post } = setUp()
    const { body } = await post({
      query: '{ runs { totalCount nodes { id } pageInfo { hasNextPage } } functions { name } }',
    })
    expect(Object.keys(body.data)).toEqual(['runs', 'functions'])
    expect(Object.keys(body.data.runs)).toEqual(['totalCount', 'nodes', 'pageInfo'])
  })
})

describe('an operation whose answer its client would not take', () => {
  const LAUNCH = `mutation {
    launchComputeBatch(input: { function: "square", source: { inputs: [1] } }) { deduplicated }
  }`
  const send = async (accept: string) => {
    const { yoga, services } = setUp()
    const headers = { ...JSON_TYPE, accept }
    const { status } = await yoga.fetch(URL, { method: 'POST', headers, body: JSON.stringify({ query: LAUNCH }) })
    return [status, services.runs.launches.length]
  }

  it.each(['text/html', 'image/png, text/plain', 'application/json; charset=latin1', 'application/xml;q=1'])(
    'is not executed: %s',
    async (accept) => expect(await send(accept)).toEqual([406, 0]),
  )

  it.each([
    '',
    '*/*',
    'text/html, */*;q=0.1',
    'application/*',
    'Application/JSON; charset=UTF-8',
    'image/png, application/graphql-response+json',
    'text/event-stream',
    'text/*',
    'multipart/mixed',
  ])('is executed: %s', async (accept) => expect(await send(accept)).toEqual([200, 1]))
})

describe('errors over HTTP', () => {
  it.each([
    ['syntax', { query: '{' }],
    ['validation', { query: '{ nothing }' }],
    ['a missing variable', { query: 'query($id: ID!) { run(id: $id) { id } }' }],
    [
      'a variable of the wrong type',
      { query: 'query($n: Int) { runs(first: $n) { totalCount } }', variables: { n: 'x' } },
    ],
    [
      'a scalar',
      { query: 'query($f: RunFilter) { runs(filter: $f) { totalCount } }', variables: { f: { createdAfter: 'now' } } },
    ],
    ['a literal', { query: '{ runs(filter: { createdAfter: "now" }) { totalCount } }' }],
    ['an argument', { query: '{ runs(first: -1) { totalCount } }' }],
    ['an unknown operation', { query: '{ functions { name } }', operationName: 'Other' }],
    ['two operations without a name', { query: 'query A { functions { name } } query B { functions { name } }' }],
    ['no query', {}],
    ['an unknown parameter', { query: '{ functions { name } }', other: 1 }],
    ['a batch', [{ query: '{ functions { name } }' }]],
    ['no JSON', '{'],
  ])('of %s are BAD_USER_INPUT', async (_what, body) => {
    const { post, services } = setUp()
    const { body: answer } = await post(body)
    expect(codesOf(answer)).toEqual(['BAD_USER_INPUT'])
    expect(services.logged).toEqual([])
  })

  it('of the server are INTERNAL, whatever else the answer has', async () => {
    const { post, services } = setUp()
    services.runs.add()
    services.store.countRuns = () => Promise.reject(new Error('the disk is full'))
    const { body } = await post({ query: '{ functions { name } runs { totalCount } }' })
    expect(codesOf(body)).toEqual(['INTERNAL'])
    expect(body.errors[0].message).toBe('Internal error')
    expect(body.errors[0].path).toEqual(['runs', 'totalCount'])
    expect(services.logged).toMatchObject([
      { errorId: body.errors[0].extensions.errorId, err: { message: 'the disk is full' } },
    ])
  })

  it('of a mutation are data where the caller can mend them', async () => {
    const { post, services } = setUp()
    services.runs.launchOutcome = new Error('broken')
    const query = 'mutation { launchFetchBatch(input: { source: { urls: ["a"] } }) { run { id } userErrors { code } } }'
    expect(codesOf((await post({ query })).body)).toEqual(['INTERNAL'])
  })
})

describe('requests', () => {
  const QUERY = { query: '{ functions { name } }' }

  it.each([
    'application/json',
    'application/json; charset=utf-8',
    'APPLICATION/JSON',
    'application/graphql-response+json',
  ])('are read as %s', async (type) => {
    expect((await setUp().post(QUERY, { 'content-type': type })).status).toBe(200)
  })

  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/graphql',
    '',
  ])('are not read as %j, which a page of any origin can send', async (type) => {
    const { status, body } = await setUp().post(QUERY, { 'content-type': type })
    expect(status).toBe(415)
    expect(codesOf(body)).toEqual(['BAD_USER_INPUT'])
  })

  it('do not change anything by GET', async () => {
    const { yoga, services } = setUp()
    const query = 'mutation { launchFetchBatch(input: { source: { urls: ["a"] } }) { run { id } } }'
    const response = await yoga.fetch(`${URL}?query=${encodeURIComponent(query)}`)
    expect(response.status).toBe(405)
    expect(services.runs.launches).toEqual([])
  })

  it('by GET have variables in JSON', async () => {
    const { yoga } = setUp()
    const response = await yoga.fetch(`${URL}?query=${encodeURIComponent('{ functions { name } }')}&variables=%7B`)
    expect(response.status).toBe(400)
    expect(codesOf(await response.json())).toEqual(['BAD_USER_INPUT'])
  })
})

describe('introspection', () => {
  const INTROSPECTION = { query: '{ __schema { queryType { name } } }' }
  const MISSPELT = { query: '{ functons { name } }' }
  const ENUM = { query: 'query($o: RunOrder) { runs(orderBy: $o) { totalCount } }', variables: { o: 'CREATED_DES' } }

  it('is answered, with suggestions, if nothing else is said', async () => {
    const { post } = setUp()
    expect((await post(INTROSPECTION)).body.data.__schema.queryType.name).toBe('Query')
    expect((await post(MISSPELT)).body.errors[0].message).toContain('Did you mean')
  })

  it('is not answered where it is switched off, nor are names suggested, nor is GraphiQL shown', async () => {
    const { post, yoga } = setUp(false)
    expect(new Set(codesOf((await post(INTROSPECTION)).body))).toEqual(new Set(['BAD_USER_INPUT']))
    for (const request of [MISSPELT, ENUM]) {
      const { body } = await post(request)
      expect(body.errors[0].message).not.toContain('Did you mean')
      expect(codesOf(body)).toEqual(['BAD_USER_INPUT'])
    }
    expect((await post({ query: '{ __typename }' })).body).toMatchObject({ data: { __typename: 'Query' } })
    const page = await yoga.fetch(URL, { headers: { accept: 'text/html' } })
    expect(await page.text()).not.toContain('<html')
  })
})

describe('GraphiQL', () => {
  let page: Response | undefined
  afterEach(() => {
    page = undefined
  })
  const open = async (url = URL) => {
    page = await setUp().yoga.fetch(url, { headers: { accept: 'text/html' } })
    return page.text()
  }

  it('is a page of its own, with the examples in its tabs', async () => {
    const html = await open()
    expect(page?.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(html).toContain('launchComputeBatch')
    expect(html).toContain('"query":null')
    expect(await open(`${URL}?query={functions{name}}`)).not.toContain('"query":null')
  })

  it('loads nothing from elsewhere, and the browser is told to see to it', async () => {
    const html = await open()
    const beforeScript = html.slice(0, html.indexOf('<script>'))
    expect(html).not.toMatch(/<script[^>]+src=/)
    expect(beforeScript).not.toMatch(/<link[^>]+href="?https?:/)
    expect(html).not.toContain('unpkg.com')
    const policy = page?.headers.get('content-security-policy') ?? ''
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toMatch(/https?:/)
  })
})

describe('one change', () => {
  it('reaches every subscriber, over one implementation', async () => {
    const { yoga, services, closing } = setUp()
    const { key } = services.runs.add()
    const open = () => subscription(services, yoga.fetch, `run_${key}`)
    const streams = await Promise.all([open(), open()])
    for (const stream of streams) expect(await stream.next()).toContain('"status":"QUEUED"')
    services.clock.advance(1000)
    services.runs.finish(key, 'SUCCEEDED')
    for (const stream of streams) expect(await stream.next()).toContain('"status":"SUCCEEDED"')
    closing.abort()
  })
})

async function subscription(_services: TestServices, fetch: ReturnType<typeof setUp>['yoga']['fetch'], id: string) {
  const query = 'subscription($id: ID!) { runUpdated(id: $id) { status } }'
  const response = await fetch(URL, {
    method: 'POST',
    headers: { ...JSON_TYPE, accept: 'text/event-stream' },
    body: JSON.stringify({ query, variables: { id } }),
  })
  const reader = response.body?.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]()
  return {
    async next(): Promise<string> {
      for (;;) {
        const { value = '' } = (await reader?.next()) ?? {}
        if (value !== ':\n\n') return value
      }
    },
  }
}
