/** What every store promises of the stages of pipelines; see src/store/store.ts. */

import { beforeEach, describe, expect, it } from 'vitest'
import type { StageSpec } from '../../src/domain/batch.js'
import type { TaskError } from '../../src/domain/errors.js'
import type { StageLink } from '../../src/domain/hand-over.js'
import { Outcome } from '../../src/domain/results.js'
import { noCounts, noTimes, type RunRecord, type StageState } from '../../src/domain/run.js'
import type { Store, TaskBlock } from '../../src/store/store.js'
import { block, commitOf, fetchDetail, newRun, purgeStep, type ReportedTask, RUN_STARTED_AT } from '../support/store.js'
import { stores, useStore } from '../support/store-subject.js'

const failure: TaskError = { code: 'FUNCTION_ERROR', message: 'no', retryable: true }
const WHOLE: StageLink = { to: 'COMPUTE', from: '', givesDetail: false }

describe.each(stores)('store %s', (_name, create) => {
  const { current, launch, reopen } = useStore(create)
  let store: Store
  beforeEach(() => {
    store = current()
  })

  const compute = newRun().spec.stages[0]!
  const launchPipeline = (stages: StageSpec[] = [compute, compute]) => launch({ spec: { kind: 'PIPELINE', stages } })
  const commit = (run: RunRecord, blocks: TaskBlock[]) => store.commit([commitOf(run, blocks)])

  describe('a pipeline', () => {
    const queued: StageState = {
      effectiveStrategy: null,
      concurrency: null,
      lanes: null,
      decision: null,
      counts: noCounts(100),
      times: noTimes(),
      finalThroughput: 0,
    }

    it('is launched with a state of each stage, and all their tasks to do', async () => {
      const run = await launchPipeline([compute, compute, compute])
      expect(run.counts.total).toBe(300)
      expect(run.stages).toEqual([queued, queued, queued])
      expect(await store.run(run.key)).toEqual(run)
    })

    it('keeps the state of each stage as it is', async () => {
      const run = await launchPipeline()
      const decision = { strategy: 'THREADS', concurrency: 2, lanes: 2, reasons: ['ü'], probe: null } as const
      const stages: StageState[] = [
        { ...queued, effectiveStrategy: 'ASYNC', concurrency: 64, lanes: 1, finalThroughput: 1 / 3 },
        {
          ...queued,
          effectiveStrategy: 'THREADS',
          concurrency: 2,
          lanes: 2,
          decision: { ...decision, expectedWallMs: null, expectedWallHighMs: 7.5, reasons: [...decision.reasons] },
          counts: { total: 100, succeeded: 60, failed: 20, cancelled: 15, skipped: 5, bytes: 2 ** 40 + 1 },
          times: { ...noTimes(), cpuMs: 0.1 + 0.2, firstStartMs: 0, lastEndMs: 1e-7 },
        },
      ]
      await store.commit([commitOf(run, [], { stages })])
      expect((await store.run(run.key))?.stages).toEqual(stages)
      expect((await (await reopen()).unfinishedRuns())[0]?.stages).toEqual(stages)
    })

    it('has none of its own where there is but one', async () => {
      const run = await launch()
      expect([run.stages, (await store.run(run.key))?.stages]).toEqual([null, null])
    })
  })

  describe('tasks of later stages', () => {
    it('have waited since they came, each at its own time', async () => {
      const run = await launchPipeline()
      const tasks: ReportedTask[] = [
        { index: 0, startedMs: 50 },
        { index: 1, startedMs: 60, attempt: 2 },
        { index: 2, startedMs: 70, outcome: Outcome.FAILED, error: failure },
        { index: 3, startedMs: 80 },
        { index: 5, startedMs: 80, outcome: Outcome.FAILED, error: failure },
      ]
      const attempts = [55, 60].map((startedMs, at) => ({
        number: at + 1,
        startedMs,
        serviceMs: 1,
        lane: 'thread-1',
        error: at === 0 ? failure : null,
      }))
      const readyAts = Float64Array.of(20, 30, 40.5, 81, 81).map((ms) => RUN_STARTED_AT + ms)
      await commit(run, [
        block(tasks, { firstSequence: 1, stage: 1, readyAts, histories: [{ at: 1, attempts }] }),
        block([{ index: 4, startedMs: 5 }], { firstSequence: 6, stage: 0 }),
      ])
      const rows = await store.tasksAfter(run.id, 0, 10)
      expect(rows.map(({ stage, index, queueWaitMs }) => [stage, index, queueWaitMs])).toEqual([
        [1, 0, 30],
        [1, 1, 25],
        [1, 2, 29.5],
        // Not less than nothing, whatever the clocks of two lanes say.
        [1, 3, 0],
        [1, 5, 0],
        [0, 4, 7],
      ])
    })
  })

  describe('succeededIndexes', () => {
    it('finds what a stage has let through', async () => {
      const run = await launchPipeline()
      const lost: ReportedTask[] = [
        { index: 1, outcome: Outcome.FAILED, error: failure },
        { index: 2, outcome: Outcome.CANCELLED },
      ]
      await commit(run, [
        block([{ index: 0 }, ...lost, { index: 31 }, { index: 32 }, { index: 99 }], { firstSequence: 1 }),
        block([{ index: 32 }], { firstSequence: 7, stage: 1 }),
      ])
      const found = async (stage: number) => {
        const set = await store.succeededIndexes(run.id, stage, 100)
        expect(set.bound).toBe(100)
        return [...Array(100).keys()].filter((index) => set.has(index))
      }
      expect([await found(0), await found(1), await found(2)]).toEqual([[0, 31, 32, 99], [32], []])
    })

    it('finds more than one step of them', async () => {
      const count = 60_000
      const source = { kind: 'range', from: 0, to: count, step: 1, count } as const
      const run = await launch({ spec: { kind: 'PIPELINE', stages: [compute, compute], source } })
      const outcome = (index: number) => (index % 3 === 0 ? Outcome.CANCELLED : Outcome.SUCCEEDED)
      const tasks = Array.from({ length: count }, (_, index) => ({ index, outcome: outcome(index) }))
      await commit(run, [block(tasks, { firstSequence: 1 })])
      expect((await store.succeededIndexes(run.id, 0, count)).size).toBe(40_000)
    })
  })

  describe('handedOver', () => {
    it('tells what succeeded items gave, in the order in which it was asked for them', async () => {
      const run = await launchPipeline()
      const tasks: ReportedTask[] = [
        { index: 0, startedMs: 10, serviceMs: 5.25, output: '{"a":"zero"}' },
        { index: 1, outcome: Outcome.FAILED, error: failure, output: '"no"' },
        { index: 2, startedMs: 20, serviceMs: 1, output: '{"a":["two","ü"]}' },
        { index: 3, output: null },
      ]
      await commit(run, [
        block(tasks, { firstSequence: 1 }),
        block([{ index: 2, output: '"of another stage"' }], { firstSequence: 5, stage: 1 }),
      ])
      const place = { runId: run.id, stage: 0, link: WHOLE }
      expect(await store.handedOver(place, [2, 0, 1, 77])).toEqual([
        { index: 2, text: '{"a":["two","ü"]}', readyMs: 21 },
        { index: 0, text: '{"a":"zero"}', readyMs: 15.25 },
      ])
      expect((await store.handedOver(place, [3])).map(({ text }) => text)).toEqual(['null'])
      const pointed = { ...place, link: { ...WHOLE, from: '/a/1' } }
      expect((await store.handedOver(pointed, [2, 0])).map(({ text }) => text)).toEqual([
        '"ü"',
        '!"/a/1" points at nothing in what the stage before gave',
      ])
      expect(await store.handedOver(place, [])).toEqual([])
      expect(await store.handedOver({ ...place, runId: run.id + 1 }, [0])).toEqual([])
    })

    it('tells what is known of a fetch that keeps no body, as a request where that is asked for', async () => {
      const run = await launchPipeline()
      const fetch = { ...fetchDetail, url: 'http://a.example/', finalUrl: 'http://b.example/', contentType: null }
      await commit(run, [block([{ index: 0, fetch }], { firstSequence: 1 })])
      const give = async (link: StageLink) => (await store.handedOver({ runId: run.id, stage: 0, link }, [0]))[0]?.text
      const { url, status, bytes, sha256, contentType } = fetch
      expect(JSON.parse((await give({ ...WHOLE, givesDetail: true })) ?? '')).toEqual({
        url,
        status,
        bytes,
        sha256,
        contentType,
      })
      expect(await give({ to: 'FETCH', from: '/url', givesDetail: true })).toBe('"http://a.example/"')
    })

    it('knows when the last attempt ended, and of what was never sent that it did not start', async () => {
      const run = await launchPipeline()
      const attempts = [10, 500].map((startedMs, at) => ({
        number: at + 1,
        startedMs,
        serviceMs: 3 + at,
        lane: 'thread-1',
        error: at === 0 ? failure : null,
      }))
      await commit(run, [
        block([{ index: 0, attempt: 2, startedMs: 500, serviceMs: 4 }], {
          firstSequence: 1,
          histories: [{ at: 0, attempts }],
        }),
        block([{ index: 1, attempt: 0, startedMs: null, serviceMs: 0, fetch: fetchDetail }], {
          firstSequence: 2,
          lane: null,
        }),
      ])
      const found = await store.handedOver({ runId: run.id, stage: 0, link: WHOLE }, [0, 1])
      expect(found.map(({ readyMs }) => readyMs)).toEqual([504, 0])
    })

    it('gives no more than fits into 16 MB at a time, and the first whatever it takes', async () => {
      const run = await launchPipeline()
      const text = (chars: number) => JSON.stringify('x'.repeat(chars))
      const lengths = [6_000_000, 6_000_000, 6_000_000, 17_000_000, 10]
      await commit(run, [
        block(
          lengths.map((chars, index) => ({ index, output: text(chars) })),
          { firstSequence: 1 },
        ),
      ])
      const given = async (...indexes: number[]) =>
        (await store.handedOver({ runId: run.id, stage: 0, link: WHOLE }, indexes)).map(({ index }) => index)
      expect(await given(0, 1, 2, 4)).toEqual([0, 1])
      expect(await given(3, 4)).toEqual([3])
      expect(await given(4, 3)).toEqual([4])
      // What counts is what is handed over.
      const pointed = { runId: run.id, stage: 0, link: { ...WHOLE, from: '/none' } }
      expect(await store.handedOver(pointed, [0, 1, 2, 3, 4])).toHaveLength(5)
    })
  })

  describe('sketches of stages', () => {
    it('are kept apart from each other, and from those of the run', async () => {
      const run = await launchPipeline()
      const sketch = (byte: number) => ({
        service: Uint8Array.of(byte),
        queueWait: Uint8Array.of(byte, byte),
        phases: null,
      })
      await store.commit([{ ...commitOf(run, []), sketches: sketch(9), stageSketches: [{ stage: 1, ...sketch(1) }] }])
      const read = async (stage: number | null) => {
        const found = await store.sketches(run.id, stage)
        return found && [[...found.service], [...found.queueWait]]
      }
      expect([await read(null), await read(0), await read(1)]).toEqual([[[9], [9, 9]], null, [[1], [1, 1]]])
      await store.commit([
        {
          ...commitOf(run, []),
          stageSketches: [
            { stage: 0, ...sketch(3) },
            { stage: 1, ...sketch(4) },
          ],
        },
      ])
      expect([await read(null), await read(0), await read(1)]).toEqual([
        [[9], [9, 9]],
        [[3], [3, 3]],
        [[4], [4, 4]],
      ])
    })

    it('have those of phases beside them', async () => {
      const run = await launchPipeline()
      const others = { service: new Uint8Array(1), queueWait: new Uint8Array(1) }
      const stageSketches = [{ stage: 1, ...others, phases: Uint8Array.of(1, 255) }]
      await store.commit([{ ...commitOf(run, []), sketches: { ...others, phases: Uint8Array.of(7) }, stageSketches }])
      expect((await store.sketches(run.id, null))?.phases).toEqual(Uint8Array.of(7))
      expect((await store.sketches(run.id, 1))?.phases).toEqual(Uint8Array.of(1, 255))
    })

    it('go with their run', async () => {
      const run = await launchPipeline()
      const stageSketches = [{ stage: 1, service: new Uint8Array(3), queueWait: new Uint8Array(3), phases: null }]
      const ended = { status: 'SUCCEEDED', startedAt: new Date(0), finishedAt: new Date(1) } as const
      await store.commit([{ ...commitOf(run, [], ended), stageSketches }])
      expect(await store.deleteRun(run.id)).toBe(true)
      expect(await store.sketches(run.id, 1)).toBeNull()
      while ((await purgeStep(store, run.id)) !== null);
    })
  })
})
