import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ApiClient, drain, take } from '../support/api.js'
import { type Origin, startOrigin } from '../support/origin.js'
import { FUNCTIONS_DIR, startTestServer, type TestServer } from '../support/server.js'

interface Progress {
  total: number
  queued: number
  running: number
  succeeded: number
  failed: number
  cancelled: number
  skipped: number
  done: number
  fraction: number
  bytes: number
  elapsedMs: number
  etaMs: number | null
  etaHighMs: number | null
  sequence: number
}

interface Update {
  runUpdated: { id: string; status: string; startedAt: string | null; finishedAt: string | null; progress: Progress }
}

const PROGRESS =
  'total queued running succeeded failed cancelled skipped done fraction bytes elapsedMs etaMs etaHighMs sequence'
const WATCH_RUN = `subscription($id: ID!, $pace: Float) {
  runUpdated(id: $id, maxPerSecond: $pace) { id status startedAt finishedAt progress { ${PROGRESS} } }
}`
const WATCH_RUNS = `subscription($filter: RunFilter) {
  runsUpdated(filter: $filter, maxPerSecond: 60) { id status progress { ${PROGRESS} } }
}`

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

/** Tasks that wait at a place of their own until the test releases it. */
function held(place: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${origin.url}/hold/${place}?i=${i}`)
}

function documents(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${origin.url}/json?i=${i}`)
}

function expectConsistent(updates: readonly Progress[]): void {
  for (const { total, queued, running, succeeded, failed, cancelled, skipped, done, fraction } of updates) {
    expect(queued + running + succeeded + failed + cancelled + skipped).toBe(total)
    expect(succeeded + failed + cancelled + skipped).toBe(done)
    expect(fraction).toBe(done / total)
  }
  const sequences = updates.map(({ sequence }) => sequence)
  expect(sequences).toEqual([...new Set(sequences)].sort((a, b) => a - b))
  for (const count of ['done', 'succeeded', 'failed', 'bytes'] as const) {
    const counts = updates.map((update) => update[count])
    expect(counts).toEqual([...counts].sort((a, b) => a - b))
  }
}

