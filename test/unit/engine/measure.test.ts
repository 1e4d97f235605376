import { describe, expect, it } from 'vitest'
import type { FetchDetail } from '../../../src/domain/task.js'
import { Measure } from '../../../src/engine/measure.js'
import type { ResultBlock } from '../../../src/lanes/protocol.js'
import { columnsOf, type ReportedTask, STARTED_AT } from '../../support/engine-parts.js'

const known = { left: 100, costs: { startMs: 60, roundTripMs: 0.2, idle: 1 }, overheadMs: 0.002 }

const block = (tasks: readonly ReportedTask[], laneCpuMs = 0, cpuMs: number[] | null = null): ResultBlock => ({
  job: 1,
  columns: { ...columnsOf(tasks), cpuMs: cpuMs && Float64Array.from(cpuMs) },
  laneCpuMs,
  reduction: null,
})

/** Tasks that took so long, one after the other, each in a grant of its own. */
function measured(times: readonly number[], cpuShare = 1): Measure {
  const measure = new Measure()
  let startedMs = 0
  times.forEach((serviceMs, index) => {
    measure.granted({ first: index, count: 1, indexes: [index], inputs: null, attempts: null })
    measure.add(block([{ index, startedMs, serviceMs }], 0, [serviceMs * cpuShare]))
    startedMs += serviceMs + 1
  })
  return measure
}

describe('Measure of computes', () => {
  it('knows nothing before anything has ended', () => {
    expect(new Measure().computeFigures(known)).toBeNull()
    expect(new Measure().isUntouched).toBe(true)
    expect(new Measure().fetchFigures(known)).toBeNull()
  })

  it('leaves out the first task, which was compiled on its way', () => {
    expect(measured([9, 5, 5, 8]).computeFigures(known)).toMatchObject({
      tasks: 4,
      left: 100,
      serviceMs: 6,
      slowestMs: 8,
      elapsedMs: 30,
      cpuShare: 1,
      yields: false,
      laneMs: 0.5,
      roundTripMs: 0.2,
      overheadMs: 0.002,
    })
  })

  it('takes it where there is no other, or compiling is nothing beside it', () => {
    expect(measured([9]).computeFigures(known)).toMatchObject({ tasks: 1, serviceMs: 9 })
    expect(measured([90, 50, 70]).computeFigures(known)).toMatchObject({ serviceMs: 70, slowestMs: 90 })
  })

  it('takes the second half of short ones, and what nearly all of many took', () => {
    const times = [...Array(50).fill(0.4), ...Array(48).fill(0.01), 0.02, 7]
    const figures = measured([...times.slice(0, 98), 7, 0.02]).computeFigures(known)
    expect(figures?.serviceMs).toBeCloseTo((48 * 0.01 + 7 + 0.02) / 50)
    expect(figures).toMatchObject({ slowestMs: 7, highMs: 0.01 })
    expect(measured([5, 5, 5]).computeFigures(known)).not.toHaveProperty('highMs')
  })

  it('measures from one start to the next within a grant', () => {
    const measure = new Measure()
    measure.granted({ first: 0, count: 4, indexes: null, inputs: null, attempts: null })
    measure.add(block([0, 1, 2, 3].map((index) => ({ index, startedMs: index * 0.75, serviceMs: 0.25 }))))
    measure.granted({ first: 50, count: 1, indexes: null, inputs: null, attempts: null })
    measure.add(block([{ index: 50, startedMs: 900, serviceMs: 0.25 }]))
    expect(measure.computeFigures(known)?.pitchMs).toBeCloseTo(0.75)
    expect(measure.trials).toMatchObject({
      items: [],
      blocks: [
        [0, 4],
        [50, 1],
      ],
    })
  })

  it('goes by the CPU time of the lane where none was measured for the tasks', () => {
    const measure = new Measure()
    measure.granted({ first: 0, count: 2, indexes: null, inputs: null, attempts: null })
    measure.add(
      block(
        [
          { index: 0, serviceMs: 0.2 },
          { index: 1, serviceMs: 0.2 },
        ],
        0.1,
      ),
    )
    expect(measure.computeFigures(known)?.cpuShare).toBeCloseTo(0.25)
    expect(measured([20, 20, 20], 0.1).computeFigures(known)?.cpuShare).toBeCloseTo(0.1)
  })

  it('leaves out of the CPU share what tasks waited for a core', () => {
    const figuresOf = (coreWaitMs: number | null, cpuMs: number | null = 39) => {
      const measure = new Measure()
      measure.waits(null)
      for (const index of [0, 1, 2]) {
        measure.granted({ first: index, count: 1, indexes: [index], inputs: null, attempts: null })
        const told = block([{ index, startedMs: index * 110, serviceMs: 106 }], 39, cpuMs === null ? null : [cpuMs])
        measure.add({ ...told, laneLoad: { busyMs: 106, coreWaitMs } })
      }
      return measure.computeFigures(known)
    }
    const waited = { serviceMs: 106, coreWaitMs: 66, slowestMs: 106, cpuShare: 39 / 40 }
    expect(figuresOf(66)).toMatchObject(waited)
    expect(figuresOf(66, null)).toMatchObject(waited)
    expect(figuresOf(90)).toMatchObject({ serviceMs: 106, coreWaitMs: 67, cpuShare: 1 })
    for (const notKnown of [null, 0]) {
      expect(figuresOf(notKnown)).toMatchObject({ serviceMs: 106, cpuShare: 39 / 106 })
      expect(figuresOf(notKnown)).not.toHaveProperty('coreWaitMs')
    }
  })

  it('knows of a task that goes on what it has taken, and whether it waits', () => {
    const measure = new Measure()
    measure.waits(null)
    measure.waits(0.05)
    const task = { index: 0, attempt: 1, startedAt: STARTED_AT, progress: null }
    measure.unfinished([task], STARTED_AT + 1_400)
    expect(measure.computeFigures(known)).toMatchObject({
      tasks: 0,
      serviceMs: 1_400,
      slowestMs: 1_400,
      cpuShare: 0.05,
      yields: true,
    })
    expect(measure.trials.unfinishedMs).toBe(1_400)
  })

  it('believes the event loop of what seems to wait, where it was looked at for long enough', () => {
    const shareOf = (times: number[], busyShare: number) => {
      const measure = measured(times, 0.1)
      measure.waits(null)
      measure.waits(busyShare)
      return measure.computeFigures(known)?.cpuShare
    }
    expect(shareOf([40, 40, 40], 0.95)).toBe(0.95)
    expect(shareOf([40, 40, 40], 0.2)).toBeCloseTo(0.1)
    expect(shareOf([3, 3, 3], 0.95)).toBeCloseTo(0.1)
  })

  it('counts what goes on among those that have ended', () => {
    const measure = measured([100, 100])
    measure.unfinished([{ index: 2, attempt: 1, startedAt: STARTED_AT, progress: null }], STARTED_AT + 400)
    expect(measure.computeFigures(known)).toMatchObject({ tasks: 2, serviceMs: 200, slowestMs: 400 })
  })

  it('times nothing that failed, and keeps the first of many failures', () => {
    const measure = new Measure()
    const error = { code: 'FUNCTION_ERROR' as const, message: 'no', retryable: false }
    measure.add(block(Array.from({ length: 30 }, (_, index) => ({ index, serviceMs: 5, error }))))
    expect(measure.computeFigures(known)).toBeNull()
    expect(measure.failed).toHaveLength(20)
    expect(measure.failed[0]).toEqual({ index: 0, code: 'FUNCTION_ERROR', message: 'no' })
  })
})

