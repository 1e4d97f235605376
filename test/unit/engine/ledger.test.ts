import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Outcome } from '../../../src/domain/results.js'
import { LogSketch } from '../../../src/domain/sketch.js'
import { EXACT_LIMIT } from '../../../src/domain/timing.js'
import { type Entry, Ledger, timeBaseOf } from '../../../src/engine/ledger.js'
import { ManualClock } from '../../support/clock.js'
import {
  batchSpec,
  COMPUTE,
  entryOf,
  FETCH,
  type ReportedTask,
  runRecord,
  STARTED_AT,
} from '../../support/engine-parts.js'
import { fetchDetail } from '../../support/store.js'

describe('toEntry', () => {
  it('counts rows by outcome, and times of those that succeeded or failed', () => {
    const error = { code: 'FUNCTION_ERROR' as const, message: 'no', retryable: false }
    const entry = entryOf([
      { index: 0, startedMs: 10, serviceMs: 5 },
      { index: 1, startedMs: 4, serviceMs: 1, error },
      { index: 2, startedMs: 2, serviceMs: 30, outcome: Outcome.CANCELLED },
    ])
    expect(entry).toMatchObject({ rows: 3, succeeded: 1, failed: 1, cancelled: 1, firstStartMs: 2, lastEndMs: 32 })
    expect([...entry.serviceMs]).toEqual([5, 1])
    expect([...entry.queueWaitMs]).toEqual([110, 104])
    expect(entry.service).toMatchObject({ count: 2, sum: 6, min: 1, max: 5 })
  })

  it('leaves out what is dropped', () => {
    const entry = entryOf([{ index: 0 }, { index: 1, startedMs: -500, serviceMs: 9000 }], { dropped: new Set([1]) })
    expect(entry).toMatchObject({ rows: 1, succeeded: 1, failed: 0, lastEndMs: 11 })
    expect(entryOf([{ index: 0 }], { dropped: new Set([0]) }).rows).toBe(0)
  })

  it('adds up the attempts of a task, and counts its wait to the first of them', () => {
    const attempts = [
      { number: 1, startedMs: 10, serviceMs: 2, lane: 'thread-1', error: null },
      { number: 2, startedMs: 500, serviceMs: 3, lane: 'thread-1', error: null },
    ]
    const entry = entryOf([{ index: 0, attempt: 2, startedMs: 500, serviceMs: 3 }], {
      histories: [{ at: 0, attempts }],
    })
    expect([...entry.serviceMs]).toEqual([5])
    expect([...entry.queueWaitMs]).toEqual([110])
    expect(entry).toMatchObject({ firstStartMs: 10, lastEndMs: 503 })
  })

  it('counts what has another one’s answer, and nothing of its times or bytes', () => {
    const error = { code: 'TIMEOUT' as const, message: 'no', retryable: true }
    const never = { attempt: 0, startedMs: -STARTED_AT, serviceMs: 0 }
    const fetch = { ...fetchDetail, bytes: 70 }
    const entry = entryOf([
      { index: 0, startedMs: 10, serviceMs: 5, fetch },
      { ...never, index: 1, fetch },
      { ...never, index: 2, error, fetch },
    ])
    expect(entry).toMatchObject({ rows: 3, succeeded: 2, failed: 1, bytes: 70, firstStartMs: 10, lastEndMs: 15 })
    expect([[...entry.serviceMs], [...entry.queueWaitMs]]).toEqual([[5], [110]])
    const ledger = new Ledger(runRecord(), null)
    ledger.advance([entryOf([{ ...never, index: 3 }], { lane: null })], {})
    expect(ledger.recorded).toMatchObject({ lastTaskSequence: 1, counts: { succeeded: 1 } })
    expect(ledger.recorded.times).toMatchObject({ service: { count: 0 }, firstStartMs: null, lastEndMs: null })
  })

  it('never has a task wait for less than nothing', () => {
    expect([...entryOf([{ index: 0, startedMs: -100.01 }]).queueWaitMs]).toEqual([0])
  })

  it('weighs a row as one, and half a kilobyte of output as another', () => {
    expect(entryOf([{ index: 0 }, { index: 1 }]).weight).toBe(2)
    expect(entryOf([{ index: 0, output: 'x'.repeat(5120) }, { index: 1 }]).weight).toBe(12)
  })
})

