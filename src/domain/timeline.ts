/**
 * The picture of a run: lane by lane, what ran when. Attempts become spans, and where there are too many of them spans grow
 * together over the smallest gaps: busy time is never lost, and of idle time the least there can be.
 *
 * A track is what one lane did for one stage. Spans grow together within a track; only where there are more tracks than spans
 * to be had, within a lane.
 */

import { type AttemptColumns, TRIED_AGAIN } from './attempts.js'
import { STORED_TASK_STATUS, type StoredTaskStatus } from './task.js'

/** A stretch of time in which a lane had tasks in service, in milliseconds after Run.startedAt. */
export interface LaneSpan {
  /** Of the longest attempt in it, the first of several. */
  index: number
  stage: number
  startMs: number
  endMs: number
  /** FAILED if one in it failed, else CANCELLED if one was, else SUCCEEDED. */
  status: StoredTaskStatus
  /** Tasks whose last attempt is in it. */
  tasks: number
}

export interface LaneTimeline {
  lane: string
  /** The share of the run's wall time in which it had a task in service. */
  busyFraction: number
  /** By their starts. */
  spans: LaneSpan[]
}

export const DEFAULT_SPANS = 2_000
export const MAX_SPANS = 10_000

/** Spans held besides twice those asked for, so that few of them do not make them grow together at every attempt. */
const SPARE_SPANS = 1_024
const FAILED = STORED_TASK_STATUS.indexOf('FAILED')

/** A number for each place, as many places as there are. */
class Numbers {
  values = new Float64Array(16)

  at(place: number): number {
    return this.values[place]!
  }

  set(place: number, value: number): void {
    if (place >= this.values.length) {
      const larger = new Float64Array(2 * place)
      larger.set(this.values)
      this.values = larger
    }
    this.values[place] = value
  }
}

/** Spans by column, in the order of their starts. */
class Spans {
  readonly track: Int32Array
  /** From the end of all that its track did before to its start; less than 0 where they overlap. Infinity for the first. */
  readonly gapMs: Float64Array
  readonly startMs: Float64Array
  readonly endMs: Float64Array
  readonly longestMs: Float64Array
  readonly index: Uint32Array
  readonly outcome: Uint8Array
  readonly tasks: Float64Array

  constructor(readonly capacity: number) {
    this.track = new Int32Array(capacity)
    this.gapMs = new Float64Array(capacity)
    this.startMs = new Float64Array(capacity)
    this.endMs = new Float64Array(capacity)
    this.longestMs = new Float64Array(capacity)
    this.index = new Uint32Array(capacity)
    this.outcome = new Uint8Array(capacity)
    this.tasks = new Float64Array(capacity)
  }

  move(from: number, to: number): void {
    this.track[to] = this.track[from]!
    this.gapMs[to] = this.gapMs[from]!
    this.startMs[to] = this.startMs[from]!
    this.endMs[to] = this.endMs[from]!
    this.longestMs[to] = this.longestMs[from]!
    this.index[to] = this.index[from]!
    this.outcome[to] = this.outcome[from]!
    this.tasks[to] = this.tasks[from]!
  }

  /** The later one grows into the earlier one. */
  join(into: number, from: number): void {
    this.endMs[into] = Math.max(this.endMs[into]!, this.endMs[from]!)
    if (this.longestMs[from]! > this.longestMs[into]!) {
      this.longestMs[into] = this.longestMs[from]!
      this.index[into] = this.index[from]!
    }
    this.outcome[into] = worse(this.outcome[into]!, this.outcome[from]!)
    this.tasks[into]! += this.tasks[from]!
  }
}

/** Takes attempts in the order of their starts, any number of them, and holds little more than the spans that are asked for. */
export class TimelineFold {
  readonly #maxSpans: number
  #spans: Spans
  #count = 0
  /** Gaps up to this one have grown over: as many larger ones as may stay are known. */
  #swallowedMs = Number.NEGATIVE_INFINITY
  readonly #tracks: { lane: number; stage: number }[] = []
  /** By stage, then by lane: the number of the track. */
  readonly #trackOf: Int32Array[] = []
  readonly #trackEndMs = new Numbers()
  /** The span that a track has come to. */
  readonly #trackSpan = new Numbers()
  readonly #laneEndMs = new Numbers()
  readonly #laneBusyMs = new Numbers()
  readonly #lanes = new Set<number>()
  #firstStartMs = Number.POSITIVE_INFINITY
  #lastEndMs = Number.NEGATIVE_INFINITY

