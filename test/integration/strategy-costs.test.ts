import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ApiClient } from '../support/api.js'
import { eventually } from '../support/lanes.js'
import { startTestServer, type TestServer } from '../support/server.js'

const COSTS =
  '{ system { cores strategyCosts { strategy laneStartMs roundTripUs memoryPerLaneMb sharesMemory parallel bestFor } } }'

interface Cost {
  strategy: string
  laneStartMs: number
  roundTripUs: number
  memoryPerLaneMb: number
  sharesMemory: boolean
  parallel: boolean
  bestFor: string
}

interface Costs {
  system: { cores: number; strategyCosts: Cost[] }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe('System.strategyCosts', () => {
  let server: TestServer
  let api: ApiClient

  beforeAll(async () => {
    server = await startTestServer({ HEDDLE_LANES: '2', HEDDLE_MAX_LANES: '2' })
    api = server.api
  })

  afterAll(() => server.close())

  it('has a row for each strategy, measured once, by POST and by GET alike', async () => {
    const both = await Promise.all([api.ask<Costs>(COSTS), api.ask<Costs>(COSTS)])
    const [{ system }] = both
    expect(both[1]).toEqual(both[0])
    const costs = system.strategyCosts
    const [sequential, async, threads, processes] = costs
    expect(costs.map(({ strategy }) => strategy)).toEqual(['SEQUENTIAL', 'ASYNC', 'THREADS', 'PROCESSES'])
    for (const { laneStartMs, roundTripUs, memoryPerLaneMb } of costs) {
      expect(Math.min(laneStartMs, roundTripUs, memoryPerLaneMb)).toBeGreaterThan(0)
      // A message takes no start, and a lane no gigabyte.
      expect(roundTripUs).toBeLessThan(laneStartMs * 1_000)
      expect(memoryPerLaneMb).toBeLessThan(1_000)
    }
    for (const one of [async, threads]) {
      expect(one?.laneStartMs).toBe(sequential?.laneStartMs)
      expect(one?.memoryPerLaneMb).toBe(sequential?.memoryPerLaneMb)
    }
    expect(processes?.laneStartMs).not.toBe(threads?.laneStartMs)
    expect(costs.map(({ sharesMemory }) => sharesMemory)).toEqual([true, true, true, false])
    const many = system.cores > 1
    expect(costs.map(({ parallel }) => parallel)).toEqual([false, false, many, many])
    expect(new Set(costs.map(({ bestFor }) => bestFor)).size).toBe(4)
    const url = `${api.url}/graphql?query=${encodeURIComponent(COSTS)}`
    const response = await fetch(url, { headers: { accept: 'application/json' } })
    expect(await response.json()).toMatchObject({ data: both[0] })
  })

  it('leaves no lane behind, and is in the list of none', async () => {
    await api.ask<Costs>(COSTS)
    const { system } = await api.ask<{ system: { lanes: unknown[] } }>('{ system { lanes { lane } } }')
    expect(system.lanes).toEqual([])
  })
})

describe('a server whose lanes are all in use', () => {
  it('measures beside them, answers others meanwhile, and takes nothing from the run', async () => {
    const server = await startTestServer({ HEDDLE_LANES: '2', HEDDLE_MAX_LANES: '2', HEDDLE_DRAIN_MS: '0' })
    const { api } = server
    const id = await api.start(
      api.launchCompute({
        function: 'monteCarloPi',
        source: { inputs: [1, 2].map((seed) => ({ samples: 10_000_000_000, seed })) },
        options: { strategy: 'THREADS' },
      }),
    )
    await api.running(id, 2)
    let measured: Costs | null = null
    const measuring = api.ask<Costs>(COSTS).then((costs) => {
      measured = costs
    })
    let answers = 0
    while (measured === null) {
      const { system } = await api.ask<{ system: { runningTasks: number; lanes: { busy: boolean }[] } }>(
        '{ system { runningTasks lanes { busy } } }',
      )
      expect(system).toEqual({ runningTasks: 2, lanes: [{ busy: true }, { busy: true }] })
      answers += 1
    }
    await measuring
    expect(answers).toBeGreaterThan(1)
    expect((measured as Costs).system.strategyCosts).toHaveLength(4)
    expect(server.logged.filter(({ level }) => level === 50)).toEqual([])
    await server.close()
  })
})

describe('a server that stops while it measures', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'heddle-functions-'))
    await writeFile(
      join(folder, 'note.mjs'),
      `import { writeFileSync } from 'node:fs'
       import { isMainThread } from 'node:worker_threads'
       if (isMainThread) writeFileSync(new URL('process-' + process.pid, import.meta.url), '')
       export default { name: 'note', description: 'Nothing.', inputSchema: true, run() {} }`,
    )
  })

  afterAll(() => rm(folder, { recursive: true }))

  it('leaves no process behind', async () => {
    const server = await startTestServer({ HEDDLE_FUNCTIONS_DIR: folder })
    // The server itself is this process, and reads the folder too.
    const pids = async () =>
      (await readdir(folder))
        .filter((name) => name.startsWith('process-'))
        .map((name) => Number(name.slice('process-'.length)))
        .filter((pid) => pid !== process.pid)
    const asked = server.api.raw<Costs>(COSTS).catch(() => null)
    let first: number[] = []
    while (first.length === 0) first = await pids()
    expect(first.some(isAlive)).toBe(true)
    await server.close()
    await asked
    const left = await pids()
    await eventually(() => !left.some(isAlive))
  })
})
