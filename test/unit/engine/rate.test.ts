import { describe, expect, it } from 'vitest'
import { noCounts, queuedStages } from '../../../src/domain/run.js'
import { latestOf, Meters, RateMeter } from '../../../src/engine/rate.js'
import { ManualClock } from '../../support/clock.js'
import { batchSpec, COMPUTE, runRecord } from '../../support/engine-parts.js'

describe('RateMeter', () => {
  it('knows how fast it goes, and how long what is left will take', () => {
    const clock = new ManualClock()
    const meter = new RateMeter(clock)
    expect([meter.perSecond(), meter.estimate(1)]).toEqual([0, { etaMs: null, etaHighMs: null }])
    meter.start(5)
    clock.advance(1_000)
    expect(meter.estimate(10).etaMs).toBeNull()
    meter.sample(25)
    expect([meter.perSecond(), meter.estimate(40).etaMs]).toEqual([20, 2_000])
    expect(meter.estimate(40).etaHighMs).toBeGreaterThan(2_000)
  })

  it('starts once', () => {
    const clock = new ManualClock()
    const meter = new RateMeter(clock)
    meter.start(0)
    clock.advance(1_000)
    meter.start(7)
    meter.sample(10)
    expect(meter.perSecond()).toBe(10)
  })

  it('has nothing to wait for where nothing is left, though it has never started', () => {
    expect(new RateMeter(new ManualClock()).estimate(0)).toEqual({ etaMs: 0, etaHighMs: 0 })
  })
})

describe('Meters', () => {
  const spec = batchSpec({ kind: 'PIPELINE', stages: [COMPUTE, COMPUTE] })

  it('measures each stage from its own start', () => {
    const clock = new ManualClock()
    const record = runRecord({ spec })
    const meters = new Meters(clock, record)
    meters.start(record)
    meters.startStage(0, record)
    clock.advance(4_000)
    meters.startStage(1, record)
    clock.advance(1_000)
    const stages = queuedStages(spec)!.map((stage, at) => ({
      ...stage,
      counts: { ...noCounts(100), succeeded: at === 0 ? 50 : 20 },
    }))
    meters.sample({ ...record, counts: { ...noCounts(200), succeeded: 70 }, stages })
    expect([meters.run, ...meters.stages].map((meter) => meter.perSecond())).toEqual([14, 10, 20])
    const ended = { ...record, stages }
    meters.finish(ended)
    expect([ended.finalThroughput, ...stages.map(({ finalThroughput }) => finalThroughput)]).toEqual([14, 10, 20])
  })

  it('has one for all of a run of one stage', () => {
    const clock = new ManualClock()
    const record = runRecord({ counts: { ...noCounts(100), skipped: 10 } })
    const meters = new Meters(clock, record)
    meters.start(record)
    meters.startStage(0, record)
    clock.advance(1_000)
    meters.sample({ ...record, counts: { ...record.counts, succeeded: 10 } })
    expect(meters.stages).toEqual([meters.run])
    expect(meters.run.perSecond()).toBe(10)
  })
})

describe('latestOf', () => {
  it('is that of the stage which will take the longest', () => {
    const stages = [
      { etaMs: 0, etaHighMs: 0 },
      { etaMs: 500, etaHighMs: 900 },
      { etaMs: 400, etaHighMs: 1_200 },
    ]
    expect(latestOf(stages)).toEqual({ etaMs: 500, etaHighMs: 1_200 })
  })

  it('knows nothing while one of them does not', () => {
    const unknown = { etaMs: null, etaHighMs: null }
    expect(latestOf([{ etaMs: 10, etaHighMs: 20 }, unknown])).toEqual(unknown)
    expect(latestOf([unknown, { etaMs: 10, etaHighMs: 20 }])).toEqual(unknown)
  })
})
