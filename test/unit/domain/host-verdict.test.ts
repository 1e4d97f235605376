import { describe, expect, it } from 'vitest'
import { TaskErrorCode } from '../../../src/domain/errors.js'
import { leftAloneMs, verdictOn, wasSent } from '../../../src/domain/host-verdict.js'

const failed = (code: TaskErrorCode) => ({ code, status: null, retryAfterMs: null })
const status = (code: number, retryAfterMs: number | null = null) => ({
  code: 'HTTP_STATUS' as const,
  status: code,
  retryAfterMs,
})

describe('verdictOn', () => {
  it('takes a host for up that answers, whatever it answers', () => {
    expect(verdictOn({ code: null, status: null, retryAfterMs: null })).toBe('UP')
    for (const code of [404, 401, 429, 418, 501]) expect(verdictOn(status(code)), String(code)).toBe('UP')
  })

  it('takes for down what does not answer, and what cannot bear more', () => {
    for (const code of [500, 502, 503, 504]) expect(verdictOn(status(code)), String(code)).toBe('DOWN')
    const down = Object.values(TaskErrorCode).filter((code) => verdictOn(failed(code)) === 'DOWN')
    expect(down).toEqual(['TIMEOUT', 'CONNECTION_REFUSED', 'CONNECTION_RESET', 'DNS'])
  })

  it('does not take for down who says when to come back', () => {
    expect(verdictOn(status(503, 1_000))).toBe('UP')
    expect(verdictOn(status(500, 1_000))).toBe('DOWN')
  })

  it('says nothing of a host whose certificate, or whose lane, is at fault', () => {
    const unknown = Object.values(TaskErrorCode).filter((code) => verdictOn(failed(code)) === 'UNKNOWN')
    expect(unknown).toEqual(['TLS', 'BODY_TRUNCATED', 'OUT_OF_MEMORY', 'LANE_DIED'])
  })
})

describe('leftAloneMs', () => {
  it('is what 429 and 503 ask for: with other statuses Retry-After is of the one resource', () => {
    expect([429, 503].map((code) => leftAloneMs(status(code, 5_000)))).toEqual([5_000, 5_000])
    expect([200, 202, 301, 413, 500].map((code) => leftAloneMs(status(code, 5_000)))).toEqual(Array(5).fill(null))
    expect(leftAloneMs(status(429))).toBeNull()
    expect(leftAloneMs({ code: 'BODY_TOO_LARGE', status: 503, retryAfterMs: 1 })).toBeNull()
  })
})

describe('wasSent', () => {
  it('is false of what was refused before, and true of what was led there', () => {
    expect([failed('INVALID_INPUT'), failed('DESTINATION_FORBIDDEN')].map(wasSent)).toEqual([false, false])
    expect(wasSent({ code: 'INVALID_INPUT', status: 302, retryAfterMs: null })).toBe(true)
    expect(wasSent(failed('DNS'))).toBe(true)
  })
})
