import { describe, expect, it } from 'vitest'
import { checkComparison } from '../../../src/engine/comparison-checks.js'
import type { BatchInput, LaunchComparisonInput } from '../../../src/engine/engine.js'
import type { FunctionCatalog } from '../../../src/functions/function.js'
import { LIMITS } from '../../support/engine-world.js'

const functions: FunctionCatalog = {
  list: () => [{ name: 'any', description: '', inputSchema: true, outputSchema: null, example: null }],
  has: (name) => name === 'any',
  validate: (_name, input) => (input === 'bad' ? [{ path: [], message: 'must be good' }] : []),
  validateRange: () => [],
}

const compute: BatchInput = { compute: { function: 'any', source: { range: { from: 0, to: 4, step: 1 } } } }

function check(changes: Partial<LaunchComparisonInput> = {}) {
  const input = { batch: compute, strategies: ['SEQUENTIAL' as const, 'THREADS' as const], rounds: 1, ...changes }
  return checkComparison(input, LIMITS, functions)
}

const problemsOf = (changes: Partial<LaunchComparisonInput>) =>
  check(changes).userErrors?.map(({ code, field }) => `${code} ${field?.join('.')}`)

/** What each strategy is run with. */
function specsOf(batch: BatchInput, strategies: LaunchComparisonInput['strategies']) {
  const { comparison, userErrors } = check({ batch, strategies })
  expect(userErrors).toBeNull()
  return comparison!.specs
}

const hashOf = (changes: Partial<LaunchComparisonInput>) => check(changes).comparison?.launch.inputHash

