import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { drain } from '../support/api.js'
import { followComparison, readComparison, startComparison } from '../support/comparisons.js'
import { type Origin, startOrigin } from '../support/origin.js'
import { FUNCTIONS_DIR, startTestServer, type TestServer } from '../support/server.js'

let origin: Origin
let server: TestServer

beforeAll(async () => {
  origin = await startOrigin()
  server = await startTestServer({ HEDDLE_FUNCTIONS_DIR: FUNCTIONS_DIR, HEDDLE_LANES: '2', HEDDLE_DRAIN_MS: '0' })
})

afterAll(async () => {
  await server.close()
  await origin.close()
})

interface Answer {
  run: { id: string; status: string; progress: Record<string, number> } | null
  userErrors: { code: string; message: string; field: string[] }[]
}

async function change(name: 'cancelRun' | 'pauseRun' | 'resumeRun', id: string): Promise<Answer> {
  const fields =
    'run { id status progress { done running cancelled succeeded skipped } } userErrors { code message field }'
  const { answer } = await server.api.ask<{ answer: Answer }>(
    `mutation($id: ID!) { answer: ${name}(id: $id) { ${fields} } }`,
    { id },
  )
  return answer
}

const statusOf = async (id: string) => (await server.api.run<{ status: string }>(id, 'status')).status
const progressOf = async (id: string) =>
  (
    await server.api.run<{ progress: Record<string, number | null> }>(
      id,
      'progress { done running queued succeeded failed cancelled skipped etaMs }',
    )
  ).progress
const held = (place: string, count: number) =>
  Array.from({ length: count }, (_, i) => `${origin.url}/hold/${place}?i=${i}`)
const act = (inputs: object[], options: object) =>
  server.api.start(server.api.launchCompute({ function: 'act', source: { inputs }, options }))

describe('cancelRun', () => {
  it.each(['ASYNC', 'THREADS', 'PROCESSES'])('aborts fetches under %s on their sockets', async (strategy) => {
    const urls = held(`cancel-${strategy}`, 20)
    const options = { strategy, concurrency: 8 }
    const id = await server.api.start(server.api.launchFetch({ source: { urls }, options }))
    await origin.arrived(`/hold/cancel-${strategy}`, 8)
    const stream = server.api.subscribe<{ runUpdated: { status: string } }>(
      'subscription($id: ID!) { runUpdated(id: $id) { status } }',
      { id },
    )
    const told = drain(stream)
    const { run, userErrors } = await change('cancelRun', id)
    expect(userErrors).toEqual([])
    expect(run).toMatchObject({ status: 'CANCELLED', progress: { done: 20, running: 0, cancelled: 20, skipped: 0 } })
    const tasks = await server.api.tasks<{ status: string }>(id, 'status')
    expect(tasks).toEqual(Array(8).fill({ status: 'CANCELLED' }))
    const { all, end } = await told
    expect([all.at(-1), end]).toEqual([{ runUpdated: { status: 'CANCELLED' } }, 'complete'])
    expect(origin.requests(`/hold/cancel-${strategy}`)).toBe(8)
  })

  it.each(['ASYNC', 'THREADS', 'PROCESSES', 'SEQUENTIAL'])(
    'ends a function that spins under %s, and harms no run beside it',
    async (strategy) => {
      const id = await act([{ do: 'spin' }, { do: 'spin' }, { do: 'echo', value: 1 }], { strategy })
      await server.api.running(id, 1)
      const innocent = await act(
        Array.from({ length: 30 }, (_, value) => ({ do: 'burn', ms: 10, value })),
        { strategy: 'THREADS' },
      )
      const { run } = await change('cancelRun', id)
      expect(run?.status).toBe('CANCELLED')
      expect(await server.api.ended(innocent)).toBe('SUCCEEDED')
      expect(
        (await server.api.tasks<{ attempts: number }>(innocent, 'attempts')).map(({ attempts }) => attempts),
      ).toEqual(Array(30).fill(1))
    },
  )

  it('keeps what has succeeded, in every stage of a pipeline', async () => {
    const stages = [{ compute: { function: 'anything', strategy: 'THREADS' } }, { fetch: { strategy: 'ASYNC' } }]
    const inputs = [...Array.from({ length: 5 }, (_, i) => `${origin.url}/json?i=${i}`), ...held('staged', 15)]
    const id = await server.api.start(server.api.launchPipeline({ source: { inputs }, stages }))
    const reached = server.api.subscribe<{ runUpdated: { progress: { succeeded: number; running: number } } }>(
      'subscription($id: ID!) { runUpdated(id: $id, maxPerSecond: 60) { progress { succeeded running } } }',
      { id },
    )
    for await (const { runUpdated } of reached) if (runUpdated.progress.succeeded >= 25) break
    await change('cancelRun', id)
    expect(await statusOf(id)).toBe('CANCELLED')
    const { succeeded, cancelled, failed, skipped } = await progressOf(id)
    expect({ succeeded, cancelled, failed, skipped }).toEqual({ succeeded: 25, cancelled: 15, failed: 0, skipped: 0 })
  })

  it('is refused where the run has ended, or is not there', async () => {
    const id = await act([{ do: 'echo', value: 1 }], {})
    await server.api.ended(id)
    expect(await change('cancelRun', id)).toEqual({
      run: null,
      userErrors: [
        {
          code: 'INVALID_STATE',
          message: 'the run is SUCCEEDED: expected QUEUED, RUNNING or PAUSED',
          field: ['id'],
        },
      ],
    })
    for (const name of ['cancelRun', 'pauseRun', 'resumeRun'] as const) {
      const { userErrors } = await change(name, 'run_none')
      expect(userErrors).toMatchObject([{ code: 'NOT_FOUND', message: 'there is no run with the id "run_none"' }])
    }
  })
})

