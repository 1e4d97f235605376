import { describe, expect, it } from 'vitest'
import { matchesRun } from '../../../src/graphql/matching.js'
import type { RunFilter } from '../../../src/store/store.js'
import { batchSpec, FakeRuns } from '../../support/fake-runs.js'

describe('matchesRun', () => {
  const runs = new FakeRuns()
  const labels = [
    { name: 'team', value: 'a' },
    { name: 'env', value: 'test' },
  ]
  const run = runs.add({ spec: batchSpec({ name: 'squares', labels, strategy: 'THREADS' }), status: 'RUNNING' })
  const matches = (filter: RunFilter) => matchesRun(run, filter, runs.store)

  it.each<[RunFilter]>([
    [{}],
    [{ kind: ['FETCH', 'COMPUTE'] }],
    [{ status: ['RUNNING'] }],
    [{ strategy: ['THREADS'] }],
    [{ name: 'squares' }],
    [{ function: 'square' }],
    [{ labels }],
    [{ labels: [{ name: 'env', value: 'test' }] }],
    [{ createdAfter: run.createdAt, createdBefore: new Date(run.createdAt.getTime() + 1) }],
  ])('finds it by %j', async (filter) => {
    expect(await matches(filter)).toBe(true)
  })

  it.each<[RunFilter]>([
    [{ kind: ['FETCH'] }],
    [{ status: [] }],
    [{ strategy: ['AUTO'] }],
    [{ name: 'square' }],
    [{ function: 'squares' }],
    [{ labels: [{ name: 'env', value: 'live' }] }],
    [{ createdAfter: new Date(run.createdAt.getTime() + 1) }],
    [{ createdBefore: run.createdAt }],
    [{ host: 'a.example' }],
  ])('does not find it by %j', async (filter) => {
    expect(await matches(filter)).toBe(false)
  })

  it('finds it by a host that one of its tasks fetched from', async () => {
    const fetch = { host: 'a.example' } as NonNullable<ReturnType<FakeRuns['end']>['fetch']>
    runs.end(run.key, { fetch })
    expect(await matches({ host: 'a.example', status: ['RUNNING'] })).toBe(true)
  })
})
