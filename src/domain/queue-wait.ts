/** Since when items wait: from the launch, from their end in the stage before, or from the run's last pause. */

/** Epoch milliseconds: rows keep the wait from there on. */
export interface ReadyTimes {
  /** When the items became ready. */
  readyAt: number
  /** Where each became ready at a time of its own, in later stages: by place. */
  readyAts: Float64Array | null
  /** When the run was resumed last; null: never. */
  resumedAt: number | null
}

/** When the item at this place became ready. `startedAt`: of its first attempt; one from before a pause did not wait for its end. */
export function readyAtOf({ readyAt, readyAts, resumedAt }: ReadyTimes, at: number, startedAt: number): number {
  const ready = readyAts?.[at] ?? readyAt
  return resumedAt !== null && startedAt >= resumedAt ? Math.max(ready, resumedAt) : ready
}
