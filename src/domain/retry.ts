/** Which failures are tried again, and when. */

import type { RetryPolicy } from './batch.js'
import { isRetryableCode, type TaskError, type TaskErrorCode } from './errors.js'
import type { StageKind } from './strategy.js'

/** Requests that can be sent twice without harm. */
const REPEATABLE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

/** Of fetches: whether they are tried again is told by the failure itself. */
const DEPENDS: ReadonlySet<TaskErrorCode> = new Set(['HTTP_STATUS', 'BODY_NOT_STORED'])

/** An origin that wants to be left alone for longer than this has its task fail. */
export const MAX_RETRY_AFTER_MS = 3_600_000

export interface FailedWork {
  kind: StageKind
  /** Of the request; null for computes. */
  method: string | null
  /** RetryPolicy.unsafe. */
  unsafe: boolean
}

/** Whether a failure of this work is tried again while there are attempts left. */
export function isRetryable(error: TaskError, work: FailedWork): boolean {
  if (work.kind === 'COMPUTE') {
    return error.code === 'LANE_DIED' || (error.code === 'FUNCTION_ERROR' && error.retryable)
  }
  const repeatable = work.unsafe || REPEATABLE_METHODS.has((work.method ?? 'GET').toUpperCase())
  return repeatable && (isRetryableCode(error.code) || (DEPENDS.has(error.code) && error.retryable))
}

export interface FailedAttempt {
  /** The number of the attempt that has failed, from 1. */
  attempt: number
  policy: RetryPolicy
  /** From a Retry-After header; null where there was none. */
  retryAfterMs: number | null
  /** From 0 to 1, 1 excluded. */
  random: number
}

/**
 * How long to wait before the next attempt: what Retry-After says, else full jitter, a random share of
 * min(maxBackoffMs, backoffMs × 2^(attempt - 1)). Null where there is no next attempt: none is left, or Retry-After
 * asks for more than an hour.
 */
export function nextDelayMs({ attempt, policy, retryAfterMs, random }: FailedAttempt): number | null {
  if (attempt >= policy.maxAttempts) return null
  if (retryAfterMs !== null) return retryAfterMs > MAX_RETRY_AFTER_MS ? null : Math.max(0, retryAfterMs)
  // 2^1023 is the largest power; past it 0 × Infinity would be NaN.
  const backoffMs = policy.backoffMs * 2 ** Math.min(attempt - 1, 1023)
  return random * Math.min(policy.maxBackoffMs, backoffMs)
}
