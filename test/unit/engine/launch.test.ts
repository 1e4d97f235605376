import { describe, expect, it } from 'vitest'
import type { LaunchComputeInput, LaunchFetchInput } from '../../../src/engine/engine.js'
import { LaunchChecks } from '../../../src/engine/launch.js'
import type { FunctionCatalog } from '../../../src/functions/function.js'

const functions: FunctionCatalog = {
  list: () => [{ name: 'square', description: '', inputSchema: {}, outputSchema: null, example: 1 }],
  has: (name) => name === 'square',
  validate: (_, input) => (typeof input === 'number' ? [] : [{ path: ['n'], message: 'must be number' }]),
  validateRange: (_, { from }) => (from < 0 ? [{ path: [], message: 'must be >= 0' }] : []),
}
const limits = { maxInlineItems: 5, maxItems: 1000, maxLanes: 4, maxQueuedTasks: 10_000 }

const checkFetch = (input: LaunchFetchInput) => new LaunchChecks(limits, functions).fetch(input)
const checkCompute = (input: LaunchComputeInput) => new LaunchChecks(limits, functions).compute(input)

const SQUARES: LaunchComputeInput = { function: 'square', source: { inputs: [1, 2] } }

/** Code and place of each problem. */
function problemsOf({ userErrors }: ReturnType<typeof checkFetch>): string[] {
  return userErrors?.map(({ code, field }) => `${code} ${field?.join('.') ?? '-'}`) ?? []
}

