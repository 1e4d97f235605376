/** What a run is executed with: as asked for, or as AUTO chooses, which may change it while the run goes on. */

import { sum } from 'simple-statistics'
import { adviseFetch, adviseWithoutProbe, type ComputeOptions, type StrategyAdvice } from '../domain/advice.js'
import type { AskedStrategy, BatchSpec, StageSpec } from '../domain/batch.js'
import { type ExecutionState, itemsOf, type RunRecord, stageStates } from '../domain/run.js'
import {
  type EffectiveStrategy,
  type Execution,
  type LaneKind,
  planExecution,
  probeExecution,
  type StageKind,
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

export interface StagePlan {
  live: LivePlan
  /** How AUTO chose; null where another strategy was asked for, or where its first tasks are to tell. */
  decision: StrategyAdvice | null
  /** What AUTO may choose from while the run goes on; null where there is nothing to choose. */
  options: ComputeOptions | null
}

/** What a stage is asked to be executed with, and what it was, where it has been. */
interface Asked {
  kind: StageKind
  strategy: AskedStrategy
  concurrency: number | null
  lanes: number | null
  items: number
  before: Pick<ExecutionState, 'concurrency' | 'lanes'>
}

/**
 * Lanes that there will soon be a use for, by kind: those that AUTO may choose, and of pipelines those of all stages. Until the first
 * items have come through the first stage the others have time to start.
 */
export function lanesAhead(plans: readonly StagePlan[]): ReadonlyMap<LaneKind, number> {
  const counts = new Map<LaneKind, number>()
  for (const { live, options, decision } of plans) {
    const isOpen = options !== null && decision === null
    if (!isOpen && plans.length === 1) continue
    const { laneKind, lanes } = isOpen ? options.threads : live
    counts.set(laneKind, (counts.get(laneKind) ?? 0) + lanes)
  }
  return counts
}

/** What was started goes on as it was started. */
export function planStage(record: RunRecord, stage: number, limits: PlanLimits): StagePlan {
  const { spec } = record
  const work = spec.stages[stage]!
  const before = stageStates(record)[stage]!
  const { decision } = before
  const asked: Asked = {
    kind: work.kind,
    strategy: work.strategy ?? spec.strategy,
    concurrency: concurrencyOf(spec, work),
    lanes: spec.lanes,
    items: itemsOf(record),
    before,
  }
  if (asked.strategy !== 'AUTO') {
    const execution = executionOf(asked, before.effectiveStrategy ?? asked.strategy, limits)
    return { live: new LivePlan(execution), decision: null, options: null }
  }
  if (asked.kind === 'FETCH') {
    const execution = executionOf(asked, asked.strategy, limits)
    return { live: new LivePlan(execution), decision: decision ?? adviseFetch(execution), options: null }
  }
  // What it was started with is AUTO's own choice so far, and no bound of what it may choose.
  const open: Asked = { ...asked, before: { concurrency: null, lanes: null } }
  const [threads, async] = [executionOf(open, 'THREADS', limits), executionOf(open, 'ASYNC', limits)]
  const options = { items: asked.items, threads, async }
  const only = adviseWithoutProbe(options)
  const known = decision ?? only
  const first = decision === null ? probeExecution() : executionOf(asked, decision.strategy, limits)
  return { live: new LivePlan(first), decision: known, options: only === null ? options : null }
}

/** As asked for; null: as many as suit. */
export function concurrencyOf(spec: BatchSpec, stage: StageSpec): number | null {
  return stage.concurrency === undefined ? spec.concurrency : stage.concurrency
}

/** What the advice stands for. */
export function chosenFrom({ threads, async }: ComputeOptions, strategy: EffectiveStrategy): Execution {
  if (strategy === 'SEQUENTIAL') return probeExecution()
  return strategy === 'ASYNC' ? async : threads
}

function executionOf(
  { kind, concurrency, lanes, items, before }: Asked,
  strategy: EffectiveStrategy | 'AUTO',
  { defaultLanes, maxLanes, maxInFlight }: PlanLimits,
): Execution {
  const askedLanes = before.lanes ?? lanes
  return planExecution({
    kind,
    strategy,
    concurrency: before.concurrency ?? concurrency,
    // The server may have been started with fewer since: the concurrency is for the lanes that can be had.
    lanes: askedLanes === null ? null : Math.min(askedLanes, maxLanes),
    items,
    defaultLanes,
    maxInFlight,
  })
}

/** How a run is executed as a whole: its stages together, as far as the server lets them. */
export function runExecution(
  stages: readonly { kind: StageKind; execution: Execution }[],
  { maxLanes, maxInFlight }: Pick<PlanLimits, 'maxLanes' | 'maxInFlight'>,
): Pick<ExecutionState, 'effectiveStrategy' | 'lanes' | 'concurrency'> {
  const strategies = new Set(stages.map(({ execution }) => execution.strategy))
  const [only] = strategies
  const concurrencyFor = (kind: StageKind) =>
    sum(stages.filter((stage) => stage.kind === kind).map(({ execution }) => execution.concurrency))
  return {
    effectiveStrategy: strategies.size === 1 ? (only ?? null) : null,
    lanes: Math.min(sum(stages.map(({ execution }) => execution.lanes)), maxLanes),
    concurrency: Math.min(concurrencyFor('FETCH'), maxInFlight) + concurrencyFor('COMPUTE'),
  }
}
