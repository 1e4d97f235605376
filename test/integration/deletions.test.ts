import { statSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ApiClient, drain, take } from '../support/api.js'
import { type Origin, startOrigin } from '../support/origin.js'
import { FUNCTIONS_DIR, startTestServer, type TestServer } from '../support/server.js'

let origin: Origin
let server: TestServer
let api: ApiClient

beforeAll(async () => {
  origin = await startOrigin()
  server = await startTestServer({ HEDDLE_FUNCTIONS_DIR: FUNCTIONS_DIR })
  api = server.api
})

afterAll(async () => {
  await server.close()
  await origin.close()
})

interface Deleted {
  deletedRunId: string | null
  userErrors: { code: string; field: string[] | null; message: string }[]
}

async function remove(id: string): Promise<Deleted> {
  const query = 'mutation($id: ID!) { deleteRun(id: $id) { deletedRunId userErrors { code field message } } }'
  return (await api.ask<{ deleteRun: Deleted }>(query, { id })).deleteRun
}

function compute(count: number, options: object = {}): Promise<string> {
  return api.finish(api.launchCompute({ function: 'same', source: { range: { from: 0, to: count } }, options }))
}

/** Rows of tables, as they are on disk. */
function rows(...tables: string[]): number {
  const db = new Database(join(server.dataDir, 'heddle.db'), { readonly: true })
  try {
    const count = (table: string) => db.prepare<[], number>(`SELECT count(*) FROM "${table}"`).pluck().get() ?? 0
    return tables.reduce((sum, table) => sum + count(table), 0)
  } finally {
    db.close()
  }
}

