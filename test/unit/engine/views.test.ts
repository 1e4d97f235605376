import { describe, expect, it } from 'vitest'
import type { RunRecord, RunStatus } from '../../../src/domain/run.js'
import { EXACT_LIMIT, TimingAccumulator } from '../../../src/domain/timing.js'
import { Ledger } from '../../../src/engine/ledger.js'
import { Meters } from '../../../src/engine/rate.js'
import { Views } from '../../../src/engine/views.js'
import type { Store } from '../../../src/store/store.js'
import { ManualClock } from '../../support/clock.js'
import { batchSpec, COMPUTE, entryOf, runRecord } from '../../support/engine-parts.js'

/** A store that answers with what the test gives it, and remembers what it was asked. */
function setup(answers: Partial<Store> = {}) {
  const clock = new ManualClock()
  const asked: string[] = []
  const methods = Object.entries(answers).map(([name, answer]) => [
    name,
    (...args: unknown[]) => {
      asked.push(name)
      return (answer as (...rest: unknown[]) => unknown)(...args)
    },
  ])
  const views = new Views(Object.fromEntries(methods) as Store, clock)
  return { clock, asked, views }
}

function ended(status: RunStatus, changes: Partial<RunRecord> = {}): RunRecord {
  const startedAt = new Date(Date.UTC(2026, 0, 1))
  const finishedAt = new Date(startedAt.getTime() + 2500)
  const counts = { total: 10, succeeded: 7, failed: 1, cancelled: 1, skipped: 1, bytes: 64 }
  return runRecord({ status, startedAt, finishedAt, counts, sequence: 42, finalThroughput: 4, ...changes })
}

function reducing(reduce: 'SUM' | 'COUNT' | 'COLLECT', changes: Partial<RunRecord> = {}): RunRecord {
  return ended('SUCCEEDED', { spec: batchSpec({ stages: [{ ...COMPUTE, reduce } as typeof COMPUTE] }), ...changes })
}

/** A run under way of which ten tasks in a second have ended and two are running. */
function live(clock: ManualClock) {
  const record = runRecord({ status: 'RUNNING', startedAt: clock.now() })
  const ledger = new Ledger(record, null)
  const meters = new Meters(clock, record)
  meters.start(record)
  clock.advance(1000)
  const entries = [entryOf(Array.from({ length: 10 }, (_, index) => ({ index, serviceMs: index })))]
  ledger.advance(entries, { sequence: 5 })
  ledger.acknowledge(entries)
  meters.sample(ledger.visible)
  return { record, ledger, meters, running: 2, runningIn: () => 2, sequence: 7 }
}

describe('Views.view', () => {
  it('shows a run under way as it is now', () => {
    const { clock, views } = setup()
    const run = live(clock)
    // As it was read from the disk a while ago.
    const { record, progress } = views.view({ ...run.record, status: 'QUEUED' }, run)
    expect(record).toMatchObject({ status: 'RUNNING', counts: { succeeded: 10 } })
    expect(progress).toMatchObject({ total: 100, queued: 88, running: 2, done: 10, fraction: 0.1, sequence: 7 })
    expect(progress).toMatchObject({ throughput: 10, elapsedMs: 1000, etaMs: 9000 })
    expect(progress.etaHighMs).toBeGreaterThan(9000)
  })

  it('shows an ended run from what is stored alone', () => {
    const { views } = setup()
    expect(views.view(ended('PARTIAL'), null).progress).toEqual({
      ...{ total: 10, succeeded: 7, failed: 1, cancelled: 1, skipped: 1, bytes: 64 },
      ...{ queued: 0, running: 0, done: 10, fraction: 1, sequence: 42 },
      ...{ throughput: 4, elapsedMs: 2500, etaMs: 0, etaHighMs: 0 },
    })
  })

  it('has nothing to estimate from for a run that nobody works on yet', () => {
    const { views } = setup()
    const { progress } = views.view(runRecord(), null)
    expect(progress).toMatchObject({ queued: 100, running: 0, elapsedMs: 0, etaMs: null, etaHighMs: null })
  })
})

