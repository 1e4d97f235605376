/** The books of one run under way: what its tasks took and came to, as recorded and as made known. */

import type { Clock } from '../clock.js'
import type { Reducer, StageSpec } from '../domain/batch.js'
import { bytesAt, phasesAt } from '../domain/fetch-column.js'
import { type ByPhase, mergePhases, momentsOf, PhaseTimes } from '../domain/fetch-phases.js'
import { addLoad, type LaneLoad, NO_LOAD } from '../domain/lane-load.js'
import { readyAtOf } from '../domain/queue-wait.js'
import { createReducer, type ReductionState } from '../domain/reduction.js'
import { HostTallies, type HostTally, tallyHosts } from '../domain/refusals.js'
import { Outcome, type ResultColumns } from '../domain/results.js'
import {
  type ExecutionState,
  type RunCounts,
  type RunRecord,
  type RunState,
  type RunStatus,
  type RunTimes,
  type StageState,
  stageStates,
} from '../domain/run.js'
import type { Attempt } from '../domain/task.js'
import {
  addColumn,
  EXACT_LIMIT,
  emptyMoments,
  type Moments,
  mergeMoments,
  TimingAccumulator,
} from '../domain/timing.js'
import type { RunSketches, StageSketches, TaskBlock } from '../store/store.js'

/** What a block of ended tasks adds to the books. */
export interface Entry {
  block: TaskBlock
  /** Places of the block that make a row. */
  rows: number
  /** What it costs to keep and to write: a row counts 1, a kilobyte of text 2. */
  weight: number
  succeeded: number
  failed: number
  cancelled: number
  bytes: number
  laneCpuMs: number
  laneLoad: LaneLoad | null
  firstStartMs: number
  lastEndMs: number
  /** Of SUCCEEDED and FAILED tasks that had an attempt. */
  serviceMs: Float64Array
  queueWaitMs: Float64Array
  service: Moments
  queueWait: Moments
  /** The times of the phases of the same tasks' last attempts; null of computes. */
  phases: { columns: ByPhase<Float64Array>; moments: ByPhase<Moments> } | null
  reduction: ReductionState | null
  /** The attempts of the block by host, those that are tried again included. */
  hosts: HostTally[]
}

/** What times of rows count from, as epoch milliseconds of the lanes' clock. */
export interface TimeBase {
  /** Run.startedAt: rows keep starts relative to it. */
  runStartedAt: number
  /** When the items became ready. */
  readyAt: number
  /** When the run was resumed last; null: never. */
  resumedAt: number | null
}

/** Lanes stamp with the monotonic clock of this process, and the wall clock may have been set since the launch. */
export function timeBaseOf(
  { createdAt, startedAt }: { createdAt: Date; startedAt: Date },
  clock: Clock,
): Omit<TimeBase, 'resumedAt'> {
  return { runStartedAt: epochMsOf(startedAt, clock), readyAt: epochMsOf(createdAt, clock) }
}

/** Of an instant by the wall clock. */
export function epochMsOf(instant: Date, clock: Clock): number {
  return clock.epochMs() - (clock.now().getTime() - instant.getTime())
}

/** What the books need of a block besides its columns. */
export interface BlockFrame extends TimeBase {
  stage: number
  /** Null where no item of the block was ever sent to one. */
  lane: string | null
  dropped: ReadonlySet<number> | null
  histories: { at: number; attempts: Attempt[] }[]
  laneCpuMs: number
  laneLoad?: LaneLoad | undefined
  reduction: ReductionState | null
  /** When each item of the block became ready, by place; null where all did so at `readyAt`. */
  readyAts: Float64Array | null
}

/** Characters of outputs and URLs that weigh as much as a row. */
const CHARS_A_ROW = 512