describe('LaunchChecks.fetch', () => {
  it('fills in every default', () => {
    const { launch } = checkFetch({ source: { urls: ['http://a.example/'] } })
    expect(launch?.spec).toEqual({
      kind: 'FETCH',
      name: null,
      labels: [],
      priority: 0,
      strategy: 'AUTO',
      concurrency: 64,
      lanes: null,
      failFast: false,
      retry: { maxAttempts: 3, backoffMs: 200, maxBackoffMs: 10_000, unsafe: false },
      timeoutMs: 30_000,
      source: { kind: 'list', form: 'urls', count: 1 },
      stages: [
        {
          kind: 'FETCH',
          name: 'fetch',
          fetch: {
            bodyPolicy: 'DISCARD',
            maxBytes: 10_485_760,
            maxRedirects: 5,
            headers: [],
            okStatuses: null,
            perHostConcurrency: null,
            perHostRate: null,
            dedupe: false,
          },
        },
      ],
    })
  })

  it('takes so much besides the items, and no more', () => {
    const withHeader = (length: number) =>
      checkFetch({
        source: { urls: ['http://a.example/'] },
        fetch: { headers: [{ name: 'x-note', value: 'x'.repeat(length) }] },
      })
    expect(withHeader(60_000).userErrors).toBeNull()
    const refused = withHeader(70_000)
    expect(problemsOf(refused)).toEqual(['INVALID input'])
    expect(refused.userErrors?.[0]?.message).toMatch(/has 70\d{3} characters where 65536 are the most/)
  })

  it('has a default concurrency where it does not depend on the machine', () => {
    const of = (strategy: 'SEQUENTIAL' | 'ASYNC' | 'THREADS') => {
      const urls = ['http://a.example/']
      return [
        checkFetch({ source: { urls }, options: { strategy } }).launch?.spec.concurrency,
        checkCompute({ function: 'square', source: { inputs: [1] }, options: { strategy } }).launch?.spec.concurrency,
      ]
    }
    expect([of('SEQUENTIAL'), of('ASYNC'), of('THREADS')]).toEqual([
      [1, 1],
      [64, 16],
      [64, null],
    ])
  })

  it('takes a launch that names a default for the same as one that leaves it out, and another end for another', () => {
    const hashOf = (to: number, options = {}) =>
      checkFetch({ source: { template: { template: 'http://a.example/{i}', from: 1, to, step: 4 } }, options }).launch
        ?.inputHash
    expect(hashOf(10)).toBe(hashOf(10, { concurrency: 64, strategy: 'AUTO' }))
    expect(hashOf(10)).not.toBe(hashOf(12))
  })

  it('counts characters, not what they take in UTF-16', () => {
    const of = (characters: number) =>
      problemsOf(
        checkFetch({ source: { urls: ['http://a.example/'] }, options: { idempotencyKey: '🧵'.repeat(characters) } }),
      )
    expect([of(200), of(201)]).toEqual([[], ['INVALID input.options.idempotencyKey']])
  })

  it('takes limits per host that can be kept to, and tells what it expects of others', () => {
    const check = (fetch: LaunchFetchInput['fetch']) => checkFetch({ source: { urls: ['http://a.example/'] }, fetch })
    const [stage] = check({ perHostConcurrency: 2, perHostRate: 0.2, dedupe: true }).launch?.spec.stages ?? []
    expect(stage).toMatchObject({ fetch: { perHostConcurrency: 2, perHostRate: 0.2, dedupe: true } })
    for (const perHostRate of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 100_001]) {
      expect(problemsOf(check({ perHostRate }))).toEqual(['INVALID input.fetch.perHostRate'])
    }
    for (const perHostConcurrency of [0, 1.5, 2 ** 31]) {
      expect(problemsOf(check({ perHostConcurrency }))).toEqual(['INVALID input.fetch.perHostConcurrency'])
    }
    expect(check({ perHostRate: 0, perHostConcurrency: 0 }).userErrors?.map(({ message }) => message)).toEqual([
      '0 is not a whole number from 1 to 2147483647',
      '0 is not a number of requests a second, more than 0 and at most 100000',
    ])
  })

  it('refuses what could never be sent', () => {
    const result = checkFetch({
      source: {
        requests: [
          { url: 'http://u:%zz@a.example/' },
          {
            url: 'http://a.example/',
            headers: [
              { name: 'Host', value: 'b.example' },
              { name: 'host', value: 'c.example' },
            ],
          },
        ],
      },
    })
    expect(problemsOf(result)).toEqual([
      'INVALID input.source.requests.0.url',
      'INVALID input.source.requests.1.headers.1.name',
    ])
    const template = { template: 'http://a.example:{i}/', from: 65_534, to: 65_540, step: 1 }
    expect(problemsOf(checkFetch({ source: { template } }))).toEqual(['INVALID input.source.template.template'])
  })

  it.each(['', ' ', '\t\r\n', '\u00a0'])('takes no key that somebody forgot to fill in: %j', (idempotencyKey) => {
    const source = { urls: ['http://a.example/'] }
    expect(problemsOf(checkFetch({ source, options: { idempotencyKey } }))).toEqual([
      'INVALID input.options.idempotencyKey',
    ])
  })

  it('takes a budget with what it leaves open', () => {
    const budgetOf = (budget: object) => checkCompute({ ...SQUARES, options: { budget } }).launch?.spec.budget
    const open = { wallMs: null, serviceP95Ms: null, failureRate: null }
    expect(budgetOf({ wallMs: 0.5 })).toEqual({ ...open, wallMs: 0.5 })
    expect(budgetOf({ serviceP95Ms: 1e300, failureRate: 0 })).toEqual({ ...open, serviceP95Ms: 1e300, failureRate: 0 })
    expect(budgetOf({ failureRate: 1 })).toEqual({ ...open, failureRate: 1 })
    expect(checkCompute(SQUARES).launch?.spec).not.toHaveProperty('budget')
  })

  it.each<[object, Record<string, string>]>([
    [{}, { '': '{} is not a budget with at least one of wallMs, serviceP95Ms, failureRate' }],
    [
      { wallMs: null },
      { '': '{"wallMs":null} is not a budget with at least one of wallMs, serviceP95Ms, failureRate' },
    ],
    [
      { wallMs: 0, serviceP95Ms: -1, failureRate: 1.01 },
      {
        '.wallMs': '0 is not a number of milliseconds, more than 0',
        '.serviceP95Ms': '-1 is not a number of milliseconds, more than 0',
        '.failureRate': '1.01 is not a number from 0 to 1',
      },
    ],
    [
      { wallMs: Number.POSITIVE_INFINITY, failureRate: -0.1 },
      {
        '.wallMs': 'Infinity is not a number of milliseconds, more than 0',
        '.failureRate': '-0.1 is not a number from 0 to 1',
      },
    ],
    [{ serviceP95Ms: Number.NaN }, { '.serviceP95Ms': 'NaN is not a number of milliseconds, more than 0' }],
  ])('takes no budget that is none: %j', (budget, expected) => {
    const { userErrors } = checkCompute({ ...SQUARES, options: { budget } })
    const found = Object.fromEntries(
      userErrors?.map(({ field, message }) => [field?.join('.').replace('input.options.budget', ''), message]) ?? [],
    )
    expect(found).toEqual(expected)
  })

  it('tells all problems at once, each at its place', () => {
    const result = checkFetch({
      source: { urls: ['http://ok.example/', 'ftp://a.example/', 'not a url'] },
      fetch: { maxBytes: 0, headers: [{ name: 'bad name', value: 'x' }], okStatuses: [99] },
      options: {
        concurrency: 0,
        lanes: 5,
        strategy: 'CLUSTER',
        timeoutMs: -1,
        idempotencyKey: '',
        labels: [
          { name: 'a', value: '1' },
          { name: 'a', value: '2' },
        ],
        retry: { maxAttempts: 0 },
      },
    })
    expect(result.launch).toBeNull()
    expect(problemsOf(result).sort()).toEqual(
      [
        'CLUSTER_UNAVAILABLE input.options.strategy',
        'INVALID input.fetch.headers.0.name',
        'INVALID input.fetch.maxBytes',
        'INVALID input.fetch.okStatuses.0',
        'INVALID input.options.concurrency',
        'INVALID input.options.idempotencyKey',
        'INVALID input.options.labels.1.name',
        'INVALID input.options.lanes',
        'INVALID input.options.retry.maxAttempts',
        'INVALID input.options.timeoutMs',
        'INVALID input.source.urls.2',
        'UNSUPPORTED_SCHEME input.source.urls.1',
      ].sort(),
    )
  })

  it('refuses empty and too long lists', () => {
    expect(problemsOf(checkFetch({ source: { urls: [] } }))).toEqual(['INVALID input.source.urls'])
    const urls = Array.from({ length: 6 }, (_, i) => `http://a.example/${i}`)
    expect(problemsOf(checkFetch({ source: { urls } }))).toEqual(['TOO_MANY_ITEMS input.source.urls'])
  })

  it('counts the numbers of a template, its end included', () => {
    const of = (from: number, to: number, step = 1) => {
      const { launch } = checkFetch({ source: { template: { template: 'http://a.example/{i}', from, to, step } } })
      return launch?.spec.source.count
    }
    expect([of(1, 10), of(0, 10, 3), of(10, 1, -3), of(5, 5)]).toEqual([10, 4, 4, 1])
  })

  it.each([
    [{ template: 'http://a.example/', from: 1, to: 2, step: 1 }, 'INVALID input.source.template.template'],
    [{ template: 'ftp://a.example/{i}', from: 1, to: 2, step: 1 }, 'UNSUPPORTED_SCHEME input.source.template.template'],
    [{ template: 'http://a.example/{i}', from: 1.5, to: 2, step: 1 }, 'INVALID input.source.template.from'],
    [{ template: 'http://a.example/{i}', from: 1, to: 2, step: 0 }, 'INVALID input.source.template.step'],
    [{ template: 'http://a.example/{i}', from: 2, to: 1, step: 1 }, 'INVALID input.source.template.to'],
    [{ template: 'http://a.example/{i}', from: 1, to: 1001, step: 1 }, 'TOO_MANY_ITEMS input.source.template'],
  ])('refuses the template %j', (template, problem) => {
    expect(problemsOf(checkFetch({ source: { template } }))).toEqual([problem])
  })

  it('checks requests part by part', () => {
    const requests = [
      { url: 'http://a.example/', method: 'post', body: 'x' },
      { url: 'http://a.example/', method: 'GET', body: 'x' },
      { url: 'http://a.example/', method: 'CONNECT' },
      { url: 'http://a.example/', headers: [{ name: 'content-length', value: '3' }] },
    ]
    expect(problemsOf(checkFetch({ source: { requests } }))).toEqual([
      'INVALID input.source.requests.1.body',
      'INVALID input.source.requests.2.method',
      'INVALID input.source.requests.3.headers.0.name',
    ])
    const { launch } = checkFetch({ source: { requests: requests.slice(0, 1) } })
    expect(launch?.items).toEqual([{ url: 'http://a.example/', method: 'POST', headers: [], body: 'x' }])
  })

  it('refuses headers that could not be sent', () => {
    const headers = [
      { name: 'x-text', value: '日本' },
      { name: 'Keep-Alive', value: 'timeout=5' },
      { name: 'x-latin', value: 'é' },
    ]
    expect(problemsOf(checkFetch({ source: { urls: ['http://a.example/'] }, fetch: { headers } }))).toEqual([
      'INVALID input.fetch.headers.0.value',
      'INVALID input.fetch.headers.1.name',
    ])
  })

  it('names at most a hundred problems, and says how many more there are', () => {
    const many = new LaunchChecks({ ...limits, maxInlineItems: 1000 }, functions)
    const { userErrors } = many.fetch({ source: { urls: Array.from({ length: 250 }, () => 'nonsense') } })
    expect(userErrors).toHaveLength(100)
    expect(userErrors?.at(-1)?.message).toContain('151')
  })
})

