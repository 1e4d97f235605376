import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ApiClient } from '../support/api.js'
import { coveredMs, type PlainAttempt, plainTimeline } from '../support/attempts.js'
import { Gates } from '../support/lanes.js'
import { type Origin, startOrigin } from '../support/origin.js'
import { FUNCTIONS_DIR, startTestServer, type TestServer } from '../support/server.js'

interface Span {
  index: number
  stage: number
  startMs: number
  endMs: number
  status: string
  tasks: number
}

interface Lane {
  lane: string
  busyFraction: number
  spans: Span[]
}

interface Task {
  index: number
  status: 'SUCCEEDED' | 'FAILED' | 'CANCELLED'
  history: { startedMs: number; serviceMs: number; lane: string }[]
}

let origin: Origin
let server: TestServer
let api: ApiClient

beforeAll(async () => {
  origin = await startOrigin()
  server = await startTestServer({ HEDDLE_FUNCTIONS_DIR: FUNCTIONS_DIR, HEDDLE_LANES: '2', HEDDLE_DRAIN_MS: '0' })
  api = server.api
})

afterAll(async () => {
  await server.close()
  await origin.close()
})

async function timelineOf(id: string, maxSpans = 2_000): Promise<Lane[]> {
  const fields = `timeline(maxSpans: ${maxSpans}) { lane busyFraction spans { index stage startMs endMs status tasks } }`
  return (await api.run<{ timeline: Lane[] }>(id, fields)).timeline
}

const spansOf = (lanes: readonly Lane[]) => lanes.flatMap(({ spans }) => spans)

/** All attempts of a run, as its tasks tell them. */
async function attemptsOf(id: string): Promise<PlainAttempt[]> {
  const attempts: PlainAttempt[] = []
  let page: Page['pageInfo'] = { hasNextPage: true, endCursor: null }
  while (page.hasNextPage) {
    const args = `first: 1000, after: ${JSON.stringify(page.endCursor)}, orderBy: STARTED`
    const { tasks } = await api.run<{ tasks: Page }>(
      id,
      `tasks(${args}) { pageInfo { hasNextPage endCursor } nodes { index status history { startedMs serviceMs lane } } }`,
    )
    for (const task of tasks.nodes) attempts.push(...attemptsAt(task))
    page = tasks.pageInfo
  }
  return attempts
}

function attemptsAt({ index, status, history }: Task): PlainAttempt[] {
  return history.map(({ startedMs, serviceMs, lane }, at) => ({
    lane: numberOf(lane),
    index,
    startMs: startedMs,
    endMs: startedMs + serviceMs,
    outcome: at === history.length - 1 ? status : 'TRIED_AGAIN',
  }))
}

interface Page {
  nodes: Task[]
  pageInfo: { hasNextPage: boolean; endCursor: string | null }
}

const numberOf = (lane: string) => Number(lane.split('-')[1])

/** What the tasks of the run come to is what its timeline says, folded or not. */
async function expectPicture(id: string, maxSpans = 2_000): Promise<void> {
  const [lanes, attempts] = [await timelineOf(id, maxSpans), await attemptsOf(id)]
  const expected = plainTimeline(attempts, maxSpans)
  expect(lanes.map(({ lane, spans }) => [numberOf(lane), spans])).toEqual(
    expected.map(({ lane, spans }) => [numberOf(lane), spans]),
  )
  const { timings } = await api.run<{ timings: { wallMs: number } }>(id, 'timings { wallMs }')
  for (const { lane, busyFraction } of lanes) {
    const busyMs = coveredMs(attempts.filter((one) => one.lane === numberOf(lane)))
    expect(busyFraction).toBeCloseTo(busyMs / timings.wallMs, 9)
  }
}

