import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { GATED_FLOW } from '../../src/engine/flow.js'
import type { ApiClient, Variables } from '../support/api.js'
import { type Origin, startOrigin } from '../support/origin.js'
import { FUNCTIONS_DIR, startTestServer, type TestServer } from '../support/server.js'

const LANES = 2

let origin: Origin
let other: Origin
let server: TestServer
let api: ApiClient

beforeAll(async () => {
  origin = await startOrigin()
  other = await startOrigin()
  server = await startTestServer({
    HEDDLE_FUNCTIONS_DIR: FUNCTIONS_DIR,
    HEDDLE_LANES: String(LANES),
    HEDDLE_MAX_INLINE_ITEMS: '20000',
  })
  api = server.api
})

afterAll(async () => {
  await server.close()
  await origin.close()
  await other.close()
  expect(server.logged).toEqual([])
})

const numbers = (count: number) => Array.from({ length: count }, (_, at) => at)
const compute = (name: string, more: Variables = {}) => ({ compute: { function: name, ...more } })
const fetching = (fetch: Variables = {}, more: Variables = {}) => ({ fetch: { fetch, ...more } })

interface Stage {
  effectiveStrategy: string
  lanes: number
  concurrency: number
  decision: { strategy: string } | null
  progress: { succeeded: number; failed: number; running: number; done: number }
}

const STAGES = `stages { effectiveStrategy lanes concurrency decision { strategy }
  progress { succeeded failed running done } }`

const stagesOf = async (id: string) => (await api.run<{ stages: Stage[] }>(id, STAGES)).stages

interface Timed {
  index: number
  lane: string
  output: unknown
  startedMs: number
  serviceMs: number
}

const tasksOf = (id: string, stage: number) =>
  api.tasks<Timed>(id, 'index lane output startedMs serviceMs', `filter: { stage: ${stage} }`)

/** How many tasks were in service at once, at most. */
function mostAtOnce(tasks: readonly Timed[]): number {
  const changes = tasks.flatMap(({ startedMs, serviceMs }) => [
    { atMs: startedMs, by: 1 },
    { atMs: startedMs + serviceMs, by: -1 },
  ])
  let now = 0
  let most = 0
  for (const { by } of changes.sort((a, b) => a.atMs - b.atMs || a.by - b.by)) {
    now += by
    most = Math.max(most, now)
  }
  return most
}

describe('the stages of a pipeline', () => {
  it('are executed each in its own way, and the run as all of them together', async () => {
    const stages = [
      compute('same', { strategy: 'SEQUENTIAL' }),
      compute('countPrimes', { strategy: 'PROCESSES' }),
      compute('same', { strategy: 'ASYNC', concurrency: 3 }),
      compute('countPrimes', { strategy: 'THREADS' }),
      compute('same'),
    ]
    const source = { range: { from: 1_000, to: 1_060 } }
    const id = await api.finish(api.launchPipeline({ source, stages, options: { strategy: 'AUTO' } }))
    const executed = await stagesOf(id)
    expect(
      executed.map(({ effectiveStrategy, lanes, concurrency }) => [effectiveStrategy, lanes, concurrency]),
    ).toEqual([
      ['SEQUENTIAL', 1, 1],
      ['PROCESSES', LANES, LANES],
      ['ASYNC', 1, 3],
      ['THREADS', LANES, LANES],
      [expect.any(String), expect.any(Number), expect.any(Number)],
    ])
    expect(executed.map(({ decision }) => decision?.strategy ?? null)).toEqual([
      ...Array(4).fill(null),
      executed[4]?.effectiveStrategy,
    ])
    const sum = (figure: 'lanes' | 'concurrency') => executed.reduce((all, stage) => all + stage[figure], 0)
    expect(await api.run(id, 'strategy effectiveStrategy lanes concurrency')).toEqual({
      strategy: 'AUTO',
      effectiveStrategy: null,
      lanes: sum('lanes'),
      concurrency: sum('concurrency'),
    })
    const tasks = await Promise.all(numbers(5).map((stage) => tasksOf(id, stage)))
    expect(tasks.map((of) => new Set(of.map(({ lane }) => lane.replace(/\d+/, ''))).size)).toEqual(Array(5).fill(1))
    expect(tasks.map((of) => of[0]!.lane.replace(/\d+/, ''))).toEqual([
      'thread-',
      'process-',
      'thread-',
      'thread-',
      'thread-',
    ])
    tasks.slice(0, 4).forEach((of, stage) => {
      expect(mostAtOnce(of)).toBeLessThanOrEqual(executed[stage]!.concurrency)
    })
    expect(tasks[0]!.map(({ output }) => output)).toEqual(numbers(60).map((at) => 1_000 + at))
  })

  it('are all as the batch says where they say nothing', async () => {
    const stages = [compute('same'), compute('same')]
    const source = { range: { from: 0, to: 50 } }
    for (const strategy of ['SEQUENTIAL', 'PROCESSES']) {
      const id = await api.finish(api.launchPipeline({ source, stages, options: { strategy } }))
      expect((await stagesOf(id)).map(({ effectiveStrategy }) => effectiveStrategy)).toEqual([strategy, strategy])
      expect(await api.run(id, 'effectiveStrategy')).toEqual({ effectiveStrategy: strategy })
      expect((await tasksOf(id, 1)).map(({ output }) => output)).toEqual(numbers(50))
    }
  })

  it('keep to their concurrency, whatever comes', async () => {
    const urls = numbers(60).map((at) => `${origin.url}/delay?ms=2&of=concurrency&at=${at}`)
    const stages = [compute('anything'), fetching({}, { concurrency: 3 }), compute('anything')]
    const id = await api.finish(api.launchPipeline({ source: { inputs: urls }, stages }))
    const fetches = await tasksOf(id, 1)
    expect(fetches).toHaveLength(60)
    expect(mostAtOnce(fetches)).toBeLessThanOrEqual(3)
  })
})

