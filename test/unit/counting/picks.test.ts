import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Picks } from '../../../src/counting/picks.js'
import { spreadIndexes } from '../../../src/counting/spread.js'

describe('spreadIndexes', () => {
  it('begins with the first, the last and the one in the middle', () => {
    expect(spreadIndexes(101, 5)).toEqual([0, 100, 50, 25, 75])
    expect(spreadIndexes(1e7, 3)).toEqual([0, 9_999_999, 5_000_000])
  })

  it('takes all of a few, and none of nothing', () => {
    expect(spreadIndexes(3, 7)).toEqual([0, 2, 1])
    expect(spreadIndexes(1, 7)).toEqual([0])
    expect(spreadIndexes(0, 7)).toEqual([])
  })

  it('names each index once, as many as are wanted and there are', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 500 }), fc.integer({ min: 0, max: 9 }), (count, wanted) => {
        const indexes = spreadIndexes(count, wanted)
        expect(new Set(indexes).size).toBe(indexes.length)
        expect(indexes).toHaveLength(Math.min(count, wanted))
        for (const index of indexes) expect(index >= 0 && index < count).toBe(true)
      }),
    )
  })
})

describe('Picks', () => {
  function picked(count: number, wanted: number, willDo: (index: number) => boolean): number[] {
    const picks = new Picks(count, wanted)
    for (let index = 0; index < count; index += 1) if (willDo(index)) picks.offer(index, `item ${index}`)
    const list = picks.list()
    for (const { index, item } of list) expect(item).toBe(`item ${index}`)
    return list.map(({ index }) => index)
  }

  it('takes what is at the places where all will do', () => {
    expect(picked(101, 5, () => true)).toEqual([0, 100, 50, 25, 75])
  })

  it('takes the next one that will do', () => {
    expect(picked(101, 3, (index) => index % 10 === 7)).toEqual([7, 57, 17])
  })

  it('takes others where late ones will not do', () => {
    expect(picked(101, 3, (index) => index < 4).sort((a, b) => a - b)).toEqual([0, 1, 2])
    expect(picked(101, 3, (index) => index === 60)).toEqual([60])
    expect(picked(101, 3, () => false)).toEqual([])
  })

  it('takes as many as are wanted and will do', () => {
    const does = fc.array(fc.boolean(), { maxLength: 60 })
    fc.assert(
      fc.property(does, fc.integer({ min: 1, max: 7 }), (flags, wanted) => {
        const indexes = picked(flags.length, wanted, (index) => flags[index]!)
        expect(new Set(indexes).size).toBe(indexes.length)
        expect(indexes).toHaveLength(Math.min(wanted, flags.filter(Boolean).length))
        for (const index of indexes) expect(flags[index]).toBe(true)
      }),
    )
  })
})
