import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ApiClient, drain, type StreamEnd, take, type Variables } from '../support/api.js'
import { type Origin, startOrigin } from '../support/origin.js'
import { startTestServer, type TestServer } from '../support/server.js'
import { SocketClient } from '../support/socket.js'

const TASK = 'index status output attempts serviceMs startedMs lane error { code } fetch { status sha256 }'
const TASK_ENDED = `subscription($id: ID!, $after: String) {
  taskEnded(runId: $id, after: $after) { cursor node { ${TASK} } }
}`
const TASKS_ENDED = `subscription($id: ID!, $after: String, $nodes: Int) {
  tasksEnded(runId: $id, after: $after, maxNodes: $nodes, maxPerSecond: 60) { cursor nodes { ${TASK} } }
}`
const RUN_UPDATED =
  'subscription($id: ID!) { runUpdated(id: $id, maxPerSecond: 60) { id status progress { sequence done total } } }'

interface Task {
  index: number
  status: string
}

interface TaskEnded {
  taskEnded: { cursor: string; node: Task }
}

interface TasksEnded {
  tasksEnded: { cursor: string; nodes: Task[] }
}

interface RunUpdated {
  runUpdated: { id: string; status: string; progress: { sequence: number; done: number; total: number } }
}

let origin: Origin
let server: TestServer
let api: ApiClient

beforeAll(async () => {
  origin = await startOrigin()
  server = await startTestServer({ HEDDLE_LANES: '2', HEDDLE_DRAIN_MS: '50' })
  api = server.api
})

afterAll(async () => {
  await server.close()
  await origin.close()
})

/** Documents that end at once, some of them with 404, and others that wait at a place of their own. */
function launch(place: string, counts: { quick: number; held: number }, options: Variables = {}): Promise<string> {
  const quick = Array.from(
    { length: counts.quick },
    (_, i) => `${origin.url}${i % 7 === 3 ? '/missing' : '/json'}?i=${i}`,
  )
  const held = Array.from({ length: counts.held }, (_, i) => `${origin.url}/hold/${place}?i=${i}`)
  const input = { source: { urls: [...quick, ...held] }, fetch: { bodyPolicy: 'TEXT' }, options }
  return api.start(api.launchFetch(input))
}

async function endedTasks(id: string): Promise<{ cursor: string; node: Task }[]> {
  const { tasks } = await api.run<{ tasks: { edges: { cursor: string; node: Task }[] } }>(
    id,
    `tasks(first: 1000, orderBy: ENDED) { edges { cursor node { ${TASK} } } }`,
  )
  return tasks.edges
}

/** The whole list without a gap, a repeat or anything out of order. */
async function expectWhole(id: string, edges: readonly { cursor: string; node: Task }[], count: number) {
  expect(edges.map(({ node }) => node.index).sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i))
  expect(edges).toEqual(await endedTasks(id))
}

async function all<Data>(stream: AsyncGenerator<Data, StreamEnd>): Promise<Data[]> {
  const { all: events, end } = await drain(stream)
  expect(end).toBe('complete')
  return events
}

