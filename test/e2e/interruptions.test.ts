import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ApiClient, drain, type Launched, take } from '../support/api.js'
import { type Origin, startOrigin } from '../support/origin.js'
import { type ServerProcess, startProcess } from '../support/process.js'
import { FUNCTIONS_DIR } from '../support/server.js'
import { until } from '../support/until.js'
import { bodyOf, fileOf, launchComputeFile, launchFetchFile, openUpload, uploadsIn } from '../support/uploads.js'

interface RunUpdated {
  runUpdated: { progress: { sequence: number; done: number } }
}

interface TaskEnded {
  taskEnded: { cursor: string; node: { index: number; status: string; output: unknown } }
}

const TASK_ENDED = `subscription($id: ID!, $after: String) {
  taskEnded(runId: $id, after: $after) { cursor node { index status output } }
}`
const RUN_UPDATED = 'subscription($id: ID!) { runUpdated(id: $id, maxPerSecond: 60) { progress { sequence done } } }'
const QUICK = 40
const HELD = 20
const IN_FLIGHT = 4

let dataDir: string
let origin: Origin
let server: ServerProcess

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'heddle-interruptions-'))
  origin = await startOrigin()
})

afterEach(async () => {
  await server?.end('SIGKILL')
  await origin.close()
  await rm(dataDir, { recursive: true, force: true })
})

function start(settings: Record<string, string> = {}): Promise<ServerProcess> {
  return startProcess({
    HEDDLE_DATA_DIR: dataDir,
    HEDDLE_FUNCTIONS_DIR: FUNCTIONS_DIR,
    HEDDLE_ALLOW_HOSTS: '127.0.0.1',
    HEDDLE_LANES: '2',
    HEDDLE_DRAIN_MS: '200',
    ...settings,
  })
}

/** Documents that end at once, then others that wait until the test releases them. */
function launchFetches(api: ApiClient, strategy = 'THREADS'): Promise<Launched> {
  const quick = Array.from({ length: QUICK }, (_, i) => `${origin.url}/json?i=${i}`)
  const held = Array.from({ length: HELD }, (_, i) => `${origin.url}/hold?i=${i}`)
  const options = { strategy, concurrency: IN_FLIGHT, labels: [{ name: 'cut', value: 'off' }] }
  return api.launchFetch({ source: { urls: [...quick, ...held] }, fetch: { bodyPolicy: 'TEXT' }, options })
}

/** Every item has one task, and the stream of their ends has each once, in one order with the list. */
async function expectEachOnce(api: ApiClient, id: string, streamed: TaskEnded['taskEnded'][], count: number) {
  const { all, end } = await drain(api.subscribe<TaskEnded>(TASK_ENDED, { id, after: streamed.at(-1)?.cursor }))
  expect(end).toBe('complete')
  const edges = [...streamed, ...all.map(({ taskEnded }) => taskEnded)]
  const indexes = edges.map(({ node }) => node.index).sort((a, b) => a - b)
  expect(indexes).toEqual(Array.from({ length: count }, (_, at) => at))
  const { tasks } = await api.run<{ tasks: { totalCount: number; edges: object[] } }>(
    id,
    'tasks(first: 1000, orderBy: ENDED) { totalCount edges { cursor node { index status output } } }',
  )
  expect(tasks).toEqual({ totalCount: count, edges })
}

/** What is told rises, over the end of one server and the start of the next. */
function expectRising(updates: readonly RunUpdated[]): void {
  const sequences = updates.map(({ runUpdated }) => runUpdated.progress.sequence)
  expect(sequences).toEqual([...new Set(sequences)].sort((a, b) => a - b))
  const done = updates.map(({ runUpdated }) => runUpdated.progress.done)
  expect(done).toEqual([...done].sort((a, b) => a - b))
}

/** A compute that has begun to end tasks; with how many it was seen. */
async function launchCompute(api: ApiClient, count: number): Promise<{ id: string; seen: number }> {
  const input = { function: 'same', source: { range: { from: 0, to: count } }, reduce: 'SUM' }
  const id = await api.start(api.launchCompute(input))
  for await (const { runUpdated } of api.subscribe<RunUpdated>(RUN_UPDATED, { id })) {
    if (runUpdated.progress.done > 0) return { id, seen: runUpdated.progress.done }
  }
  throw new Error('the run ended without a task')
}