describe('toEntry of a later stage', () => {
  it('counts the wait of each item from the time at which it came', () => {
    const tasks = [
      { index: 0, startedMs: 50 },
      { index: 1, startedMs: 60 },
      { index: 2, startedMs: 70 },
    ]
    const readyAts = Float64Array.of(STARTED_AT + 20, STARTED_AT + 59.5, STARTED_AT + 71)
    expect([...entryOf(tasks, { stage: 1, readyAts }).queueWaitMs]).toEqual([30, 0.5, 0])
    const dropped = entryOf(tasks, { stage: 1, readyAts, dropped: new Set([0]) })
    expect([...dropped.queueWaitMs]).toEqual([0.5, 0])
  })
})

describe('timeBaseOf', () => {
  it('places the start on the monotonic clock, wherever the wall clock stands', () => {
    const clock = new ManualClock(STARTED_AT)
    clock.advance(5000)
    const base = timeBaseOf({ createdAt: new Date(STARTED_AT + 1000), startedAt: new Date(STARTED_AT + 3000) }, clock)
    expect(base).toEqual({ runStartedAt: STARTED_AT + 3000, readyAt: STARTED_AT + 1000 })
    // The wall clock was set an hour ahead since: now, by it, the start is an hour longer ago.
    clock.now = () => new Date(STARTED_AT + 5000 + 3_600_000)
    const later = timeBaseOf({ createdAt: new Date(STARTED_AT), startedAt: new Date(STARTED_AT + 3_600_000) }, clock)
    expect(later.runStartedAt).toBe(STARTED_AT)
  })
})

function tasksFrom(first: number, count: number): ReportedTask[] {
  return Array.from({ length: count }, (_, at) => ({ index: first + at, serviceMs: first + at + 1 }))
}