describe('the stream of ended tasks', () => {
  it('left after 17 tasks goes on at its cursor, in the middle of the run', async () => {
    const id = await launch('seventeen', { quick: 30, held: 10 }, { concurrency: 4 })
    const stream = await api.open<TaskEnded>(TASK_ENDED, { id })
    const edges = (await take(stream, 17)).map(({ taskEnded }) => taskEnded)
    await stream.return('cut')
    const again = await api.open<TaskEnded>(TASK_ENDED, { id, after: edges.at(-1)?.cursor })
    edges.push(...(await take(again, 13)).map(({ taskEnded }) => taskEnded))
    await again.return('cut')
    expect(await api.run(id, 'status progress { done }')).toEqual({ status: 'RUNNING', progress: { done: 30 } })
    const last = await api.open<TaskEnded>(TASK_ENDED, { id, after: edges.at(-1)?.cursor })
    origin.release('/hold/seventeen')
    edges.push(...(await all(last)).map(({ taskEnded }) => taskEnded))
    await expectWhole(id, edges, 40)
  })

  it('goes on over a restart of the server', async () => {
    const id = await launch('restart', { quick: 25, held: 15 }, { concurrency: 4 })
    const stream = await api.open<TaskEnded>(TASK_ENDED, { id })
    const edges = (await take(stream, 17)).map(({ taskEnded }) => taskEnded)
    await stream.return('cut')
    const watching = await api.open<RunUpdated>(RUN_UPDATED, { id })
    const cut = await api.open<TaskEnded>(TASK_ENDED, { id, after: edges.at(-1)?.cursor })
    edges.push(...(await take(cut, 8)).map(({ taskEnded }) => taskEnded))
    const started = await api.run<{ startedAt: string }>(id, 'startedAt createdAt')
    const asked = () => origin.requests('/json') + origin.requests('/missing')
    const askedBefore = asked()

    const [rest, updates] = [drain(cut), drain(watching)]
    await server.restart()
    api = server.api
    // Cut off and not completed: so a client knows that it has to come back.
    expect(await rest).toEqual({ all: [], end: 'cut' })
    expect((await updates).end).toBe('cut')

    const resumed = await api.open<TaskEnded>(TASK_ENDED, { id, after: edges.at(-1)?.cursor })
    const watchingAgain = await api.open<RunUpdated>(RUN_UPDATED, { id })
    origin.release('/hold/restart')
    edges.push(...(await all(resumed)).map(({ taskEnded }) => taskEnded))
    await expectWhole(id, edges, 40)

    const seen = [...(await updates).all, ...(await all(watchingAgain))].map(({ runUpdated }) => runUpdated.progress)
    const sequences = seen.map(({ sequence }) => sequence)
    expect(sequences).toEqual([...new Set(sequences)].sort((a, b) => a - b))
    expect(seen.at(-1)).toMatchObject({ done: 40, total: 40 })
    expect(await api.run(id, 'startedAt createdAt')).toEqual(started)
    // What had ended was not asked for again.
    expect(asked()).toBe(askedBefore)
  })

  it('comes whole after the run has ended, and after a restart', async () => {
    const id = await launch('whole', { quick: 60, held: 0 })
    await api.ended(id)
    const before = (await all(api.subscribe<TaskEnded>(TASK_ENDED, { id }))).map(({ taskEnded }) => taskEnded)
    await expectWhole(id, before, 60)
    await server.restart()
    api = server.api
    const after = (await all(api.subscribe<TaskEnded>(TASK_ENDED, { id }))).map(({ taskEnded }) => taskEnded)
    expect(after).toEqual(before)
    const tail = await all(api.subscribe<TaskEnded>(TASK_ENDED, { id, after: before[44]?.cursor }))
    expect(tail.map(({ taskEnded }) => taskEnded)).toEqual(before.slice(45))
    expect(await all(api.subscribe(TASK_ENDED, { id, after: before.at(-1)?.cursor }))).toEqual([])
  })

  it('has the cursors of the list in the order ENDED', async () => {
    const id = await launch('list', { quick: 20, held: 5 }, { concurrency: 4 })
    const stream = await api.open<TaskEnded>(TASK_ENDED, { id })
    await take(stream, 20)
    await stream.return('cut')
    const { tasks } = await api.run<{ tasks: { nodes: Task[]; pageInfo: { endCursor: string } } }>(
      id,
      `tasks(first: 12, orderBy: ENDED) { nodes { ${TASK} } pageInfo { endCursor } }`,
    )
    const rest = await api.open<TaskEnded>(TASK_ENDED, { id, after: tasks.pageInfo.endCursor })
    origin.release('/hold/list')
    const nodes = [...tasks.nodes, ...(await all(rest)).map(({ taskEnded }) => taskEnded.node)]
    expect(nodes).toEqual((await endedTasks(id)).map(({ node }) => node))
    expect(nodes).toHaveLength(25)
  })

  it('comes many at a time, too, from any of its cursors', async () => {
    const id = await launch('batches', { quick: 95, held: 5 })
    const stream = await api.open<TasksEnded>(TASKS_ENDED, { id, nodes: 10 })
    const batches = (await take(stream, 3)).map(({ tasksEnded }) => tasksEnded)
    await stream.return('cut')
    const again = await api.open<TasksEnded>(TASKS_ENDED, { id, nodes: 7, after: batches.at(-1)?.cursor })
    origin.release('/hold/batches')
    batches.push(...(await all(again)).map(({ tasksEnded }) => tasksEnded))
    const edges = await endedTasks(id)
    expect(batches.flatMap(({ nodes }) => nodes)).toEqual(edges.map(({ node }) => node))
    for (const { nodes, cursor } of batches) {
      expect(nodes.length).toBeGreaterThan(0)
      expect(nodes.length).toBeLessThanOrEqual(10)
      expect(edges.find((edge) => edge.cursor === cursor)?.node.index).toBe(nodes.at(-1)?.index)
    }
    // One at a time they have the same cursors.
    const tail = await all(api.subscribe<TaskEnded>(TASK_ENDED, { id, after: batches[0]?.cursor }))
    expect(tail.map(({ taskEnded }) => taskEnded)).toEqual(edges.slice(batches[0]?.nodes.length))
    const whole = await all(api.subscribe<TasksEnded>(TASKS_ENDED, { id }))
    expect(whole.map(({ tasksEnded }) => tasksEnded.nodes.length)).toEqual([100])
  })
})