async function expectWholeCompute(api: ApiClient, id: string, count: number): Promise<void> {
  const fields = `status reduction progress { done succeeded } tasks(first: 0) { totalCount }
    timings { service { count } queueWait { count } }`
  expect(await api.run(id, fields)).toEqual({
    status: 'SUCCEEDED',
    reduction: (count * (count - 1)) / 2,
    progress: { done: count, succeeded: count },
    timings: { service: { count }, queueWait: { count } },
    tasks: { totalCount: count },
  })
  const indexes = new Set<number>()
  let told = 0
  const query = 'subscription($id: ID!) { tasksEnded(runId: $id, maxPerSecond: 60) { nodes { index output } } }'
  type Batch = { tasksEnded: { nodes: { index: number; output: number }[] } }
  for await (const { tasksEnded } of api.subscribe<Batch>(query, { id })) {
    for (const { index, output } of tasksEnded.nodes) {
      if (index !== output) throw new Error(`item ${index} has the output ${output}`)
      indexes.add(index)
      told += 1
    }
  }
  expect({ told, different: indexes.size }).toEqual({ told: count, different: count })
}

describe.each([
  { how: 'killed', signal: 'SIGKILL', exit: { code: null, signal: 'SIGKILL' }, count: 110_000 },
  { how: 'told to leave', signal: 'SIGTERM', exit: { code: 0, signal: null }, count: 20_000 },
] as const)('a server that is $how', ({ signal, exit, count }) => {
  it('goes on with its runs after the next start, and does nothing twice that had ended', async () => {
    server = await start()
    const id = await server.api.start(launchFetches(server.api))
    const updates = drain(await server.api.open<RunUpdated>(RUN_UPDATED, { id }))
    const stream = await server.api.open<TaskEnded>(TASK_ENDED, { id })
    const seen = (await take(stream, QUICK)).map(({ taskEnded }) => taskEnded)
    await origin.arrived('/hold', IN_FLIGHT)
    const before = await server.api.run(id, 'createdAt startedAt labels { name value } request')
    const compute = await launchCompute(server.api, count)
    const rest = drain(stream)
    expect(await server.end(signal)).toMatchObject(exit)
    expect(await rest).toEqual({ all: [], end: 'cut' })

    server = await start()
    const { api } = server
    expect(await api.run(id, 'createdAt startedAt labels { name value } request')).toEqual(before)
    expect(await api.tasks(id, 'index', 'orderBy: ENDED')).toEqual(seen.map(({ node }) => ({ index: node.index })))
    const { progress } = await api.run<{ progress: { done: number } }>(compute.id, 'progress { done }')
    expect(progress.done).toBeGreaterThanOrEqual(compute.seen)
    const moreUpdates = drain(await api.open<RunUpdated>(RUN_UPDATED, { id }))
    await origin.arrived('/hold', 2 * IN_FLIGHT)
    origin.release('/hold')
    expect(await api.ended(id)).toBe('SUCCEEDED')
    expectRising([...(await updates).all, ...(await moreUpdates).all])
    await expectEachOnce(api, id, seen, QUICK + HELD)
    expect(origin.requests('/json')).toBe(QUICK)
    // What was in flight was asked for again: at least once is what is promised.
    expect(origin.requests('/hold')).toBe(HELD + IN_FLIGHT)
    expect(await api.run(id, 'progress { total succeeded failed cancelled skipped queued running }')).toEqual({
      progress: { total: 60, succeeded: 60, failed: 0, cancelled: 0, skipped: 0, queued: 0, running: 0 },
    })
    await api.ended(compute.id)
    await expectWholeCompute(api, compute.id, count)
  })
})

describe('runs from files', () => {
  it('go on after a kill, with the items that they had', async () => {
    server = await start()
    const count = 60_000
    const inputs = fileOf(Array.from({ length: count }, (_, at) => at))
    const compute = await server.api.start(launchComputeFile(server.url, inputs, { function: 'same', reduce: 'SUM' }))
    const urls = [
      ...Array.from({ length: QUICK }, (_, i) => `json?i=${i}`),
      ...Array.from({ length: HELD }, (_, i) => `hold?i=${i}`),
    ]
    const requests = fileOf(urls.map((path) => JSON.stringify({ url: `${origin.url}/${path}` })).join('\n'))
    const options = { strategy: 'ASYNC', concurrency: IN_FLIGHT }
    const fetch = await server.api.start(
      launchFetchFile(server.url, requests, { fetch: { bodyPolicy: 'TEXT' }, options }),
    )
    await origin.arrived('/hold', IN_FLIGHT)
    // One that is still coming in belongs to nobody.
    const upload = openUpload(server.url, 1_000_000)
    await upload.write(
      bodyOf(
        [
          { name: 'operations', content: '{"query":"","variables":{"f":null}}' },
          { name: 'map', content: '{"0":["variables.f"]}' },
        ],
        '',
      ),
    )
    await upload.write(Buffer.from('--x-heddle-x\r\ncontent-disposition: form-data; name="0"; filename="a"\r\n\r\n1\n'))
    await until(() => uploadsIn(dataDir).length === 3)
    await server.end('SIGKILL')
    upload.destroy()
    expect(uploadsIn(dataDir)).toHaveLength(3)

    server = await start()
    expect(uploadsIn(dataDir)).toHaveLength(2)
    origin.release('/hold')
    const { api } = server
    expect([await api.ended(compute), await api.ended(fetch)]).toEqual(['SUCCEEDED', 'SUCCEEDED'])
    await expectWholeCompute(api, compute, count)
    await expectEachOnce(api, fetch, [], QUICK + HELD)
    const [first] = await api.tasks<{ input: unknown }>(fetch, 'input')
    expect(first?.input).toMatchObject({ url: `${origin.url}/json?i=0`, method: 'GET' })
  })
})

