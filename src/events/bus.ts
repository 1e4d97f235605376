/** The contract of the event bus: it carries the news that something changed, never the thing. Who wants the thing reads it, at its own pace. */

import type { RunKey } from '../domain/ids.js'

/**
 * Run, or runs: status or counts of one of them. Tasks: more of its tasks have been committed, or the run has changed: it may have
 * ended without a further task.
 */
export type Topic =
  | { kind: 'run'; run: RunKey }
  | { kind: 'tasks'; run: RunKey }
  | { kind: 'runs'; runs: readonly RunKey[] }
  | { kind: 'allRuns' }

/** A subscriber's place: news that came while it was away is kept as one, not as a queue. */
export interface Watch {
  /**
   * Resolves with the runs that have changed since the last call, at once if there are any; with null once the watch is
   * closed. For a topic of one run the set holds that run.
   */
  next(): Promise<ReadonlySet<RunKey> | null>
  close(): void
}

export interface EventBus {
  /** Tells every watch of the run (and of all runs) that it changed. Never throws. */
  runChanged(run: RunKey): void
  tasksCommitted(run: RunKey): void
  /** What happens after this call is seen by the watch. */
  watch(topic: Topic): Watch
  /** Closes all watches. */
  close(): void
  /** How many watches are open. */
  readonly watches: number
}
