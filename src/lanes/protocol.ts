/** What travels between the engine and a lane. Everything here survives a structured clone. */

import type { CompactSource, FetchOptions, Reducer } from '../domain/batch.js'
import type { StageLink } from '../domain/hand-over.js'
import type { RunKey } from '../domain/ids.js'
import type { LaneLoad } from '../domain/lane-load.js'
import type { ReductionState } from '../domain/reduction.js'
import type { ResultColumns } from '../domain/results.js'

/** A file whose lines the lane reads by itself, an input each. */
export interface FileSource {
  kind: 'file'
  path: string
  /** Where its lines are: see domain/lines.ts. */
  stretches: Float64Array
}

/** What a lane needs to know of a run's stage, once. */
export interface JobSpec {
  /** Unique while the server lives. */
  job: number
  work: /** `storesFor`: whose bodies are stored; null where they are not. */
    | { kind: 'FETCH'; fetch: FetchOptions; storesFor: { run: RunKey; stage: number } | null }
    | { kind: 'COMPUTE'; function: string; reduce: Reducer | null }
  /** Where inputs come from that are not in the grant; null where all are in grants. */
  source: CompactSource | FileSource | null
  /** Whether the inputs of grants are JSON texts that the stage before has handed over. */
  takesOver: boolean
  /** What is handed over to the stage after it; null where there is none. */
  handsOver: StageLink | null
  /** Tasks in service at most. */
  slots: number
  /** For one attempt; null: none. */
  timeoutMs: number | null
  maxOutputBytes: number
  /** Whether the lane is to tell of tasks that wait, see LaneListener.onWaiting. */
  tellsWaiting: boolean
  /** Whether each result is waited for, as the next request to its host may start then: none is kept back for others. */
  isAwaited: boolean
}

/** What a lane is to have at hand before its first task comes: that is then in nobody's time. */
export type LaneWork = { kind: 'FETCH' } | { kind: 'COMPUTE'; function: string }

/**
 * Items handed to a lane at a time. Their indexes are first, first + 1, … unless `indexes` names them; the inputs
 * follow from the job's source unless `inputs` has them, in the same order.
 */
export interface Grant {
  first: number
  count: number
  indexes: number[] | null
  inputs: unknown[] | null
  /** The number of each item's attempt, in the same order; null: all 1. */
  attempts: number[] | null
}

/** Ended items of a job, and what goes with them. */
export interface ResultBlock {
  job: number
  columns: ResultColumns
  /** CPU time that the lane spent on the job since its last block; 0 where it cannot be measured. */
  laneCpuMs: number
  /** What the lane was busy with the job since its last block; left out where it cannot be measured. */
  laneLoad?: LaneLoad
  /** The fold of the outputs of this block's SUCCEEDED items; null without a reducer. */
  reduction: ReductionState | null
  /** Why the job's file could not be read, where it could not: what needed it is in the block as not started. */
  unreadable?: string
}
