import { describe, expect, it } from 'vitest'
import { systemClock } from '../../src/clock.js'

describe('systemClock', () => {
  it('goes on, and never back', () => {
    const before = [systemClock.monotonicMs(), systemClock.epochMs()]
    const after = [systemClock.monotonicMs(), systemClock.epochMs()]
    for (const [at, ms] of after.entries()) expect(ms).toBeGreaterThanOrEqual(before[at] ?? 0)
    expect(systemClock.now()).toBeInstanceOf(Date)
  })

  it('fires a timer once, and none that was taken back or is far away', async () => {
    const fired: string[] = []
    const cancelEarly = systemClock.setTimer(() => fired.push('taken back'), 0)
    const cancelFar = systemClock.setTimer(() => fired.push('far away'), 1e15)
    cancelEarly()
    await new Promise<void>((resolve) => {
      const cancel = systemClock.setTimer(() => {
        fired.push('due')
        cancel()
        resolve()
      }, 1)
    })
    cancelFar()
    expect(fired).toEqual(['due'])
  })
})
