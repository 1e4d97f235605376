import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TRIED_AGAIN } from '../../../../src/domain/attempts.js'
import { type TracedAttempt, TraceText } from '../../../../src/domain/exports/trace.js'
import { exportedRun, FETCHING } from '../../../support/exported.js'

interface TraceEvent {
  ph: string
  pid: number
  tid?: number
  ts: number
  dur: number
  name: string
  cat: string
  cname?: string
  args: Record<string, unknown>
}

const attempt = (more: Partial<TracedAttempt> = {}): TracedAttempt => ({
  lane: 'thread-1',
  stage: 0,
  index: 0,
  startMs: 0,
  endMs: 1,
  outcome: 0,
  number: 1,
  errorCode: null,
  httpStatus: null,
  url: null,
  ...more,
})

function eventsOf(attempts: TracedAttempt[], run = exportedRun(), lanes: string[] = []): TraceEvent[] {
  const text = new TraceText(run, lanes)
  const file = text.head() + attempts.map((each) => text.attempt(each)).join('') + text.end()
  return JSON.parse(file).traceEvents
}

const slicesOf = (events: TraceEvent[]) => events.filter(({ ph }) => ph === 'X')
const tracksOf = (events: TraceEvent[]) =>
  new Map(events.filter(({ name }) => name === 'thread_name').map(({ tid, args }) => [tid, args.name]))
const countersOf = (events: TraceEvent[], name: string, key: string) =>
  events
    .filter((event) => event.ph === 'C' && event.name === name)
    .map(({ ts, args }) => [ts, Number(args[key])] as const)

/** Times in whole nanoseconds, as Perfetto makes them of the microseconds in a file: what is left over is cut off. */
const ns = (us: number) => Math.trunc(us * 1000)

