import { describe, expect, it } from 'vitest'
import { runId, taskId } from '../../../src/domain/ids.js'
import { execute } from '../../support/execute.js'
import { batchSpec } from '../../support/fake-runs.js'
import { testServices } from '../../support/fake-services.js'

const RUNS = `query($first: Int, $after: String, $last: Int, $before: String, $filter: RunFilter, $orderBy: RunOrder = CREATED_DESC) {
  runs(first: $first, after: $after, last: $last, before: $before, filter: $filter, orderBy: $orderBy) {
    totalCount edges { cursor } nodes { id } pageInfo { hasNextPage hasPreviousPage endCursor } } }`

interface RunPage {
  runs: { totalCount: number; nodes: unknown[]; pageInfo: { hasNextPage: boolean; endCursor: string } }
}

describe('Query.runs', () => {
  it('lists the latest first, page by page', async () => {
    const services = testServices()
    const ids = [1, 2, 3].map(() => runId(services.runs.add().key)).reverse()
    const first = (await execute<RunPage>(services, RUNS, { first: 2 })).data.runs
    expect(first).toMatchObject({ totalCount: 3, nodes: [{ id: ids[0] }, { id: ids[1] }] })
    expect(first.pageInfo.hasNextPage).toBe(true)
    const second = (await execute<RunPage>(services, RUNS, { first: 2, after: first.pageInfo.endCursor })).data.runs
    expect(second).toMatchObject({ nodes: [{ id: ids[2] }], pageInfo: { hasNextPage: false } })
    expect((await execute<RunPage>(services, RUNS, { orderBy: null, last: 1 })).data.runs.nodes).toEqual([
      { id: ids[2] },
    ])
  })

  it('refuses more labels than a run can have', async () => {
    const labels = Array.from({ length: 65 }, (_, at) => ({ name: `name ${at}`, value: '' }))
    expect((await execute(testServices(), RUNS, { filter: { labels } })).codes).toEqual(['BAD_USER_INPUT'])
  })

  it('filters, and takes null for no filter', async () => {
    const services = testServices()
    const fetches = services.runs.add({ spec: batchSpec({ kind: 'FETCH' }) })
    services.runs.add({ status: 'FAILED' })
    const found = async (filter: unknown) => (await execute<RunPage>(services, RUNS, { filter })).data.runs.totalCount
    expect(await found({ kind: ['FETCH'] })).toBe(1)
    expect(await found({ kind: ['FETCH'], status: ['FAILED'] })).toBe(0)
    expect(await found({ kind: null, status: null })).toBe(2)
    expect(await found(null)).toBe(2)
    const { data } = await execute<RunPage>(services, RUNS, { filter: { kind: ['FETCH'] } })
    expect(data.runs.nodes).toEqual([{ id: runId(fetches.key) }])
  })

  it('does not count where the count is not asked for', async () => {
    const services = testServices()
    await execute(services, '{ runs { nodes { id } } }')
    expect(services.runs.calls.countRuns).toBe(0)
  })

  it('refuses cursors of another order', async () => {
    const services = testServices()
    services.runs.add()
    const { endCursor } = (await execute<RunPage>(services, RUNS)).data.runs.pageInfo
    const { codes } = await execute<RunPage>(services, RUNS, { after: endCursor, orderBy: 'DURATION_ASC' })
    expect(codes).toEqual(['BAD_USER_INPUT'])
  })

  it.each([{ first: 1001 }, { first: -1 }, { first: 1, last: 2 }, { before: 'x' }])('refuses %j', async (args) => {
    expect((await execute(testServices(), RUNS, args)).codes).toEqual(['BAD_USER_INPUT'])
  })
})

describe('Query.node and Query.nodes', () => {
  const NODES = `query($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on Run { status } ... on Task { index input } } }`

  it('find runs and tasks in the order of the ids, and null for what is not there', async () => {
    const services = testServices()
    const { key } = services.runs.add()
    services.runs.end(key)
    const ids = [taskId(key, 0, 0), 'nonsense', runId(key), taskId(key, 0, 1), taskId(key, 1, 0), 'run_0']
    const { data, codes } = await execute(services, NODES, { ids })
    expect(codes).toEqual([])
    expect(data.nodes).toEqual([
      { __typename: 'Task', id: ids[0], index: 0, input: 0 },
      null,
      { __typename: 'Run', id: ids[2], status: 'RUNNING' },
      null,
      null,
      null,
    ])
  })

  it('read a run once, however many of its tasks are asked for', async () => {
    const services = testServices()
    const { key } = services.runs.add()
    for (let ended = 0; ended < 3; ended += 1) services.runs.end(key)
    await execute(services, NODES, { ids: [0, 1, 2].map((index) => taskId(key, 0, index)) })
    expect(services.runs.calls.run).toBe(1)
  })

  it('refuse more than a thousand ids', async () => {
    expect((await execute(testServices(), NODES, { ids: Array(1001).fill('x') })).codes).toEqual(['BAD_USER_INPUT'])
    expect((await execute(testServices(), NODES, { ids: Array(1000).fill('x') })).codes).toEqual([])
  })

  it('find one by its id', async () => {
    const services = testServices()
    const { key } = services.runs.add()
    const source = 'query($id: ID!) { node(id: $id) { id } }'
    expect((await execute(services, source, { id: runId(key) })).data).toEqual({ node: { id: runId(key) } })
    expect((await execute(services, source, { id: 'x' })).data).toEqual({ node: null })
  })
})
