import { describe, expect, it } from 'vitest'
import { TimedParts } from '../../../src/domain/timed-parts.js'
import {
  bucketStartOf,
  HistoryFold,
  MAX_POINTS,
  TimeBucket,
  type TimingGroup,
  toTimingPoint,
} from '../../../src/domain/timing-history.js'

const NOON_MS = Date.parse('2026-11-29T12:34:56.789Z')

describe('the bucket of an instant', () => {
  it.each([
    ['2026-11-29T12:34:56.789Z', 'MINUTE', '2026-11-29T12:34:00.000Z'],
    ['2026-11-29T12:34:56.789Z', 'HOUR', '2026-11-29T12:00:00.000Z'],
    ['2026-11-29T12:34:56.789Z', 'DAY', '2026-11-29T00:00:00.000Z'],
    // A Sunday: its week began on the Monday before.
    ['2026-11-29T12:34:56.789Z', 'WEEK', '2026-11-23T00:00:00.000Z'],
    ['2026-11-30T00:00:00.000Z', 'WEEK', '2026-11-30T00:00:00.000Z'],
    ['1970-01-01T00:00:00.000Z', 'WEEK', '1969-12-29T00:00:00.000Z'],
    ['2024-02-29T23:59:59.999Z', 'DAY', '2024-02-29T00:00:00.000Z'],
  ] as const)('%s by %s begins at %s', (instant, bucket, start) => {
    expect(new Date(bucketStartOf(Date.parse(instant), bucket)).toISOString()).toBe(start)
  })

  it('begins a bucket itself, and is no later than what it holds', () => {
    for (const bucket of Object.values(TimeBucket)) {
      const start = bucketStartOf(NOON_MS, bucket)
      expect(start).toBeLessThanOrEqual(NOON_MS)
      expect(bucketStartOf(start, bucket)).toBe(start)
      expect(bucketStartOf(start - 1, bucket)).toBeLessThan(start)
    }
  })
})

interface Piece {
  function?: string
  host?: string
  serviceMs: number[]
  failed?: number
}

function packed(pieces: Piece[]): Uint8Array {
  const parts = new TimedParts()
  for (const [stage, { function: name = null, host = null, serviceMs, failed = 0 }] of pieces.entries())
    parts.at({ stage, function: name, host }).add({ tasks: serviceMs.length, failed, serviceMs })
  return parts.pack()
}

function folded(
  groupBy: TimingGroup,
  runs: { pieces: Piece[]; atMs?: number; group?: string | null; runs?: number }[],
) {
  const fold = new HistoryFold('DAY', groupBy)
  for (const { pieces, atMs = NOON_MS, group = null, runs: count = 1 } of runs)
    fold.add({ finishedAtMs: atMs, runs: count, wallMs: 100 * count, group, parts: packed(pieces) })
  return fold.points().map(toTimingPoint)
}

const PIPELINE: Piece[] = [
  { host: 'a', serviceMs: [10, 20] },
  { function: 'f', serviceMs: [1, 2], failed: 1 },
  { function: 'g', serviceMs: [3] },
]

describe('history', () => {
  it('merges all parts of a time where nothing is grouped by', () => {
    const [point, ...others] = folded('NONE', [{ pieces: PIPELINE }, { pieces: [{ function: 'f', serviceMs: [4] }] }])
    expect(others).toEqual([])
    expect(point).toMatchObject({ group: null, runs: 2, tasks: 6, failed: 1, throughput: 30 })
    expect(point?.bucketStart.toISOString()).toBe('2026-11-29T00:00:00.000Z')
    expect(point?.service.moments).toMatchObject({ count: 6, min: 1, max: 20, sum: 40 })
    expect(point?.service.exact).toBe(false)
  })

  it.each([
    [
      'FUNCTION',
      [
        ['f', 2, 3],
        ['g', 1, 1],
        [null, 1, 2],
      ],
    ],
    [
      'HOST',
      [
        ['a', 1, 2],
        [null, 2, 4],
      ],
    ],
  ] as const)('by %s adds up to all tasks, what has none last', (groupBy, expected) => {
    const points = folded(groupBy, [{ pieces: PIPELINE }, { pieces: [{ function: 'f', serviceMs: [4] }] }])
    expect(points.map(({ group, runs, tasks }) => [group, runs, tasks])).toEqual(expected)
  })

  it('counts a run once in a group that several of its stages belong to', () => {
    const twice: Piece[] = [
      { function: 'f', serviceMs: [1] },
      { function: 'f', serviceMs: [2] },
    ]
    expect(folded('FUNCTION', [{ pieces: twice }])).toMatchObject([{ group: 'f', runs: 1, tasks: 2 }])
  })

  it('has runs without a task, too', () => {
    expect(folded('HOST', [{ pieces: [] }])).toMatchObject([{ group: null, runs: 1, tasks: 0, throughput: 0 }])
    expect(folded('KIND', [{ pieces: [], group: 'FETCH' }])).toMatchObject([{ group: 'FETCH', runs: 1, tasks: 0 }])
  })

  it('takes the group of the runs, the earliest time first', () => {
    const dayBefore = NOON_MS - 24 * 3_600_000
    const points = folded('LABEL', [
      { pieces: PIPELINE, group: 'b' },
      { pieces: PIPELINE, group: null },
      { pieces: PIPELINE, group: 'a', runs: 3 },
      { pieces: PIPELINE, group: 'b', atMs: dayBefore },
    ])
    expect(points.map(({ bucketStart, group, runs }) => [bucketStart.getUTCDate(), group, runs])).toEqual([
      [28, 'b', 1],
      [29, 'a', 3],
      [29, 'b', 1],
      [29, null, 1],
    ])
  })

  it('is full with more points than are answered', () => {
    const fold = new HistoryFold('MINUTE', 'NONE')
    const add = (at: number) =>
      fold.add({ finishedAtMs: at * 60_000, runs: 1, wallMs: 0, group: null, parts: packed([]) })
    for (let at = 0; at < MAX_POINTS; at += 1) add(at)
    expect(fold.isFull).toBe(false)
    add(MAX_POINTS)
    expect(fold.isFull).toBe(true)
  })
})