describe('a run of 300 fetches, followed over SSE', () => {
  it('tells its state at once, each change in order, and its last state at the end', async () => {
    const missing = Array.from({ length: 20 }, (_, i) => `${origin.url}/missing?i=${i}`)
    const urls = [...documents(270), ...missing, ...held('progress', 10)]
    const id = await api.start(api.launchFetch({ source: { urls }, options: { concurrency: 16 } }))
    const updates: Update['runUpdated'][] = []
    for await (const { runUpdated } of api.subscribe<Update>(WATCH_RUN, { id, pace: 60 })) {
      updates.push(runUpdated)
      // The others have ended, and these will not end by themselves: the stream shows a state in between.
      if (runUpdated.progress.done === 290) origin.release('/hold/progress')
    }
    const progress = updates.map((update) => update.progress)
    expectConsistent(progress)
    expect(progress.every(({ total }) => total === 300)).toBe(true)
    expect(progress.every(({ running }) => running <= 16)).toBe(true)
    expect(progress.some(({ done, running }) => done === 290 && running === 10)).toBe(true)
    expect(updates.length).toBeGreaterThanOrEqual(3)
    expect(updates.slice(0, -1).every(({ status }) => status === 'QUEUED' || status === 'RUNNING')).toBe(true)
    const last = updates.at(-1)
    expect(last).toMatchObject({
      status: 'PARTIAL',
      progress: { queued: 0, running: 0, succeeded: 280, failed: 20, done: 300, fraction: 1, etaMs: 0, etaHighMs: 0 },
    })
    expect(last?.finishedAt).not.toBeNull()
    expect(await api.run(id, `id status startedAt finishedAt progress { ${PROGRESS} }`)).toEqual(last)
  })

  it('can be joined while nothing changes: the state comes at once', async () => {
    const id = await api.start(api.launchFetch({ source: { urls: held('join', 3) } }))
    await origin.arrived('/hold/join', 3)
    await api.running(id, 3)
    const early = await api.open<Update>(WATCH_RUN, { id, pace: 60 })
    const late = await api.open<Update>(WATCH_RUN, { id, pace: 60 })
    for (const stream of [early, late]) {
      const [first] = await take(stream, 1)
      expect(first?.runUpdated).toMatchObject({ id, status: 'RUNNING', progress: { total: 3, done: 0 } })
    }
    origin.release('/hold/join')
    const [one, other] = await Promise.all([drain(early), drain(late)])
    expect(one.end).toBe('complete')
    expect(one.all.at(-1)?.runUpdated).toMatchObject({ status: 'SUCCEEDED', progress: { succeeded: 3, fraction: 1 } })
    expect(other.all.at(-1)).toEqual(one.all.at(-1))
  })

  it('has one last state for those who come after its end', async () => {
    const id = await api.finish(api.launchFetch({ source: { urls: documents(5) } }))
    const { all, end } = await drain(api.subscribe<Update>(WATCH_RUN, { id }))
    expect(end).toBe('complete')
    expect(all.map(({ runUpdated }) => runUpdated.status)).toEqual(['SUCCEEDED'])
  })

  it('lets a slow subscriber skip states, and never the last one', async () => {
    const id = await api.start(api.launchFetch({ source: { urls: [...documents(200), ...held('slow', 1)] } }))
    const slow = await api.open<Update>(WATCH_RUN, { id, pace: 2 })
    const fast = await api.open<Update>(WATCH_RUN, { id, pace: 60 })
    await take(slow, 1)
    origin.release('/hold/slow')
    const [skipping, all] = await Promise.all([drain(slow), drain(fast)])
    expectConsistent(skipping.all.map(({ runUpdated }) => runUpdated.progress))
    expect(skipping.all.at(-1)).toEqual(all.all.at(-1))
    expect(skipping.all.at(-1)?.runUpdated.status).toBe('SUCCEEDED')
  })

  it('has bytes, times and an estimate while it runs', async () => {
    const urls = [...documents(50), ...held('estimate', 2)]
    const id = await api.start(api.launchFetch({ source: { urls } }))
    for await (const { runUpdated } of api.subscribe<Update>(WATCH_RUN, { id, pace: 60 })) {
      const { done, bytes, etaMs, etaHighMs } = runUpdated.progress
      if (done === 0) expect({ bytes, etaMs, etaHighMs }).toEqual({ bytes: 0, etaMs: null, etaHighMs: null })
      if (done !== 50) continue
      expect(bytes).toBeGreaterThan(50 * 50)
      expect(etaMs).toBeGreaterThanOrEqual(0)
      expect(etaHighMs).toBeGreaterThanOrEqual(etaMs ?? Number.NaN)
      origin.release('/hold/estimate')
    }
    const { progress, startedAt, finishedAt } = await api.run<Update['runUpdated']>(
      id,
      `startedAt finishedAt progress { ${PROGRESS} }`,
    )
    expect(progress.elapsedMs).toBe(Date.parse(finishedAt ?? '') - Date.parse(startedAt ?? ''))
  })

  it('shows what is in flight, the longest first', async () => {
    const id = await api.start(api.launchFetch({ source: { urls: held('flight', 5) }, options: { concurrency: 3 } }))
    await origin.arrived('/hold/flight', 3)
    await api.running(id, 3)
    interface InFlight {
      index: number
      input: string
      attempt: number
      lane: string
      stage: number
      startedMs: number
    }
    const fields = 'inFlight { index input attempt lane stage startedMs } two: inFlight(first: 2) { index }'
    const { inFlight, two } = await api.run<{ inFlight: InFlight[]; two: { index: number }[] }>(id, fields)
    expect(inFlight.map(({ index }) => index).sort()).toEqual([0, 1, 2])
    for (const { index, input, attempt, lane, stage, startedMs } of inFlight) {
      expect({ input, attempt, lane, stage }).toEqual({
        input: `${origin.url}/hold/flight?i=${index}`,
        attempt: 1,
        lane: expect.stringMatching(/^thread-\d+$/),
        stage: 0,
      })
      expect(startedMs).toBeGreaterThanOrEqual(0)
    }
    const starts = inFlight.map(({ startedMs }) => startedMs)
    expect(starts).toEqual([...starts].sort((a, b) => a - b))
    expect(two).toEqual(inFlight.slice(0, 2).map(({ index }) => ({ index })))
    const { system } = await api.ask<{ system: { runningTasks: number; queuedTasks: number; lanes: object[] } }>(
      '{ system { runningTasks queuedTasks lanes { lane strategy busy tasksDone } } }',
    )
    expect(system).toMatchObject({ runningTasks: 3, queuedTasks: 2 })
    expect(system.lanes).toContainEqual({
      lane: inFlight[0]?.lane,
      strategy: 'THREADS',
      busy: true,
      tasksDone: expect.any(Number),
    })
    origin.release('/hold/flight')
    await api.ended(id)
    expect(await api.run(id, 'inFlight { index }')).toEqual({ inFlight: [] })
  })
})