describe('deleteRun', () => {
  it('takes a run away whole: nobody finds it or its tasks, nor does a list or a count', async () => {
    const labels = [{ name: 'of', value: 'deletions' }]
    const id = await compute(3000, { labels, name: 'to go' })
    const kept = await compute(10, { labels })
    const [task] = await api.tasks<{ id: string }>(id, 'id', 'orderBy: SLOWEST')
    const { node } = await api.ask<{ node: object }>('query($id: ID!) { node(id: $id) { id } }', { id: task?.id })
    expect(node).toEqual({ id: task?.id })
    expect(await remove(id)).toEqual({ deletedRunId: id, userErrors: [] })
    const query = `query($run: ID!, $task: ID!) {
      run(id: $run) { id } a: node(id: $run) { id } b: node(id: $task) { id } nodes(ids: [$run, $task]) { id }
      byName: runs(filter: { name: "to go" }) { totalCount nodes { id } }
      byLabel: runs(filter: { labels: [{ name: "of", value: "deletions" }] }) { totalCount nodes { id } }
    }`
    expect(await api.ask(query, { run: id, task: task?.id })).toEqual({
      run: null,
      a: null,
      b: null,
      nodes: [null, null],
      byName: { totalCount: 0, nodes: [] },
      byLabel: { totalCount: 1, nodes: [{ id: kept }] },
    })
    while (rows('DeletedRun') > 0) await new Promise((resolve) => setImmediate(resolve))
    expect(rows('Task')).toBe(await taskCount())
    expect((await api.tasks(kept, 'index')).length).toBe(10)
  })

  async function taskCount(): Promise<number> {
    const { runs } = await api.ask<{ runs: { nodes: { tasks: { totalCount: number } }[] } }>(
      '{ runs(first: 1000) { nodes { tasks(first: 0) { totalCount } } } }',
    )
    return runs.nodes.reduce((sum, { tasks }) => sum + tasks.totalCount, 0)
  }

  it('refuses a run that goes on, and leaves it alone', async () => {
    const urls = [`${origin.url}/hold/deletions`, `${origin.url}/ok`]
    const id = await api.start(api.launchFetch({ source: { urls } }))
    await origin.arrived('/hold/deletions')
    expect(await remove(id)).toEqual({
      deletedRunId: null,
      userErrors: [
        {
          code: 'INVALID_STATE',
          field: ['id'],
          message: 'the run is RUNNING: expected one that has ended: SUCCEEDED, PARTIAL, FAILED or CANCELLED',
        },
      ],
    })
    origin.release('/hold/deletions')
    expect(await api.ended(id)).toBe('SUCCEEDED')
    expect(await remove(id)).toEqual({ deletedRunId: id, userErrors: [] })
  })

  it('is done once, however many ask for it at a time', async () => {
    const id = await compute(2000)
    const answers = await Promise.all(Array.from({ length: 5 }, () => remove(id)))
    expect(answers.filter(({ deletedRunId }) => deletedRunId === id)).toHaveLength(1)
    const refused = answers.filter(({ deletedRunId }) => deletedRunId === null)
    expect(refused.map(({ userErrors }) => userErrors[0]?.code)).toEqual(new Array(4).fill('NOT_FOUND'))
  })

  it('gives the idempotency key free', async () => {
    const launch = () =>
      api.launchCompute({ function: 'same', source: { inputs: [1] }, options: { idempotencyKey: 'deletions' } })
    const id = await api.finish(launch())
    expect(await launch()).toMatchObject({ deduplicated: true, run: { id } })
    await remove(id)
    const again = await launch()
    expect(again).toMatchObject({ deduplicated: false, userErrors: [] })
    expect(again.run?.id).not.toBe(id)
  })

  it('ends the streams of the run, and disturbs those of all runs in nothing', async () => {
    const id = await compute(9000)
    const all = await api.open<{ runsUpdated: { id: string } }>('subscription { runsUpdated { id } }')
    // One that is behind: most is unsent when the run is deleted.
    const query =
      'subscription($id: ID!) { tasksEnded(runId: $id, maxPerSecond: 4, maxNodes: 500) { nodes { index } } }'
    const behind = await api.open<{ tasksEnded: { nodes: object[] } }>(query, { id })
    expect((await take(behind, 1))[0]?.tasksEnded.nodes).toHaveLength(500)
    await remove(id)
    const { all: rest, end } = await drain(behind)
    expect(end).toBe('complete')
    // What is still told has no hole.
    for (const { tasksEnded } of rest) expect(tasksEnded.nodes).toHaveLength(500)
    expect(rest.length).toBeLessThan(17)
    const refused = ['runUpdated(id: $id)', 'taskEnded(runId: $id)', 'tasksEnded(runId: $id)'].map((field) =>
      api.refusal(`subscription($id: ID!) { ${field} { __typename } }`, { id }),
    )
    expect(await Promise.all(refused)).toEqual([['NOT_FOUND'], ['NOT_FOUND'], ['NOT_FOUND']])
    const next = await compute(1)
    for (;;) if ((await take(all, 1))[0]?.runsUpdated.id === next) break
    await all.return('cut')
  })

  it('goes on after a restart with what the server had left', async () => {
    const id = await compute(40_000)
    await remove(id)
    // Its rows take many steps.
    expect(rows('DeletedRun')).toBe(1)
    await server.restart()
    api = server.api
    expect(await api.ask('query($id: ID!) { node(id: $id) { id } }', { id })).toEqual({ node: null })
    while (rows('DeletedRun') > 0) await new Promise((resolve) => setImmediate(resolve))
    expect(rows('Task')).toBe(await taskCount())
    expect(server.logged).toEqual([])
  })

  it('keeps the log of the database small, and others going', async () => {
    const id = await compute(150_000)
    await remove(id)
    let largest = 0
    let launches = 0
    while (rows('DeletedRun') > 0) {
      await compute(3)
      launches += 1
      largest = Math.max(largest, statSync(join(server.dataDir, 'heddle.db-wal')).size)
    }
    expect(launches).toBeGreaterThan(3)
    expect(largest).toBeLessThan(64 * 1024 * 1024)
  })
})
