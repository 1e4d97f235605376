import { readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { LaneKind } from '../../src/domain/strategy.js'
import { laneSuite } from '../support/lane-suite.js'
import { computeJob, eventually, grantOf, Outcome } from '../support/lanes.js'

/** Seconds of work, whatever the machine: long enough to be ended in the middle. */
const LONG = { threads: 8, increments: 10_000_000 }
const SHORT = { threads: 2, increments: 1_000 }

/** How many threads a process of Linux has; null elsewhere. */
function threadsOf(pid: number): number | null {
  return process.platform === 'linux' ? readdirSync(`/proc/${pid}/task`).length : null
}

describe.each<LaneKind>(['THREAD', 'PROCESS'])('a function with threads of its own in a lane of kind %s', (kind) => {
  const suite = laneSuite(kind)

  /** Whether the lane can be given to the next one: nothing of its former job goes on. */
  const isClean = () => suite.pool.costs(kind).idle > 0

  it('counts', async () => {
    const { rows } = await suite.run([SHORT, SHORT], { function: 'atomicCounter' })
    expect(rows.map(({ output }) => JSON.parse(output ?? ''))).toEqual([
      { expected: 2_000, counted: 2_000, lost: 0 },
      { expected: 2_000, counted: 2_000, lost: 0 },
    ])
  })

  it.each(['atomicCounter', 'racyCounter'])(
    '%s leaves the event loop to others and is ended when its run is',
    async (name) => {
      const { lane, listener } = await suite.open(computeJob({ function: name }))
      lane.grant(grantOf([LONG]))
      await eventually(() => lane.inService().length === 1)
      lane.cancel()
      await listener.untilRows(1)
      suite.pool.release(lane)
      await eventually(isClean)
      expect(listener.outcomes).toEqual([Outcome.CANCELLED])
      const next = await suite.run([SHORT], { function: 'atomicCounter' })
      expect(next.lane).toBe(lane)
      expect(JSON.parse(next.rows[0]?.output ?? '')).toMatchObject({ lost: 0 })
    },
  )

  it('takes its threads with it when its lane is killed', async () => {
    const { lane, listener } = await suite.open(computeJob({ function: 'atomicCounter' }))
    lane.grant(grantOf([LONG]))
    await eventually(() => lane.inService().length === 1)
    lane.kill()
    expect((await listener.untilDeath()).error).toMatchObject({ code: 'LANE_DIED' })
    expect(suite.pool.statuses().map((status) => status.lane)).not.toContain(lane.name)
    // Whoever has the place afterwards counts as if nothing had been.
    const next = await suite.run([SHORT], { function: 'atomicCounter' })
    expect(JSON.parse(next.rows[0]?.output ?? '')).toMatchObject({ counted: 2_000, lost: 0 })
  })

  it('is past its time in the middle, and leaves no thread behind', async () => {
    const first = await suite.run([{ do: 'pid' }])
    const pid = Number(first.rows[0]?.output)
    const before = threadsOf(pid)
    suite.pool.release(first.lane)
    const { lane, rows } = await suite.run([LONG], { function: 'atomicCounter', timeoutMs: 40 })
    expect(lane).toBe(first.lane)
    expect(rows.map(({ error }) => error?.code)).toEqual(['TIMEOUT'])
    suite.pool.release(lane)
    await eventually(isClean)
    // This process has threads that come and go for reasons of its own.
    if (kind === 'PROCESS') await eventually(() => threadsOf(pid) === before)
    expect(lane.inService()).toEqual([])
  })
})
