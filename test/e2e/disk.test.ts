import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, statSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ApiClient, type GraphQLError, type Variables } from '../support/api.js'
import { type Origin, startOrigin } from '../support/origin.js'
import { PRODUCT, runToEnd, type ServerProcess, startProcess } from '../support/process.js'
import { FUNCTIONS_DIR } from '../support/server.js'
import { until } from '../support/until.js'
import { fileOf, formOf, send, uploadsIn } from '../support/uploads.js'

let dataDir: string
let origin: Origin
let server: ServerProcess

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'heddle-disk-'))
  origin = await startOrigin()
})

afterEach(async () => {
  await server?.end('SIGKILL')
  await origin.close()
  await rm(dataDir, { recursive: true, force: true })
})

/** `under`: a program that starts it, with its arguments. */
function start(under: readonly string[] = []): Promise<ServerProcess> {
  const settings = {
    HEDDLE_DATA_DIR: dataDir,
    HEDDLE_FUNCTIONS_DIR: FUNCTIONS_DIR,
    HEDDLE_ALLOW_HOSTS: '127.0.0.1',
    HEDDLE_LANES: '2',
    HEDDLE_DRAIN_MS: '200',
  }
  return startProcess(settings, { command: [...under, ...PRODUCT] })
}

/** No file of the process may become larger: what a full disk is to it. */
function limitFiles(bytes: number | 'unlimited', pid = server.pid): void {
  execFileSync('prlimit', ['--pid', String(pid), `--fsize=${bytes}:unlimited`])
}

const COMPUTE = `mutation($input: LaunchComputeBatchInput!) {
  launchComputeBatch(input: $input) { run { id } userErrors { code } }
}`

function rangeTo(count: number, options: Variables = {}): Variables {
  return { function: 'same', source: { range: { from: 0, to: count } }, reduce: 'SUM', options }
}

async function refusalOf(api: ApiClient, input: Variables): Promise<GraphQLError | undefined> {
  const { errors = [] } = await api.raw(COMPUTE, { input })
  return errors[0]
}

function said(words: string): string[] {
  return server
    .log()
    .map(({ msg }) => msg)
    .filter((msg) => msg.includes(words))
}

