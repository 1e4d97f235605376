import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ApiClient, Launched } from '../support/api.js'
import { followComparison, readComparison, startComparison } from '../support/comparisons.js'
import { type Origin, startOrigin } from '../support/origin.js'
import { FUNCTIONS_DIR, startTestServer, type TestServer } from '../support/server.js'
import { fileOf, launchComputeFile, uploadsIn } from '../support/uploads.js'

let origin: Origin
let server: TestServer
let api: ApiClient

beforeAll(async () => {
  origin = await startOrigin()
  server = await startTestServer({
    HEDDLE_FUNCTIONS_DIR: FUNCTIONS_DIR,
    HEDDLE_LANES: '2',
    HEDDLE_DRAIN_MS: '0',
    HEDDLE_MAX_QUEUED_TASKS: '100000',
  })
  api = server.api
})

afterAll(async () => {
  await server.close()
  await origin.close()
})

const FIELDS = 'deduplicated run { id status } userErrors { code message field retryAfterMs }'
/** Five of fifteen. */
const BROKEN = [2, 3, 7, 11, 14]
const ONCE = { maxAttempts: 1 }

async function retry(id: string, policy: object | null = null): Promise<Launched> {
  const query = `mutation($id: ID!, $retry: RetryInput) { retry: retryRun(id: $id, retry: $retry) { ${FIELDS} } }`
  return (await api.ask<{ retry: Launched }>(query, { id, retry: policy })).retry
}

interface ManyRuns {
  matched: number
  accepted: number
  runs: { id: string; status: string; retryOf: { id: string } | null }[]
  userErrors: { code: string; field: string[]; retryAfterMs: number | null }[]
}

async function change(name: 'retryRuns' | 'cancelRuns', filter: object): Promise<ManyRuns> {
  const fields = 'matched accepted runs { id status retryOf { id } } userErrors { code field retryAfterMs }'
  const query = `mutation($filter: RunFilter!) { answer: ${name}(filter: $filter) { ${fields} } }`
  return (await api.ask<{ answer: ManyRuns }>(query, { filter })).answer
}

async function prune(finishedBefore: string): Promise<number> {
  const query = 'mutation($at: DateTime!) { pruneRuns(finishedBefore: $at) { deletedCount userErrors { code } } }'
  return (await api.ask<{ pruneRuns: { deletedCount: number } }>(query, { at: finishedBefore })).pruneRuns.deletedCount
}

/** Of fifteen pages five answer from the second request on. */
function pages(place: string): string[] {
  return Array.from({ length: 15 }, (_, at) => {
    const fails = BROKEN.includes(at) ? 1 : 0
    return `${origin.url}/flaky?fails=${fails}&of=${place}&i=${at}`
  })
}

const progressOf = (id: string) =>
  api.run<{ progress: object }>(id, 'status progress { total succeeded failed queued }')
const placesOf = async (id: string, fields = 'index stage status') => {
  const tasks = await api.tasks<{ index: number; stage: number; status: string }>(id, fields)
  return tasks.map(({ index, stage }) => [index, stage])
}

/** Computes of which those at these places fail. */
const act = (count: number, broken: readonly number[], options: object = {}) =>
  api.finish(
    api.launchCompute({
      function: 'act',
      source: {
        inputs: Array.from({ length: count }, (_, at) =>
          broken.includes(at) ? { do: 'fail', message: 'no', of: at } : { do: 'echo', value: at },
        ),
      },
      options: { retry: ONCE, ...options },
    }),
  )

