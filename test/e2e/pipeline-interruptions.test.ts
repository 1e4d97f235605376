/** Pipelines whose server is killed, or told to leave, in the middle of them. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ApiClient, drain, take } from '../support/api.js'
import { type Origin, startOrigin } from '../support/origin.js'
import { jsonDocument } from '../support/origin-routes.js'
import { type ServerProcess, startProcess } from '../support/process.js'
import { FUNCTIONS_DIR } from '../support/server.js'

const QUICK = 40
const HELD = 20
const IN_FLIGHT = 4
const COUNT = QUICK + HELD

let dataDir: string
let origin: Origin
let server: ServerProcess

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'heddle-pipelines-'))
  origin = await startOrigin()
})

afterEach(async () => {
  await server?.end('SIGKILL')
  await origin.close()
  await rm(dataDir, { recursive: true, force: true })
})

function start(): Promise<ServerProcess> {
  return startProcess({
    HEDDLE_DATA_DIR: dataDir,
    HEDDLE_FUNCTIONS_DIR: FUNCTIONS_DIR,
    HEDDLE_ALLOW_HOSTS: '127.0.0.1',
    HEDDLE_LANES: '2',
    HEDDLE_DRAIN_MS: '200',
  })
}

const numbers = (count: number) => Array.from({ length: count }, (_, at) => at)
const compute = (name: string, more: object = {}) => ({ compute: { function: name, ...more } })

interface TaskNode {
  stage: number
  index: number
  status: string
  output: unknown
}

interface TaskEnded {
  taskEnded: { cursor: string; node: TaskNode }
}

const TASK_ENDED =
  'subscription($id: ID!, $after: String) { taskEnded(runId: $id, after: $after) { cursor node { stage index status output } } }'

interface Progress {
  succeeded: number
  done: number
  total: number
}

const STAGES = 'status stages { progress { succeeded done total } }'
const stagesOf = async (api: ApiClient, id: string) =>
  (await api.run<{ stages: { progress: Progress }[] }>(id, STAGES)).stages.map(({ progress }) => progress)

/** Pages that name another page, which the last of them are kept waiting for; then a compute of each. */
function launchFetches(api: ApiClient): Promise<string> {
  const second = (i: number) => `${origin.url}/${i < QUICK ? 'json' : 'hold'}?i=${i}`
  const requests = numbers(COUNT).map((i) => ({ url: `${origin.url}/echo`, method: 'PUT', body: second(i) }))
  const stages = [
    // One at a time: they come to the third stage in their order.
    { fetch: { fetch: { bodyPolicy: 'JSON' }, strategy: 'SEQUENTIAL' } },
    compute('anything', { inputFrom: '/body', strategy: 'PROCESSES', concurrency: 1 }),
    { fetch: { fetch: { bodyPolicy: 'TEXT' }, concurrency: IN_FLIGHT } },
    compute('anything'),
  ]
  return api.start(api.launchPipeline({ source: { requests }, stages }))
}

/** A pipeline of computes of which some have come through all stages. */
async function launchComputes(api: ApiClient, count: number): Promise<string> {
  const stages = [compute('same'), compute('same'), compute('same')]
  const id = await api.start(api.launchPipeline({ source: { range: { from: 0, to: count } }, stages }))
  type Update = { runUpdated: { stages: { progress: Progress }[] } }
  const updates = `subscription($id: ID!) { runUpdated(id: $id, maxPerSecond: 60) { ${STAGES} } }`
  for await (const { runUpdated } of api.subscribe<Update>(updates, { id })) {
    if (runUpdated.stages[2]!.progress.done > 0) return id
  }
  throw new Error('the run ended without a task')
}

/** Each item went through its stages in their order, and through each of them once. */
function expectInOrder(nodes: readonly TaskNode[], stages: number, count: number): void {
  const reached = new Map<number, number>()
  for (const { stage, index } of nodes) {
    if ((reached.get(index) ?? 0) !== stage) throw new Error(`item ${index} ended in stage ${stage} out of turn`)
    reached.set(index, stage + 1)
  }
  expect(reached.size).toBe(count)
  expect([...reached.values()].every((last) => last === stages)).toBe(true)
}

