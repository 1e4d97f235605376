/** What runs took over time: their parts, merged by the time that the runs ended in and by what they have in common. */

import { LogSketch } from './sketch.js'
import { PartReader, TimedSum } from './timed-parts.js'
import type { Distribution, Moments } from './timing.js'
import { distributionFromSketch } from './timing.js'

export const TimeBucket = { MINUTE: 'MINUTE', HOUR: 'HOUR', DAY: 'DAY', WEEK: 'WEEK' } as const
export type TimeBucket = (typeof TimeBucket)[keyof typeof TimeBucket]

export const TimingGroup = {
  NONE: 'NONE',
  KIND: 'KIND',
  STRATEGY: 'STRATEGY',
  FUNCTION: 'FUNCTION',
  HOST: 'HOST',
  LABEL: 'LABEL',
} as const
export type TimingGroup = (typeof TimingGroup)[keyof typeof TimingGroup]

/** More points than this are not answered: nobody looks at them, and each is an object. */
export const MAX_POINTS = 2_000

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
export const DAY_MS = 24 * HOUR_MS
const LENGTHS_MS = { MINUTE: MINUTE_MS, HOUR: HOUR_MS, DAY: DAY_MS, WEEK: 7 * DAY_MS } as const
/** The first Monday: 1970 began on a Thursday. */
const MONDAY_MS = 4 * DAY_MS

/** When the bucket that an instant lies in began, as epoch milliseconds: UTC, weeks from Monday on. */
export function bucketStartOf(epochMs: number, bucket: TimeBucket): number {
  const firstMs = bucket === 'WEEK' ? MONDAY_MS : 0
  const lengthMs = LENGTHS_MS[bucket]
  return firstMs + Math.floor((epochMs - firstMs) / lengthMs) * lengthMs
}

/** Of a run that has ended, or of several that are alike. */
export interface TimedRuns {
  /** Of the run, or the beginning of the day in which all of them ended. Epoch milliseconds. */
  finishedAtMs: number
  runs: number
  /** Their wall times added up. */
  wallMs: number
  /** What they are grouped by: null for nothing, and where their parts tell it. */
  group: string | null
  /** See TimedParts.pack. */
  parts: Uint8Array
}

/** A point as it crosses from thread to thread. */
export interface TimingSums {
  bucketStartMs: number
  /** Null where nothing is grouped by, and of the tasks that have no group. */
  group: string | null
  runs: number
  tasks: number
  failed: number
  wallMs: number
  service: Moments
  /** See LogSketch.fromBytes. */
  sketch: Uint8Array
}

export interface TimingPoint {
  bucketStart: Date
  group: string | null
  runs: number
  tasks: number
  failed: number
  service: Distribution
  /** Tasks a second of wall time, of the runs' added up. */
  throughput: number
}

interface OpenPoint {
  group: string | null
  runs: number
  wallMs: number
  sum: TimedSum
}

/** Merges runs into points. */
export class HistoryFold {
  /** By their buckets and their groups. */
  readonly #points = new Map<number, Map<string | null, OpenPoint>>()
  #size = 0

  constructor(
    private readonly bucket: TimeBucket,
    private readonly groupBy: TimingGroup,
  ) {}

  /** Whether there are more points than are answered: what is added then is in vain. */
  get isFull(): boolean {
    return this.#size > MAX_POINTS
  }

  add(runs: TimedRuns): void {
    const points = this.#bucketAt(bucketStartOf(runs.finishedAtMs, this.bucket))
    const touched =
      this.groupBy === 'FUNCTION' || this.groupBy === 'HOST'
        ? this.#addByPart(points, runs)
        : [this.#addWhole(points, runs)]
    for (const point of touched) {
      point.runs += runs.runs
      point.wallMs += runs.wallMs
    }
  }

  #addWhole(points: Map<string | null, OpenPoint>, { group, parts }: TimedRuns): OpenPoint {
    const point = this.#at(points, group)
    for (const reader = new PartReader(parts); reader.next(); ) point.sum.merge(reader)
    return point
  }

  #addByPart(points: Map<string | null, OpenPoint>, { parts }: TimedRuns): Set<OpenPoint> {
    const touched = new Set<OpenPoint>()
    for (const reader = new PartReader(parts); reader.next(); ) {
      const point = this.#at(points, this.groupBy === 'HOST' ? reader.host : reader.function)
      point.sum.merge(reader)
      touched.add(point)
    }
    // What ended before a task had is a run all the same.
    return touched.size > 0 ? touched : touched.add(this.#at(points, null))
  }

  /** The earliest first; of one time by group, those without one last. */
  points(): TimingSums[] {
    const buckets = [...this.#points].sort(([a], [b]) => a - b)
    return buckets.flatMap(([bucketStartMs, points]) =>
      [...points.values()].sort(byGroup).map(({ sum, ...point }) => ({
        ...point,
        bucketStartMs,
        tasks: sum.tasks,
        failed: sum.failed,
        service: sum.service,
        sketch: sum.sketch.toBytes(),
      })),
    )
  }

  #bucketAt(startMs: number): Map<string | null, OpenPoint> {
    const known = this.#points.get(startMs)
    if (known) return known
    const points = new Map<string | null, OpenPoint>()
    this.#points.set(startMs, points)
    return points
  }

  #at(points: Map<string | null, OpenPoint>, group: string | null): OpenPoint {
    let point = points.get(group)
    if (point === undefined) {
      point = { group, runs: 0, wallMs: 0, sum: new TimedSum() }
      points.set(group, point)
      this.#size += 1
    }
    return point
  }
}

function byGroup({ group: a }: OpenPoint, { group: b }: OpenPoint): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null)
  return a < b ? -1 : Number(a > b)
}

export function toTimingPoint({ bucketStartMs, wallMs, sketch, service, ...point }: TimingSums): TimingPoint {
  return {
    ...point,
    bucketStart: new Date(bucketStartMs),
    service: distributionFromSketch(LogSketch.fromBytes(sketch), service),
    throughput: wallMs > 0 ? (point.tasks / wallMs) * 1_000 : 0,
  }
}
