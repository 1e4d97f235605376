import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Json } from '../../src/domain/batch.js'
import { toJsonText } from '../../src/domain/output.js'
import { BUILTINS } from '../../src/functions/builtins/index.js'
import type { ApiClient } from '../support/api.js'
import { functionContext } from '../support/builtin.js'
import { startTestServer, type TestServer } from '../support/server.js'

interface Task {
  status: string
  output: Json
  error: { code: string; message: string } | null
}

let server: TestServer
let api: ApiClient

beforeAll(async () => {
  server = await startTestServer({ HEDDLE_LANES: '2' })
  api = server.api
})

afterAll(() => server.close())

/** What the function comes to here, as it is stored. */
async function outputOf(name: string, input: unknown): Promise<Json> {
  const fn = BUILTINS.find((one) => one.name === name)
  return JSON.parse(toJsonText(await fn?.run(input, functionContext()))) as Json
}

/** What comes out anew each time. */
const LUCK: Record<string, unknown> = {
  racyCounter: { expected: 8_000_000, counted: expect.any(Number), lost: expect.any(Number) },
}

describe.each(['THREADS', 'PROCESSES'])('under %s', (strategy) => {
  it.each(BUILTINS.map(({ name }) => name))('%s computes its own example in a lane', async (name) => {
    const { functions } = await api.ask<{ functions: { name: string; example: Json }[] }>(
      '{ functions { name example } }',
    )
    const example = functions.find((one) => one.name === name)?.example
    const launch = api.launchCompute({ function: name, source: { inputs: [example] }, options: { strategy } })
    const tasks = await api.tasks<Task>(await api.finish(launch), 'status output error { code message }')
    const output = LUCK[name] ?? (await outputOf(name, example))
    expect(tasks).toEqual([{ status: 'SUCCEEDED', output, error: null }])
  })

  it('counters share their number in one lane as in many, and only the racy one may lose', async () => {
    const input = { threads: 3, increments: 200_000 }
    const count = async (name: string, options: object) => {
      const launch = api.launchCompute({ function: name, source: { inputs: [input, input, input, input] }, options })
      const tasks = await api.tasks<{ output: { expected: number; counted: number; lost: number } }>(
        await api.finish(launch),
        'output',
      )
      return tasks.map(({ output }) => output)
    }
    const exact = { expected: 600_000, counted: 600_000, lost: 0 }
    expect(await count('atomicCounter', { strategy, lanes: 2 })).toEqual([exact, exact, exact, exact])
    expect(await count('atomicCounter', { strategy: 'ASYNC', concurrency: 4 })).toEqual([exact, exact, exact, exact])
    for (const { expected, counted, lost } of await count('racyCounter', { strategy, lanes: 2 })) {
      expect([expected, counted + lost]).toEqual([600_000, 600_000])
      expect(counted).toBeGreaterThan(0)
      expect(lost).toBeGreaterThanOrEqual(0)
    }
  })

  it('a query that does not end is ended, and the others go on', async () => {
    const query = (text: string) => ({ query: text, value: { a: [1, 2, 3] } })
    const inputs = [query('$sum(a)'), query('($f := function($n) { $f($n + 1) }; $f(0))'), query('a['), query('a[1]')]
    const launch = api.launchCompute({
      function: 'jsonQuery',
      source: { inputs },
      options: { strategy, timeoutMs: 1_000 },
    })
    const tasks = await api.tasks<Task>(await api.finish(launch), 'status output error { code message }')
    expect(tasks.map(({ output, error }) => error?.code ?? output)).toEqual([6, 'TIMEOUT', 'FUNCTION_ERROR', 2])
    expect(tasks[2]?.error?.message).toMatch(/^the query does not compile at character 2: /)
  })
})

describe('a range', () => {
  it('of rows is a picture', async () => {
    const launch = api.launchCompute({
      function: 'mandelbrotRow',
      source: { range: { from: 0, to: 384, step: 48 } },
      reduce: 'COLLECT',
    })
    const { reduction } = await api.run<{ reduction: number[][] }>(await api.finish(launch), 'reduction')
    const rows = Array.from({ length: 8 }, (_, at) => outputOf('mandelbrotRow', 48 * at))
    expect(reduction).toEqual(await Promise.all(rows))
  })

  it('past the rows there are is refused at the launch', async () => {
    const launch = api.launchCompute({ function: 'mandelbrotRow', source: { range: { from: 0, to: 385 } } })
    expect(await launch).toMatchObject({ run: null, userErrors: [{ code: 'INVALID' }] })
  })

  it('of seeds is as many independent tasks, the same each time', async () => {
    const seeds = () =>
      api.finish(api.launchCompute({ function: 'sortNumbers', source: { range: { from: 0, to: 4 } } }))
    const [one, other] = [
      await api.tasks<Task>(await seeds(), 'output'),
      await api.tasks<Task>(await seeds(), 'output'),
    ]
    expect(one).toEqual(other)
    expect(new Set(one.map(({ output }) => JSON.stringify(output))).size).toBe(4)
  })
})

describe('a function that is built in', () => {
  it('is followed by what it says of its progress', async () => {
    const input = { samples: 10_000_000_000, seed: 1 }
    const options = { timeoutMs: 3_000 }
    const id = await api.start(api.launchCompute({ function: 'monteCarloPi', source: { inputs: [input] }, options }))
    await api.running(id, 1)
    const told: number[] = []
    while ((told.at(-1) ?? 0) <= (told[0] ?? 0)) {
      const { inFlight } = await api.run<{ inFlight: { progress: number | null }[] }>(id, 'inFlight { progress }')
      for (const { progress } of inFlight) if (progress !== null && progress > 0) told.push(progress)
    }
    expect(told).toEqual([...told].sort((a, b) => a - b))
    expect(told.at(-1)).toBeLessThan(1)
    expect(await api.ended(id)).toBe('FAILED')
  })
})