describe('a stream that cannot be', () => {
  it.each([
    ['runUpdated', 'subscription($id: ID!) { runUpdated(id: $id) { id } }'],
    ['taskEnded', 'subscription($id: ID!) { taskEnded(runId: $id) { cursor } }'],
    ['tasksEnded', 'subscription($id: ID!) { tasksEnded(runId: $id) { cursor } }'],
  ])('is NOT_FOUND for an unknown run: %s', async (_what, query) => {
    const known = await launch('known', { quick: 1, held: 0 })
    await api.ended(known)
    for (const id of [`run_${'0'.repeat(32)}`, 'nonsense', '', known.toUpperCase(), `task_${known.slice(4)}_0_0`]) {
      await expect(api.subscribe(query, { id }).next()).rejects.toThrow('"code":"NOT_FOUND"')
    }
  })

  it('is BAD_USER_INPUT for a cursor of another run, another order, or none at all', async () => {
    const [id, other] = await Promise.all([
      launch('mine', { quick: 3, held: 0 }),
      launch('other', { quick: 3, held: 0 }),
    ])
    await Promise.all([api.ended(id), api.ended(other)])
    const { tasks } = await api.run<{ tasks: { pageInfo: { endCursor: string } } }>(
      id,
      'tasks(first: 2, orderBy: INDEX) { pageInfo { endCursor } }',
    )
    const { runs } = await api.ask<{ runs: { pageInfo: { endCursor: string } } }>(
      '{ runs(first: 1) { pageInfo { endCursor } } }',
    )
    const foreign = (await endedTasks(other)).at(1)?.cursor
    const own = (await endedTasks(id)).at(1)?.cursor ?? ''
    const cursors = [foreign, tasks.pageInfo.endCursor, runs.pageInfo.endCursor, 'nonsense', '', `${own}x`]
    for (const query of [TASK_ENDED, TASKS_ENDED]) {
      for (const after of cursors) {
        await expect(api.subscribe(query, { id, after }).next()).rejects.toThrow('"code":"BAD_USER_INPUT"')
      }
    }
    expect(await all(api.subscribe(TASK_ENDED, { id, after: own }))).toHaveLength(1)
  })

  it.each([
    'runUpdated(id: $id, maxPerSecond: 0) { id }',
    'runUpdated(id: $id, maxPerSecond: 61) { id }',
    'tasksEnded(runId: $id, maxPerSecond: 0.05) { cursor }',
    'tasksEnded(runId: $id, maxNodes: 0) { cursor }',
    'tasksEnded(runId: $id, maxNodes: 1001) { cursor }',
    'runsUpdated(maxPerSecond: -1) { id }',
    'runUpdated(id: $id) { nothing }',
  ])('is BAD_USER_INPUT: %s', async (field) => {
    const id = await launch('pace', { quick: 1, held: 0 })
    await api.ended(id)
    const query = field.includes('$id') ? `subscription($id: ID!) { ${field} }` : `subscription { ${field} }`
    await expect(api.subscribe(query, { id }).next()).rejects.toThrow('"code":"BAD_USER_INPUT"')
  })
})

