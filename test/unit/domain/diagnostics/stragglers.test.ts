import { describe, expect, it } from 'vitest'
import type { LastTask, StageFigures } from '../../../../src/domain/diagnostic.js'
import { STRAGGLERS, wantsLastTasks } from '../../../../src/domain/diagnostics/stragglers.js'
import { addMoment, emptyMoments } from '../../../../src/domain/timing.js'
import { equalTimes, stageFigures } from '../../../support/stage-figures.js'

/** One task after the other on its lane. */
interface Lane {
  serviceMs: number[]
  /** CPU time over service time. */
  cpuShare?: number
}

/** The figures of a stage whose lanes had these tasks; indexes go lane by lane. */
function ran(lanes: readonly Lane[], changes: Partial<StageFigures> = {}): StageFigures {
  const lastTasks: LastTask[] = []
  const service = emptyMoments()
  let cpuMs = 0
  for (const { serviceMs, cpuShare = 1 } of lanes) {
    let endedMs = 0
    for (const one of serviceMs) {
      endedMs += one
      cpuMs += one * cpuShare
      addMoment(service, one)
      lastTasks.push({ index: lastTasks.length, endedMs, serviceMs: one, cpuMs: one * cpuShare })
    }
  }
  const wallMs = Math.max(...lastTasks.map(({ endedMs }) => endedMs))
  const load = { busyMs: cpuMs, coreWaitMs: 0 }
  const few = {
    lanes: lanes.length,
    concurrency: lanes.length,
    wallMs,
    lastEndMs: wallMs,
    service,
    cpuMs,
    load,
    lastTasks,
  }
  return stageFigures({ ...few, ...changes })
}

const times = (count: number, eachMs: number) => Array<number>(count).fill(eachMs)
const find = (...lanes: Lane[]) => STRAGGLERS.find(ran(lanes))

