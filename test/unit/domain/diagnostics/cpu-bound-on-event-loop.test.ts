import { describe, expect, it } from 'vitest'
import type { StageFigures } from '../../../../src/domain/diagnostic.js'
import { CPU_BOUND_ON_EVENT_LOOP } from '../../../../src/domain/diagnostics/cpu-bound-on-event-loop.js'
import { equalTimes, stageFigures } from '../../../support/stage-figures.js'

/** Ten tasks of 100 ms of CPU on one event loop. */
const held = (changes: Partial<StageFigures> = {}) =>
  stageFigures({
    strategy: 'ASYNC',
    lanes: 1,
    concurrency: 10,
    wallMs: 1_000,
    service: equalTimes(10, 100),
    cpuMs: 1_000,
    load: { busyMs: 1_000, coreWaitMs: 0 },
    ...changes,
  })
const find = (changes: Partial<StageFigures> = {}) => CPU_BOUND_ON_EVENT_LOOP.find(held(changes))

describe('CPU_BOUND_ON_EVENT_LOOP', () => {
  it('says how busy the event loop was, and what parallel lanes would save', () => {
    expect(find()).toEqual({
      message:
        'One event loop was busy 100 % of 1 s with computing: of 10 tasks it served one at a time, though 10 might be in flight. Parallel lanes would help: THREADS or PROCESSES on 2 cores would save up to 500 ms.',
      evidence: {
        busyShare: 1,
        wallMs: 1_000,
        cpuMs: 1_000,
        taskCpuMs: 100,
        tasks: 10,
        concurrency: 10,
        cores: 2,
        savedMs: 500,
      },
    })
    expect(find({ cores: 4 })?.evidence).toMatchObject({ savedMs: 750 })
    expect(find({ cores: 64 })?.message).toContain('on 10 cores would save up to 900 ms')
  })

  it('takes an event loop that is busy for four fifths of the time', () => {
    expect(find({ cpuMs: 800, load: { busyMs: 800, coreWaitMs: 0 } })).not.toBeNull()
    expect(find({ cpuMs: 799, load: { busyMs: 1_000, coreWaitMs: 0 } })).toBeNull()
  })

  it('counts the waiting for a core as computing: it is what the lane would have done', () => {
    expect(find({ cpuMs: 300, load: { busyMs: 1_000, coreWaitMs: 500 } })).not.toBeNull()
    expect(find({ cpuMs: 300, load: { busyMs: 1_000, coreWaitMs: 499 } })).toBeNull()
  })

  it('goes by how busy the event loop was, where nobody knows of the waiting for a core and it computed most of the time', () => {
    expect(find({ cpuMs: 450, load: { busyMs: 900, coreWaitMs: null } })).not.toBeNull()
    expect(find({ cpuMs: 449, load: { busyMs: 900, coreWaitMs: null } })).toBeNull()
    expect(find({ cpuMs: 800, load: null })).not.toBeNull()
    expect(find({ cpuMs: 799, load: null })).toBeNull()
  })

  it('is nothing of another strategy, of one task, or of one core', () => {
    expect(find({ strategy: 'SEQUENTIAL' })).toBeNull()
    expect(find({ strategy: 'THREADS' })).toBeNull()
    expect(find({ cores: 1 })).toBeNull()
    expect(find({ service: equalTimes(1, 1_000) })).toBeNull()
    expect(find({ service: equalTimes(2, 500) })).not.toBeNull()
  })

  it('takes something to be gained: a tenth of a second', () => {
    const computing = (ms: number) => ({ wallMs: ms, cpuMs: ms, load: { busyMs: ms, coreWaitMs: 0 } })
    expect(find(computing(200))).not.toBeNull()
    expect(find(computing(199))).toBeNull()
  })

  it('leaves computes alone that are too short to be worth another lane', () => {
    expect(find({ service: equalTimes(10_000, 0.1) })).not.toBeNull()
    expect(find({ service: equalTimes(10_001, 0.1) })).toBeNull()
  })

  it('finds fetches whose bodies take the event loop’s time, and not those that are only many', () => {
    const fetches = (count: number) => find({ kind: 'FETCH', service: equalTimes(count, 300) })
    expect(fetches(1_000)?.message).toContain('with reading and decoding what came: of 1000 requests')
    expect(fetches(1_001)).toBeNull()
  })
})
