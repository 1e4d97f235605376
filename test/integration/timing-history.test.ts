import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Origin, startOrigin } from '../support/origin.js'
import { FUNCTIONS_DIR, startTestServer, type TestServer } from '../support/server.js'

interface Point {
  bucketStart: string
  group: string | null
  runs: number
  tasks: number
  failed: number
  throughput: number
  service: {
    count: number
    min: number
    p50: number
    p90: number
    p99: number
    max: number
    mean: number
    exact: boolean
  }
}

interface Task {
  stage: number
  status: string
  serviceMs: number
}

const SERVICE = 'service { count min p50 p90 p99 max mean exact }'
const labels = (team: string) => [{ name: 'team', value: team }]

let origins: Origin[]
let server: TestServer
/** All tasks of the runs, by run. */
const tasks = new Map<string, Task[]>()

beforeAll(async () => {
  origins = [await startOrigin(), await startOrigin()]
  server = await startTestServer({ HEDDLE_FUNCTIONS_DIR: FUNCTIONS_DIR, HEDDLE_LANES: '2' })
  const { api } = server
  const [one, other] = origins
  const at = (origin: Origin | undefined, i: number) => `${origin?.url}/json?i=${i}`
  const compute = api.launchCompute({
    function: 'sumOfSquares',
    source: { range: { from: 1, to: 400 } },
    options: { strategy: 'THREADS', labels: labels('red') },
  })
  const fetches = api.launchFetch({
    source: {
      urls: [...Array(20).keys()]
        .flatMap((i) => [at(one, i), at(other, i), at(one, i + 20)])
        .concat(`${one?.url}/missing`),
    },
    options: { strategy: 'ASYNC', labels: labels('blue'), retry: { maxAttempts: 1 } },
  })
  const pipeline = api.launchPipeline({
    source: { template: { template: `${other?.url}/json?i={i}`, from: 0, to: 14 } },
    stages: [{ fetch: { fetch: { bodyPolicy: 'JSON' } } }, { compute: { function: 'same' } }],
    options: { strategy: 'ASYNC' },
  })
  for (const launch of [compute, fetches, pipeline]) {
    const id = await api.start(launch)
    await api.ended(id)
    const read = await api.run<{ tasks: { nodes: Task[] } }>(
      id,
      'tasks(first: 1000) { nodes { stage status serviceMs } }',
    )
    tasks.set(id, read.tasks.nodes)
  }
})

afterAll(async () => {
  await server.close()
  for (const origin of origins) await origin.close()
})

async function history(args = ''): Promise<Point[]> {
  const query = `{ timingHistory${args} { bucketStart group runs tasks failed throughput ${SERVICE} } }`
  return (await server.api.ask<{ timingHistory: Point[] }>(query)).timingHistory
}

const total = (points: readonly Point[]) => points.reduce((sum, point) => sum + point.tasks, 0)

describe('timingHistory', () => {
  it('has every task once, whatever it is grouped by and whatever the bucket', async () => {
    const all = [...tasks.values()].flat().length
    expect(all).toBe(399 + 61 + 30)
    for (const groupBy of ['NONE', 'KIND', 'STRATEGY', 'FUNCTION', 'HOST', 'LABEL, label: "team"'])
      for (const bucket of ['MINUTE', 'HOUR', 'DAY', 'WEEK'])
        expect([groupBy, bucket, total(await history(`(groupBy: ${groupBy}, bucket: ${bucket})`))]).toEqual([
          groupBy,
          bucket,
          all,
        ])
  })

  it('tells functions, hosts and labels apart', async () => {
    const sums = async (args: string) => {
      const found = new Map<string | null, [runs: number, tasks: number]>()
      for (const { group, runs, tasks: count } of await history(args)) {
        const [sumOfRuns, sum] = found.get(group) ?? [0, 0]
        found.set(group, [sumOfRuns + runs, sum + count])
      }
      return Object.fromEntries(found)
    }
    const host = (at: number) => new URL(origins[at]?.url ?? '').host
    expect(await sums('(groupBy: FUNCTION)')).toEqual({ sumOfSquares: [1, 399], same: [1, 15], null: [2, 76] })
    expect(await sums('(groupBy: HOST)')).toEqual({ [host(0)]: [1, 41], [host(1)]: [2, 35], null: [2, 414] })
    expect(await sums('(groupBy: LABEL, label: "team")')).toEqual({ red: [1, 399], blue: [1, 61], null: [1, 30] })
    expect(await sums(`(filter: { host: "${host(0)}" }, groupBy: HOST)`)).toEqual({
      [host(0)]: [1, 41],
      [host(1)]: [1, 20],
    })
    expect(await sums('(filter: { labels: [{ name: "team", value: "red" }] })')).toEqual({ null: [1, 399] })
  })

  it('is within 2 % of what the tasks themselves say', async () => {
    const [point, ...others] = await history('(bucket: WEEK)')
    expect(others).toEqual([])
    const times = [...tasks.values()]
      .flat()
      .map(({ serviceMs }) => serviceMs)
      .sort((a, b) => a - b)
    const rank = (p: number) => times[Math.ceil(p * times.length) - 1] ?? 0
    const failed = [...tasks.values()].flat().filter(({ status }) => status === 'FAILED').length
    expect(failed).toBeGreaterThan(0)
    expect(point).toMatchObject({ runs: 3, failed })
    const { service } = point!
    expect(service).toMatchObject({ count: times.length, exact: false, min: times[0], max: times.at(-1) })
    for (const [name, p] of [
      ['p50', 0.5],
      ['p90', 0.9],
      ['p99', 0.99],
    ] as const)
      expect(Math.abs(service[name] / rank(p) - 1)).toBeLessThanOrEqual(0.02)
    expect(service.mean).toBeCloseTo(times.reduce((sum, time) => sum + time, 0) / times.length, 6)
  })

  it('outlives the runs', async () => {
    const before = { days: await history('(groupBy: FUNCTION)'), hosts: await history('(groupBy: HOST)') }
    for (const id of tasks.keys())
      await server.api.ask('mutation($id: ID!) { deleteRun(id: $id) { userErrors { message } } }', { id })
    expect(await server.api.ask('{ runs { totalCount } }')).toEqual({ runs: { totalCount: 0 } })
    const counts = (points: Point[]) =>
      points.map(({ group, runs, tasks: count, failed }) => [group, runs, count, failed])
    expect(counts(await history('(groupBy: FUNCTION)'))).toEqual(counts(before.days))
    expect(counts(await history('(groupBy: HOST)'))).toEqual(counts(before.hosts))
    expect(await history('(bucket: MINUTE)')).toEqual([])
  })
})