describe('over WebSocket', () => {
  let socket: SocketClient

  beforeAll(() => {
    socket = new SocketClient(api.url)
  })

  afterAll(() => socket.close())

  const over = (transport: 'SSE' | 'WebSocket') => (transport === 'SSE' ? api : socket)

  it('a run that has ended gives what it gives over SSE', async () => {
    const id = await launch('both', { quick: 30, held: 0 })
    await api.ended(id)
    for (const [query, variables] of [
      [RUN_UPDATED, { id }],
      [TASK_ENDED, { id }],
      [TASK_ENDED, { id, after: (await endedTasks(id)).at(11)?.cursor }],
      [TASKS_ENDED, { id, nodes: 8 }],
    ] as const) {
      const events = await all(socket.subscribe(query, variables))
      expect(events.length).toBeGreaterThan(0)
      expect(events).toEqual(await all(api.subscribe(query, variables)))
    }
  })

  it('a run under way gives what it gives over SSE', async () => {
    const id = await launch('live', { quick: 40, held: 5 })
    const follow = async (transport: 'SSE' | 'WebSocket') => {
      const client = over(transport)
      const stream = client.subscribe<TaskEnded>(TASK_ENDED, { id }) as AsyncGenerator<TaskEnded, StreamEnd>
      const updates = client.subscribe<RunUpdated>(RUN_UPDATED, { id }) as AsyncGenerator<RunUpdated, StreamEnd>
      const edges = await take(stream, 40)
      const [first] = await take(updates, 1)
      return { edges, first, stream, updates }
    }
    const [sse, ws] = await Promise.all([follow('SSE'), follow('WebSocket')])
    expect(ws.first?.runUpdated.status).toBe('RUNNING')
    origin.release('/hold/live')
    for (const { edges, stream } of [sse, ws]) {
      edges.push(...(await all(stream)))
      await expectWhole(
        id,
        edges.map(({ taskEnded }) => taskEnded),
        45,
      )
    }
    const last = (await all(ws.updates)).at(-1)
    expect(last?.runUpdated).toMatchObject({ id, status: 'PARTIAL', progress: { done: 45 } })
    expect(last).toEqual((await all(sse.updates)).at(-1))
  })

  it('all runs are told, with their last states', async () => {
    const query = `subscription($filter: RunFilter) {
      runsUpdated(filter: $filter, maxPerSecond: 60) { id status progress { done total sequence } }
    }`
    const labels = [{ name: 'told', value: 'over a socket' }]
    type RunsUpdated = { runsUpdated: RunUpdated['runUpdated'] }
    const stream = socket.subscribe<RunsUpdated>(query, { filter: { labels } })
    const first = stream.next()
    let told = false
    void first.then(() => {
      told = true
    })
    // The protocol does not say when a subscription is there: runs are launched until one is told.
    while (!told) await api.ended(await launch('knock', { quick: 1, held: 0 }, { labels }))
    const id = await launch('runs', { quick: 10, held: 2 }, { labels })
    await origin.arrived('/hold/runs', 2)
    origin.release('/hold/runs')
    const events: RunUpdated['runUpdated'][] = []
    for await (const { runsUpdated } of stream) {
      if (runsUpdated.id === id) events.push(runsUpdated)
      if (events.at(-1)?.progress.done === 12) break
    }
    expect(events.at(-1)).toEqual(await api.run(id, 'id status progress { done total sequence }'))
  })

  it('errors have the codes that they have over SSE', async () => {
    const id = `run_${'0'.repeat(32)}`
    for (const [query, variables, code] of [
      [RUN_UPDATED, { id }, 'NOT_FOUND'],
      [TASK_ENDED, { id }, 'NOT_FOUND'],
      [TASKS_ENDED, { id }, 'NOT_FOUND'],
      [RUN_UPDATED, {}, 'BAD_USER_INPUT'],
      ['subscription { runsUpdated(maxPerSecond: 100) { id } }', {}, 'BAD_USER_INPUT'],
    ] as const) {
      for (const transport of ['SSE', 'WebSocket'] as const) {
        const error: unknown = await over(transport)
          .subscribe(query, variables)
          .next()
          .then(
            () => 'no error',
            (thrown: unknown) => thrown,
          )
        const told = error instanceof Error ? error.message : JSON.stringify(error)
        expect(told, `${transport}: ${query}`).toContain(`"code":"${code}"`)
      }
    }
  })
})