describe('Measure of fetches', () => {
  const detail = (change: Partial<FetchDetail>): FetchDetail => ({
    url: 'http://a.example/',
    finalUrl: 'http://a.example/',
    host: 'a.example',
    status: 200,
    bytes: 1,
    sha256: null,
    contentType: null,
    redirects: 0,
    dnsMs: null,
    connectMs: null,
    tlsMs: null,
    firstByteMs: 20,
    downloadMs: 1,
    reusedConnection: true,
    ...change,
  })

  it('tells what a new connection takes from what each request does', () => {
    const measure = new Measure()
    const opened = detail({ dnsMs: 1, connectMs: 4, tlsMs: 5, reusedConnection: false })
    measure.add(block([{ index: 0, serviceMs: 40, fetch: opened }], 9))
    measure.add(block([{ index: 1, serviceMs: 22, fetch: detail({}) }], 1))
    measure.add(block([{ index: 2, serviceMs: 26, fetch: detail({}) }], 0.8))
    expect(measure.fetchFigures(known)).toMatchObject({
      tasks: 3,
      serviceMs: 24,
      slowestMs: 26,
      connectMs: 10,
      yields: true,
    })
    const { cpuShare, busyMs } = measure.fetchFigures(known)!
    expect(cpuShare).toBeCloseTo(0.8 / 24)
    expect(busyMs).toBeCloseTo(0.3)
  })

  it('expects a request among many to take a little at least', () => {
    const measure = new Measure()
    measure.add(block([{ index: 0, serviceMs: 40, fetch: detail({}) }], 0.2))
    expect(measure.fetchFigures(known)).toMatchObject({ busyMs: 0.05, connectMs: 0 })
  })
})
