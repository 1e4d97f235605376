import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { IndexSet } from '../../../src/domain/indexset.js'
import { setOf } from '../../support/index-sets.js'

const bound = 200
const indexes = fc.array(fc.nat(bound - 1), { maxLength: 300 })

describe('IndexSet', () => {
  it('holds what was added, and tells what is new', () => {
    fc.assert(
      fc.property(indexes, (added) => {
        const set = new IndexSet(bound)
        const model = new Set<number>()
        for (const index of added) {
          expect(set.add(index)).toBe(!model.has(index))
          model.add(index)
        }
        expect(set.size).toBe(model.size)
        for (let index = 0; index < bound; index++) expect(set.has(index)).toBe(model.has(index))
      }),
    )
  })

  it('finds the absent in stretches', () => {
    fc.assert(
      fc.property(indexes, fc.integer({ min: 1, max: 70 }), (added, limit) => {
        const set = new IndexSet(bound)
        for (const index of added) set.add(index)
        const absent: number[] = []
        for (let from = 0, found = set.nextAbsent(from, limit); found; found = set.nextAbsent(from, limit)) {
          expect(found.count).toBeGreaterThan(0)
          expect(found.count).toBeLessThanOrEqual(limit)
          for (let index = found.first; index < found.first + found.count; index++) absent.push(index)
          from = found.first + found.count
        }
        expect(absent).toEqual([...Array(bound).keys()].filter((index) => !added.includes(index)))
      }),
    )
  })

  it('refuses what is outside', () => {
    for (const index of [-1, bound, Number.NaN]) expect(() => new IndexSet(bound).add(index)).toThrow(RangeError)
    expect(new IndexSet(bound).has(bound)).toBe(false)
  })

  it('knows what is not in it, and what it has in common with another one', () => {
    const bounds = fc.integer({ min: 1, max: 100 })
    fc.assert(
      fc.property(bounds, indexes, indexes, (own, added, others) => {
        const fitting = (list: number[]) => new Set(list.filter((index) => index < own))
        const [a, b] = [fitting(added), fitting(others)]
        const [set, other] = [setOf(own, a), setOf(own, b)]
        const all = [...Array(own).keys()]
        expectEqual(set.complement(), new Set(all.filter((index) => !a.has(index))))
        expectEqual(set.intersection(other), new Set(all.filter((index) => a.has(index) && b.has(index))))
        expectEqual(set.difference(other), new Set(all.filter((index) => a.has(index) && !b.has(index))))
        expectEqual(set.union(other), new Set([...a, ...b]))
        // Neither of them has changed.
        expectEqual(set, a)
        expectEqual(other, b)
      }),
    )
  })

  it('is apart from what was made of it', () => {
    const set = setOf(40, [1])
    const rest = set.complement()
    rest.add(1)
    const bits = set.toBits()
    set.add(2)
    expect(bits[0]).toBe(0b10)
    expect([set.has(2), rest.size, rest.has(2), set.difference(rest).size]).toEqual([true, 40, true, 0])
  })

  it('is made from the bits of another', () => {
    fc.assert(
      fc.property(indexes, (added) => {
        const bits = new Uint32Array(Math.ceil(bound / 32))
        for (const index of added) bits[index >>> 5]! |= 1 << (index & 31)
        const set = IndexSet.fromBits(bound, bits)
        expect(set.toBits()).toEqual(bits)
        expect(set.size).toBe(new Set(added).size)
        for (let index = 0; index < bound; index++) expect(set.has(index)).toBe(added.includes(index))
      }),
    )
    expect(() => IndexSet.fromBits(bound, new Uint32Array(1))).toThrow(/expected 7 words/)
  })
})

function expectEqual(set: IndexSet, model: ReadonlySet<number>): void {
  expect(set.size).toBe(model.size)
  for (let index = 0; index < set.bound + 40; index += 1) expect(set.has(index)).toBe(model.has(index))
}
