import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ApiClient, Launched, Variables } from '../support/api.js'
import { LAUNCH_COMPARISON, type LaunchedComparison, launchComparison } from '../support/comparisons.js'
import { type Origin, startOrigin } from '../support/origin.js'
import { FUNCTIONS_DIR, startTestServer, type TestServer } from '../support/server.js'
import { fileOf, formOf, launchComputeFile, launchFetchFile, send, uploadsIn } from '../support/uploads.js'

const MAX_QUEUED_TASKS = 1_000

let origin: Origin
let server: TestServer
let api: ApiClient

beforeEach(async () => {
  origin = await startOrigin()
  server = await startTestServer({
    HEDDLE_FUNCTIONS_DIR: FUNCTIONS_DIR,
    HEDDLE_LANES: '1',
    HEDDLE_MAX_LANES: '1',
    HEDDLE_MAX_QUEUED_TASKS: String(MAX_QUEUED_TASKS),
    HEDDLE_DRAIN_MS: '0',
  })
  api = server.api
})

afterEach(async () => {
  await server.close()
  await origin.close()
})

/** Fetches that wait until the test ends, and take the only lane: whatever is launched after them waits. */
async function fill(tasks: number): Promise<void> {
  const template = { template: `${origin.url}/hold/fill?i={i}`, from: 1, to: tasks + 1 }
  await api.start(api.launchFetch({ source: { template }, options: { concurrency: 1 } }))
  await origin.arrived('/hold/fill')
}

/** Everything that a launch leaves behind. */
function stored(): Record<string, number> {
  const db = new Database(join(server.dataDir, 'heddle.db'), { readonly: true })
  try {
    const count = (table: string) => db.prepare(`SELECT count(*) FROM "${table}"`).pluck().get() as number
    const tables = ['Run', 'SourceBlock', 'SourceFile', 'Comparison', 'Label', 'RunFunction']
    const counts = Object.fromEntries(tables.map((table) => [table, count(table)]))
    return { ...counts, files: uploadsIn(server.dataDir).length }
  } finally {
    db.close()
  }
}

type Refused = Pick<Launched, 'userErrors'>

const listOf = (count: number) => Array.from({ length: count }, (_, item) => item)

/** Launches of so many tasks, of every kind. */
const LAUNCHES: [string, (tasks: number, options: Variables) => Promise<Refused & { id: string | undefined }>][] = [
  [
    'a list',
    async (tasks, options) => toRefused(await api.launchCompute({ ...same({ inputs: listOf(tasks) }), options })),
  ],
  [
    'fetches',
    async (tasks, options) => {
      const urls = listOf(tasks).map((item) => `${origin.url}/ok?i=${item}`)
      return toRefused(await api.launchFetch({ source: { urls }, options }))
    },
  ],
  [
    'a pipeline',
    async (tasks, options) => {
      const stages = [{ compute: { function: 'same' } }, { compute: { function: 'same' } }]
      return toRefused(await api.launchPipeline({ source: { inputs: listOf(tasks / 2) }, stages, options }))
    },
  ],
  [
    'a file of inputs',
    async (tasks, options) =>
      toRefused(await launchComputeFile(server.api.url, fileOf(listOf(tasks)), { function: 'same', options })),
  ],
  [
    'a file of URLs',
    async (tasks, options) => {
      const urls = listOf(tasks).map((item) => `${origin.url}/ok?i=${item}`)
      return toRefused(await launchFetchFile(server.api.url, fileOf(urls.join('\n')), { options }))
    },
  ],
  [
    'a comparison',
    async (tasks, options) => {
      const batch = { compute: { ...same({ inputs: listOf(tasks / 2) }), options } }
      const { comparison, userErrors } = await launchComparison(api, { batch, strategies: ['ASYNC', 'THREADS'] })
      return { id: comparison?.id, userErrors }
    },
  ],
  [
    'a comparison with a file',
    async (tasks, options) => {
      const batch = { compute: { ...same({ file: fileOf(listOf(tasks / 2)) }), options } }
      const form = formOf(LAUNCH_COMPARISON, { input: { batch, strategies: ['ASYNC', 'THREADS'] } })
      const { body } = await send<{ launch: LaunchedComparison }>(server.api.url, form)
      const { comparison, userErrors } = body.data!.launch
      return { id: comparison?.id, userErrors }
    },
  ],
]

