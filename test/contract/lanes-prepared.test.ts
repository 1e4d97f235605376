import { once } from 'node:events'
import { createServer } from 'node:http'
import { describe, expect, it } from 'vitest'
import type { LaneKind, StageKind } from '../../src/domain/strategy.js'
import { computeJob, eventually, grantOf, LANE_ENTRY, Listener, testPool } from '../support/lanes.js'

/** Answers everything; counts the connections that are open, and all there were. */
async function startOrigin() {
  const connections = { open: 0, all: 0 }
  const origin = createServer((_request, response) => response.end('ok'))
  origin.on('connection', (socket) => {
    connections.open += 1
    connections.all += 1
    socket.on('close', () => {
      connections.open -= 1
    })
  })
  origin.listen(0, '127.0.0.1')
  await once(origin, 'listening')
  const url = `http://127.0.0.1:${(origin.address() as { port: number }).port}/`
  return { connections, url, close: () => origin.close() }
}

const FETCH_WORK = {
  kind: 'FETCH' as const,
  fetch: { bodyPolicy: 'DISCARD' as const, maxBytes: 1e6, maxRedirects: 5, headers: [], okStatuses: null },
  storesFor: null,
}

describe.each<LaneKind>(['THREAD', 'PROCESS'])('prepared lanes of kind %s', (kind) => {
  const works = [{ kind: 'FETCH' as const }, { kind: 'COMPUTE' as const, function: 'act' }]

  it('are there and idle, more than stay warm too, and go to whoever asks next', async () => {
    const pool = testPool({ keepWarm: 1, maxLanes: 3 })
    pool.release(await pool.acquire(kind))
    await pool.prepare(kind, 3, works)
    const before = pool.statuses().map(({ lane, busy }) => [lane, busy])
    const name = kind.toLowerCase()
    expect(before).toEqual([1, 2, 3].map((number) => [`${name}-${number}`, false]))
    const lanes = await Promise.all([pool.acquire(kind), pool.acquire(kind), pool.acquire(kind)])
    expect(lanes.map((lane) => lane.name).sort()).toEqual([`${name}-1`, `${name}-2`, `${name}-3`])
    const listener = new Listener()
    lanes[0]!.open(computeJob(), listener)
    lanes[0]!.grant(grantOf([{ do: 'echo', value: 7 }]))
    expect((await listener.untilRows(1))[0]!.output).toBe('7')
    await pool.close()
  })

  it('are ready when nothing else is being started any more', async () => {
    const pool = testPool({ keepWarm: 3, maxLanes: 4 })
    pool.warm(kind, 3)
    await pool.prepare(kind, 1, works)
    expect(pool.statuses()).toHaveLength(3)
    await pool.close()
  })

  it('go to what they were prepared for before all others do', async () => {
    const pool = testPool({ keepWarm: 4, maxLanes: 4 })
    const lanes = await Promise.all([1, 2, 3, 4].map(() => pool.acquire(kind)))
    // Two have fetched.
    for (const lane of lanes.slice(2)) lane.open(computeJob({ work: FETCH_WORK }), new Listener())
    for (const lane of lanes) pool.release(lane)
    const taken = async (work: StageKind) => {
      const two = await Promise.all([pool.acquire(kind, work), pool.acquire(kind, work)])
      for (const lane of two) pool.release(lane)
      return two.map(({ name }) => name).sort()
    }
    const computing = lanes.slice(0, 2).map(({ name }) => name)
    const fetching = lanes.slice(2).map(({ name }) => name)
    await pool.prepare(kind, 2, [{ kind: 'FETCH' }])
    expect([await taken('FETCH'), await taken('COMPUTE')]).toEqual([fetching, computing])
    await pool.prepare(kind, 2, works)
    expect([await taken('COMPUTE'), await taken('FETCH')]).toEqual([computing, computing])
    await pool.close()
  })

  it('have no connection of what ran on them before', async () => {
    const origin = await startOrigin()
    const pool = testPool()
    const fetchOnce = async () => {
      const lane = await pool.acquire(kind)
      const listener = new Listener()
      lane.open(computeJob({ work: FETCH_WORK }), listener)
      lane.grant(grantOf([origin.url]))
      const [row] = await listener.untilRows(1)
      pool.release(lane)
      return row?.fetch?.reusedConnection
    }
    expect([await fetchOnce(), await fetchOnce()]).toEqual([false, true])
    await pool.prepare(kind, 1, works)
    await eventually(() => origin.connections.open === 0)
    expect(await fetchOnce()).toBe(false)
    expect(origin.connections.all).toBe(2)
    await pool.close()
    origin.close()
  })

  it('are refused with the reason, and hold no place in the pool then', async () => {
    const pool = testPool({ maxLanes: 2 })
    await expect(pool.prepare(kind, 3, works)).rejects.toThrow('all 2 lanes are in use')
    expect(pool.statuses().map(({ busy }) => busy)).toEqual([false, false])
    await pool.close()
    const broken = testPool({ entry: new URL('./nowhere.js', LANE_ENTRY) })
    await expect(broken.prepare(kind, 1, works)).rejects.toThrow('could not start')
    await broken.close()
    await expect(broken.prepare(kind, 1, works)).rejects.toThrow('closed')
  })
})