describe('Ledger', () => {
  it('shows only what is known to be on disk', () => {
    const ledger = new Ledger(runRecord(), null)
    const first = [entryOf(tasksFrom(0, 2))]
    const second = [entryOf(tasksFrom(2, 3))]
    ledger.advance(first, { sequence: 2 })
    ledger.advance(second, { sequence: 3 })
    expect([ledger.recorded.counts.succeeded, ledger.visible.counts.succeeded]).toEqual([5, 0])
    ledger.acknowledge(first)
    expect([ledger.visible.counts.succeeded, ledger.visible.sequence]).toEqual([2, 2])
    expect(ledger.times.service.distribution().moments.count).toBe(2)
    ledger.acknowledge(second)
    expect(ledger.visible).toEqual(ledger.recorded)
  })

  it('numbers rows without a gap, dropped places apart', () => {
    const ledger = new Ledger(runRecord({ lastTaskSequence: 10 }), null)
    const entries = [
      entryOf(tasksFrom(0, 3), { dropped: new Set([1]) }),
      entryOf(tasksFrom(3, 1), { dropped: new Set([0]) }),
      entryOf(tasksFrom(4, 2)),
    ]
    const state = ledger.advance(entries, {})
    expect(entries.map(({ block }) => block.firstSequence)).toEqual([11, 13, 13])
    expect(state.lastTaskSequence).toBe(14)
  })

  it('does not change a state that it has handed out', () => {
    const ledger = new Ledger(runRecord(), null)
    const before = ledger.advance([entryOf(tasksFrom(0, 2), { laneCpuMs: 3 })], {})
    const copy = structuredClone(before)
    ledger.advance([entryOf(tasksFrom(2, 2), { laneCpuMs: 4 })], { status: 'RUNNING' })
    expect(before).toEqual(copy)
    expect(ledger.recorded.times.cpuMs).toBe(7)
  })

  it('counts lane time also of blocks without a row', () => {
    const ledger = new Ledger(runRecord(), null)
    const state = ledger.advance([entryOf(tasksFrom(0, 1), { dropped: new Set([0]), laneCpuMs: 9 })], {})
    expect(state.times).toMatchObject({ cpuMs: 9, firstStartMs: null, lastEndMs: null })
  })

  it('adds up how busy the lanes were, from the first block on or not at all', () => {
    const laneLoad = { busyMs: 5, coreWaitMs: 2 }
    const ledger = new Ledger(runRecord(), null)
    ledger.advance([entryOf(tasksFrom(0, 1), { laneLoad }), entryOf(tasksFrom(1, 1))], {})
    // A lane that died has told nothing of its last tasks.
    const state = ledger.advance([entryOf(tasksFrom(2, 1), { laneLoad })], {})
    expect(state.times.load).toEqual({ busyMs: 10, coreWaitMs: 4 })
    const late = new Ledger(runRecord(), null)
    late.advance([entryOf(tasksFrom(0, 1))], {})
    expect(late.advance([entryOf(tasksFrom(1, 1), { laneLoad })], {}).times.load).toBeUndefined()
    const unknown = new Ledger(runRecord(), null)
    unknown.advance([entryOf(tasksFrom(0, 1), { laneLoad: { busyMs: 5, coreWaitMs: null } })], {})
    expect(unknown.advance([entryOf(tasksFrom(1, 1), { laneLoad })], {}).times.load).toEqual({
      busyMs: 10,
      coreWaitMs: null,
    })
  })

  it('counts what hosts refused, also of attempts that are tried again', () => {
    const error = { code: 'HTTP_STATUS' as const, message: '429', retryable: true }
    const refused = { index: 0, error, fetch: { ...fetchDetail, host: 'a', status: 429 } }
    const answered = { index: 0, attempt: 2, fetch: { ...fetchDetail, host: 'a' } }
    const ledger = new Ledger(runRecord({ spec: batchSpec({ stages: [FETCH] }) }), null)
    const first = [entryOf([refused], { dropped: new Set([0]) })]
    ledger.advance(first, {})
    ledger.acknowledge(first)
    const tally = { stage: 0, host: 'a', refused: { HTTP_429: 1 }, maxRetryAfterMs: null }
    expect(ledger.visible.refusals).toEqual([{ ...tally, attempts: 1 }])
    const state = ledger.advance([entryOf([answered])], {})
    expect(state.refusals).toEqual([{ ...tally, attempts: 2 }])
    expect(ledger.visible.refusals).toEqual([{ ...tally, attempts: 1 }])
    const goesOn = new Ledger(runRecord({ refusals: state.refusals }), null)
    expect(goesOn.advance([entryOf([answered])], {}).refusals).toEqual([{ ...tally, attempts: 3 }])
  })

  it('folds the reductions of the blocks into the state', () => {
    const ledger = new Ledger(runRecord(), 'SUM')
    const sum = (value: string) => entryOf(tasksFrom(0, 1), { reduction: { count: 1, value } })
    ledger.advance([sum('40'), sum('1')], {})
    expect(ledger.advance([sum('9007199254740993')], {}).reduction).toEqual({ count: 3, value: '9007199254741034' })
  })

  it('has the same books however the tasks are cut into blocks and commits', () => {
    const tasks = fc.array(
      fc.record({
        index: fc.nat(1000),
        outcome: fc.constantFrom(Outcome.SUCCEEDED, Outcome.FAILED, Outcome.CANCELLED),
        startedMs: fc.integer({ min: 0, max: 1000 }),
        serviceMs: fc.integer({ min: 0, max: 1000 }),
      }),
      { minLength: 1, maxLength: 40 },
    )
    fc.assert(
      fc.property(tasks, fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }), (all, sizes) => {
        const whole = new Ledger(runRecord(), null).advance([entryOf(all)], {})
        const parts: Entry[] = []
        for (let from = 0, cut = 0; from < all.length; cut += 1) {
          const size = sizes[cut % sizes.length]!
          parts.push(entryOf(all.slice(from, from + size)))
          from += size
        }
        const ledger = new Ledger(runRecord(), null)
        for (const part of parts) ledger.advance([part], {})
        const { counts, times } = ledger.recorded
        expect(counts).toEqual(whole.counts)
        expect(times.service.sum).toBe(whole.times.service.sum)
        expect(times.service.m2).toBeCloseTo(whole.times.service.m2, 3)
        expect([times.firstStartMs, times.lastEndMs]).toEqual([whole.times.firstStartMs, whole.times.lastEndMs])
      }),
    )
  })

  it('goes on from what is stored', () => {
    const counts = { total: 100, succeeded: 3, failed: 1, cancelled: 0, skipped: 0, bytes: 7 }
    const ledger = new Ledger(runRecord({ counts, lastTaskSequence: 4 }), null)
    ledger.restore(0, { serviceMs: Float64Array.of(1, 2, 3, 4), queueWaitMs: Float64Array.of(5, 6, 7, 8) })
    expect(ledger.times.service.distribution().percentile(1)).toBe(4)
    expect(ledger.times.queueWait.distribution().percentile(0)).toBe(5)
    const state = ledger.advance([entryOf([{ index: 9 }])], {})
    expect(state).toMatchObject({ counts: { succeeded: 4, failed: 1 }, lastTaskSequence: 5 })
  })

  it('gives sketches of all times, the last entries included, where exact figures would take too long', () => {
    const ledger = new Ledger(runRecord(), null)
    const few = [entryOf(tasksFrom(0, 10))]
    ledger.advance(few, {})
    expect(ledger.sketchesWith(few)).toBeNull()
    ledger.acknowledge(few)
    const last = [entryOf(tasksFrom(10, EXACT_LIMIT))]
    ledger.advance(last, {})
    const sketch = LogSketch.fromBytes(ledger.sketchesWith(last)!.service)
    expect(sketch.count).toBe(EXACT_LIMIT + 10)
    expect(sketch.valueAtRank(EXACT_LIMIT + 10) / (EXACT_LIMIT + 10)).toBeCloseTo(1, 1)
  })
})

