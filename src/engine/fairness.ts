/**
 * Who gets how many of the server's lanes: by priority first, evenly among the runs of one, and evenly among the stages of a run.
 * Lanes that compute share the cores: beside as many of a higher priority those of a lower one would only slow them down.
 * Pure, so that it can be tested whole.
 */

import type { RunKey } from '../domain/ids.js'

export interface Turn {
  readonly priority: number
  /** Lane time it has had so far: who has had least comes first where there is not enough for all. */
  readonly servedMs: number
}

export interface StageTurn extends Turn {
  /** What the stage has had of it: decides among the stages of a run. A run without stages is one stage. */
  readonly stageMs: number
}

/** Of a stage. */
export interface Claim extends StageTurn {
  readonly key: RunKey
  /** Lanes that the stage could use now. */
  readonly want: number
  /** Whether each of them keeps a core busy. */
  readonly computes: boolean
}

/** What there is to share. */
export interface Capacity {
  lanes: number
  cores: number
}

/** How many lanes each claim may hold, in the order of the claims: max-min fair among the runs of a priority. */
export function allocateLanes(claims: readonly Claim[], { lanes, cores }: Capacity): number[] {
  const shares = claims.map(() => 0)
  let left = lanes
  let computing = 0
  const order = claims.map((_, at) => at).sort((a, b) => byStageTurn(claims[a]!, claims[b]!))
  for (let start = 0; start < order.length && left > 0; ) {
    const priority = claims[order[start]!]!.priority
    let end = start
    while (end < order.length && claims[order[end]!]!.priority === priority) end += 1
    const members = order.slice(start, end)
    const maxComputing = computing === 0 ? Number.POSITIVE_INFINITY : Math.max(0, cores - computing)
    left -= fill(members, { claims, shares, capacity: left, maxComputing })
    for (const at of members) if (claims[at]!.computes) computing += shares[at]!
    start = end
  }
  return shares
}

/** Whose turn it is: before those who come after it in this order. */
export function byTurn(a: Turn, b: Turn): number {
  return b.priority - a.priority || a.servedMs - b.servedMs
}

export function byStageTurn(a: StageTurn, b: StageTurn): number {
  return byTurn(a, b) || a.stageMs - b.stageMs
}

interface Pool {
  claims: readonly Claim[]
  shares: number[]
  capacity: number
  /** Of the lanes, those for stages that compute. */
  maxComputing: number
}

/** Gives one lane a round to each run that wants more; answers with how many it gave. */
function fill(members: number[], pool: Pool): number {
  let given = 0
  let computing = 0
  let hungry = byRun(members, pool.claims)
  while (hungry.length > 0 && given < pool.capacity) {
    const still: number[][] = []
    for (const run of hungry) {
      if (given === pool.capacity) break
      const at = neediest(run, pool, computing < pool.maxComputing)
      if (at === null) continue
      pool.shares[at] = pool.shares[at]! + 1
      given += 1
      if (pool.claims[at]!.computes) computing += 1
      still.push(run)
    }
    hungry = still
  }
  return given
}

/** In the order of the first one of each. */
function byRun(members: number[], claims: readonly Claim[]): number[][] {
  const runs = new Map<RunKey, number[]>()
  for (const at of members) {
    const { key } = claims[at]!
    const run = runs.get(key)
    if (run) run.push(at)
    else runs.set(key, [at])
  }
  return [...runs.values()]
}

/** The stage with the fewest lanes of those that want more and may have them, the first one of these; null where there is none. */
function neediest(run: number[], { claims, shares }: Pool, mayCompute: boolean): number | null {
  let least: number | null = null
  for (const at of run) {
    if (claims[at]!.computes && !mayCompute) continue
    if (shares[at]! < claims[at]!.want && (least === null || shares[at]! < shares[least]!)) least = at
  }
  return least
}
