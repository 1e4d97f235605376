import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { ApiClient, Launched, Variables } from '../support/api.js'
import { type ServerProcess, startProcess } from '../support/process.js'
import { FUNCTIONS_DIR } from '../support/server.js'

/** A trial comes five seconds after a start. */
const LONG_TEST_MS = 120_000
/** What is not found ends the server for ever. */
const MAX_ENDS = 10
/** In a thread it ends the server. */
const KILLER = { do: 'killProcess' }
const BURN = { do: 'burn', ms: 2 }

interface TaskEnd {
  stage: number
  index: number
  status: string
  attempts: number
  error: { code: string; message: string; retryable: boolean } | null
}

interface Outcome {
  ends: number
  status: string
  tasks: TaskEnd[]
  errors: { code: string; count: number }[]
}

/** Starts the server again and again until the run has ended. What is cut off is launched again, under its key. */
async function toTheEnd(launch: (api: ApiClient) => Promise<Launched>): Promise<Outcome> {
  const dataDir = await mkdtemp(join(tmpdir(), 'heddle-server-ends-'))
  let server: ServerProcess | null = null
  try {
    for (let ends = 0; ; ends += 1) {
      expect(ends).toBeLessThan(MAX_ENDS)
      server = await startServer(dataDir)
      const outcome = server && (await outcomeOf(server.api, launch).catch(() => null))
      if (outcome) return { ends, ...outcome }
      await server?.exit
    }
  } finally {
    await server?.end('SIGKILL')
    await rm(dataDir, { recursive: true, force: true })
  }
}

/** Null where it has ended before it listened. */
function startServer(dataDir: string): Promise<ServerProcess | null> {
  const settings = { HEDDLE_DATA_DIR: dataDir, HEDDLE_FUNCTIONS_DIR: FUNCTIONS_DIR, HEDDLE_LANES: '2' }
  return startProcess(settings).catch(() => null)
}

async function outcomeOf(
  api: ApiClient,
  launch: (api: ApiClient) => Promise<Launched>,
): Promise<Omit<Outcome, 'ends'> | null> {
  const id = await api.start(launch(api))
  const status = await api.ended(id)
  if (!['SUCCEEDED', 'PARTIAL', 'FAILED'].includes(status)) return null
  const tasks = await api.tasks<TaskEnd>(id, 'stage index status attempts error { code message retryable }')
  const { errors } = await api.run<{ errors: Outcome['errors'] }>(id, 'errors { code count }')
  return { status, tasks, errors }
}

const inputsWith = (count: number, killers: readonly number[]) =>
  Array.from({ length: count }, (_, index) => (killers.includes(index) ? KILLER : BURN))

function launchCompute(inputs: Variables[], options: Variables) {
  const input = { function: 'act', source: { inputs }, options: { idempotencyKey: 'once', ...options } }
  return (api: ApiClient) => api.launchCompute(input)
}

function expectFound(tasks: readonly TaskEnd[], culprits: readonly { stage: number; index: number }[]): void {
  const failed = tasks.filter(({ status }) => status !== 'SUCCEEDED')
  expect(failed).toEqual(
    culprits.map((culprit) => ({
      ...culprit,
      status: 'FAILED',
      attempts: 1,
      error: {
        code: 'LANE_DIED',
        message: expect.stringContaining('in service at three ends of the server in a row'),
        retryable: false,
      },
    })),
  )
}

// They wait for most of their time.
describe.concurrent('a task that ends its server', () => {
  it('fails at the third end, and all others succeed', { timeout: LONG_TEST_MS }, async () => {
    const launch = launchCompute(inputsWith(200, [37]), { strategy: 'THREADS' })
    const { ends, status, tasks, errors } = await toTheEnd(launch)
    expectFound(tasks, [{ stage: 0, index: 37 }])
    expect([status, tasks.length, errors]).toEqual(['PARTIAL', 200, [{ code: 'LANE_DIED', count: 1 }]])
    expect(ends).toBe(3)
  })

  it('is found beside another one, in a later stage of a pipeline', { timeout: LONG_TEST_MS }, async () => {
    const inputs = inputsWith(60, [25, 26]).map((value) => ({ do: 'echo', value }))
    const stages = [{ compute: { function: 'act' } }, { compute: { function: 'act' } }]
    const options = { idempotencyKey: 'once', strategy: 'ASYNC' }
    const input = { source: { inputs }, stages, options }
    const { ends, tasks } = await toTheEnd((api) => api.launchPipeline(input))
    expectFound(
      tasks,
      [25, 26].map((index) => ({ stage: 1, index })),
    )
    expect(tasks).toHaveLength(120)
    expect(ends).toBeLessThanOrEqual(7)
  })
})