describe('retryRun', () => {
  it('repeats five fetches of fifteen under their indexes, and leads back to the first run', async () => {
    const options = {
      name: 'five',
      labels: [{ name: 'a', value: 'b' }],
      retry: ONCE,
      idempotencyKey: 'five',
      concurrency: 8,
    }
    const headers = [{ name: 'authorization', value: 'secret' }]
    const id = await api.finish(
      api.launchFetch({ source: { urls: pages('five') }, fetch: { headers, bodyPolicy: 'TEXT' }, options }),
    )
    expect(await progressOf(id)).toEqual({
      status: 'PARTIAL',
      progress: { total: 15, succeeded: 10, failed: 5, queued: 0 },
    })
    const launched = await retry(id)
    expect(launched).toMatchObject({ deduplicated: false, userErrors: [] })
    const again = await api.start(Promise.resolve(launched))
    expect(await api.ended(again)).toBe('SUCCEEDED')
    expect(await progressOf(again)).toMatchObject({ progress: { total: 5, succeeded: 5 } })
    const tasks = await api.tasks<{ index: number; input: string; output: string }>(again, 'index input output')
    expect(tasks.map(({ index }) => index)).toEqual(BROKEN)
    expect(tasks.map(({ input }) => input)).toEqual(BROKEN.map((at) => pages('five')[at]))
    expect(new Set(tasks.map(({ output }) => output))).toEqual(new Set(['answered at request 2']))
    const fields = 'name labels { name value } concurrency retryOf { id } retries { id } request'
    const first = await api.run<{ request: object }>(id, fields)
    const repeated = await api.run<{ request: object }>(again, fields)
    expect(first).toMatchObject({ retryOf: null, retries: [{ id: again }], concurrency: 8 })
    expect(repeated).toMatchObject({ name: 'five', retryOf: { id }, retries: [], concurrency: 5 })
    expect(repeated.request).toEqual(first.request)
    expect(JSON.stringify(repeated.request)).not.toContain('secret')
    // The key is the first run's.
    const once = api.launchFetch({ source: { urls: pages('five') }, fetch: { headers, bodyPolicy: 'TEXT' }, options })
    expect(await once).toMatchObject({ deduplicated: true, run: { id } })
  })

  it('repeats five of fifteen items of a pipeline from its first stage on', async () => {
    const stages = [{ fetch: { fetch: { bodyPolicy: 'TEXT' } } }, { compute: { function: 'anything' } }]
    const id = await api.finish(
      api.launchPipeline({ source: { urls: pages('pipeline') }, stages, options: { retry: ONCE } }),
    )
    const { run } = await retry(id)
    expect(await api.ended(run!.id)).toBe('SUCCEEDED')
    expect(await placesOf(run!.id)).toEqual(
      BROKEN.flatMap((at) => [
        [at, 0],
        [at, 1],
      ]),
    )
    const { stages: told } = await api.run<{ stages: object[] }>(
      run!.id,
      'stages { progress { total succeeded skipped } }',
    )
    expect(told).toEqual([0, 1].map(() => ({ progress: { total: 5, succeeded: 5, skipped: 0 } })))
  })

  it.each(['ASYNC', 'THREADS', 'PROCESSES', 'AUTO', 'SEQUENTIAL'])('repeats computes under %s', async (strategy) => {
    const id = await act(15, BROKEN, { strategy })
    const { run } = await retry(id)
    expect(await api.ended(run!.id)).toBe('FAILED')
    expect(await placesOf(run!.id)).toEqual(BROKEN.map((at) => [at, 0]))
    const inputs = await api.tasks<{ input: { of: number } }>(run!.id, 'input')
    expect(inputs.map(({ input }) => input.of)).toEqual(BROKEN)
  })

  it('goes on in the middle of it after a restart, with the same items', async () => {
    const urls = Array.from({ length: 15 }, (_, at) =>
      BROKEN.includes(at) ? `${origin.url}/hold/restart?i=${at}` : `${origin.url}/ok?i=${at}`,
    )
    const options = { retry: ONCE, concurrency: 20 }
    const id = await api.start(api.launchFetch({ source: { urls }, options }))
    await origin.arrived('/hold/restart', 5)
    expect(await change('cancelRuns', { status: ['RUNNING'] })).toMatchObject({ accepted: 1, runs: [{ id }] })
    const { run } = await retry(id)
    await origin.arrived('/hold/restart', 10)
    await server.restart()
    api = server.api
    await origin.arrived('/hold/restart', 15)
    expect(await progressOf(run!.id)).toEqual({
      status: 'RUNNING',
      progress: { total: 5, succeeded: 0, failed: 0, queued: 0 },
    })
    origin.release('/hold/restart')
    expect(await api.ended(run!.id)).toBe('SUCCEEDED')
    expect(await placesOf(run!.id)).toEqual(BROKEN.map((at) => [at, 0]))
    expect(server.logged).toEqual([])
  })

  it('has its lines from a file that stays as long as one of its runs does', async () => {
    const before = uploadsIn(server.dataDir).length
    const inputs = Array.from({ length: 15 }, (_, at) =>
      BROKEN.includes(at) ? { do: 'fail', message: 'no', of: at } : { do: 'echo', value: at },
    )
    const id = await api.finish(
      launchComputeFile(server.app.url, fileOf(inputs), { function: 'act', options: { retry: ONCE } }),
    )
    const { run: first } = await retry(id)
    await api.ended(first!.id)
    const remove = (run: string) => api.ask('mutation($id: ID!) { deleteRun(id: $id) { deletedRunId } }', { id: run })
    await remove(id)
    expect(uploadsIn(server.dataDir)).toHaveLength(before + 1)
    expect(await api.run(first!.id, 'retryOf { id }')).toEqual({ retryOf: null })
    const { run: second } = await retry(first!.id)
    await api.ended(second!.id)
    const tasks = await api.tasks<{ index: number; input: { of: number } }>(second!.id, 'index input')
    expect(tasks.map(({ index, input }) => [index, input.of])).toEqual(BROKEN.map((at) => [at, at]))
    await remove(first!.id)
    await remove(second!.id)
    expect(uploadsIn(server.dataDir)).toHaveLength(before)
  })

  it('repeats a run of a comparison as a run of its own', async () => {
    const comparison = await startComparison(api, {
      batch: {
        compute: {
          function: 'act',
          source: {
            inputs: [
              { do: 'echo', value: 0 },
              { do: 'fail', message: 'no' },
            ],
          },
          options: { retry: ONCE },
        },
      },
      strategies: ['SEQUENTIAL', 'THREADS'],
    })
    await followComparison(api, comparison)
    const { runs } = await readComparison<{ runs: { id: string }[] }>(api, comparison, 'runs { id }')
    const { run } = await retry(runs[0]!.id)
    await api.ended(run!.id)
    expect(await api.tasks(run!.id, 'index input')).toEqual([{ index: 1, input: { do: 'fail', message: 'no' } }])
    expect(await api.run(run!.id, 'comparison { id } retryOf { comparison { id } }')).toEqual({
      comparison: null,
      retryOf: { comparison: { id: comparison } },
    })
    const { runs: still } = await readComparison<{ runs: { id: string }[] }>(api, comparison, 'runs { id }')
    expect(still).toEqual(runs)
  })

  it('is refused with the reason', async () => {
    const id = await act(2, [])
    expect(await retry(id, { maxAttempts: 0 })).toEqual({
      deduplicated: false,
      run: null,
      userErrors: [
        {
          code: 'INVALID',
          field: ['retry', 'maxAttempts'],
          message: '0 is not a whole number from 1 to 100',
          retryAfterMs: null,
        },
        {
          code: 'INVALID_STATE',
          field: ['id'],
          message: 'the run is SUCCEEDED: every item went through every stage, and there is nothing to repeat',
          retryAfterMs: null,
        },
      ],
    })
    expect((await retry('run_no')).userErrors).toMatchObject([{ code: 'NOT_FOUND', field: ['id'] }])
    expect((await retry(`run_${'f'.repeat(32)}`)).userErrors).toMatchObject([{ code: 'NOT_FOUND', field: ['id'] }])
  })
})