describe('a launch that was answered', () => {
  it('is on disk: it survives a kill at that moment, and runs after the next start', async () => {
    server = await start()
    const urls = Array.from({ length: 50 }, (_, i) => `${origin.url}/json?i=${i}`)
    const options = { idempotencyKey: 'once' }
    const { run } = await server.api.launchFetch({ source: { urls }, options })
    await server.end('SIGKILL')
    server = await start()
    const again = await server.api.launchFetch({ source: { urls }, options })
    expect(again).toMatchObject({ deduplicated: true, run: { id: run?.id } })
    expect(await server.api.ended(run?.id ?? '')).toBe('SUCCEEDED')
    const tasks = await server.api.tasks<{ index: number }>(run?.id ?? '', 'index')
    expect(tasks.map(({ index }) => index)).toEqual(urls.map((_, at) => at))
  })
})

describe('a server that leaves', () => {
  it('lets what is in service end, and hands out nothing more', async () => {
    server = await start({ HEDDLE_DRAIN_MS: '20000' })
    const id = await server.api.start(launchFetches(server.api))
    await origin.arrived('/hold', IN_FLIGHT)
    const leaving = server.end('SIGTERM')
    while ((await fetch(`${server.url}/ready`)).status === 200);
    // Still there for those who look on, and for launches: those run after the next start.
    expect((await fetch(`${server.url}/health`)).status).toBe(200)
    const later = await server.api.start(
      server.api.launchCompute({ function: 'countPrimes', source: { inputs: [100] } }),
    )
    origin.release('/hold')
    expect(await leaving).toMatchObject({ code: 0, signal: null })
    expect(origin.requests('/hold')).toBe(IN_FLIGHT)

    server = await start()
    expect(await server.api.ended(id)).toBe('SUCCEEDED')
    expect(await server.api.ended(later)).toBe('SUCCEEDED')
    // What ended in time was not done again.
    expect(origin.requests('/hold')).toBe(HELD)
    await expectEachOnce(server.api, id, [], QUICK + HELD)
  })

  it('does not wait for a function that never returns', async () => {
    server = await start()
    const inputs = [{ do: 'spin' }, { do: 'spin' }, { do: 'echo', value: 1 }]
    const launch = server.api.launchCompute({ function: 'act', source: { inputs }, options: { strategy: 'PROCESSES' } })
    const id = await server.api.start(launch)
    const spinning = async () =>
      (await server.api.run<{ inFlight: object[] }>(id, 'inFlight { index }')).inFlight.length
    while ((await spinning()) < 2);
    expect(await server.end('SIGTERM')).toMatchObject({ code: 0, signal: null })
    server = await start()
    expect(await server.api.run(id, 'status tasks { totalCount }')).toEqual({
      status: 'RUNNING',
      tasks: { totalCount: 0 },
    })
  })
})

describe('a run whose function is gone after a restart', () => {
  it('fails as a whole, and says why', async () => {
    server = await start()
    const inputs = Array.from({ length: 4 }, () => ({ do: 'spin' }))
    const launch = server.api.launchCompute({ function: 'act', source: { inputs } })
    const id = await server.api.start(launch)
    await server.end('SIGKILL')
    server = await start({ HEDDLE_FUNCTIONS_DIR: '' })
    expect(await server.api.ended(id)).toBe('FAILED')
    expect(
      await server.api.run(
        id,
        'status failure { code message retryable } progress { total skipped } tasks { totalCount }',
      ),
    ).toEqual({
      status: 'FAILED',
      failure: { code: 'FUNCTION_ERROR', message: expect.stringContaining('"act"'), retryable: false },
      progress: { total: 4, skipped: 4 },
      tasks: { totalCount: 0 },
    })
  })
})
