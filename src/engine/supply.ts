/**
 * The contract of a supply: where a run's items are until they have ended, and which of them could be handed out now. A plain
 * one (pending.ts) knows indexes alone; one of fetches to one host (one-host-supply.ts) keeps back what has to wait for it; a gated one
 * (gated-supply.ts) reads ahead, as it has to see of each item where it goes.
 */

import type { ResultColumns } from '../domain/results.js'

/** Some items. `indexes` null: first, first + 1, …; `attempts` null: all 1. */
export interface Range {
  first: number
  count: number
  indexes: number[] | null
  attempts: number[] | null
}

/** Items to hand out. */
export interface Batch extends Range {
  /** Of a list's items, where they have been read already. */
  inputs?: unknown[]
  /** One item that is to be granted by itself; of others more may be handed out at once. */
  isAlone?: true
  /** And nothing is to be in service beside it, in its lane. */
  isSecluded?: true
}

/** Epoch milliseconds; 0 for what was never started. */
export type Starts = Pick<ResultColumns, 'indexes' | 'startedAt'>

export interface Supply {
  /** Items that could be handed out now. */
  readonly ready: number
  /** Items that have not ended and are not handed out. */
  readonly size: number
  /** When the next item in back-off is due; null where none waits. */
  readonly nextDueMs: number | null
  /** Whether an item that is handed out may wait for a slot of its lane. */
  readonly mayWaitInLane: boolean
  /** From now on items may be read ahead. */
  start(): void
  /** Until the next start nothing is read ahead, and nothing ends that needs no lane. */
  hold(): void
  /**
   * Takes up to `max` items, as many as are ready; null where none is. `slots`: for how many of them the lane has a free slot; left
   * out: for all.
   */
  take(max: number, slots?: number): Batch | null
  /** Items that were handed out have been started, some perhaps long after that. */
  started(starts: Starts): void
  /** Items that were handed out have come back: to be told before what becomes of each. */
  reported(columns: ResultColumns): void
  /** The item was handed out, and has to be again. */
  giveBack(index: number, attempt: number): void
  /** The batch was handed out, and its items from this place on have to be again. */
  restore(batch: Range, from: number): void
  /** As giveBack, but not before `dueMs` of the clock that `release` is called with. */
  delay(index: number, attempt: number, dueMs: number): void
  /** Makes ready what is due; to be called also when the recorder takes more again. */
  release(nowMs: number): void
  /** Items have ended: all of the columns' but those at the places that were dropped. */
  ended(columns: ResultColumns, dropped: ReadonlySet<number> | null): void
  /** Nothing more is to be handed out; what comes back is counted all the same. */
  stop(): void
}
