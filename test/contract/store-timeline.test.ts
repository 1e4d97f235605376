/** What every store promises of the picture of a run; see src/store/store.ts. */

import { beforeEach, describe, expect, it } from 'vitest'
import type { TaskError } from '../../src/domain/errors.js'
import { Outcome } from '../../src/domain/results.js'
import type { RunRecord } from '../../src/domain/run.js'
import type { Store } from '../../src/store/store.js'
import { type PlainAttempt, plainTimeline } from '../support/attempts.js'
import { attemptsOf, block, blocksOf, commitOf, purgeStep } from '../support/store.js'
import { stores, useStore } from '../support/store-subject.js'

const timeout: TaskError = { code: 'TIMEOUT', message: 'no answer within 100 ms', retryable: true }

describe.each(stores)('store %s: the timeline of a run', (_name, create) => {
  const { current, launch, write, reopen } = useStore(create)
  let store: Store
  beforeEach(() => {
    store = current()
  })

  it('has nothing before anything has ended', async () => {
    const run = await launch()
    expect(await store.timeline(run.id, 10)).toEqual([])
    expect(await store.timeline(run.id + 1, 10)).toEqual([])
  })

  it('has each task on its lane, in the order of the starts, whatever ended first', async () => {
    const run = await launch()
    await store.commit([
      commitOf(run, [
        block([{ index: 1, startedMs: 20, serviceMs: 5 }], { firstSequence: 1, lane: 'thread-10' }),
        block(
          [
            { index: 2, startedMs: 30, serviceMs: 10, outcome: Outcome.FAILED, error: timeout },
            { index: 0, startedMs: 10, serviceMs: 10, outcome: Outcome.CANCELLED },
          ],
          { firstSequence: 2, lane: 'thread-2', stage: 1 },
        ),
      ]),
    ])
    expect(await store.timeline(run.id, 10)).toEqual([
      {
        lane: 'thread-2',
        busyFraction: 20 / 30,
        spans: [
          { index: 0, stage: 1, startMs: 10, endMs: 20, status: 'CANCELLED', tasks: 1 },
          { index: 2, stage: 1, startMs: 30, endMs: 40, status: 'FAILED', tasks: 1 },
        ],
      },
      {
        lane: 'thread-10',
        busyFraction: 5 / 30,
        spans: [{ index: 1, stage: 0, startMs: 20, endMs: 25, status: 'SUCCEEDED', tasks: 1 }],
      },
    ])
  })

  it('leaves out what never started, and what has another one’s answer', async () => {
    const run = await launch()
    await store.commit([
      commitOf(run, [
        block(
          [
            { index: 0, startedMs: null, outcome: Outcome.CANCELLED },
            { index: 1, startedMs: 4 },
          ],
          { firstSequence: 1 },
        ),
        block([{ index: 2, attempt: 0, startedMs: null, serviceMs: 0 }], { firstSequence: 3, lane: null }),
      ]),
    ])
    const [lane, ...others] = await store.timeline(run.id, 10)
    expect(others).toEqual([])
    expect(lane?.spans.map(({ index, tasks }) => [index, tasks])).toEqual([[1, 1]])
  })

  it('has every attempt where there were several, each where it ran', async () => {
    const run = await launch()
    const attempts = [
      { number: 1, startedMs: 5, serviceMs: 10, lane: 'thread-3', error: timeout },
      { number: 2, startedMs: 40, serviceMs: 2, lane: 'thread-1', error: null },
    ]
    const retried = block([{ index: 7, attempt: 2, startedMs: 40, serviceMs: 2 }], {
      firstSequence: 1,
      histories: [{ at: 0, attempts }],
    })
    await store.commit([commitOf(run, [retried])])
    expect(await store.timeline(run.id, 10)).toEqual([
      {
        lane: 'thread-1',
        busyFraction: 2 / 37,
        spans: [{ index: 7, stage: 0, startMs: 40, endMs: 42, status: 'SUCCEEDED', tasks: 1 }],
      },
      {
        lane: 'thread-3',
        busyFraction: 10 / 37,
        spans: [{ index: 7, stage: 0, startMs: 5, endMs: 15, status: 'FAILED', tasks: 0 }],
      },
    ])
  })

  it('is folded to so many spans', async () => {
    const run = await launch()
    await write(
      run,
      [0, 10, 21].map((startedMs, index) => ({ index, startedMs, serviceMs: 9 })),
    )
    const [lane] = await store.timeline(run.id, 2)
    expect(lane?.spans.map(({ startMs, endMs, tasks }) => [startMs, endMs, tasks])).toEqual([
      [0, 19, 2],
      [21, 30, 1],
    ])
    expect(lane?.busyFraction).toBe(27 / 30)
  })

  it('is the same of thousands of tasks as of a few, while they run and after a restart', async () => {
    const total = 30_000
    const run = await launch({ spec: { source: { kind: 'range', from: 0, to: total, step: 1, count: total } } })
    const attempts = attemptsOf(total)
    const expectPicture = async (of: readonly PlainAttempt[], maxSpans: number) => {
      const picture = await store.timeline(run.id, maxSpans)
      const expected = plainTimeline(of, maxSpans)
      expect(picture.map(({ lane, spans }) => [lane, spans])).toEqual(expected.map(({ lane, spans }) => [lane, spans]))
    }
    const counts = { total, succeeded: 0, failed: 0, cancelled: 0, skipped: 0, bytes: 0 }
    for (let first = 0; first < total; first += 10_000) {
      await store.commit([commitOf(run, blocksOf(attempts.slice(first, first + 10_000), first + 1), { counts })])
      await expectPicture(attempts.slice(0, first + 10_000), 50)
    }
    await expectPicture(attempts, 3)
    await expectPicture(attempts, 2_000)
    store = await reopen()
    await expectPicture(attempts, 50)
  })

  it('goes with its run', async () => {
    const total = 5_000
    const run = await launch({ spec: { source: { kind: 'range', from: 0, to: total, step: 1, count: total } } })
    const ended: Partial<RunRecord> = {
      status: 'SUCCEEDED',
      finishedAt: new Date(),
      counts: { total, succeeded: total, failed: 0, cancelled: 0, skipped: 0, bytes: 0 },
    }
    await store.commit([commitOf(run, blocksOf(attemptsOf(total), 1), ended)])
    expect(await store.timeline(run.id, 10)).toHaveLength(2)
    await store.deleteRun(run.id)
    for (let left = await purgeStep(store, run.id); left !== null; left = await purgeStep(store, run.id));
    expect(await store.timeline(run.id, 10)).toEqual([])
  })
})
