import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ApiClient, Variables } from '../support/api.js'
import { type Origin, startOrigin } from '../support/origin.js'
import { FUNCTIONS_DIR, startTestServer, type TestServer } from '../support/server.js'

const MILLIONS = [10_000_000, 20_000_000, 30_000_000]
const STRATEGIES = ['SEQUENTIAL', 'ASYNC', 'THREADS', 'PROCESSES', 'AUTO']

let server: TestServer
let origin: Origin
let api: ApiClient

beforeAll(async () => {
  origin = await startOrigin()
  server = await startTestServer({ HEDDLE_FUNCTIONS_DIR: FUNCTIONS_DIR, HEDDLE_LANES: '2' })
  api = server.api
})

afterAll(async () => {
  await server.close()
  await origin.close()
})

interface Reduced {
  status: string
  reduction: unknown
}

async function reduced(input: Variables): Promise<Reduced> {
  return api.run(await api.finish(api.launchCompute(input)), 'status reduction')
}

async function reductionOf(reduce: string, inputs: object[], options: Variables = {}): Promise<unknown> {
  return (await reduced({ function: 'act', source: { inputs }, reduce, options })).reduction
}

const echo = (value: unknown) => ({ do: 'echo', value })
const FAIL = { do: 'fail', message: 'no' }

describe.each(STRATEGIES)('under %s', (strategy) => {
  const options = { strategy }

  it('a sum past 2^53 is exact', async () => {
    const below = (n: bigint) => ((n - 1n) * n * (2n * n - 1n)) / 6n
    const sum = MILLIONS.reduce((total, n) => total + below(BigInt(n)), 0n)
    const source = { inputs: MILLIONS }
    expect(await reduced({ function: 'sumOfSquares', source, reduce: 'SUM', options })).toEqual({
      status: 'SUCCEEDED',
      reduction: String(sum),
    })
    const largest = String(below(30_000_000n))
    expect(await reduced({ function: 'sumOfSquares', source, reduce: 'MAX', options })).toMatchObject({
      reduction: largest,
    })
    expect(await reduced({ function: 'sumOfSquares', source, reduce: 'MIN', options })).toMatchObject({
      reduction: String(below(10_000_000n)),
    })
  })

  it('thousands of parts, folded in each lane, come to one', async () => {
    const source = { range: { from: 1, to: 2001 } }
    const launch = (reduce: string) => reduced({ function: 'sumOfSquares', source, reduce, options })
    // Of the sums below n = 1 … 2000.
    let sum = 0n
    for (let n = 1n; n <= 2000n; n += 1n) sum += ((n - 1n) * n * (2n * n - 1n)) / 6n
    expect(await launch('SUM')).toEqual({ status: 'SUCCEEDED', reduction: Number(sum) })
    expect(await launch('COUNT')).toEqual({ status: 'SUCCEEDED', reduction: 2000 })
  })
})

describe('a reduction', () => {
  it('of decimals is the exact value, rounded once', async () => {
    expect(await reductionOf('SUM', Array(10).fill(echo(0.1)))).toBe(1)
    expect(await reductionOf('SUM', ['10000000000000000', 1, '-1e16'].map(echo))).toBe(1)
    expect(await reductionOf('SUM', ['9007199254740993', '1', '0.5'].map(echo))).toBe(9007199254740994)
    expect(await reductionOf('MAX', ['9007199254740993', 9007199254740991].map(echo))).toBe('9007199254740993')
    expect(await reductionOf('MIN', [3, '-2.5', '1e300'].map(echo))).toBe(-2.5)
  })

  it('COLLECT has the outputs in the order of the inputs, null for what did not succeed', async () => {
    const inputs = [echo('a'), FAIL, echo({ b: [1] }), echo(null), FAIL, echo(0)]
    expect(await reductionOf('COLLECT', inputs, { strategy: 'THREADS' })).toEqual([
      'a',
      null,
      { b: [1] },
      null,
      null,
      0,
    ])
  })

  it('is of what succeeded alone', async () => {
    const inputs = [echo(5), FAIL, echo(7), FAIL]
    expect(await reductionOf('SUM', inputs)).toBe(12)
    expect(await reductionOf('COUNT', inputs)).toBe(2)
    expect(await reductionOf('MIN', inputs)).toBe(5)
  })

  it.each([
    ['SUM', null],
    ['MIN', null],
    ['MAX', null],
    ['COUNT', 0],
    ['COLLECT', []],
  ])('%s of nothing that succeeded is %j', async (reduce, expected) => {
    const run = await reduced({ function: 'act', source: { inputs: [FAIL, FAIL] }, reduce })
    expect(run).toEqual({ status: 'FAILED', reduction: expected })
  })

  it('counts a task once, however many attempts it took', async () => {
    const options = { retry: { maxAttempts: 3, backoffMs: 0 } }
    const again = { do: 'fail', message: 'no', retryable: true }
    expect(await reductionOf('COUNT', [echo(1), again, { do: 'exit', code: 1 }, echo(2)], options)).toBe(2)
  })

  it('fails the tasks whose output it cannot take', async () => {
    const inputs = [echo(1), echo('text'), echo(null), echo([1]), echo('2')]
    const id = await api.finish(api.launchCompute({ function: 'act', source: { inputs }, reduce: 'SUM' }))
    expect(await api.run(id, 'status reduction')).toEqual({ status: 'PARTIAL', reduction: 3 })
    const tasks = await api.tasks<{ error: { code: string } | null }>(id, 'error { code }')
    expect(tasks.map(({ error }) => error?.code ?? null)).toEqual([
      null,
      'FUNCTION_ERROR',
      'FUNCTION_ERROR',
      'FUNCTION_ERROR',
      null,
    ])
  })

  it('is null before the run has ended, and without one', async () => {
    const inputs = [echo(1), { do: 'spin' }]
    const options = { strategy: 'SEQUENTIAL', timeoutMs: 500 }
    const id = await api.start(api.launchCompute({ function: 'act', source: { inputs }, reduce: 'SUM', options }))
    const seen: { status: string; reduction: unknown }[] = []
    for await (const { runUpdated } of api.subscribe<{ runUpdated: { status: string; reduction: unknown } }>(
      'subscription($id: ID!) { runUpdated(id: $id, maxPerSecond: 60) { status reduction } }',
      { id },
    )) {
      seen.push(runUpdated)
    }
    expect(seen.slice(0, -1).every(({ reduction }) => reduction === null)).toBe(true)
    expect(seen.at(-1)).toEqual({ status: 'PARTIAL', reduction: 1 })
    expect(await reduced({ function: 'act', source: { inputs: [echo(1)] } })).toMatchObject({ reduction: null })
    const fetch = await api.finish(api.launchFetch({ source: { urls: [`${origin.url}/ok`] } }))
    expect(await api.run(fetch, 'reduction')).toEqual({ reduction: null })
  })
})
