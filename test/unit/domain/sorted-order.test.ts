import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sortedOrder } from '../../../src/domain/sorted-order.js'

const order = (values: readonly number[], count = values.length) => [...sortedOrder(Float64Array.from(values), count)]

describe('sortedOrder', () => {
  it('leaves what is sorted as it is', () => {
    expect(order([])).toEqual([])
    expect(order([7])).toEqual([0])
    expect(order([1, 2, 2, 3])).toEqual([0, 1, 2, 3])
  })

  it('merges runs', () => {
    expect(order([1, 5, 9, 2, 6, 3])).toEqual([0, 3, 5, 1, 4, 2])
    expect(order([3, 2, 1])).toEqual([2, 1, 0])
  })

  it('keeps the order of equal values, over runs too', () => {
    expect(order([2, 5, 2, 5, 2])).toEqual([0, 2, 4, 1, 3])
  })

  it('looks at the first so many alone', () => {
    expect(order([3, 1, 2, 0, 0], 3)).toEqual([1, 2, 0])
  })

  it('does what a stable sort does, whatever comes', () => {
    const values = fc.array(fc.oneof(fc.integer({ min: -3, max: 3 }), fc.double({ noNaN: true })), { maxLength: 200 })
    fc.assert(
      fc.property(values, (numbers) => {
        const expected = numbers.map((_, at) => at).sort((a, b) => numbers[a]! - numbers[b]! || a - b)
        expect(order(numbers)).toEqual(expected)
      }),
    )
  })
})