async function readiness(): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${server.url}/ready`)
  return { status: response.status, body: await response.json() }
}

async function trouble(api: ApiClient): Promise<unknown> {
  const { system } = await api.ask<{ system: { storageTrouble: unknown } }>(
    '{ system { storageTrouble { code message since } } }',
  )
  return system.storageTrouble
}

/** Every item has one row, and its own number as its output. */
async function expectWhole(api: ApiClient, id: string, count: number): Promise<void> {
  expect(await api.run(id, 'status reduction progress { done succeeded } tasks(first: 0) { totalCount }')).toEqual({
    status: 'SUCCEEDED',
    reduction: (count * (count - 1)) / 2,
    progress: { done: count, succeeded: count },
    tasks: { totalCount: count },
  })
}

const INPUTS = Array.from({ length: 9_000 }, () => 'x'.repeat(400))

describe('a disk that is full', () => {
  it('has the run stand still, and it goes on by itself when there is room', async () => {
    server = await start()
    const { api } = server
    const earlier = await api.finish(api.launchCompute(rangeTo(10)))
    limitFiles(1_500_000)
    const count = 100_000
    const id = await api.start(api.launchCompute(rangeTo(count, { idempotencyKey: 'kept' })))
    while ((await trouble(api)) === null);
    expect(await trouble(api)).toMatchObject({ code: 'FULL', message: expect.stringContaining('disk is full') })
    expect(await readiness()).toMatchObject({
      status: 503,
      body: { reasons: [expect.stringContaining('disk is full')] },
    })
    expect(await refusalOf(api, { function: 'anything', source: { inputs: INPUTS } })).toEqual({
      message: expect.stringContaining('disk is full'),
      path: ['launchComputeBatch'],
      locations: expect.any(Array),
      extensions: { code: 'STORAGE_FULL', retryAfterMs: expect.any(Number) },
    })
    // What is there is told of, and what is only read.
    const again = await api.launchCompute(rangeTo(count, { idempotencyKey: 'kept' }))
    expect(again).toMatchObject({ deduplicated: true, run: { id } })
    expect(await api.run(earlier, 'status')).toEqual({ status: 'SUCCEEDED' })
    const { progress } = await api.run<{ progress: { done: number } }>(id, 'progress { done }')
    expect(progress.done).toBeLessThan(count)

    limitFiles('unlimited')
    expect(await api.ended(id)).toBe('SUCCEEDED')
    await expectWhole(api, id, count)
    while ((await readiness()).status !== 200);
    expect(await trouble(api)).toBeNull()
    expect([said('the disk is full').length, said('the disk can be written again').length]).toEqual([1, 1])
    expect((await api.launchCompute({ function: 'anything', source: { inputs: INPUTS } })).userErrors).toEqual([])
  })

  it('lets runs be deleted, as far as the log of the database has room', async () => {
    server = await start()
    const count = 20_000
    const id = await server.api.finish(server.api.launchCompute(rangeTo(count)))
    await server.end('SIGTERM')
    server = await start()
    const { api } = server
    limitFiles(statSync(join(dataDir, 'heddle.db')).size)
    expect((await refusalOf(api, { function: 'anything', source: { inputs: INPUTS } }))?.extensions?.code).toBe(
      'STORAGE_FULL',
    )
    const { deleteRun } = await api.ask<{ deleteRun: object }>(
      'mutation($id: ID!) { deleteRun(id: $id) { deletedRunId userErrors { code } } }',
      { id },
    )
    expect(deleteRun).toEqual({ deletedRunId: id, userErrors: [] })
  })

  it('refuses a file that does not fit, and keeps nothing of it', async () => {
    server = await start()
    limitFiles(400_000)
    const file = fileOf(Array.from({ length: 200_000 }, (_, at) => at))
    const { status, body } = await send(server.url, formOf(COMPUTE, { input: { function: 'same', source: { file } } }))
    expect(status).toBe(503)
    expect(body.errors).toMatchObject([{ extensions: { code: 'STORAGE_FULL', retryAfterMs: expect.any(Number) } }])
    expect(JSON.stringify(body)).not.toContain(dataDir)
    expect(uploadsIn(dataDir)).toEqual([])
    while ((await trouble(server.api)) === null);
    expect(said('the disk is full')).toHaveLength(1)
  })

  it('tries bodies again that found no room, when there is some', async () => {
    server = await start()
    const { api } = server
    limitFiles(400_000)
    const urls = Array.from({ length: 30 }, (_, at) => `${origin.url}/bytes?n=${500_000 + at}`)
    const options = { concurrency: 4, retry: { maxAttempts: 2, backoffMs: 0 } }
    const id = await api.start(api.launchFetch({ source: { urls }, fetch: { bodyPolicy: 'STORE' }, options }))
    while ((await trouble(api)) === null);
    limitFiles('unlimited')
    expect(await api.ended(id)).toBe('SUCCEEDED')
    const tasks = await api.tasks<{ attempts: number; error: null; body: object }>(id, 'attempts error { code } body')
    expect(tasks.map(({ body }) => body)).not.toContain(null)
    expect(tasks.some(({ attempts }) => attempts === 2)).toBe(true)
    expect(origin.requests('/bytes')).toBeLessThanOrEqual(2 * urls.length)
  })

  it('is told at the start, where nothing can begin without room; the next start has it', async () => {
    const settings = { HEDDLE_DATA_DIR: dataDir }
    const { code, stdout } = await runToEnd(['--port', '0'], settings, ['prlimit', '--fsize=100000'])
    expect(code).toBe(1)
    expect(stdout).toContain('the disk is full')
    server = await start()
    expect(await server.api.ask('{ runs { totalCount } }')).toEqual({ runs: { totalCount: 0 } })
  })

  it('lets a server start over what is there: its runs go on when there is room', async () => {
    server = await start()
    const count = 300_000
    const id = await server.api.start(server.api.launchCompute(rangeTo(count)))
    await server.end('SIGKILL')
    // As much as the lock of the log takes.
    server = await start(['prlimit', '--fsize=33000:unlimited'])
    expect(await server.api.run(id, 'progress { running }')).toEqual({ progress: { running: 0 } })
    expect(await readiness()).toMatchObject({ status: 503 })
    limitFiles('unlimited')
    expect(await server.api.ended(id)).toBe('SUCCEEDED')
    await expectWhole(server.api, id, count)
  })

  it('does not keep a server from leaving', async () => {
    server = await start()
    limitFiles(1_500_000)
    const id = await server.api.start(server.api.launchCompute(rangeTo(100_000)))
    while ((await trouble(server.api)) === null);
    expect(await server.end('SIGTERM')).toMatchObject({ code: 0, signal: null })
    server = await start()
    expect(await server.api.ended(id)).toBe('SUCCEEDED')
    await expectWhole(server.api, id, 100_000)
  })

  it('takes no line of the log for a reason to end', async () => {
    const logPath = join(dataDir, 'log')
    const log = openSync(logPath, 'a')
    const [command = '', ...args] = PRODUCT
    const child = spawn(command, [...args, '--port', '0', '--data-dir', dataDir], { stdio: ['ignore', log, log] })
    try {
      await until(() => readFileSync(logPath, 'utf8').includes('\n'))
      const [first = ''] = readFileSync(logPath, 'utf8').split('\n')
      const api = new ApiClient(String(JSON.parse(first).url))
      const refused = { function: 'countPrimes', source: { inputs: [100] } }
      limitFiles(statSync(logPath).size, child.pid)
      expect((await refusalOf(api, refused))?.extensions?.code).toBe('STORAGE_FULL')
      expect(await trouble(api)).toMatchObject({ code: 'FULL' })
      expect(readFileSync(logPath, 'utf8')).toBe(`${first}\n`)
      limitFiles('unlimited', child.pid)
      while ((await trouble(api)) !== null);
      expect(await api.ended(await api.start(api.launchCompute(refused)))).toBe('SUCCEEDED')
      child.kill('SIGTERM')
      await once(child, 'exit')
      expect(child.exitCode).toBe(0)
      const said = readFileSync(logPath, 'utf8').trimEnd().split('\n')
      expect(said.map((line) => JSON.parse(line).level)).toEqual(['info', 'error', 'warn', 'info'])
    } finally {
      child.kill('SIGKILL')
      closeSync(log)
    }
  })
})

describe('a database that another process has locked', () => {
  it('has the run stand still and launches refused, and all goes on when it is free', async () => {
    server = await start()
    const { api } = server
    const earlier = await api.finish(api.launchCompute(rangeTo(10)))
    const other = new Database(join(dataDir, 'heddle.db'))
    const count = 200_000
    const id = await api.start(api.launchCompute(rangeTo(count)))
    other.exec('BEGIN EXCLUSIVE')
    while ((await trouble(api)) === null);
    expect(await trouble(api)).toMatchObject({
      code: 'BUSY',
      message: expect.stringContaining('locked by another process'),
    })
    expect(await readiness()).toMatchObject({ status: 503, body: { reasons: [expect.stringContaining('locked')] } })
    const refusals = await Promise.all(Array.from({ length: 8 }, () => refusalOf(api, rangeTo(10))))
    for (const refusal of refusals) {
      expect(refusal?.extensions).toEqual({ code: 'STORAGE_BUSY', retryAfterMs: expect.any(Number) })
    }
    expect(await api.run(earlier, 'status tasks(first: 0) { totalCount }')).toEqual({
      status: 'SUCCEEDED',
      tasks: { totalCount: 10 },
    })
    other.exec('ROLLBACK')
    other.close()
    expect(await api.ended(id)).toBe('SUCCEEDED')
    await expectWhole(api, id, count)
    while ((await readiness()).status !== 200);
    expect([said('locked by another process').length, said('can be written again').length]).toEqual([1, 1])
    expect(await api.ask('{ runs { totalCount } }')).toEqual({ runs: { totalCount: 2 } })
  })

  it('is waited for by a launch, where it is for a moment', async () => {
    server = await start()
    const other = new Database(join(dataDir, 'heddle.db'))
    other.exec('BEGIN EXCLUSIVE')
    const launched = server.api.launchCompute(rangeTo(10))
    const ping = await server.api.ask('{ runs { totalCount } }')
    expect(ping).toEqual({ runs: { totalCount: 0 } })
    other.exec('ROLLBACK')
    other.close()
    expect(await server.api.ended(await server.api.start(launched))).toBe('SUCCEEDED')
  })
})
