/**
 * What ran when, as trace viewers read it: Chrome's trace event format, for https://ui.perfetto.dev and chrome://tracing. A lane is a
 * track, and an attempt a slice on it.
 *
 * Slices of one track may only nest: viewers drop what crosses another, or draw it within. Where a lane has several attempts in
 * service at a time, it gets as many tracks as it needs: `thread 1`, `thread 1 #2`. Events that may overlap (ph b and e) have no
 * place on a track of a lane: Perfetto gathers them by their names, beside the lanes.
 */

import { TRIED_AGAIN } from '../attempts.js'
import { CLOCK_STEPS_PER_MS } from '../clock-step.js'
import { runId } from '../ids.js'
import { maskUrl } from '../secrets.js'
import { STORED_TASK_STATUS } from '../task.js'
import { type ExportedRun, titleOf } from './export.js'
import { LoadCurve, type LoadPoint } from './load-curve.js'

/** An attempt, in milliseconds after Run.startedAt. */
export interface TracedAttempt {
  lane: string
  stage: number
  index: number
  startMs: number
  endMs: number
  /** A place in STORED_TASK_STATUS, or TRIED_AGAIN. */
  outcome: number
  /** Which attempt of its task it was, from 1. */
  number: number
  errorCode: string | null
  httpStatus: number | null
  url: string | null
}

/** The lane, and when each of its tracks is free again. */
interface LaneTracks {
  name: string
  rank: number
  freeAtTicks: number[]
  /** As the trace has them. */
  ids: number[]
}

/**
 * Times are told in microseconds, to the quarter, which is as fine as the lanes' clock. Quarters are exact in binary: viewers
 * make nanoseconds of them and cut off the rest, and of two slices side by side one would begin within the other.
 */
const TICKS_PER_MS = CLOCK_STEPS_PER_MS
const TICKS_PER_US = TICKS_PER_MS / 1000
const PROCESS = { pid: 1 }
const MAX_NAME_CHARS = 80
/** Tracks of a lane stand together. */
const RANKS_OF_A_LANE = 10_000
/** Colors of chrome://tracing. */
const COLORS: readonly (string | undefined)[] = [undefined, 'terrible', 'grey', 'bad']
const BY_NAME = new Intl.Collator('en', { numeric: true })

export class TraceText {
  readonly #run: ExportedRun
  readonly #load = new LoadCurve()
  readonly #lanes = new Map<string, LaneTracks>()
  #tracks = 0

  /** `lanes`: those that are known beforehand, for their order. */
  constructor(run: ExportedRun, lanes: readonly string[]) {
    this.#run = run
    for (const [rank, name] of lanes.toSorted(BY_NAME.compare).entries()) this.#addLane(name, rank)
  }

  head(): string {
    const { key, spec, startedAt, createdAt } = this.#run
    const otherData = {
      run: runId(key),
      name: titleOf(spec),
      kind: spec.kind,
      createdAt: createdAt.toISOString(),
      startedAt: startedAt?.toISOString() ?? null,
    }
    const process = { ph: 'M', ...PROCESS, name: 'process_name', args: { name: titleOf(spec) } }
    const label = { ph: 'M', ...PROCESS, name: 'process_labels', args: { labels: runId(key) } }
    const begin = JSON.stringify({ displayTimeUnit: 'ms', otherData }).slice(0, -1)
    return `${begin},"traceEvents":[\n${JSON.stringify(process)},\n${JSON.stringify(label)}`
  }

