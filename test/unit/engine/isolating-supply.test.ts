import { describe, expect, it } from 'vitest'
import { toRunKey } from '../../../src/domain/ids.js'
import { IndexSet } from '../../../src/domain/indexset.js'
import type { Strikes } from '../../../src/domain/strikes.js'
import { IsolatingSupply } from '../../../src/engine/isolating-supply.js'
import { PendingItems } from '../../../src/engine/pending.js'
import { Quarantine } from '../../../src/engine/quarantine.js'
import { Suspects } from '../../../src/engine/suspects.js'
import { ManualClock } from '../../support/clock.js'
import { columnsOf } from '../../support/engine-parts.js'

const PLACE = { run: toRunKey('a'.repeat(32)), stage: 0 }

function setup({ items = 100, strikes = {} }: { items?: number; strikes?: Record<number, Strikes> }) {
  const clock = new ManualClock()
  const startMs = clock.monotonicMs()
  const quarantine = new Quarantine(startMs, { unexplained: [], isExplained: false })
  const takenOut: number[] = []
  const suspects = new Suspects(PLACE, {
    clock,
    quarantine: () => quarantine,
    onTakenOut: (index) => takenOut.push(index),
  })
  for (const [index, count] of Object.entries(strikes))
    suspects.add({ ...PLACE, first: Number(index), count: 1, strikes: count, ageMs: 0 })
  suspects.narrow(null, items)
  const supply = new IsolatingSupply(new PendingItems(items), suspects)
  const end = (index: number) => supply.ended(columnsOf([{ index }]), null)
  return { clock, suspects, supply, takenOut, end, startMs }
}

describe('a supply with suspects', () => {
  it('hands each of them out alone, and the others together', () => {
    const { supply } = setup({ strikes: { 1: 1, 3: 1 } })
    expect(supply.take(5, 1)).toMatchObject({ indexes: [0, 2, 4] })
    expect(supply.take(5, 1)).toMatchObject({ first: 1, count: 1, isAlone: true })
    expect(supply.take(5, 1)).toMatchObject({ first: 3, count: 1, isAlone: true })
    expect(supply.take(5, 1)).toEqual({ first: 5, count: 5, indexes: null, attempts: null })
  })

  it('hands out nothing before them where the lane has no slot', () => {
    const { supply, end } = setup({ strikes: { 0: 1, 1: 1 } })
    expect(supply.take(2, 0)).toBeNull()
    expect([supply.ready, supply.size]).toEqual([100, 100])
    expect(supply.take(2, 1)).toMatchObject({ first: 0, isAlone: true })
    expect(supply.take(2, 1)).toMatchObject({ first: 1, isAlone: true })
    expect(supply.take(2, 0)).toMatchObject({ first: 2, count: 2 })
    end(0)
    expect(supply.size).toBe(96)
  })

  it('goes on with others while too many are in service', () => {
    const { supply, end, clock } = setup({ strikes: { 0: 1, 1: 1, 2: 1, 3: 1, 4: 1 } })
    for (const index of [0, 1, 2, 3]) expect(supply.take(5, 8)).toMatchObject({ first: index, isAlone: true })
    expect(supply.take(5, 8)).toMatchObject({ first: 5, count: 5 })
    expect([supply.ready, supply.size]).toEqual([90, 91])
    // Somebody is to look again, though nothing may happen here.
    const dueMs = supply.nextDueMs!
    expect(dueMs).toBeGreaterThan(clock.monotonicMs())
    end(2)
    clock.advance(dueMs - clock.monotonicMs())
    supply.release(clock.monotonicMs())
    expect([supply.nextDueMs, supply.ready]).toEqual([null, 91])
    expect(supply.take(5, 8)).toMatchObject({ first: 10, count: 4 })
    expect(supply.take(5, 8)).toMatchObject({ first: 4, isAlone: true })
  })

  it('goes on with suspects as soon as one of its own has ended', () => {
    const strikes = Object.fromEntries(Array.from({ length: 8 }, (_, index) => [index, 1 as const]))
    const { supply, end } = setup({ items: 8, strikes })
    for (const index of [0, 1, 2, 3]) expect(supply.take(8, 8)).toMatchObject({ first: index, isAlone: true })
    expect([supply.take(8, 8), supply.ready, supply.size]).toEqual([null, 0, 4])
    end(0)
    expect(supply.ready).toBe(3)
    expect(supply.take(8, 8)).toMatchObject({ first: 5, isAlone: true })
  })

  it('keeps one with two strikes for its quiet time, as if it were in back-off', () => {
    const { supply, clock, startMs } = setup({ items: 3, strikes: { 0: 2 } })
    expect(supply.take(3, 1)).toMatchObject({ indexes: [1, 2] })
    expect([supply.take(3, 1), supply.ready, supply.size]).toEqual([null, 0, 1])
    const dueMs = supply.nextDueMs!
    expect(dueMs).toBe(startMs + 5_000)
    clock.advance(dueMs - clock.monotonicMs())
    supply.release(clock.monotonicMs())
    expect(supply.take(3, 1)).toMatchObject({ first: 0, isAlone: true })
  })

  it('knows of those that come back, and forgets those that have ended', () => {
    const { supply, suspects, takenOut, clock } = setup({ items: 2, strikes: { 0: 1, 1: 1 } })
    supply.take(2, 1)
    supply.delay(0, 2, clock.monotonicMs() + 5)
    expect([takenOut, suspects.has(0)]).toEqual([[0], true])
    supply.take(2, 1)
    supply.giveBack(1, 1)
    expect(supply.take(2, 1)).toMatchObject({ first: 1, attempts: [1], isAlone: true })
    clock.advance(5)
    supply.release(clock.monotonicMs())
    expect(supply.take(2, 1)).toMatchObject({ first: 0, attempts: [2], isAlone: true })
    supply.ended(columnsOf([{ index: 0 }, { index: 1 }]), new Set([1]))
    expect([takenOut, suspects.has(0), suspects.has(1)]).toEqual([[0, 1, 0], false, true])
  })

  it('hands out with them what was read with them', () => {
    const { suspects } = setup({ strikes: { 1: 1 } })
    const inner = new PendingItems(3)
    const reading = Object.assign(Object.create(inner), {
      take: (max: number) => {
        const batch = inner.take(max)
        return batch && { ...batch, inputs: ['a', 'b', 'c'] }
      },
    }) as PendingItems
    const supply = new IsolatingSupply(reading, suspects)
    expect(supply.take(3, 1)).toMatchObject({ indexes: [0, 2], inputs: ['a', 'c'] })
    expect(supply.take(3, 1)).toMatchObject({ indexes: [1], inputs: ['b'] })
  })
})

describe('the suspects', () => {
  it('are those noted that have not ended, as said last', () => {
    const clock = new ManualClock()
    const quarantine = new Quarantine(0, { unexplained: [], isExplained: false })
    const suspects = new Suspects(PLACE, { clock, quarantine: () => quarantine, onTakenOut: () => {} })
    suspects.add({ ...PLACE, first: 0, count: 90, strikes: 1, ageMs: 0 })
    suspects.add({ ...PLACE, first: 70, count: 1, strikes: 2, ageMs: 5 })
    const ended = new IndexSet(80)
    for (let index = 0; index < 70; index += 1) ended.add(index)
    suspects.narrow(ended, 80)
    expect(suspects.all()).toEqual([
      { ...PLACE, first: 71, count: 9, strikes: 1, ageMs: 0 },
      { ...PLACE, first: 70, count: 1, strikes: 2, ageMs: 5 },
    ])
  })
})
