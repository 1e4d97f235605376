import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Phases } from '../../../src/fetching/phases.js'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout'] })
})

afterEach(() => {
  vi.useRealTimers()
})

function hop(phases: Phases, firstByteMs: number, downloadMs: number): void {
  vi.advanceTimersByTime(firstByteMs)
  phases.answered()
  vi.advanceTimersByTime(downloadMs)
  phases.ended()
}

it('tells nothing of what has not been', () => {
  const { dnsMs, connectMs, tlsMs, firstByteMs, downloadMs, reusedConnection } = new Phases()
  expect([dnsMs, connectMs, tlsMs, firstByteMs, downloadMs, reusedConnection]).toEqual(Array(6).fill(null))
})

it('waits for the first byte, then for the last', () => {
  const phases = new Phases()
  phases.sent({ dnsMs: 1, connectMs: 2, tlsMs: null })
  hop(phases, 30, 7)
  expect(phases).toMatchObject({
    dnsMs: 1,
    connectMs: 2,
    tlsMs: null,
    firstByteMs: 30,
    downloadMs: 7,
    reusedConnection: false,
  })
})

it('adds up over redirects; the connection is a reused one where none had to be opened', () => {
  const phases = new Phases()
  phases.sent(null)
  hop(phases, 5, 1)
  expect(phases).toMatchObject({ connectMs: null, reusedConnection: true })
  phases.sent({ dnsMs: 1, connectMs: 2, tlsMs: 3 })
  hop(phases, 10, 2)
  phases.sent({ dnsMs: null, connectMs: 20, tlsMs: null })
  hop(phases, 20, 4)
  phases.sent(null)
  hop(phases, 40, 8)
  expect(phases).toMatchObject({
    dnsMs: 1,
    connectMs: 22,
    tlsMs: 3,
    firstByteMs: 75,
    downloadMs: 15,
    reusedConnection: false,
  })
})