async function expectWhole(api: ApiClient, id: string, count: number): Promise<void> {
  const fields = `status progress { done succeeded } timings { service { count } }
    stages { progress { done succeeded skipped } timings { service { count } queueWait { count } } }`
  const stage = {
    progress: { done: count, succeeded: count, skipped: 0 },
    timings: { service: { count }, queueWait: { count } },
  }
  expect(await api.run(id, fields)).toEqual({
    status: 'SUCCEEDED',
    progress: { done: 3 * count, succeeded: 3 * count },
    timings: { service: { count: 3 * count } },
    stages: [stage, stage, stage],
  })
  const query = 'subscription($id: ID!) { tasksEnded(runId: $id, maxPerSecond: 60) { nodes { stage index output } } }'
  const nodes: TaskNode[] = []
  for await (const { tasksEnded } of api.subscribe<{ tasksEnded: { nodes: TaskNode[] } }>(query, { id }))
    nodes.push(...tasksEnded.nodes)
  expectInOrder(nodes, 3, count)
  expect(nodes.every(({ index, output }) => index === output)).toBe(true)
}

describe.each([
  { how: 'killed', signal: 'SIGKILL', exit: { code: null, signal: 'SIGKILL' }, count: 60_000 },
  { how: 'told to leave', signal: 'SIGTERM', exit: { code: 0, signal: null }, count: 20_000 },
] as const)('a server that is $how in the middle of pipelines', ({ signal, exit, count }) => {
  it('goes on with each item where it was, and does nothing twice that had ended', async () => {
    server = await start()
    const id = await launchFetches(server.api)
    const stream = await server.api.open<TaskEnded>(TASK_ENDED, { id })
    const seen = (await take(stream, 4 * QUICK + 2 * HELD)).map(({ taskEnded }) => taskEnded)
    await origin.arrived('/hold', IN_FLIGHT)
    const computed = await launchComputes(server.api, count)
    const rest = drain(stream)
    expect(await server.end(signal)).toMatchObject(exit)
    expect(await rest).toEqual({ all: [], end: 'cut' })

    server = await start()
    const { api } = server
    expect(await api.tasks(id, 'stage index status output', 'orderBy: ENDED')).toEqual(seen.map(({ node }) => node))
    const [first, second, third] = await stagesOf(api, computed)
    expect(third!.succeeded).toBeGreaterThan(0)
    expect(second!.succeeded).toBeGreaterThanOrEqual(third!.succeeded)
    expect(first!.succeeded).toBeGreaterThanOrEqual(second!.succeeded)
    await origin.arrived('/hold', 2 * IN_FLIGHT)
    origin.release('/hold')
    expect(await api.ended(id)).toBe('SUCCEEDED')

    const { all, end } = await drain(api.subscribe<TaskEnded>(TASK_ENDED, { id, after: seen.at(-1)?.cursor }))
    expect(end).toBe('complete')
    const nodes = [...seen, ...all.map(({ taskEnded }) => taskEnded)].map(({ node }) => node)
    expectInOrder(nodes, 4, COUNT)
    const outputs = nodes.filter(({ stage }) => stage === 3).sort((a, b) => a.index - b.index)
    expect(outputs.map(({ output }) => output)).toEqual([
      ...numbers(QUICK).map(jsonDocument),
      ...Array(HELD).fill('released'),
    ])
    expect([origin.requests('/echo'), origin.requests('/json')]).toEqual([COUNT, QUICK])
    // What was in flight was asked for again: at least once is what is promised.
    expect(origin.requests('/hold')).toBe(HELD + IN_FLIGHT)

    expect(await api.ended(computed)).toBe('SUCCEEDED')
    await expectWhole(api, computed, count)
  })

  it('asks again for nothing that a later stage was answered', async () => {
    server = await start()
    const urls = numbers(90).map((at) => `${origin.url}/${at % 3 === 2 ? 'hold' : 'json'}?i=${at % 3}`)
    const stages = [
      compute('anything'),
      { fetch: { fetch: { bodyPolicy: 'TEXT', dedupe: true } } },
      compute('anything'),
    ]
    const id = await server.api.start(server.api.launchPipeline({ source: { inputs: urls }, stages }))
    await origin.arrived('/hold')
    const stream = await server.api.open<TaskEnded>(TASK_ENDED, { id })
    // All of the first stage, and what two of three have been answered in the others.
    await take(stream, 90 + 60 + 60)
    const rest = drain(stream)
    await server.end(signal)
    await rest

    server = await start()
    await origin.arrived('/hold', 2)
    origin.release('/hold')
    expect(await server.api.ended(id)).toBe('SUCCEEDED')
    expect([origin.requests('/json'), origin.requests('/hold')]).toEqual([2, 2])
    const outputs = await server.api.tasks<{ output: unknown }>(id, 'output', 'filter: { stage: 2 }')
    const expected = [jsonDocument(0), jsonDocument(1), 'released']
    expect(outputs.map(({ output }) => output)).toEqual(numbers(90).map((at) => expected[at % 3]))
  })
})
