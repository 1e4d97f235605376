import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ApiClient, Variables } from '../support/api.js'
import { type Origin, startOrigin } from '../support/origin.js'
import { FUNCTIONS_DIR, startTestServer, type TestServer } from '../support/server.js'

interface Edge<Node> {
  cursor: string
  node: Node
}

interface Page<Node> {
  edges: Edge<Node>[]
  nodes: Node[]
  pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string | null; endCursor: string | null }
  totalCount: number
}

interface Run {
  id: string
  name: string | null
  status: string
  createdAt: string
  timings: { wallMs: number } | null
}

interface Task {
  id: string
  index: number
  status: string
  lane: string | null
  serviceMs: number
  startedMs: number
  error: { code: string } | null
}

interface Window {
  first?: number
  last?: number
  after?: string | null
  before?: string | null
}

const RUN = 'id name status createdAt timings { wallMs }'
const TASK = 'id index status lane serviceMs startedMs error { code }'
const PAGE = (node: string) =>
  `edges { cursor node { ${node} } } nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount`
const WINDOW = '$first: Int, $last: Int, $after: String, $before: String'
const ARGS = 'first: $first, last: $last, after: $after, before: $before'
const RUNS = `query(${WINDOW}, $filter: RunFilter, $orderBy: RunOrder) {
  runs(${ARGS}, filter: $filter, orderBy: $orderBy) { ${PAGE(RUN)} }
}`
const TASKS = `query($id: ID!, ${WINDOW}, $filter: TaskFilter, $orderBy: TaskOrder) {
  run(id: $id) { tasks(${ARGS}, filter: $filter, orderBy: $orderBy) { ${PAGE(TASK)} } }
}`

let origin: Origin
let server: TestServer
let api: ApiClient
/** In the order of their launch. */
const runs: Run[] = []
/** A run of 60 fetches that fare differently. */
let wide: string

beforeAll(async () => {
  origin = await startOrigin()
  server = await startTestServer({ HEDDLE_FUNCTIONS_DIR: FUNCTIONS_DIR, HEDDLE_LANES: '2' })
  api = server.api
  for (let i = 0; i < 24; i += 1) {
    const fails = i % 4 === 3
    const inputs = [{ do: 'echo', value: i }, fails ? { do: 'fail', message: 'no' } : { do: 'burn', ms: (i * 7) % 5 }]
    const options = {
      name: `run ${i % 5}`,
      strategy: i % 2 === 0 ? 'THREADS' : 'SEQUENTIAL',
      labels: [{ name: 'third', value: String(i % 3) }, ...(i % 2 === 0 ? [{ name: 'even', value: 'yes' }] : [])],
    }
    const id = await api.finish(api.launchCompute({ function: 'act', source: { inputs }, options }))
    runs.push(await api.run<Run>(id, RUN))
  }
  const paths = ['/json', '/missing', '/corrupt', '/bytes?n=2000&']
  const urls = Array.from({ length: 60 }, (_, i) => `${origin.url}${paths[i % 4]}${i % 4 === 3 ? '' : '?'}i=${i}`)
  const options = { strategy: 'THREADS', concurrency: 6 }
  wide = await api.finish(api.launchFetch({ source: { urls }, fetch: { maxBytes: 1000 }, options }))
  runs.push(await api.run<Run>(wide, RUN))
})

afterAll(async () => {
  await server.close()
  await origin.close()
})

async function runsPage(window: Window, args: Variables = {}): Promise<Page<Run>> {
  return (await api.ask<{ runs: Page<Run> }>(RUNS, { ...window, ...args })).runs
}

async function tasksPage(window: Window, args: Variables = {}): Promise<Page<Task>> {
  return (await api.ask<{ run: { tasks: Page<Task> } }>(TASKS, { id: wide, ...window, ...args })).run.tasks
}

/** What must hold of every page: its flags are right, its cursors are those of its edges. */
function expectPage<Node extends { id: string }>(page: Page<Node>, whole: readonly Edge<Node>[], from: number): void {
  const { edges, nodes, pageInfo, totalCount } = page
  expect(edges).toEqual(whole.slice(from, from + edges.length))
  expect(nodes).toEqual(edges.map(({ node }) => ({ id: node.id })))
  expect(totalCount).toBe(whole.length)
  expect(pageInfo).toEqual({
    hasPreviousPage: from > 0,
    hasNextPage: from + edges.length < whole.length,
    startCursor: edges.at(0)?.cursor ?? null,
    endCursor: edges.at(-1)?.cursor ?? null,
  })
}

