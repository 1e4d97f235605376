import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type LaneTimeline, TimelineFold } from '../../../src/domain/timeline.js'
import {
  columnsOf,
  coveredMs,
  gapsBetween,
  laneName,
  type PlainAttempt,
  plainTimeline,
} from '../../support/attempts.js'

function folded(attempts: readonly PlainAttempt[], maxSpans: number): LaneTimeline[] {
  const fold = new TimelineFold(maxSpans)
  fold.add(columnsOf(attempts))
  return fold.lanes(laneName)
}

const spansOf = (timeline: readonly LaneTimeline[]) => timeline.flatMap(({ spans }) => spans)
const edges = (timeline: readonly LaneTimeline[]) => spansOf(timeline).map(({ startMs, endMs }) => [startMs, endMs])
const at = (startMs: number, endMs: number, more: Partial<PlainAttempt> = {}): PlainAttempt => ({
  lane: 1,
  startMs,
  endMs,
  ...more,
})

describe('a timeline', () => {
  it('has nothing where nothing has run', () => {
    expect(folded([], 10)).toEqual([])
  })

  it('has a span for each attempt while there is room, those that overlap too', () => {
    const downloads = [0, 1, 2, 3, 4].map((index) => at(index, 1000 + index, { index }))
    expect(folded(downloads, 5)).toEqual([
      {
        lane: 'thread-1',
        busyFraction: 1,
        spans: downloads.map(({ startMs, endMs, index }) => {
          return { index, stage: 0, startMs, endMs, status: 'SUCCEEDED', tasks: 1 }
        }),
      },
    ])
  })

  it('grows together over the smallest gap of all lanes first', () => {
    const attempts = [
      at(0, 10),
      at(13, 20),
      at(29, 30),
      at(0, 10, { lane: 2 }),
      at(11, 20, { lane: 2 }),
      at(25, 30, { lane: 2 }),
    ]
    const edgesWith = (maxSpans: number) => edges(folded(attempts, maxSpans))
    expect(edgesWith(5)).toEqual([
      [0, 10],
      [13, 20],
      [29, 30],
      [0, 20],
      [25, 30],
    ])
    expect(edgesWith(4)).toEqual([
      [0, 20],
      [29, 30],
      [0, 20],
      [25, 30],
    ])
    expect(edgesWith(3)).toEqual([
      [0, 20],
      [29, 30],
      [0, 30],
    ])
    expect(edgesWith(2)).toEqual([
      [0, 30],
      [0, 30],
    ])
  })

  it('swallows no idle time while there are spans that overlap', () => {
    expect(edges(folded([at(0, 10), at(4, 6), at(5, 9), at(11, 12)], 2))).toEqual([
      [0, 10],
      [11, 12],
    ])
  })

  it('keeps the earlier one of equal gaps', () => {
    expect(edges(folded([at(0, 1), at(2, 3), at(4, 5), at(6, 7)], 3))).toEqual([
      [0, 1],
      [2, 3],
      [4, 7],
    ])
  })

  it('has one span for each lane at least, though it was asked for fewer', () => {
    const attempts = [1, 2, 3].flatMap((lane) => [at(0, 1, { lane }), at(5, 6, { lane })])
    expect(edges(folded(attempts, 1))).toEqual([
      [0, 6],
      [0, 6],
      [0, 6],
    ])
  })

  it('tells exactly how long each lane was busy, whatever is folded', () => {
    const attempts = [at(0, 4), at(2, 6), at(3, 5), at(8, 10), at(9, 9), at(5, 20, { lane: 2 })]
    for (const maxSpans of [1, 2, 3, 100])
      expect(folded(attempts, maxSpans).map(({ busyFraction }) => busyFraction)).toEqual([8 / 20, 15 / 20])
  })

  it('has lanes in the order of their names, numbers as numbers', () => {
    const fold = new TimelineFold(10)
    fold.add(columnsOf([0, 1, 2, 3].map((lane) => at(lane, lane + 1, { lane }))))
    const names = ['thread-10', 'process-1', 'thread-2', 'thread-1']
    expect(fold.lanes((lane) => names[lane]!).map(({ lane }) => lane)).toEqual(
      names.toSorted((a, b) => NATURAL.compare(a, b)),
    )
    expect(fold.lanes((lane) => names[lane]!).at(-1)?.lane).toBe('thread-10')
  })

  it('says of a span what was longest in it, and what became of its tasks', () => {
    const attempts = [
      at(0, 5, { index: 7 }),
      at(5, 12, { index: 3, outcome: 'CANCELLED' }),
      at(12, 19, { index: 8 }),
      at(100, 101, { index: 1 }),
      at(101, 102, { index: 2, outcome: 'FAILED' }),
      at(102, 103, { index: 4, outcome: 'CANCELLED' }),
    ]
    expect(spansOf(folded(attempts, 2))).toEqual([
      { index: 3, stage: 0, startMs: 0, endMs: 19, status: 'CANCELLED', tasks: 3 },
      { index: 1, stage: 0, startMs: 100, endMs: 103, status: 'FAILED', tasks: 3 },
    ])
  })

  it('shows an attempt that was tried again as failed, and counts its task where it ended', () => {
    const attempts = [at(0, 5, { outcome: 'TRIED_AGAIN' }), at(20, 25, { lane: 2 })]
    expect(spansOf(folded(attempts, 9)).map(({ status, tasks }) => [status, tasks])).toEqual([
      ['FAILED', 0],
      ['SUCCEEDED', 1],
    ])
  })

  it('is 0 busy where no time has passed', () => {
    expect(folded([at(3, 3), at(3, 3, { lane: 2 })], 9).map(({ busyFraction }) => busyFraction)).toEqual([0, 0])
  })
})