describe('LaunchChecks.compute', () => {
  it('refuses an unknown function and names those there are', () => {
    const { userErrors } = checkCompute({ function: 'cube', source: { inputs: [1] } })
    expect(userErrors?.[0]).toMatchObject({ code: 'UNKNOWN_FUNCTION', field: ['input', 'function'] })
    expect(userErrors?.[0]?.message).toContain('square')
  })

  it('checks every input of a list against the schema, at its place', () => {
    const result = checkCompute({ function: 'square', source: { inputs: [1, 'a', 2, null] } })
    expect(problemsOf(result)).toEqual(['INVALID input.source.inputs.1.n', 'INVALID input.source.inputs.3.n'])
  })

  it('writes a value out once, however many problems it has', () => {
    const problems = Array.from({ length: 500 }, (_, at) => ({ path: [at], message: 'must be integer' }))
    let written = 0
    const input = { toJSON: () => ++written }
    const { userErrors } = new LaunchChecks(limits, { ...functions, validate: () => problems }).compute({
      function: 'square',
      source: { inputs: [input] },
    })
    expect(userErrors).toHaveLength(100)
    expect(written).toBe(1)
  })

  it('counts the numbers of a range, its end excluded', () => {
    const of = (from: number, to: number, step = 1) =>
      checkCompute({ function: 'square', source: { range: { from, to, step } } }).launch?.spec.source.count
    expect([of(0, 10), of(0, 10, 3), of(10, 0, -3), of(0, 1)]).toEqual([10, 4, 4, 1])
    expect(problemsOf(checkCompute({ function: 'square', source: { range: { from: 3, to: 3, step: 1 } } }))).toEqual([
      'INVALID input.source.range.to',
    ])
    expect(problemsOf(checkCompute({ function: 'square', source: { range: { from: -1, to: 3, step: 1 } } }))).toEqual([
      'INVALID input.source.range',
    ])
  })

  it('counts exactly over the whole width of numbers', () => {
    const of = (from: number, to: number, step: number) =>
      checkFetch({ source: { template: { template: 'http://a.example/{i}', from, to, step } } }).launch?.spec.source
        .count
    expect([of(-(2 ** 53), 2 ** 53 - 1, 2 ** 53), of(-(2 ** 53), 2 ** 53, 2 ** 53)]).toEqual([2, 3])
  })

  it('gives equal inputs equal hashes, whatever the order of their keys and what was left to the defaults', () => {
    const hash = (input: LaunchComputeInput) => checkCompute(input).launch?.inputHash
    const plain = hash({ function: 'square', source: { inputs: [1, 2] } })
    // Keys of launches long ago are compared with it.
    expect(plain).toBe('84f6dbd395149f1b684cfcdfa053ddf141cdf5cd1e220a2cf4efbf78cd6f6a65')
    expect(hash({ source: { inputs: [1, 2] }, function: 'square', options: { strategy: 'AUTO', priority: 0 } })).toBe(
      plain,
    )
    expect(hash({ function: 'square', source: { inputs: [1, 2] }, options: { idempotencyKey: 'k' } })).toBe(plain)
    expect(hash({ function: 'square', source: { inputs: [2, 1] } })).not.toBe(plain)
    expect(hash({ function: 'square', source: { inputs: [1, 2] }, options: { budget: null } })).toBe(plain)
    const budgeted = (wallMs: number) =>
      hash({ function: 'square', source: { inputs: [1, 2] }, options: { budget: { wallMs } } })
    expect(new Set([plain, budgeted(1), budgeted(2)]).size).toBe(3)
    expect(budgeted(2)).toBe(budgeted(2))
    expect(hash({ function: 'square', source: { inputs: [1, 2] }, options: { lanes: 1 } })).not.toBe(plain)
  })
})
