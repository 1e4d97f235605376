import { describe, expect, it } from 'vitest'
import type { StageSpec } from '../../../src/domain/batch.js'
import { Problems } from '../../../src/domain/problems.js'
import type { LaunchPipelineInput, StageInput } from '../../../src/engine/engine.js'
import { type CheckResult, LaunchChecks } from '../../../src/engine/launch.js'
import type { FunctionCatalog } from '../../../src/functions/function.js'

const described = (name: string) => ({ name, description: '', inputSchema: {}, outputSchema: null, example: 1 })
const functions: FunctionCatalog = {
  list: () => [described('square'), described('words')],
  has: (name) => name === 'square' || name === 'words',
  validate: (_, input) => (typeof input === 'number' ? [] : [{ path: ['n'], message: 'must be number' }]),
  validateRange: (_, { from }) => (from < 0 ? [{ path: [], message: 'must be >= 0' }] : []),
}
const limits = { maxInlineItems: 5, maxItems: 1000, maxLanes: 4, maxQueuedTasks: 10_000 }

const checks = (problems?: Problems) => new LaunchChecks(limits, functions, problems)

const URLS = { urls: ['http://a.example/'] }
const RANGE = { range: { from: 0, to: 10, step: 1 } }
const FETCH: StageInput = { fetch: {} }
const SQUARE: StageInput = { compute: { function: 'square' } }

function check(stages: StageInput[], changes: Partial<LaunchPipelineInput> = {}): CheckResult {
  return checks().pipeline({ source: stages[0]?.fetch ? URLS : RANGE, stages, ...changes })
}

function stagesOf(result: CheckResult): StageSpec[] {
  expect(result.userErrors).toBeNull()
  return result.launch!.spec.stages
}

/** Code, place and message of each problem. */
function problemsOf({ userErrors }: CheckResult): string[][] {
  return userErrors?.map(({ code, field, message }) => [code, field?.join('.') ?? '-', message]) ?? []
}

/** Code and place of each. */
const placesOf = (result: CheckResult) => problemsOf(result).map(([code, place]) => `${code} ${place}`)

const DEFAULTS = {
  bodyPolicy: 'DISCARD',
  maxBytes: 10_485_760,
  maxRedirects: 5,
  headers: [],
  okStatuses: null,
  perHostConcurrency: null,
  perHostRate: null,
  dedupe: false,
}

