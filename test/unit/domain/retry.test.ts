import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TaskErrorCode } from '../../../src/domain/errors.js'
import { isRetryable, MAX_RETRY_AFTER_MS, nextDelayMs } from '../../../src/domain/retry.js'

const get = { kind: 'FETCH', method: 'GET', unsafe: false } as const
const compute = { kind: 'COMPUTE', method: null, unsafe: false } as const
const failure = (code: TaskErrorCode, retryable = false) => ({ code, message: 'm', retryable })

describe('isRetryable', () => {
  it('tries these fetch failures again and no others', () => {
    const again = Object.values(TaskErrorCode).filter((code) => isRetryable(failure(code), get))
    expect(again).toEqual(['TIMEOUT', 'CONNECTION_REFUSED', 'CONNECTION_RESET', 'DNS', 'BODY_TRUNCATED', 'LANE_DIED'])
  })

  it('tries HTTP_STATUS again where the status says so', () => {
    expect(isRetryable(failure('HTTP_STATUS', true), get)).toBe(true)
    expect(isRetryable(failure('HTTP_STATUS', false), get)).toBe(false)
  })

  it('tries only methods again that can be repeated, unless told otherwise', () => {
    const error = failure('TIMEOUT')
    for (const method of ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'get']) {
      expect(isRetryable(error, { ...get, method })).toBe(true)
    }
    for (const method of ['POST', 'PATCH', 'post']) {
      expect(isRetryable(error, { ...get, method })).toBe(false)
      expect(isRetryable(failure('HTTP_STATUS', true), { ...get, method })).toBe(false)
      expect(isRetryable(error, { ...get, method, unsafe: true })).toBe(true)
    }
    expect(isRetryable(failure('TLS'), { ...get, method: 'POST', unsafe: true })).toBe(false)
  })

  it('tries computes again only where the lane died or the thrown error asked for it', () => {
    const again = Object.values(TaskErrorCode).filter((code) => isRetryable(failure(code), compute))
    expect(again).toEqual(['LANE_DIED'])
    const asked = Object.values(TaskErrorCode).filter((code) => isRetryable(failure(code, true), compute))
    expect(asked).toEqual(['FUNCTION_ERROR', 'LANE_DIED'])
  })
})

describe('nextDelayMs', () => {
  const policy = { maxAttempts: 5, backoffMs: 200, maxBackoffMs: 1000, unsafe: false }
  const delay = (attempt: number, random: number, retryAfterMs: number | null = null) =>
    nextDelayMs({ attempt, policy, retryAfterMs, random })

  it('doubles with each attempt up to the maximum, with full jitter', () => {
    expect([1, 2, 3, 4].map((attempt) => delay(attempt, 0.5))).toEqual([100, 200, 400, 500])
    expect([1, 2, 3, 4].map((attempt) => delay(attempt, 0))).toEqual([0, 0, 0, 0])
  })

  it('gives up when no attempt is left, whatever Retry-After says', () => {
    expect(delay(5, 0.5)).toBeNull()
    expect(delay(5, 0.5, 10)).toBeNull()
    expect(nextDelayMs({ attempt: 1, policy: { ...policy, maxAttempts: 1 }, retryAfterMs: null, random: 0 })).toBeNull()
  })

  it('does what Retry-After says up to an hour, and gives up where it says more', () => {
    expect(delay(1, 0.5, 30_000)).toBe(30_000)
    expect(delay(1, 0.5, 0)).toBe(0)
    expect(delay(1, 0.5, -5)).toBe(0)
    expect(delay(1, 0.5, MAX_RETRY_AFTER_MS)).toBe(MAX_RETRY_AFTER_MS)
    expect(delay(1, 0.5, MAX_RETRY_AFTER_MS + 1)).toBeNull()
  })

  it('is a number from 0 to the maximum for every policy and attempt', () => {
    const policies = fc.record({
      maxAttempts: fc.constant(1_000_000),
      backoffMs: fc.nat(100_000),
      maxBackoffMs: fc.nat(1_000_000),
      unsafe: fc.boolean(),
    })
    fc.assert(
      fc.property(
        policies,
        fc.integer({ min: 1, max: 100_000 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (p, n, r) => {
          const ms = nextDelayMs({ attempt: n, policy: p, retryAfterMs: null, random: r }) as number
          expect(ms).toBeGreaterThanOrEqual(0)
          expect(ms).toBeLessThanOrEqual(p.maxBackoffMs)
          expect(ms).toBeLessThanOrEqual(p.backoffMs * 2 ** (n - 1) || p.backoffMs)
        },
      ),
    )
  })
})
