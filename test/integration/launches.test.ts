import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ApiClient, Launched, Variables } from '../support/api.js'
import { type Origin, startOrigin } from '../support/origin.js'
import { FUNCTIONS_DIR, startTestServer, type TestServer } from '../support/server.js'

let origin: Origin
let server: TestServer
let api: ApiClient

beforeAll(async () => {
  origin = await startOrigin()
  server = await startTestServer({
    HEDDLE_FUNCTIONS_DIR: FUNCTIONS_DIR,
    HEDDLE_LANES: '2',
    HEDDLE_MAX_LANES: '4',
    HEDDLE_MAX_INLINE_ITEMS: '200',
    HEDDLE_MAX_ITEMS: '200000',
    HEDDLE_MAX_QUEUED_TASKS: '200000',
  })
  api = server.api
})

afterAll(async () => {
  await server.close()
  await origin.close()
})

const FETCH = 'mutation($input: LaunchFetchBatchInput!) { launchFetchBatch(input: $input) { run { id } } }'
const COMPUTE = 'mutation($input: LaunchComputeBatchInput!) { launchComputeBatch(input: $input) { run { id } } }'

async function runCount(): Promise<number> {
  return (await api.ask<{ runs: { totalCount: number } }>('{ runs { totalCount } }')).runs.totalCount
}

/** What is wrong with a launch, as `CODE way.to.the.value`; nothing may have been launched. */
async function problemsOf(launch: () => Promise<Launched>): Promise<string[]> {
  const before = await runCount()
  const { run, userErrors, deduplicated } = await launch()
  expect({ run, deduplicated }).toEqual({ run: null, deduplicated: false })
  expect(await runCount()).toBe(before)
  for (const { message } of userErrors) expect(message.length).toBeGreaterThan(10)
  return userErrors.map(({ code, field }) => `${code} ${field?.join('.')}`)
}

const fetchProblems = (input: Variables) => problemsOf(() => api.launchFetch(input))
const computeProblems = (input: Variables) => problemsOf(() => api.launchCompute(input))

