import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { IndexSet } from '../../../src/domain/indexset.js'
import { PendingItems } from '../../../src/engine/pending.js'
import type { Batch } from '../../../src/engine/supply.js'

function indexesOf(batch: Batch): number[] {
  return batch.indexes ?? Array.from({ length: batch.count }, (_, at) => batch.first + at)
}

describe('PendingItems', () => {
  it('hands out runs of indexes, and skips those that have ended', () => {
    const ended = new IndexSet(10)
    for (const index of [0, 1, 4, 9]) ended.add(index)
    const pending = new PendingItems(10, ended)
    expect(pending.ready).toBe(6)
    expect(pending.take(2)).toMatchObject({ first: 2, count: 2, indexes: null })
    expect(pending.take(3)).toMatchObject({ first: 5, count: 3, indexes: null })
    expect(pending.take(10)).toMatchObject({ first: 8, count: 1, indexes: null })
    expect(pending.take(10)).toBeNull()
  })

  it('hands out as many as are asked for, however scattered they are', () => {
    const ended = new IndexSet(100)
    for (let index = 0; index < 100; index += 2) ended.add(index)
    const pending = new PendingItems(100, ended)
    expect(pending.take(3)).toEqual({ first: 1, count: 3, indexes: [1, 3, 5], attempts: [1, 1, 1] })
    expect(pending.take(1)).toEqual({ first: 7, count: 1, indexes: null, attempts: null })
    expect(pending.take(1000)?.count).toBe(46)
    expect(pending.ready).toBe(0)
  })

  it('hands out first what was given back, with the number of its attempt', () => {
    const pending = new PendingItems(5)
    pending.take(3)
    pending.giveBack(1, 2)
    expect(pending.take(2)).toEqual({ first: 1, count: 2, indexes: [1, 3], attempts: [2, 1] })
    expect(pending.take(5)).toMatchObject({ first: 4, count: 1 })
  })

  it('hands out first, and in one piece, what was taken and is restored', () => {
    const pending = new PendingItems(1000)
    const batch = pending.take(500)!
    pending.restore(batch, 100)
    expect([pending.ready, pending.size]).toEqual([900, 900])
    expect(pending.take(64)).toEqual({ first: 100, count: 64, indexes: null, attempts: null })
    expect(pending.take(1000)).toEqual({ first: 164, count: 336, indexes: null, attempts: null })
    expect(pending.take(1000)).toMatchObject({ first: 500, count: 500 })
    pending.restore({ first: 7, count: 3, indexes: [7, 3, 9], attempts: [1, 2, 1] }, 1)
    expect(pending.take(5)).toEqual({ first: 3, count: 2, indexes: [3, 9], attempts: [2, 1] })
    pending.restore({ first: 0, count: 3, indexes: null, attempts: null }, 3)
    expect(pending.ready).toBe(0)
  })

  it('keeps items in back-off until they are due, the earliest first', () => {
    const pending = new PendingItems(3)
    pending.take(3)
    pending.delay(0, 2, 300)
    pending.delay(1, 2, 100)
    pending.delay(2, 2, 200)
    expect(pending.nextDueMs).toBe(100)
    expect(pending.take(5)).toBeNull()
    pending.release(200)
    expect(pending.take(5)?.indexes?.sort()).toEqual([1, 2])
    expect(pending.nextDueMs).toBe(300)
    expect(pending.size).toBe(1)
  })

  it('tries nothing new while very many items are in back-off', () => {
    const pending = new PendingItems(10_000_000)
    pending.take(100_000)
    for (let index = 0; index < 100_000; index += 1) pending.delay(index, 2, index < 10 ? 50 : 100)
    expect([pending.ready, pending.size]).toEqual([0, 10_000_000])
    expect(pending.take(1)).toBeNull()
    pending.release(50)
    // First what has waited; with fewer in back-off the others, too.
    expect(
      pending
        .take(11)
        ?.indexes?.slice(0, 10)
        .sort((a, b) => a - b),
    ).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(pending.ready).toBe(9_899_999)
  })

  it('loses no item and hands none out twice, whatever is taken, given back and delayed', () => {
    const action = fc.record({ take: fc.integer({ min: 1, max: 7 }), fate: fc.constantFrom('end', 'back', 'wait') })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.array(fc.nat(49)), fc.array(action), (total, before, actions) => {
        const ended = new IndexSet(total)
        for (const index of before) if (index < total) ended.add(index)
        const pending = new PendingItems(total, ended)
        const out = new Set<number>()
        const finish = (batch: Batch, fate: string) => {
          for (const index of indexesOf(batch)) {
            expect(out.has(index)).toBe(false)
            expect(ended.has(index)).toBe(false)
            if (fate === 'end') out.add(index)
            else if (fate === 'back') pending.giveBack(index, 2)
            else pending.delay(index, 2, index)
          }
        }
        for (const { take, fate } of actions) {
          const count = Math.min(take, pending.ready)
          const batch = pending.take(take)
          expect(batch?.count ?? 0).toBe(count)
          if (batch) finish(batch, fate)
        }
        pending.release(total)
        for (let batch = pending.take(10); batch; batch = pending.take(10)) finish(batch, 'end')
        expect(out.size + ended.size).toBe(total)
        expect(pending.size).toBe(0)
      }),
    )
  })
})
