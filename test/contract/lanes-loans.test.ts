import { describe, expect, it } from 'vitest'
import type { LaneKind } from '../../src/domain/strategy.js'
import { laneSuite } from '../support/lane-suite.js'
import { computeJob, eventually, grantOf, Outcome } from '../support/lanes.js'

const echo = (value: unknown) => ({ do: 'echo', value })

describe.each<LaneKind>(['THREAD', 'PROCESS'])('a lane of kind %s', (kind) => {
  const { gates, open } = laneSuite(kind)

  describe('a loan', () => {
    it('of a thread is taken back at once, but for what has begun', async () => {
      const { lane, listener } = await open()
      const key = `${kind}-loan`
      const first = { ...grantOf([echo(0), gates.input(key), echo(2), echo(3)]) }
      lane.lend(first)
      lane.lend({ first: 4, count: 2, indexes: [9, 4], inputs: [echo(9), echo(4)], attempts: [1, 2] })
      await gates.reached(key)
      const back = lane.takeBack()
      expect(lane.takeBack()).toEqual([])
      gates.open(key)
      if (kind === 'PROCESS') {
        expect(back).toEqual([])
        expect((await listener.untilRows(6)).map(({ index }) => index)).toEqual([0, 1, 2, 3, 9, 4])
        return
      }
      expect(back.map(({ grant, started }) => [grant.first, started])).toEqual([
        [0, 2],
        [4, 0],
      ])
      lane.grant(grantOf([echo(7)], 7))
      expect((await listener.untilRows(3)).map(({ index }) => index)).toEqual([0, 1, 7])
    })

    it('of a busy thread is taken back whatever it does', async () => {
      const { lane, listener } = await open()
      lane.lend(grantOf([{ do: 'spin' }, echo(1), echo(2)]))
      await eventually(() => lane.inService().length === 1)
      expect(lane.takeBack().map(({ started }) => started)).toEqual(kind === 'THREAD' ? [1] : [])
      lane.kill()
      expect((await listener.untilDeath()).inService.map(({ index }) => index)).toEqual([0])
    })

    it('is given back as any grant where the job is cancelled', async () => {
      const { lane, listener } = await open()
      const key = `${kind}-cancelled-loan`
      lane.lend(grantOf([gates.input(key), echo(1), echo(2)]))
      await gates.reached(key)
      lane.cancel()
      const rows = await listener.untilRows(3)
      expect(rows.map(({ outcome }) => outcome).sort()).toEqual(
        [Outcome.CANCELLED, Outcome.NOT_STARTED, Outcome.NOT_STARTED].sort(),
      )
      await gates.left(key)
    })
  })

  describe('a task that waits', () => {
    it('is told of where the job asks for it, and how little it computes', async () => {
      const { lane, listener } = await open(computeJob({ tellsWaiting: true }))
      const key = `${kind}-waiting`
      lane.grant(grantOf([{ do: 'resolve', value: 1 }, gates.input(key)]))
      await listener.until(() => (listener.waits.at(-1) ?? 1) < 0.5)
      expect(listener.waits[0]).toBeNull()
      await gates.reached(key)
      gates.open(key)
      await listener.untilRows(2)
      const other = await open()
      other.lane.grant(grantOf([gates.input(`${key}-2`)]))
      await gates.reached(`${key}-2`)
      gates.open(`${key}-2`)
      await other.listener.untilRows(1)
      expect(other.listener.waits).toEqual([])
    })

    it('is not one that keeps the event loop to itself', async () => {
      const { lane, listener } = await open(computeJob({ tellsWaiting: true }))
      lane.grant(grantOf([{ do: 'burn', ms: 5 }, { do: 'resolve', value: 2 }, echo(3)]))
      await listener.untilRows(3)
      expect(listener.waits).toEqual([])
    })
  })
})
