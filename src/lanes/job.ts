/** The contract of a job inside its lane: what becomes of the items of one run's stage there. */

import type { TaskContext } from './context.js'
import type { Grant } from './protocol.js'

export interface Job {
  /** Each item is reported once, in the order of the ends. `claims`: see claims.ts; null where all of it is the lane's own. */
  grant(grant: Grant, claims: SharedArrayBuffer | null): void
  /** What has not started is given back. */
  recall(): void
  /** What is in service is aborted, what has not started is given back; grants that still come are given back too. */
  cancel(): void
  /** Sends what has been reported and has not been sent: the lane is about to end. */
  flush(): void
  /** The index of the author's task; null where it is not in service. */
  indexOf(author: TaskContext): number | null
  /** Something that the author's function has left to itself has thrown this: fails its task, unless that is reported. */
  blame(author: TaskContext, thrown: unknown): void
}
