import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { evenly, ServiceSamples } from '../../../src/store/service-samples.js'
import { block, fetchDetail, type TestDatabase, testDatabase } from '../../support/store.js'

let database: TestDatabase
let runId: number
beforeEach(async () => {
  database = await testDatabase()
  runId = database.insertRun()
})
afterEach(() => database.remove())

const error = { code: 'TIMEOUT' as const, message: '', retryable: true }
const ALL = { stage: null, host: null }
const read = (max: number, part: Partial<{ stage: number; host: string }> = {}) =>
  new ServiceSamples(database.db).read(runId, { ...ALL, ...part }, max)

/** Commits so many tasks of a stage; the nth one takes as long as `ms` says. */
function commit(
  count: number,
  { first = 1, stage = 0, ms }: { first?: number; stage?: number; ms(at: number): number },
) {
  const tasks = Array.from({ length: count }, (_, at) => ({ index: first + at, serviceMs: ms(at) }))
  database.commit(runId, [{ ...block(tasks, { firstSequence: first }), stage }])
}

const mean = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / values.length

describe('ServiceSamples', () => {
  it('are all there are where they are few, in order, with the failed ones counted', () => {
    database.commit(runId, [
      block(
        [
          { index: 0, serviceMs: 5 },
          { index: 1, serviceMs: 3, outcome: 1, error },
          { index: 2, serviceMs: 9, outcome: 2 },
          { index: 3, attempt: 0, startedMs: null, serviceMs: 0 },
          { index: 4, serviceMs: 4 },
        ],
        { firstSequence: 1 },
      ),
    ])
    expect(read(10)).toEqual({ timesMs: Float64Array.from([3, 4, 5]), failed: 1, isWhole: true, drift: 1, hosts: [] })
    expect(read(3).isWhole).toBe(true)
    expect(read(2)).toMatchObject({ isWhole: false, timesMs: { length: 2 } })
  })

  it('tell how far the run drifted, in the order in which tasks started', () => {
    const ms = (at: number) => 10 + Math.floor(at / 10)
    const tasks = Array.from({ length: 80 }, (_, at) => ({ index: at, serviceMs: ms(at), startedMs: 1 + at }))
    database.commit(runId, [block(tasks.toReversed(), { firstSequence: 1 })])
    expect(read(100).drift).toBeCloseTo(17 / 10)
    const other = database.insertRun()
    // All in flight together: the short ones end first.
    const together = tasks.map((task, at) => ({ ...task, startedMs: 1 + ((at * 37) % 80) }))
    database.commit(other, [block(together, { firstSequence: 1 })])
    expect(new ServiceSamples(database.db).read(other, ALL, 100).drift).toBeLessThan(1.4)
  })

  it('are of a stage or a host alone, where that is asked', () => {
    const of = (host: string) => ({ ...fetchDetail, host })
    database.commit(runId, [
      block(
        [
          { index: 0, serviceMs: 1, fetch: of('a.example') },
          { index: 1, serviceMs: 2, fetch: of('b.example') },
          { index: 2, serviceMs: 3, fetch: of('a.example') },
        ],
        { firstSequence: 1 },
      ),
      { ...block([{ index: 0, serviceMs: 10, fetch: of('a.example') }], { firstSequence: 4 }), stage: 1 },
    ])
    const times = (part: object) => [...read(10, part).timesMs]
    expect(times({ stage: 0 })).toEqual([1, 2, 3])
    expect(times({ stage: 1 })).toEqual([10])
    expect(times({ host: 'a.example' })).toEqual([1, 3, 10])
    expect(times({ stage: 0, host: 'a.example' })).toEqual([1, 3])
    expect(times({ stage: 2 })).toEqual([])
    expect(times({ host: 'c.example' })).toEqual([])
    expect(read(10).hosts).toEqual(['a.example', 'b.example'])
  })

  it('are an even sample of many, the same each time', () => {
    commit(5000, { ms: (at) => at })
    const sample = read(200)
    expect(sample).toMatchObject({ isWhole: false, failed: 0 })
    expect(sample.timesMs).toHaveLength(200)
    expect(new Set(sample.timesMs).size).toBe(200)
    for (const [at, ms] of sample.timesMs.entries()) expect(Math.floor(ms / 25)).toBe(at)
    expect(read(200)).toEqual(sample)
  })

  it('do not fall into step with what takes turns', () => {
    // Every second one is slow, and a stretch is a hundred of them.
    commit(5000, { ms: (at) => at % 2 })
    expect(Math.abs(mean(read(50).timesMs) - 0.5)).toBeLessThan(0.1)
    expect(Math.abs(mean(read(200).timesMs) - 0.5)).toBeLessThan(0.1)
  })

  it('are as many of a stage that is a part of the run', () => {
    commit(4000, { ms: () => 1 })
    commit(4000, { first: 4001, stage: 1, ms: (at) => 10 + at })
    const sample = read(100, { stage: 1 })
    expect(sample.timesMs).toHaveLength(100)
    expect(sample.timesMs[0]).toBeGreaterThanOrEqual(10)
    expect(Math.abs(mean(sample.timesMs) - 2010)).toBeLessThan(100)
    expect(sample.isWhole).toBe(false)
  })

  it('find the few of a stage that is hardly there', () => {
    commit(6000, { ms: () => 1 })
    commit(3, { first: 6001, stage: 1, ms: (at) => 10 + at })
    expect(read(100, { stage: 1 })).toMatchObject({ isWhole: true, timesMs: Float64Array.from([10, 11, 12]) })
  })

  it('are none of a run that has had nothing committed', () => {
    expect(read(100)).toEqual({ timesMs: new Float64Array(0), failed: 0, isWhole: true, drift: 1, hosts: [] })
  })
})

describe('evenly', () => {
  it('takes one of each stretch', () => {
    expect(evenly(5, 5)).toEqual([0, 1, 2, 3, 4])
    for (const [count, wanted] of [
      [1_000_000, 10_000],
      [10_001, 10_000],
      [7, 3],
    ] as const) {
      const places = evenly(count, wanted)
      const stretchOf = (at: number) => [Math.floor((at * count) / wanted), Math.floor(((at + 1) * count) / wanted)]
      const isAstray = (place: number, at: number) => place < stretchOf(at)[0]! || place >= stretchOf(at)[1]!
      expect(places).toHaveLength(wanted)
      expect(places.filter(isAstray)).toEqual([])
    }
  })
})