  /** The next attempt: none starts before one that was told earlier. */
  attempt(attempt: TracedAttempt): string {
    // The run's start is told in whole milliseconds: the first task may lie before it.
    const start = toTicks(Math.max(0, attempt.startMs))
    const end = Math.max(start, toTicks(attempt.endMs))
    this.#load.add(start / TICKS_PER_MS, end / TICKS_PER_MS)
    if (attempt.outcome !== TRIED_AGAIN) this.#load.end(end / TICKS_PER_MS)
    const { track, opened } = this.#place(attempt.lane, start, end)
    const { kind } = this.#run.spec.stages[attempt.stage] ?? { kind: 'COMPUTE' }
    const slice = {
      ph: 'X',
      ...PROCESS,
      tid: track,
      ts: start / TICKS_PER_US,
      dur: (end - start) / TICKS_PER_US,
      name: this.#nameOf(attempt),
      cat: kind.toLowerCase(),
      cname: COLORS[attempt.outcome],
      args: argsOf(attempt),
    }
    return `${opened},\n${JSON.stringify(slice)}`
  }

  end(): string {
    const counters = [
      ...this.#load.inFlight().map((point) => counter(point, 'in flight', 'tasks')),
      ...this.#load.throughput().map((point) => counter(point, 'throughput', 'tasks a second')),
    ]
    return `${counters.map((one) => `,\n${JSON.stringify(one)}`).join('')}\n]}\n`
  }

  #addLane(name: string, rank: number): LaneTracks {
    const lane: LaneTracks = { name, rank, freeAtTicks: [], ids: [] }
    this.#lanes.set(name, lane)
    return lane
  }

  /** The first track of the lane that is free; what there is to say of a new one comes before its first slice. */
  #place(name: string, start: number, end: number): { track: number; opened: string } {
    const lane = this.#lanes.get(name) ?? this.#addLane(name, this.#lanes.size)
    const { freeAtTicks, ids } = lane
    const free = freeAtTicks.findIndex((ticks) => ticks <= start)
    const at = free < 0 ? freeAtTicks.length : free
    freeAtTicks[at] = end
    if (free >= 0) return { track: ids[at]!, opened: '' }
    this.#tracks += 1
    ids.push(this.#tracks)
    return { track: this.#tracks, opened: openedText(lane, at, this.#tracks) }
  }

  #nameOf({ stage, index, url }: TracedAttempt): string {
    const spec = this.#run.spec.stages[stage]
    if (spec?.kind === 'COMPUTE') return `${spec.function} #${index}`
    const parsed = url !== null && URL.canParse(url) ? new URL(url) : null
    return parsed === null ? `fetch #${index}` : shortened(`fetch ${parsed.host}${parsed.pathname}`)
  }
}

function openedText({ name, rank }: LaneTracks, at: number, track: number): string {
  const of = { ph: 'M', ...PROCESS, tid: track }
  const trackName = at === 0 ? name : `${name} #${at + 1}`
  const order = RANKS_OF_A_LANE * rank + at
  return [
    { ...of, name: 'thread_name', args: { name: trackName } },
    { ...of, name: 'thread_sort_index', args: { sort_index: order } },
  ]
    .map((event) => `,\n${JSON.stringify(event)}`)
    .join('')
}

function counter({ atMs, value }: LoadPoint, name: string, unit: string) {
  return { ph: 'C', ...PROCESS, ts: 1000 * atMs, name, args: { [unit]: rounded(value) } }
}

function argsOf({ index, stage, outcome, number, errorCode, httpStatus, url }: TracedAttempt) {
  return {
    index,
    stage,
    attempt: number,
    status: STORED_TASK_STATUS[outcome] ?? 'TRIED_AGAIN',
    ...(errorCode !== null && { error: errorCode }),
    ...(httpStatus !== null && { httpStatus }),
    ...(url !== null && { url: maskUrl(url) }),
  }
}

function toTicks(ms: number): number {
  return Math.round(ms * TICKS_PER_MS)
}

/** No counter needs more digits. */
function rounded(value: number): number {
  return Number(value.toPrecision(6))
}

function shortened(text: string): string {
  const characters = [...text]
  return characters.length <= MAX_NAME_CHARS ? text : `${characters.slice(0, MAX_NAME_CHARS - 1).join('')}…`
}
