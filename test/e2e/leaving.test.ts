import { readFileSync } from 'node:fs'
import { mkdtemp, rm, symlink, unlink } from 'node:fs/promises'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { drain } from '../support/api.js'
import { launchComparison } from '../support/comparisons.js'
import { eventually } from '../support/lanes.js'
import { type Origin, startOrigin } from '../support/origin.js'
import { beginProcess, runToEnd, type ServerProcess, startProcess } from '../support/process.js'
import { FUNCTIONS_DIR } from '../support/server.js'
import { SocketClient } from '../support/socket.js'
import { bodyOf, openUpload, uploadsIn } from '../support/uploads.js'

const RUN_UPDATED = 'subscription($id: ID!) { runUpdated(id: $id) { status } }'

let dataDir: string
let elsewhere: string
let origin: Origin
let server: ServerProcess

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'heddle-leaving-'))
  elsewhere = await mkdtemp(join(tmpdir(), 'heddle-elsewhere-'))
  origin = await startOrigin()
})

afterEach(async () => {
  await server?.end('SIGKILL')
  await origin.close()
  for (const folder of [dataDir, elsewhere]) await rm(folder, { recursive: true, force: true })
})

function start(drainMs = 200): Promise<ServerProcess> {
  return startProcess({
    HEDDLE_DATA_DIR: dataDir,
    HEDDLE_FUNCTIONS_DIR: FUNCTIONS_DIR,
    HEDDLE_ALLOW_HOSTS: '127.0.0.1',
    HEDDLE_LANES: '2',
    HEDDLE_DRAIN_MS: String(drainMs),
  })
}

/** Requests that nobody answers, in flight. */
async function hold(): Promise<string> {
  const urls = Array.from({ length: 4 }, (_, i) => `${origin.url}/hold?i=${i}`)
  const id = await server.api.start(server.api.launchFetch({ source: { urls } }))
  await origin.arrived('/hold', 4)
  return id
}

/** In processes that spin from then on; their ids. */
async function spinInProcesses(): Promise<number[]> {
  const { api } = server
  const inputs = [{ do: 'pid' }, { do: 'pid' }, { do: 'spin' }, { do: 'spin' }]
  const options = { strategy: 'PROCESSES' }
  const id = await api.start(api.launchCompute({ function: 'act', source: { inputs }, options }))
  const inFlight = async () => (await api.run<{ inFlight: object[] }>(id, 'inFlight { index }')).inFlight.length
  const pids = async () => (await api.tasks<{ output: number }>(id, 'output')).map(({ output }) => output)
  while ((await inFlight()) < 2 || (await pids()).length < 2);
  return pids()
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** Whether the process does something of its own on the signal. */
function listensTo(pid: number, signal: NodeJS.Signals): boolean {
  const [, caught = ''] = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return ((BigInt(`0x${caught}`) >> BigInt(constants.signals[signal] - 1)) & 1n) === 1n
}

/** What is under way when the server is told to leave; answers when it has begun. */
const UNDER_WAY: [string, () => Promise<unknown>][] = [
  ['requests that nobody answers', hold],
  ['functions that spin in processes', spinInProcesses],
  [
    'streams over SSE and WebSocket',
    async () => {
      const id = await hold()
      // More than Node takes for a leak of listeners.
      const opened = await Promise.all(Array.from({ length: 12 }, () => server.api.open(RUN_UPDATED, { id })))
      const socket = new SocketClient(server.url).subscribe(RUN_UPDATED, { id })
      await Promise.all([...opened.map((events) => events.next()), socket.next()])
      for (const events of opened) void drain(events)
      socket.next().catch(() => {})
    },
  ],
  [
    'an upload',
    async () => {
      const upload = openUpload(server.url, 1_000_000)
      const operations = { name: 'operations', content: '{"query":"","variables":{"f":null}}' }
      await upload.write(bodyOf([operations, { name: 'map', content: '{"0":["variables.f"]}' }], ''))
      await upload.write(
        Buffer.from('--x-heddle-x\r\ncontent-disposition: form-data; name="0"; filename="a"\r\n\r\n1\n'),
      )
      await eventually(() => uploadsIn(dataDir).length === 1)
    },
  ],
  [
    'a plan that tries a few requests',
    async () => {
      const batch = { fetch: { source: { urls: [`${origin.url}/hold`] } } }
      const query = 'query($batch: BatchInput!) { planBatch(batch: $batch) { total advice { strategy } } }'
      const plan = () => server.api.raw(query, { batch }).catch(() => {})
      // On a busy machine one may give its try up before the request is sent.
      while (origin.requests('/hold') === 0) await Promise.race([plan(), origin.arrived('/hold')])
    },
  ],
  [
    'a comparison',
    async () => {
      const batch = { compute: { function: 'act', source: { inputs: [{ do: 'spin' }] } } }
      const { comparison } = await launchComparison(server.api, { batch, strategies: ['THREADS', 'PROCESSES'] })
      expect(comparison).not.toBeNull()
    },
  ],
  [
    'measuring what strategies cost',
    async () => {
      server.api.raw('{ system { strategyCosts { strategy } } }').catch(() => {})
      await eventually(() => readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, 'utf8') !== '')
    },
  ],
]

