import { describe, expect, it } from 'vitest'
import {
  adviseCompute,
  adviseFetch,
  adviseTooLate,
  adviseWithoutProbe,
  type ProbeFigures,
} from '../../../src/domain/advice.js'
import { type Execution, planExecution } from '../../../src/domain/strategy.js'

const base = { kind: 'COMPUTE', concurrency: null, lanes: null, items: 1000, defaultLanes: 2, maxInFlight: 64 } as const

function optionsOf(request: { items?: number; lanes?: number | null; concurrency?: number | null } = {}) {
  const threads = planExecution({ ...base, ...request, strategy: 'THREADS' })
  const async = planExecution({ ...base, ...request, strategy: 'ASYNC' })
  return { items: request.items ?? base.items, threads, async }
}

const probe: ProbeFigures = {
  tasks: 2,
  left: 998,
  elapsedMs: 2,
  serviceMs: 1,
  slowestMs: 3,
  cpuShare: 1,
  yields: true,
  laneMs: 0.5,
  roundTripMs: 0.2,
  overheadMs: 0.002,
}

describe('adviseCompute', () => {
  it.each<[string, Partial<ProbeFigures>, Execution['strategy'], RegExp]>([
    ['much work', {}, 'THREADS', /Another lane takes 500 µs, and 2 lanes would save 499 ms/],
    ['little work', { serviceMs: 0.01, left: 98 }, 'SEQUENTIAL', /until another lane has a task/i],
    ['little work where a lane has to be started', { left: 60, laneMs: 60 }, 'SEQUENTIAL', /60 ms: more than/],
    ['more work than it takes to start a lane', { left: 200, laneMs: 60 }, 'THREADS', /save 100 ms/],
    ['tasks that wait', { cpuShare: 0.1, serviceMs: 20 }, 'ASYNC', /wait more than they compute/],
    ['tasks that are kept from the CPU', { cpuShare: 0.1, serviceMs: 20, yields: false }, 'THREADS', /save/],
    ['tasks that wait for next to nothing', { cpuShare: 0.1, serviceMs: 0.5 }, 'THREADS', /save/],
    [
      'a task that goes on',
      { tasks: 0, cpuShare: null, serviceMs: 1.5, left: 3 },
      'THREADS',
      /has taken 1.5 ms and goes on/,
    ],
    ['nothing left', { left: 0 }, 'SEQUENTIAL', /Nothing was left/],
  ])('has %s run as suits it', (_what, figures, strategy, reason) => {
    const advice = adviseCompute(optionsOf(), { ...probe, ...figures })
    expect(advice.strategy).toBe(strategy)
    expect(advice.reasons.join(' ')).toMatch(reason)
    expect(advice.probe).toEqual({ ...probe, ...figures })
  })

  it('says what one lane is all that there may be', () => {
    const advice = adviseCompute(optionsOf({ lanes: 1 }), probe)
    expect(advice).toMatchObject({ strategy: 'SEQUENTIAL', lanes: 1, concurrency: 1 })
    expect(advice.reasons.at(-1)).toMatch(/no more than one lane/)
    expect(adviseCompute(optionsOf({ lanes: 1 }), { ...probe, cpuShare: 0 }).strategy).toBe('ASYNC')
  })

  it('looks at the recording of short tasks where lanes would have to wait for it', () => {
    const short = { ...probe, serviceMs: 0.003, left: 20_000 }
    expect(adviseCompute(optionsOf({ items: 20_000 }), short).strategy).toBe('THREADS')
    const advice = adviseCompute(optionsOf({ items: 100_000 }), short)
    expect(advice).toMatchObject({ strategy: 'SEQUENTIAL', lanes: 1 })
    expect(advice.reasons.at(-1)).toMatch(/To record a task takes 2 µs/)
    expect(adviseCompute(optionsOf({ items: 100_000 }), { ...short, serviceMs: 0.005 }).strategy).toBe('THREADS')
  })

  it('keeps to what was asked for', () => {
    expect(adviseCompute(optionsOf({ lanes: 8 }), probe)).toMatchObject({ lanes: 8, concurrency: 8 })
    expect(adviseCompute(optionsOf({ lanes: 8, concurrency: 3 }), probe)).toMatchObject({ lanes: 3, concurrency: 3 })
    const waiting = { ...probe, cpuShare: 0 }
    expect(adviseCompute(optionsOf({ concurrency: 4 }), waiting)).toMatchObject({ strategy: 'ASYNC', concurrency: 4 })
  })

  it('expects what is left to go on as it began, shared out over the lanes', () => {
    expect(adviseCompute(optionsOf(), probe)).toMatchObject({ expectedWallMs: 501.5, expectedWallHighMs: 1499.5 })
    const few = { ...probe, left: 3, serviceMs: 100, slowestMs: 100 }
    expect(adviseCompute(optionsOf(), few).expectedWallMs).toBe(202)
    expect(adviseCompute(optionsOf(), { ...few, cpuShare: 0 }).expectedWallMs).toBe(102)
    expect(adviseCompute(optionsOf(), { ...probe, serviceMs: 0.01, left: 50 }).expectedWallMs).toBeCloseTo(2.5)
  })

  it('expects tiny tasks to take as long as they take to record', () => {
    const tiny = { ...probe, serviceMs: 0.0005, slowestMs: 0.001, left: 99_000 }
    const advice = adviseCompute(optionsOf({ items: 100_000 }), tiny)
    expect(advice).toMatchObject({ expectedWallMs: 200, expectedWallHighMs: 200 })
  })

  it('expects nothing of tasks of which none has ended, and says what is known to be too little', () => {
    const advice = adviseCompute(optionsOf(), { ...probe, tasks: 0, serviceMs: 2, left: 17 })
    expect(advice).toMatchObject({ strategy: 'THREADS', expectedWallMs: null, expectedWallHighMs: null })
    expect(advice.reasons[1]).toBe('17 such tasks would take 34 ms or more on one lane.')
  })

  it('counts in whole sentences', () => {
    const { reasons } = adviseCompute(optionsOf(), { ...probe, tasks: 1, left: 1 })
    expect(reasons.slice(0, 4)).toEqual([
      'The first task took 1 ms, 100 % of it on the CPU.',
      'They compute: that goes in parallel on several lanes, not on one event loop.',
      'A message there and back takes 200 µs, little beside a task.',
      '1 task more would take 1 ms on one lane.',
    ])
  })
})

