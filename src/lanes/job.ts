/** The contract of a job inside its lane: what becomes of the items of one run's stage there. */

import type { Grant } from './protocol.js'

export interface Job {
  /** Each item is reported once, in the order of the ends. */
  grant(grant: Grant): void
  /** What has not started is given back. */
  recall(): void
  /** What is in service is aborted, what has not started is given back; grants that still come are given back too. */
  cancel(): void
  /** Sends what has ended and has not been sent: the lane is about to end. */
  flush(): void
}
