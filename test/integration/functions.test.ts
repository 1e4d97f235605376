import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BUILTINS } from '../../src/functions/builtins/index.js'
import type { ApiClient, Variables } from '../support/api.js'
import { FUNCTIONS_DIR, startTestServer, type TestServer } from '../support/server.js'

const FILES = {
  'numbers.mjs': `export default [
    {
      name: 'notFive',
      description: 'The number itself, of every number but 5.',
      inputSchema: { type: 'integer', not: { const: 5 } },
      example: 4,
      run: (n) => n,
    },
    {
      name: 'half',
      description: 'Half of a number.',
      inputSchema: { type: 'number', minimum: 0 },
      outputSchema: { type: 'number' },
      run: (n) => n / 2,
    },
  ]`,
  'broken.mjs': `export default { name: 'broken', run( }`,
  'throws.mjs': `throw new Error('no licence')`,
  'taken.mjs': `export default { name: 'sumOfSquares', description: 'Mine.', inputSchema: {}, run: () => 0 }`,
  'nothing.js': `module.exports = undefined`,
  'notes.txt': 'no function',
}

interface Task {
  index: number
  status: string
  output: unknown
  attempts: number
  serviceMs: number
  error: { code: string; message: string; retryable: boolean } | null
  history: { error: { code: string } | null }[]
}

const FIELDS = 'index status output attempts serviceMs error { code message retryable } history { error { code } }'

let folder: string
let server: TestServer
let api: ApiClient

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'heddle-functions-'))
  await cp(FUNCTIONS_DIR, folder, { recursive: true })
  for (const [name, text] of Object.entries(FILES)) await writeFile(join(folder, name), text)
  server = await startTestServer({
    HEDDLE_FUNCTIONS_DIR: folder,
    HEDDLE_LANES: '2',
    HEDDLE_LANE_MEMORY_MB: '64',
    HEDDLE_MAX_OUTPUT_BYTES: '1000',
  })
  api = server.api
})

afterAll(async () => {
  await server.close()
  await rm(folder, { recursive: true, force: true })
})

const echo = (value: unknown) => ({ do: 'echo', value })
const echoes = (count: number) => Array.from({ length: count }, (_, i) => echo(i))

async function acted(inputs: unknown[], options: Variables = {}): Promise<{ run: { status: string }; tasks: Task[] }> {
  const id = await api.finish(api.launchCompute({ function: 'act', source: { inputs }, options }))
  return { run: await api.run(id, 'status'), tasks: await api.tasks<Task>(id, FIELDS) }
}

async function actOne(input: object, options: Variables = {}): Promise<Task> {
  const { tasks } = await acted([input], options)
  return tasks[0] as Task
}

describe('a folder of functions', () => {
  it('brings those that are in order beside the built-in ones', async () => {
    const { functions } = await api.ask<{ functions: { name: string }[] }>(
      '{ functions { name description inputSchema outputSchema example } }',
    )
    expect(functions.map(({ name }) => name)).toEqual(
      [...BUILTINS.map(({ name }) => name), 'act', 'anything', 'half', 'notFive', 'same'].sort(),
    )
    expect(functions.find(({ name }) => name === 'half')).toEqual({
      name: 'half',
      description: 'Half of a number.',
      inputSchema: { type: 'number', minimum: 0 },
      outputSchema: { type: 'number' },
      example: expect.any(Number),
    })
    const id = await api.finish(api.launchCompute({ function: 'half', source: { inputs: [3] } }))
    expect(await api.tasks(id, 'output')).toEqual([{ output: 1.5 }])
  })

  it('has what is wrong told at start, by file and reason', () => {
    const told = server.logged.map(({ file, reason, level }) => ({ file, reason, level }))
    const problem = (name: string, reason: RegExp) => ({
      file: join(folder, name),
      reason: expect.stringMatching(reason),
      level: 'error',
    })
    expect(told).toEqual([
      problem('broken.mjs', /^cannot be loaded: /),
      problem('nothing.js', /no default export/),
      problem('taken.mjs', /"sumOfSquares" is taken/),
      problem('throws.mjs', /^cannot be loaded: .*no licence/),
    ])
  })
})

