import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { IndexList } from '../../../src/engine/index-list.js'

describe('IndexList', () => {
  it('does as an array does, whatever is put in and taken out', () => {
    const step = fc.oneof(
      fc.record({ push: fc.integer({ min: 1, max: 6_000 }) }),
      fc.record({ take: fc.integer({ min: 0, max: 6_000 }) }),
      fc.record({ shift: fc.integer({ min: 1, max: 20 }) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const list = new IndexList()
        const model: number[] = []
        let next = 0
        for (const one of steps) {
          if ('push' in one) {
            for (let count = 0; count < one.push; count += 1) {
              list.push(next)
              model.push(next)
              next = (next * 7 + 1) % 10_000_000
            }
          } else if ('take' in one) expect(list.take(one.take)).toEqual(model.splice(0, one.take))
          else for (let count = 0; count < one.shift; count += 1) expect(list.shift()).toBe(model.shift())
          expect(list.size).toBe(model.length)
        }
        expect(list.take(Number.POSITIVE_INFINITY)).toEqual(model)
        expect(list.shift()).toBeUndefined()
      }),
      { numRuns: 60 },
    )
  })
})