describe('LaunchChecks.pipeline', () => {
  it('fills in every default, of the batch and of each stage', () => {
    const { launch } = check([FETCH, SQUARE])
    expect(launch?.spec).toEqual({
      kind: 'PIPELINE',
      name: null,
      labels: [],
      priority: 0,
      strategy: 'AUTO',
      concurrency: null,
      lanes: null,
      failFast: false,
      retry: { maxAttempts: 3, backoffMs: 200, maxBackoffMs: 10_000, unsafe: false },
      timeoutMs: null,
      source: { kind: 'list', form: 'urls', count: 1 },
      stages: [
        { kind: 'FETCH', name: 'fetch', fetch: DEFAULTS, from: '', strategy: 'AUTO', concurrency: 64 },
        {
          kind: 'COMPUTE',
          name: 'square',
          function: 'square',
          chunkSize: null,
          reduce: null,
          from: '',
          strategy: 'AUTO',
          concurrency: null,
        },
      ],
    })
    expect(launch?.items).toEqual(URLS.urls)
  })

  it('takes what each stage says of itself', () => {
    const [first, second, third] = stagesOf(
      check([
        { compute: { function: 'square', name: 'numbers', strategy: 'PROCESSES', concurrency: 3 } },
        {
          fetch: {
            name: 'pages',
            urlFrom: '/url',
            fetch: { bodyPolicy: 'TEXT', dedupe: true },
            strategy: 'SEQUENTIAL',
          },
        },
        { compute: { function: 'words', inputFrom: '/a~1b/0' } },
      ]),
    )
    expect(first).toMatchObject({ name: 'numbers', strategy: 'PROCESSES', concurrency: 3, from: '' })
    expect(second).toMatchObject({ name: 'pages', from: '/url', strategy: 'SEQUENTIAL', concurrency: 1 })
    expect(second).toMatchObject({ fetch: { ...DEFAULTS, bodyPolicy: 'TEXT', dedupe: true } })
    expect(third).toMatchObject({ name: 'words', from: '/a~1b/0', strategy: 'AUTO', concurrency: null })
  })

  it('gives each stage what the batch says, where it says nothing of itself', () => {
    const options = { strategy: 'ASYNC' as const, concurrency: 7, lanes: 2 }
    const result = check([FETCH, { compute: { function: 'square', strategy: 'THREADS' } }], { options })
    expect(stagesOf(result).map(({ strategy, concurrency }) => [strategy, concurrency])).toEqual([
      ['ASYNC', 7],
      ['THREADS', 7],
    ])
    expect(result.launch?.spec).toMatchObject({ strategy: 'ASYNC', concurrency: 7, lanes: 2 })
    const silent = stagesOf(check([FETCH, SQUARE], { options: { strategy: 'ASYNC' } }))
    expect(silent.map(({ concurrency }) => concurrency)).toEqual([64, 16])
  })

  it('takes one stage, and a hundred', () => {
    expect(stagesOf(check([SQUARE]))).toHaveLength(1)
    expect(stagesOf(check(Array(100).fill(SQUARE)))).toHaveLength(100)
  })

  it('takes the whole for the whole, also in the first stage, which has nothing before it', () => {
    const said: StageInput[] = [{ fetch: { urlFrom: '' } }, { compute: { function: 'square', inputFrom: '' } }]
    expect(check(said).launch?.inputHash).toBe(check([FETCH, SQUARE]).launch?.inputHash)
  })

  it('refuses no stage, and too many', () => {
    expect(problemsOf(check([]))).toEqual([['INVALID', 'input.stages', '[] is not a list of at least one stage']])
    expect(problemsOf(check([], { source: URLS }))).toHaveLength(1)
    expect(problemsOf(check(Array(101).fill(SQUARE)))).toEqual([
      ['INVALID', 'input.stages', '101 stages are more than 100'],
    ])
    expect(problemsOf(check([SQUARE, {}]))).toEqual([
      ['INVALID', 'input.stages.1', 'null is not a stage: one of fetch and compute is expected'],
    ])
  })

  it('refuses a source that the first stage cannot take', () => {
    const launched = (stage: StageInput, source: LaunchPipelineInput['source']) => check([stage, SQUARE], { source })
    const refused = (stage: StageInput, source: LaunchPipelineInput['source']) => problemsOf(launched(stage, source))
    const refusedAt = (stage: StageInput, source: LaunchPipelineInput['source']) => placesOf(launched(stage, source))
    const template = { template: 'http://a.example/{i}', from: 1, to: 2, step: 1 }
    expect(refused(FETCH, RANGE)).toEqual([
      [
        'INVALID',
        'input.source.range',
        'range cannot go to a fetch, which the first stage is: it takes one of urls, requests, template, file',
      ],
    ])
    expect(refusedAt(FETCH, { inputs: [1] })).toEqual(['INVALID input.source.inputs'])
    expect(refused(SQUARE, URLS)).toEqual([
      [
        'INVALID',
        'input.source.urls',
        'urls cannot go to a compute, which the first stage is: it takes one of inputs, range, file',
      ],
    ])
    expect(refusedAt(SQUARE, { template })).toEqual(['INVALID input.source.template'])
    expect(refusedAt(SQUARE, { requests: [{ url: 'http://a.example/' }] })).toEqual(['INVALID input.source.requests'])
    expect(refused(FETCH, {})).toMatchObject([['INVALID', 'input.source', expect.stringContaining('is not a source')]])
    expect(refused(SQUARE, {})).toMatchObject([['INVALID', 'input.source', expect.stringContaining('is not a source')]])
  })

  it('checks the items as those of any batch', () => {
    expect(problemsOf(check([FETCH], { source: { urls: ['no'] } }))).toEqual([
      ['INVALID', 'input.source.urls.0', '"no" is not an absolute URL'],
    ])
    expect(problemsOf(check([SQUARE, SQUARE], { source: { inputs: [1, 'x'] } }))).toMatchObject([
      ['INVALID', 'input.source.inputs.1.n', expect.stringContaining('"x" does not fit the function')],
    ])
    expect(placesOf(check([SQUARE], { source: { range: { from: -1, to: 3, step: 1 } } }))).toEqual([
      'INVALID input.source.range',
    ])
    expect(placesOf(check([SQUARE], { source: { range: { from: 0, to: 2_000, step: 1 } } }))).toEqual([
      'TOO_MANY_ITEMS input.source.range',
    ])
  })

  it('refuses pointers that are none, and those that have nothing to point into', () => {
    const stages: StageInput[] = [
      { compute: { function: 'square', inputFrom: '/a' } },
      { fetch: { urlFrom: 'url' } },
      { compute: { function: 'square', inputFrom: '$.a' } },
    ]
    expect(problemsOf(check(stages))).toEqual([
      [
        'INVALID',
        'input.stages.0.compute.inputFrom',
        '"/a" points into nothing: the first stage has no stage before it',
      ],
      ['INVALID', 'input.stages.1.fetch.urlFrom', '"url" is not a JSON pointer, such as /items/0/url'],
      ['INVALID', 'input.stages.2.compute.inputFrom', '"$.a" is not a JSON pointer, such as /items/0/url'],
    ])
  })

  it('tells every problem at its own place, all at once', () => {
    const result = check(
      [
        { fetch: { name: '', fetch: { maxBytes: 0, okStatuses: [], headers: [{ name: 'a b', value: '' }] } } },
        { compute: { function: 'cube', concurrency: 0, strategy: 'CLUSTER', name: 'x'.repeat(201) } },
      ],
      { options: { strategy: 'CLUSTER', concurrency: -1, lanes: 99, retry: { maxAttempts: 0 }, timeoutMs: 0 } },
    )
    expect(placesOf(result)).toEqual([
      'INVALID input.stages.0.fetch.name',
      'INVALID input.stages.0.fetch.fetch.okStatuses',
      'INVALID input.stages.0.fetch.fetch.maxBytes',
      'INVALID input.stages.0.fetch.fetch.headers.0.name',
      'UNKNOWN_FUNCTION input.stages.1.compute.function',
      'INVALID input.stages.1.compute.name',
      'CLUSTER_UNAVAILABLE input.stages.1.compute.strategy',
      'INVALID input.stages.1.compute.concurrency',
      'CLUSTER_UNAVAILABLE input.options.strategy',
      'INVALID input.options.timeoutMs',
      'INVALID input.options.concurrency',
      'INVALID input.options.lanes',
      'INVALID input.options.retry.maxAttempts',
    ])
    expect(result.userErrors?.find(({ code }) => code === 'UNKNOWN_FUNCTION')?.message).toBe(
      'there is no function "cube"; there are square, words',
    )
  })

  it('gives equal inputs equal hashes, and others other ones', () => {
    const hash = (stages: StageInput[], changes = {}) => check(stages, changes).launch?.inputHash
    const plain = hash([FETCH, SQUARE])
    expect(hash([{ fetch: { name: 'fetch', concurrency: 64 } }, SQUARE])).toBe(plain)
    expect(hash([FETCH, SQUARE], { options: { strategy: 'AUTO', idempotencyKey: 'k' } })).toBe(plain)
    const others = [
      hash([FETCH]),
      hash([FETCH, SQUARE, SQUARE]),
      hash([FETCH, { compute: { function: 'words' } }]),
      hash([FETCH, { compute: { function: 'square', inputFrom: '/a' } }]),
      hash([{ fetch: { strategy: 'THREADS' } }, SQUARE]),
      hash([FETCH, SQUARE], { options: { lanes: 1 } }),
    ]
    expect(new Set([plain, ...others]).size).toBe(others.length + 1)
  })
})

