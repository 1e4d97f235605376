import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ApiClient, Variables } from '../support/api.js'
import { type Origin, startOrigin } from '../support/origin.js'
import { FUNCTIONS_DIR, startTestServer, type TestServer } from '../support/server.js'

let origin: Origin
let server: TestServer
let api: ApiClient

beforeAll(async () => {
  origin = await startOrigin()
  server = await startTestServer({ HEDDLE_FUNCTIONS_DIR: FUNCTIONS_DIR, HEDDLE_LANES: '2' })
  api = server.api
})

afterAll(async () => {
  await server.close()
  await origin.close()
  expect(server.logged).toEqual([])
})

const compute = (name: string, more: Variables = {}) => ({ compute: { function: name, ...more } })
const fetching = (more: Variables = {}) => ({ fetch: { fetch: { bodyPolicy: 'JSON' }, ...more } })
/** What `act` gives back; the next `act` does what it says. */
const echo = (value: unknown) => ({ do: 'echo', value })
const failing = { do: 'fail', message: 'no' }

interface Counts {
  succeeded: number
  failed: number
  cancelled: number
  skipped: number
  done: number
  total: number
}

const COUNTS = 'progress { total succeeded failed cancelled skipped done queued running }'

async function countsOf(id: string) {
  const run = await api.run<{ status: string; progress: Counts; stages: { progress: Counts }[] }>(
    id,
    `status ${COUNTS} stages { ${COUNTS} }`,
  )
  const { status, progress, stages } = run
  for (const figure of ['total', 'succeeded', 'failed', 'cancelled', 'skipped', 'done'] as const)
    expect(stages.reduce((sum, stage) => sum + stage.progress[figure], 0)).toBe(progress[figure])
  return { status, stages: stages.map((stage) => stage.progress) }
}

const finish = (source: Variables, stages: object[], options: Variables = {}) =>
  api.finish(api.launchPipeline({ source, stages, options }))

describe('an item that fails', () => {
  it('is skipped in later stages; where some come through, the run is PARTIAL', async () => {
    // By item: fails in stage 0, in stage 1, in stage 2, nowhere.
    const inputs = [failing, echo(failing), echo(echo(failing)), echo(echo(echo(1)))]
    const id = await finish({ inputs }, [compute('act'), compute('act'), compute('act')])
    const { status, stages } = await countsOf(id)
    expect(status).toBe('PARTIAL')
    expect(stages).toMatchObject([
      { succeeded: 3, failed: 1, skipped: 0 },
      { succeeded: 2, failed: 1, skipped: 1 },
      { succeeded: 1, failed: 1, skipped: 2 },
    ])
    const tasks = await api.tasks<{ stage: number; index: number; status: string }>(id, 'stage index status')
    // What never started has no task.
    expect(tasks.map(({ stage, index, status: own }) => `${index}.${stage} ${own}`)).toEqual([
      '0.0 FAILED',
      '1.0 SUCCEEDED',
      '1.1 FAILED',
      '2.0 SUCCEEDED',
      '2.1 SUCCEEDED',
      '2.2 FAILED',
      '3.0 SUCCEEDED',
      '3.1 SUCCEEDED',
      '3.2 SUCCEEDED',
    ])
    const { errors } = await api.run<{ errors: unknown[] }>(id, 'errors { code count sample { stage index } }')
    expect(errors).toEqual([{ code: 'FUNCTION_ERROR', count: 3, sample: expect.any(Object) }])
  })

  it('makes the run FAILED where none comes through, though most tasks succeeded', async () => {
    const id = await finish({ inputs: [echo(echo(failing)), echo(echo(failing))] }, [
      compute('act'),
      compute('act'),
      compute('act'),
    ])
    expect((await countsOf(id)).status).toBe('FAILED')
  })

  it('is counted as skipped at once, while the others go on', async () => {
    const held = Array.from({ length: 3 }, (_, at) => echo(`${origin.url}/hold/skipped?at=${at}`))
    const id = await api.start(
      api.launchPipeline({
        source: { inputs: [failing, ...held, failing] },
        stages: [compute('act'), fetching({ urlFrom: '' }), compute('anything')],
      }),
    )
    await origin.arrived('/hold/skipped', 3)
    await api.running(id, 3)
    const { status, stages } = await countsOf(id)
    expect([status, stages]).toMatchObject([
      'RUNNING',
      [
        { succeeded: 3, failed: 2, skipped: 0, done: 5 },
        { succeeded: 0, skipped: 2, running: 3, queued: 0, done: 2 },
        { succeeded: 0, skipped: 2, running: 0, queued: 3, done: 2 },
      ],
    ])
    origin.release('/hold/skipped')
    // The body is no JSON.
    expect(await api.ended(id)).toBe('FAILED')
    expect((await countsOf(id)).stages.map(({ skipped }) => skipped)).toEqual([0, 2, 5])
  })

  it('ends the run with failFast, in whatever stage', async () => {
    const held = Array.from({ length: 4 }, () => echo(`${origin.url}/hold/fast`))
    const bad = echo(`${origin.url}/status?code=404`)
    const id = await api.start(
      api.launchPipeline({
        source: { inputs: [...held, bad] },
        stages: [compute('act', { strategy: 'SEQUENTIAL' }), fetching(), compute('anything')],
        options: { failFast: true },
      }),
    )
    expect(await api.ended(id)).toBe('FAILED')
    const { stages } = await countsOf(id)
    expect(stages[0]).toMatchObject({ succeeded: 5, done: 5 })
    expect(stages[1]).toMatchObject({ succeeded: 0, failed: 1, done: 5 })
    expect(stages[2]).toMatchObject({ skipped: 5 })
  })
})

