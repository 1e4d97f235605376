import { describe, expect, it } from 'vitest'
import { runId } from '../../../src/domain/ids.js'
import type { RunRecord } from '../../../src/domain/run.js'
import { emptyMoments } from '../../../src/domain/timing.js'
import { timingsOf } from '../../../src/graphql/timing.js'
import { execute } from '../../support/execute.js'
import { FakeRuns } from '../../support/fake-runs.js'
import { testServices } from '../../support/fake-services.js'

const NO_TIMES = { service: emptyMoments(), queueWait: emptyMoments(), cpuMs: 0, firstStartMs: null, lastEndMs: null }

function record(times: Partial<RunRecord['times']>, concurrency: number | null = 4): RunRecord {
  return new FakeRuns().add({ times: { ...NO_TIMES, ...times }, concurrency })
}

const service = { ...emptyMoments(), count: 10, sum: 3000, mean: 300 }

describe('timingsOf', () => {
  it('is null until a task has ended', () => {
    expect(timingsOf(record({}))).toBeNull()
  })

  it('makes the figures of a run from its times', () => {
    expect(timingsOf(record({ service, cpuMs: 70, firstStartMs: 100, lastEndMs: 1100 }))).toEqual({
      wallMs: 1000,
      serviceTotalMs: 3000,
      cpuMs: 70,
      throughput: 10,
      meanConcurrency: 3,
      utilization: 0.75,
    })
  })

  it('lets no rounding of clocks make a machine more than fully used', () => {
    expect(timingsOf(record({ service, firstStartMs: 0, lastEndMs: 999.999 }, 3))?.utilization).toBe(1)
  })

  it('has finite figures for a run that took no time', () => {
    expect(timingsOf(record({ service, firstStartMs: 5, lastEndMs: 5 }))).toMatchObject({
      wallMs: 0,
      throughput: 0,
      meanConcurrency: 0,
      utilization: 0,
    })
  })
})

describe('a distribution', () => {
  const ended = () => {
    const services = testServices()
    const { key } = services.runs.add()
    for (const serviceMs of [1, 2, 3, 4, 10]) services.runs.end(key, { serviceMs })
    return { services, id: runId(key) }
  }
  const ask = (fields: string) => `query($id: ID!) { run(id: $id) { timings { service { ${fields} } } } }`

  it('answers everything about the times', async () => {
    const { services, id } = ended()
    const { data } = await execute<{ run: { timings: { service: unknown } } }>(
      services,
      ask(
        'count min mean p50 p90 p95 p99 max stddev exact third: percentile(p: 0.6) histogram(buckets: 3) { fromMs toMs count }',
      ),
      { id },
    )
    expect(data.run.timings.service).toEqual({
      count: 5,
      min: 1,
      mean: 4,
      p50: 3,
      p90: 10,
      p95: 10,
      p99: 10,
      max: 10,
      stddev: Math.sqrt(10),
      exact: true,
      third: 3,
      histogram: [
        { fromMs: 1, toMs: 4, count: 3 },
        { fromMs: 4, toMs: 7, count: 1 },
        { fromMs: 7, toMs: 10, count: 1 },
      ],
    })
  })

  it('does not read all times for what a run has at hand', async () => {
    const { services, id } = ended()
    const { data } = await execute<{ run: { timings: { service: unknown } } }>(
      services,
      `${ask('count ...Spread ... { max }')}fragment Spread on Distribution { mean stddev }`,
      { id },
    )
    expect(data.run.timings.service).toEqual({ count: 5, mean: 4, stddev: Math.sqrt(10), max: 10 })
    expect(services.runs.calls.distribution).toBe(0)
    await execute(services, `${ask('count ...Spread')}fragment Spread on Distribution { p50 }`, { id })
    expect(services.runs.calls.distribution).toBe(1)
  })

  it.each([
    ['percentile(p: 1.01)', 'p: 1.01 is out of range: expected 0 to 1'],
    ['percentile(p: -0.1)', 'p: -0.1 is out of range'],
    ['histogram(buckets: 0) { count }', 'buckets: 0 is out of range: expected 1 to 1000'],
    ['histogram(buckets: 1001) { count }', 'buckets: 1001 is out of range'],
  ])('refuses %s', async (field, message) => {
    const { services, id } = ended()
    const { codes, messages } = await execute(services, ask(field), { id })
    expect(codes).toEqual(['BAD_USER_INPUT'])
    expect(messages[0]).toContain(message)
  })
})
