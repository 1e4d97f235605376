/** What the API shows of a run: its stored record, or the live one where it is under way, and the figures made of it. */

import type { Clock } from '../clock.js'
import { compactInput, isUnsendable, type Json } from '../domain/batch.js'
import { createReducer, type ReductionState } from '../domain/reduction.js'
import { doneOf, isFinalRunStatus, type Progress, type RunRecord } from '../domain/run.js'
import { LogSketch } from '../domain/sketch.js'
import { type Distribution, distributionFromSketch, distributionFromValues, EXACT_LIMIT } from '../domain/timing.js'
import type { Store, TimeColumn } from '../store/store.js'
import { InputsTooLarge, type RunView } from './engine.js'
import type { RunExecution } from './execution.js'

/** What is shown of a run under way. */
type LiveRun = Pick<RunExecution, 'record' | 'ledger' | 'rate' | 'running' | 'sequence'>

/** Distributions of ended runs kept at hand: two columns of 100,000 values are 1.6 MB. */
const MAX_KEPT = 32
/** Of long lines, for one answer: each is 16 MB at most. */
const MAX_INPUT_READS = 4

export class Views {
  readonly #distributions = new Map<string, Promise<Distribution>>()

  constructor(
    private readonly store: Store,
    private readonly clock: Clock,
  ) {}

  view(record: RunRecord, live: LiveRun | null): RunView {
    if (!live) return { record, progress: endedProgress(record) }
    const current: RunRecord = { ...live.record, ...live.ledger.visible }
    return { record: current, progress: this.#liveProgress(current, live) }
  }

  #liveProgress(record: RunRecord, live: LiveRun): Progress {
    const { counts, startedAt } = record
    const done = doneOf(counts)
    const { running } = live
    const elapsedMs = startedAt ? Math.max(0, this.clock.now().getTime() - startedAt.getTime()) : 0
    const { etaMs, etaHighMs } = live.rate.estimate(counts.total - done)
    return {
      ...counts,
      running,
      queued: counts.total - done - running,
      done,
      fraction: done / counts.total,
      throughput: live.rate.perSecond(),
      elapsedMs,
      etaMs,
      etaHighMs,
      sequence: live.sequence,
    }
  }

  distribution(run: RunView, column: TimeColumn, live: LiveRun | null): Promise<Distribution> {
    if (live) {
      const times = column === 'serviceMs' ? live.ledger.service : live.ledger.queueWait
      return Promise.resolve(times.distribution())
    }
    const { record } = run
    if (!isFinalRunStatus(record.status)) return this.#load(record, column)
    const key = `${record.id} ${column}`
    const kept = this.#distributions.get(key) ?? this.#load(record, column)
    // Put back at the end: the first key is the one that was not asked for the longest.
    this.#distributions.delete(key)
    this.#distributions.set(key, kept)
    kept.catch(() => this.#distributions.delete(key))
    const [oldest] = this.#distributions.keys()
    if (this.#distributions.size > MAX_KEPT && oldest !== undefined) this.#distributions.delete(oldest)
    return kept
  }

  /** The run was deleted. */
  forget(runId: number): void {
    for (const key of this.#distributions.keys()) if (key.startsWith(`${runId} `)) this.#distributions.delete(key)
  }

  async #load(record: RunRecord, column: TimeColumn): Promise<Distribution> {
    const moments = column === 'serviceMs' ? record.times.service : record.times.queueWait
    if (moments.count > EXACT_LIMIT) {
      const sketches = await this.store.sketches(record.id)
      const bytes = column === 'serviceMs' ? sketches?.service : sketches?.queueWait
      if (bytes) return distributionFromSketch(LogSketch.fromBytes(bytes), moments)
    }
    const values = await this.store.times(record.id, null, column)
    return distributionFromValues(values.sort(), moments)
  }

  async reduction({ record }: RunView): Promise<Json> {
    const stage = record.spec.stages.at(-1)
    if (stage?.kind !== 'COMPUTE' || stage.reduce === null || !isFinalRunStatus(record.status)) return null
    if (stage.reduce === 'COLLECT') {
      if (record.counts.succeeded === 0) return []
      const outputs = await this.store.outputs(record.id, record.counts.total)
      return outputs.map((text) => (text === null ? null : (JSON.parse(text) as Json)))
    }
    const reducer = createReducer(stage.reduce)
    return reducer.result((record.reduction as ReductionState | null) ?? reducer.empty())
  }

  async inputs(record: RunRecord, indexes: readonly number[]): Promise<Map<number, Json>> {
    const { source } = record.spec
    if (source.kind === 'list') return this.store.items(record.id, indexes)
    if (source.kind === 'file') return this.#lines(record.id, indexes)
    return new Map(indexes.map((index) => [index, compactInput(source, index)]))
  }

  /** Of long lines not all come at once. */
  async #lines(runId: number, indexes: readonly number[]): Promise<Map<number, Json>> {
    const inputs = new Map<number, Json>()
    let reads = 0
    for (let left = indexes; left.length > 0; left = left.filter((index) => !inputs.has(index))) {
      reads += 1
      if (reads > MAX_INPUT_READS) {
        throw new InputsTooLarge(
          `the inputs of these ${indexes.length} tasks are too large for one answer: ask for fewer`,
        )
      }
      for (const [index, item] of await this.store.items(runId, left)) {
        inputs.set(index, isUnsendable(item) ? item.url : item)
      }
    }
    return inputs
  }
}

/** Of a run that nobody works on: everything follows from what is stored. */
function endedProgress(record: RunRecord): Progress {
  const { counts, startedAt, finishedAt } = record
  const done = doneOf(counts)
  const final = isFinalRunStatus(record.status)
  return {
    ...counts,
    queued: counts.total - done,
    running: 0,
    done,
    fraction: done / counts.total,
    throughput: record.finalThroughput,
    elapsedMs: startedAt && finishedAt ? Math.max(0, finishedAt.getTime() - startedAt.getTime()) : 0,
    etaMs: final ? 0 : null,
    etaHighMs: final ? 0 : null,
    sequence: record.sequence,
  }
}
