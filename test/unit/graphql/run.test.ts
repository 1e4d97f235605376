import { describe, expect, it } from 'vitest'
import type { StageSpec } from '../../../src/domain/batch.js'
import { runId, taskId } from '../../../src/domain/ids.js'
import type { FetchDetail } from '../../../src/domain/task.js'
import { execute } from '../../support/execute.js'
import { batchSpec } from '../../support/fake-runs.js'
import { testServices } from '../../support/fake-services.js'

/** Of what is asked: the rest of it is not there. */
interface TasksOfRun {
  run: {
    tasks: {
      totalCount: number
      nodes: { index: number }[]
      edges: { node: { index: number } }[]
      pageInfo: { startCursor: string; endCursor: string }
    }
  }
}

const ask = (fields: string) => `query($id: ID!) { run(id: $id) { ${fields} } }`

const FETCH_STAGE: StageSpec = {
  kind: 'FETCH',
  name: 'fetch',
  fetch: { bodyPolicy: 'JSON', maxBytes: 100, maxRedirects: 5, headers: [], okStatuses: null },
}

const DETAIL: FetchDetail = {
  url: 'https://u:p@a.example/x',
  finalUrl: 'https://a.example/y',
  host: 'a.example',
  status: 200,
  bytes: 12,
  sha256: 'ab',
  contentType: 'application/json',
  redirects: 1,
  dnsMs: 1,
  connectMs: 2,
  tlsMs: 3,
  firstByteMs: 4,
  downloadMs: 5,
  reusedConnection: false,
}

const TIMEOUT = { code: 'TIMEOUT', message: 'no answer within 100 ms', retryable: true } as const

describe('the inputs and outputs of one answer', () => {
  const MEGABYTE = 1024 * 1024
  const aliases = (field: string, count: number) =>
    Array.from({ length: count }, (_, at) => `a${at}: ${field}`).join(' ')

  it.each([
    ['a text', 'x'.repeat(MEGABYTE)],
    ['an object', { text: 'x'.repeat(MEGABYTE) }],
  ])('are 64 MiB at most: %s again and again', async (_name, value) => {
    const services = testServices()
    const source = { kind: 'list', form: 'inputs', count: 1 } as const
    const { key } = services.runs.add({ spec: batchSpec({ source }) }, [value])
    services.runs.end(key, { output: JSON.stringify(value) })
    const twice = ask(`tasks { nodes { ${aliases('input', 30)} output } }`)
    expect((await execute(services, twice, { id: runId(key) })).codes).toEqual([])
    const often = ask(`tasks { nodes { ${aliases('input', 50)} ${aliases('output', 20).replaceAll('a', 'b')} } }`)
    const { data, codes, messages } = await execute<TasksOfRun>(services, often, { id: runId(key) })
    expect(new Set(codes)).toEqual(new Set(['BAD_USER_INPUT']))
    expect(messages[0]).toBe(
      'the inputs and outputs of one answer are more than 67108864 characters together: ask for fewer tasks',
    )
    const told = Object.values(data.run.tasks.nodes[0] ?? {}).filter((part) => part !== null)
    expect(told).toHaveLength(70 - codes.length)
    expect(told.length).toBeGreaterThanOrEqual(62)
    expect((await execute(services, twice, { id: runId(key) })).codes).toEqual([])
  })
})

