/** Retries whose server is killed as soon as they are answered, and in the middle of them. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Launched } from '../support/api.js'
import { type Origin, startOrigin } from '../support/origin.js'
import { type ServerProcess, startProcess } from '../support/process.js'
import { FUNCTIONS_DIR } from '../support/server.js'

/** Five of fifteen. */
const HELD = [2, 3, 7, 11, 14]
const OTHERS = 10

let dataDir: string
let origin: Origin
let server: ServerProcess

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'heddle-retries-'))
  origin = await startOrigin()
  server = await start()
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
  })
}

async function kill(): Promise<void> {
  await server.end('SIGKILL')
  server = await start()
}

const urls = () =>
  Array.from({ length: HELD.length + OTHERS }, (_, at) => `${origin.url}/${HELD.includes(at) ? 'hold' : 'ok'}?i=${at}`)

async function retry(id: string): Promise<string> {
  const query = 'mutation($id: ID!) { retry: retryRun(id: $id) { deduplicated run { id status } userErrors { code } } }'
  return server.api.start(server.api.ask<{ retry: Launched }>(query, { id }).then((answer) => answer.retry))
}

/** A run of which all items but those that are held have succeeded. */
async function cutShort(launch: Promise<Launched>, stages = 1): Promise<string> {
  const id = await server.api.start(launch)
  await origin.arrived('/hold', HELD.length)
  for await (const { runUpdated } of server.api.subscribe<{ runUpdated: { progress: { succeeded: number } } }>(
    'subscription($id: ID!) { runUpdated(id: $id, maxPerSecond: 60) { progress { succeeded } } }',
    { id },
  )) {
    if (runUpdated.progress.succeeded >= OTHERS * stages) break
  }
  const query = 'mutation($id: ID!) { cancelRun(id: $id) { run { status } } }'
  expect(await server.api.ask(query, { id })).toEqual({ cancelRun: { run: { status: 'CANCELLED' } } })
  return id
}

const counts = (id: string) => server.api.run(id, 'status progress { total succeeded failed skipped cancelled }')
const succeeded = (count: number) => ({
  status: 'SUCCEEDED',
  progress: { total: count, succeeded: count, failed: 0, skipped: 0, cancelled: 0 },
})

describe('a retry', () => {
  it('of fetches is on disk when it is answered, with the items that it repeats and no others', async () => {
    const id = await cutShort(server.api.launchFetch({ source: { urls: urls() }, options: { concurrency: 20 } }))
    const again = await retry(id)
    await kill()
    // What was asked for before the end is asked for again; when that was, nobody can tell.
    await server.api.running(again, HELD.length)
    await server.api.ask('mutation($id: ID!) { deleteRun(id: $id) { deletedRunId } }', { id })
    await kill()
    await server.api.running(again, HELD.length)
    origin.release('/hold')
    expect(await server.api.ended(again)).toBe('SUCCEEDED')
    expect(await server.api.tasks(again, 'index input')).toEqual(
      HELD.map((index) => ({ index, input: `${origin.url}/hold?i=${index}` })),
    )
    expect(await counts(again)).toEqual(succeeded(HELD.length))
    expect(origin.requests('/ok')).toBe(OTHERS)
  })

  it('of a pipeline goes on stage by stage', async () => {
    const stages = [{ fetch: { fetch: { bodyPolicy: 'TEXT' } } }, { compute: { function: 'anything' } }]
    const launch = server.api.launchPipeline({ source: { urls: urls() }, stages, options: { concurrency: 20 } })
    const again = await retry(await cutShort(launch, stages.length))
    await server.api.running(again, HELD.length)
    await kill()
    await server.api.running(again, HELD.length)
    origin.release('/hold')
    expect(await server.api.ended(again)).toBe('SUCCEEDED')
    expect(await server.api.tasks(again, 'index stage output')).toEqual(
      HELD.flatMap((index) => [0, 1].map((stage) => ({ index, stage, output: 'released' }))),
    )
    expect(await counts(again)).toEqual(succeeded(2 * HELD.length))
    expect(origin.requests('/ok')).toBe(OTHERS)
  })

  it('of many items does none twice that had ended, and none that it leaves out', async () => {
    const count = 120_000
    const api = () => server.api
    const id = await api().start(
      api().launchCompute({ function: 'same', source: { range: { from: 0, to: count } }, reduce: 'COUNT' }),
    )
    for await (const { runUpdated } of api().subscribe<{ runUpdated: { progress: { done: number } } }>(
      'subscription($id: ID!) { runUpdated(id: $id, maxPerSecond: 60) { progress { done } } }',
      { id },
    )) {
      if (runUpdated.progress.done > 0) break
    }
    await api().ask('mutation($id: ID!) { cancelRun(id: $id) { run { status } } }', { id })
    const { progress } = await api().run<{ progress: { succeeded: number } }>(id, 'progress { succeeded }')
    const left = count - progress.succeeded
    expect(left).toBeGreaterThan(0)
    const again = await retry(id)
    await kill()
    expect(await api().ended(again)).toBe('SUCCEEDED')
    expect(await api().run(again, 'reduction progress { total succeeded }')).toEqual({
      reduction: left,
      progress: { total: left, succeeded: left },
    })
    const done = new Set<number>()
    type Batch = { tasksEnded: { nodes: { index: number; status: string }[] } }
    for (const run of [id, again]) {
      const query = 'subscription($id: ID!) { tasksEnded(runId: $id, maxPerSecond: 60) { nodes { index status } } }'
      for await (const { tasksEnded } of api().subscribe<Batch>(query, { id: run })) {
        for (const { index, status } of tasksEnded.nodes) {
          if (status !== 'SUCCEEDED') continue
          if (done.has(index)) throw new Error(`item ${index} was done twice`)
          done.add(index)
        }
      }
    }
    expect(done.size).toBe(count)
  })
})
