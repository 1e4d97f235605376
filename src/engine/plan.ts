/** What a run is executed with: as asked for, or as AUTO chooses, which may change it while the run goes on. */

import { adviseFetch, adviseWithoutProbe, type ComputeOptions, type StrategyAdvice } from '../domain/advice.js'
import type { RunRecord } from '../domain/run.js'
import {
  type EffectiveStrategy,
  type Execution,
  type LaneKind,
  planExecution,
  probeExecution,
} from '../domain/strategy.js'

export interface PlanLimits {
  defaultLanes: number
  maxLanes: number
  maxInFlight: number
}

/** The plan as it is now: whoever holds it sees it change. */
export class LivePlan implements Execution {
  #now: Execution

  constructor(first: Execution) {
    this.#now = first
  }

  get strategy(): EffectiveStrategy {
    return this.#now.strategy
  }

  get laneKind(): LaneKind {
    return this.#now.laneKind
  }

  get lanes(): number {
    return this.#now.lanes
  }

  get concurrency(): number {
    return this.#now.concurrency
  }

  change(next: Execution): void {
    this.#now = next
  }
}

export interface RunPlan {
  live: LivePlan
  /** How AUTO chose; null where another strategy was asked for, or where its first tasks are to tell. */
  decision: StrategyAdvice | null
  /** What AUTO may choose from while the run goes on; null where there is nothing to choose. */
  options: ComputeOptions | null
}

/** What was started goes on as it was started. */
export function planRun(record: RunRecord, limits: PlanLimits): RunPlan {
  const { spec, decision } = record
  if (spec.strategy !== 'AUTO') {
    const strategy = record.effectiveStrategy ?? spec.strategy
    return { live: new LivePlan(executionOf(record, strategy, limits)), decision: null, options: null }
  }
  if (spec.stages[0]!.kind === 'FETCH') {
    const asked = executionOf(record, spec.strategy, limits)
    return { live: new LivePlan(asked), decision: decision ?? adviseFetch(asked), options: null }
  }
  // What it was started with is AUTO's own choice so far, and no bound of what it may choose.
  const open = { ...record, concurrency: null, lanes: null }
  const [threads, async] = [executionOf(open, 'THREADS', limits), executionOf(open, 'ASYNC', limits)]
  const options = { items: spec.source.count, threads, async }
  const only = adviseWithoutProbe(options)
  const known = decision ?? only
  const first = decision === null ? probeExecution() : executionOf(record, decision.strategy, limits)
  return { live: new LivePlan(first), decision: known, options: only === null ? options : null }
}

/** What the advice stands for. */
export function chosenFrom({ threads, async }: ComputeOptions, strategy: EffectiveStrategy): Execution {
  if (strategy === 'SEQUENTIAL') return probeExecution()
  return strategy === 'ASYNC' ? async : threads
}

function executionOf(
  { spec, concurrency, lanes }: Pick<RunRecord, 'spec' | 'concurrency' | 'lanes'>,
  strategy: EffectiveStrategy | 'AUTO',
  { defaultLanes, maxLanes, maxInFlight }: PlanLimits,
): Execution {
  const askedLanes = lanes ?? spec.lanes
  return planExecution({
    kind: spec.stages[0]!.kind,
    strategy,
    concurrency: concurrency ?? spec.concurrency,
    // The server may have been started with fewer since: the concurrency is for the lanes that can be had.
    lanes: askedLanes === null ? null : Math.min(askedLanes, maxLanes),
    items: spec.source.count,
    defaultLanes,
    maxInFlight,
  })
}
