import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Json } from '../../../src/domain/batch.js'
import { DiagnosticCode, type StageFigures } from '../../../src/domain/diagnostic.js'
import { DIAGNOSTIC_RULES, diagnose, EARLY_THRESHOLDS } from '../../../src/domain/diagnostics.js'
import type { HostTally } from '../../../src/domain/refusals.js'
import { hasManyLanes } from '../../../src/domain/strategy.js'
import { equalTimes, stageFigures } from '../../support/stage-figures.js'

/** 100 tasks of 33.33333 ms of CPU on one event loop. */
const held = (changes: Partial<StageFigures> = {}) =>
  stageFigures({
    strategy: 'ASYNC',
    lanes: 1,
    concurrency: 16,
    wallMs: 3_333.333,
    service: equalTimes(100, 33.333_33),
    cpuMs: 3_333.333,
    load: { busyMs: 3_333.333, coreWaitMs: 0 },
    ...changes,
  })
const refusing: HostTally = { stage: 0, host: 'a', attempts: 10, refused: { HTTP_429: 5 }, maxRetryAfterMs: null }
const codes = (figures: StageFigures) => diagnose(figures).map(({ code }) => code)

describe('diagnose', () => {
  it('finds nothing in a run that made good use of what it had', () => {
    expect(diagnose(stageFigures())).toEqual([])
  })

  it('gives what it finds with its code, in the order of the rules', () => {
    expect(diagnose(held({ hosts: [refusing] }))).toMatchObject([
      { code: 'CPU_BOUND_ON_EVENT_LOOP', severity: 'WARNING' },
      { code: 'ORIGIN_THROTTLING', severity: 'WARNING' },
    ])
  })

  it('names the stage of a run that has several', () => {
    const [diagnostic] = diagnose(held({ stage: 'parse' }))
    expect(diagnostic?.message).toMatch(/^Stage "parse": One event loop was busy 100 %/)
    expect(diagnostic?.evidence).toMatchObject({ stage: 'parse', tasks: 100 })
    expect(diagnose(held())[0]?.evidence).not.toHaveProperty('stage')
    expect(diagnostic?.evidence).not.toHaveProperty('stageNumber')
  })

  it('numbers the stage where its name does not tell which one it is', () => {
    const [diagnostic] = diagnose(held({ stage: 'fetch', stageNumber: 2 }))
    expect(diagnostic?.message).toMatch(/^Stage 2 \("fetch"\): One event loop was busy 100 %/)
    expect(diagnostic?.evidence).toMatchObject({ stage: 'fetch', stageNumber: 2 })
  })

  it('gives figures with the digits that matter', () => {
    const [diagnostic] = diagnose(held())
    expect(diagnostic?.evidence).toMatchObject({ wallMs: 3_333, taskCpuMs: 33.33, savedMs: 1_667, tasks: 100 })
  })

  it('judges a run under way once there is enough to go by', () => {
    const soFar = (tasks: number, wallMs: number) =>
      held({
        isOver: false,
        wallMs,
        service: equalTimes(tasks, wallMs / tasks),
        cpuMs: wallMs,
        load: { busyMs: wallMs, coreWaitMs: 0 },
      })
    const { minTasks, minWallMs } = EARLY_THRESHOLDS
    expect(codes(soFar(minTasks, minWallMs))).toEqual(['CPU_BOUND_ON_EVENT_LOOP'])
    expect(codes(soFar(minTasks - 1, minWallMs))).toEqual([])
    expect(codes(soFar(minTasks, minWallMs - 1))).toEqual([])
    expect(codes({ ...soFar(minTasks - 1, minWallMs), isOver: true })).toEqual(['CPU_BOUND_ON_EVENT_LOOP'])
    // Its wall time has a pause in it.
    expect(codes({ ...soFar(minTasks - 1, minWallMs), isOver: true, wasPaused: true })).toEqual([])
  })

  it('judges nothing by times before there are any', () => {
    expect(codes(held({ service: equalTimes(0, 0) }))).toEqual([])
    expect(codes(held({ wallMs: 0 }))).toEqual([])
  })

  it('tells of a host that refuses from the beginning on', () => {
    expect(codes(stageFigures({ isOver: false, service: equalTimes(0, 0), wallMs: 0, hosts: [refusing] }))).toEqual([
      'ORIGIN_THROTTLING',
    ])
  })
})

describe('the rules', () => {
  it('are one for each code', () => {
    expect(DIAGNOSTIC_RULES.map(({ code }) => code)).toEqual(Object.values(DiagnosticCode))
  })
})

