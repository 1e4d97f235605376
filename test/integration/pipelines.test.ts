import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startOrigin as startEncyclopedia } from '../../src/demo/origin.js'
import { type ApiClient, drain, type Variables } from '../support/api.js'
import { blocksOf } from '../support/markdown.js'
import { type Origin, startOrigin } from '../support/origin.js'
import { jsonDocument } from '../support/origin-routes.js'
import { FUNCTIONS_DIR, startTestServer, type TestServer } from '../support/server.js'
import { fileOf, launchPipelineFile } from '../support/uploads.js'

let origin: Origin
let server: TestServer
let api: ApiClient

beforeAll(async () => {
  origin = await startOrigin()
  server = await startTestServer({ HEDDLE_FUNCTIONS_DIR: FUNCTIONS_DIR, HEDDLE_LANES: '2' })
  api = server.api
})

afterAll(async () => {
  await server.close()
  await origin.close()
  expect(server.logged).toEqual([])
})

const numbers = (count: number) => Array.from({ length: count }, (_, at) => at)

const compute = (name: string, more: Variables = {}) => ({ compute: { function: name, ...more } })
const fetching = (bodyPolicy: string, { fetch = {}, ...more }: { [key: string]: unknown; fetch?: object } = {}) => ({
  fetch: { fetch: { bodyPolicy, ...fetch }, ...more },
})
/** What `act` gives back. */
const echo = (value: unknown) => ({ do: 'echo', value })

interface Counts {
  total: number
  succeeded: number
  failed: number
  cancelled: number
  skipped: number
  queued: number
  running: number
  done: number
}

interface TaskNode {
  stage: number
  index: number
  status: string
  input: unknown
  output: unknown
  error: { code: string; message: string } | null
  attempts: number
  startedMs: number
  queueWaitMs: number
  serviceMs: number
  lane: string
}

const COUNTS = 'total succeeded failed cancelled skipped queued running done'
const TASK = 'stage index status input output error { code message } attempts startedMs queueWaitMs serviceMs lane'

const tasksOf = (id: string, stage: number) => api.tasks<TaskNode>(id, TASK, `filter: { stage: ${stage} }`)
const progressOf = (id: string) =>
  api.run<{ status: string; progress: Counts; stages: { progress: Counts }[] }>(
    id,
    `status progress { ${COUNTS} } stages { progress { ${COUNTS} } }`,
  )

/** Counts of each stage: succeeded, failed, skipped. */
async function stageCounts(id: string): Promise<number[][]> {
  const { stages } = await progressOf(id)
  return stages.map(({ progress: { succeeded, failed, skipped } }) => [succeeded, failed, skipped])
}

/** Pages that name another page, which is fetched in its turn. */
function launchPages(count: number, options: Variables = {}) {
  const requests = numbers(count).map((i) => ({
    url: `${origin.url}/echo`,
    method: 'POST',
    body: `${origin.url}/json?i=${i}`,
    headers: [{ name: 'authorization', value: `Bearer ${i}` }],
  }))
  const stages = [
    fetching('JSON', { name: 'pages' }),
    compute('anything', { name: 'links', inputFrom: '/body' }),
    fetching('JSON'),
    compute('anything', { inputFrom: '/id' }),
  ]
  return api.launchPipeline({ source: { requests }, stages, options })
}