describe('Query.run', () => {
  it.each(['run_0', 'task_00000000000040008000000000000001_0_0', 'run_ffffffffffffffffffffffffffffffff', ''])(
    'answers null for %j',
    async (id) => {
      const services = testServices()
      services.runs.add()
      expect(await execute(services, ask('id'), { id })).toMatchObject({ data: { run: null }, codes: [] })
    },
  )

  it('tells what was launched, before anything has started', async () => {
    const services = testServices()
    const spec = batchSpec({ name: 'squares', labels: [{ name: 'a', value: 'b' }], priority: 3, strategy: 'THREADS' })
    const { key } = services.runs.add({ spec })
    const fields = `id kind status name labels { name value } priority strategy effectiveStrategy concurrency lanes function
      request failure { code } timings { wallMs } reduction createdAt startedAt finishedAt
      progress { total queued running succeeded failed cancelled skipped done fraction bytes throughput elapsedMs etaMs etaHighMs sequence }`
    const { data, codes } = await execute(services, ask(fields), { id: runId(key) })
    expect(codes).toEqual([])
    expect(data.run).toMatchObject({
      id: runId(key),
      kind: 'COMPUTE',
      status: 'QUEUED',
      name: 'squares',
      labels: [{ name: 'a', value: 'b' }],
      priority: 3,
      strategy: 'THREADS',
      effectiveStrategy: null,
      concurrency: null,
      lanes: null,
      function: 'square',
      request: { function: 'square', options: { strategy: 'THREADS' } },
      failure: null,
      timings: null,
      reduction: null,
      createdAt: '2026-11-22T18:01:00.000Z',
      startedAt: null,
      finishedAt: null,
      progress: { total: 10, queued: 10, running: 0, done: 0, fraction: 0, etaMs: null, sequence: 1 },
    })
  })

  it('tells how it ended', async () => {
    const services = testServices()
    const { key } = services.runs.add({ reduction: '333333283333335000000' })
    services.runs.end(key)
    services.runs.finish(key, 'PARTIAL')
    const fields =
      'status effectiveStrategy reduction finishedAt stages { index kind name progress { done } timings { serviceTotalMs } }'
    const { data } = await execute(services, ask(fields), { id: runId(key) })
    expect(data.run).toEqual({
      status: 'PARTIAL',
      effectiveStrategy: 'THREADS',
      reduction: '333333283333335000000',
      finishedAt: '2026-11-22T19:00:00.000Z',
      stages: [{ index: 0, kind: 'COMPUTE', name: 'square', progress: { done: 1 }, timings: { serviceTotalMs: 5 } }],
    })
  })
})