/** Through the whole list in pages of this size, from its start and from its end. */
async function expectWalks<Node extends { id: string }>(
  pageOf: (window: Window) => Promise<Page<Node>>,
  whole: readonly Edge<Node>[],
  size: number,
): Promise<void> {
  for (let from = 0, after: string | null = null; from < whole.length; ) {
    const page: Page<Node> = await pageOf({ first: size, after })
    expectPage(page, whole, from)
    from += page.edges.length
    after = page.pageInfo.endCursor
  }
  for (let to = whole.length, before: string | null = null; to > 0; ) {
    const page: Page<Node> = await pageOf({ last: size, before })
    expectPage(page, whole, to - page.edges.length)
    to -= page.edges.length
    before = page.pageInfo.startCursor
  }
}

const byNumber = (a: number, b: number) => a - b

describe('pages of runs', () => {
  it.each(['CREATED_DESC', 'CREATED_ASC', 'DURATION_DESC', 'DURATION_ASC'])(
    'walk through the whole list, forward and backward: %s',
    async (orderBy) => {
      const pageOf = (window: Window) => runsPage(window, { orderBy })
      const { edges } = await pageOf({ first: 1000 })
      const descending = orderBy.endsWith('DESC')
      if (orderBy.startsWith('CREATED')) {
        const ids = edges.map(({ node }) => node.id)
        expect(descending ? ids.reverse() : ids).toEqual(runs.map(({ id }) => id))
      } else {
        expect(new Set(edges.map(({ node }) => node.id))).toEqual(new Set(runs.map(({ id }) => id)))
        const wholeMs = edges.map(({ node }) => node.timings?.wallMs ?? Number.NaN)
        const sorted = [...wholeMs].sort(byNumber)
        expect(wholeMs).toEqual(descending ? sorted.reverse() : sorted)
      }
      await expectWalks(pageOf, edges, 7)
    },
  )

  it.each<[string, Variables, (run: Run, at: number) => boolean]>([
    ['kind', { kind: ['FETCH'] }, (_run, at) => at === 24],
    ['kinds', { kind: ['FETCH', 'COMPUTE'] }, () => true],
    ['status', { status: ['SUCCEEDED'] }, (_run, at) => at < 24 && at % 4 !== 3],
    ['statuses', { status: ['PARTIAL', 'FAILED'] }, (_run, at) => at === 24 || at % 4 === 3],
    ['strategy', { strategy: ['SEQUENTIAL'] }, (_run, at) => at < 24 && at % 2 === 1],
    ['name', { name: 'run 2' }, (run) => run.name === 'run 2'],
    ['function', { function: 'act' }, (_run, at) => at < 24],
    ['a function that no run calls', { function: 'countPrimes' }, () => false],
    ['a label', { labels: [{ name: 'third', value: '1' }] }, (_run, at) => at < 24 && at % 3 === 1],
    [
      'two labels',
      {
        labels: [
          { name: 'third', value: '1' },
          { name: 'even', value: 'yes' },
        ],
      },
      (_run, at) => at < 24 && at % 6 === 4,
    ],
    ['a label of another value', { labels: [{ name: 'even', value: 'no' }] }, () => false],
    [
      'several at once',
      { status: ['PARTIAL'], strategy: ['SEQUENTIAL'], kind: ['COMPUTE'] },
      (_run, at) => at % 4 === 3,
    ],
    ['nothing', {}, () => true],
  ])('are filtered by %s', async (_what, filter, matches) => {
    const pageOf = (window: Window) => runsPage(window, { filter, orderBy: 'CREATED_ASC' })
    const { edges } = await pageOf({ first: 1000 })
    expect(edges.map(({ node }) => node)).toEqual(runs.filter(matches))
    await expectWalks(pageOf, edges, 5)
  })

  it('are filtered by host, and by the time of their launch', async () => {
    const idsOf = async (filter: Variables) => {
      const { edges } = await runsPage({ first: 1000 }, { filter, orderBy: 'CREATED_ASC' })
      return edges.map(({ node }) => node.id)
    }
    expect(await idsOf({ host: new URL(origin.url).host })).toEqual([wide])
    expect(await idsOf({ host: '127.0.0.1' })).toEqual([])
    const [earlier, later] = [runs[9]?.createdAt ?? '', runs[17]?.createdAt ?? '']
    const between = (run: Run) => run.createdAt >= earlier && run.createdAt < later
    expect(await idsOf({ createdAfter: earlier, createdBefore: later })).toEqual(
      runs.filter(between).map(({ id }) => id),
    )
    const offset = new Date(Date.parse(later) + 3_600_000).toISOString().replace('Z', '+01:00')
    expect(await idsOf({ createdAfter: offset })).toEqual(
      runs.filter(({ createdAt }) => createdAt >= later).map(({ id }) => id),
    )
  })

  it('have 20 if nothing is said, none if none are asked for', async () => {
    expect((await runsPage({})).edges).toHaveLength(20)
    const none = await runsPage({ first: 0 })
    expect(none).toMatchObject({
      edges: [],
      nodes: [],
      totalCount: 25,
      pageInfo: { hasNextPage: true, endCursor: null },
    })
  })

  it('between two cursors are what lies between', async () => {
    const { edges } = await runsPage({ first: 1000 })
    const window = { after: edges[3]?.cursor ?? null, before: edges[10]?.cursor ?? null }
    expect((await runsPage({ first: 100, ...window })).edges).toEqual(edges.slice(4, 10))
    expect((await runsPage({ first: 2, ...window })).edges).toEqual(edges.slice(4, 6))
    expect((await runsPage({ last: 2, ...window })).edges).toEqual(edges.slice(8, 10))
  })

  it('go on where they were while new runs come', async () => {
    const { edges, pageInfo } = await runsPage({ first: 10 })
    const launch = api.launchCompute({ function: 'countPrimes', source: { inputs: [10] }, options: { name: 'new' } })
    runs.push(await api.run<Run>(await api.finish(launch), RUN))
    const next = await runsPage({ first: 10, after: pageInfo.endCursor })
    const seen = [...edges, ...next.edges].map(({ node }) => node.id)
    expect(seen).toEqual(
      runs
        .map(({ id }) => id)
        .reverse()
        .slice(1, 21),
    )
  })
})