describe('a pipeline of fetches and computes', () => {
  const COUNT = 40

  it('takes each item through all stages, and has the outputs right and under their indexes', async () => {
    const id = await api.start(launchPages(COUNT))
    expect(await api.ended(id)).toBe('SUCCEEDED')
    const [pages, links, documents, ids] = await Promise.all(numbers(4).map((stage) => tasksOf(id, stage)))
    for (const tasks of [pages, links, documents, ids]) {
      expect(tasks!.map(({ index }) => index)).toEqual(numbers(COUNT))
      expect(tasks!.every(({ status }) => status === 'SUCCEEDED')).toBe(true)
    }
    expect(ids!.map(({ output }) => output)).toEqual(numbers(COUNT))
    expect(documents!.map(({ output }) => output)).toEqual(numbers(COUNT).map((i) => JSON.parse(jsonDocument(i))))
    // What each was given is what the stage before gave, where the pointer says; secrets of requests are masked.
    expect(pages![3]!.input).toMatchObject({ headers: [{ name: 'authorization', value: '***' }] })
    expect(links![3]!.input).toBe(`${origin.url}/json?i=3`)
    expect(documents![3]!.input).toBe(`${origin.url}/json?i=3`)
    expect(ids![3]!.input).toBe(3)
    expect(origin.requests('/json')).toBe(COUNT)
  })

  it('starts no item in a stage before it has left the one before, and counts its wait from then', async () => {
    const id = await api.finish(launchPages(COUNT))
    const stages = await Promise.all(numbers(4).map((stage) => tasksOf(id, stage)))
    for (const [stage, tasks] of stages.entries()) {
      for (const [index, { startedMs, queueWaitMs }] of tasks.entries()) {
        const before = stages[stage - 1]?.[index]
        if (before === undefined) continue
        const leftMs = before.startedMs + before.serviceMs
        expect(startedMs).toBeGreaterThanOrEqual(leftMs)
        expect(queueWaitMs).toBeCloseTo(startedMs - leftMs, 3)
      }
    }
  })

  it('tells of each stage what it is, how far it came and what it took, and of the run all together', async () => {
    const id = await api.finish(launchPages(COUNT, { strategy: 'THREADS' }))
    const fields = `kind effectiveStrategy lanes concurrency decision { strategy } function
      progress { ${COUNTS} fraction etaMs } timings { serviceTotalMs service { count exact p50 } queueWait { count } }
      stages { index kind name effectiveStrategy lanes concurrency progress { ${COUNTS} etaMs }
        timings { wallMs serviceTotalMs service { count exact p50 } queueWait { count } } }`
    type Timings = { wallMs: number; serviceTotalMs: number }
    const run = await api.run<{ timings: Timings; stages: { timings: Timings }[] }>(id, fields)
    const ended = { succeeded: COUNT, failed: 0, cancelled: 0, skipped: 0, queued: 0, running: 0, etaMs: 0 }
    const progress = { ...ended, total: COUNT, done: COUNT }
    const times = { service: { count: COUNT, exact: true }, queueWait: { count: COUNT } }
    const fetches = {
      kind: 'FETCH',
      effectiveStrategy: 'THREADS',
      lanes: 2,
      concurrency: COUNT,
      progress,
      timings: times,
    }
    const computes = {
      kind: 'COMPUTE',
      effectiveStrategy: 'THREADS',
      lanes: 2,
      concurrency: 2,
      progress,
      timings: times,
    }
    expect(run).toMatchObject({
      kind: 'PIPELINE',
      effectiveStrategy: 'THREADS',
      lanes: 8,
      concurrency: 2 * COUNT + 4,
      decision: null,
      function: 'anything',
      progress: { ...progress, total: 4 * COUNT, done: 4 * COUNT, succeeded: 4 * COUNT, fraction: 1 },
      timings: { service: { count: 4 * COUNT, exact: true }, queueWait: { count: 4 * COUNT } },
      stages: [
        { index: 0, name: 'pages', ...fetches },
        { index: 1, name: 'links', ...computes },
        { index: 2, name: 'fetch', ...fetches },
        { index: 3, name: 'anything', ...computes },
      ],
    })
    const sum = run.stages.reduce((all, { timings }) => all + timings.serviceTotalMs, 0)
    expect(run.timings.serviceTotalMs).toBeCloseTo(sum, 6)
  })

  it('tells the end of every task of every stage once, in the order of the stages', async () => {
    const id = await api.start(launchPages(COUNT))
    type Ended = { taskEnded: { cursor: string; node: { stage: number; index: number } } }
    const stream = 'subscription($id: ID!) { taskEnded(runId: $id) { cursor node { stage index } } }'
    const { all, end } = await drain(api.subscribe<Ended>(stream, { id }))
    expect(end).toBe('complete')
    const seen = all.map(({ taskEnded: { node } }) => node)
    expect(seen).toHaveLength(4 * COUNT)
    for (const index of numbers(COUNT)) {
      const stages = seen.filter((node) => node.index === index).map(({ stage }) => stage)
      expect(stages).toEqual([0, 1, 2, 3])
    }
    expect(new Set(all.map(({ taskEnded: { cursor } }) => cursor)).size).toBe(4 * COUNT)
    const listed = await api.tasks<{ stage: number; index: number }>(id, 'stage index', 'orderBy: ENDED')
    expect(listed).toEqual(seen)
  })

  it('tells what was asked so that it can be asked again', async () => {
    const stages = [compute('act', { strategy: 'SEQUENTIAL' }), compute('anything', { inputFrom: '/0' })]
    const id = await api.finish(api.launchPipeline({ source: { inputs: [echo([7])] }, stages }))
    const { request } = await api.run<{ request: { source: object; stages: object[]; options: object } }>(id, 'request')
    expect(request.source).toEqual({ inputs: 1 })
    const again = await api.finish(
      api.launchPipeline({ source: { inputs: [echo([7])] }, stages: request.stages, options: request.options }),
    )
    expect((await tasksOf(again, 1)).map(({ output }) => output)).toEqual([7])
    expect(await api.run(again, 'request')).toEqual({ request })
  })

  it('is found by its kind and by its function', async () => {
    const id = await api.finish(launchPages(1))
    const query = 'query($filter: RunFilter) { runs(first: 1, filter: $filter) { nodes { id } } }'
    for (const filter of [{ kind: ['PIPELINE'] }, { function: 'anything', kind: ['PIPELINE'] }]) {
      expect(await api.ask(query, { filter })).toEqual({ runs: { nodes: [{ id }] } })
    }
  })

  it('takes one stage', async () => {
    const id = await api.finish(
      api.launchPipeline({ source: { range: { from: 0, to: 10 } }, stages: [compute('same')] }),
    )
    expect((await tasksOf(id, 0)).map(({ output }) => output)).toEqual(numbers(10))
  })

  it('takes many stages, and hands on what is past 2^53 with all its digits', async () => {
    const source = { range: { from: 10_000_000, to: 10_000_001 } }
    const stages = [compute('sumOfSquares'), ...Array<object>(20).fill(compute('anything'))]
    const id = await api.finish(api.launchPipeline({ source, stages }))
    expect((await tasksOf(id, 20)).map(({ output }) => output)).toEqual(['333333283333335000000'])
  })

  it('takes its items from a file', async () => {
    const lines = fileOf(
      numbers(30)
        .map((i) => `${origin.url}/json?i=${i}`)
        .join('\n'),
    )
    const stages = [fetching('JSON'), compute('anything', { inputFrom: '/name' })]
    const id = await api.finish(launchPipelineFile(api.url, lines, { stages }))
    expect((await tasksOf(id, 1)).map(({ output }) => output)).toEqual(numbers(30).map((i) => `item-${i}`))
    const inputs = fileOf([echo(1), 'no act', echo(3)])
    const computed = await api.finish(
      launchPipelineFile(api.url, inputs, { stages: [compute('act'), compute('same')] }),
    )
    expect(await stageCounts(computed)).toEqual([
      [2, 1, 0],
      [2, 0, 1],
    ])
  })

  it('is launched once with one idempotency key', async () => {
    const input = { source: { range: { from: 0, to: 3 } }, stages: [compute('same'), compute('same')] }
    const options = { idempotencyKey: 'a pipeline' }
    const first = await api.launchPipeline({ ...input, options })
    expect(await api.launchPipeline({ ...input, options })).toMatchObject({
      deduplicated: true,
      run: { id: first.run?.id },
    })
    const other = await api.launchPipeline({ ...input, stages: [compute('same')], options })
    expect(other.userErrors).toMatchObject([{ code: 'IDEMPOTENCY_CONFLICT' }])
  })
})

