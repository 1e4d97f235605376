/** What every store promises of tasks; see src/store/store.ts. */

import { beforeEach, describe, expect, it } from 'vitest'
import type { TaskError } from '../../src/domain/errors.js'
import { Outcome } from '../../src/domain/results.js'
import type { RunRecord } from '../../src/domain/run.js'
import type { PageRequest, Store, TaskFilter, TaskOrder } from '../../src/store/store.js'
import { block, commitOf, fetchDetail, newRun, type ReportedTask } from '../support/store.js'
import { stores, useStore } from '../support/store-subject.js'

const timeout: TaskError = { code: 'TIMEOUT', message: 'no answer within 100 ms', retryable: true }
const badInput: TaskError = { code: 'INVALID_INPUT', message: 'expected a number', retryable: false }

describe.each(stores)('store %s', (_name, create) => {
  const { current, launch, write } = useStore(create)
  let store: Store
  beforeEach(() => {
    store = current()
  })

  const indexes = async (run: RunRecord, filter: TaskFilter, order: TaskOrder = 'INDEX') =>
    (await store.tasks(run.id, filter, order, { first: 100 })).rows.map(({ row }) => row.index)

  describe('lastTasks', () => {
    it('gives the last ones of a run in the order of the commits, whenever they ended', async () => {
      const run = await launch()
      await write(run, [
        { index: 5, startedMs: 100, serviceMs: 50, cpuMs: 40 },
        { index: 3, startedMs: 10, serviceMs: 2 },
        { index: 4, startedMs: 1, serviceMs: 9, outcome: Outcome.FAILED, error: timeout },
      ])
      const all = await store.lastTasks(run.id, 0, 10)
      expect(all.sort((a, b) => a.index - b.index)).toEqual([
        { index: 3, endedMs: 12, serviceMs: 2, cpuMs: null },
        { index: 4, endedMs: 10, serviceMs: 9, cpuMs: null },
        { index: 5, endedMs: 150, serviceMs: 50, cpuMs: 40 },
      ])
      expect((await store.lastTasks(run.id, 0, 2)).map(({ index }) => index).sort()).toEqual([3, 4])
      expect(await store.lastTasks(run.id, 1, 10)).toEqual([])
      expect(await store.lastTasks(run.id + 1, 0, 10)).toEqual([])
    })

    it('takes of several attempts the last one', async () => {
      const run = await launch()
      const attempt = { lane: 'thread-1', error: timeout }
      const attempts = [
        { ...attempt, number: 1, startedMs: 10, serviceMs: 100 },
        { ...attempt, number: 2, startedMs: 500, serviceMs: 30, error: null },
      ]
      const task = { index: 0, attempt: 2, startedMs: 500, serviceMs: 30 }
      await store.commit([commitOf(run, [block([task], { firstSequence: 1, histories: [{ at: 0, attempts }] })])])
      expect(await store.lastTasks(run.id, 0, 10)).toEqual([{ index: 0, endedMs: 530, serviceMs: 30, cpuMs: null }])
    })

    it('leaves out what was cancelled, never started, or has another one’s answer', async () => {
      const run = await launch()
      await write(run, [
        { index: 0, outcome: Outcome.CANCELLED },
        { index: 1, startedMs: null, outcome: Outcome.CANCELLED },
        { index: 2, attempt: 0, startedMs: null, serviceMs: 0 },
        { index: 3 },
      ])
      expect((await store.lastTasks(run.id, 0, 10)).map(({ index }) => index)).toEqual([3])
    })
  })

  describe('tasks', () => {
    /** index → startedMs, serviceMs */
    const timed: ReportedTask[] = [
      { index: 2, startedMs: 10, serviceMs: 5 },
      { index: 0, startedMs: 30, serviceMs: 1 },
      { index: 4, startedMs: null, outcome: Outcome.CANCELLED },
      { index: 1, startedMs: 20, serviceMs: 9 },
      { index: 3, startedMs: 5, serviceMs: 5 },
    ]

    it('is ordered by index, slowness, start or end', async () => {
      const run = await launch()
      await write(run, timed)
      expect(await indexes(run, {}, 'INDEX')).toEqual([0, 1, 2, 3, 4])
      expect(await indexes(run, {}, 'SLOWEST')).toEqual([1, 3, 2, 0, 4])
      expect(await indexes(run, {}, 'STARTED')).toEqual([3, 2, 1, 0, 4])
      expect(await indexes(run, {}, 'ENDED')).toEqual([2, 0, 4, 1, 3])
    })

    it('keep what has another one’s answer as it is: never sent, in no time', async () => {
      const run = await launch()
      const shared = { attempt: 0, startedMs: null, serviceMs: 0, fetch: fetchDetail }
      await store.commit([
        commitOf(run, [
          block([{ index: 1, serviceMs: 4, output: '"a"', fetch: fetchDetail }], { firstSequence: 1 }),
          block(
            [
              { ...shared, index: 0, output: '"a"' },
              { ...shared, index: 3, outcome: Outcome.FAILED, error: timeout },
              { ...shared, index: 2, output: '"a"' },
            ],
            { firstSequence: 2, lane: null },
          ),
        ]),
      ])
      const never = { attempts: 0, history: null, lane: null, startedMs: null, queueWaitMs: null, cpuMs: null }
      const answered = { ...never, serviceMs: 0, fetch: fetchDetail, status: 'SUCCEEDED', output: '"a"', error: null }
      expect(await store.task(run.id, 0, 0)).toEqual({ ...answered, stage: 0, index: 0, sequence: 2 })
      expect(await store.task(run.id, 0, 2)).toEqual({ ...answered, stage: 0, index: 2, sequence: 4 })
      const failed = { ...answered, status: 'FAILED', output: null, error: timeout }
      expect(await store.task(run.id, 0, 3)).toEqual({ ...failed, stage: 0, index: 3, sequence: 3 })
      expect(await indexes(run, {}, 'SLOWEST')).toEqual([1, 2, 3, 0])
      expect(await indexes(run, { host: fetchDetail.host })).toEqual([0, 1, 2, 3])
      expect((await store.errors(run.id, 5)).map(({ code, count }) => [code, count])).toEqual([['TIMEOUT', 1]])
      expect([...(await store.times(run.id, null, 'serviceMs'))]).toEqual([4])
      expect(await store.times(run.id, null, 'queueWaitMs')).toHaveLength(1)
      const all = { stage: null, host: null }
      expect((await store.serviceSample(run.id, all, 10)).timesMs).toHaveLength(1)
    })

    it('orders by index, then by stage', async () => {
      const run = await launch()
      await store.commit([
        commitOf(run, [
          block([{ index: 1 }, { index: 0 }], { firstSequence: 1 }),
          block([{ index: 1 }, { index: 0 }], { firstSequence: 3, stage: 1 }),
        ]),
      ])
      const { rows } = await store.tasks(run.id, {}, 'INDEX', { first: 10 })
      expect(rows.map(({ row, position }) => [row.index, row.stage, position])).toEqual([
        [0, 0, [0, 0]],
        [0, 1, [0, 1]],
        [1, 0, [1, 0]],
        [1, 1, [1, 1]],
      ])
    })

    it.each(['INDEX', 'SLOWEST', 'STARTED', 'ENDED'] as const)(
      'gives pages of %s, and says what lies beyond them',
      async (order) => {
        const run = await launch()
        await write(run, timed)
        const all = await indexes(run, {}, order)
        const page = async (request: PageRequest) => {
          const { rows, ...ends } = await store.tasks(run.id, {}, order, request)
          return { rows: rows.map(({ row }) => row.index), at: rows.map(({ position }) => position), ...ends }
        }
        const first = await page({ first: 2 })
        expect(first).toMatchObject({ rows: all.slice(0, 2), hasNextPage: true, hasPreviousPage: false })
        const second = await page({ first: 2, after: first.at[1]! })
        expect(second).toMatchObject({ rows: all.slice(2, 4), hasNextPage: true, hasPreviousPage: true })
        const third = await page({ first: 2, after: second.at[1]! })
        expect(third).toMatchObject({ rows: all.slice(4), hasNextPage: false, hasPreviousPage: true })
        expect(await page({ first: 2, after: third.at[0]! })).toMatchObject({
          rows: [],
          hasNextPage: false,
          hasPreviousPage: true,
        })
        expect(await page({ last: 2 })).toMatchObject({ rows: all.slice(3), hasNextPage: false, hasPreviousPage: true })
        expect(await page({ last: 2, before: third.at[0]! })).toMatchObject({
          rows: all.slice(2, 4),
          hasNextPage: true,
          hasPreviousPage: true,
        })
        expect(await page({ last: 2, before: second.at[0]! })).toMatchObject({
          rows: all.slice(0, 2),
          hasNextPage: true,
          hasPreviousPage: false,
        })
        expect(await page({ first: 5, after: first.at[0]!, before: third.at[0]! })).toMatchObject({
          rows: all.slice(1, 4),
          hasNextPage: true,
          hasPreviousPage: true,
        })
        expect(await page({ first: 5 })).toMatchObject({ rows: all, hasNextPage: false, hasPreviousPage: false })
      },
    )

    it('is empty for a run without tasks', async () => {
      const run = await launch()
      for (const order of ['INDEX', 'SLOWEST', 'STARTED', 'ENDED'] as const)
        expect(await store.tasks(run.id, {}, order, { first: 3 })).toEqual({
          rows: [],
          hasNextPage: false,
          hasPreviousPage: false,
        })
      expect(await store.countTasks(run.id, {})).toBe(0)
      expect(await store.task(run.id, 0, 0)).toBeNull()
    })

    it('is filtered by each of its traits, and by several', async () => {
      const run = await launch()
      const other = { ...fetchDetail, host: 'b.example' }
      await store.commit([
        commitOf(run, [
          block(
            [
              { index: 0, serviceMs: 1, fetch: fetchDetail },
              { index: 1, serviceMs: 2, fetch: other, outcome: Outcome.FAILED, error: timeout },
              { index: 2, serviceMs: 3, fetch: null, outcome: Outcome.FAILED, error: badInput },
            ],
            { firstSequence: 1 },
          ),
          block(
            [
              { index: 3, serviceMs: 4, outcome: Outcome.CANCELLED },
              { index: 4, serviceMs: 5 },
            ],
            { firstSequence: 4, lane: 'thread-2' },
          ),
          block([{ index: 0, serviceMs: 6 }], { firstSequence: 6, lane: 'thread-2', stage: 1 }),
        ]),
      ])
      const cases: [TaskFilter, number[]][] = [
        [{ status: ['SUCCEEDED'] }, [0, 0, 4]],
        [{ status: ['FAILED'] }, [1, 2]],
        [{ status: ['FAILED', 'CANCELLED'] }, [1, 2, 3]],
        [{ status: ['SUCCEEDED', 'FAILED', 'CANCELLED'] }, [0, 0, 1, 2, 3, 4]],
        [{ status: [] }, []],
        [{ stage: 1 }, [0]],
        [{ stage: 2 }, []],
        [{ lane: 'thread-2' }, [0, 3, 4]],
        [{ lane: 'thread-3' }, []],
        [{ host: 'b.example' }, [1]],
        [{ host: 'c.example' }, []],
        [{ errorCode: 'TIMEOUT' }, [1]],
        [{ errorCode: 'DNS' }, []],
        [{ minServiceMs: 4 }, [0, 3, 4]],
        [{ minServiceMs: 4, lane: 'thread-2', stage: 0 }, [3, 4]],
        [{ status: ['FAILED'], host: fetchDetail.host }, []],
        [{ errorCode: 'INVALID_INPUT', status: ['FAILED'], stage: 0, minServiceMs: 3 }, [2]],
        [{ errorCode: 'INVALID_INPUT', status: ['SUCCEEDED'] }, []],
      ]
      for (const [filter, expected] of cases)
        for (const order of ['INDEX', 'SLOWEST', 'STARTED', 'ENDED'] as const) {
          expect([filter, (await indexes(run, filter, order)).sort((a, b) => a - b)]).toEqual([filter, expected])
          expect([filter, await store.countTasks(run.id, filter)]).toEqual([filter, expected.length])
        }
    })

    it('is read after a sequence number, in the order of the commits', async () => {
      const run = await launch()
      await write(run, timed)
      const read = async (after: number, limit: number) =>
        (await store.tasksAfter(run.id, after, limit)).map(({ sequence }) => sequence)
      expect(await read(0, 2)).toEqual([1, 2])
      expect(await read(2, 2)).toEqual([3, 4])
      expect(await read(4, 2)).toEqual([5])
      expect(await read(5, 2)).toEqual([])
    })
  })

  describe('errors', () => {
    it('groups failed tasks by code over all commits, most frequent first', async () => {
      const run = await launch()
      const failed = (index: number, error: TaskError) => ({ index, outcome: Outcome.FAILED, error })
      await store.commit([
        commitOf(run, [block([{ index: 0 }, failed(1, badInput), failed(2, timeout)], { firstSequence: 1 })]),
        commitOf(run, [block([failed(3, { ...timeout, message: 'another text' })], { firstSequence: 4 })]),
      ])
      await store.commit([
        commitOf(run, [
          block([failed(4, timeout), { index: 5, outcome: Outcome.CANCELLED, error: badInput }], { firstSequence: 5 }),
        ]),
      ])
      const groups = await store.errors(run.id, 10)
      expect(groups.map(({ code, message, count }) => [code, message, count])).toEqual([
        ['TIMEOUT', timeout.message, 3],
        ['INVALID_INPUT', badInput.message, 1],
      ])
      expect(groups.map(({ sample }) => sample)).toEqual([
        await store.task(run.id, 0, 2),
        await store.task(run.id, 0, 1),
      ])
      expect(await store.errors(run.id, 1)).toEqual(groups.slice(0, 1))
      expect(await store.errors(run.id + 1, 1)).toEqual([])
    })
  })

  describe('bulk reads', () => {
    it('finds the indexes that have ended', async () => {
      const run = await launch()
      await store.commit([
        commitOf(run, [
          block([{ index: 0 }, { index: 31 }, { index: 32 }, { index: 99 }], { firstSequence: 1 }),
          block([{ index: 5 }], { firstSequence: 5, stage: 1 }),
        ]),
      ])
      const ended = await store.endedIndexes(run.id, 0, 100)
      expect(ended.size).toBe(4)
      expect(ended.bound).toBe(100)
      expect([...Array(100).keys()].filter((index) => ended.has(index))).toEqual([0, 31, 32, 99])
      expect(ended.add(33)).toBe(true)
      expect(ended.add(31)).toBe(false)
      expect((await store.endedIndexes(run.id, 1, 100)).size).toBe(1)
      expect((await store.endedIndexes(run.id, 2, 100)).size).toBe(0)
    })

    it('gives the times of succeeded and failed tasks', async () => {
      const run = await launch()
      await store.commit([
        commitOf(run, [
          block(
            [
              { index: 0, startedMs: 1, serviceMs: 0.1 },
              { index: 1, startedMs: 2, serviceMs: 0.2, outcome: Outcome.FAILED, error: timeout },
              { index: 2, startedMs: 3, serviceMs: 0.3, outcome: Outcome.CANCELLED },
              { index: 3, startedMs: null, outcome: Outcome.FAILED, error: badInput },
            ],
            { firstSequence: 1 },
          ),
          block([{ index: 0, startedMs: 4, serviceMs: 0.4 }], { firstSequence: 5, stage: 1 }),
        ]),
      ])
      const sorted = async (stage: number | null, column: 'serviceMs' | 'queueWaitMs') =>
        [...(await store.times(run.id, stage, column))].sort()
      expect(await sorted(null, 'serviceMs')).toEqual([0.1, 0.2, 0.4])
      expect(await sorted(0, 'serviceMs')).toEqual([0.1, 0.2])
      expect(await sorted(1, 'queueWaitMs')).toEqual([6])
      expect(await sorted(2, 'queueWaitMs')).toEqual([])
    })

    it('gives the phases of those that are fetches, where they had them', async () => {
      const run = await launch()
      const fetch = { ...fetchDetail, dnsMs: 1, connectMs: 2, tlsMs: 3, firstByteMs: 4, downloadMs: 5 }
      const kept = { ...fetch, dnsMs: null, connectMs: null, tlsMs: null, firstByteMs: 0.5, downloadMs: 0 }
      await store.commit([
        commitOf(run, [
          block(
            [
              { index: 0, startedMs: 1, fetch },
              { index: 1, startedMs: 2, fetch: kept, outcome: Outcome.FAILED, error: timeout },
              { index: 2, startedMs: 3, fetch, outcome: Outcome.CANCELLED },
              { index: 3, attempt: 0, startedMs: null, fetch },
            ],
            { firstSequence: 1 },
          ),
          block([{ index: 0, startedMs: 4 }], { firstSequence: 5, stage: 1 }),
        ]),
      ])
      for (const stage of [null, 0]) {
        const { dns, connect, tls, firstByte, download } = await store.phaseTimes(run.id, stage)
        expect([dns, connect, tls].map((times) => [...times])).toEqual([[1], [2], [3]])
        expect([firstByte, download].map((times) => [...times].sort())).toEqual([
          [0.5, 4],
          [0, 5],
        ])
      }
      expect((await store.phaseTimes(run.id, 1)).download).toHaveLength(0)
    })

    it('gives the service times of a run, of a stage and of a host to compare', async () => {
      const run = await launch()
      const elsewhere = { ...fetchDetail, host: 'z.example' }
      await store.commit([
        commitOf(run, [
          block(
            [
              { index: 0, serviceMs: 5, fetch: fetchDetail },
              { index: 1, serviceMs: 2, fetch: elsewhere, outcome: Outcome.FAILED, error: timeout },
              { index: 2, serviceMs: 3, fetch: elsewhere, outcome: Outcome.CANCELLED },
            ],
            { firstSequence: 1 },
          ),
          block([{ index: 0, serviceMs: 4 }], { firstSequence: 4, stage: 1 }),
        ]),
      ])
      const hosts = [fetchDetail.host, elsewhere.host].sort()
      const sample = async (stage: number | null, host: string | null, max = 10) => {
        const { timesMs, ...rest } = await store.serviceSample(run.id, { stage, host }, max)
        return { ...rest, timesMs: [...timesMs] }
      }
      expect(await sample(null, null)).toEqual({ timesMs: [2, 4, 5], failed: 1, isWhole: true, drift: 1, hosts })
      expect(await sample(0, null)).toEqual({ timesMs: [2, 5], failed: 1, isWhole: true, drift: 1, hosts })
      expect(await sample(0, fetchDetail.host)).toEqual({ timesMs: [5], failed: 0, isWhole: true, drift: 1, hosts })
      expect(await sample(3, null)).toEqual({ timesMs: [], failed: 0, isWhole: true, drift: 1, hosts })
      expect(await sample(null, null, 2)).toMatchObject({ timesMs: { length: 2 }, isWhole: false })
    })

    it('gives the outputs of the last stage by index', async () => {
      const compute = newRun().spec.stages[0]!
      const run = await launch({ spec: { kind: 'PIPELINE', stages: [compute, compute] } })
      await store.commit([
        commitOf(run, [
          block(
            [
              { index: 0, output: '"first"' },
              { index: 1, output: '"first"' },
            ],
            { firstSequence: 1 },
          ),
          block(
            [
              { index: 4, output: '4' },
              { index: 1, output: '[1,"ü"]' },
              { index: 2, output: '2', outcome: Outcome.FAILED, error: timeout },
              { index: 3, output: null },
            ],
            { firstSequence: 3, stage: 1 },
          ),
        ]),
      ])
      expect(await store.outputs(run.id, 5)).toEqual([null, '[1,"ü"]', null, null, '4'])
      expect(await store.outputs(run.id, 2)).toEqual([null, '[1,"ü"]'])
      const read: number[] = []
      await store.outputs(run.id, 5, (characters) => read.push(characters))
      expect(read.reduce((sum, characters) => sum + characters, 0)).toBe('[1,"ü"]4'.length)
      const refusing = () => {
        throw new Error('no more')
      }
      await expect(store.outputs(run.id, 5, refusing)).rejects.toThrow('no more')
    })

    it('gives more than one step of each', async () => {
      const count = 60_000
      const run = await launch({ spec: { source: { kind: 'range', from: 0, to: count, step: 1, count } } })
      const tasks = Array.from({ length: count }, (_, index) => ({
        index,
        startedMs: index,
        serviceMs: index + 1,
        output: String(index),
      }))
      await write(run, tasks)
      expect((await store.endedIndexes(run.id, 0, count)).size).toBe(count)
      const times = await store.times(run.id, 0, 'serviceMs')
      expect(times.sort()).toEqual(Float64Array.from(tasks, ({ serviceMs }) => serviceMs))
      expect(await store.outputs(run.id, count)).toEqual(tasks.map(({ output }) => output))
    })

    it('keeps sketches', async () => {
      const run = await launch()
      expect(await store.sketches(run.id, null)).toBeNull()
      const sketches = { service: new Uint8Array([1, 2, 255]), queueWait: new Uint8Array(), phases: null }
      await store.commit([{ ...commitOf(run, []), sketches }])
      const read = await store.sketches(run.id, null)
      expect([...read!.service]).toEqual([1, 2, 255])
      expect([...read!.queueWait]).toEqual([])
    })
  })
})