describe('a launch that is wrong', () => {
  it('has every problem of a fetch told at once, each at its place', async () => {
    const problems = await fetchProblems({
      source: { urls: ['nonsense', `${origin.url}/ok`, 'ftp://127.0.0.1/', '/relative', ''] },
      fetch: {
        maxBytes: 0,
        maxRedirects: 101,
        okStatuses: [200, 99, 600],
        headers: [
          { name: 'two words', value: 'x' },
          { name: 'Content-Length', value: '1' },
          { name: 'x-ok', value: 'line\nbreak' },
        ],
      },
      options: {
        name: '',
        labels: [
          { name: '', value: 'v' },
          { name: 'a', value: 'v' },
          { name: 'a', value: 'x'.repeat(201) },
        ],
        strategy: 'CLUSTER',
        concurrency: 0,
        lanes: 5,
        retry: { maxAttempts: 0, backoffMs: -1, maxBackoffMs: 3_600_001 },
        timeoutMs: 0,
        idempotencyKey: 'k'.repeat(201),
      },
    })
    expect(problems.sort()).toEqual(
      [
        'INVALID input.source.urls.0',
        'UNSUPPORTED_SCHEME input.source.urls.2',
        'INVALID input.source.urls.3',
        'INVALID input.source.urls.4',
        'INVALID input.fetch.maxBytes',
        'INVALID input.fetch.maxRedirects',
        'INVALID input.fetch.okStatuses.1',
        'INVALID input.fetch.okStatuses.2',
        'INVALID input.fetch.headers.0.name',
        'INVALID input.fetch.headers.1.name',
        'INVALID input.fetch.headers.2.value',
        'INVALID input.options.name',
        'INVALID input.options.labels.0.name',
        'INVALID input.options.labels.2.name',
        'INVALID input.options.labels.2.value',
        'CLUSTER_UNAVAILABLE input.options.strategy',
        'INVALID input.options.concurrency',
        'INVALID input.options.lanes',
        'INVALID input.options.retry.maxAttempts',
        'INVALID input.options.retry.backoffMs',
        'INVALID input.options.retry.maxBackoffMs',
        'INVALID input.options.timeoutMs',
        'INVALID input.options.idempotencyKey',
      ].sort(),
    )
  })

  it('has every problem of a written request told', async () => {
    const requests = [
      { url: 'nonsense', method: 'NO SUCH', headers: [{ name: 'a b', value: 'x' }] },
      { url: `${origin.url}/ok`, method: 'GET', body: 'x' },
      { url: 'mailto:a@b.test', method: 'CONNECT' },
      { url: `${origin.url}/ok`, method: 'POST', body: 'x' },
    ]
    expect((await fetchProblems({ source: { requests } })).sort()).toEqual([
      'INVALID input.source.requests.0.headers.0.name',
      'INVALID input.source.requests.0.method',
      'INVALID input.source.requests.0.url',
      'INVALID input.source.requests.1.body',
      'INVALID input.source.requests.2.method',
      'UNSUPPORTED_SCHEME input.source.requests.2.url',
    ])
  })

  it('has every problem of a compute told', async () => {
    const problems = await computeProblems({
      function: 'sumOfSquares',
      source: { inputs: [10, -1, 'ten', { n: 1 }, 1.5, '-1'] },
      chunkSize: 0,
      options: { concurrency: -1 },
    })
    expect([...new Set(problems)].sort()).toEqual([
      'INVALID input.chunkSize',
      'INVALID input.options.concurrency',
      'INVALID input.source.inputs.1',
      'INVALID input.source.inputs.2',
      'INVALID input.source.inputs.3',
      'INVALID input.source.inputs.4',
      'INVALID input.source.inputs.5',
    ])
    expect(
      await computeProblems({ function: 'act', source: { inputs: [{ do: 'echo' }, { do: 'dance' }, {}] } }),
    ).toEqual(['INVALID input.source.inputs.1.do', 'INVALID input.source.inputs.2'])
    expect(await computeProblems({ function: 'nothing', source: { inputs: [1] }, options: { lanes: 0 } })).toEqual([
      'UNKNOWN_FUNCTION input.function',
      'INVALID input.options.lanes',
    ])
  })

  it.each<[string, Variables, string[]]>([
    ['no step', { from: 1, to: 5, step: 0 }, ['INVALID input.source.range.step']],
    ['halves', { from: 0.5, to: 5, step: 0.5 }, ['INVALID input.source.range.from', 'INVALID input.source.range.step']],
    ['past 2^53', { from: 0, to: 1e17 }, ['INVALID input.source.range.to']],
    ['nothing in it', { from: 5, to: 5 }, ['INVALID input.source.range.to']],
    ['the wrong direction', { from: 5, to: 1 }, ['INVALID input.source.range.to']],
    ['too many', { from: 0, to: 200_001 }, ['TOO_MANY_ITEMS input.source.range']],
    ['a first number that does not fit', { from: -3, to: 3 }, ['INVALID input.source.range']],
  ])('tells what is wrong with a range: %s', async (_what, range, expected) => {
    const problems = await computeProblems({ function: 'countPrimes', source: { range } })
    expect([...new Set(problems)]).toEqual(expected)
  })

  it.each<[string, Variables, string[]]>([
    ['no place for the number', { template: 'http://127.0.0.1/', to: 5 }, ['INVALID input.source.template.template']],
    ['no URL', { template: 'page/{i}', to: 5 }, ['INVALID input.source.template.template']],
    ['another scheme', { template: 'file:///{i}', to: 5 }, ['UNSUPPORTED_SCHEME input.source.template.template']],
    ['nothing in it', { template: 'http://127.0.0.1/{i}', to: 0 }, ['INVALID input.source.template.to']],
    ['too many', { template: 'http://127.0.0.1/{i}', to: 200_001 }, ['TOO_MANY_ITEMS input.source.template']],
    [
      'two things',
      { template: 'nope', to: 1.5 },
      ['INVALID input.source.template.to', 'INVALID input.source.template.template'],
    ],
  ])('tells what is wrong with a template: %s', async (_what, template, expected) => {
    expect(await fetchProblems({ source: { template } })).toEqual(expected)
  })

  it('names a hundred problems at most, and counts the rest', async () => {
    const urls = Array.from({ length: 150 }, (_, i) => `nonsense ${i}`)
    const { userErrors } = await api.launchFetch({ source: { urls }, options: { timeoutMs: 0 } })
    expect(userErrors).toHaveLength(100)
    expect(userErrors[98]).toMatchObject({ code: 'INVALID', field: ['input', 'source', 'urls', '98'] })
    expect(userErrors[99]).toMatchObject({ code: 'INVALID', field: null, message: expect.stringContaining('52') })
    const exactly = await api.launchFetch({ source: { urls: urls.slice(0, 100) } })
    expect(exactly.userErrors).toHaveLength(100)
    expect(exactly.userErrors[99]?.field).toEqual(['input', 'source', 'urls', '99'])
  })

  it('has lists of no items and of too many told', async () => {
    expect(await fetchProblems({ source: { urls: [] } })).toEqual(['INVALID input.source.urls'])
    expect(await computeProblems({ function: 'act', source: { inputs: [] } })).toEqual(['INVALID input.source.inputs'])
    const urls = Array.from({ length: 201 }, () => 'not even a URL')
    expect(await fetchProblems({ source: { urls } })).toEqual(['TOO_MANY_ITEMS input.source.urls'])
    expect(
      await computeProblems({
        function: 'countPrimes',
        source: { range: { from: 0, to: 150_000 } },
        reduce: 'COLLECT',
      }),
    ).toEqual(['INVALID input.reduce'])
  })

  it.each<[string, string, unknown]>([
    ['no source', FETCH, {}],
    ['two sources', FETCH, { source: { urls: ['http://a.test/'], template: { template: '{i}', to: 1 } } }],
    ['an empty source', FETCH, { source: {} }],
    ['a source of null', FETCH, { source: { urls: null } }],
    ['a field that is none', FETCH, { source: { urls: ['http://a.test/'] }, colour: 'red' }],
    ['a strategy that is none', COMPUTE, { function: 'act', source: { inputs: [1] }, options: { strategy: 'MAGIC' } }],
    ['a number that is text', COMPUTE, { function: 'act', source: { inputs: [1] }, options: { lanes: 'two' } }],
    ['a fraction', COMPUTE, { function: 'act', source: { inputs: [1] }, options: { lanes: 1.5 } }],
    ['a number that JSON would round', COMPUTE, { function: 'act', source: { inputs: [2 ** 60] } }],
    ['nothing at all', COMPUTE, null],
  ])('that is not of the schema is BAD_USER_INPUT: %s', async (_what, mutation, input) => {
    const before = await runCount()
    const codes = await api.refusal(mutation, { input })
    expect([...new Set(codes)]).toEqual(['BAD_USER_INPUT'])
    expect(await runCount()).toBe(before)
  })
})

describe('a launch while the queue is full', () => {
  it('is refused with QUEUE_FULL, and taken later', async () => {
    const template = { template: `${origin.url}/hold/queue?i={i}`, from: 1, to: 199_990 }
    const options = { failFast: true, retry: { maxAttempts: 1 }, timeoutMs: 60_000 }
    const filling = await api.start(api.launchFetch({ source: { template }, options }))
    expect(await api.launchFetch({ source: { template: { ...template, to: 50 } } })).toEqual({
      run: null,
      deduplicated: false,
      userErrors: [
        {
          code: 'QUEUE_FULL',
          field: ['input', 'source'],
          message: expect.any(String),
          retryAfterMs: expect.any(Number),
        },
      ],
    })
    const fitting = await api.launchFetch({ source: { urls: [`${origin.url}/ok`] } })
    expect(fitting.userErrors).toEqual([])
    await origin.arrived('/hold/queue')
    // The first failure ends the run that fills the queue.
    await origin.close()
    expect(await api.ended(filling)).toBe('FAILED')
    origin = await startOrigin()
    const later = api.launchFetch({ source: { template: { template: `${origin.url}/ok?i={i}`, to: 50 } } })
    expect(await api.ended(await api.start(later))).toBe('SUCCEEDED')
  })
})
