import { describe, expect, it } from 'vitest'
import { comparisonId, runId } from '../../../src/domain/ids.js'
import type { UserError } from '../../../src/domain/problems.js'
import { execute } from '../../support/execute.js'
import { testServices } from '../../support/fake-services.js'

const COMPARISON = `query($id: ID!) { comparison(id: $id) {
  id name status strategies rounds createdAt verdict
  rows { strategy runs wallMs { count p50 exact } speedup efficiency }
  runs { id strategy comparison { id } }
} }`

const LAUNCH = `mutation($input: LaunchComparisonInput!) {
  launchComparison(input: $input) { comparison { id status } userErrors { code message field retryAfterMs } }
}`

describe('Comparison', () => {
  it('tells what was asked, how far it is, and what its runs come to', async () => {
    const services = testServices()
    const comparison = services.runs.addComparison({ name: 'which', rounds: 3 })
    const [sequential, threads] = comparison.runs.map(({ key }) => key)
    const id = comparisonId(comparison.key)
    const before = await execute(services, COMPARISON, { id })
    const runs = [
      { id: runId(sequential!), strategy: 'SEQUENTIAL', comparison: { id } },
      { id: runId(threads!), strategy: 'THREADS', comparison: { id } },
    ]
    expect(before.data.comparison).toEqual({
      id,
      name: 'which',
      status: 'QUEUED',
      strategies: ['SEQUENTIAL', 'THREADS'],
      rounds: 3,
      createdAt: comparison.createdAt.toISOString(),
      verdict: null,
      rows: [],
      runs,
    })
    services.runs.finishIn(sequential!, 1000)
    services.runs.finishIn(threads!, 500)
    const { data } = await execute(services, COMPARISON, { id })
    expect(data.comparison).toMatchObject({
      status: 'SUCCEEDED',
      verdict: 'THREADS was the fastest: 500 ms, 2 times as fast as SEQUENTIAL. One run each tells nothing of chance.',
      rows: [
        { strategy: 'SEQUENTIAL', runs: 1, wallMs: { count: 1, p50: 1000, exact: true }, speedup: 1, efficiency: 0.5 },
        { strategy: 'THREADS', runs: 1, wallMs: { count: 1, p50: 500, exact: true }, speedup: 2, efficiency: 1 },
      ],
    })
  })

  it('reads what is compared once, and only where something follows from it', async () => {
    const services = testServices()
    const id = comparisonId(services.runs.addComparison().key)
    await execute(services, 'query($id: ID!) { comparison(id: $id) { id name rounds createdAt } }', { id })
    expect(services.runs.calls.comparedRuns).toBe(0)
    await execute(services, COMPARISON, { id })
    // Once for it, and not for its runs, which ask its id alone.
    expect(services.runs.calls.comparedRuns).toBe(1)
  })

  it('is null of a run of its own, and of an id that is none', async () => {
    const services = testServices()
    const { key } = services.runs.add()
    const { data } = await execute(services, 'query($id: ID!) { run(id: $id) { comparison { id } } }', {
      id: runId(key),
    })
    expect(data).toEqual({ run: { comparison: null } })
    for (const id of [runId(key), 'comparison_1', comparisonId(services.runs.addComparison().key).replace('9', 'a')])
      expect((await execute(services, COMPARISON, { id })).data).toEqual({ comparison: null })
  })

  it('is found by its id among other nodes', async () => {
    const services = testServices()
    const { key } = services.runs.add()
    const comparison = services.runs.addComparison()
    const ids = [comparisonId(comparison.key), runId(key), 'comparison_ffffffffffffffffffffffffffffffff']
    const NODES = 'query($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on Comparison { status } } }'
    const { data } = await execute(services, NODES, { ids })
    expect(data.nodes).toEqual([
      { __typename: 'Comparison', id: ids[0], status: 'QUEUED' },
      { __typename: 'Run', id: ids[1] },
      null,
    ])
  })
})

describe('Query.comparisons', () => {
  const PAGE = `query($first: Int, $after: String, $last: Int) { comparisons(first: $first, after: $after, last: $last) {
    totalCount nodes { id } edges { cursor node { name } } pageInfo { hasNextPage hasPreviousPage endCursor } } }`

  interface ComparisonPage {
    comparisons: { totalCount: number; nodes: unknown[]; pageInfo: { hasNextPage: boolean; endCursor: string } }
  }

  it('lists the latest first, page by page', async () => {
    const services = testServices()
    const ids = [1, 2, 3].map(() => comparisonId(services.runs.addComparison().key)).reverse()
    const first = (await execute<ComparisonPage>(services, PAGE, { first: 2 })).data.comparisons
    expect(first).toMatchObject({
      totalCount: 3,
      nodes: [{ id: ids[0] }, { id: ids[1] }],
      pageInfo: { hasNextPage: true },
    })
    const { endCursor } = first.pageInfo
    const next = (await execute<ComparisonPage>(services, PAGE, { first: 2, after: endCursor })).data.comparisons
    expect(next).toMatchObject({ nodes: [{ id: ids[2] }], pageInfo: { hasNextPage: false, hasPreviousPage: true } })
  })

  it.each([{ first: 1001 }, { first: -1 }, { first: 1, last: 2 }, { after: 'x' }])('refuses %j', async (args) => {
    expect((await execute(testServices(), PAGE, args)).codes).toEqual(['BAD_USER_INPUT'])
  })

  it('refuses the cursors of runs', async () => {
    const services = testServices()
    services.runs.addComparison()
    const runs = await execute<{ runs: { pageInfo: { endCursor: string } } }>(
      services,
      '{ runs(first: 1) { pageInfo { endCursor } } }',
    )
    const { codes } = await execute(services, PAGE, { after: runs.data.runs.pageInfo.endCursor })
    expect(codes).toEqual(['BAD_USER_INPUT'])
  })
})

describe('launchComparison', () => {
  const batch = { compute: { function: 'square', source: { inputs: [1] } } }

  it('hands the input to the engine with its defaults, and answers with the comparison', async () => {
    const services = testServices()
    const comparison = services.runs.addComparison()
    services.runs.comparisonOutcome = { comparison, userErrors: [] }
    const { data } = await execute(services, LAUNCH, { input: { batch } })
    expect(data.launchComparison).toEqual({
      comparison: { id: comparisonId(comparison.key), status: 'QUEUED' },
      userErrors: [],
    })
    const strategies = ['SEQUENTIAL', 'ASYNC', 'THREADS', 'PROCESSES']
    expect(services.runs.launches).toEqual([{ space: '', input: { batch, strategies, rounds: 1 } }])
  })

  it('answers with what the caller can mend', async () => {
    const services = testServices()
    const userErrors: UserError[] = [
      { code: 'INVALID', message: 'no', field: ['input', 'rounds'], retryAfterMs: null },
      { code: 'CLUSTER_UNAVAILABLE', message: 'none', field: ['input', 'strategies', '1'], retryAfterMs: null },
    ]
    services.runs.comparisonOutcome = { comparison: null, userErrors }
    const { data } = await execute(services, LAUNCH, {
      input: { batch, strategies: ['THREADS', 'CLUSTER'], rounds: 99 },
    })
    expect(data.launchComparison).toEqual({ comparison: null, userErrors })
  })

  it.each([{ batch: {} }, { batch: { ...batch, fetch: { source: { urls: [] } } } }, { batch, strategies: null }, {}])(
    'refuses %j',
    async (input) => {
      const services = testServices()
      expect((await execute(services, LAUNCH, { input })).codes).toHaveLength(1)
      expect(services.runs.launches).toEqual([])
    },
  )
})
