/** Which lanes a run will have, and what they are to have at hand: known before it starts. */

import type { BatchSpec, StageSpec } from '../domain/batch.js'
import { type Execution, type LaneKind, planExecution } from '../domain/strategy.js'
import type { LaneWork } from '../lanes/protocol.js'
import type { PlanLimits } from './plan.js'

export interface LaneNeed {
  kind: LaneKind
  /** Lanes at most. */
  count: number
  /** What any of them may be given. */
  works: LaneWork[]
}

/** Of each kind of lane that is used. The stages of a pipeline hold their lanes at the same time. */
export function laneNeeds(spec: BatchSpec, limits: PlanLimits): LaneNeed[] {
  const needs = new Map<LaneKind, LaneNeed>()
  for (const stage of spec.stages) {
    const { laneKind, lanes } = mostOf(spec, stage, limits)
    const need = needs.get(laneKind) ?? { kind: laneKind, count: 0, works: [] }
    need.count = Math.min(need.count + lanes, limits.maxLanes)
    need.works.push(stage.kind === 'FETCH' ? { kind: 'FETCH' } : { kind: 'COMPUTE', function: stage.function })
    needs.set(laneKind, need)
  }
  return [...needs.values()]
}

/** AUTO begins with one lane and may come to as many as THREADS has. */
function mostOf(spec: BatchSpec, stage: StageSpec, { defaultLanes, maxLanes, maxInFlight }: PlanLimits): Execution {
  return planExecution({
    kind: stage.kind,
    strategy: stage.strategy ?? spec.strategy,
    concurrency: stage.concurrency === undefined ? spec.concurrency : stage.concurrency,
    lanes: spec.lanes === null ? null : Math.min(spec.lanes, maxLanes),
    items: spec.source.count,
    defaultLanes,
    maxInFlight,
  })
}
