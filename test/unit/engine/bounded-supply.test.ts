import { describe, expect, it } from 'vitest'
import { BoundedSupply } from '../../../src/engine/bounded-supply.js'
import { PendingItems } from '../../../src/engine/pending.js'
import type { Supply } from '../../../src/engine/supply.js'
import { columnsOf } from '../../support/engine-parts.js'

function setup(items: number) {
  const inner = new PendingItems(items)
  const next = { room: 0 }
  return { inner, next, supply: new BoundedSupply(inner, () => next.room) }
}

describe('a bounded supply', () => {
  it('is as ready as there is room for in the next stage', () => {
    const { next, supply } = setup(10)
    const ready = [-3, 0, 4, 10, 99].map((room) => {
      next.room = room
      return supply.ready
    })
    expect(ready).toEqual([0, 0, 4, 10, 10])
    expect(supply.size).toBe(10)
  })

  it('hands out no more than that', () => {
    const { next, supply } = setup(10)
    expect(supply.take(5)).toBeNull()
    next.room = -1
    expect(supply.take(5)).toBeNull()
    next.room = 3
    expect(supply.take(5)).toMatchObject({ first: 0, count: 3 })
    expect(supply.take(2)).toMatchObject({ first: 3, count: 2 })
    expect(supply.take(0)).toBeNull()
  })

  it('does not ask for room where there is nothing', () => {
    const supply = new BoundedSupply(new PendingItems(0), () => {
      throw new Error('it was asked')
    })
    expect(supply.ready).toBe(0)
  })

  it('takes back and keeps what the inner one does', () => {
    const { inner, next, supply } = setup(5)
    next.room = 5
    const batch = supply.take(3)!
    supply.giveBack(1, 2)
    expect([inner.ready, supply.ready]).toEqual([3, 3])
    supply.restore(batch, 2)
    supply.delay(0, 2, 50)
    expect([supply.nextDueMs, supply.size]).toEqual([50, 5])
    supply.release(50)
    expect([inner.nextDueMs, inner.ready]).toEqual([null, 5])
  })

  it('passes on all that it is told', () => {
    const told: string[] = []
    const inner = new Proxy({} as Supply, {
      get: (_, name) => (name === 'mayWaitInLane' ? false : () => void told.push(String(name))),
    })
    const supply = new BoundedSupply(inner, () => 1)
    supply.start()
    supply.started(columnsOf([{ index: 0 }]))
    supply.ended(columnsOf([{ index: 0 }]), null)
    supply.stop()
    expect([supply.mayWaitInLane, told]).toEqual([false, ['start', 'started', 'ended', 'stop']])
  })
})