describe('Views.distribution', () => {
  it('takes a live run from its books', async () => {
    const { clock, views, asked } = setup()
    const run = live(clock)
    const distribution = await views.distribution(
      views.view(run.record, run),
      { stage: null, column: 'serviceMs' },
      run,
    )
    expect([distribution.exact, distribution.percentile(0.5), distribution.percentile(1)]).toEqual([true, 4, 9])
    expect(asked).toEqual([])
  })

  it('reads an ended run once', async () => {
    const { views, asked } = setup({ times: async () => Float64Array.of(3, 1, 2) })
    const run = views.view(ended('SUCCEEDED'), null)
    for (let time = 0; time < 3; time += 1) {
      expect((await views.distribution(run, { stage: null, column: 'queueWaitMs' }, null)).percentile(1)).toBe(3)
    }
    expect(asked).toEqual(['times'])
  })

  it('reads again what could not be read', async () => {
    let fails = true
    const times = async () => {
      if (fails) throw new Error('the disk cannot be read')
      return Float64Array.of(1)
    }
    const { views, asked } = setup({ times })
    const run = views.view(ended('SUCCEEDED'), null)
    await expect(views.distribution(run, { stage: null, column: 'serviceMs' }, null)).rejects.toThrow(
      'the disk cannot be read',
    )
    fails = false
    expect((await views.distribution(run, { stage: null, column: 'serviceMs' }, null)).percentile(1)).toBe(1)
    expect(asked).toEqual(['times', 'times'])
  })

  it('forgets the runs that were not asked for the longest', async () => {
    const { views, asked } = setup({ times: async () => Float64Array.of(1) })
    const runs = Array.from({ length: 33 }, () => views.view(ended('SUCCEEDED'), null))
    for (const run of runs) await views.distribution(run, { stage: null, column: 'serviceMs' }, null)
    await views.distribution(runs[1]!, { stage: null, column: 'serviceMs' }, null)
    expect(asked).toHaveLength(33)
    await views.distribution(runs[0]!, { stage: null, column: 'serviceMs' }, null)
    expect(asked).toHaveLength(34)
    await views.distribution(runs[1]!, { stage: null, column: 'serviceMs' }, null)
    expect(asked).toHaveLength(34)
  })

  it('takes the sketch of a run of more tasks than are kept exactly', async () => {
    const times = new TimingAccumulator()
    for (let at = 0; at <= EXACT_LIMIT; at += 1) times.add(at)
    const sketches = async () => ({ service: times.toBytes(), queueWait: times.toBytes(), phases: null })
    const { views, asked } = setup({ sketches })
    const record = ended('SUCCEEDED')
    const run = views.view({ ...record, times: { ...record.times, service: times.moments } }, null)
    const distribution = await views.distribution(run, { stage: null, column: 'serviceMs' }, null)
    expect([distribution.exact, distribution.moments.count]).toEqual([false, EXACT_LIMIT + 1])
    expect(distribution.percentile(0.5) / (EXACT_LIMIT / 2)).toBeCloseTo(1, 1)
    expect(asked).toEqual(['sketches'])
  })
})

describe('Views.timeline', () => {
  const lane = { lane: 'thread-1', busyFraction: 1, spans: [] }

  it('reads an ended run once for each number of spans, and anew after it was forgotten', async () => {
    const { views, asked } = setup({ timeline: async () => [lane] })
    const [run, other] = [ended('SUCCEEDED'), ended('PARTIAL')].map((record) => views.view(record, null))
    for (let time = 0; time < 3; time += 1) expect(await views.timeline(run!, 10)).toEqual([lane])
    await views.timeline(run!, 11)
    await views.timeline(other!, 10)
    expect(asked).toHaveLength(3)
    views.forget(run!.record.id)
    await views.timeline(other!, 10)
    await views.timeline(run!, 10)
    expect(asked).toHaveLength(4)
  })

  it('reads a run under way each time', async () => {
    const { clock, views, asked } = setup({ timeline: async () => [lane] })
    const run = live(clock)
    for (let time = 0; time < 2; time += 1)
      expect(await views.timeline(views.view(run.record, run), 10)).toEqual([lane])
    expect(asked).toEqual(['timeline', 'timeline'])
  })

  it('asks for as many spans as were asked for', async () => {
    const { views } = setup({ timeline: async (_runId, maxSpans) => [{ ...lane, lane: String(maxSpans) }] })
    expect(await views.timeline(views.view(ended('SUCCEEDED'), null), 77)).toEqual([{ ...lane, lane: '77' }])
  })
})