describe('a function that says how far it is', () => {
  interface InFlight {
    inFlight: { index: number; progress: number | null }[]
  }

  it.each(['THREADS', 'PROCESSES'])('has it shown while it runs, under %s', async (strategy) => {
    const inputs = [{ do: 'spin', progress: 0.625 }, { do: 'spin' }]
    const options = { strategy, lanes: 2, timeoutMs: 2_000 }
    const id = await api.start(api.launchCompute({ function: 'act', source: { inputs }, options }))
    await api.running(id, 2)
    const shown = new Map<number, Set<number | null>>([
      [0, new Set()],
      [1, new Set()],
    ])
    while (!shown.get(0)?.has(0.625) || shown.get(1)?.size === 0) {
      const { inFlight } = await api.run<InFlight>(id, 'inFlight { index progress }')
      for (const { index, progress } of inFlight) shown.get(index)?.add(progress)
    }
    expect([...(shown.get(0) ?? [])].filter((progress) => progress !== null)).toEqual([0.625])
    expect([...(shown.get(1) ?? [])]).toEqual([null])
    await api.ended(id)
  })

  it('has nothing shown of a fetch', async () => {
    const id = await api.start(api.launchFetch({ source: { urls: held('unsaid', 1) } }))
    await origin.arrived('/hold/unsaid', 1)
    await api.running(id, 1)
    expect(await api.run(id, 'inFlight { progress }')).toEqual({ inFlight: [{ progress: null }] })
    origin.release('/hold/unsaid')
    await api.ended(id)
  })
})

describe('all runs, followed over SSE', () => {
  interface RunsUpdate {
    runsUpdated: { id: string; status: string; progress: Progress }
  }

  it('are told as they are launched and change, each with its last state', async () => {
    const stream = await api.open<RunsUpdate>(WATCH_RUNS)
    const launches = [documents(30), documents(10), [`${origin.url}/missing`]].map((urls) =>
      api.start(api.launchFetch({ source: { urls } })),
    )
    const ids = await Promise.all(launches)
    const updates = new Map<string, RunsUpdate['runsUpdated'][]>(ids.map((id) => [id, []]))
    const last = (id: string) => updates.get(id)?.at(-1)?.progress.fraction ?? 0
    for await (const { runsUpdated } of stream) {
      updates.get(runsUpdated.id)?.push(runsUpdated)
      if (ids.every((id) => last(id) === 1)) break
    }
    for (const told of updates.values()) expectConsistent(told.map(({ progress }) => progress))
    const ends = ids.map((id) => updates.get(id)?.at(-1)?.status)
    expect(ends).toEqual(['SUCCEEDED', 'SUCCEEDED', 'FAILED'])
  })

  it('are filtered as they change', async () => {
    const stream = await api.open<RunsUpdate>(WATCH_RUNS, {
      filter: { kind: ['COMPUTE'], labels: [{ name: 'watch', value: 'me' }], status: ['SUCCEEDED'] },
    })
    const compute = (labels: object[]) =>
      api.launchCompute({ function: 'countPrimes', source: { inputs: [100] }, options: { labels } })
    await api.finish(compute([]))
    await api.finish(compute([{ name: 'watch', value: 'another' }]))
    const id = await api.finish(compute([{ name: 'watch', value: 'me' }]))
    const [first] = await take(stream, 1)
    expect(first?.runsUpdated).toMatchObject({ id, status: 'SUCCEEDED' })
    await stream.return('cut')
  })
})
