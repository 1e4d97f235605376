/** What every store promises of commits; see src/store/store.ts. */

import { beforeEach, describe, expect, it } from 'vitest'
import type { TaskError } from '../../src/domain/errors.js'
import { Outcome } from '../../src/domain/results.js'
import type { RunState } from '../../src/domain/run.js'
import type { Attempt, FetchDetail, TaskRecord } from '../../src/domain/task.js'
import type { Store } from '../../src/store/store.js'
import { block, commitOf, fetchDetail, listOf, newRun, RUN_STARTED_AT } from '../support/store.js'
import { stores, useStore } from '../support/store-subject.js'

const timeout: TaskError = { code: 'TIMEOUT', message: 'no answer within 100 ms', retryable: true }
const badInput: TaskError = { code: 'INVALID_INPUT', message: 'expected a number', retryable: false }

describe.each(stores)('store %s', (_name, create) => {
  const { current, launch, reopen, write } = useStore(create)
  let store: Store
  beforeEach(() => {
    store = current()
  })

  describe('commit', () => {
    const ended: Partial<RunState> = {
      status: 'PARTIAL',
      effectiveStrategy: 'PROCESSES',
      concurrency: 4,
      lanes: 2,
      counts: { total: 100, succeeded: 60, failed: 20, cancelled: 15, skipped: 5, bytes: 2 ** 40 + 1 },
      times: {
        service: { count: 80, min: 1e-7, max: 1 / 3, sum: Math.PI, mean: Math.E, m2: 1.7976931348623157e308 },
        queueWait: { count: 80, min: -0.25, max: 12_345.678_901_234_5, sum: 5e-324, mean: 0.1 + 0.2, m2: 0 },
        cpuMs: 77.000_000_000_000_01,
        load: { busyMs: 91.5, coreWaitMs: null },
        firstStartMs: 0.000_244_140_625,
        lastEndMs: 987_654_321.123,
      },
      sequence: 17,
      lastTaskSequence: 3,
      finalThroughput: 1e6 / 3,
      refusals: [{ stage: 0, host: 'ü.example:81', attempts: 7, refused: { HTTP_429: 2 }, maxRetryAfterMs: 1500.5 }],
      reduction: { count: 2, value: '333333283333335000000', nested: [1, null, { a: 'ü' }] },
      failure: { code: 'LANE_DIED', message: 'gone', retryable: true },
      startedAt: new Date(RUN_STARTED_AT),
      finishedAt: new Date(RUN_STARTED_AT + 1234),
    }

    it('stores the state of the run as it is', async () => {
      const run = await launch()
      await store.commit([commitOf(run, [], ended)])
      expect(await store.run(run.key)).toEqual({ ...run, ...ended })
      expect(await (await reopen()).run(run.key)).toEqual({ ...run, ...ended })
    })

    it('stores plain tasks', async () => {
      const run = await launch()
      await write(run, [
        { index: 7, startedMs: 1.25, serviceMs: 0.000_732_421_875, cpuMs: 0.5, output: '"333333283333335000000"' },
        { index: 3, startedMs: 0, serviceMs: 3, output: null, attempt: 1 },
      ])
      const plain = {
        stage: 0,
        status: 'SUCCEEDED',
        error: null,
        attempts: 1,
        history: null,
        lane: 'thread-1',
        fetch: null,
      }
      expect(await store.tasksAfter(run.id, 0, 10)).toEqual([
        {
          ...plain,
          sequence: 1,
          index: 7,
          output: '"333333283333335000000"',
          startedMs: 1.25,
          queueWaitMs: 3.25,
          serviceMs: 0.000_732_421_875,
          cpuMs: 0.5,
        },
        { ...plain, sequence: 2, index: 3, output: null, startedMs: 0, queueWaitMs: 2, serviceMs: 3, cpuMs: null },
      ])
    })

    it('stores errors, cancelled tasks and what never started', async () => {
      const run = await launch()
      await write(run, [
        { index: 0, outcome: Outcome.FAILED, error: timeout },
        { index: 1, outcome: Outcome.CANCELLED },
        { index: 2, outcome: Outcome.CANCELLED, startedMs: null, error: badInput },
      ])
      const [failed, cancelled, unstarted] = await store.tasksAfter(run.id, 0, 10)
      expect(failed).toMatchObject({ status: 'FAILED', error: timeout, lane: 'thread-1', startedMs: 1, serviceMs: 0.5 })
      expect(cancelled).toMatchObject({ status: 'CANCELLED', error: null, startedMs: 1, queueWaitMs: 3 })
      expect(unstarted).toEqual<TaskRecord>({
        sequence: 3,
        stage: 0,
        index: 2,
        status: 'CANCELLED',
        output: null,
        error: badInput,
        attempts: 1,
        history: null,
        lane: null,
        startedMs: null,
        queueWaitMs: null,
        serviceMs: null,
        cpuMs: null,
        fetch: null,
      })
    })

    it('adds the attempts of a task up', async () => {
      const run = await launch()
      const history: Attempt[] = [
        { number: 1, startedMs: 5.5, serviceMs: 100.25, lane: 'thread-1', error: timeout },
        { number: 2, startedMs: 300.125, serviceMs: 7.5, lane: 'thread-9', error: null },
      ]
      const tasks = [{ index: 4 }, { index: 5, attempt: 2, startedMs: 300.125, serviceMs: 7.5, cpuMs: 7, output: '1' }]
      await store.commit([
        commitOf(run, [
          block(tasks, { firstSequence: 1, lane: 'thread-9', histories: [{ at: 1, attempts: history }] }),
        ]),
      ])
      expect(await store.task(run.id, 0, 5)).toMatchObject({
        attempts: 2,
        history,
        lane: 'thread-9',
        startedMs: 5.5,
        queueWaitMs: 7.5,
        serviceMs: 107.75,
        cpuMs: 7,
        output: '1',
        status: 'SUCCEEDED',
      })
      expect((await store.task(run.id, 0, 4))?.history).toBeNull()
    })

    it('stores fetches', async () => {
      const run = await launch()
      const details: FetchDetail[] = [
        fetchDetail,
        {
          ...fetchDetail,
          url: 'https://a.example/',
          finalUrl: 'https://b.example/x',
          host: 'a.example',
          status: 301,
          redirects: 3,
          reusedConnection: true,
          dnsMs: 1.5,
          tlsMs: 0.1,
          bytes: 2 ** 33,
        },
        {
          ...fetchDetail,
          status: null,
          bytes: 0,
          sha256: null,
          contentType: null,
          connectMs: null,
          firstByteMs: null,
          downloadMs: null,
          reusedConnection: null,
        },
      ]
      await write(
        run,
        details.map((fetch, index) => ({ index, fetch, output: `"${index}"` })),
      )
      const tasks = await store.tasksAfter(run.id, 0, 10)
      expect(tasks.map(({ fetch }) => fetch)).toEqual(details)
      expect(tasks.map(({ output }) => output)).toEqual(['"0"', '"1"', '"2"'])
    })

    it('numbers the rows kept and leaves out the dropped', async () => {
      const run = await launch()
      const tasks = Array.from({ length: 200 }, (_, index) =>
        index === 5 ? { index, outcome: Outcome.NOT_STARTED, startedMs: null } : { index },
      )
      await store.commit([commitOf(run, [block(tasks, { firstSequence: 1, dropped: new Set([0, 5, 199]) })])])
      const kept = tasks.filter((_, at) => ![0, 5, 199].includes(at))
      const rows = await store.tasksAfter(run.id, 0, 1000)
      expect(rows.map(({ index }) => index)).toEqual(kept.map(({ index }) => index))
      expect(rows.map(({ sequence }) => sequence)).toEqual(kept.map((_, at) => at + 1))
    })

    it('writes many runs, stages and lanes in one go', async () => {
      const compute = newRun().spec.stages[0]!
      const one = await launch({ spec: { kind: 'PIPELINE', stages: [compute, compute] } })
      const two = await launch()
      await store.commit([
        commitOf(
          one,
          [
            block([{ index: 0 }, { index: 1 }], { firstSequence: 1, lane: 'process-2' }),
            block([{ index: 0 }], { firstSequence: 3, stage: 1, lane: 'process-1' }),
          ],
          { status: 'RUNNING' },
        ),
        commitOf(two, [block([{ index: 9 }], { firstSequence: 1, lane: 'process-1' })], { status: 'SUCCEEDED' }),
      ])
      await store.commit([
        commitOf(one, [block([{ index: 1 }], { firstSequence: 4, stage: 1, lane: 'process-3' })], {
          status: 'SUCCEEDED',
        }),
      ])
      const rows = await store.tasksAfter(one.id, 0, 10)
      expect(rows.map(({ stage, index, lane }) => [stage, index, lane])).toEqual([
        [0, 0, 'process-2'],
        [0, 1, 'process-2'],
        [1, 0, 'process-1'],
        [1, 1, 'process-3'],
      ])
      expect((await store.tasksAfter(two.id, 0, 10)).map(({ lane }) => lane)).toEqual(['process-1'])
      expect((await store.run(one.key))?.status).toBe('SUCCEEDED')
      expect((await store.run(two.key))?.status).toBe('SUCCEEDED')
    })

    it('writes all or nothing: no task has two rows', async () => {
      const run = await launch()
      const other = await launch()
      await write(run, [{ index: 0 }])
      const before = await store.run(run.key)
      const twice = store.commit([
        commitOf(
          other,
          [
            block([{ index: 0, outcome: Outcome.FAILED, error: timeout, fetch: fetchDetail }], {
              firstSequence: 1,
              lane: 'thread-2',
            }),
          ],
          { status: 'RUNNING' },
        ),
        commitOf(run, [block([{ index: 1 }, { index: 0 }], { firstSequence: 2, lane: 'thread-7' })], {
          status: 'SUCCEEDED',
        }),
      ])
      await expect(twice).rejects.toMatchObject({ code: expect.stringMatching(/^SQLITE_CONSTRAINT/) })
      expect(await store.run(run.key)).toEqual(before)
      expect((await store.run(other.key))?.status).toBe('QUEUED')
      expect(await store.countTasks(run.id, {})).toBe(1)
      expect(await store.countTasks(other.id, {})).toBe(0)
      expect(await store.errors(other.id, 10)).toEqual([])
      expect(await store.countRuns({ host: fetchDetail.host })).toBe(0)
      // What comes after is written as if that had never been.
      await store.commit([commitOf(run, [block([{ index: 1 }], { firstSequence: 2, lane: 'thread-8' })])])
      expect((await store.task(run.id, 0, 1))?.lane).toBe('thread-8')
      expect((await store.task(run.id, 0, 0))?.lane).toBe('thread-1')
    })

    it('refuses a commit to a run that is not there', async () => {
      const run = await launch()
      await expect(store.commit([{ ...commitOf(run, []), runId: run.id + 1 }])).rejects.toThrow(/run 2 is not there/)
    })

    it('refuses a row for an item that was not started', async () => {
      const run = await launch()
      await expect(write(run, [{ index: 0, outcome: Outcome.NOT_STARTED, startedMs: null }])).rejects.toThrow(
        /not started/,
      )
    })

    it('leaves the columns to the caller', async () => {
      const run = await launch()
      const tasks = block([{ index: 5, cpuMs: 1 }], { firstSequence: 1 })
      await store.commit([commitOf(run, [tasks])])
      expect([...tasks.columns.indexes]).toEqual([5])
      expect(tasks.columns.cpuMs?.[0]).toBe(1)
    })

    it('keeps the order of commits that are under way together', async () => {
      const run = await launch()
      const commits = Array.from({ length: 50 }, (_, at) =>
        store.commit([
          commitOf(run, [block([{ index: at }], { firstSequence: at + 1 })], {
            sequence: at,
            lastTaskSequence: at + 1,
          }),
        ]),
      )
      await Promise.all(commits)
      expect(await store.run(run.key)).toMatchObject({ sequence: 49, lastTaskSequence: 50 })
      expect((await store.tasksAfter(run.id, 0, 100)).map(({ index }) => index)).toEqual([...Array(50).keys()])
    })

    it('never finds the database locked by launches, nor they by commits', async () => {
      const run = await launch()
      const work: Promise<unknown>[] = []
      for (let at = 0; at < 100; at++) {
        const tasks = Array.from({ length: 300 }, (_, place) => ({ index: at * 300 + place }))
        work.push(store.commit([commitOf(run, [block(tasks, { firstSequence: at * 300 + 1 })])]))
        if (at % 5 === 0) work.push(store.createRun(listOf(['a', 'b', 'c'])))
        if (at % 10 === 0) work.push(store.tasks(run.id, { stage: 0 }, 'SLOWEST', { first: 10 }))
      }
      await Promise.all(work)
      expect(await store.countTasks(run.id, {})).toBe(30_000)
      expect(await store.countRuns({})).toBe(21)
    })
  })
})