describe('changes to many runs', () => {
  const EMPTY = {
    matched: 0,
    accepted: 0,
    runs: [],
    userErrors: [{ code: 'EMPTY_FILTER', field: ['filter'], retryAfterMs: null }],
  }

  it('are refused where the filter names nothing', async () => {
    for (const filter of [{}, { name: null, labels: null }, { status: [], labels: [] }, { name: ' ' }]) {
      expect(await change('retryRuns', filter)).toEqual(EMPTY)
      expect(await change('cancelRuns', filter)).toEqual(EMPTY)
    }
  })

  it('repeat what the filter finds and can be repeated', async () => {
    const labels = [{ name: 'of', value: 'many' }]
    const ids = [await act(3, [1], { labels }), await act(3, [], { labels }), await act(3, [0, 1, 2], { labels })]
    const answer = await change('retryRuns', { labels })
    expect(answer).toMatchObject({ matched: 3, accepted: 2, userErrors: [] })
    expect(answer.runs.map(({ retryOf }) => retryOf?.id)).toEqual([ids[0], ids[2]])
    await Promise.all(answer.runs.map(({ id }) => api.ended(id)))
    expect(await change('retryRuns', { labels, status: ['SUCCEEDED'] })).toMatchObject({ matched: 1, accepted: 0 })
  })

  it('stop with one error where the queue is full: what is launched stays', async () => {
    const labels = [{ name: 'of', value: 'full' }]
    // Each is more than a third of what may wait, and nothing of it succeeds.
    const template = { template: `${origin.url}/hold/full?i={i}`, from: 1, to: 40_000 }
    for (let made = 0; made < 3; made += 1) {
      const id = await api.start(api.launchFetch({ source: { template }, options: { labels } }))
      await api.ask('mutation($id: ID!) { cancelRun(id: $id) { run { id } } }', { id })
      expect(await api.ended(id)).toBe('CANCELLED')
    }
    const answer = await change('retryRuns', { labels })
    expect(answer).toMatchObject({ matched: 3, accepted: 2 })
    expect(answer.userErrors).toEqual([{ code: 'QUEUE_FULL', field: ['filter'], retryAfterMs: 5_000 }])
    const ended = await change('cancelRuns', { status: ['QUEUED', 'RUNNING'] })
    expect(ended).toMatchObject({ accepted: 2, userErrors: [] })
  })

  it('cancel side by side what has not ended', async () => {
    const labels = [{ name: 'of', value: 'cancels' }]
    const done = await act(1, [], { labels })
    const spinning = await api.start(
      api.launchCompute({
        function: 'act',
        source: { inputs: [{ do: 'spin' }] },
        options: { labels, strategy: 'THREADS' },
      }),
    )
    await api.running(spinning, 1)
    const urls = Array.from({ length: 4 }, (_, at) => `${origin.url}/hold/many?i=${at}`)
    const ids: string[] = []
    for (let made = 0; made < 20; made += 1)
      ids.push(await api.start(api.launchFetch({ source: { urls }, options: { labels, strategy: 'ASYNC' } })))
    const answer = await change('cancelRuns', { labels })
    expect(answer).toMatchObject({ matched: 22, accepted: 21, userErrors: [] })
    expect(answer.runs.map(({ id }) => id).sort()).toEqual([spinning, ...ids].sort())
    expect(new Set(answer.runs.map(({ status }) => status))).toEqual(new Set(['CANCELLED']))
    expect(await api.run(done, 'status')).toEqual({ status: 'SUCCEEDED' })
  })
})