/** Clocks tell tenths of a microsecond. */
const ms = fc.oneof(fc.constant(0), fc.double({ min: 1e-4, max: 1e7, noNaN: true }))
const count = fc.integer({ min: 0, max: 1_000_000 })
const service = fc.record({ count, min: ms, mean: ms, max: ms }).map(({ count: tasks, ...times }) => {
  const [min, mean, max] = [times.min, times.mean, times.max].sort((a, b) => a - b) as [number, number, number]
  return tasks === 0 ? equalTimes(0, 0) : { ...equalTimes(tasks, mean), min, max }
})
const lastTask = fc.record({ index: count, endedMs: ms, serviceMs: ms, cpuMs: fc.option(ms) })
const host = fc
  .record({ attempts: fc.integer({ min: 1, max: 1_000 }), refused: fc.integer({ min: 0, max: 1_000 }) })
  .map(
    ({ attempts, refused }): HostTally => ({
      ...refusing,
      attempts,
      refused: { HTTP_503: Math.min(attempts, refused) },
    }),
  )
const anyRecord: fc.Arbitrary<StageFigures> = fc.record({
  stage: fc.constantFrom(null, 'one'),
  stageNumber: fc.constantFrom(null, 2),
  kind: fc.constantFrom('FETCH', 'COMPUTE'),
  strategy: fc.constantFrom('SEQUENTIAL', 'ASYNC', 'THREADS', 'PROCESSES'),
  isChosen: fc.boolean(),
  lanes: fc.integer({ min: 1, max: 64 }),
  concurrency: fc.integer({ min: 1, max: 256 }),
  cores: fc.integer({ min: 1, max: 64 }),
  sharesPace: fc.boolean(),
  isOver: fc.boolean(),
  wasPaused: fc.boolean(),
  endsRun: fc.boolean(),
  wallMs: ms,
  lastEndMs: fc.option(ms),
  service,
  cpuMs: ms,
  load: fc.option(fc.record({ busyMs: ms, coreWaitMs: fc.option(ms) })),
  hosts: fc.array(host, { maxLength: 3 }),
  lastTasks: fc.option(fc.array(lastTask, { maxLength: 30 })),
})
/** Of SEQUENTIAL and ASYNC there is one lane: rules that go by the lanes rely on it. */
const anyFigures = anyRecord.map((figures) => ({
  ...figures,
  lanes: hasManyLanes(figures.strategy) ? figures.lanes : 1,
}))

/** Names of numbers that need no unit: they are counts. */
const COUNTS = [
  'stageNumber',
  'tasks',
  'lanes',
  'cores',
  'concurrency',
  'stragglers',
  'attempts',
  'refused',
  'wantedLanes',
  'usefulLanes',
  'perHostConcurrency',
]

function numbersOf(value: Json, name = ''): [string, number][] {
  if (typeof value === 'number') return [[name, value]]
  if (Array.isArray(value)) return value.flatMap((inner) => numbersOf(inner, name))
  if (value === null || typeof value !== 'object') return []
  return Object.entries(value).flatMap(([inner, one]) => numbersOf(one, inner))
}

describe('whatever the figures', () => {
  it('what is found is a sentence with finite figures, named with their units', () => {
    fc.assert(
      fc.property(anyFigures, (figures) => {
        for (const { message, evidence } of diagnose(figures)) {
          expect(message).toMatch(/^[^ ].*[.?]$/)
          expect(message).not.toMatch(/NaN|Infinity|undefined|null/)
          for (const [name, number] of numbersOf(evidence)) {
            expect(Number.isFinite(number), name).toBe(true)
            if (['items', 'HTTP_503'].includes(name)) continue
            expect(COUNTS.includes(name) || /(Ms|Share|PerSecond)$/.test(name), name).toBe(true)
            if (name.endsWith('Share')) expect(number).toBeLessThanOrEqual(1)
          }
        }
      }),
      { numRuns: 2_000 },
    )
  })

  it('the baseline is never told that it should be parallel', () => {
    fc.assert(
      fc.property(anyFigures, (figures) => {
        const sequential = { ...figures, strategy: 'SEQUENTIAL' as const, lanes: 1, concurrency: 1, hosts: [] }
        expect(diagnose(sequential)).toEqual([])
      }),
    )
  })

  it('a run is not told of one event loop and of parallel lanes at once', () => {
    fc.assert(
      fc.property(anyFigures, (figures) => {
        const found = codes(figures)
        expect(found.includes('CPU_BOUND_ON_EVENT_LOOP') && found.includes('WAITING_ON_PARALLEL_LANES')).toBe(false)
      }),
    )
  })
})
