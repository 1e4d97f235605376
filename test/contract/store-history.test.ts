/** What a store tells of runs over time, also of those that it has deleted; see src/store/store.ts. */

import { describe, expect, it } from 'vitest'
import type { BatchSpec } from '../../src/domain/batch.js'
import type { RunRecord, RunState } from '../../src/domain/run.js'
import { emptyMoments } from '../../src/domain/timing.js'
import type { TimingPoint } from '../../src/domain/timing-history.js'
import type { RunFilter, Store, TimingHistoryQuery } from '../../src/store/store.js'
import { block, commitOf, fetchDetail, type ReportedTask } from '../support/store.js'
import { stores, useStore } from '../support/store-subject.js'

const NOON = new Date('2026-11-29T12:00:00.000Z')
const HOUR_MS = 3_600_000

function ended(rows: number, finishedAt = NOON): Partial<RunState> {
  return {
    status: 'SUCCEEDED',
    startedAt: new Date(finishedAt.getTime() - 1_000),
    finishedAt,
    lastTaskSequence: rows,
    times: { service: emptyMoments(), queueWait: emptyMoments(), cpuMs: 0, firstStartMs: 0, lastEndMs: 500 },
  }
}

const FETCHES: Partial<BatchSpec> = {
  kind: 'FETCH',
  stages: [
    {
      kind: 'FETCH',
      name: 'fetch',
      fetch: {
        bodyPolicy: 'DISCARD',
        maxBytes: 1,
        maxRedirects: 0,
        headers: [],
        okStatuses: null,
      },
    },
  ],
}

const error = { code: 'FUNCTION_ERROR' as const, message: 'no', retryable: false }