describe('adviseCompute for a plan', () => {
  /** All tasks are still to be run, those that were tried too. */
  const tried: ProbeFigures = { ...probe, tasks: 7, left: 100, elapsedMs: 280, serviceMs: 40, slowestMs: 50 }
  const plan = (change: Partial<ProbeFigures> = {}, cores = 2) => {
    const figures = { ...tried, ...change }
    return adviseCompute({ ...optionsOf({ items: figures.left }), cores }, figures, 'PLAN')
  }

  it('walks the guide, a step a sentence', () => {
    expect(plan()).toMatchObject({ strategy: 'THREADS', lanes: 2, concurrency: 2 })
    expect(plan().reasons).toEqual([
      '7 tasks tried: 40 ms each, 100 % of it on the CPU.',
      'They compute: that goes in parallel on several lanes, not on one event loop.',
      'A message there and back takes 200 µs, little beside a task.',
      '100 tasks would take 4 s on one lane.',
      'Another lane takes 500 µs, and 2 lanes on 2 cores would save 2 s.',
    ])
  })

  it('does not count the time of the probe, and a quarter more at worst', () => {
    const { expectedWallMs, expectedWallHighMs } = plan()
    expect(expectedWallMs).toBeCloseTo(2_000.6)
    expect(expectedWallHighMs).toBeCloseTo(2_500.6 * 1.25)
  })

  it('keeps three tiny sums on one lane, and counts that they are handed out one by one', () => {
    const advice = plan({ left: 3, serviceMs: 0.002, slowestMs: 0.02 })
    expect(advice.strategy).toBe('SEQUENTIAL')
    expect(advice.reasons.at(-1)).toMatch(/more than it would save/)
    expect(advice.expectedWallMs).toBeCloseTo(2 * 0.5 + 0.006)
  })

  it('counts what lies between short tasks, and what nearly all of many took', () => {
    const short = plan({ left: 1_000, serviceMs: 0.01, pitchMs: 0.012, slowestMs: 9, highMs: 0.02, laneMs: 60 })
    expect(short.strategy).toBe('SEQUENTIAL')
    expect(short.reasons[1]).toMatch(/tasks that short are handed out many at a time/)
    expect(short.expectedWallMs).toBeCloseTo(4 * 0.5 + 12)
    expect(short.expectedWallHighMs).toBeCloseTo((4 * 0.5 + 22) * 1.25)
  })

  it('shares the cores with what records, where each of them has a lane', () => {
    const many = { left: 100_000, serviceMs: 0.01, pitchMs: 0.01, overheadMs: 0.002 }
    expect(plan(many, 2).expectedWallMs).toBeCloseTo(4 * 0.5 + (100_000 * 0.012) / 2, 0)
    expect(plan(many, 4).expectedWallMs).toBeCloseTo(4 * 0.5 + (100_000 * 0.01) / 2, 0)
  })

  it('expects no more of lanes than there are cores', () => {
    const options = { ...optionsOf({ lanes: 8, items: 100 }), cores: 2 }
    const advice = adviseCompute(options, tried, 'PLAN')
    expect(advice).toMatchObject({ strategy: 'THREADS', lanes: 8 })
    expect(advice.reasons.at(-1)).toBe('Another lane takes 500 µs, and 8 lanes on 2 cores would save 2 s.')
    expect(advice.expectedWallMs).toBeCloseTo(2_000.6)
  })

  it('fans out what waits, and says why it does not where that would not help', () => {
    const waiting = plan({ cpuShare: 0.02, left: 100 })
    expect(waiting).toMatchObject({ strategy: 'ASYNC', lanes: 1, concurrency: 16, expectedWallMs: 7 * 40 })
    const blocking = plan({ cpuShare: 0.02, yields: false })
    expect(blocking.strategy).toBe('THREADS')
    expect(blocking.reasons[1]).toMatch(/keep their event loop from others/)
  })

  it('expects what is computed beside waiting to go one after the other', () => {
    const busy = plan({ cpuShare: 0.4, left: 100 })
    expect(busy).toMatchObject({ strategy: 'ASYNC', expectedWallMs: 100 * 16 })
  })

  it('tells a wait for a core apart, but for a little of it', () => {
    const first = (coreWaitMs: number) =>
      adviseCompute(optionsOf(), { ...tried, serviceMs: 106, coreWaitMs }, 'PLAN').reasons[0]
    expect(first(67)).toBe('7 tasks tried: 106 ms each, 67 ms of it waiting for a core, 100 % of the rest on the CPU.')
    expect(first(1)).toBe('7 tasks tried: 106 ms each, 100 % of it on the CPU.')
  })

  it('says what is known of a task that goes on', () => {
    const advice = plan({ tasks: 0, serviceMs: 1_400, slowestMs: 1_400, cpuShare: null })
    expect(advice).toMatchObject({ strategy: 'THREADS', expectedWallMs: null, expectedWallHighMs: null })
    expect(advice.reasons[0]).toBe('The first task that was tried has taken 1.4 s and goes on.')
  })
})