describe('LaunchChecks.batch', () => {
  it('checks the one that is there, at its place', () => {
    const path = ['input', 'batch']
    const of = (input: Parameters<LaunchChecks['batch']>[0]) => checks().batch(input, path)
    expect(of({ fetch: { source: URLS } }).launch?.spec.kind).toBe('FETCH')
    expect(of({ compute: { function: 'square', source: RANGE } }).launch?.spec.kind).toBe('COMPUTE')
    expect(of({ pipeline: { source: URLS, stages: [FETCH] } }).launch?.spec.kind).toBe('PIPELINE')
    expect(problemsOf(of({}))).toEqual([
      ['INVALID', 'input.batch', 'null is not a batch: one of fetch, compute and pipeline is expected'],
    ])
    const broken = { pipeline: { source: RANGE, stages: [FETCH, { fetch: { urlFrom: 'x' } }] } }
    expect(problemsOf(of(broken)).map(([, field]) => field)).toEqual([
      'input.batch.pipeline.stages.1.fetch.urlFrom',
      'input.batch.pipeline.source.range',
    ])
  })

  it('tells its problems with those of the whole input', () => {
    const problems = new Problems()
    problems.add('INVALID', ['input', 'rounds'], '0 is not a number of rounds')
    const result = checks(problems).batch({ fetch: { source: { urls: ['no'] } } }, ['input', 'batch'])
    expect(result.userErrors?.map(({ field }) => field?.join('.'))).toEqual([
      'input.rounds',
      'input.batch.fetch.source.urls.0',
    ])
  })
})
