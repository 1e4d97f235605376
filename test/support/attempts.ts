/** Attempts as tests write them down, and the picture of them made in the plainest way. */

import { type AttemptColumns, AttemptList, unpackAttempts } from '../../src/domain/attempts.js'
import { STORED_TASK_STATUS, type StoredTaskStatus } from '../../src/domain/task.js'
import type { LaneSpan, LaneTimeline } from '../../src/domain/timeline.js'

export interface PlainAttempt {
  lane: number
  startMs: number
  endMs: number
  stage?: number
  index?: number
  /** TRIED_AGAIN: it failed, and was not the last. */
  outcome?: StoredTaskStatus | 'TRIED_AGAIN'
}

/** In the columns that the fold takes, sorted by their starts. */
export function columnsOf(attempts: readonly PlainAttempt[]): AttemptColumns {
  const list = new AttemptList()
  for (const { lane, startMs, endMs, stage = 0, index = 0, outcome = 'SUCCEEDED' } of attempts) {
    const number = outcome === 'TRIED_AGAIN' ? STORED_TASK_STATUS.length : STORED_TASK_STATUS.indexOf(outcome)
    list.add({ lane, stage, index, outcome: number, startedMs: startMs, serviceMs: endMs - startMs })
  }
  return unpackAttempts(list.pack().bytes)
}

export const laneName = (lane: number) => `thread-${lane}`

/** The time within some intervals, what several cover counted once: by how many are open from one moment to the next. */
export function coveredMs(intervals: readonly { startMs: number; endMs: number }[]): number {
  const moments = intervals
    .flatMap(({ startMs, endMs }) => [
      { ms: startMs, opens: 1 },
      { ms: endMs, opens: -1 },
    ])
    .sort((a, b) => a.ms - b.ms)
  let [sum, open] = [0, 0]
  for (const [at, { ms, opens }] of moments.entries()) {
    open += opens
    if (open > 0) sum += moments[at + 1]!.ms - ms
  }
  return sum
}

/** From the end of everything before to the start of each, but for the first. */
export function gapsBetween(spans: readonly { startMs: number; endMs: number }[]): number[] {
  let busyUntilMs = spans[0]?.endMs ?? 0
  return spans.slice(1).map(({ startMs, endMs }) => {
    const gapMs = startMs - busyUntilMs
    busyUntilMs = Math.max(busyUntilMs, endMs)
    return gapMs
  })
}

/** What a fold must come to where there are no more lanes and stages than spans. */
export function plainTimeline(attempts: readonly PlainAttempt[], maxSpans: number): LaneTimeline[] {
  const sorted = attempts.toSorted((a, b) => a.startMs - b.startMs)
  const trackOf = ({ lane, stage = 0 }: PlainAttempt) => `${lane} ${stage}`
  const tracks = new Map<string, PlainAttempt[]>()
  for (const one of sorted) {
    const track = tracks.get(trackOf(one))
    if (track) track.push(one)
    else tracks.set(trackOf(one), [one])
  }
  const gaps = new Map<PlainAttempt, number>()
  for (const track of tracks.values())
    for (const [at, gap] of gapsBetween(track).entries()) gaps.set(track[at + 1]!, gap)
  const kept = sorted.filter((one) => gaps.has(one)).toSorted((a, b) => gaps.get(b)! - gaps.get(a)!)
  const cuts = new Set(kept.slice(0, maxSpans - tracks.size))
  const groups: PlainAttempt[][] = []
  const current = new Map<string, PlainAttempt[]>()
  for (const one of sorted) {
    const group = current.get(trackOf(one))
    if (group && !cuts.has(one)) {
      group.push(one)
      continue
    }
    const started = [one]
    groups.push(started)
    current.set(trackOf(one), started)
  }
  const wallMs = Math.max(...attempts.map(({ endMs }) => endMs)) - Math.min(...attempts.map(({ startMs }) => startMs))
  return [...new Set(attempts.map(({ lane }) => lane))]
    .toSorted((a, b) => a - b)
    .map((lane) => ({
      lane: laneName(lane),
      busyFraction: wallMs > 0 ? coveredMs(attempts.filter((one) => one.lane === lane)) / wallMs : 0,
      spans: groups.filter(([first]) => first!.lane === lane).map(spanOf),
    }))
}

function spanOf(group: readonly PlainAttempt[]): LaneSpan {
  const lengthOf = ({ startMs, endMs }: PlainAttempt) => endMs - startMs
  const longest = group.reduce((a, b) => (lengthOf(b) > lengthOf(a) ? b : a))
  const outcomes = group.map(({ outcome = 'SUCCEEDED' }) => outcome)
  const isFailed = outcomes.includes('FAILED') || outcomes.includes('TRIED_AGAIN')
  return {
    index: longest.index ?? 0,
    stage: longest.stage ?? 0,
    startMs: group[0]!.startMs,
    endMs: Math.max(...group.map(({ endMs }) => endMs)),
    status: isFailed ? 'FAILED' : outcomes.includes('CANCELLED') ? 'CANCELLED' : 'SUCCEEDED',
    tasks: outcomes.filter((outcome) => outcome !== 'TRIED_AGAIN').length,
  }
}