describe('a server that is told to leave', () => {
  it.each(UNDER_WAY)('does not wait for %s, and the next one can begin', async (_what, begin) => {
    server = await start()
    await begin()
    expect(await server.end('SIGTERM')).toMatchObject({ code: 0, signal: null, stderr: '' })
    server = await start()
    expect((await fetch(`${server.url}/ready`)).status).toBe(200)
    // What goes on now would hold up nobody either.
    expect(await server.end('SIGINT')).toMatchObject({ code: 0, signal: null, stderr: '' })
  })

  it('leaves with 0 also before it listens, and the next one can begin', async () => {
    const begun = beginProcess({ HEDDLE_DATA_DIR: dataDir })
    // Node.js listens to the others for reasons of its own.
    await eventually(() => listensTo(begun.pid, 'SIGHUP'))
    expect(await begun.end('SIGTERM')).toMatchObject({ code: 0, signal: null, stderr: '' })
    server = await start()
  })

  it('leaves as well where its terminal is closed', async () => {
    server = await start()
    await hold()
    expect(await server.end('SIGHUP')).toMatchObject({ code: 0, signal: null })
    expect(server.log().map(({ signal }) => signal)).toContain('SIGHUP')
  })

  it('takes a signal that is repeated at once for the same one', async () => {
    server = await start()
    await hold()
    process.kill(server.pid, 'SIGINT')
    expect(await server.end('SIGINT')).toMatchObject({ code: 0, signal: null })
  })

  it('is ended by one that comes later, and leaves nothing broken', async () => {
    server = await start(600_000)
    const id = await hold()
    let hasEnded = false
    server.exit.then(() => {
      hasEnded = true
    })
    while (!hasEnded) {
      server.signal('SIGINT')
      await fetch(`${server.url}/health`).catch(() => {})
    }
    expect(await server.exit).toMatchObject({ code: null, signal: 'SIGINT' })
    server = await start()
    origin.release('/hold')
    expect(await server.api.ended(id)).toBe('SUCCEEDED')
  })

  it('leaves when npm is told to, and when all of its group is', async () => {
    const cwd = join(FUNCTIONS_DIR, '../../..')
    const settings = { HEDDLE_DATA_DIR: dataDir, HEDDLE_FUNCTIONS_DIR: FUNCTIONS_DIR, HEDDLE_DRAIN_MS: '200' }
    server = await startProcess(settings, { command: ['npm', 'start', '--silent'], cwd, isLeader: true })
    const pids = await spinInProcesses()
    process.kill(-server.pid, 'SIGINT')
    expect(await server.exit).toMatchObject({ code: 0, signal: null })
    expect(pids.filter(isAlive)).toEqual([])
  })
})

describe('a server that is killed', () => {
  it('takes its processes with it', async () => {
    server = await start()
    const pids = await spinInProcesses()
    expect(pids.filter(isAlive)).toEqual(pids)
    await server.end('SIGKILL')
    await eventually(() => !pids.some(isAlive))
  })
})

describe('the folder of the data', () => {
  it.each([
    ['by its path', '', false],
    ['by another path', '-link', false],
    ['with a database of its own', '', true],
  ])('is not given to a second server %s', async (_how, suffix, hasOwn) => {
    server = await start()
    const folder = `${dataDir}${suffix}`
    if (suffix !== '') await symlink(dataDir, folder)
    const own = hasOwn ? { DATABASE_URL: `file:${join(elsewhere, 'heddle.db')}` } : {}
    const { code, stdout } = await runToEnd(['--port', '0'], { HEDDLE_DATA_DIR: folder, ...own })
    if (suffix !== '') await unlink(folder)
    expect(code).toBe(1)
    expect(stdout).toContain('in use by another process')
    expect(stdout).toContain(folder)
    // A lock is its process's: none stays behind.
    await server.end('SIGKILL')
    server = await start()
  })
})