describe('checkComparison', () => {
  it('takes AUTO and all the others, and tells where the source is', () => {
    const strategies = ['AUTO', 'SEQUENTIAL', 'ASYNC', 'THREADS', 'PROCESSES'] as const
    const { comparison } = check({ strategies: [...strategies], rounds: 40, name: 'all' })
    expect(comparison).toMatchObject({
      name: 'all',
      rounds: 40,
      strategies,
      sourcePath: ['input', 'batch', 'compute', 'source'],
    })
    expect(comparison?.specs.map(({ strategy, name }) => [strategy, name])).toEqual(
      strategies.map((strategy) => [strategy, 'all']),
    )
  })

  it('tells every problem at once, each at its place', () => {
    expect(
      problemsOf({
        strategies: ['THREADS', 'CLUSTER', 'THREADS'],
        rounds: 51,
        name: '',
        batch: { compute: { function: 'none', source: { inputs: [] }, options: { priority: 0.5 } } },
      }),
    ).toEqual([
      'CLUSTER_UNAVAILABLE input.strategies.1',
      'INVALID input.strategies.2',
      'INVALID input.rounds',
      'INVALID input.name',
      'UNKNOWN_FUNCTION input.batch.compute.function',
      'INVALID input.batch.compute.source.inputs',
      'INVALID input.batch.compute.options.priority',
    ])
    const bad = { compute: { function: 'any', source: { inputs: ['good', 'bad'] } } }
    expect(problemsOf({ batch: bad })).toEqual(['INVALID input.batch.compute.source.inputs.1'])
  })

  it.each<[string, Partial<LaunchComparisonInput>]>([
    ['INVALID input.strategies', { strategies: [] }],
    ['INVALID input.rounds', { rounds: 0 }],
    ['INVALID input.rounds', { rounds: 1.5 }],
    ['INVALID input.rounds', { strategies: ['AUTO', 'SEQUENTIAL', 'ASYNC', 'THREADS', 'PROCESSES'], rounds: 41 }],
    ['INVALID input.batch', { batch: {} }],
    ['UNSUPPORTED_SCHEME input.batch.fetch.source.urls.0', { batch: { fetch: { source: { urls: ['ftp://a/'] } } } }],
  ])('refuses: %s', (problem, changes) => {
    expect(problemsOf(changes)).toEqual([problem])
  })

  it('says how many runs it would be', () => {
    const strategies: LaunchComparisonInput['strategies'] = ['AUTO', 'SEQUENTIAL', 'ASYNC', 'THREADS', 'PROCESSES']
    expect(check({ strategies, rounds: 50 }).userErrors?.[0]?.message).toBe(
      '50 rounds of 5 strategies are 250 runs, more than 200',
    )
  })

  it('has the default of each strategy for what is in flight, unless the batch says it', () => {
    const fetch = { source: { urls: ['http://a/'] } }
    const concurrencies = (batch: BatchInput) =>
      specsOf(batch, ['SEQUENTIAL', 'ASYNC', 'THREADS']).map(({ concurrency }) => concurrency)
    expect(concurrencies({ fetch })).toEqual([1, 64, 64])
    expect(concurrencies(compute)).toEqual([1, 16, null])
    expect(concurrencies({ fetch: { ...fetch, options: { concurrency: 5 } } })).toEqual([5, 5, 5])
  })

  it('does not look at what the batch asks for in the place of the compared strategies', () => {
    const asking = (strategy: 'CLUSTER' | 'ASYNC') => ({
      compute: { ...compute.compute!, options: { strategy, lanes: 3 } },
    })
    for (const strategy of ['CLUSTER', 'ASYNC'] as const) {
      expect(specsOf(asking(strategy), ['THREADS'])).toMatchObject([{ strategy: 'THREADS', lanes: 3 }])
    }
    expect(hashOf({ batch: asking('ASYNC') })).toBe(hashOf({ batch: asking('CLUSTER') }))
  })

  it('runs all stages of a pipeline under the compared strategy', () => {
    const pipeline = {
      source: { urls: ['http://a/'] },
      stages: [
        { fetch: { strategy: 'CLUSTER' as const, concurrency: 7 } },
        { compute: { function: 'any', inputFrom: '/a', strategy: 'PROCESSES' as const } },
      ],
    }
    const execution = (options: object, strategy: 'SEQUENTIAL' | 'ASYNC' | 'THREADS') =>
      specsOf({ pipeline: { ...pipeline, options } }, [strategy]).map((spec) => [
        spec.strategy,
        ...spec.stages.map((stage) => [stage.strategy, stage.concurrency, stage.from]),
      ])
    expect(execution({}, 'ASYNC')).toEqual([['ASYNC', ['ASYNC', 7, ''], ['ASYNC', 16, '/a']]])
    expect(execution({}, 'THREADS')).toEqual([['THREADS', ['THREADS', 7, ''], ['THREADS', null, '/a']]])
    expect(execution({ concurrency: 3 }, 'SEQUENTIAL')).toEqual([
      ['SEQUENTIAL', ['SEQUENTIAL', 7, ''], ['SEQUENTIAL', 3, '/a']],
    ])
    expect(problemsOf({ batch: { pipeline: { ...pipeline, stages: [{}] } } })).toContain(
      'INVALID input.batch.pipeline.stages.0',
    )
  })

  it('judges each run by the budget of the batch', () => {
    const budget = { wallMs: 100, failureRate: 0 }
    const specs = specsOf({ compute: { ...compute.compute!, options: { budget } } }, ['SEQUENTIAL', 'THREADS'])
    const expected = { wallMs: 100, serviceP95Ms: null, failureRate: 0 }
    expect(specs.map((spec) => spec.budget)).toEqual([expected, expected])
  })

  it('tells inputs apart that would be run otherwise, or otherwise often', () => {
    const named = { compute: { ...compute.compute!, options: { name: 'a' } } }
    const hashes = [
      hashOf({}),
      hashOf({ rounds: 2 }),
      hashOf({ strategies: ['SEQUENTIAL'] }),
      hashOf({ strategies: ['THREADS', 'SEQUENTIAL'] }),
      hashOf({ name: 'b' }),
      hashOf({ batch: named }),
    ]
    expect(new Set(hashes).size).toBe(hashes.length)
    // Of two names the comparison's is the one that is used.
    expect(hashOf({ batch: { compute: { ...compute.compute!, options: { idempotencyKey: 'k' } } } })).toBe(hashes[0])
  })
})