describe('pages of tasks', () => {
  it.each(['INDEX', 'SLOWEST', 'STARTED', 'ENDED'])(
    'walk through the whole list, forward and backward: %s',
    async (orderBy) => {
      const pageOf = (window: Window) => tasksPage(window, { orderBy })
      const { edges } = await pageOf({ first: 1000 })
      const nodes = edges.map(({ node }) => node)
      expect(nodes.map(({ index }) => index).sort(byNumber)).toEqual(Array.from({ length: 60 }, (_, at) => at))
      const times = {
        INDEX: nodes.map(({ index }) => index),
        SLOWEST: nodes.map(({ serviceMs }) => -serviceMs),
        STARTED: nodes.map(({ startedMs }) => startedMs),
        ENDED: [],
      }[orderBy]
      expect(times).toEqual([...(times ?? [])].sort(byNumber))
      await expectWalks(pageOf, edges, 13)
    },
  )

  it.each<[string, Variables, (task: Task) => boolean, number]>([
    ['status', { status: ['SUCCEEDED'] }, ({ index }) => index % 4 === 0, 15],
    ['statuses', { status: ['SUCCEEDED', 'FAILED'] }, () => true, 60],
    ['what has no task', { status: ['SKIPPED'] }, () => false, 0],
    ['error', { errorCode: 'HTTP_STATUS' }, ({ index }) => index % 4 === 1, 15],
    ['another error', { errorCode: 'BODY_TOO_LARGE' }, ({ index }) => index % 4 === 3, 15],
    ['an error that is none', { errorCode: 'NONE' }, () => false, 0],
    ['stage', { stage: 0 }, () => true, 60],
    ['several at once', { status: ['FAILED'], errorCode: 'DECODING', stage: 0 }, ({ index }) => index % 4 === 2, 15],
  ])('are filtered by %s', async (_what, filter, matches, count) => {
    const everything = (await tasksPage({ first: 1000 })).edges.map(({ node }) => node)
    for (const orderBy of ['INDEX', 'ENDED', 'SLOWEST']) {
      const pageOf = (window: Window) => tasksPage(window, { filter, orderBy })
      const { edges } = await pageOf({ first: 1000 })
      const nodes = edges.map(({ node }) => node).sort((a, b) => a.index - b.index)
      expect(nodes).toEqual(everything.filter(matches))
      expect(nodes).toHaveLength(count)
      await expectWalks(pageOf, edges, 11)
    }
  })

  it('are filtered by host, lane and time in service', async () => {
    const everything = (await tasksPage({ first: 1000 })).edges.map(({ node }) => node)
    const found = async (filter: Variables) =>
      (await tasksPage({ first: 1000 }, { filter })).edges.map(({ node }) => node)
    expect(await found({ host: new URL(origin.url).host })).toEqual(everything)
    expect(await found({ host: 'example.com' })).toEqual([])
    const lanes = [...new Set(everything.map(({ lane }) => lane))]
    expect(lanes).toHaveLength(2)
    for (const lane of lanes) expect(await found({ lane })).toEqual(everything.filter((task) => task.lane === lane))
    const median = everything.map(({ serviceMs }) => serviceMs).sort(byNumber)[30] ?? Number.NaN
    expect(await found({ minServiceMs: median })).toEqual(everything.filter(({ serviceMs }) => serviceMs >= median))
  })

  it('have 20 if nothing is said', async () => {
    const { edges } = await tasksPage({})
    expect(edges.map(({ node }) => node.index)).toEqual(Array.from({ length: 20 }, (_, at) => at))
  })
})