describe('pauseRun', () => {
  it('has a run stand still, over a restart too, until it is resumed', async () => {
    const urls = [...Array.from({ length: 300 }, (_, i) => `${origin.url}/json?i=${i}`), ...held('paused', 2)]
    const fetches = await server.api.start(
      server.api.launchFetch({ source: { urls: urls.reverse() }, options: { concurrency: 4 } }),
    )
    const computes = await act(
      Array.from({ length: 400 }, () => ({ do: 'burn', ms: 3 })),
      { strategy: 'THREADS' },
    )
    await origin.arrived('/hold/paused', 2)
    // Nothing else than what is in service at the answer ends from then on.
    const ending: number[] = []
    for (const id of [fetches, computes]) {
      const { run } = await change('pauseRun', id)
      expect(run?.status).toBe('PAUSED')
      ending.push(run!.progress.done! + run!.progress.running!)
    }
    const done = async () => [await progressOf(fetches), await progressOf(computes)].map((one) => one.done)
    origin.release('/hold/paused')
    await vi.waitFor(async () => expect(await done()).toEqual(ending))
    const other = await act(
      Array.from({ length: 100 }, () => ({ do: 'burn', ms: 3 })),
      { strategy: 'THREADS' },
    )
    expect(await server.api.ended(other)).toBe('SUCCEEDED')
    expect(await done()).toEqual(ending)
    expect((await progressOf(computes)).etaMs).toBeNull()
    await server.restart()
    const third = await act([{ do: 'burn', ms: 50 }], {})
    await server.api.ended(third)
    expect([await statusOf(fetches), await statusOf(computes)]).toEqual(['PAUSED', 'PAUSED'])
    expect(await done()).toEqual(ending)
    for (const id of [fetches, computes]) expect((await change('resumeRun', id)).run?.status).toBe('RUNNING')
    expect([await server.api.ended(fetches), await server.api.ended(computes)]).toEqual(['SUCCEEDED', 'SUCCEEDED'])
    expect((await progressOf(fetches)).succeeded).toBe(302)
    expect((await progressOf(computes)).succeeded).toBe(400)
  })

  it('is refused to what stands still already, and to a run of a comparison', async () => {
    const urls = held('compared', 1)
    const id = await server.api.start(server.api.launchFetch({ source: { urls: held('again', 1) } }))
    await origin.arrived('/hold/again')
    await change('pauseRun', id)
    expect((await change('pauseRun', id)).userErrors).toMatchObject([{ code: 'INVALID_STATE' }])
    await change('cancelRun', id)
    const comparison = await startComparison(server.api, {
      batch: { fetch: { source: { urls } } },
      strategies: ['ASYNC'],
    })
    await origin.arrived('/hold/compared')
    const { runs } = await readComparison<{ runs: { id: string }[] }>(server.api, comparison, 'runs { id }')
    expect((await change('pauseRun', runs[0]!.id)).userErrors).toMatchObject([
      { code: 'INVALID_STATE', message: expect.stringContaining('part of a comparison') },
    ])
    origin.release('/hold/compared')
    await followComparison(server.api, comparison)
  })
})

describe('cancelComparison', () => {
  const CANCEL = `mutation($id: ID!) {
    answer: cancelComparison(id: $id) { comparison { id status } userErrors { code message field } }
  }`

  it('cancels its runs that have not ended, and lets the others have the lanes', async () => {
    const urls = held('left', 2)
    const id = await startComparison(server.api, {
      batch: { fetch: { source: { urls } } },
      strategies: ['ASYNC', 'THREADS'],
      rounds: 2,
    })
    await origin.arrived('/hold/left')
    const waiting = await act([{ do: 'echo', value: 1 }], {})
    const { answer } = await server.api.ask<{ answer: object }>(CANCEL, { id })
    expect(answer).toEqual({ comparison: { id, status: 'CANCELLED' }, userErrors: [] })
    const { runs } = await readComparison<{ runs: { status: string }[] }>(server.api, id, 'runs { status }')
    expect(runs).toEqual(Array(4).fill({ status: 'CANCELLED' }))
    expect(await server.api.ended(waiting)).toBe('SUCCEEDED')
    const again = await server.api.ask<{ answer: { userErrors: object[] } }>(CANCEL, { id })
    expect(again.answer.userErrors).toMatchObject([
      { code: 'INVALID_STATE', message: 'the comparison is CANCELLED: expected QUEUED, RUNNING or PAUSED' },
    ])
    // Nobody is kept out by what is gone.
    const next = await startComparison(server.api, {
      batch: { compute: { function: 'same', source: { range: { from: 0, to: 3 } } } },
      strategies: ['ASYNC'],
    })
    expect((await followComparison(server.api, next)).status).toBe('SUCCEEDED')
  })

  it('goes on without a run of it that was cancelled', async () => {
    const id = await startComparison(server.api, {
      batch: { fetch: { source: { urls: held('one', 1) } } },
      strategies: ['ASYNC', 'THREADS'],
    })
    await origin.arrived('/hold/one')
    const { runs } = await readComparison<{ runs: { id: string; status: string }[] }>(
      server.api,
      id,
      'runs { id status }',
    )
    await change('cancelRun', runs[0]!.id)
    origin.release('/hold/one')
    const { verdict, rows } = await followComparison(server.api, id)
    expect(rows).toHaveLength(1)
    expect(verdict).toContain('Left out, as it did not run to its end: 1 run of')
  })
})
