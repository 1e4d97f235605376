import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import type { LaneKind } from '../../src/domain/strategy.js'
import { LocalLane } from '../../src/lanes/local.js'
import { laneSuite } from '../support/lane-suite.js'
import { computeJob, eventually, grantOf, LANE_ENTRY, Listener, testPool } from '../support/lanes.js'

const echo = (value: unknown) => ({ do: 'echo', value })

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe.each<LaneKind>(['THREAD', 'PROCESS'])('a pool of lanes of kind %s', (kind) => {
  const suite = laneSuite(kind)
  const { gates, open, run } = suite

  describe('the pool', () => {
    it('gives a warm lane to the next one who asks', async () => {
      const first = await run([{ do: 'pid' }, echo(1)])
      const [status] = suite.pool.statuses().filter(({ lane }) => lane === first.lane.name)
      expect(status).toMatchObject({ kind, busy: true })
      suite.pool.release(first.lane)
      expect(suite.pool.statuses().find(({ lane }) => lane === first.lane.name)!.busy).toBe(false)
      // Of a thread nobody can tell it, of a process Linux can.
      if (kind === 'PROCESS' && process.platform === 'linux') expect(status!.memoryMb).toBeGreaterThan(10)
      else expect(status!.memoryMb).toBeNull()
      const second = await run([{ do: 'pid' }])
      expect(second.lane).toBe(first.lane)
      expect(second.rows[0]!.output).toBe(first.rows[0]!.output)
      const after = suite.pool.statuses().find(({ lane }) => lane === first.lane.name)!
      expect(after.tasksDone).toBe(status!.tasksDone + 1)
    })

    it('takes no lane back that still owes results', async () => {
      const { lane, listener } = await open()
      const key = `${kind}-owing`
      lane.grant(grantOf([gates.input(key)]))
      expect(() => suite.pool.release(lane)).toThrow('still owes 1 result')
      expect(() => lane.open(computeJob(), listener)).toThrow('still owes 1 result')
      await gates.reached(key)
      gates.open(key)
      await listener.untilRows(1)
    })

    it('has no more lanes than it may, named by the lowest free numbers', async () => {
      const small = testPool({ maxLanes: 2 })
      const word = kind.toLowerCase()
      const [one, two] = await Promise.all([small.acquire(kind), small.acquire(kind)])
      expect([one.name, two.name]).toEqual([`${word}-1`, `${word}-2`])
      await expect(small.acquire(kind)).rejects.toThrow('all 2 lanes are in use')
      const listener = new Listener()
      one.open(computeJob(), listener)
      one.kill()
      await listener.untilDeath()
      expect((await small.acquire(kind)).name).toBe(`${word}-1`)
      await small.close()
    })

    it('lets idle lanes end but for some', async () => {
      const brief = testPool({ keepWarm: 1, idleMs: 5 })
      const lanes = await Promise.all([brief.acquire(kind), brief.acquire(kind), brief.acquire(kind)])
      for (const lane of lanes) brief.release(lane)
      await eventually(() => brief.statuses().length === 1)
      const [left] = brief.statuses()
      expect((await brief.acquire(kind)).name).toBe(left!.lane)
      await brief.close()
    })

    it('gives lanes that have fetched to fetches, and others to computes, as far as there are', async () => {
      const mixed = testPool({ keepWarm: 3 })
      const lanes = await Promise.all([mixed.acquire(kind, 'FETCH'), mixed.acquire(kind), mixed.acquire(kind)])
      const fetch = { bodyPolicy: 'DISCARD' as const, maxBytes: 1, maxRedirects: 0, headers: [], okStatuses: null }
      lanes[0]!.open(computeJob({ work: { kind: 'FETCH', fetch, storesFor: null } }), new Listener())
      lanes[1]!.open(computeJob(), new Listener())
      for (const lane of lanes) mixed.release(lane)
      const names = async (...works: ('FETCH' | 'COMPUTE')[]) => {
        const taken = await Promise.all(works.map((work) => mixed.acquire(kind, work)))
        for (const lane of taken) mixed.release(lane)
        return taken.map(({ name }) => name)
      }
      const [fetcher, second, third] = lanes.map(({ name }) => name)
      expect(await names('FETCH')).toEqual([fetcher])
      expect(await names('COMPUTE', 'COMPUTE')).toEqual([third, second])
      // There is no other one left.
      expect(await names('COMPUTE', 'COMPUTE', 'COMPUTE')).toEqual([second, third, fetcher])
      expect(await names('FETCH', 'FETCH')).toEqual([fetcher, third])
      await mixed.close()
    })

    it('warms as many as may stay, for whoever asks first', async () => {
      const warming = testPool({ keepWarm: 2, maxLanes: 4 })
      expect(warming.costs(kind)).toEqual({ startMs: null, roundTripMs: null, idle: 0 })
      warming.warm(kind, 3)
      warming.warm(kind, 2)
      expect(warming.costs(kind).idle).toBe(2)
      const first = await warming.acquire(kind)
      await eventually(() => warming.statuses().length === 2)
      expect(warming.statuses().map(({ lane, busy }) => [lane, busy])).toEqual([
        [first.name, true],
        [`${kind.toLowerCase()}-2`, false],
      ])
      expect((await warming.acquire(kind)).name).toBe(`${kind.toLowerCase()}-2`)
      expect(warming.costs(kind).idle).toBe(0)
      await warming.close()
    })

    it('takes no message that had to wait for the measure of all', async () => {
      const later = [0.5, 0.03, 7]
      const measured = vi.spyOn(LocalLane.prototype, 'roundTripMs')
      measured.mockImplementation(async (tries) => (tries > 1 ? 13 : (later.shift() ?? 9)))
      const busy = testPool({ probeMs: 5 })
      const costOf = () => busy.costs(kind).roundTripMs
      const lane = await busy.acquire(kind)
      await eventually(() => costOf() !== null)
      expect(costOf()).toBe(13)
      busy.release(lane)
      await eventually(() => later.length === 0)
      expect(costOf()).toBe(0.03)
      await busy.close()
      measured.mockRestore()
    })

    it('says what its lanes cost', async () => {
      const costly = testPool()
      costly.release(await costly.acquire(kind))
      await eventually(() => costly.costs(kind).roundTripMs !== null)
      const { startMs, roundTripMs, idle } = costly.costs(kind)
      expect(startMs).toBeGreaterThan(roundTripMs!)
      expect(roundTripMs).toBeGreaterThan(0)
      expect(idle).toBe(1)
      await Promise.all([costly.acquire(kind), costly.acquire(kind)])
      expect(costly.costs(kind).startMs).toBeLessThanOrEqual(startMs!)
      expect(costly.costs(kind).idle).toBe(0)
      await costly.close()
    })

    it('takes no start that had to wait for the measure of all', async () => {
      const pool = testPool()
      // What the clock says when each of them is begun, and when it is there.
      const times = [0, 260, 1_000, 1_071, 2_000, 2_300]
      const starts: (number | null)[] = []
      const clock = vi.spyOn(performance, 'now')
      for (const [begun, there] of [times.slice(0, 2), times.slice(2, 4), times.slice(4)]) {
        clock.mockReturnValue(begun!)
        const coming = pool.acquire(kind)
        clock.mockReturnValue(there!)
        await coming
        starts.push(pool.costs(kind).startMs)
      }
      clock.mockRestore()
      expect(starts).toEqual([260, 71, 71])
      await pool.close()
    })

    it('keeps a spare one warm where one of a few has died in use', async () => {
      const few = testPool({ keepWarm: 0, maxLanes: 3 })
      const lane = await few.acquire(kind)
      const listener = new Listener()
      lane.open(computeJob(), listener)
      lane.grant(grantOf([{ do: 'exit', code: 1 }]))
      await listener.untilDeath()
      few.release(lane)
      expect(few.costs(kind).idle).toBe(0)
      await few.acquire(kind)
      expect(few.costs(kind).idle).toBe(1)
      await few.acquire(kind)
      expect(few.costs(kind).idle).toBe(0)
      await few.close()
    })

    it('tells nobody of a lane that could not be warmed', async () => {
      const broken = testPool({ entry: new URL('./nowhere.js', LANE_ENTRY) })
      broken.warm(kind, 1)
      await eventually(() => broken.costs(kind).idle === 0)
      await expect(broken.acquire(kind)).rejects.toThrow('could not start')
      await broken.close()
      broken.warm(kind, 1)
      expect(broken.costs(kind).idle).toBe(0)
    })

    it('tells why a lane cannot start', async () => {
      const broken = testPool({ entry: new URL('./nowhere.js', LANE_ENTRY) })
      await expect(broken.acquire(kind)).rejects.toThrow(/-1 could not start: .*nowhere\.js/)
      expect(broken.statuses()).toEqual([])
      await broken.close()
      const functionsDir = await mkdtemp(join(tmpdir(), 'heddle-functions-'))
      await writeFile(join(functionsDir, 'leaver.mjs'), 'process.exit(4)')
      const left = testPool({ functionsDir })
      await expect(left.acquire(kind)).rejects.toThrow(/-1 (ended while it started|could not start)/)
      await left.close()
      await rm(functionsDir, { recursive: true })
    })

    it('tells the lane of a death on the way', async () => {
      const { lane } = await open()
      const listener = new Listener()
      const first = new Listener()
      lane.open(computeJob(), first)
      lane.kill()
      await first.untilDeath()
      lane.open(computeJob(), listener)
      expect(await listener.untilDeath()).toEqual(await first.untilDeath())
    })

    it('ends everything when it closes, whatever it does', async () => {
      const closing = testPool()
      const lanes = await Promise.all([closing.acquire(kind), closing.acquire(kind), closing.acquire(kind)])
      const listeners = lanes.map((lane) => {
        const listener = new Listener()
        lane.open(computeJob(), listener)
        lane.grant(grantOf([{ do: 'pid' }]))
        return listener
      })
      await Promise.all(listeners.map((listener) => listener.untilRows(1)))
      const pids = listeners.map(({ rows }) => Number(rows[0]!.output)).filter((pid) => pid !== process.pid)
      expect(pids).toHaveLength(kind === 'PROCESS' ? 3 : 0)
      lanes[0]!.grant(grantOf([{ do: 'spin' }], 1))
      lanes[1]!.grant(grantOf([gates.input(`${kind}-closing`)], 1))
      closing.release(lanes[2]!)
      await gates.reached(`${kind}-closing`)
      await eventually(() => lanes[0]!.inService().length === 1)
      const starting = closing.acquire(kind === 'THREAD' ? 'PROCESS' : 'THREAD')
      const refused = expect(starting).rejects.toThrow()
      await Promise.all([closing.close(), closing.close()])
      await refused
      expect(pids.filter(isAlive)).toEqual([])
      expect(listeners.map(({ deaths }) => deaths.length)).toEqual([1, 1, 0])
      expect(closing.statuses()).toEqual([])
      await expect(closing.acquire(kind)).rejects.toThrow('closed')
    })

    it('keeps the server’s secrets to itself', async () => {
      const { rows } = await run([{ do: 'environment' }])
      const environment = JSON.parse(rows[0]!.output!) as Record<string, string>
      expect(environment).toMatchObject({ TZ: 'UTC' })
      expect(JSON.stringify(environment)).not.toContain('secret')
      expect(Object.keys(environment).filter((name) => !['TZ', 'TINYPOOL_WORKER_ID'].includes(name))).toEqual([])
    })
  })
})
