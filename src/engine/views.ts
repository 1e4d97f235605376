/** What the API shows of a run: its stored record, or the live one where it is under way, and the figures made of it. */

import type { Clock } from '../clock.js'
import { compactInput, type Json } from '../domain/batch.js'
import type { ByPhase } from '../domain/fetch-phases.js'
import { linkAfter } from '../domain/hand-over.js'
import { createReducer, type ReductionState } from '../domain/reduction.js'
import { doneOf, isFinalRunStatus, type Progress, type RunRecord, type StageState, stageStates } from '../domain/run.js'
import { toldInput, toldItem } from '../domain/shown-input.js'
import { LogSketch } from '../domain/sketch.js'
import type { LaneTimeline } from '../domain/timeline.js'
import { type Distribution, distributionFromSketch, distributionFromValues, EXACT_LIMIT } from '../domain/timing.js'
import type { Store, TimeColumn } from '../store/store.js'
import { InputsTooLarge, type RunView } from './engine.js'
import type { RunExecution } from './execution.js'
import { KeptAnswers } from './kept-answers.js'
import { hasFetched, loadPhases } from './phases.js'
import { latestOf, type RateMeter } from './rate.js'

/** What is shown of a run under way. */
type LiveRun = Pick<RunExecution, 'record' | 'ledger' | 'meters' | 'running' | 'runningIn' | 'sequence'>

/** Distributions of ended runs kept at hand: two columns of 100,000 values are 1.6 MB. */
const MAX_DISTRIBUTIONS = 32
/** The same of phases: five columns, of which connections that are kept leave two. */
const MAX_PHASES = 16
/** Pictures of ended runs kept at hand: 3 MB each at most, a tenth of it as a rule. */
const MAX_TIMELINES = 16
/** Of long lines, for one answer: each is 16 MB at most. */
const MAX_INPUT_READS = 4

export class Views {
  readonly #distributions = new KeptAnswers<Distribution>(MAX_DISTRIBUTIONS)
  readonly #phases = new KeptAnswers<ByPhase<Distribution> | null>(MAX_PHASES)
  readonly #timelines = new KeptAnswers<LaneTimeline[]>(MAX_TIMELINES)

  constructor(
    private readonly store: Store,
    private readonly clock: Clock,
  ) {}

  view(record: RunRecord, live: LiveRun | null): RunView {
    if (!live) return endedView(record)
    const current: RunRecord = { ...live.record, ...live.ledger.visible }
    const { startedAt } = current
    const elapsedMs = startedAt ? Math.max(0, this.clock.now().getTime() - startedAt.getTime()) : 0
    const { meters, sequence } = live
    const isPaused = current.status === 'PAUSED'
    const progress = liveProgress(current, { running: live.running, meter: meters.run, elapsedMs, sequence, isPaused })
    if (current.stages === null) return { record: current, progress, stages: [progress] }
    const stages = current.stages.map((stage, at) =>
      liveProgress(stage, {
        running: live.runningIn(at),
        meter: meters.stages[at]!,
        elapsedMs: sinceFirst(stage, elapsedMs),
        sequence,
        isPaused,
      }),
    )
    return { record: current, progress: { ...progress, ...latestOf(stages) }, stages }
  }

  distribution(
    run: RunView,
    { stage, column }: { stage: number | null; column: TimeColumn },
    live: LiveRun | null,
  ): Promise<Distribution> {
    const { record } = run
    // Of a run of one stage both are the same.
    const part = record.stages === null ? null : stage
    if (live) {
      const times = part === null ? live.ledger.times : live.ledger.stageTimes[part]!
      return Promise.resolve(column === 'serviceMs' ? times.service.distribution() : times.queueWait.distribution())
    }
    if (!isFinalRunStatus(record.status)) return this.#load(record, part, column)
    return this.#distributions.get(record.id, `${part} ${column}`, () => this.#load(record, part, column))
  }

  async phases({ record }: RunView, stage: number | null, live: LiveRun | null): Promise<ByPhase<Distribution> | null> {
    if (!hasFetched(record, stage)) return null
    const part = record.stages === null ? null : stage
    if (live) {
      const times = part === null ? live.ledger.times : live.ledger.stageTimes[part]!
      return times.phases?.distributions() ?? null
    }
    const load = () => loadPhases(this.store, record, part)
    return isFinalRunStatus(record.status) ? this.#phases.get(record.id, String(part), load) : load()
  }

  timeline({ record }: RunView, maxSpans: number): Promise<LaneTimeline[]> {
    const read = () => this.store.timeline(record.id, maxSpans)
    return isFinalRunStatus(record.status) ? this.#timelines.get(record.id, String(maxSpans), read) : read()
  }

  /** The run was deleted. */
  forget(runId: number): void {
    this.#distributions.forget(runId)
    this.#phases.forget(runId)
    this.#timelines.forget(runId)
  }