describe('stages of one lane', () => {
  const turns = [at(0, 10), at(11, 20, { stage: 1, index: 1 }), at(21, 28), at(29, 40, { stage: 1, index: 1 })]

  it('do not grow together while there are spans enough', () => {
    expect(spansOf(folded(turns, 3)).map(({ startMs, endMs, stage }) => [startMs, endMs, stage])).toEqual([
      [0, 10, 0],
      [11, 40, 1],
      [21, 28, 0],
    ])
    expect(spansOf(folded(turns, 2)).map(({ startMs, endMs, stage }) => [startMs, endMs, stage])).toEqual([
      [0, 28, 0],
      [11, 40, 1],
    ])
  })

  it('grow together where not even each can have one', () => {
    expect(spansOf(folded(turns, 1))).toEqual([
      { index: 1, stage: 1, startMs: 0, endMs: 40, status: 'SUCCEEDED', tasks: 4 },
    ])
    const apart = [at(0, 1), at(50, 60, { stage: 1 }), at(0, 60, { lane: 2 }), at(0, 60, { lane: 2, stage: 1 })]
    expect(edges(folded(apart, 3))).toEqual([
      [0, 1],
      [50, 60],
      [0, 60],
    ])
  })

  it('grow together over the later of equal gaps where not even each can have one', () => {
    const lanes = [1, 2].flatMap((lane) => [at(0, 1, { lane }), at(50, 60, { lane, stage: 1 })])
    expect(edges(folded(lanes, 3))).toEqual([
      [0, 1],
      [50, 60],
      [0, 60],
    ])
  })

  it('count once in what their lane was busy', () => {
    expect(folded([at(0, 10), at(5, 15, { stage: 1 }), at(18, 20)], 9)[0]?.busyFraction).toBe(17 / 20)
  })
})

const NATURAL = new Intl.Collator('en', { numeric: true })

const ATTEMPT: fc.Arbitrary<PlainAttempt> = fc
  .record({
    lane: fc.nat(3),
    stage: fc.nat(1),
    startMs: fc.oneof(fc.nat(60), fc.double({ noNaN: true, min: 0, max: 60 })),
    lengthMs: fc.oneof(fc.nat(8), fc.constant(0), fc.double({ noNaN: true, min: 0, max: 3 })),
    index: fc.nat(99),
    outcome: fc.constantFrom('SUCCEEDED', 'SUCCEEDED', 'FAILED', 'CANCELLED', 'TRIED_AGAIN'),
  })
  .map(({ lengthMs, ...rest }) => ({ ...rest, endMs: rest.startMs + lengthMs }))

const lanesIn = (attempts: readonly PlainAttempt[]) => new Set(attempts.map(({ lane }) => lane)).size
const tracksIn = (attempts: readonly PlainAttempt[]) =>
  new Set(attempts.map(({ lane, stage }) => `${lane} ${stage}`)).size

/** Fractions within rounding, all else to the letter. */
function expectSame(actual: readonly LaneTimeline[], expected: readonly LaneTimeline[]): void {
  expect(actual.map(({ lane, spans }) => ({ lane, spans }))).toEqual(
    expected.map(({ lane, spans }) => ({ lane, spans })),
  )
  for (const [place, { busyFraction }] of actual.entries())
    expect(busyFraction).toBeCloseTo(expected[place]!.busyFraction, 9)
}