describe('STRAGGLERS', () => {
  it('says which task the run waited for, how long, and what is usual', () => {
    const lanes = [{ serviceMs: times(30, 10) }, { serviceMs: [...times(30, 10), 600] }]
    expect(STRAGGLERS.find(ran(lanes))).toEqual({
      message:
        'The last task (item 60) took 600 ms, 60 times the median of 10 ms: for 600 ms, 67 % of the run, there was nothing else left to do. Large items first in the source, or cut into smaller ones, would help.',
      evidence: {
        stragglers: 1,
        items: [60],
        slowestMs: 600,
        medianMs: 10,
        tailMs: 600,
        tailShare: 600 / 900,
        wallMs: 900,
        tasks: 61,
        concurrency: 2,
      },
    })
    expect(STRAGGLERS.find(ran(lanes, { kind: 'FETCH' }))?.message).toContain(
      '. A shorter timeoutMs, with a retry, or slow origins first in the source would help.',
    )
  })

  it('is nothing of a stage beside which another one goes on, and of the last one a share of its own time', () => {
    const figures = ran([{ serviceMs: times(30, 10) }, { serviceMs: [...times(30, 10), 600] }], { stage: 'parse' })
    expect(STRAGGLERS.find({ ...figures, endsRun: false })).toBeNull()
    expect(STRAGGLERS.find(figures)?.message).toContain('for 600 ms, 67 % of its time, there was nothing else left')
  })

  it('finds a task that ran from the beginning, while the others had long ended', () => {
    expect(find({ serviceMs: [2_000] }, { serviceMs: times(40, 10) })?.evidence).toMatchObject({
      items: [0],
      tailMs: 1_600,
    })
  })

  it('does not advise to have first what began with the run', () => {
    const help = (figures: StageFigures) => STRAGGLERS.find(figures)?.message.split('to do. ')[1]
    const cut = 'Large items cut into smaller ones would help.'
    const firstOrCut = 'Large items first in the source, or cut into smaller ones, would help.'
    const first = ran([{ serviceMs: [2_000] }, { serviceMs: times(40, 10) }])
    expect(help(first)).toBe(cut)
    expect(help({ ...first, kind: 'FETCH' })).toBe('A shorter timeoutMs, with a retry, would help.')
    // Wherever it is in the source.
    expect(help(ran([{ serviceMs: times(40, 10) }, { serviceMs: [2_000] }]))).toBe(cut)
    expect(help(ran([{ serviceMs: times(40, 10) }, { serviceMs: [10, 2_000] }]))).toBe(firstOrCut)
    // One that was tried again was first in the source, though its last attempt was not.
    const again = ran([{ serviceMs: [10, 2_000] }, { serviceMs: times(40, 10) }])
    expect(help(again)).toBe(cut)
    // One of two could have begun earlier.
    const quick = times(6, 0).map(() => ({ serviceMs: times(10, 10) }))
    expect(help(ran([...quick, { serviceMs: [500] }, { serviceMs: [700] }]))).toBe(cut)
    expect(help(ran([...quick, { serviceMs: [500] }, { serviceMs: [...times(3, 10), 700] }]))).toBe(firstOrCut)
  })

  it('does not take the first of those that were read for the first of all', () => {
    const figures = ran([{ serviceMs: times(40, 10) }, { serviceMs: [10, 2_000] }])
    const lastTasks = figures.lastTasks!.filter(({ index, endedMs }) => index > 1 && endedMs > 20)
    expect(STRAGGLERS.find({ ...figures, lastTasks })?.message).toContain('Large items first in the source')
  })

  it('names several, latest end first', () => {
    const lanes = [...times(6, 0).map(() => ({ serviceMs: times(10, 10) })), { serviceMs: [500] }, { serviceMs: [700] }]
    const finding = find(...lanes)
    expect(finding?.message).toContain('The last 2 tasks took up to 700 ms, 70 times the median of 10 ms: for 600 ms')
    expect(finding?.evidence).toMatchObject({ stragglers: 2, items: [61, 60] })
  })

  it('takes three times the median', () => {
    expect(find({ serviceMs: times(5, 100) }, { serviceMs: [...times(5, 100), 300] })).not.toBeNull()
    expect(find({ serviceMs: times(5, 100) }, { serviceMs: [...times(5, 100), 299] })).toBeNull()
  })

  it('takes a fifth of the run, and a tenth of a second', () => {
    expect(find({ serviceMs: times(12, 100) }, { serviceMs: [...times(12, 100), 300] })).not.toBeNull()
    expect(find({ serviceMs: times(13, 100) }, { serviceMs: [...times(13, 100), 300] })).toBeNull()
    expect(find({ serviceMs: times(5, 10) }, { serviceMs: [...times(5, 10), 100] })).not.toBeNull()
    expect(find({ serviceMs: times(5, 10) }, { serviceMs: [...times(5, 10), 99] })).toBeNull()
  })

  it('is nothing of equal tasks that do not divide evenly', () => {
    expect(find({ serviceMs: times(3, 1_000) }, { serviceMs: times(2, 1_000) })).toBeNull()
    expect(find({ serviceMs: times(8, 150) }, { serviceMs: times(8, 160) })).toBeNull()
  })

  it('is nothing of tasks that become longer and longer: the last ones are no exception', () => {
    const growing = (first: number) => Array.from({ length: 10 }, (_, at) => (2 * at + first) ** 2 * 10)
    expect(find({ serviceMs: growing(1) }, { serviceMs: growing(2) })).toBeNull()
  })

  it('is nothing where half of what may be in flight goes on, or more than a tenth of the tasks', () => {
    const lanes = (slow: number, quick: number, each: number) => [
      ...times(slow, 0).map(() => ({ serviceMs: [1_000] })),
      ...times(quick, 0).map(() => ({ serviceMs: times(each, 10) })),
    ]
    expect(find(...lanes(4, 4, 20))).not.toBeNull()
    expect(find(...lanes(5, 4, 20))).toBeNull()
    expect(find(...lanes(2, 9, 2))).not.toBeNull()
    expect(find(...lanes(2, 8, 2))).toBeNull()
    // One may always be: of ten requests at once one was slow.
    expect(find(...lanes(1, 4, 1))).not.toBeNull()
  })

  it('takes five tasks', () => {
    expect(find({ serviceMs: [10, 10, 10, 10] }, { serviceMs: [500] })).not.toBeNull()
    expect(find({ serviceMs: [10, 10, 10] }, { serviceMs: [500] })).toBeNull()
  })

  it('is nothing where one task comes after the other anyway', () => {
    const one = ran([{ serviceMs: [...times(20, 10), 500] }])
    expect(STRAGGLERS.find(one)).toBeNull()
    // On one event loop 16 may be in flight, but what computes runs alone.
    expect(STRAGGLERS.find({ ...one, strategy: 'ASYNC', concurrency: 16 })).toBeNull()
  })

  it('is nothing where two lanes were never busy at once', () => {
    // The other one always had another run's work.
    const lent = ran([{ serviceMs: [...times(40, 2), 600] }], { lanes: 2, concurrency: 2 })
    expect(STRAGGLERS.find(lent)).toBeNull()
    const apart = (ms: number) => {
      const lastTasks = lent.lastTasks!.map((task) =>
        task.index === 1 ? { ...task, endedMs: task.endedMs - ms } : task,
      )
      return { ...lent, lastTasks }
    }
    // What a clock rounds is not at once.
    expect(STRAGGLERS.find(apart(0.0005))).toBeNull()
    expect(STRAGGLERS.find(apart(0.5))).not.toBeNull()
  })

  it('does not mind how long lanes were idle between short tasks', () => {
    // As beside other work: 40 tasks of 2 ms took 100 ms on two lanes, and then one took 640.
    const head = Array.from({ length: 40 }, (_, index) => ({
      index,
      endedMs: 5 * Math.floor(index / 2) + 2 + (index % 2),
      serviceMs: 2,
      cpuMs: 2,
    }))
    const lastTasks = [...head, { index: 40, endedMs: 743, serviceMs: 640, cpuMs: 640 }]
    const service = emptyMoments()
    for (const { serviceMs } of lastTasks) addMoment(service, serviceMs)
    const figures = {
      wallMs: 743,
      lastEndMs: 743,
      service,
      cpuMs: 720,
      load: { busyMs: 720, coreWaitMs: 0 },
      lastTasks,
    }
    expect(STRAGGLERS.find(stageFigures(figures))?.evidence).toMatchObject({ items: [40], slowestMs: 640, tailMs: 645 })
    // Equal ones with lanes as idle.
    const equal = { wallMs: 98, lastEndMs: 98, service: equalTimes(40, 2), lastTasks: head }
    expect(STRAGGLERS.find(stageFigures(equal))).toBeNull()
  })

  it('does not blame a task that computed no more than the others, and had no core', () => {
    const quick = { serviceMs: times(10, 100) }
    const unlucky = (coreWaitMs: number) => {
      const figures = ran([quick, { serviceMs: [...times(10, 100), 900] }])
      const lastTasks = figures.lastTasks!.map((task) => (task.serviceMs === 900 ? { ...task, cpuMs: 100 } : task))
      return { ...figures, cpuMs: 2_100, lastTasks, load: { busyMs: 2_900, coreWaitMs } }
    }
    expect(STRAGGLERS.find(unlucky(800))).toBeNull()
    // More than 200 ms of it cannot have been waiting for a core: there was not so much of that.
    expect(STRAGGLERS.find(unlucky(601))).toBeNull()
    expect(STRAGGLERS.find(unlucky(600))?.evidence).toMatchObject({ slowestMs: 300, medianMs: 100 })
  })

  it('finds a task that computes longer on a machine where none has a core for long', () => {
    const lanes = [
      { serviceMs: times(20, 100), cpuShare: 0.1 },
      { serviceMs: [...times(20, 100), 1_000], cpuShare: 0.1 },
    ]
    const figures = ran(lanes, { load: { busyMs: 5_000, coreWaitMs: 4_500 } })
    expect(STRAGGLERS.find(figures)?.evidence).toMatchObject({ slowestMs: 100, medianMs: 10, tailMs: 1_000 })
  })

  it('goes by service times where tasks wait, or nobody knows their CPU time', () => {
    const waiting = ran([
      { serviceMs: times(20, 100), cpuShare: 0 },
      { serviceMs: [...times(20, 100), 1_000], cpuShare: 0 },
    ])
    expect(STRAGGLERS.find(waiting)).not.toBeNull()
    expect(STRAGGLERS.find({ ...waiting, kind: 'FETCH', load: null })).not.toBeNull()
    const computing = ran([{ serviceMs: times(20, 100) }, { serviceMs: [...times(20, 100), 1_000] }])
    const lastTasks = computing.lastTasks!.map((task) => ({ ...task, cpuMs: null }))
    expect(STRAGGLERS.find({ ...computing, lastTasks, load: null })).not.toBeNull()
  })

  it('waits for the end of the run, and for its last tasks', () => {
    const figures = ran([{ serviceMs: times(30, 10) }, { serviceMs: [...times(30, 10), 600] }])
    expect(STRAGGLERS.asked).toBe('AT_THE_END')
    expect(STRAGGLERS.find({ ...figures, isOver: false })).toBeNull()
    expect(STRAGGLERS.find({ ...figures, lastTasks: null })).toBeNull()
    expect(STRAGGLERS.find({ ...figures, lastTasks: figures.lastTasks!.slice(-4) })).toBeNull()
    expect(STRAGGLERS.find({ ...figures, lastEndMs: null })).toBeNull()
  })

  it('is the same in whatever order the tasks were read', () => {
    const figures = ran([{ serviceMs: times(30, 10) }, { serviceMs: [...times(30, 10), 600] }])
    const lastTasks = [...figures.lastTasks!].reverse()
    expect(STRAGGLERS.find({ ...figures, lastTasks })).toEqual(STRAGGLERS.find(figures))
  })
})

describe('wantsLastTasks', () => {
  const figures = ran([{ serviceMs: times(30, 10) }, { serviceMs: [...times(30, 10), 600] }])

  it('spares runs the reading in which there cannot be a straggler', () => {
    expect(wantsLastTasks(figures)).toBe(true)
    expect(wantsLastTasks({ ...figures, isOver: false })).toBe(false)
    expect(wantsLastTasks({ ...figures, endsRun: false })).toBe(false)
    expect(wantsLastTasks({ ...figures, concurrency: 1 })).toBe(false)
    expect(wantsLastTasks({ ...figures, wallMs: 99 })).toBe(false)
    expect(wantsLastTasks({ ...figures, service: { ...figures.service, count: 4 } })).toBe(false)
    expect(wantsLastTasks({ ...figures, service: { ...figures.service, min: 201, max: 600 } })).toBe(false)
  })
})
