import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ApiClient } from '../support/api.js'
import { followComparison, readComparison, startComparison } from '../support/comparisons.js'
import { type Origin, startOrigin } from '../support/origin.js'
import { type ServerProcess, startProcess } from '../support/process.js'

const QUICK = 8

let dataDir: string
let origin: Origin
let server: ServerProcess

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'heddle-comparisons-'))
  origin = await startOrigin()
})

afterEach(async () => {
  await server?.end('SIGKILL')
  await origin.close()
  await rm(dataDir, { recursive: true, force: true })
})

async function start(): Promise<ApiClient> {
  server = await startProcess({ HEDDLE_DATA_DIR: dataDir, HEDDLE_ALLOW_HOSTS: '127.0.0.1', HEDDLE_LANES: '2' })
  return server.api
}

/** Documents that end at once, and one that waits until the test releases it: the run has begun, and goes on. */
function launch(api: ApiClient, strategies: string[]): Promise<string> {
  const quick = Array.from({ length: QUICK }, (_, i) => `${origin.url}/json?i=${i}`)
  const urls = [...quick, `${origin.url}/hold/last`]
  return startComparison(api, { batch: { fetch: { source: { urls } } }, strategies, rounds: 2 })
}

const RUNS = 'runs { id strategy status progress { done } }'

interface Runs {
  runs: { id: string; strategy: string; status: string; progress: { done: number } }[]
}

describe('a server that is killed in the middle of a comparison', () => {
  it('goes on with the run that was cut off and then with the next, and runs no ended task again', async () => {
    const before = await start()
    const id = await launch(before, ['ASYNC', 'SEQUENTIAL'])
    await origin.arrived('/hold/last')
    await followComparison(before, id, ({ status }) => status === 'RUNNING')
    await untilDone(before, id)
    const order = (await readComparison<Runs>(before, id, RUNS)).runs
    await server.end('SIGKILL')

    const after = await start()
    expect((await readComparison<Runs>(after, id, RUNS)).runs.map((run) => run.id)).toEqual(order.map((run) => run.id))
    await origin.arrived('/hold/last', 2)
    origin.release('/hold/last')
    const { status, rows, verdict } = await followComparison(after, id)
    expect(status).toBe('SUCCEEDED')
    // The one that was cut in two is left out: its strategy has another.
    const cut = order[0]!.strategy
    expect(rows).toEqual(['ASYNC', 'SEQUENTIAL'].map((strategy) => ({ strategy, runs: strategy === cut ? 1 : 2 })))
    expect(verdict).toContain(`Left out, as a restart of the server cut it in two: 1 run of ${cut}.`)
    const { runs } = await readComparison<Runs>(after, id, RUNS)
    expect(runs.map(({ status: one, progress }) => [one, progress.done])).toEqual(
      Array(4).fill(['SUCCEEDED', QUICK + 1]),
    )
    // Each run sent each document once; the one that was in service when the server died, twice.
    expect(origin.requests('/json')).toBe(4 * QUICK)
    expect(origin.requests('/hold/last')).toBe(5)
  })

  it('begins anew where nothing of it had begun', async () => {
    const before = await start()
    const first = await before.start(before.launchFetch({ source: { urls: [`${origin.url}/hold/first`] } }))
    await origin.arrived('/hold/first')
    const id = await launch(before, ['THREADS'])
    await server.end('SIGKILL')
    // From here on either may go first: no run holds a lane.
    const after = await start()
    origin.release('/hold/first')
    origin.release('/hold/last')
    expect(await after.ended(first)).toBe('SUCCEEDED')
    const { status, rows, verdict } = await followComparison(after, id)
    expect({ status, rows }).toEqual({ status: 'SUCCEEDED', rows: [{ strategy: 'THREADS', runs: 2 }] })
    expect(verdict).not.toContain('restart')
  })
})

/** Until all that is quick has been told of. */
async function untilDone(api: ApiClient, id: string): Promise<void> {
  await followComparison(api, id, ({ runs }) => runs.some(({ status }) => status === 'RUNNING'))
  const { runs } = await readComparison<Runs>(api, id, RUNS)
  const query = 'subscription($id: ID!) { runUpdated(id: $id, maxPerSecond: 60) { progress { done } } }'
  const running = runs.find(({ status }) => status === 'RUNNING')!
  for await (const { runUpdated } of api.subscribe<{ runUpdated: { progress: { done: number } } }>(query, {
    id: running.id,
  })) {
    if (runUpdated.progress.done === QUICK) return
  }
}
