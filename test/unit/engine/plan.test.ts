import { describe, expect, it } from 'vitest'
import type { BatchSpec, StageSpec } from '../../../src/domain/batch.js'
import { queuedStages, type RunRecord } from '../../../src/domain/run.js'
import { chosenFrom, concurrencyOf, lanesAhead, planStage, runExecution } from '../../../src/engine/plan.js'
import { batchSpec, COMPUTE, FETCH, runRecord } from '../../support/engine-parts.js'

const LIMITS = { defaultLanes: 2, maxLanes: 4, maxInFlight: 256 }

const pipeline = (stages: StageSpec[], changes: Partial<BatchSpec> = {}): RunRecord =>
  runRecord({ spec: batchSpec({ kind: 'PIPELINE', strategy: 'AUTO', stages, ...changes }) })

/** How each stage is to be executed at first. */
function plansOf(record: RunRecord) {
  return Array.from(record.spec.stages.keys(), (stage) => planStage(record, stage, LIMITS))
}

const shown = (record: RunRecord) =>
  plansOf(record).map(({ live: { strategy, laneKind, lanes, concurrency } }) => [
    strategy,
    laneKind,
    lanes,
    concurrency,
  ])

describe('planStage', () => {
  it('executes each stage of a pipeline in its own way', () => {
    const record = pipeline([
      { ...FETCH, strategy: 'AUTO', concurrency: 64 },
      { ...COMPUTE, strategy: 'PROCESSES', concurrency: null },
      { ...COMPUTE, strategy: 'SEQUENTIAL', concurrency: 1 },
      { ...COMPUTE, strategy: 'ASYNC', concurrency: 16 },
      { ...FETCH, strategy: 'THREADS', concurrency: 10 },
    ])
    expect(shown(record)).toEqual([
      ['ASYNC', 'THREAD', 1, 64],
      ['PROCESSES', 'PROCESS', 2, 2],
      ['SEQUENTIAL', 'THREAD', 1, 1],
      ['ASYNC', 'THREAD', 1, 16],
      ['THREADS', 'THREAD', 2, 10],
    ])
  })

  it('goes by what the batch says where a stage says nothing', () => {
    const record = pipeline([COMPUTE, { ...COMPUTE, strategy: 'THREADS', concurrency: null }], {
      strategy: 'PROCESSES',
      lanes: 3,
    })
    expect(shown(record)).toEqual([
      ['PROCESSES', 'PROCESS', 3, 3],
      ['THREADS', 'THREAD', 3, 3],
    ])
  })

  it('looks at the first tasks of each compute under AUTO, and not at fetches', () => {
    const [fetch, compute] = plansOf(pipeline([FETCH, COMPUTE]))
    expect(fetch).toMatchObject({ options: null, decision: { strategy: 'ASYNC' } })
    expect(compute).toMatchObject({ decision: null, options: { items: 100, threads: { lanes: 2 } } })
    expect(compute?.live).toMatchObject({ strategy: 'SEQUENTIAL', lanes: 1, concurrency: 1 })
  })

  it('goes on after a restart as each stage was executed before it', () => {
    const record = pipeline([
      { ...FETCH, strategy: 'THREADS', concurrency: 10 },
      { ...COMPUTE, strategy: 'AUTO', concurrency: null },
    ])
    const decision = { strategy: 'THREADS', concurrency: 2, lanes: 2, reasons: [], probe: null } as const
    const stages = queuedStages(record.spec)!
    Object.assign(stages[0]!, { effectiveStrategy: 'THREADS', lanes: 1, concurrency: 3 })
    Object.assign(stages[1]!, { effectiveStrategy: 'THREADS', lanes: 2, concurrency: 2, decision })
    expect(shown({ ...record, stages })).toEqual([
      ['THREADS', 'THREAD', 1, 3],
      ['THREADS', 'THREAD', 2, 2],
    ])
    expect(planStage({ ...record, stages }, 1, LIMITS).decision).toBe(decision)
  })

  it('has no more in flight than there are items, nor more fetches than the server allows', () => {
    const source = { kind: 'range' as const, from: 0, to: 3, step: 1, count: 3 }
    expect(shown(pipeline([{ ...FETCH, strategy: 'ASYNC', concurrency: 64 }], { source }))).toEqual([
      ['ASYNC', 'THREAD', 1, 3],
    ])
    expect(shown(pipeline([{ ...FETCH, strategy: 'ASYNC', concurrency: 1_000 }, COMPUTE]))[0]?.[3]).toBe(100)
  })
})

describe('concurrencyOf', () => {
  it("is the stage's own, none where it says so, and the batch's where it says nothing", () => {
    const spec = batchSpec({ concurrency: 5 })
    expect(concurrencyOf(spec, { ...COMPUTE, concurrency: 7 })).toBe(7)
    expect(concurrencyOf(spec, { ...COMPUTE, concurrency: null })).toBeNull()
    expect(concurrencyOf(spec, COMPUTE)).toBe(5)
  })
})

describe('runExecution', () => {
  it('is all stages together, with one strategy where they have but one', () => {
    const threads = { strategy: 'THREADS', laneKind: 'THREAD', lanes: 2, concurrency: 2 } as const
    const fetches = { strategy: 'ASYNC', laneKind: 'THREAD', lanes: 1, concurrency: 64 } as const
    const compute = { kind: 'COMPUTE', execution: threads } as const
    const fetch = { kind: 'FETCH', execution: fetches } as const
    const limits = { maxLanes: 4, maxInFlight: 100 }
    expect(runExecution([compute, compute], limits)).toEqual({
      effectiveStrategy: 'THREADS',
      lanes: 4,
      concurrency: 4,
    })
    expect(runExecution([fetch, compute], limits)).toEqual({ effectiveStrategy: null, lanes: 3, concurrency: 66 })
    // Together no more than the server has, or lets be in flight.
    expect(runExecution([fetch, fetch, compute, compute], limits)).toMatchObject({ lanes: 4, concurrency: 104 })
  })
})

describe('lanesAhead', () => {
  it('are those that AUTO may choose, and none of what has its lanes at once', () => {
    const auto = runRecord({ spec: batchSpec({ strategy: 'AUTO' }) })
    expect([...lanesAhead(plansOf(auto))]).toEqual([['THREAD', 2]])
    expect(lanesAhead(plansOf(runRecord())).size).toBe(0)
    expect(
      lanesAhead(plansOf(runRecord({ spec: batchSpec({ kind: 'FETCH', strategy: 'AUTO', stages: [FETCH] }) }))).size,
    ).toBe(0)
  })

  it('are of a pipeline those of all its stages, by kind', () => {
    const stages: StageSpec[] = [FETCH, COMPUTE, { ...COMPUTE, strategy: 'PROCESSES', concurrency: null }]
    expect(lanesAhead(plansOf(pipeline(stages)))).toEqual(
      new Map([
        ['THREAD', 3],
        ['PROCESS', 2],
      ]),
    )
  })
})

describe('chosenFrom', () => {
  it('is what the advice stands for', () => {
    const [, compute] = plansOf(pipeline([FETCH, { ...COMPUTE, strategy: 'AUTO', concurrency: null }]))
    const options = compute!.options!
    expect(['SEQUENTIAL', 'ASYNC', 'THREADS'].map((name) => chosenFrom(options, name as 'ASYNC').strategy)).toEqual([
      'SEQUENTIAL',
      'ASYNC',
      'THREADS',
    ])
  })
})
