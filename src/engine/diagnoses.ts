/** What held runs back: gathers the figures that the rules go by. */

import { stageNumber } from '../domain/batch.js'
import type { Diagnostic, StageFigures } from '../domain/diagnostic.js'
import { diagnose, wantsLastTasks } from '../domain/diagnostics.js'
import { isFinalRunStatus, type RunRecord, stageStates } from '../domain/run.js'
import type { Store } from '../store/store.js'
import { KeptAnswers } from './kept-answers.js'

interface Options {
  store: Pick<Store, 'lastTasks'>
  /** Of the machine. */
  cores: number
}

/** Of ended runs, to be at hand: a page of them is asked again and again. */
const MAX_KEPT = 1_000
/** Tasks that a run's end is judged by, besides twice as many as are in flight: enough to know what is usual. */
const MIN_LAST_TASKS = 1_000
const MAX_LAST_TASKS = 5_000

export class Diagnoses {
  readonly #kept = new KeptAnswers<readonly Diagnostic[]>(MAX_KEPT)

  constructor(private readonly options: Options) {}

  /** Of an ended run they are found once. */
  of(record: RunRecord): Promise<readonly Diagnostic[]> {
    if (!isFinalRunStatus(record.status)) return this.#find(record)
    return this.#kept.get(record.id, '', () => this.#find(record))
  }

  /** The run was deleted. */
  forget(runId: number): void {
    this.#kept.forget(runId)
  }

  async #find(record: RunRecord): Promise<readonly Diagnostic[]> {
    const found = await Promise.all(record.spec.stages.map((_, stage) => this.#findIn(record, stage)))
    return found.flat()
  }

  async #findIn(record: RunRecord, stage: number): Promise<readonly Diagnostic[]> {
    const figures = figuresOf(record, stage, this.options.cores)
    if (figures === null) return []
    if (!wantsLastTasks(figures)) return diagnose(figures)
    const limit = Math.min(MAX_LAST_TASKS, MIN_LAST_TASKS + 2 * figures.concurrency)
    return diagnose({ ...figures, lastTasks: await this.options.store.lastTasks(record.id, stage, limit) })
  }
}

/** Null before the run has started. */
function figuresOf(record: RunRecord, index: number, cores: number): StageFigures | null {
  const { spec, refusals, status, startedAt, resumedAt } = record
  const states = stageStates(record)
  const { effectiveStrategy: strategy, lanes, concurrency, times } = states[index]!
  const stage = spec.stages[index]
  if (stage === undefined || strategy === null || lanes === null || concurrency === null) return null
  const { firstStartMs, lastEndMs, service, cpuMs, load = null } = times
  return {
    stage: spec.stages.length > 1 ? stage.name : null,
    stageNumber: stageNumber(spec.stages, index),
    kind: stage.kind,
    strategy,
    isChosen: (stage.strategy ?? spec.strategy) === 'AUTO',
    lanes,
    concurrency,
    cores,
    sharesPace: spec.stages.length > 1,
    isOver: isFinalRunStatus(status),
    wasPaused: status === 'PAUSED' || (startedAt !== null && resumedAt !== null && resumedAt > startedAt),
    endsRun: states.every((other) => (other.times.lastEndMs ?? 0) <= (lastEndMs ?? 0)),
    wallMs: firstStartMs === null || lastEndMs === null ? 0 : Math.max(0, lastEndMs - firstStartMs),
    lastEndMs,
    service,
    cpuMs,
    load,
    hosts: (refusals ?? []).filter((tally) => tally.stage === index),
    lastTasks: null,
  }
}