describe('the timeline of a run', () => {
  it('shows fetches that are in flight together one beside the other', async () => {
    const source = { template: { template: `${origin.url}/hold/five?i={i}`, from: 1, to: 5 } }
    const id = await api.start(api.launchFetch({ source, options: { strategy: 'ASYNC' } }))
    await origin.arrived('/hold/five', 5)
    expect(await timelineOf(id)).toEqual([])
    origin.release('/hold/five')
    await api.ended(id)
    const [lane, ...others] = await timelineOf(id)
    expect(others).toEqual([])
    expect(lane).toMatchObject({ lane: 'thread-1', busyFraction: 1 })
    expect(lane?.spans.map(({ index }) => index).toSorted()).toEqual([0, 1, 2, 3, 4])
    expect(lane?.spans).toEqual(lane?.spans.toSorted((a, b) => a.startMs - b.startMs))
    const lastStart = Math.max(...(lane?.spans ?? []).map(({ startMs }) => startMs))
    expect(lane?.spans.every(({ startMs, endMs }) => startMs <= lastStart && endMs > lastStart)).toBe(true)
    await expectPicture(id)
    expect(spansOf(await timelineOf(id, 1))).toMatchObject([{ status: 'SUCCEEDED', tasks: 5 }])
  })

  it.each(['SEQUENTIAL', 'THREADS', 'PROCESSES'])('shows the tasks of %s, each on its lane', async (strategy) => {
    const inputs = Array.from({ length: 12 }, (_, at) => 1_000 * at)
    const id = await api.finish(
      api.launchCompute({ function: 'sumOfSquares', source: { inputs }, options: { strategy } }),
    )
    const spans = spansOf(await timelineOf(id))
    expect(spans.map(({ index }) => index).toSorted((a, b) => a - b)).toEqual([...inputs.keys()])
    expect(new Set(spans.map(({ tasks, stage }) => `${tasks} ${stage}`))).toEqual(new Set(['1 0']))
    for (const maxSpans of [12, 5, 2]) await expectPicture(id, maxSpans)
  })

  it('shows each attempt where it ran, those that a lane died of too', async () => {
    const retry = { maxAttempts: 2, backoffMs: 1 }
    const inputs = [
      { do: 'exit', code: 1 },
      { do: 'echo', value: 1 },
      { do: 'fail', message: 'no', retryable: true },
    ]
    const launch = { function: 'act', source: { inputs }, options: { strategy: 'PROCESSES', retry } }
    const id = await api.finish(api.launchCompute(launch))
    const spans = spansOf(await timelineOf(id))
    const shown = spans.map(({ index, status, tasks }) => `${index} ${status} ${tasks}`).toSorted()
    expect(shown).toEqual(['0 FAILED 0', '0 FAILED 1', '1 SUCCEEDED 1', '2 FAILED 0', '2 FAILED 1'])
    await expectPicture(id)
  })

  it('tells what was cut off, and has nothing of what never started', async () => {
    const urls = [...[1, 2, 3, 4].map((i) => `${origin.url}/hold/never?i=${i}`), `${origin.url}/missing`].reverse()
    const options = { strategy: 'ASYNC', failFast: true, concurrency: 3 }
    const id = await api.finish(api.launchFetch({ source: { urls }, options }))
    const spans = spansOf(await timelineOf(id))
    expect(spans.filter(({ status }) => status === 'FAILED').map(({ index }) => index)).toEqual([0])
    expect(spans.length).toBeLessThan(5)
    await expectPicture(id)
    expect(spansOf(await timelineOf(id, 1))).toMatchObject([{ status: 'FAILED', tasks: spans.length }])
  })

  it('leaves out what has the answer of another item', async () => {
    const source = { urls: Array.from({ length: 4 }, () => `${origin.url}/json?same`) }
    const id = await api.finish(api.launchFetch({ source, fetch: { dedupe: true } }))
    expect(spansOf(await timelineOf(id))).toMatchObject([{ tasks: 1 }])
  })

  it('grows while the run is under way', async () => {
    const gates = new Gates()
    await gates.listen()
    try {
      const inputs = [gates.input('first'), gates.input('second')]
      const launch = { function: 'act', source: { inputs }, options: { strategy: 'SEQUENTIAL' } }
      const id = await api.start(api.launchCompute(launch))
      const ended = api.subscribe('subscription($id: ID!) { taskEnded(runId: $id) { node { index } } }', { id })
      await gates.reached('first')
      gates.open('first')
      await ended.next()
      await gates.reached('second')
      expect(spansOf(await timelineOf(id)).map(({ index }) => index)).toEqual([0])
      gates.open('second')
      await api.ended(id)
      expect(spansOf(await timelineOf(id)).map(({ index }) => index)).toEqual([0, 1])
    } finally {
      await gates.close()
    }
  })

  it('folds thousands of tasks without losing any, the same after a restart', async () => {
    const source = { range: { from: 0, to: 10_000 } }
    const id = await api.finish(api.launchCompute({ function: 'same', source, options: { strategy: 'THREADS' } }))
    for (const maxSpans of [10_000, 2_000, 100]) await expectPicture(id, maxSpans)
    const before = await timelineOf(id)
    expect(spansOf(before)).toHaveLength(2_000)
    expect(spansOf(before).reduce((sum, { tasks }) => sum + tasks, 0)).toBe(10_000)
    await server.restart()
    api = server.api
    expect(await timelineOf(id)).toEqual(before)
    const lanes = before.length
    expect(spansOf(await timelineOf(id, 1))).toHaveLength(lanes)
  })

  it('is refused for spans that nobody can count or draw', async () => {
    const id = await api.finish(api.launchCompute({ function: 'same', source: { inputs: [1] } }))
    for (const maxSpans of [0, 10_001]) {
      const { errors } = await api.raw(`{ run(id: "${id}") { timeline(maxSpans: ${maxSpans}) { lane } } }`)
      expect(errors).toMatchObject([
        {
          message: `maxSpans: ${maxSpans} is out of range: expected 1 to 10000`,
          extensions: { code: 'BAD_USER_INPUT' },
        },
      ])
    }
  })
})
