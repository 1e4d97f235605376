import { describe, expect, it } from 'vitest'
import type { StageFigures } from '../../../../src/domain/diagnostic.js'
import { OVERHEAD_DOMINATES } from '../../../../src/domain/diagnostics/overhead-dominates.js'
import { equalTimes, stageFigures } from '../../../support/stage-figures.js'

/** 10,000 tasks of 1 µs on two lanes that took 4 µs for each besides. */
const tiny = (changes: Partial<StageFigures> = {}) =>
  stageFigures({
    wallMs: 25,
    service: equalTimes(10_000, 0.001),
    cpuMs: 20,
    load: { busyMs: 30, coreWaitMs: 0 },
    ...changes,
  })
const find = (changes: Partial<StageFigures> = {}) => OVERHEAD_DOMINATES.find(tiny(changes))

describe('OVERHEAD_DOMINATES', () => {
  it('says what a task took, what it cost besides, and how much larger it might be', () => {
    const finding = find()
    expect(finding?.message).toBe(
      'A task took 1 µs, and 4 µs of its lane’s time went by until the next: 20 ms of 25 ms went into handing out and recording 10000 tasks. It would help to do more in one item, 40 times as much or so. Or fewer lanes: AUTO finds out how many are worth it.'.replace(
        '’',
        "'",
      ),
    )
    expect(finding?.evidence).toMatchObject({ serviceMs: 0.001, tasks: 10_000, lanes: 2, wallMs: 25 })
    expect(finding?.evidence.overheadMs).toBeCloseTo(0.004, 10)
    expect(finding?.evidence.lostMs).toBeCloseTo(20, 10)
  })

  it('advises no fewer lanes where there is one', () => {
    expect(find({ strategy: 'ASYNC', lanes: 1, wallMs: 50 })?.message).not.toContain('lanes:')
  })

  it('takes as much lane time without a task in service as with one', () => {
    const tasks = (wallMs: number) => ({ wallMs, service: equalTimes(10_000, 0.004), cpuMs: 100 })
    expect(find(tasks(40))).not.toBeNull()
    expect(find(tasks(39.9))).toBeNull()
  })

  it('is nothing of tasks that are no longer tiny', () => {
    const tasks = (serviceMs: number) => ({ wallMs: 100, service: equalTimes(10_000, serviceMs), cpuMs: 0 })
    expect(find(tasks(0.005))).not.toBeNull()
    expect(find(tasks(0.005_01))).toBeNull()
  })

  it('believes the CPU time where tasks were long because their lane had no core', () => {
    expect(find({ wallMs: 100, service: equalTimes(10_000, 0.02), cpuMs: 15 })?.evidence).toMatchObject({
      serviceMs: 0.0015,
    })
    expect(find({ wallMs: 100, service: equalTimes(10_000, 0.02), cpuMs: 0 })).toBeNull()
  })

  it('takes a thousand tasks, and 5 ms that were lost', () => {
    expect(find({ service: equalTimes(1_000, 0.001), wallMs: 8 })).not.toBeNull()
    expect(find({ service: equalTimes(999, 0.001), wallMs: 8 })).toBeNull()
    expect(find({ service: equalTimes(1_000, 0.001), wallMs: 5.5 })).not.toBeNull()
    expect(find({ service: equalTimes(1_000, 0.001), wallMs: 5.4 })).toBeNull()
  })

  it('does not take a pause, or other runs, for overhead', () => {
    expect(find({ wallMs: 2_500 })).not.toBeNull()
    expect(find({ wallMs: 2_501 })).toBeNull()
  })

  it('says nothing of the baseline, of what AUTO chose, of fetches, or of one stage of several', () => {
    expect(find({ sharesPace: true })).toBeNull()
    expect(find({ strategy: 'SEQUENTIAL', lanes: 1 })).toBeNull()
    expect(find({ isChosen: true })).toBeNull()
    expect(find({ kind: 'FETCH' })).toBeNull()
    expect(find({ strategy: 'PROCESSES' })).not.toBeNull()
  })

  it('finds tasks that take no time that can be measured', () => {
    expect(find({ service: equalTimes(10_000, 0), cpuMs: 0 })?.message).toMatch(/^A task took 0 µs, and 5 µs/)
  })
})