/** Reads the columns once, before they leave for the store. */
export function toEntry(columns: ResultColumns, frame: BlockFrame): Entry {
  const { runStartedAt } = frame
  const earlier = frame.histories.length > 0 ? new Map(frame.histories.map(({ at, attempts }) => [at, attempts])) : null
  const serviceMs = new Float64Array(columns.count)
  const queueWaitMs = new Float64Array(columns.count)
  const timedPlaces = columns.fetches === null ? null : new Uint32Array(columns.count)
  const service = emptyMoments()
  const queueWait = emptyMoments()
  // Counted in variables: what is stored in an object for each row is garbage for each row.
  let [rows, timed, succeeded, failed, cancelled, bytes] = [0, 0, 0, 0, 0, 0]
  let firstStartMs = Number.POSITIVE_INFINITY
  let lastEndMs = Number.NEGATIVE_INFINITY
  for (let at = 0; at < columns.count; at += 1) {
    if (frame.dropped?.has(at)) continue
    const outcome = columns.outcomes[at]
    rows += 1
    if (outcome === Outcome.SUCCEEDED) succeeded += 1
    else if (outcome === Outcome.FAILED) failed += 1
    else cancelled += 1
    // Its answer is another item's: nothing was received, and no time was taken.
    if (columns.attempts[at] === 0) continue
    const attempts = earlier?.get(at)
    const startMs = attempts?.[0] ? attempts[0].startedMs : columns.startedAt[at]! - runStartedAt
    const endMs = columns.startedAt[at]! - runStartedAt + columns.serviceMs[at]!
    bytes += bytesAt(columns.fetches, at)
    if (startMs < firstStartMs) firstStartMs = startMs
    if (endMs > lastEndMs) lastEndMs = endMs
    if (outcome === Outcome.CANCELLED) continue
    serviceMs[timed] = attempts ? attempts.reduce((sum, one) => sum + one.serviceMs, 0) : columns.serviceMs[at]!
    queueWaitMs[timed] = Math.max(0, startMs + runStartedAt - readyAtOf(frame, at, startMs + runStartedAt))
    if (timedPlaces !== null) timedPlaces[timed] = at
    timed += 1
  }
  addColumn(service, serviceMs.subarray(0, timed))
  addColumn(queueWait, queueWaitMs.subarray(0, timed))
  return {
    block: { ...frame, columns, firstSequence: 0 },
    rows,
    weight: rows + charsOf(columns) / CHARS_A_ROW,
    succeeded,
    failed,
    cancelled,
    bytes,
    laneCpuMs: frame.laneCpuMs,
    laneLoad: frame.laneLoad ?? null,
    firstStartMs,
    lastEndMs,
    serviceMs: serviceMs.subarray(0, timed),
    queueWaitMs: queueWaitMs.subarray(0, timed),
    service,
    queueWait,
    phases: phasesOf(columns, timedPlaces?.subarray(0, timed)),
    reduction: frame.reduction,
    hosts: tallyHosts(columns, frame.stage),
  }
}

function phasesOf({ fetches }: ResultColumns, places: Uint32Array | undefined): Entry['phases'] {
  if (fetches === null || places === undefined) return null
  const columns = phasesAt(fetches, places)
  return { columns, moments: momentsOf(columns) }
}

function charsOf({ outputs, fetches }: ResultColumns): number {
  return (outputs?.text.length ?? 0) + (fetches?.text.length ?? 0)
}

/** The times of the tasks of a run, or of a stage of one. */
export interface Times {
  service: TimingAccumulator
  queueWait: TimingAccumulator
  /** Null where none of the stages fetches. */
  phases: PhaseTimes | null
}

/** The times of tasks that ended before this process knew of the run. */
export interface EarlierTimes {
  serviceMs: Float64Array
  queueWaitMs: Float64Array
  /** Of a stage that fetches. */
  phases?: ByPhase<Float64Array> | null
}

/** How each stage is executed from now on, by stage. */
export type StageChanges = ReadonlyMap<number, Partial<ExecutionState>>

const NO_CHANGES: StageChanges = new Map()

export class Ledger {
  /** After the last entry that was handed to the store. */
  #recorded: RunState
  /** After the last entry that is known to be on disk. */
  #visible: RunState
  /** In the order in which they were handed over; the store acknowledges in the same order. */
  readonly #underway: RunState[] = []
  /** Of all tasks. */
  readonly times: Times
  /** Of each stage; of a run of one stage the same as those of the run. */
  readonly stageTimes: readonly Times[]
  readonly #reducer
  readonly #hosts: HostTallies

  constructor(record: RunRecord, reduce: Reducer | null) {
    this.#recorded = stateOf(record)
    this.#visible = this.#recorded
    const { stages } = record.spec
    this.times = newTimes(stages)
    this.stageTimes = record.stages?.map((_, at) => newTimes(stages.slice(at, at + 1))) ?? [this.times]
    this.#hosts = new HostTallies(record.refusals)
    this.#reducer = reduce === null ? null : createReducer(reduce)
  }

  get recorded(): RunState {
    return this.#recorded
  }

  get visible(): RunState {
    return this.#visible
  }