  /** There is a span for each lane, though that be more than `maxSpans`. */
  constructor(maxSpans: number) {
    this.#maxSpans = maxSpans
    this.#spans = new Spans(2 * maxSpans + SPARE_SPANS)
  }

  /** The attempts at the places `from` to `to` - 1. None starts before one that was added earlier. */
  add(attempts: AttemptColumns, from = 0, to = attempts.count): void {
    for (let at = from; at < to; at += 1) {
      const lane = attempts.lane[at]!
      const startMs = attempts.startMs[at]!
      const endMs = attempts.endMs[at]!
      const track = this.#track(lane, attempts.stage[at]!)
      this.#addBusy(lane, startMs, endMs)
      const gapMs = startMs - this.#trackEndMs.at(track)
      if (endMs > this.#trackEndMs.at(track)) this.#trackEndMs.set(track, endMs)
      if (this.#count === this.#spans.capacity) this.#shrink()
      this.#put(this.#count, attempts, at)
      if (gapMs <= this.#swallowedMs) {
        this.#spans.join(this.#trackSpan.at(track), this.#count)
        continue
      }
      this.#spans.track[this.#count] = track
      this.#spans.gapMs[this.#count] = gapMs
      this.#trackSpan.set(track, this.#count)
      this.#count += 1
    }
  }

  /** By name, numbers in names as numbers. */
  lanes(nameOf: (lane: number) => string): LaneTimeline[] {
    this.#shrink()
    const spans = new Map<number, WeighedSpan[]>([...this.#lanes].map((lane) => [lane, []]))
    for (let at = 0; at < this.#count; at += 1)
      spans.get(this.#tracks[this.#spans.track[at]!]!.lane)!.push(this.#span(at))
    if (this.#count > this.#maxSpans) joinStages(spans, this.#maxSpans)
    const wallMs = this.#lastEndMs - this.#firstStartMs
    return [...spans]
      .map(([lane, found]) => ({
        lane: nameOf(lane),
        busyFraction: wallMs > 0 ? Math.min(1, this.#laneBusyMs.at(lane) / wallMs) : 0,
        spans: found.map(({ longestMs: _, ...span }) => span),
      }))
      .sort((a, b) => BY_NAME.compare(a.lane, b.lane))
  }

  #track(lane: number, stage: number): number {
    const known = this.#trackOf[stage]?.[lane] ?? -1
    return known >= 0 ? known : this.#newTrack(lane, stage)
  }

  #newTrack(lane: number, stage: number): number {
    const lanes = this.#trackOf[stage] ?? new Int32Array(0)
    const wide = lane < lanes.length ? lanes : new Int32Array(2 * lane + 8).fill(-1)
    if (wide !== lanes) wide.set(lanes)
    const track = this.#tracks.length
    wide[lane] = track
    this.#trackOf[stage] = wide
    this.#tracks.push({ lane, stage })
    // Whatever comes first has a gap before it that nothing grows over.
    this.#trackEndMs.set(track, Number.NEGATIVE_INFINITY)
    if (!this.#lanes.has(lane)) {
      this.#lanes.add(lane)
      this.#laneEndMs.set(lane, Number.NEGATIVE_INFINITY)
      this.#laneBusyMs.set(lane, 0)
    }
    return track
  }

  /** What several tasks are in service at the same time counts once. */
  #addBusy(lane: number, startMs: number, endMs: number): void {
    if (startMs < this.#firstStartMs) this.#firstStartMs = startMs
    if (endMs > this.#lastEndMs) this.#lastEndMs = endMs
    const busyUntilMs = this.#laneEndMs.at(lane)
    if (endMs <= busyUntilMs) return
    this.#laneBusyMs.set(lane, this.#laneBusyMs.at(lane) + (endMs - Math.max(startMs, busyUntilMs)))
    this.#laneEndMs.set(lane, endMs)
  }

  #put(span: number, attempts: AttemptColumns, at: number): void {
    const spans = this.#spans
    const outcome = attempts.outcome[at]!
    spans.startMs[span] = attempts.startMs[at]!
    spans.endMs[span] = attempts.endMs[at]!
    spans.longestMs[span] = attempts.endMs[at]! - attempts.startMs[at]!
    spans.index[span] = attempts.index[at]!
    spans.outcome[span] = outcome === TRIED_AGAIN ? FAILED : outcome
    spans.tasks[span] = outcome === TRIED_AGAIN ? 0 : 1
  }

  /** Keeps the largest gaps, as many as may stay, of equal ones the earlier; what lies between them grows together. */
  #shrink(): void {
    const tracks = this.#tracks.length
    const cuts = Math.max(0, this.#maxSpans - tracks)
    const gaps = this.#spans.gapMs.slice(0, this.#count).sort()
    const swallowed = this.#count - tracks - cuts
    if (swallowed > 0) {
      this.#swallowedMs = gaps[swallowed - 1]!
      let equal = 0
      for (let at = swallowed; gaps[at] === this.#swallowedMs; at += 1) equal += 1
      this.#joinSmall(equal)
    }
    if (this.#count > this.#spans.capacity / 2) this.#spans = widened(this.#spans)
  }

  #joinSmall(equalThatStay: number): void {
    const spans = this.#spans
    let [count, equal] = [0, 0]
    for (let at = 0; at < this.#count; at += 1) {
      const gapMs = spans.gapMs[at]!
      const track = spans.track[at]!
      if (gapMs > this.#swallowedMs || (gapMs === this.#swallowedMs && ++equal <= equalThatStay)) {
        spans.move(at, count)
        this.#trackSpan.set(track, count)
        count += 1
      } else {
        spans.join(this.#trackSpan.at(track), at)
      }
    }
    this.#count = count
  }

  #span(at: number): WeighedSpan {
    const spans = this.#spans
    return {
      index: spans.index[at]!,
      stage: this.#tracks[spans.track[at]!]!.stage,
      startMs: spans.startMs[at]!,
      endMs: spans.endMs[at]!,
      status: STORED_TASK_STATUS[spans.outcome[at]!]!,
      tasks: spans.tasks[at]!,
      longestMs: spans.longestMs[at]!,
    }
  }
}

const BY_NAME = new Intl.Collator('en', { numeric: true })

interface WeighedSpan extends LaneSpan {
  longestMs: number
}

function widened(spans: Spans): Spans {
  const wide = new Spans(2 * spans.capacity)
  wide.track.set(spans.track)
  wide.gapMs.set(spans.gapMs)
  wide.startMs.set(spans.startMs)
  wide.endMs.set(spans.endMs)
  wide.longestMs.set(spans.longestMs)
  wide.index.set(spans.index)
  wide.outcome.set(spans.outcome)
  wide.tasks.set(spans.tasks)
  return wide
}

function worse(a: number, b: number): number {
  return a === FAILED || b === FAILED ? FAILED : Math.max(a, b)
}

/** One span for each track is still too many: those of a lane grow together, whatever their stage. */
function joinStages(lanes: Map<number, WeighedSpan[]>, maxSpans: number): void {
  const gaps = [...lanes.values()].flatMap((spans) => gapsOf(spans).slice(1))
  const cuts = Math.max(0, maxSpans - lanes.size)
  const smallestMs = gaps.sort((a, b) => b - a)[cuts - 1] ?? Number.POSITIVE_INFINITY
  let equal = cuts - gaps.filter((gapMs) => gapMs > smallestMs).length
  for (const [lane, spans] of lanes) {
    const joined: WeighedSpan[] = []
    for (const [at, gapMs] of gapsOf(spans).entries()) {
      const last = joined.at(-1)
      if (last === undefined || gapMs > smallestMs || (gapMs === smallestMs && equal-- > 0)) joined.push(spans[at]!)
      else joined[joined.length - 1] = joinedSpan(last, spans[at]!)
    }
    lanes.set(lane, joined)
  }
}

/** From the end of all spans before to the start of each. */
function gapsOf(spans: readonly LaneSpan[]): number[] {
  let endMs = Number.NEGATIVE_INFINITY
  return spans.map((span) => {
    const gapMs = span.startMs - endMs
    endMs = Math.max(endMs, span.endMs)
    return gapMs
  })
}

function joinedSpan(a: WeighedSpan, b: WeighedSpan): WeighedSpan {
  const outcome = worse(STORED_TASK_STATUS.indexOf(a.status), STORED_TASK_STATUS.indexOf(b.status))
  return {
    ...(b.longestMs > a.longestMs ? b : a),
    startMs: a.startMs,
    endMs: Math.max(a.endMs, b.endMs),
    status: STORED_TASK_STATUS[outcome]!,
    tasks: a.tasks + b.tasks,
  }
}
