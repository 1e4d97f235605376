/** What a request that has ended says of the host that it was sent to. */

import type { TaskErrorCode } from './errors.js'

/** UP: it has answered, whatever the answer says. DOWN: as a host fails that is down, or cannot bear more. UNKNOWN: nothing. */
export type HostVerdict = 'UP' | 'DOWN' | 'UNKNOWN'

/** The host did not answer. TLS is not among them: a certificate does not get better by waiting. */
const DOWN: ReadonlySet<TaskErrorCode> = new Set(['CONNECTION_REFUSED', 'CONNECTION_RESET', 'TIMEOUT', 'DNS'])
const UNKNOWN: ReadonlySet<TaskErrorCode> = new Set(['TLS', 'BODY_TRUNCATED', 'LANE_DIED', 'OUT_OF_MEMORY'])
/** These fail a request before it is sent. */
const UNSENT: ReadonlySet<TaskErrorCode> = new Set(['INVALID_INPUT', 'DESTINATION_FORBIDDEN'])
const DOWN_STATUSES: ReadonlySet<number> = new Set([500, 502, 503, 504])
/** With these Retry-After is said of the host; with others, such as 202 or 413, of the one resource. */
const ASKING_STATUSES: ReadonlySet<number> = new Set([429, 503])

/** How a request ended. */
export interface HostAnswer {
  /** Null where it succeeded. */
  code: TaskErrorCode | null
  /** Null where there was no answer. */
  status: number | null
  /** From a Retry-After header; null where there was none. */
  retryAfterMs: number | null
}

/** For how long the host asks to be left alone; null where it does not. */
export function leftAloneMs({ code, status, retryAfterMs }: HostAnswer): number | null {
  return code === 'HTTP_STATUS' && status !== null && ASKING_STATUSES.has(status) ? retryAfterMs : null
}

export function verdictOn(answer: HostAnswer): HostVerdict {
  const { code, status } = answer
  if (code === null) return 'UP'
  if (DOWN.has(code)) return 'DOWN'
  if (UNKNOWN.has(code)) return 'UNKNOWN'
  // Who says when to come back is not down.
  if (code !== 'HTTP_STATUS' || status === null || leftAloneMs(answer) !== null) return 'UP'
  return DOWN_STATUSES.has(status) ? 'DOWN' : 'UP'
}

/** Whether a request was sent at all that ended so. */
export function wasSent({ code, status }: HostAnswer): boolean {
  return code === null || status !== null || !UNSENT.has(code)
}