describe('what waits between two stages', () => {
  const COUNT = GATED_FLOW.items + 1_000

  it('is never more than there is room for: the stage before stands still, and goes on', async () => {
    const template = { template: `${origin.url}/hold/room?i={i}`, from: 0, to: COUNT - 1 }
    const urls = numbers(COUNT).map((i) => template.template.replace('{i}', String(i)))
    const stages = [compute('anything', { strategy: 'THREADS' }), fetching({}, { concurrency: 16 })]
    const id = await api.start(api.launchPipeline({ source: { inputs: urls }, stages }))
    const between: number[] = []
    type Update = { runUpdated: { stages: Stage[] } }
    const updates = api.subscribe<Update>(
      `subscription($id: ID!) { runUpdated(id: $id, maxPerSecond: 60) { ${STAGES} } }`,
      { id },
    )
    for await (const { runUpdated } of updates) {
      const [first, second] = runUpdated.stages.map(({ progress }) => progress)
      between.push(first!.succeeded - second!.done)
      if (first!.succeeded === GATED_FLOW.items && first!.running === 0) break
    }
    expect(Math.max(...between)).toBe(GATED_FLOW.items)
    // Its lanes are free for others: nobody computes for it.
    const lanes = async () => {
      const { system } = await api.ask<{ system: { lanes: { busy: boolean }[] } }>('{ system { lanes { busy } } }')
      return system.lanes.filter(({ busy }) => busy).length
    }
    expect(await lanes()).toBe(1)
    await origin.arrived('/hold/room', 16)
    origin.release('/hold/room')
    expect(await api.ended(id)).toBe('SUCCEEDED')
    expect((await stagesOf(id)).map(({ progress }) => progress.succeeded)).toEqual([COUNT, COUNT])
    expect(origin.requests('/hold/room')).toBe(COUNT)
  })
})

describe('a later stage that fetches', () => {
  const launch = (urls: string[], fetch: Variables, options: Variables = {}) =>
    api.launchPipeline({ source: { inputs: urls }, stages: [compute('anything'), fetching(fetch)], options })

  it('keeps to what one host is to have at once, and goes on with the others', async () => {
    const hosts = [`127.0.0.1:${origin.port}`, `localhost:${origin.port}`]
    const before = new Map(hosts.map((host) => [host, origin.mostAtOnce(host)]))
    const urls = numbers(60).map((at) => `http://${hosts[at % 2]}/delay?ms=5&of=hosts&at=${at}`)
    const id = await api.finish(launch(urls, { perHostConcurrency: 2 }))
    expect((await stagesOf(id))[1]).toMatchObject({ progress: { succeeded: 60 } })
    expect(before.get(hosts[1]!)).toBe(0)
    expect(origin.mostAtOnce(hosts[1]!)).toBe(2)
    const fetches = await tasksOf(id, 1)
    for (const host of [0, 1])
      expect(mostAtOnce(fetches.filter(({ index }) => index % 2 === host))).toBeLessThanOrEqual(2)
  })

  it('keeps to a pace', async () => {
    const urls = numbers(26).map((at) => `${other.url}/ok?of=pace&at=${at}`)
    await api.finish(launch(urls, { perHostRate: 20 }))
    const times = other.arrivals.map(({ atMs }) => atMs)
    expect(times).toHaveLength(26)
    // What is told late of the first looks nearer to the last.
    times.slice(20).forEach((atMs, at) => {
      expect(atMs - times[at]!).toBeGreaterThan(900)
    })
  })

  it('sends one request once, and answers every item with it', async () => {
    const urls = numbers(500).map((at) => `${origin.url}/json?i=${at % 5}&of=dedupe`)
    const before = origin.requests('/json')
    const id = await api.finish(launch(urls, { dedupe: true, bodyPolicy: 'JSON' }))
    expect(origin.requests('/json') - before).toBe(5)
    const tasks = await api.tasks<{ index: number; attempts: number; output: { id: number } }>(
      id,
      'index attempts output',
      'filter: { stage: 1 }',
    )
    expect(tasks.map(({ index, output }) => output.id === index % 5)).toEqual(Array(500).fill(true))
    expect(tasks.filter(({ attempts }) => attempts === 1)).toHaveLength(5)
  })

  it('hands over of what others were answered with what each of them is to have', async () => {
    const urls = numbers(100).map((at) => `${origin.url}/json?i=${at % 2}&of=shared`)
    const stages = [
      compute('anything'),
      fetching({ dedupe: true, bodyPolicy: 'JSON' }),
      compute('anything', { inputFrom: '/name' }),
    ]
    const id = await api.finish(api.launchPipeline({ source: { inputs: urls }, stages }))
    expect((await tasksOf(id, 2)).map(({ output }) => output)).toEqual(numbers(100).map((at) => `item-${at % 2}`))
  })
})
