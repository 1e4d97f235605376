import { describe, expect, it } from 'vitest'
import { startVitals } from '../../../src/http/vitals.js'
import { ManualClock } from '../../support/clock.js'
import { until } from '../../support/until.js'

describe('startVitals', () => {
  it('tells what the server is, and for how long', () => {
    const clock = new ManualClock()
    clock.advance(500)
    const vitals = startVitals('1.2.3', clock)
    clock.advance(1500)
    expect(vitals).toMatchObject({ version: '1.2.3', host: expect.any(String) })
    expect(vitals.cores).toBeGreaterThan(0)
    expect(vitals.uptimeMs()).toBe(1500)
    vitals.stop()
    expect(clock.nextDueMs).toBeNull()
  })

  it('tells how late the event loop was, until two windows have passed', async () => {
    const clock = new ManualClock()
    const vitals = startVitals('1.2.3', clock)
    await until(() => {
      const end = performance.now() + 80
      while (performance.now() < end) {}
      return vitals.eventLoopDelayP99Ms() > 50
    })
    clock.advance(10_000)
    expect(vitals.eventLoopDelayP99Ms()).toBeGreaterThan(50)
    clock.advance(10_000)
    expect(vitals.eventLoopDelayP99Ms()).toBe(0)
    vitals.stop()
  })
})
