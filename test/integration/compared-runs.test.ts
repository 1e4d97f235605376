import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ApiClient } from '../support/api.js'
import { type Origin, startOrigin } from '../support/origin.js'
import { FUNCTIONS_DIR, startTestServer, type TestServer } from '../support/server.js'

let origin: Origin
let server: TestServer
let api: ApiClient

beforeAll(async () => {
  origin = await startOrigin()
  server = await startTestServer({ HEDDLE_FUNCTIONS_DIR: FUNCTIONS_DIR, HEDDLE_LANES: '2' })
  api = server.api
  // The first ones wait for lanes, for code to be compiled and for connections: as many as will be open at once.
  await Promise.all(
    [0, 0, 0].map((times) => delayed(() => times, [`127.0.0.1:${origin.port}`, `localhost:${origin.port}`])),
  )
})

afterAll(async () => {
  await server.close()
  await origin.close()
})

interface Compared {
  baseline: { id: string }
  candidate: { id: string }
  baselineTasks: number
  candidateTasks: number
  ratio: number
  ratioLow: number
  ratioHigh: number
  pValue: number
  verdict: string
}

const COMPARE = `query($baseline: ID!, $candidate: ID!, $stage: Int, $host: String) {
  compareRuns(baseline: $baseline, candidate: $candidate, stage: $stage, host: $host) {
    baseline { id } candidate { id } baselineTasks candidateTasks ratio ratioLow ratioHigh pValue verdict
  }
}`

async function compare(baseline = '', candidate = '', part: object = {}): Promise<Compared | null> {
  return (await api.ask<{ compareRuns: Compared | null }>(COMPARE, { baseline, candidate, ...part })).compareRuns
}

const TASKS = 80
/** From 200 to 500 ms: tasks of a run lie far farther apart than a busy machine moves a run as a whole, and equal runs have the same ones. */
const delayOf = (at: number) => 200 + (300 * at) / (TASKS - 1)
const indexes = Array.from({ length: TASKS }, (_, at) => at)

/** Fetches that are answered after a while, `times` as long as the others', from these hosts in turn. */
function delayed(times: (host: string) => number, hosts: readonly string[]): Promise<string> {
  const urls = indexes.map((at) => {
    const host = hosts[at % hosts.length]!
    return `http://${host}/delay?ms=${Math.round(delayOf(at) * times(host))}`
  })
  return api.finish(api.launchFetch({ source: { urls }, options: { strategy: 'ASYNC', concurrency: TASKS } }))
}

describe('compareRuns', () => {
  it('finds a run that is 1.5 times slower as such, and tells two equal ones not apart', async () => {
    const hosts = [`127.0.0.1:${origin.port}`]
    // At the same time: what slows one of them down slows all of them down.
    const [baseline, equal, slower] = await Promise.all([1, 1, 1.5].map((times) => delayed(() => times, hosts)))
    const found = await compare(baseline, slower)
    expect(found).toMatchObject({
      baseline: { id: baseline },
      candidate: { id: slower },
      baselineTasks: TASKS,
      candidateTasks: TASKS,
    })
    expect(found?.pValue).toBeLessThan(0.001)
    expect(found?.ratio).toBeGreaterThan(1.25)
    expect(found?.ratio).toBeLessThan(1.75)
    expect(found?.ratioLow).toBeGreaterThan(1)
    expect(found?.verdict).toMatch(/^The candidate's tasks took longer: .* more than chance \(p < 0\.001\)/)
    expect((await compare(slower, baseline))?.verdict).toMatch(/^The candidate's tasks took less time: /)
    const alike = await compare(baseline, equal)
    expect(alike?.pValue).toBeGreaterThan(0.05)
    expect(alike?.ratioLow).toBeLessThan(1)
    expect(alike?.ratioHigh).toBeGreaterThan(1)
    expect(alike?.verdict).toMatch(
      /cannot be told apart with 80 tasks each .* That does not show that they are equal\.$/,
    )
    expect(await compare(baseline, equal)).toEqual(alike)
    expect(await compare(baseline, baseline)).toMatchObject({ ratio: 1, pValue: 1, baselineTasks: TASKS })
  })

  it('compares the tasks of one host', async () => {
    const [first, second] = [`127.0.0.1:${origin.port}`, `localhost:${origin.port}`]
    const [baseline, slower] = await Promise.all(
      [1, 2].map((times) => delayed((host) => (host === second ? times : 1), [first, second])),
    )
    const slow = await compare(baseline, slower, { host: second })
    expect(slow).toMatchObject({ baselineTasks: TASKS / 2, candidateTasks: TASKS / 2 })
    expect(slow?.pValue).toBeLessThan(0.001)
    const alike = await compare(baseline, slower, { host: first })
    expect(alike).toMatchObject({ baselineTasks: TASKS / 2, candidateTasks: TASKS / 2 })
    expect(alike?.pValue).toBeGreaterThan(slow?.pValue ?? 1)
    expect(alike?.ratio).toBeLessThan(slow?.ratio ?? 0)
    expect(await compare(baseline, slower, { host: 'elsewhere.example' })).toBeNull()
  })

  it('compares the tasks of one stage', async () => {
    const pipeline = (times: number) => {
      const urls = indexes.map((at) => {
        const next = `${origin.url}/delay?ms=${Math.round(delayOf(at) * times)}`
        return `${origin.url}/raw?type=text/plain&hex=${Buffer.from(next).toString('hex')}`
      })
      const stages = [{ fetch: { fetch: { bodyPolicy: 'TEXT' } } }, { fetch: { concurrency: TASKS } }]
      return api.finish(api.launchPipeline({ source: { urls }, stages }))
    }
    const [baseline, slower] = await Promise.all([pipeline(1), pipeline(1.5)])
    expect(await compare(baseline, slower, { stage: 0 })).toMatchObject({ baselineTasks: TASKS })
    const found = await compare(baseline, slower, { stage: 1 })
    expect(found).toMatchObject({ baselineTasks: TASKS, candidateTasks: TASKS })
    expect(found?.pValue).toBeLessThan(0.001)
    expect(await compare(baseline, slower)).toMatchObject({ baselineTasks: 2 * TASKS, candidateTasks: 2 * TASKS })
    expect(await compare(baseline, slower, { stage: 2 })).toBeNull()
    expect(await api.refusal(COMPARE, { baseline, candidate: slower, stage: -1 })).toEqual(['BAD_USER_INPUT'])
  })

  it('is null where there is nothing to compare', async () => {
    const run = await delayed(() => 0.1, [`127.0.0.1:${origin.port}`])
    const held = await api.start(api.launchFetch({ source: { urls: [`${origin.url}/hold/compared`] } }))
    expect(await compare(run, held)).toBeNull()
    origin.release('/hold/compared')
    await api.ended(held)
    expect((await compare(run, held))?.verdict).toContain('80 and 1 tasks')
    expect(await compare(run, `run_${'0'.repeat(32)}`)).toBeNull()
    expect(await compare('nonsense', run)).toBeNull()
  })
})