describe('adviseWithoutProbe', () => {
  it('has nothing to choose where no more than one may be in flight', () => {
    expect(adviseWithoutProbe(optionsOf({ items: 1 }))).toMatchObject({ strategy: 'SEQUENTIAL', probe: null })
    expect(adviseWithoutProbe(optionsOf({ concurrency: 1 }))?.reasons).toEqual(['No more than one may be in flight.'])
    expect(adviseWithoutProbe(optionsOf({ items: 2 }))).toBeNull()
    expect(adviseWithoutProbe(optionsOf({ lanes: 1 }))).toBeNull()
  })
})

describe('adviseFetch', () => {
  it('says why one event loop is enough', () => {
    const plan = planExecution({ ...base, kind: 'FETCH', strategy: 'AUTO' })
    expect(adviseFetch(plan)).toMatchObject({ strategy: 'ASYNC', lanes: 1, concurrency: 64, expectedWallMs: null })
    expect(adviseFetch(plan).reasons.join(' ')).toContain('64 requests in flight on one lane')
  })
})

describe('adviseTooLate', () => {
  it('says what is known of a run that ended first, and expects nothing', () => {
    const advice = adviseTooLate({ ...probe, tasks: 1 })
    expect(advice).toMatchObject({ strategy: 'SEQUENTIAL', lanes: 1, concurrency: 1, expectedWallMs: null })
    expect(advice.reasons).toEqual([expect.stringMatching(/first task took/), expect.stringMatching(/ended before/)])
    expect(adviseTooLate({ ...probe, tasks: 0 }).reasons).toHaveLength(1)
  })
})
