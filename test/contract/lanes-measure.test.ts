import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { LaneKind } from '../../src/domain/strategy.js'
import { computeJob, eventually, grantOf, LANE_ENTRY, Listener, testPool } from '../support/lanes.js'

const KINDS = ['THREAD', 'PROCESS'] as const satisfies LaneKind[]

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'heddle-measure-'))
})
afterEach(() => rm(folder, { recursive: true }))

/** A folder of functions in which each lane leaves a note as it starts: `thread` or its process id. */
async function noting(): Promise<string> {
  await writeFile(
    join(folder, 'note.mjs'),
    `import { writeFileSync } from 'node:fs'
     import { isMainThread, threadId } from 'node:worker_threads'
     writeFileSync(new URL(isMainThread ? 'process-' + process.pid : 'thread-' + threadId, import.meta.url), '')
     export default { name: 'note', description: 'Nothing.', inputSchema: true, run() {} }`,
  )
  return folder
}

/** The numbers of the lanes of a kind that have left a note. */
async function noted(kind: LaneKind): Promise<number[]> {
  const names = await readdir(folder)
  const prefix = `${kind.toLowerCase()}-`
  return names.filter((name) => name.startsWith(prefix)).map((name) => Number(name.slice(prefix.length)))
}

async function untilNoted(kind: LaneKind): Promise<void> {
  while ((await noted(kind)).length === 0) await new Promise((resolve) => setImmediate(resolve))
}

describe('LanePool.measure', () => {
  it('tells what lanes of both kinds cost, by lanes that have ended then', async () => {
    const pool = testPool({ functionsDir: await noting(), maxLanes: 3 })
    const measures = await pool.measure()
    for (const kind of KINDS) {
      const { startMs, roundTripUs, memoryMb } = measures[kind]
      expect(startMs * 1_000).toBeGreaterThan(roundTripUs)
      expect(roundTripUs).toBeGreaterThan(0)
      expect(memoryMb).toBeGreaterThan(1)
      expect(memoryMb).toBeLessThan(process.memoryUsage.rss() / 1024 / 1024)
      // No more at once than there may be; each as new as the others.
      expect((await noted(kind)).length).toBeGreaterThanOrEqual(1)
      expect((await noted(kind)).length).toBeLessThanOrEqual(3)
    }
    expect((await noted('PROCESS')).filter(isAlive)).toEqual([])
    await pool.close()
  })

  it('counts of a process what it has to itself, where the system tells it', async () => {
    const pool = testPool({ maxLanes: 2 })
    const { PROCESS } = await pool.measure()
    await pool.acquire('PROCESS')
    const [status] = pool.statuses()
    if (process.platform === 'linux') {
      // The code of Node.js is in what is resident, and no lane's own while the server runs it too.
      expect(PROCESS.memoryMb).toBeLessThan(status!.memoryMb!)
    } else {
      expect(status!.memoryMb).toBeNull()
    }
    await pool.close()
  })

  it('leaves the names and the lanes of the pool alone', async () => {
    const pool = testPool()
    const lane = await pool.acquire('THREAD')
    const statuses = pool.statuses()
    const measuring = pool.measure()
    expect(pool.statuses()).toEqual(statuses)
    await measuring
    expect(pool.statuses()).toEqual(statuses)
    expect(KINDS.map((kind) => pool.costs(kind).idle)).toEqual([0, 0])
    pool.release(lane)
    expect((await pool.acquire('PROCESS')).name).toBe('process-1')
    await pool.close()
  })

  it('tells the pool what a start takes, where the pool has seen no shorter one', async () => {
    const pool = testPool()
    await pool.acquire('THREAD')
    const { startMs } = pool.costs('THREAD')
    const { THREAD, PROCESS } = await pool.measure()
    expect(pool.costs('THREAD').startMs).toBe(Math.min(startMs!, THREAD.startMs))
    expect(pool.costs('PROCESS')).toEqual({ startMs: PROCESS.startMs, roundTripMs: null, idle: 0 })
    await pool.acquire('PROCESS')
    await eventually(() => pool.costs('PROCESS').roundTripMs !== null)
    await pool.close()
  })

  it('needs no place: it measures beside lanes that are all in use, and they go on', async () => {
    const pool = testPool({ maxLanes: 1 })
    const lane = await pool.acquire('THREAD')
    const listener = new Listener()
    lane.open(computeJob(), listener)
    lane.grant(grantOf([{ do: 'spin' }]))
    await eventually(() => lane.inService().length === 1)
    await expect(pool.acquire('THREAD')).rejects.toThrow('all 1 lanes are in use')
    const { THREAD, PROCESS } = await pool.measure()
    expect(THREAD.startMs).toBeGreaterThan(0)
    expect(PROCESS.startMs).toBeGreaterThan(0)
    expect(lane.inService()).toHaveLength(1)
    expect(listener.deaths).toEqual([])
    await pool.close()
  })

  it('measures once for all who ask meanwhile, and anew for who asks later', async () => {
    const pool = testPool({ functionsDir: await noting(), maxLanes: 1 })
    const [one, other] = await Promise.all([pool.measure(), pool.measure()])
    expect(one).toBe(other)
    expect(await noted('PROCESS')).toHaveLength(1)
    expect(await pool.measure()).not.toBe(one)
    expect(await noted('PROCESS')).toHaveLength(2)
    await pool.close()
  })

  it.each(KINDS)(
    'is given up where the pool closes while a lane of kind %s is measured, and nothing is left',
    async (kind) => {
      const pool = testPool({ functionsDir: await noting() })
      const refused = expect(pool.measure()).rejects.toThrow(
        /a lane that was to be measured|not to be measured any more/,
      )
      await untilNoted(kind)
      await pool.close()
      await refused
      expect((await noted('PROCESS')).filter(isAlive)).toEqual([])
      await expect(pool.measure()).rejects.toThrow('the lane pool is closed')
    },
  )

  it('says why where a lane cannot start, and can be asked again', async () => {
    const pool = testPool({ entry: new URL('./nowhere.js', LANE_ENTRY) })
    await expect(pool.measure()).rejects.toThrow(/a lane that was to be measured could not start: .*nowhere\.js/)
    await expect(pool.measure()).rejects.toThrow('could not start')
    expect(pool.statuses()).toEqual([])
    await pool.close()
  })
})