describe('Ledger of a pipeline', () => {
  const error = { code: 'FUNCTION_ERROR' as const, message: 'no', retryable: false }
  const launched = (stages: number) =>
    runRecord({ spec: batchSpec({ kind: 'PIPELINE', stages: Array.from({ length: stages }, () => COMPUTE) }) })

  it('counts each stage by itself, and all together', () => {
    const ledger = new Ledger(launched(2), null)
    const entries = [
      entryOf(tasksFrom(0, 3), { stage: 0, laneCpuMs: 5 }),
      entryOf([{ index: 0, startedMs: 100, serviceMs: 7 }], { stage: 1, laneCpuMs: 2 }),
    ]
    const { counts, times, stages } = ledger.advance(entries, {})
    expect(counts).toMatchObject({ total: 200, succeeded: 4, skipped: 0 })
    expect(stages?.map((stage) => stage.counts)).toMatchObject([
      { total: 100, succeeded: 3 },
      { total: 100, succeeded: 1 },
    ])
    expect([times, ...stages!.map((stage) => stage.times)]).toMatchObject([
      { cpuMs: 7, service: { count: 4, sum: 13 }, firstStartMs: 10, lastEndMs: 107 },
      { cpuMs: 5, service: { count: 3, sum: 6 }, firstStartMs: 10, lastEndMs: 13 },
      { cpuMs: 2, service: { count: 1, sum: 7 }, firstStartMs: 100, lastEndMs: 107 },
    ])
  })

  it('counts as skipped in all later stages what failed in one, and leaves what was cancelled to the end of the run', () => {
    const ledger = new Ledger(launched(3), null)
    const lost = [{ index: 0, error }, { index: 1, outcome: Outcome.CANCELLED }, { index: 2 }]
    const { counts, stages } = ledger.advance(
      [entryOf(lost, { stage: 0 }), entryOf([{ index: 2, error }], { stage: 1 })],
      {},
    )
    expect(stages?.map((stage) => stage.counts.skipped)).toEqual([0, 1, 2])
    expect(counts).toMatchObject({ total: 300, succeeded: 1, failed: 2, cancelled: 1, skipped: 3 })
  })

  it('does not change a state that it has handed out', () => {
    const ledger = new Ledger(launched(2), null)
    const before = ledger.advance([entryOf(tasksFrom(0, 2), { stage: 0 })], {})
    const copy = structuredClone(before)
    ledger.advance([entryOf([{ index: 0, error }], { stage: 0 })], {}, new Map([[1, { lanes: 2 }]]))
    expect(before).toEqual(copy)
  })

  it('notes how each stage is executed', () => {
    const ledger = new Ledger(launched(2), null)
    ledger.advance([], { lanes: 3 }, new Map([[1, { effectiveStrategy: 'THREADS', lanes: 2, concurrency: 2 }]]))
    const { lanes, stages } = ledger.advance([], {}, new Map([[0, { lanes: 1 }]]))
    expect(lanes).toBe(3)
    expect(stages).toMatchObject([
      { effectiveStrategy: null, lanes: 1 },
      { effectiveStrategy: 'THREADS', lanes: 2, concurrency: 2 },
    ])
  })

  it('keeps the times of each stage apart, restored ones included', () => {
    const ledger = new Ledger(launched(2), null)
    ledger.restore(1, { serviceMs: Float64Array.of(9), queueWaitMs: Float64Array.of(1) })
    const entries = [entryOf(tasksFrom(0, 2), { stage: 0 })]
    ledger.advance(entries, {})
    ledger.acknowledge(entries)
    const counted = [ledger.times, ...ledger.stageTimes].map(({ service }) => service.distribution().moments.count)
    expect(counted).toEqual([3, 2, 1])
    expect(ledger.stageTimes[1]?.service.distribution().percentile(1)).toBe(9)
  })

  it('gives sketches of those stages that have so many tasks by themselves, and of all together', () => {
    const ledger = new Ledger(launched(2), null)
    const first = [entryOf(tasksFrom(0, EXACT_LIMIT), { stage: 0 })]
    ledger.advance(first, {})
    expect([ledger.sketchesWith(first), ledger.stageSketchesWith(first)]).toEqual([null, []])
    ledger.acknowledge(first)
    const second = [entryOf(tasksFrom(0, 10), { stage: 1 })]
    ledger.advance(second, {})
    expect(LogSketch.fromBytes(ledger.sketchesWith(second)!.service).count).toBe(EXACT_LIMIT + 10)
    expect(ledger.stageSketchesWith(second)).toEqual([])
    ledger.acknowledge(second)
    const last = [entryOf(tasksFrom(EXACT_LIMIT, 1), { stage: 0 }), entryOf(tasksFrom(10, 1), { stage: 1 })]
    ledger.advance(last, {})
    const [sketches, ...others] = ledger.stageSketchesWith(last)
    expect(others).toEqual([])
    expect(sketches?.stage).toBe(0)
    expect(LogSketch.fromBytes(sketches!.queueWait).count).toBe(EXACT_LIMIT + 1)
    expect(LogSketch.fromBytes(ledger.sketchesWith(last)!.service).count).toBe(EXACT_LIMIT + 12)
  })

  it('has of a run of one stage the same books for both', () => {
    const ledger = new Ledger(runRecord(), null)
    expect(ledger.stageTimes).toEqual([ledger.times])
    const { stages } = ledger.advance([entryOf([{ index: 0, error }])], {}, new Map())
    expect(stages).toBeNull()
    expect(ledger.stageSketchesWith([])).toEqual([])
  })

  it('adds up, whatever comes in whichever order', () => {
    const task = fc.record({
      stage: fc.nat(3),
      outcome: fc.constantFrom(Outcome.SUCCEEDED, Outcome.FAILED, Outcome.CANCELLED),
      serviceMs: fc.integer({ min: 0, max: 1000 }),
    })
    fc.assert(
      fc.property(fc.array(task, { maxLength: 40 }), (tasks) => {
        const ledger = new Ledger(launched(4), null)
        for (const { stage, outcome, serviceMs } of tasks)
          ledger.advance([entryOf([{ index: 0, outcome, serviceMs }], { stage })], {})
        const { counts, stages, times } = ledger.recorded
        for (const figure of ['total', 'succeeded', 'failed', 'cancelled', 'skipped'] as const)
          expect(stages!.reduce((sum, stage) => sum + stage.counts[figure], 0)).toBe(counts[figure])
        expect(stages!.reduce((sum, stage) => sum + stage.times.service.sum, 0)).toBe(times.service.sum)
        stages!.forEach(({ counts: own }, stage) => {
          const lost = tasks.filter((one) => one.stage < stage && one.outcome === Outcome.FAILED)
          expect(own.skipped).toBe(lost.length)
        })
      }),
    )
  })
})