describe('folding', () => {
  it('is what taking the largest gaps of all comes to', () => {
    fc.assert(
      fc.property(fc.array(ATTEMPT, { minLength: 1, maxLength: 80 }), fc.nat(90), (attempts, more) => {
        const maxSpans = tracksIn(attempts) + more
        expectSame(folded(attempts, maxSpans), plainTimeline(attempts, maxSpans))
      }),
    )
  })

  it('loses no busy time and no task, and has no more spans than it may, whatever it is asked for', () => {
    fc.assert(
      fc.property(
        fc.array(ATTEMPT, { minLength: 1, maxLength: 80 }),
        fc.integer({ min: 1, max: 12 }),
        (attempts, maxSpans) => {
          const timeline = folded(attempts, maxSpans)
          const spans = spansOf(timeline)
          expect(spans.length).toBeLessThanOrEqual(Math.max(maxSpans, lanesIn(attempts)))
          for (const { lane, startMs, endMs } of attempts) {
            const own = timeline.find((one) => one.lane === laneName(lane))!
            expect(own.spans.some((span) => span.startMs <= startMs && span.endMs >= endMs)).toBe(true)
            expect(own.busyFraction).toBeLessThanOrEqual(1)
          }
          const ended = attempts.filter(({ outcome }) => outcome !== 'TRIED_AGAIN').length
          expect(spans.reduce((sum, { tasks }) => sum + tasks, 0)).toBe(ended)
          for (const own of timeline) expect(own.spans).toEqual(own.spans.toSorted((a, b) => a.startMs - b.startMs))
        },
      ),
    )
  })

  it('swallows the least idle time that a lane can lose, where its stages have to grow together', () => {
    fc.assert(
      fc.property(fc.array(ATTEMPT, { minLength: 1, maxLength: 40 }), fc.nat(4), (attempts, more) => {
        // Only where each stage of each lane is one span before.
        const maxSpans = Math.min(tracksIn(attempts) - 1, lanesIn(attempts) + more)
        fc.pre(maxSpans >= lanesIn(attempts))
        const whole = spansOf(plainTimeline(attempts, tracksIn(attempts)))
        expect(whole).toHaveLength(tracksIn(attempts))
        const possible = plainTimeline(attempts, tracksIn(attempts)).flatMap(({ spans }) => gapsBetween(spans))
        const kept = folded(attempts, maxSpans).flatMap(({ spans }) => gapsBetween(spans))
        const largest = possible.toSorted((a, b) => b - a).slice(0, maxSpans - lanesIn(attempts))
        expect(kept.toSorted((a, b) => b - a)).toEqual(largest)
      }),
    )
  })

  it('comes to the same however the attempts are handed over', () => {
    fc.assert(
      fc.property(fc.array(ATTEMPT, { maxLength: 60 }), fc.array(fc.nat(20), { maxLength: 9 }), (attempts, sizes) => {
        const columns = columnsOf(attempts)
        const fold = new TimelineFold(7)
        let from = 0
        for (const size of sizes) {
          const to = Math.min(columns.count, from + size)
          fold.add(columns, from, to)
          from = to
        }
        fold.add(columns, from)
        expect(fold.lanes(laneName)).toEqual(folded(attempts, 7))
      }),
    )
  })

  it('is exact for far more attempts than it holds', () => {
    const run = fc.record({
      seed: fc.integer({ min: 1 }),
      lanes: fc.integer({ min: 1, max: 4 }),
      maxSpans: fc.integer({ min: 4, max: 300 }),
      overlap: fc.nat(3),
    })
    fc.assert(
      fc.property(run, ({ seed, lanes, maxSpans, overlap }) => {
        const attempts = manyAttempts(seed, { lanes, overlap })
        expectSame(folded(attempts, maxSpans), plainTimeline(attempts, maxSpans))
      }),
      { numRuns: 8 },
    )
  })

  it('grows where there are more lanes than spans', () => {
    const attempts = Array.from({ length: 3_000 }, (_, lane) => [
      at(lane, lane + 1, { lane }),
      at(lane + 9, lane + 10, { lane }),
    ]).flat()
    const timeline = folded(attempts, 2)
    expect(timeline).toHaveLength(3_000)
    expect(edges(timeline.slice(0, 2))).toEqual([
      [0, 10],
      [1, 11],
    ])
    expect(coveredMs(timeline.flatMap(({ spans }) => spans))).toBe(3_009)
  })
})

/** Four thousand, lane by lane one after the other or over one another, with gaps of every size and many that are equal. */
function manyAttempts(seed: number, { lanes, overlap }: { lanes: number; overlap: number }): PlainAttempt[] {
  let state = seed
  const next = () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647
  }
  const freeMs = Array.from({ length: lanes }, () => 0)
  return Array.from({ length: 4_000 }, (_, index) => {
    const lane = Math.floor(next() * lanes)
    const startMs = Math.max(0, freeMs[lane]! + (next() < 0.3 ? 1 : 20 * next() ** 4) - overlap * next())
    const endMs = startMs + 3 * next()
    freeMs[lane] = Math.max(freeMs[lane]!, endMs)
    return { lane, startMs, endMs, index, outcome: next() < 0.01 ? 'FAILED' : 'SUCCEEDED' }
  })
}