describe('a pointer that finds nothing', () => {
  it('fails the task of the stage that was to have it, with INVALID_INPUT', async () => {
    const inputs = [echo({ url: `${origin.url}/json?i=0` }), echo({}), echo({ url: 7 }), echo({ url: 'nowhere' })]
    const id = await finish({ inputs }, [
      compute('act'),
      fetching({ urlFrom: '/url' }),
      compute('anything', { inputFrom: '/tags/1' }),
      compute('anything', { inputFrom: '/0' }),
    ])
    const { status, stages } = await countsOf(id)
    expect([status, stages]).toMatchObject([
      'FAILED',
      [{ succeeded: 4 }, { succeeded: 1, failed: 3 }, { succeeded: 1, skipped: 3 }, { failed: 1, skipped: 3 }],
    ])
    const failed = await api.tasks<{ stage: number; index: number; attempts: number; error: unknown; input: unknown }>(
      id,
      'stage index attempts input error { code message retryable }',
      'filter: { status: [FAILED] }',
    )
    const invalid = (message: unknown) => ({ code: 'INVALID_INPUT', message, retryable: false })
    const nothing = (pointer: string) => invalid(`"${pointer}" points at nothing in what the stage before gave`)
    expect(failed.map(({ stage, index, error }) => [index, stage, error])).toEqual([
      [0, 3, nothing('/0')],
      [1, 1, nothing('/url')],
      [2, 1, invalid('7 is neither a URL nor a request')],
      [3, 1, invalid('"nowhere" is not an absolute URL')],
    ])
    // Nothing was given, or nothing that could be sent; none is tried again.
    expect(failed.map(({ attempts, input }) => [attempts, input])).toEqual([
      [1, null],
      [1, null],
      [1, null],
      [1, null],
    ])
  })

  it('fails with what does not fit the function that it is given to', async () => {
    const id = await finish({ inputs: [1, 'x'] }, [compute('anything'), compute('same')])
    const tasks = await api.tasks<{ status: string; input: unknown; error: { code: string } | null }>(
      id,
      'status input error { code }',
      'filter: { stage: 1 }',
    )
    expect(tasks).toEqual([
      { status: 'SUCCEEDED', input: 1, error: null },
      { status: 'FAILED', input: 'x', error: { code: 'INVALID_INPUT' } },
    ])
  })
})

describe('a task of a later stage that fails and is tried again', () => {
  it('is tried in its own stage, with its own history, and the stage before is left alone', async () => {
    const urls = Array.from({ length: 5 }, (_, at) => `${origin.url}/flaky?fails=2&of=stages&at=${at}`)
    const id = await finish(
      { inputs: urls.map(echo) },
      [compute('act'), { fetch: { fetch: { bodyPolicy: 'TEXT' } } }, compute('anything')],
      { retry: { maxAttempts: 3, backoffMs: 1 } },
    )
    expect(await countsOf(id)).toMatchObject({ status: 'SUCCEEDED' })
    const tasks = await api.tasks<{ stage: number; attempts: number; output: unknown; history: { number: number }[] }>(
      id,
      'stage attempts output history { number }',
    )
    const attempts = (stage: number) => tasks.filter((task) => task.stage === stage).map((task) => task.attempts)
    expect([0, 1, 2].map(attempts)).toEqual([Array(5).fill(1), Array(5).fill(3), Array(5).fill(1)])
    expect(tasks.filter(({ stage }) => stage === 1).map(({ history }) => history.length)).toEqual(Array(5).fill(3))
    expect(tasks.filter(({ stage }) => stage === 2).map(({ output }) => output)).toEqual(
      Array(5).fill('answered at request 3'),
    )
    expect(origin.requests('/flaky')).toBe(15)
  })

  it('goes on elsewhere when its lane dies', async () => {
    const inputs = [echo({ do: 'exit', code: 3 }), ...Array.from({ length: 10 }, (_, at) => echo(echo(at)))]
    const id = await finish({ inputs }, [compute('act'), compute('act', { strategy: 'PROCESSES' }), compute('same')], {
      retry: { maxAttempts: 2, backoffMs: 1 },
    })
    expect((await countsOf(id)).stages).toMatchObject([
      { succeeded: 11 },
      { succeeded: 10, failed: 1 },
      { succeeded: 10, skipped: 1 },
    ])
    const outputs = await api.tasks<{ output: unknown }>(id, 'output', 'filter: { stage: 2 }')
    expect(outputs.map(({ output }) => output)).toEqual(Array.from({ length: 10 }, (_, at) => at))
  })
})

describe('a launch that cannot be run', () => {
  it('is answered with every problem, at its place', async () => {
    const { run, userErrors } = await api.launchPipeline({
      source: { range: { from: 0, to: 10 } },
      stages: [
        fetching({ urlFrom: '/a' }),
        compute('no such function', { inputFrom: 'a/b' }),
        compute('same', { strategy: 'CLUSTER' }),
      ],
    })
    expect(run).toBeNull()
    expect(userErrors.map(({ code, field }) => `${code} ${field?.join('.')}`)).toEqual([
      'INVALID input.stages.0.fetch.urlFrom',
      'UNKNOWN_FUNCTION input.stages.1.compute.function',
      'INVALID input.stages.1.compute.inputFrom',
      'CLUSTER_UNAVAILABLE input.stages.2.compute.strategy',
      'INVALID input.source.range',
    ])
  })
})
