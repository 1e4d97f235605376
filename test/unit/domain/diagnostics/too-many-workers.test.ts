import { describe, expect, it } from 'vitest'
import type { StageFigures } from '../../../../src/domain/diagnostic.js'
import { TOO_MANY_WORKERS } from '../../../../src/domain/diagnostics/too-many-workers.js'
import { equalTimes, stageFigures } from '../../../support/stage-figures.js'

/** 16 lanes on two cores, each with two tasks of 100 ms of CPU. */
const crowded = (changes: Partial<StageFigures> = {}) =>
  stageFigures({
    lanes: 16,
    concurrency: 16,
    wallMs: 1_600,
    service: equalTimes(32, 800),
    cpuMs: 3_200,
    load: { busyMs: 25_600, coreWaitMs: 22_400 },
    ...changes,
  })
const find = (changes: Partial<StageFigures> = {}) => TOO_MANY_WORKERS.find(crowded(changes))

describe('TOO_MANY_WORKERS', () => {
  it('says how many lanes wanted a core, and what a task had of one', () => {
    expect(find()).toEqual({
      message:
        '16 lanes on average wanted one of 2 cores: each task had one for 13 % of its service time of 800 ms. As many lanes as cores (lanes: 2) would be done as soon, for less memory.',
      evidence: {
        wantedLanes: 16,
        usefulLanes: 2,
        lanes: 16,
        cores: 2,
        coreShare: 0.125,
        cpuMs: 3_200,
        wallMs: 1_600,
        tasks: 32,
      },
    })
  })

  it('takes a quarter more lanes than cores that want one', () => {
    // 1,600 ms × 2 cores × 1.25 is 4,000 ms.
    const wanting = (coreWaitMs: number) => ({ service: equalTimes(32, 125), load: { busyMs: 4_000, coreWaitMs } })
    expect(find(wanting(800))).not.toBeNull()
    expect(find(wanting(799))).toBeNull()
  })

  it('is nothing where there are no more lanes than cores, however long they wait for one', () => {
    expect(find({ cores: 16 })).toBeNull()
    expect(find({ lanes: 2, concurrency: 2 })).toBeNull()
    expect(find({ cores: 8, wallMs: 400 })).not.toBeNull()
  })

  it('counts as useful what tasks that also wait keep the cores busy with', () => {
    // Tasks of 25 ms of CPU, 175 of waiting for a core, and so much of waiting for something else.
    const tasks = (waitMs: number) => ({
      service: equalTimes(128, 25 + 175 + waitMs),
      load: { busyMs: 25_600, coreWaitMs: 128 * 175 },
    })
    const finding = find(tasks(12.5))
    expect(finding?.evidence).toMatchObject({ usefulLanes: 3, lanes: 16 })
    expect(finding?.message).toContain('Fewer lanes (lanes: 3) would be done as soon')
    // Where they compute for half of their time, four lanes keep two cores busy; a quarter more are five.
    expect(find({ ...tasks(25), lanes: 5 })).not.toBeNull()
    expect(find({ ...tasks(25), lanes: 4 })).toBeNull()
    expect(find(tasks(25))).not.toBeNull()
    expect(find(tasks(25.1))).toBeNull()
  })

  it('leaves lanes alone that want no core', () => {
    // They sleep.
    expect(find({ cpuMs: 120, load: { busyMs: 150, coreWaitMs: 10 } })).toBeNull()
    // They hold their event loops without computing.
    expect(find({ cpuMs: 120, load: { busyMs: 25_600, coreWaitMs: 10 } })).toBeNull()
    // They would like one for a tenth of their time, and others take it: with fewer they would wait one after the other.
    const waiting = {
      wallMs: 700,
      service: equalTimes(64, 160),
      cpuMs: 640,
      load: { busyMs: 5_000, coreWaitMs: 3_840 },
    }
    expect(find(waiting)).toBeNull()
  })

  it('takes a tenth of a second of computing', () => {
    const tiny = (cpuMs: number) => ({
      cpuMs,
      wallMs: 50,
      service: equalTimes(32, 25),
      load: { busyMs: 800, coreWaitMs: 700 },
    })
    expect(find(tiny(100))).not.toBeNull()
    expect(find(tiny(99))).toBeNull()
  })

  it('goes by busy lanes and used cores where nobody knows of the waiting for a core', () => {
    const load = { busyMs: 25_600, coreWaitMs: null }
    expect(find({ load, cpuMs: 1_600 })?.evidence).toMatchObject({ wantedLanes: 16 })
    expect(find({ load, cpuMs: 1_599 })).toBeNull()
    expect(find({ load: { busyMs: 0.9 * 25_600, coreWaitMs: null } })).not.toBeNull()
    expect(find({ load: { busyMs: 0.89 * 25_600, coreWaitMs: null } })).toBeNull()
    const few = { wallMs: 1_600, service: equalTimes(32, 125), cpuMs: 3_200 }
    expect(find({ ...few, load: { busyMs: 4_000, coreWaitMs: null } })).not.toBeNull()
    expect(find({ ...few, load: { busyMs: 3_999, coreWaitMs: null } })).toBeNull()
    expect(find({ load: null })).toBeNull()
  })

  it('is nothing of fetches', () => {
    expect(find({ kind: 'FETCH' })).toBeNull()
  })
})
