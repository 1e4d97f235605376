import { describe, expect, it } from 'vitest'
import type { ProbeFigures } from '../../../src/domain/advice.js'
import {
  adviseBatch,
  type PlannedCompute,
  type PlannedFetch,
  type PlannedStage,
  type Trials,
} from '../../../src/domain/batch-advice.js'
import { planExecution } from '../../../src/domain/strategy.js'

const machine = { concurrency: null, lanes: null, defaultLanes: 2, maxInFlight: 256 }
const trials: Trials = { items: [0, 99, 50], blocks: [], failed: [], unfinishedMs: null }
const untried: Trials = { ...trials, items: [] }

const figures: ProbeFigures = {
  tasks: 3,
  left: 100,
  elapsedMs: 120,
  serviceMs: 40,
  slowestMs: 44,
  cpuShare: 1,
  yields: false,
  laneMs: 0.5,
  roundTripMs: 0.2,
  overheadMs: 0.002,
}

function compute(items: number, change: Partial<PlannedCompute> = {}): PlannedCompute {
  const options = {
    items,
    cores: 2,
    threads: planExecution({ ...machine, kind: 'COMPUTE', strategy: 'THREADS', items }),
    async: planExecution({ ...machine, kind: 'COMPUTE', strategy: 'ASYNC', items }),
  }
  return {
    kind: 'COMPUTE',
    name: 'resize',
    asked: 'AUTO',
    trials,
    options,
    figures: { ...figures, left: items },
    ...change,
  }
}

function fetches(requests: number, change: Partial<PlannedFetch> = {}): PlannedFetch {
  const execution = planExecution({ ...machine, kind: 'FETCH', strategy: 'AUTO', items: requests })
  return {
    kind: 'FETCH',
    name: 'fetch',
    asked: 'AUTO',
    trials,
    execution,
    busiestHost: 'a.example',
    load: {
      requests,
      concurrency: execution.concurrency,
      mostToOneHost: requests,
      perHostConcurrency: null,
      serverHostConcurrency: null,
      perHostRate: null,
    },
    figures: { ...figures, left: requests, cpuShare: 0.02, yields: true, connectMs: 5, busyMs: 0.1 },
    ...change,
  }
}

const advise = (stages: PlannedStage[], notes: string[] = [], items = 100) =>
  adviseBatch({ stages, items, cores: 2, notes })

describe('adviseBatch of fetches', () => {
  it('says what one took, that one event loop waits for many, and how long all take', () => {
    const advice = advise([fetches(128)])
    expect(advice).toMatchObject({ strategy: 'ASYNC', lanes: 1, concurrency: 64, expectedWallMs: 85 })
    expect(advice.expectedWallHighMs).toBeCloseTo((2 * 44 + 5) * 1.25)
    expect(advice.reasons).toEqual([
      '3 requests tried: 40 ms each, 2 % of it on the CPU, and 5 ms for a new connection.',
      'Requests spend their time waiting for others, not computing.',
      'One event loop waits for many at once: 64 requests in flight on one lane.',
      '128 requests, 64 at once, would take 85 ms.',
    ])
    expect(advice.probe).toMatchObject({ tasks: 3, serviceMs: 40, connectMs: 5, items: [0, 99, 50], failed: [] })
  })

  it.each<[string, Partial<PlannedFetch['load']>, Partial<NonNullable<PlannedFetch['figures']>>, string]>([
    [
      'a limit of what is in flight',
      { perHostConcurrency: 2, mostToOneHost: 50 },
      {},
      'perHostConcurrency sets the pace: 50 requests to a.example, 2 at once, would take 1 s.',
    ],
    [
      'the limit of the server',
      { serverHostConcurrency: 16 },
      {},
      'HEDDLE_HOST_CONCURRENCY sets the pace: 128 requests to a.example, 16 at once over all runs, would take 325 ms.',
    ],
    [
      'a rate',
      { perHostRate: 5, mostToOneHost: 11 },
      {},
      'perHostRate sets the pace: 11 requests to a.example, 5 a second, would take 2.08 s.',
    ],
    [
      'the event loop',
      {},
      { serviceMs: 1, busyMs: 1 },
      'Each keeps the event loop busy for 1 ms: 128 requests would take 154 ms.',
    ],
  ])('names %s that sets the pace', (_what, load, change, reason) => {
    const { load: base, figures: known } = fetches(128)
    const advice = advise([fetches(128, { load: { ...base, ...load }, figures: { ...known!, ...change } })])
    expect(advice.reasons.at(-1)).toBe(reason)
  })

  it('goes by their kind alone where nothing was measured', () => {
    const advice = advise(
      [fetches(10, { figures: null, trials: untried })],
      ['Nothing was measured, as probe is false.'],
    )
    expect(advice).toMatchObject({ strategy: 'ASYNC', concurrency: 10, probe: null, expectedWallMs: null })
    expect(advice.reasons.at(-1)).toBe('Nothing was measured, as probe is false.')
  })

  it('tells of what failed, the first few with their codes, and goes on', () => {
    const failed = Array.from({ length: 5 }, (_, index) => ({
      index,
      code: 'HTTP_STATUS' as const,
      message: '404 Not Found',
    }))
    const advice = advise([fetches(10, { trials: { ...trials, failed } })])
    expect(advice.reasons).toEqual(
      expect.arrayContaining(['Item 0 failed, HTTP_STATUS: 404 Not Found.', '2 more of those tried failed.']),
    )
    expect(advice.probe?.failed).toEqual(failed.map(({ index, code }) => ({ index, code })))
    expect(advice.expectedWallMs).not.toBeNull()
  })

  it('tells of one that had not ended', () => {
    const advice = advise([fetches(10, { figures: null, trials: { ...trials, unfinishedMs: 1_400 } })])
    expect(advice.reasons.at(-1)).toBe('One had not ended after 1.4 s, and was not waited for.')
    expect(advice).toMatchObject({ expectedWallMs: null, probe: { items: [0, 99, 50] } })
  })
})