describe('pruneRuns', () => {
  it('takes away what ended before, with its bodies, and leaves the rest', async () => {
    const text = `${origin.url}/bytes?n=20000&of=prune`
    const stored = await api.finish(api.launchFetch({ source: { urls: [text] }, fetch: { bodyPolicy: 'STORE' } }))
    const [task] = await api.tasks<{ bodyUrl: string }>(stored, 'bodyUrl')
    const { finishedAt } = await api.run<{ finishedAt: string }>(stored, 'finishedAt')
    const held = await api.start(api.launchFetch({ source: { urls: [`${origin.url}/hold/prune`] } }))
    await origin.arrived('/hold/prune')
    const early = await prune(finishedAt)
    expect(early).toBeGreaterThan(10)
    expect(await api.run(stored, 'status')).toEqual({ status: 'SUCCEEDED' })
    // One to come means now.
    expect(await prune('2999-01-01T00:00:00.000Z')).toBe(1)
    expect(await prune('2999-01-01T00:00:00.000Z')).toBe(0)
    const url = new URL(task!.bodyUrl, server.app.url)
    expect((await fetch(url)).status).toBe(404)
    const { runs, comparisons } = await api.ask<{ runs: { nodes: object[] }; comparisons: object }>(
      '{ runs(first: 1000) { nodes { id } } comparisons { totalCount } }',
    )
    expect({ runs: runs.nodes, comparisons }).toEqual({ runs: [{ id: held }], comparisons: { totalCount: 0 } })
    origin.release('/hold/prune')
    expect(await api.ended(held)).toBe('SUCCEEDED')
    expect(server.logged).toEqual([])
  })
})