describe('Run.tasks', () => {
  it.each([
    [3, -1, '0 to 2'],
    [3, 3, '0 to 2'],
    [1, 1, '0'],
  ])('of a run of %d stages knows no stage %d', async (count, stage, expected) => {
    const services = testServices()
    const stages = Array.from({ length: count }, () => FETCH_STAGE)
    const { key } = services.runs.add({ spec: batchSpec({ kind: count > 1 ? 'PIPELINE' : 'FETCH', stages }) })
    const query = ask(`tasks(filter: { stage: ${stage} }) { nodes { id } }`)
    const { codes, messages } = await execute(services, query, { id: runId(key) })
    expect(codes).toEqual(['BAD_USER_INPUT'])
    expect(messages).toEqual([`filter.stage: ${stage} is out of range: expected ${expected}`])
  })

  it('tells everything about a task', async () => {
    const services = testServices()
    const source = { kind: 'list', form: 'requests', count: 1 } as const
    const headers = [{ name: 'authorization', value: 'Bearer x' }]
    const items = [{ url: 'https://u:p@a.example/x', method: 'GET', headers: [...headers], body: null }]
    const { key } = services.runs.add({ spec: batchSpec({ kind: 'FETCH', source, stages: [FETCH_STAGE] }) }, items)
    const history = [
      { number: 1, startedMs: 10, serviceMs: 100, lane: 'thread-1', error: TIMEOUT },
      { number: 2, startedMs: 300, serviceMs: 20, lane: 'thread-2', error: null },
    ]
    services.runs.end(key, {
      output: '{"a":[1,null]}',
      attempts: 2,
      history,
      fetch: DETAIL,
      cpuMs: 1.5,
      serviceMs: 120,
    })
    const fields = `tasks { totalCount nodes { id stage index status input output error { code } attempts
      history { number startedMs serviceMs lane error { code message retryable } } lane startedMs queueWaitMs serviceMs cpuMs
      fetch { url finalUrl status bytes sha256 contentType redirects dnsMs connectMs tlsMs firstByteMs downloadMs reusedConnection } run { id } } }`
    const { data, codes } = await execute<TasksOfRun>(services, ask(fields), { id: runId(key) })
    expect(codes).toEqual([])
    const { host: _host, ...shown } = DETAIL
    expect(data.run.tasks.nodes).toEqual([
      {
        id: taskId(key, 0, 0),
        stage: 0,
        index: 0,
        status: 'SUCCEEDED',
        input: { ...items[0], url: 'https://***@a.example/x', headers: [{ name: 'authorization', value: '***' }] },
        output: { a: [1, null] },
        error: null,
        attempts: 2,
        history,
        lane: 'thread-1',
        startedMs: 10,
        queueWaitMs: 10,
        serviceMs: 120,
        cpuMs: 1.5,
        fetch: { ...shown, url: 'https://***@a.example/x' },
        run: { id: runId(key) },
      },
    ])
  })

  it('makes the history of a single attempt from the task itself, and none where it never started', async () => {
    const services = testServices()
    const { key } = services.runs.add()
    services.runs.end(key, { status: 'FAILED', error: TIMEOUT, output: null })
    services.runs.end(key, { status: 'CANCELLED', attempts: 0, lane: null, startedMs: null, serviceMs: null })
    const { data } = await execute<TasksOfRun>(
      services,
      ask('tasks { nodes { output lane history { number serviceMs error { code } } } }'),
      {
        id: runId(key),
      },
    )
    expect(data.run.tasks.nodes).toMatchObject([
      { output: null, lane: 'thread-1', history: [{ number: 1, serviceMs: 5, error: { code: 'TIMEOUT' } }] },
      { lane: null, history: [] },
    ])
  })

  it('reads the inputs of a page at once, and counts only where the count is asked for', async () => {
    const services = testServices()
    const { key } = services.runs.add()
    for (let ended = 0; ended < 10; ended += 1) services.runs.end(key)
    const { data } = await execute<TasksOfRun>(services, ask('tasks { nodes { input } }'), { id: runId(key) })
    expect(data.run.tasks.nodes).toHaveLength(10)
    expect(services.runs.calls).toMatchObject({ inputs: 1, countTasks: 0 })
    await execute(services, ask('tasks { totalCount nodes { index } }'), { id: runId(key) })
    expect(services.runs.calls).toMatchObject({ inputs: 1, countTasks: 1 })
  })

  it('goes through a list page by page, in both directions', async () => {
    const services = testServices()
    const { key } = services.runs.add()
    for (const index of [2, 0, 1]) services.runs.end(key, { index })
    const fields = `tasks(first: $first, after: $after, last: $last, before: $before, orderBy: $orderBy) {
      edges { cursor node { index } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }`
    const source = `query($id: ID!, $first: Int, $after: String, $last: Int, $before: String, $orderBy: TaskOrder) { run(id: $id) { ${fields} } }`
    const page = async (args: Record<string, unknown>) => {
      const variables = { id: runId(key), orderBy: 'INDEX', ...args }
      const { tasks } = (await execute<TasksOfRun>(services, source, variables)).data.run
      return { indexes: tasks.edges.map(({ node }) => node.index), ...tasks.pageInfo }
    }
    const first = await page({ first: 2 })
    expect(first).toMatchObject({ indexes: [0, 1], hasNextPage: true, hasPreviousPage: false })
    expect(await page({ first: 2, after: first.endCursor })).toMatchObject({ indexes: [2], hasNextPage: false })
    const last = await page({ last: 1 })
    expect(await page({ last: 2, before: last.startCursor })).toMatchObject({ indexes: [0, 1], hasNextPage: true })
    expect(await page({ orderBy: 'ENDED' })).toMatchObject({ indexes: [2, 0, 1] })
    expect(await page({ orderBy: null })).toMatchObject({ indexes: [0, 1, 2] })
  })

  it('filters, and finds nothing for SKIPPED alone', async () => {
    const services = testServices()
    const { key } = services.runs.add()
    services.runs.end(key)
    services.runs.end(key, { status: 'FAILED', error: TIMEOUT, output: null })
    const source = `query($id: ID!, $filter: TaskFilter) { run(id: $id) { tasks(filter: $filter) { totalCount nodes { index } } } }`
    const found = async (filter: unknown) => {
      const { tasks } = (await execute<TasksOfRun>(services, source, { id: runId(key), filter })).data.run
      expect(tasks.totalCount).toBe(tasks.nodes.length)
      return tasks.nodes.map(({ index }) => index)
    }
    expect(await found({ status: ['FAILED', 'SKIPPED'] })).toEqual([1])
    expect(await found({ status: ['SKIPPED'] })).toEqual([])
    expect(await found({ errorCode: 'TIMEOUT', status: null })).toEqual([1])
    expect(await found({})).toEqual([0, 1])
    expect(await found(null)).toEqual([0, 1])
  })

  it.each([['first: 1001'], ['last: -1'], ['first: 1, last: 1'], ['after: "bm9uc2Vuc2U"']])(
    'refuses tasks(%s)',
    async (args) => {
      const services = testServices()
      const { key } = services.runs.add()
      const { codes } = await execute(services, ask(`tasks(${args}) { nodes { id } }`), { id: runId(key) })
      expect(codes).toEqual(['BAD_USER_INPUT'])
    },
  )

  it('refuses cursors of another run and of another order', async () => {
    const services = testServices()
    const [one, other] = [services.runs.add(), services.runs.add()]
    for (const { key } of [one, other]) services.runs.end(key)
    const source = ask('tasks { pageInfo { endCursor } }')
    const cursors = await execute<TasksOfRun>(services, source, { id: runId(one.key) })
    const after = cursors.data.run.tasks.pageInfo.endCursor
    for (const [key, order] of [
      [other.key, 'INDEX'],
      [one.key, 'ENDED'],
    ] as const) {
      const field = `tasks(after: ${JSON.stringify(after)}, orderBy: ${order}) { nodes { id } }`
      expect((await execute(services, ask(field), { id: runId(key) })).codes).toEqual(['BAD_USER_INPUT'])
    }
  })
})