function same(source: Variables): Variables {
  return { function: 'same', source }
}

function toRefused({ run, userErrors }: Launched): Refused & { id: string | undefined } {
  return { id: run?.id, userErrors }
}

describe('a full queue', () => {
  it.each(LAUNCHES)('refuses %s whole: nothing of it is there', async (_what, launch) => {
    await fill(700)
    const before = stored()
    const { id, userErrors } = await launch(302, { name: 'refused', labels: [{ name: 'is', value: 'refused' }] })
    expect(id).toBeUndefined()
    expect(userErrors).toMatchObject([{ code: 'QUEUE_FULL', message: expect.stringContaining('302') }])
    expect(userErrors[0]?.retryAfterMs).toBeGreaterThanOrEqual(1_000)
    expect(userErrors[0]?.retryAfterMs).toBeLessThanOrEqual(60_000)
    expect(stored()).toEqual(before)
    expect((await launch(300, {})).userErrors).toEqual([])
  })

  it('is passed by no launches that come together, whatever they are', async () => {
    const outcomes = await Promise.all(LAUNCHES.flatMap(([, launch]) => [launch(300, {}), launch(300, {})]))
    const accepted = outcomes.filter(({ id }) => id !== undefined)
    const codes = outcomes.flatMap(({ userErrors }) => userErrors.map(({ code }) => code))
    // What has ended meanwhile has made room for others.
    expect(accepted.length).toBeGreaterThanOrEqual(3)
    expect(codes).toEqual(Array(outcomes.length - accepted.length).fill('QUEUE_FULL'))
    const { system } = await api.ask<{ system: { queuedTasks: number } }>('{ system { queuedTasks } }')
    expect(system.queuedTasks).toBeLessThanOrEqual(MAX_QUEUED_TASKS)
  })

  it('says of what is more than may ever wait that it need not come again', async () => {
    const { userErrors } = await api.launchCompute(same({ range: { from: 0, to: MAX_QUEUED_TASKS + 1 } }))
    expect(userErrors).toMatchObject([{ code: 'QUEUE_FULL', retryAfterMs: null }])
  })
})

describe('a launch under a key', () => {
  it.each(LAUNCHES)(
    'is one of %s, also when eight come at once and there is room for one alone',
    async (_what, launch) => {
      await fill(200)
      const before = stored()
      const options = { idempotencyKey: 'eight' }
      const outcomes = await Promise.all(Array.from({ length: 8 }, () => launch(600, options)))
      expect(outcomes.flatMap(({ userErrors }) => userErrors)).toEqual([])
      const [id, ...others] = new Set(outcomes.map((one) => one.id))
      expect(others).toEqual([])
      expect((await launch(602, options)).userErrors).toMatchObject([{ code: 'IDEMPOTENCY_CONFLICT' }])
      const { Run, Comparison, files } = stored()
      expect(Run! - before.Run!).toBe(Comparison! > before.Comparison! ? 2 : 1)
      expect(files! - before.files!).toBeLessThanOrEqual(1)
      await server.restart()
      api = server.api
      expect(await launch(600, options)).toEqual({ id, userErrors: [] })
      expect((await launch(598, options)).userErrors).toMatchObject([{ code: 'IDEMPOTENCY_CONFLICT' }])
    },
  )

  it('is one though the client gives up and repeats it while it is being written', async () => {
    const body = JSON.stringify({
      query: 'mutation($input: LaunchComputeBatchInput!) { launchComputeBatch(input: $input) { run { id } } }',
      variables: { input: { ...same({ inputs: listOf(900) }), options: { idempotencyKey: 'impatient' } } },
    })
    const post = (signal?: AbortSignal) =>
      fetch(`${api.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
        signal: signal ?? null,
      })
    await fill(50)
    for (let attempt = 0; attempt < 12; attempt += 1) {
      const gone = new AbortController()
      const answer = post(gone.signal).catch(() => null)
      // One request further on each time: a moment of its way through the server, and no time.
      for (let turn = 0; turn < attempt; turn += 1) await api.ask('{ __typename }')
      gone.abort()
      await answer
    }
    expect(await (await post()).json()).toMatchObject({
      data: { launchComputeBatch: { run: { id: expect.any(String) } } },
    })
    expect(stored().Run).toBe(2)
  })
})
