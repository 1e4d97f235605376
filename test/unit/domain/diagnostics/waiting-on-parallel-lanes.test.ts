import { describe, expect, it } from 'vitest'
import type { StageFigures } from '../../../../src/domain/diagnostic.js'
import { WAITING_ON_PARALLEL_LANES } from '../../../../src/domain/diagnostics/waiting-on-parallel-lanes.js'
import { equalTimes, stageFigures } from '../../../support/stage-figures.js'

/** Five requests of a second on two lanes. */
const waiting = (changes: Partial<StageFigures> = {}) =>
  stageFigures({
    kind: 'FETCH',
    concurrency: 5,
    wallMs: 1_000,
    service: equalTimes(5, 1_000),
    cpuMs: 20,
    load: { busyMs: 30, coreWaitMs: 5 },
    ...changes,
  })
const find = (changes: Partial<StageFigures> = {}) => WAITING_ON_PARALLEL_LANES.find(waiting(changes))

describe('WAITING_ON_PARALLEL_LANES', () => {
  it('says how little the lanes were busy, and that one event loop would do', () => {
    expect(find()).toEqual({
      message:
        'The tasks waited: 2 threads together were busy 3 % of 1 s. One event loop does as well for less: ASYNC, with as many in flight (5).',
      evidence: {
        busyShare: 0.03,
        busyMs: 30,
        wallMs: 1_000,
        serviceTotalMs: 5_000,
        tasks: 5,
        lanes: 2,
        concurrency: 5,
      },
    })
    expect(find({ strategy: 'PROCESSES', lanes: 3 })?.message).toContain('3 processes together')
  })

  it('takes computes that wait, and tells how many more might be in flight', () => {
    const computes = { kind: 'COMPUTE' as const, concurrency: 2, wallMs: 2_500 }
    expect(find(computes)?.message).toContain('ASYNC, with more than 2 in flight (concurrency).')
  })

  it('leaves lanes alone that were busy for half of the time or more, all together', () => {
    expect(find({ load: { busyMs: 500, coreWaitMs: 0 } })).not.toBeNull()
    expect(find({ load: { busyMs: 501, coreWaitMs: 0 } })).toBeNull()
  })

  it('leaves tasks alone that kept their lanes busy, in a run that waited for other runs', () => {
    const rarely = { kind: 'COMPUTE' as const, wallMs: 60_000, service: equalTimes(10, 100) }
    expect(find({ ...rarely, load: { busyMs: 500, coreWaitMs: 0 } })).not.toBeNull()
    expect(find({ ...rarely, load: { busyMs: 501, coreWaitMs: 0 } })).toBeNull()
  })

  it('is nothing on one lane, of one task, or of what is over in no time', () => {
    expect(find({ lanes: 1 })).toBeNull()
    expect(find({ service: equalTimes(1, 1_000) })).toBeNull()
    const short = (eachMs: number) => ({
      wallMs: 100,
      service: equalTimes(5, eachMs),
      load: { busyMs: 5, coreWaitMs: 0 },
    })
    expect(find(short(20))).not.toBeNull()
    expect(find(short(19.9))).toBeNull()
  })

  it('knows of fetches by their CPU time alone that they waited, and of computes not', () => {
    expect(find({ load: null })).not.toBeNull()
    expect(find({ load: null, cpuMs: 501 })).toBeNull()
    expect(find({ load: null, kind: 'COMPUTE' })).toBeNull()
  })

  it('is nothing of functions that block: on one event loop they would hold up each other', () => {
    expect(find({ kind: 'COMPUTE', cpuMs: 5, load: { busyMs: 2_000, coreWaitMs: 0 } })).toBeNull()
  })
})