describe('Run.inFlight and Run.errors', () => {
  it('tell what is in service, with the inputs read at once', async () => {
    const services = testServices()
    const { key } = services.runs.add()
    const times = { stage: 0, attempt: 1, lane: 'thread-1' }
    const tasks = [4, 7, 9].map((index) => ({
      ...times,
      index,
      startedMs: index * 10,
      progress: index === 4 ? null : index / 10,
    }))
    services.runs.setInFlight(key, tasks)
    const { data } = await execute(
      services,
      ask('inFlight(first: 2) { stage index input attempt lane startedMs progress }'),
      {
        id: runId(key),
      },
    )
    expect(data).toEqual({ run: { inFlight: tasks.slice(0, 2).map((task) => ({ ...task, input: task.index })) } })
    expect(services.runs.calls.inputs).toBe(1)
  })

  it('group failures, with the inputs of the samples read at once', async () => {
    const services = testServices()
    const { key } = services.runs.add()
    const dns = { code: 'DNS', message: 'no such host', retryable: true } as const
    for (const error of [dns, TIMEOUT, TIMEOUT]) services.runs.end(key, { status: 'FAILED', error, output: null })
    const { data } = await execute<{ run: { errors: unknown } }>(
      services,
      ask('errors { code message count sample { index input error { code } } }'),
      {
        id: runId(key),
      },
    )
    expect(data.run.errors).toEqual([
      {
        code: 'TIMEOUT',
        message: TIMEOUT.message,
        count: 2,
        sample: { index: 1, input: 1, error: { code: 'TIMEOUT' } },
      },
      { code: 'DNS', message: 'no such host', count: 1, sample: { index: 0, input: 0, error: { code: 'DNS' } } },
    ])
    expect(services.runs.calls.inputs).toBe(1)
  })

  it.each(['inFlight(first: -1) { index }', 'errors(first: 1001) { code }'])('refuse %s', async (field) => {
    const services = testServices()
    const { key } = services.runs.add()
    expect((await execute(services, ask(field), { id: runId(key) })).codes).toEqual(['BAD_USER_INPUT'])
  })
})