describe('adviseBatch of computes', () => {
  it('goes by the guide that AUTO goes by', () => {
    const advice = advise([compute(100)])
    expect(advice).toMatchObject({ strategy: 'THREADS', lanes: 2, concurrency: 2 })
    expect(advice.reasons.at(-1)).toMatch(/2 lanes on 2 cores would save 2 s/)
    expect(advice.probe).toMatchObject({ tasks: 3, left: 100, items: [0, 99, 50] })
  })

  it('has one task be one, and says what it would take', () => {
    const advice = advise([compute(1)])
    expect(advice).toMatchObject({ strategy: 'SEQUENTIAL', lanes: 1, concurrency: 1, expectedWallMs: 40 })
    expect(advice.reasons).toEqual([expect.stringMatching(/tried/), 'There is one task: it cannot be shared out.'])
  })

  it('goes by their kind alone where nothing was measured: threads from two on', () => {
    const bare = { figures: null, trials: untried }
    expect(advise([compute(1, bare)])).toMatchObject({ strategy: 'SEQUENTIAL', expectedWallMs: null, probe: null })
    const two = advise([compute(2, bare)], ['No lane was free.'])
    expect(two).toMatchObject({ strategy: 'THREADS', lanes: 2, expectedWallMs: null, expectedWallHighMs: null })
    expect(two.reasons).toEqual([
      expect.stringMatching(/2 tasks on 2 threads, by their kind alone/),
      'No lane was free.',
    ])
  })

  it('says that another strategy was asked for, and that the time is that of the one that suits', () => {
    const reason = 'The batch asks for ASYNC, and would be run so: the expected time is that of THREADS.'
    expect(advise([compute(100, { asked: 'ASYNC' })]).reasons.at(-1)).toBe(reason)
    expect(advise([compute(100, { asked: 'THREADS' })]).reasons.join()).not.toContain('asks for')
  })

  it('names neighbours that were tried', () => {
    const blocks: [number, number][] = [[12, 64]]
    expect(advise([compute(100, { trials: { ...trials, blocks } })]).probe?.blocks).toEqual(blocks)
  })
})

describe('adviseBatch of a pipeline', () => {
  const slow = (items: number) => compute(items, { name: 'resize' })

  it('takes what the stage that sets the pace has, and says which', () => {
    const advice = advise([fetches(100), slow(100)])
    expect(advice).toMatchObject({ strategy: 'THREADS', lanes: 2, concurrency: 2 })
    expect(advice.reasons).toContain(
      'resize (stage 2 of 2) sets the pace: strategy, concurrency and lanes are its own.',
    )
    expect(advice.reasons.filter((reason) => reason.startsWith('fetch: '))).toHaveLength(4)
    expect(advice.reasons.filter((reason) => reason.startsWith('resize: '))).toHaveLength(5)
  })

  it('numbers the stages whose names do not tell which is which', () => {
    const { reasons } = advise([fetches(100), slow(100), fetches(100)])
    const starts = ['stage 1 (fetch): ', 'resize: ', 'stage 3 (fetch): ']
    for (const start of starts) expect(reasons.some((reason) => reason.startsWith(start))).toBe(true)
    expect(reasons.some((reason) => reason.startsWith('fetch: '))).toBe(false)
  })

  it('expects the slowest stage, and the way of an item through the others', () => {
    const [alone] = [advise([slow(100)]).expectedWallMs!]
    expect(advise([fetches(100), slow(100)]).expectedWallMs).toBeCloseTo(alone + 40)
    const high = advise([fetches(100), slow(100)]).expectedWallHighMs!
    expect(high).toBeGreaterThan(alone + 44)
  })

  it('expects what several stages compute to share the cores', () => {
    const advice = advise([slow(100), compute(100, { name: 'count' })])
    expect(advice.expectedWallMs).toBeCloseTo((2 * 100 * 40) / 2)
  })

  it('has the figures of each stage, and those of the one that sets the pace beside them', () => {
    const { probe } = advise([fetches(100), slow(100)])
    expect(probe).toMatchObject({ serviceMs: 40, cpuShare: 1 })
    expect(probe?.stages).toEqual([
      expect.objectContaining({ name: 'fetch', strategy: 'ASYNC', connectMs: 5, expectedWallMs: expect.any(Number) }),
      expect.objectContaining({ name: 'resize', strategy: 'THREADS', lanes: 2, items: [0, 99, 50] }),
    ])
  })

  it('takes the first stage that computes where not all are known', () => {
    const advice = advise([fetches(100), compute(100, { figures: null, trials: untried })], ['It was late.'])
    expect(advice).toMatchObject({ strategy: 'THREADS', expectedWallMs: null, expectedWallHighMs: null })
    expect(advice.reasons.slice(-2)).toEqual([
      'What sets the pace is not known: strategy, concurrency and lanes are those of resize (stage 2 of 2).',
      'It was late.',
    ])
    expect(advice.probe?.stages?.[1]).toEqual(expect.objectContaining({ name: 'resize', expectedWallMs: null }))
    const fetching = advise([
      fetches(9, { figures: null, trials: untried }),
      fetches(9, { figures: null, trials: untried }),
    ])
    expect(fetching).toMatchObject({ strategy: 'ASYNC', probe: null })
  })
})
