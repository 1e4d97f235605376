import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mergeSorted } from '../../../src/store/merge.js'

function source(numbers: readonly number[]) {
  let taken = 0
  return { next: () => numbers[taken++], taken: () => taken }
}

const isBefore = (a: number, b: number) => a < b

describe('mergeSorted', () => {
  it('gives the first elements of all sources in their order', () => {
    fc.assert(
      fc.property(fc.array(fc.array(fc.integer())), fc.nat(50), (lists, limit) => {
        const sorted = lists.map((list) => list.toSorted((a, b) => a - b))
        const merged = mergeSorted(sorted.map(source), isBefore, limit)
        expect(merged).toEqual(
          lists
            .flat()
            .sort((a, b) => a - b)
            .slice(0, limit),
        )
      }),
    )
  })

  it('takes no more of a source than the result needs', () => {
    const low = source([1, 2, 3, 4])
    const high = source([10, 11, 12])
    mergeSorted([low, high], isBefore, 2)
    expect([low.taken(), high.taken()]).toEqual([3, 1])
  })

  it('gives the same where sources come with a bound, however loose', () => {
    const lists = fc.array(fc.record({ numbers: fc.array(fc.integer()), slack: fc.option(fc.nat(1000)) }))
    fc.assert(
      fc.property(lists, fc.nat(50), (each, limit) => {
        const sources = each.map(({ numbers, slack }) => {
          const sorted = numbers.toSorted((a, b) => a - b)
          return { ...source(sorted), bound: slack === null ? undefined : (sorted[0] ?? 0) - slack }
        })
        const all = each.flatMap(({ numbers }) => numbers).sort((a, b) => a - b)
        expect(mergeSorted(sources, isBefore, limit)).toEqual(all.slice(0, limit))
      }),
    )
  })

  it('leaves a source alone that the result does not come to', () => {
    const low = { ...source([1, 2, 3, 4]), bound: 0 }
    const high = { ...source([10, 11, 12]), bound: 9 }
    expect(mergeSorted([high, low], isBefore, 3)).toEqual([1, 2, 3])
    expect([low.taken(), high.taken()]).toEqual([4, 0])
  })

  it('prefers the earlier source among equals', () => {
    const sources = ['a', 'b'].map((tag) => {
      let left = 2
      return { next: () => (left-- > 0 ? { tag } : undefined) }
    })
    expect(mergeSorted(sources, () => false, 3).map(({ tag }) => tag)).toEqual(['a', 'a', 'b'])
  })
})
