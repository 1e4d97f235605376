/** How tasks share the machine: a strategy is a row of lanes × tasks in flight per lane. */

export const Strategy = {
  AUTO: 'AUTO',
  SEQUENTIAL: 'SEQUENTIAL',
  ASYNC: 'ASYNC',
  THREADS: 'THREADS',
  PROCESSES: 'PROCESSES',
  CLUSTER: 'CLUSTER',
} as const
export type Strategy = (typeof Strategy)[keyof typeof Strategy]

/** What a run is executed with: never AUTO. */
export type EffectiveStrategy = Exclude<Strategy, 'AUTO' | 'CLUSTER'>

export type StageKind = 'FETCH' | 'COMPUTE'
export type LaneKind = 'THREAD' | 'PROCESS'

/** One row of the table that makes a strategy. */
interface StrategyRow {
  laneKind: LaneKind
  /** Whether the run may have more than one lane. */
  manyLanes: boolean
  /** In flight if the launch does not say, over all lanes; null: one a lane. */
  defaultConcurrency: Record<StageKind, number | null>
  /** Whether one lane may have several tasks in flight. */
  manyInFlight: Record<StageKind, boolean>
}

const ROWS: Record<EffectiveStrategy, StrategyRow> = {
  SEQUENTIAL: {
    laneKind: 'THREAD',
    manyLanes: false,
    defaultConcurrency: { FETCH: 1, COMPUTE: 1 },
    manyInFlight: { FETCH: false, COMPUTE: false },
  },
  ASYNC: {
    laneKind: 'THREAD',
    manyLanes: false,
    defaultConcurrency: { FETCH: 64, COMPUTE: 16 },
    manyInFlight: { FETCH: true, COMPUTE: true },
  },
  THREADS: {
    laneKind: 'THREAD',
    manyLanes: true,
    defaultConcurrency: { FETCH: 64, COMPUTE: null },
    manyInFlight: { FETCH: true, COMPUTE: false },
  },
  PROCESSES: {
    laneKind: 'PROCESS',
    manyLanes: true,
    defaultConcurrency: { FETCH: 64, COMPUTE: null },
    manyInFlight: { FETCH: true, COMPUTE: false },
  },
}

export function laneKindOf(strategy: EffectiveStrategy): LaneKind {
  return ROWS[strategy].laneKind
}

/** Whether its lanes may be several. */
export function hasManyLanes(strategy: EffectiveStrategy): boolean {
  return ROWS[strategy].manyLanes
}

export interface ExecutionRequest {
  kind: StageKind
  strategy: Exclude<Strategy, 'CLUSTER'>
  /** Asked for, or null. */
  concurrency: number | null
  /** Asked for, or null. */
  lanes: number | null
  items: number
  /** HEDDLE_LANES. */
  defaultLanes: number
  /** Fetches in flight at most, over all runs: HEDDLE_MAX_IN_FLIGHT. */
  maxInFlight: number
}

/** What runs: `concurrency` in flight at most over `lanes` lanes of one kind. */
export interface Execution {
  strategy: EffectiveStrategy
  laneKind: LaneKind
  lanes: number
  concurrency: number
}

/** AUTO before anything is known: waiting fans out on one event loop, computing may go to threads. */
function resolveStrategy(strategy: Exclude<Strategy, 'CLUSTER'>, kind: StageKind): EffectiveStrategy {
  if (strategy !== 'AUTO') return strategy
  return kind === 'FETCH' ? 'ASYNC' : 'THREADS'
}

/** In flight where a launch does not say, over all lanes; null: one a lane, as many as the machine gives. */
export function defaultConcurrency(strategy: Exclude<Strategy, 'CLUSTER'>, kind: StageKind): number | null {
  return ROWS[resolveStrategy(strategy, kind)].defaultConcurrency[kind]
}

/** In flight as executed = min(asked or default, lanes × in flight per lane, items). */
export function planExecution(request: ExecutionRequest): Execution {
  const strategy = resolveStrategy(request.strategy, request.kind)
  const row = ROWS[strategy]
  const asked = row.manyLanes ? (request.lanes ?? request.defaultLanes) : 1
  const many = row.manyInFlight[request.kind]
  const wanted = request.concurrency ?? row.defaultConcurrency[request.kind] ?? asked
  const bound = many ? wanted : Math.min(wanted, asked)
  const limit = request.kind === 'FETCH' ? request.maxInFlight : Number.POSITIVE_INFINITY
  const concurrency = Math.max(1, Math.min(bound, limit, request.items))
  return { strategy, laneKind: row.laneKind, lanes: Math.min(asked, concurrency), concurrency }
}

/** One task after the other: how AUTO looks at the first tasks of a compute, and what it stays with where more would not help. */
export function probeExecution(): Execution {
  return { strategy: 'SEQUENTIAL', laneKind: 'THREAD', lanes: 1, concurrency: 1 }
}

/** The share of `concurrency` that lane `ordinal` of `lanes` has: they differ by one at most. */
export function slotsOfLane(execution: Execution, ordinal: number): number {
  const base = Math.floor(execution.concurrency / execution.lanes)
  return base + (ordinal < execution.concurrency % execution.lanes ? 1 : 0)
}
