import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Outstanding } from '../../../src/engine/outstanding.js'

const range = (first: number, count: number) => ({ first, count, indexes: null, attempts: null, inputs: null })

describe('Outstanding', () => {
  it('keeps what was granted until it is reported, in stretches or one by one', () => {
    const outstanding = new Outstanding()
    outstanding.add(range(100, 50))
    outstanding.add({ ...range(7, 2), indexes: [7, 3], attempts: [2, 1] })
    expect([outstanding.size, outstanding.has(100), outstanding.has(149), outstanding.has(3)]).toEqual([
      52,
      true,
      true,
      true,
    ])
    expect([outstanding.has(99), outstanding.has(150), outstanding.has(4)]).toEqual([false, false, false])
    for (let index = 102; index < 150; index += 1) outstanding.remove(index)
    outstanding.remove(3)
    expect(outstanding.takeAll()).toEqual(
      new Map([
        [7, 2],
        [100, 1],
        [101, 1],
      ]),
    )
    expect([outstanding.size, outstanding.has(100), outstanding.has(7)]).toEqual([0, false, false])
  })

  it('does as a map does, whatever is granted and reported', () => {
    const grant = fc.record({
      count: fc.integer({ min: 1, max: 80 }),
      scattered: fc.boolean(),
      attempts: fc.option(fc.integer({ min: 1, max: 9 }), { nil: null }),
    })
    const steps = fc.array(fc.oneof(grant, fc.array(fc.nat(2000), { maxLength: 60 })), { maxLength: 20 })
    fc.assert(
      fc.property(steps, (list) => {
        const outstanding = new Outstanding()
        const expected = new Map<number, number>()
        let next = 0
        for (const step of list) {
          if (Array.isArray(step)) {
            for (const index of step) {
              outstanding.remove(index)
              expected.delete(index)
            }
          } else {
            const { count, scattered, attempts } = step
            const indexes = Array.from({ length: count }, (_, at) => next + (scattered ? 3 * at : at))
            outstanding.add({
              first: next,
              count,
              indexes: scattered ? indexes : null,
              attempts: attempts === null ? null : indexes.map(() => attempts),
              inputs: null,
            })
            for (const index of indexes) expected.set(index, attempts ?? 1)
            next += scattered ? 3 * count : count
          }
          expect(outstanding.size).toBe(expected.size)
          for (let index = 0; index < next; index += 1) expect(outstanding.has(index)).toBe(expected.has(index))
        }
        expect([...outstanding.takeAll()].sort(([a], [b]) => a - b)).toEqual([...expected].sort(([a], [b]) => a - b))
        expect(outstanding.size).toBe(0)
      }),
    )
  })
})
