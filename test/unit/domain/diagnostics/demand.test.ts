import { describe, expect, it } from 'vitest'
import { computeShare, wantedCpuMs } from '../../../../src/domain/diagnostics/demand.js'
import { equalTimes, stageFigures } from '../../../support/stage-figures.js'

describe('wantedCpuMs', () => {
  it('is what was computed, and what would have been with a core', () => {
    expect(wantedCpuMs(stageFigures({ cpuMs: 300, load: { busyMs: 0, coreWaitMs: 200 } }))).toBe(500)
  })

  it('is not known where nobody knows of the waiting', () => {
    expect(wantedCpuMs(stageFigures({ load: { busyMs: 500, coreWaitMs: null } }))).toBeNull()
    expect(wantedCpuMs(stageFigures({ load: null }))).toBeNull()
  })
})

describe('computeShare', () => {
  /** Ten tasks of 40 ms of CPU and 60 of waiting for something else. */
  const share = (coreWaitMs: number | null, cpuMs = 400) =>
    computeShare(
      stageFigures({ cpuMs, service: equalTimes(10, 100 + (coreWaitMs ?? 0) / 10), load: { busyMs: 0, coreWaitMs } }),
    )

  it('is the same however long tasks waited for a core', () => {
    expect(share(0)).toBeCloseTo(0.4)
    expect(share(5_000)).toBeCloseTo(0.4)
  })

  it('takes all for waiting that is not computing, where nobody knows better', () => {
    expect(share(null)).toBeCloseTo(0.4)
  })

  it('is 1 at most: a lane computes also between its tasks', () => {
    expect(share(0, 1_200)).toBe(1)
    expect(share(3_000, 5_000)).toBe(1)
  })

  it('is 0 where there was nothing', () => {
    expect(computeShare(stageFigures({ service: equalTimes(0, 0), cpuMs: 0, load: null }))).toBe(0)
  })
})