describe('trace', () => {
  it('names the run, and has a track a lane in the order of their names', () => {
    const run = exportedRun({ name: 'nightly' })
    const events = eventsOf(
      [attempt({ lane: 'thread-10' }), attempt({ lane: 'thread-2' }), attempt({ lane: 'lost' })],
      run,
      ['thread-10', 'thread-2'],
    )
    expect(events.find(({ name }) => name === 'process_name')?.args).toEqual({ name: 'nightly' })
    const tracks = tracksOf(events)
    const sorted = events
      .filter(({ name }) => name === 'thread_sort_index')
      .toSorted((a, b) => Number(a.args.sort_index) - Number(b.args.sort_index))
    expect(sorted.map(({ tid }) => tracks.get(tid))).toEqual(['thread-2', 'thread-10', 'lost'])
  })

  it('is whole without an attempt', () => {
    expect(slicesOf(eventsOf([]))).toEqual([])
  })

  it('tells of a slice what it was, and what came of it', () => {
    const url = 'https://user:pass@example.com/a/b?secret=1'
    const failed = attempt({
      index: 3,
      number: 2,
      outcome: 1,
      errorCode: 'HTTP_STATUS',
      httpStatus: 503,
      url,
      startMs: 1.5,
      endMs: 2,
    })
    const again = attempt({ index: 4, outcome: TRIED_AGAIN, errorCode: 'TIMEOUT', startMs: 3, endMs: 4 })
    const [slice, other] = slicesOf(eventsOf([failed, again], exportedRun(FETCHING)))
    expect(slice).toMatchObject({
      name: 'fetch example.com/a/b',
      cat: 'fetch',
      ts: 1500,
      dur: 500,
      cname: 'terrible',
      args: {
        index: 3,
        stage: 0,
        attempt: 2,
        status: 'FAILED',
        error: 'HTTP_STATUS',
        httpStatus: 503,
        url: 'https://***@example.com/a/b?secret=1',
      },
    })
    expect(other).toMatchObject({ name: 'fetch #4', cname: 'bad', args: { status: 'TRIED_AGAIN', error: 'TIMEOUT' } })
  })

  it('calls a compute by its function and index, and cuts long names', () => {
    const run = exportedRun()
    const [stage] = run.spec.stages
    const name = stage?.kind === 'COMPUTE' ? stage.function : ''
    expect(slicesOf(eventsOf([attempt({ index: 12 })], run))[0]?.name).toBe(`${name} #12`)
    const long = attempt({ url: `https://example.com/${'a'.repeat(200)}` })
    expect(slicesOf(eventsOf([long], exportedRun(FETCHING)))[0]?.name).toMatch(/^fetch example\.com\/a+…$/)
  })

  it('spreads what one lane does at a time over tracks of its own', () => {
    const events = eventsOf([
      attempt({ startMs: 0, endMs: 10 }),
      attempt({ startMs: 1, endMs: 5 }),
      attempt({ startMs: 5, endMs: 8 }),
      attempt({ startMs: 6, endMs: 7 }),
      attempt({ startMs: 10, endMs: 11 }),
    ])
    const tracks = tracksOf(events)
    expect(slicesOf(events).map(({ tid }) => tracks.get(tid))).toEqual([
      'thread-1',
      'thread-1 #2',
      'thread-1 #2',
      'thread-1 #3',
      'thread-1',
    ])
  })

  it('begins a first task that lies before the start of its run with the run', () => {
    expect(slicesOf(eventsOf([attempt({ startMs: -0.4, endMs: 0.5 })]))[0]).toMatchObject({ ts: 0, dur: 500 })
  })

  it('has no two slices of a track that overlap, and none that is lost', () => {
    const times = fc.record({
      lane: fc.constantFrom('thread-1', 'thread-2'),
      startMs: fc.oneof(fc.double({ min: 0, max: 20, noNaN: true }), fc.integer({ min: 0, max: 20 })),
      lastsMs: fc.oneof(fc.double({ min: 0, max: 5, noNaN: true }), fc.constantFrom(0, 0.0001, 1)),
    })
    fc.assert(
      fc.property(fc.array(times, { maxLength: 60 }), (all) => {
        const sorted = all.toSorted((a, b) => a.startMs - b.startMs)
        const attempts = sorted.map(({ lane, startMs, lastsMs }) =>
          attempt({ lane, startMs, endMs: startMs + lastsMs }),
        )
        const slices = slicesOf(eventsOf(attempts))
        expect(slices).toHaveLength(attempts.length)
        const ends = new Map<number | undefined, number>()
        for (const { tid, ts, dur } of slices) {
          expect(ns(ts)).toBeGreaterThanOrEqual(ends.get(tid) ?? 0)
          ends.set(tid, ns(ts) + ns(dur))
        }
      }),
    )
  })

  it('counts what is in flight and what ends, over however long a time', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(100_000), fc.nat(50_000)), { minLength: 1, maxLength: 50 }),
        fc.constantFrom(0.001, 1, 1000),
        (spans, unit) => {
          const attempts = spans
            .map(([startMs, lastsMs]) => attempt({ startMs: unit * startMs, endMs: unit * (startMs + lastsMs) }))
            .toSorted((a, b) => a.startMs - b.startMs)
          const events = eventsOf(attempts)
          const inFlight = countersOf(events, 'in flight', 'tasks')
          const throughput = countersOf(events, 'throughput', 'tasks a second')
          expect(inFlight.length).toBeLessThanOrEqual(1_025)
          const busyMs = attempts.reduce((sum, { startMs, endMs }) => sum + endMs - startMs, 0)
          const lastMs = Math.max(...attempts.map(({ endMs }) => endMs))
          // Counters have six digits, times are in quarters of a microsecond.
          expect(Math.abs(areaOf(inFlight) / 1000 - busyMs)).toBeLessThanOrEqual(
            1e-5 * busyMs + 0.00025 * attempts.length,
          )
          if (lastMs > 0) expect(areaOf(throughput) / 1e6).toBeCloseTo(attempts.length, 2)
        },
      ),
    )
  })

  it('counts nothing that is tried again as ended', () => {
    const events = eventsOf([attempt({ outcome: TRIED_AGAIN, endMs: 1 }), attempt({ startMs: 2, endMs: 3 })])
    expect(areaOf(countersOf(events, 'throughput', 'tasks a second')) / 1e6).toBeCloseTo(1, 2)
  })
})

/** What a counter comes to over its time, which is in microseconds. */
function areaOf(points: readonly (readonly [number, number])[]): number {
  return points.reduce((area, [ts, value], at) => area + value * ((points[at + 1]?.[0] ?? ts) - ts), 0)
}