describe('an output', () => {
  it('is what the function returns, as JSON', async () => {
    const values = [null, true, 'text', 1.5, [1, { a: [] }], { deep: { er: 'x' } }]
    const { tasks } = await acted([
      ...values.map(echo),
      { do: 'echo' },
      { do: 'bigint', digits: '9007199254740991' },
      { do: 'bigint', digits: '9007199254740993' },
      { do: 'bigint', digits: '-123456789012345678901234567890' },
      { do: 'resolve', value: 'later' },
      { do: 'thenable', value: 'thenable' },
    ])
    expect(tasks.map(({ output }) => output)).toEqual([
      ...values,
      null,
      9007199254740991,
      '9007199254740993',
      '-123456789012345678901234567890',
      'later',
      'thenable',
    ])
  })

  it.each([
    ['NaN', { do: 'nan' }],
    ['a cycle', { do: 'cycle' }],
  ])('that is %s fails its task with FUNCTION_ERROR', async (_what, input) => {
    expect(await actOne(input)).toMatchObject({ status: 'FAILED', attempts: 1, error: { code: 'FUNCTION_ERROR' } })
  })

  it('of more bytes than the server takes is OUTPUT_TOO_LARGE', async () => {
    const big = (chars: number, char = 'x') => ({ do: 'big', chars, char })
    const { run, tasks } = await acted([big(998), big(999), big(499, 'ß'), big(500, 'ß'), big(5_000_000)])
    expect(run.status).toBe('PARTIAL')
    expect(tasks.map(({ error }) => error?.code ?? null)).toEqual([
      null,
      'OUTPUT_TOO_LARGE',
      null,
      'OUTPUT_TOO_LARGE',
      'OUTPUT_TOO_LARGE',
    ])
  })
})

describe('a function that throws', () => {
  it('fails its task alone, with its message', async () => {
    const { run, tasks } = await acted([...echoes(3), { do: 'fail', message: 'not today' }, ...echoes(3)])
    expect(run.status).toBe('PARTIAL')
    expect(tasks.filter(({ status }) => status === 'SUCCEEDED')).toHaveLength(6)
    expect(tasks[3]).toMatchObject({
      status: 'FAILED',
      output: null,
      attempts: 1,
      error: { code: 'FUNCTION_ERROR', message: expect.stringContaining('not today'), retryable: false },
    })
  })

  it('may throw anything, or reject', async () => {
    const inputs = [
      { do: 'raise', value: 'a string' },
      { do: 'raise', value: null },
      { do: 'reject', message: 'so' },
    ]
    const { run, tasks } = await acted(inputs)
    expect(run.status).toBe('FAILED')
    expect(tasks.map(({ error }) => error?.code)).toEqual(Array(3).fill('FUNCTION_ERROR'))
    expect(tasks[0]?.error?.message).toContain('a string')
  })

  it('is called again where the error says that it may be', async () => {
    const options = { retry: { maxAttempts: 3, backoffMs: 0 } }
    const fail = (retryable: boolean) => ({ do: 'fail', message: 'busy', retryable })
    const { tasks } = await acted([fail(true), fail(false)], options)
    expect(tasks.map(({ attempts, error }) => [attempts, error?.retryable])).toEqual([
      [3, true],
      [1, false],
    ])
    expect(tasks[0]?.history.map(({ error }) => error?.code)).toEqual(Array(3).fill('FUNCTION_ERROR'))
  })

  it('is told which attempt it is', async () => {
    const { tasks } = await acted([{ do: 'context' }, { do: 'context' }])
    expect(tasks.map(({ output }) => output)).toEqual([0, 1].map((index) => ({ index, attempt: 1, aborted: false })))
  })
})

describe('an input of a range', () => {
  it('that does not fit the schema fails its task with INVALID_INPUT', async () => {
    const launch = api.launchCompute({ function: 'notFive', source: { range: { from: 0, to: 10 } } })
    const id = await api.finish(launch)
    expect(await api.run(id, 'status progress { succeeded failed }')).toEqual({
      status: 'PARTIAL',
      progress: { succeeded: 9, failed: 1 },
    })
    const tasks = await api.tasks<Task>(id, FIELDS)
    expect(tasks[5]).toMatchObject({ status: 'FAILED', error: { code: 'INVALID_INPUT', retryable: false } })
    expect(tasks.filter(({ status }) => status === 'SUCCEEDED').map(({ output }) => output)).toEqual([
      0, 1, 2, 3, 4, 6, 7, 8, 9,
    ])
  })
})

describe.each(['THREADS', 'PROCESSES'])('under %s, a lane', (strategy) => {
  const options = { strategy, retry: { maxAttempts: 2, backoffMs: 0 } }

  it('that the function ends is LANE_DIED, tried again, and the others succeed', async () => {
    const { run, tasks } = await acted([...echoes(4), { do: 'exit', code: 3 }, ...echoes(4)], options)
    expect(run.status).toBe('PARTIAL')
    expect(tasks[4]).toMatchObject({ status: 'FAILED', attempts: 2, error: { code: 'LANE_DIED', retryable: true } })
    expect(tasks[4]?.history.map(({ error }) => error?.code)).toEqual(['LANE_DIED', 'LANE_DIED'])
    expect(tasks.filter(({ status }) => status === 'SUCCEEDED')).toHaveLength(8)
  })

  it('that needs more memory than it may have is OUT_OF_MEMORY, and the others succeed', async () => {
    const { run, tasks } = await acted([...echoes(4), { do: 'hog' }, ...echoes(4)], options)
    expect(run.status).toBe('PARTIAL')
    expect(tasks[4]).toMatchObject({
      status: 'FAILED',
      attempts: 1,
      error: { code: 'OUT_OF_MEMORY', retryable: false },
    })
    expect(tasks.filter(({ status }) => status === 'SUCCEEDED')).toHaveLength(8)
  })
})

