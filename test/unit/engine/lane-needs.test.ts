import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { BatchSpec } from '../../../src/domain/batch.js'
import { laneNeeds } from '../../../src/engine/lane-needs.js'
import { planStage } from '../../../src/engine/plan.js'
import { batchSpec, COMPUTE, FETCH, runRecord } from '../../support/engine-parts.js'

const LIMITS = { defaultLanes: 2, maxLanes: 4, maxInFlight: 8 }
const any = { kind: 'COMPUTE', function: 'any' } as const

const needsOf = (changes: Partial<BatchSpec>) => laneNeeds(batchSpec(changes), LIMITS)

describe('laneNeeds', () => {
  it.each<[BatchSpec['strategy'], object]>([
    ['SEQUENTIAL', { kind: 'THREAD', count: 1 }],
    ['ASYNC', { kind: 'THREAD', count: 1 }],
    ['THREADS', { kind: 'THREAD', count: 2 }],
    ['PROCESSES', { kind: 'PROCESS', count: 2 }],
    ['AUTO', { kind: 'THREAD', count: 2 }],
  ])('are those of the strategy %s', (strategy, lanes) => {
    expect(needsOf({ strategy })).toEqual([{ ...lanes, works: [any] }])
  })

  it('are no more than there is to do, nor than there may be', () => {
    expect(needsOf({ lanes: 9 })).toMatchObject([{ count: 4 }])
    expect(needsOf({ lanes: 4, concurrency: 3 })).toMatchObject([{ count: 3 }])
    const source = { kind: 'range' as const, from: 0, to: 1, step: 1, count: 1 }
    expect(needsOf({ lanes: 4, source })).toMatchObject([{ count: 1 }])
    expect(needsOf({ kind: 'FETCH', stages: [FETCH], concurrency: 64, strategy: 'AUTO' })).toEqual([
      { kind: 'THREAD', count: 1, works: [{ kind: 'FETCH' }] },
    ])
  })

  it('are those of all stages together, and each of them may get any of the work', () => {
    const stages = [
      { ...FETCH, strategy: 'ASYNC' as const, concurrency: 8 },
      { ...COMPUTE, strategy: 'THREADS' as const, concurrency: null },
      { ...COMPUTE, function: 'other', strategy: 'PROCESSES' as const, concurrency: 1 },
    ]
    expect(needsOf({ kind: 'PIPELINE', stages })).toEqual([
      { kind: 'THREAD', count: 3, works: [{ kind: 'FETCH' }, any] },
      { kind: 'PROCESS', count: 1, works: [{ kind: 'COMPUTE', function: 'other' }] },
    ])
    const many = Array.from({ length: 5 }, () => stages[1]!)
    expect(needsOf({ kind: 'PIPELINE', stages: many })).toMatchObject([{ count: 4 }])
  })

  it('are what the run is then planned with', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('SEQUENTIAL' as const, 'ASYNC' as const, 'THREADS' as const, 'PROCESSES' as const),
        fc.option(fc.integer({ min: 1, max: 9 })),
        fc.option(fc.integer({ min: 1, max: 9 })),
        fc.boolean(),
        (strategy, lanes, concurrency, isFetch) => {
          const work = isFetch ? { kind: 'FETCH' as const, stages: [FETCH] } : {}
          const spec = batchSpec({ ...work, strategy, lanes, concurrency })
          const { live } = planStage(runRecord({ spec }), 0, LIMITS)
          expect(laneNeeds(spec, LIMITS)).toMatchObject([{ kind: live.laneKind, count: live.lanes }])
        },
      ),
    )
  })
})