describe('the example of docs/pipelines.md', () => {
  it('runs against the origin that is there to try things with', async () => {
    const encyclopedia = await startEncyclopedia()
    const page = readFileSync(new URL('../../docs/pipelines.md', import.meta.url), 'utf8')
    const [launch = '', query = ''] = blocksOf(page, 'graphql')
    const url = 'http://127.0.0.1:4001'
    expect(launch).toContain(url)
    const { launchPipeline } = await api.ask<{ launchPipeline: { run: { id: string }; userErrors: unknown[] } }>(
      launch.replaceAll(url, encyclopedia.url),
    )
    expect(launchPipeline.userErrors).toEqual([])
    const { id } = launchPipeline.run
    expect(await api.ended(id)).toBe('SUCCEEDED')
    type Answer = { run: { stages: { name: string; progress: Counts }[]; tasks: { nodes: TaskNode[] } } }
    const { run } = await api.ask<Answer>(query, { id })
    expect(run.stages.map(({ name, progress }) => [name, progress.succeeded])).toEqual([
      ['pages', 300],
      ['words', 300],
    ])
    expect(run.tasks.nodes[0]).toMatchObject({ stage: 1, index: 0, input: expect.stringMatching(/^A heddle is/) })
    await encyclopedia.close()
  })
})