describe.each(['SEQUENTIAL', 'ASYNC', 'THREADS', 'PROCESSES'])('under %s, one attempt each', (strategy) => {
  const timeoutMs = 500
  const waiting = (value: number) => ({ do: 'wait', ms: 5, value })

  it.each([
    ['throws', { do: 'fail', message: 'so' }, 'FUNCTION_ERROR'],
    ['leaves a rejection behind', { do: 'rejectLater', message: 'so' }, 'FUNCTION_ERROR'],
    ['leaves one behind and is asynchronous', { do: 'rejectBeside', message: 'so' }, 'FUNCTION_ERROR'],
    ['leaves a thrown error behind', { do: 'throwLater', message: 'so' }, 'FUNCTION_ERROR'],
    ['never returns', { do: 'spin' }, 'TIMEOUT'],
    ['exits', { do: 'exit', code: 0 }, 'LANE_DIED'],
    ['eats memory in steps', { do: 'hogSteps' }, 'OUT_OF_MEMORY'],
    ['eats memory in buffers', { do: 'hogBuffers' }, 'OUT_OF_MEMORY'],
    ['returns what is no JSON', { do: 'nan' }, 'FUNCTION_ERROR'],
    ['returns 64 MB', { do: 'big', chars: 64_000_000 }, 'OUTPUT_TOO_LARGE'],
    ['babbles', { do: 'babble' }, null],
    ['stops the clock', { do: 'stopClock' }, null],
  ])('a function that %s harms neither those beside it nor another run', async (_what, input, code) => {
    const other = api.finish(api.launchCompute({ function: 'half', source: { range: { from: 0, to: 50 } } }))
    // On a busy machine it takes long to eat memory.
    const limit = code === 'TIMEOUT' ? { timeoutMs } : {}
    const options = { strategy, retry: { maxAttempts: 1 }, ...limit }
    const { tasks } = await acted([waiting(0), waiting(1), input, ...echoes(2), waiting(5)], options)
    expect(tasks.map(({ error }) => error?.code ?? null)).toEqual([null, null, code, null, null, null])
    expect(tasks.every(({ attempts }) => attempts === 1)).toBe(true)
    if (code === 'TIMEOUT') expect(tasks[2]?.serviceMs).toBeGreaterThanOrEqual(timeoutMs)
    expect(await api.run(await other, 'status progress { succeeded }')).toEqual({
      status: 'SUCCEEDED',
      progress: { succeeded: 50 },
    })
  })
})

it('tries a task no more that three lanes have died of', async () => {
  const retry = { maxAttempts: 10, backoffMs: 0 }
  const { tasks } = await acted([{ do: 'exit', code: 0 }, ...echoes(2)], { strategy: 'ASYNC', retry })
  expect(tasks.map(({ attempts, error }) => [attempts, error?.code])).toEqual([
    [3, 'LANE_DIED'],
    [1, undefined],
    [1, undefined],
  ])
})

describe('a lane of processes', () => {
  const options = { strategy: 'PROCESSES', retry: { maxAttempts: 1 } }

  it.each([
    ['a signal', { do: 'signal', name: 'SIGKILL' }, 'LANE_DIED'],
    ['process.abort', { do: 'abort' }, 'LANE_DIED'],
    ['memory outside of JavaScript', { do: 'hogBuffers' }, 'OUT_OF_MEMORY'],
  ])('survives %s of one task', async (_what, input, code) => {
    const { run, tasks } = await acted([...echoes(2), input, ...echoes(2)], options)
    expect(run.status).toBe('PARTIAL')
    expect(tasks[2]).toMatchObject({ status: 'FAILED', error: { code } })
    expect(tasks.filter(({ status }) => status === 'SUCCEEDED')).toHaveLength(4)
  })
})

describe('a function in a lane', () => {
  it.each(['THREADS', 'PROCESSES'])('sees nothing of the server’s environment, under %s', async (strategy) => {
    process.env.HEDDLE_TEST_SECRET = 'hidden'
    const { output } = await actOne({ do: 'environment' }, { strategy })
    delete process.env.HEDDLE_TEST_SECRET
    expect(output).not.toHaveProperty('HEDDLE_TEST_SECRET')
    expect(output).not.toHaveProperty('HOME')
  })

  it('leaves the API free: queries are answered while lanes spin', async () => {
    const spins = Array(2).fill({ do: 'spin' })
    const launch = api.launchCompute({ function: 'act', source: { inputs: spins }, options: { timeoutMs: 1000 } })
    const id = await api.start(launch)
    await api.running(id, 1)
    const { functions } = await api.ask<{ functions: object[] }>('{ functions { name } }')
    expect(functions).toHaveLength(BUILTINS.length + 5)
    expect(await api.run(id, 'status')).toEqual({ status: 'RUNNING' })
    expect(await api.ended(id)).toBe('FAILED')
    expect(await api.run(id, 'errors { code count }')).toEqual({ errors: [{ code: 'TIMEOUT', count: 2 }] })
  })
})