describe('Views.reduction', () => {
  it('is null without a reducer, and before the end', async () => {
    const { views } = setup()
    expect(await views.reduction(views.view(ended('SUCCEEDED'), null))).toBeNull()
    const running = reducing('SUM', { status: 'RUNNING', reduction: { count: 1, value: '4' } })
    expect(await views.reduction(views.view(running, null))).toBeNull()
  })

  it('is the fold of what succeeded; of nothing: 0 for COUNT, [] for COLLECT, null otherwise', async () => {
    const { views } = setup()
    const of = (record: RunRecord) => views.reduction(views.view(record, null))
    expect(await of(reducing('SUM', { reduction: { count: 2, value: '9007199254740993' } }))).toBe('9007199254740993')
    expect(await of(reducing('COUNT', { reduction: { count: 2, value: null } }))).toBe(2)
    const counts = { total: 2, succeeded: 0, failed: 2, cancelled: 0, skipped: 0, bytes: 0 }
    const nothing = [reducing('SUM', { counts }), reducing('COUNT', { counts }), reducing('COLLECT', { counts })]
    expect(await Promise.all(nothing.map(of))).toEqual([null, 0, []])
  })

  it('collects outputs in the order of the inputs, null for what did not succeed', async () => {
    const { views } = setup({ outputs: async () => ['{"a":1}', null, '"b"'] })
    const counts = { total: 3, succeeded: 2, failed: 1, cancelled: 0, skipped: 0, bytes: 0 }
    expect(await views.reduction(views.view(reducing('COLLECT', { counts }), null))).toEqual([{ a: 1 }, null, 'b'])
  })
})

describe('Views.inputs', () => {
  it('follows from the index for a range, and is read for a list', async () => {
    const { views, asked } = setup({ items: async (_, indexes) => new Map(indexes.map((index) => [index, 'x'])) })
    const range = runRecord({ spec: batchSpec({ source: { kind: 'range', from: 5, to: 25, step: 2, count: 10 } }) })
    expect(await views.inputs(range, 0, [0, 3])).toEqual(
      new Map([
        [0, 5],
        [3, 11],
      ]),
    )
    expect(asked).toEqual([])
    const list = runRecord({ spec: batchSpec({ source: { kind: 'list', form: 'inputs', count: 3 } }) })
    expect(await views.inputs(list, 0, [2])).toEqual(new Map([[2, 'x']]))
  })
})

describe('Views.inputs, of a file', () => {
  const source = { kind: 'file' as const, form: 'inputs' as const, name: null, bytes: 1, sha256: '', count: 10 }
  const record = runRecord({ spec: batchSpec({ source }) })
  const indexes = Array.from({ length: 10 }, (_, at) => at)
  /** So many at a time. */
  const answering = (most: number) =>
    setup({ items: async (_id, wanted) => new Map(wanted.slice(0, most).map((at) => [at, at])) })

  it('asks again for what did not come', async () => {
    const { views, asked } = answering(3)
    expect(await views.inputs(record, 0, indexes)).toEqual(new Map(indexes.map((at) => [at, at])))
    expect(asked).toHaveLength(4)
  })

  it('gives up where they are too large for an answer', async () => {
    await expect(answering(2).views.inputs(record, 0, indexes)).rejects.toThrow(
      /^the inputs of these 10 tasks are too large/,
    )
  })

  it('tells a line that is no request as it is', async () => {
    const bad = { url: 'nonsense', method: 'GET', headers: [], body: null, problem: 'no URL' }
    const { views } = setup({ items: async () => new Map([[0, bad]]) })
    expect(await views.inputs(record, 0, [0])).toEqual(new Map([[0, 'nonsense']]))
  })
})