  /** On disk, and after each state that is on its way there. */
  get statuses(): RunStatus[] {
    return [this.#visible, ...this.#underway].map(({ status }) => status)
  }

  restore(stage: number, times: EarlierTimes): void {
    this.#addTimes(stage, times)
  }

  /** Gives the rows of the entries their sequence numbers; answers with the state after them. */
  advance(entries: readonly Entry[], change: Partial<RunState>, stageChanges = NO_CHANGES): RunState {
    const { stages } = this.#recorded
    const next: RunState = {
      ...this.#recorded,
      ...copied(this.#recorded),
      stages: stages?.map((stage, at) => ({ ...stage, ...copied(stage), ...stageChanges.get(at) })) ?? null,
    }
    for (const entry of entries) {
      entry.block.firstSequence = next.lastTaskSequence + 1
      next.lastTaskSequence += entry.rows
      addEntry(next, entry)
      addToStages(next, entry)
      this.#hosts.add(entry.hosts)
      if (this.#reducer && entry.reduction) {
        const before = (next.reduction as ReductionState | null) ?? this.#reducer.empty()
        next.reduction = { ...this.#reducer.merge(before, entry.reduction) }
      }
    }
    next.refusals = this.#hosts.kept
    Object.assign(next, change)
    this.#recorded = next
    this.#underway.push(next)
    return next
  }

  /** The sketches of all that was recorded, these last entries included; null where exact figures come from the tasks. */
  sketchesWith(last: readonly Entry[]): RunSketches | null {
    return sketchesOf(this.#recorded, this.times, last)
  }

  /** The same of the stages of a pipeline: of those that have so many tasks. */
  stageSketchesWith(last: readonly Entry[]): StageSketches[] {
    return (this.#recorded.stages ?? []).flatMap((state, stage) => {
      const own = last.filter(({ block }) => block.stage === stage)
      const sketches = sketchesOf(state, this.stageTimes[stage]!, own)
      return sketches ? [{ stage, ...sketches }] : []
    })
  }

  /** The oldest state that was handed over is on disk. */
  acknowledge(entries: readonly Entry[]): void {
    this.#visible = this.#underway.shift() ?? this.#visible
    for (const { block, serviceMs, queueWaitMs, phases } of entries)
      this.#addTimes(block.stage, { serviceMs, queueWaitMs, phases: phases?.columns ?? null })
  }

  #addTimes(stage: number, { serviceMs, queueWaitMs, phases: columns }: EarlierTimes): void {
    const own = this.stageTimes[stage]!
    for (const { service, queueWait, phases } of own === this.times ? [own] : [own, this.times]) {
      service.addColumn(serviceMs)
      queueWait.addColumn(queueWaitMs)
      if (columns) phases?.add(columns)
    }
  }
}

function newTimes(stages: readonly Pick<StageSpec, 'kind'>[]): Times {
  const fetches = stages.some(({ kind }) => kind === 'FETCH')
  return {
    service: new TimingAccumulator(),
    queueWait: new TimingAccumulator(),
    phases: fetches ? new PhaseTimes() : null,
  }
}

/** What is added to in place. */
function copied({ counts, times }: Pick<StageState, 'counts' | 'times'>): Pick<StageState, 'counts' | 'times'> {
  return { counts: { ...counts }, times: { ...times } }
}

function sketchesOf({ times }: Pick<StageState, 'times'>, kept: Times, last: readonly Entry[]): RunSketches | null {
  if (times.service.count <= EXACT_LIMIT) return null
  return {
    service: sketchWith(
      kept.service,
      last.map(({ serviceMs }) => serviceMs),
    ),
    queueWait: sketchWith(
      kept.queueWait,
      last.map(({ queueWaitMs }) => queueWaitMs),
    ),
    phases: kept.phases?.packedWith(last.flatMap(({ phases }) => (phases ? [phases.columns] : []))) ?? null,
  }
}

function sketchWith(times: TimingAccumulator, columns: Float64Array[]): Uint8Array {
  const all = TimingAccumulator.fromBytes(times.toBytes(), times.moments)
  for (const column of columns) all.addColumn(column)
  return all.toBytes()
}

function addEntry(state: Pick<StageState, 'counts' | 'times'>, entry: Entry): void {
  addCounts(state.counts, entry)
  addTimes(state.times, entry)
}

/** What fails in a stage never starts in the later ones. What is cancelled does not either, but why is known at the run's end. */
function addToStages(run: RunState, entry: Entry): void {
  const stages = stageStates(run)
  const { stage } = entry.block
  if (run.stages) addEntry(run.stages[stage]!, entry)
  for (const later of stages.slice(stage + 1)) later.counts.skipped += entry.failed
  run.counts.skipped += entry.failed * (stages.length - stage - 1)
}

function addCounts(counts: RunCounts, entry: Entry): void {
  counts.succeeded += entry.succeeded
  counts.failed += entry.failed
  counts.cancelled += entry.cancelled
  counts.bytes += entry.bytes
}

function addTimes(times: RunTimes, entry: Entry): void {
  times.cpuMs += entry.laneCpuMs
  // What is known of a part of the tasks alone says nothing of the run.
  if (entry.laneLoad && (times.load || times.service.count === 0))
    times.load = addLoad(times.load ?? NO_LOAD, entry.laneLoad)
  // None of its rows had an attempt.
  if (entry.firstStartMs === Number.POSITIVE_INFINITY) return
  times.service = mergeMoments(times.service, entry.service)
  times.queueWait = mergeMoments(times.queueWait, entry.queueWait)
  // Of an older run only a part would be known.
  if (times.phases && entry.phases) times.phases = mergePhases(times.phases, entry.phases.moments)
  times.firstStartMs = Math.min(times.firstStartMs ?? Number.POSITIVE_INFINITY, entry.firstStartMs)
  times.lastEndMs = Math.max(times.lastEndMs ?? Number.NEGATIVE_INFINITY, entry.lastEndMs)
}

/** The part of a record that changes. */
export function stateOf(record: RunRecord): RunState {
  const { id: _, key: __, spec: ___, createdAt: ____, comparisonId: _____, retryOf: ______, ...state } = record
  return state
}
