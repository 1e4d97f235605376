/** The contract of a job inside its lane: what becomes of the items of one run's stage there. */

import type { Grant } from './protocol.js'

export interface Job {
  /** Each item is reported once, in the order of the ends. `claims`: see claims.ts; null where all of it is the lane's own. */
  grant(grant: Grant, claims: SharedArrayBuffer | null): void
  /** What has not started is given back. */
  recall(): void
  /** What is in service is aborted, what has not started is given back; grants that still come are given back too. */
  cancel(): void
  /** Sends what has ended and has not been sent: the lane is about to end. */
  flush(): void
}