describe.each(stores)('history of the %s store', (_name, create) => {
  const { current, launch, reopen } = useStore(create)

  const ask = async (query: Partial<TimingHistoryQuery> = {}, store: Store = current()): Promise<TimingPoint[]> =>
    (await store.timingHistory({ filter: {}, bucket: 'DAY', groupBy: 'NONE', label: null, ...query })) ?? []
  const told = (points: TimingPoint[]) =>
    points.map(({ group, runs, tasks, failed }) => ({ group, runs, tasks, failed }))

  const run = async (
    spec: Partial<BatchSpec>,
    tasks: readonly ReportedTask[],
    finishedAt = NOON,
  ): Promise<RunRecord> => {
    const record = await launch({ spec })
    await current().commit([commitOf(record, [block(tasks, { firstSequence: 1 })], ended(tasks.length, finishedAt))])
    return record
  }
  const some = (count: number, serviceMs: number) => Array.from({ length: count }, (_, index) => ({ index, serviceMs }))
  const at = (host: string, index: number, serviceMs: number): ReportedTask => ({
    index,
    serviceMs,
    fetch: { ...fetchDetail, host },
  })

  /** Two computes, one of them an hour later and with a failed task, and fetches from two hosts. */
  const three = async () => {
    const compute = await run({ strategy: 'THREADS', labels: [{ name: 'team', value: 'red' }] }, some(3, 2))
    const failing = await run(
      { strategy: 'AUTO', name: 'nightly', labels: [{ name: 'team', value: 'blue' }] },
      [...some(1, 4), { index: 1, serviceMs: 6, outcome: 1, error }],
      new Date(NOON.getTime() + HOUR_MS),
    )
    const fetches = await run({ ...FETCHES, strategy: 'AUTO' }, [at('a', 0, 10), at('b', 1, 20), at('a', 2, 30)])
    return { compute, failing, fetches }
  }

  const QUESTIONS: { query: Partial<TimingHistoryQuery>; groups: [string | null, number, number][] }[] = [
    { query: {}, groups: [[null, 3, 8]] },
    {
      query: { groupBy: 'KIND' },
      groups: [
        ['COMPUTE', 2, 5],
        ['FETCH', 1, 3],
      ],
    },
    {
      query: { groupBy: 'STRATEGY' },
      groups: [
        ['AUTO', 2, 5],
        ['THREADS', 1, 3],
      ],
    },
    {
      query: { groupBy: 'FUNCTION' },
      groups: [
        ['sumOfSquares', 2, 5],
        [null, 1, 3],
      ],
    },
    {
      query: { groupBy: 'HOST' },
      groups: [
        ['a', 1, 2],
        ['b', 1, 1],
        [null, 2, 5],
      ],
    },
    {
      query: { groupBy: 'LABEL', label: 'team' },
      groups: [
        ['blue', 1, 2],
        ['red', 1, 3],
        [null, 1, 3],
      ],
    },
    { query: { filter: { kind: ['FETCH'] } }, groups: [[null, 1, 3]] },
    { query: { filter: { strategy: ['THREADS', 'ASYNC'] } }, groups: [[null, 1, 3]] },
    { query: { filter: { function: 'sumOfSquares' } }, groups: [[null, 2, 5]] },
    { query: { filter: { function: 'other' } }, groups: [] },
    { query: { filter: { host: 'b' } }, groups: [[null, 1, 3]] },
    { query: { filter: { labels: [{ name: 'team', value: 'red' }] } }, groups: [[null, 1, 3]] },
    { query: { filter: { name: 'nightly' } }, groups: [[null, 1, 2]] },
    { query: { filter: { status: ['FAILED'] } }, groups: [] },
    { query: { filter: { createdAfter: new Date(0) } }, groups: [[null, 3, 8]] },
    { query: { filter: { createdBefore: new Date(0) } }, groups: [] },
  ]

  it('groups and filters runs that are there, and tells the same of them when they are gone', async () => {
    const runs = await three()
    const answers = async () => {
      const found = []
      for (const { query } of QUESTIONS)
        found.push((await ask(query)).map(({ group, runs: count, tasks }) => [group, count, tasks]))
      return found
    }
    const expected = QUESTIONS.map(({ groups }) => groups)
    expect(await answers()).toEqual(expected)
    const before = await ask()
    await current().deleteRun(runs.compute.id)
    expect(await answers()).toEqual(expected)
    for (const { id } of [runs.failing, runs.fetches]) await current().deleteRun(id)
    expect(await answers()).toEqual(expected)
    const [after] = await ask()
    expect(after?.service.moments).toEqual({
      ...before[0]!.service.moments,
      mean: expect.closeTo(before[0]!.service.moments.mean),
      m2: expect.closeTo(before[0]!.service.moments.m2),
    })
    expect(after).toMatchObject({ runs: 3, tasks: 8, failed: 1, throughput: 8 / 1.5 })
    const store = await reopen()
    expect(told(await ask({}, store))).toEqual([{ group: null, runs: 3, tasks: 8, failed: 1 }])
  })

  it('tells of hours and minutes while the runs are there, and of days and weeks for ever', async () => {
    const { compute } = await three()
    const starts = async (bucket: TimingHistoryQuery['bucket']) =>
      (await ask({ bucket })).map(({ bucketStart, runs }) => [bucketStart.toISOString(), runs])
    expect(await starts('HOUR')).toEqual([
      ['2026-11-29T12:00:00.000Z', 2],
      ['2026-11-29T13:00:00.000Z', 1],
    ])
    expect(await starts('MINUTE')).toEqual(await starts('HOUR'))
    await current().deleteRun(compute.id)
    expect(await starts('HOUR')).toEqual([
      ['2026-11-29T12:00:00.000Z', 1],
      ['2026-11-29T13:00:00.000Z', 1],
    ])
    expect(await starts('DAY')).toEqual([['2026-11-29T00:00:00.000Z', 3]])
    expect(await starts('WEEK')).toEqual([['2026-11-23T00:00:00.000Z', 3]])
  })

  it('merges deleted runs that were alike, and finds them by when all of them were launched', async () => {
    const same = { strategy: 'THREADS' as const }
    const runs = [await run(same, some(2, 1)), await run(same, some(3, 100))]
    for (const { id } of runs) await current().deleteRun(id)
    const [point] = await ask()
    expect(point).toMatchObject({ runs: 2, tasks: 5, throughput: 5 })
    expect(point?.service.moments).toMatchObject({ min: 1, max: 100, sum: 302 })
    const launchedAt = runs[0]!.createdAt.getTime()
    const within = (filter: RunFilter) => ask({ filter })
    expect(await within({ createdAfter: new Date(launchedAt), createdBefore: new Date(launchedAt + 1) })).toHaveLength(
      1,
    )
    expect(await within({ createdAfter: new Date(launchedAt + 1) })).toEqual([])
    expect(await within({ createdBefore: new Date(launchedAt) })).toEqual([])
  })

  it('leaves out what has not ended, what was cancelled in service, and waits between attempts', async () => {
    const record = await launch({ spec: {} })
    const tasks = [
      { index: 0, serviceMs: 5 },
      { index: 1, serviceMs: 7, outcome: 2 },
      { index: 2, attempt: 2, serviceMs: 3 },
    ]
    const attempt = { startedMs: 1, lane: 'thread-1', error: null }
    const histories = [
      {
        at: 2,
        attempts: [
          { ...attempt, number: 1, serviceMs: 4 },
          { ...attempt, number: 2, startedMs: 900, serviceMs: 3 },
        ],
      },
    ]
    await current().commit([commitOf(record, [block(tasks, { firstSequence: 1, histories })])])
    expect(await ask()).toEqual([])
    await current().commit([commitOf(record, [], { ...ended(3), status: 'CANCELLED' })])
    const [point] = await ask()
    expect(point).toMatchObject({ runs: 1, tasks: 2 })
    expect(point?.service.moments).toMatchObject({ count: 2, min: 5, max: 7, sum: 12 })
  })

  it('counts tasks that have the answer of another one, without a time', async () => {
    await run({}, [
      { index: 0, serviceMs: 5 },
      { index: 1, attempt: 0, serviceMs: 0, startedMs: null },
    ])
    const [point] = await ask()
    expect(point).toMatchObject({ tasks: 2 })
    expect(point?.service.moments).toMatchObject({ count: 1, sum: 5 })
  })

  it('reads the rows of a run that began before the store was opened', async () => {
    const record = await launch({ spec: {} })
    await current().commit([commitOf(record, [block(some(4, 2), { firstSequence: 1 })])])
    const store = await reopen()
    const more = [{ index: 9, serviceMs: 8, outcome: 1, error }]
    await store.commit([commitOf(record, [block(more, { firstSequence: 5 })], ended(5))])
    const [point] = await ask({ groupBy: 'FUNCTION' }, store)
    expect(point).toMatchObject({ group: 'sumOfSquares', runs: 1, tasks: 5, failed: 1 })
    expect(point?.service.moments).toMatchObject({ count: 5, sum: 16 })
  })
})