  async #load(record: RunRecord, stage: number | null, column: TimeColumn): Promise<Distribution> {
    const { times } = stage === null ? record : stageStates(record)[stage]!
    const moments = column === 'serviceMs' ? times.service : times.queueWait
    if (moments.count > EXACT_LIMIT) {
      const sketches = await this.store.sketches(record.id, stage)
      const bytes = column === 'serviceMs' ? sketches?.service : sketches?.queueWait
      if (bytes) return distributionFromSketch(LogSketch.fromBytes(bytes), moments)
    }
    const values = await this.store.times(record.id, stage, column)
    return distributionFromValues(values.sort(), moments)
  }

  async reduction({ record }: RunView, onRead?: (characters: number) => void): Promise<Json> {
    const stage = record.spec.stages.at(-1)
    if (stage?.kind !== 'COMPUTE' || stage.reduce === null || !isFinalRunStatus(record.status)) return null
    if (stage.reduce === 'COLLECT') {
      if (record.counts.succeeded === 0) return []
      const outputs = await this.store.outputs(record.id, record.spec.source.count, onRead)
      return outputs.map((text) => (text === null ? null : (JSON.parse(text) as Json)))
    }
    const reducer = createReducer(stage.reduce)
    return reducer.result((record.reduction as ReductionState | null) ?? reducer.empty())
  }

  async inputs(record: RunRecord, stage: number, indexes: readonly number[]): Promise<Map<number, Json>> {
    const { source } = record.spec
    if (stage > 0) return this.#handedOver(record, stage, indexes)
    if (source.kind === 'list') return this.store.items(record.id, indexes)
    if (source.kind === 'file') return this.#lines(record.id, indexes)
    return new Map(indexes.map((index) => [index, compactInput(source, index)]))
  }

  /** What the stage before gave; null where it gave nothing that could be one. */
  #handedOver(record: RunRecord, stage: number, indexes: readonly number[]): Promise<Map<number, Json>> {
    const place = { runId: record.id, stage: stage - 1, link: linkAfter(record.spec, stage - 1)! }
    return inParts(indexes, async (left) => {
      const found = await this.store.handedOver(place, left)
      return found.map(({ index, text }) => [index, toldInput(text)])
    })
  }

  #lines(runId: number, indexes: readonly number[]): Promise<Map<number, Json>> {
    return inParts(indexes, async (left) => {
      const items = await this.store.items(runId, left)
      return Array.from(items, ([index, item]) => [index, toldItem(item)])
    })
  }
}

/** Of long ones not all come at once. */
async function inParts(
  indexes: readonly number[],
  read: (left: readonly number[]) => Promise<[number, Json][]>,
): Promise<Map<number, Json>> {
  const inputs = new Map<number, Json>()
  let reads = 0
  for (let left = indexes; left.length > 0; left = left.filter((index) => !inputs.has(index))) {
    reads += 1
    if (reads > MAX_INPUT_READS) {
      throw new InputsTooLarge(
        `the inputs of these ${indexes.length} tasks are too large for one answer: ask for fewer`,
      )
    }
    const found = await read(left)
    // What is in service may not have its input on the disk yet.
    if (found.length === 0) break
    for (const [index, input] of found) inputs.set(index, input)
  }
  return inputs
}

interface LiveFigures {
  running: number
  meter: RateMeter
  elapsedMs: number
  sequence: number
  /** Nobody knows for how long. */
  isPaused: boolean
}

function liveProgress(
  { counts }: Pick<StageState, 'counts'>,
  { running, meter, isPaused, ...told }: LiveFigures,
): Progress {
  const done = doneOf(counts)
  return {
    ...counts,
    running,
    queued: counts.total - done - running,
    done,
    fraction: done / counts.total,
    throughput: meter.perSecond(),
    ...(isPaused ? { etaMs: null, etaHighMs: null } : meter.estimate(counts.total - done)),
    ...told,
  }
}

/** Of a stage: from its first start, to its last end where it has ended. `elapsedMs`: since the run's start. */
function sinceFirst({ counts, times }: StageState, elapsedMs: number): number {
  const { firstStartMs, lastEndMs } = times
  if (firstStartMs === null) return 0
  const endMs = doneOf(counts) === counts.total ? (lastEndMs ?? elapsedMs) : elapsedMs
  return Math.max(0, endMs - firstStartMs)
}

/** Of a run that nobody works on: everything follows from what is stored. */
function endedView(record: RunRecord): RunView {
  const { startedAt, finishedAt } = record
  const elapsedMs = startedAt && finishedAt ? Math.max(0, finishedAt.getTime() - startedAt.getTime()) : 0
  const progress = endedProgress(record, record, elapsedMs)
  const stages = record.stages?.map((stage) => endedProgress(record, stage, sinceFirst(stage, elapsedMs)))
  return { record, progress, stages: stages ?? [progress] }
}

function endedProgress(
  { status, sequence }: RunRecord,
  { counts, finalThroughput }: Pick<StageState, 'counts' | 'finalThroughput'>,
  elapsedMs: number,
): Progress {
  const done = doneOf(counts)
  const etaMs = isFinalRunStatus(status) ? 0 : null
  return {
    ...counts,
    queued: counts.total - done,
    running: 0,
    done,
    fraction: done / counts.total,
    throughput: finalThroughput,
    elapsedMs,
    etaMs,
    etaHighMs: etaMs,
    sequence,
  }
}