describe('a page that cannot be is BAD_USER_INPUT', () => {
  const cases: [string, Window][] = [
    ['more than 1,000', { first: 1001 }],
    ['more than 1,000 from the end', { last: 1001 }],
    ['fewer than none', { first: -1 }],
    ['fewer than none from the end', { last: -1 }],
    ['both ends', { first: 1, last: 1 }],
    ['a cursor that is none', { first: 1, after: 'nonsense' }],
    ['a cursor that is none, backward', { last: 1, before: '' }],
  ]

  it.each(cases)('%s', async (_what, window) => {
    expect(await api.refusal(RUNS, { ...window })).toEqual(['BAD_USER_INPUT'])
    expect(await api.refusal(TASKS, { id: wide, ...window })).toEqual(['BAD_USER_INPUT'])
  })

  it('a stage that the run has not', async () => {
    for (const stage of [-1, 1, 99])
      expect(await api.refusal(TASKS, { id: wide, filter: { stage } })).toEqual(['BAD_USER_INPUT'])
  })

  it('a cursor of another list or another order', async () => {
    const run = (await runsPage({ first: 1 })).pageInfo.endCursor
    const task = (await tasksPage({ first: 1 })).pageInfo.endCursor
    expect(await api.refusal(RUNS, { after: task })).toEqual(['BAD_USER_INPUT'])
    expect(await api.refusal(RUNS, { after: run, orderBy: 'CREATED_ASC' })).toEqual(['BAD_USER_INPUT'])
    expect(await api.refusal(TASKS, { id: wide, after: run })).toEqual(['BAD_USER_INPUT'])
    expect(await api.refusal(TASKS, { id: wide, after: task, orderBy: 'SLOWEST' })).toEqual(['BAD_USER_INPUT'])
    expect(await api.refusal(TASKS, { id: runs[0]?.id, after: task })).toEqual(['BAD_USER_INPUT'])
  })
})

describe('what has an id', () => {
  const NODES = `query($ids: [ID!]!) { nodes(ids: $ids) {
    __typename id ... on Run { name } ... on Task { index run { id } }
  } }`
  const NODE = 'query($id: ID!) { node(id: $id) { __typename id ... on Task { index } } }'

  it('is found by it', async () => {
    expect(await api.ask(NODE, { id: wide })).toEqual({ node: { __typename: 'Run', id: wide } })
    const [task] = await api.tasks<{ id: string }>(wide, 'id', 'orderBy: SLOWEST')
    expect(await api.ask(NODE, { id: task?.id })).toEqual({
      node: { __typename: 'Task', id: task?.id, index: expect.any(Number) },
    })
  })

  it('is null where there is none', async () => {
    const ids = ['nonsense', '', `run_${'0'.repeat(32)}`, `${wide.replace('run', 'task')}_0_999`, `${wide} `]
    for (const id of ids) {
      expect(await api.ask(NODE, { id })).toEqual({ node: null })
      expect(await api.ask('query($id: ID!) { run(id: $id) { id } }', { id })).toEqual({ run: null })
    }
  })

  it('is found among many, in the order that was asked for', async () => {
    const tasks = await api.tasks<{ id: string; index: number }>(wide, 'id index')
    const asked = [tasks[5]?.id, 'nonsense', runs[3]?.id, tasks[0]?.id, wide, tasks[5]?.id]
    const task = (index: number) => ({ __typename: 'Task', id: tasks[index]?.id, index, run: { id: wide } })
    const run = (id: string | undefined, name: string | null) => ({ __typename: 'Run', id, name })
    expect(await api.ask(NODES, { ids: asked })).toEqual({
      nodes: [task(5), null, run(runs[3]?.id, 'run 3'), task(0), run(wide, null), task(5)],
    })
    expect(await api.ask(NODES, { ids: [] })).toEqual({ nodes: [] })
    expect(await api.refusal(NODES, { ids: Array(1001).fill(wide) })).toEqual(['BAD_USER_INPUT'])
  })
})