describe('what a fetch hands over', () => {
  it('is the body as text or as JSON, and what is known of it where it is not kept', async () => {
    const given = async (bodyPolicy: string) => {
      const stages = [fetching(bodyPolicy), compute('anything')]
      const id = await api.finish(api.launchPipeline({ source: { urls: [`${origin.url}/json?i=1`] }, stages }))
      const [first] = await tasksOf(id, 0)
      const [second] = await tasksOf(id, 1)
      expect(second?.input).toEqual(second?.output)
      return { output: first?.output, given: second?.output }
    }
    const text = jsonDocument(1)
    expect(await given('JSON')).toEqual({ output: JSON.parse(text), given: JSON.parse(text) })
    expect(await given('TEXT')).toEqual({ output: text, given: text })
    const detail = { url: `${origin.url}/json?i=1`, status: 200, bytes: text.length, contentType: 'application/json' }
    for (const policy of ['DISCARD', 'STORE']) {
      const sha256 = expect.stringMatching(/^[0-9a-f]{64}$/)
      expect(await given(policy)).toEqual({ output: null, given: { ...detail, sha256 } })
    }
  })

  it('is stored by each stage that says so', async () => {
    const stages = [
      fetching('STORE'),
      compute('anything', { inputFrom: '/url' }),
      fetching('STORE', { fetch: { headers: [{ name: 'x-stage', value: 'two' }] } }),
    ]
    const urls = [1, 2].map((i) => `${origin.url}/echo?i=${i}`)
    const id = await api.finish(api.launchPipeline({ source: { urls }, stages }))
    const bodies = await Promise.all(
      [0, 2].map((stage) => api.tasks<{ body: string }>(id, 'body', `filter: { stage: ${stage} }`)),
    )
    const [first, second] = bodies.map((tasks) =>
      tasks.map(({ body }) => JSON.parse(body) as { url: string; headers: Record<string, string> }),
    )
    expect(first!.map(({ url, headers }) => [url, headers['x-stage']])).toEqual([
      ['/echo?i=1', undefined],
      ['/echo?i=2', undefined],
    ])
    expect(second!.map(({ url, headers }) => [url, headers['x-stage']])).toEqual([
      ['/echo?i=1', 'two'],
      ['/echo?i=2', 'two'],
    ])
  })

  it('may be a whole request, whose secrets are sent and not shown', async () => {
    const headers = [{ name: 'authorization', value: 'Bearer secret' }]
    const request = { url: `${origin.url}/echo`, method: 'put', headers, body: 'ü' }
    const stages = [compute('act'), fetching('JSON', { urlFrom: '/request' })]
    const id = await api.finish(api.launchPipeline({ source: { inputs: [echo({ request })] }, stages }))
    const [task] = await tasksOf(id, 1)
    expect(task?.output).toMatchObject({ method: 'PUT', body: 'ü', headers: { authorization: 'Bearer secret' } })
    expect(task?.input).toEqual({ ...request, method: 'PUT', headers: [{ name: 'authorization', value: '***' }] })
  })
})
