import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { IndexSet } from '../../../src/domain/indexset.js'
import { packSelection, unpackSelection, unpackSelectionNow } from '../../../src/store/selections.js'
import { allBut, setOf } from '../../support/index-sets.js'

describe('a packed selection', () => {
  it('is what it was, however large it is', async () => {
    const bound = fc.oneof(fc.integer({ min: 1, max: 200 }), fc.constantFrom(32_767, 32_768, 100_000))
    await fc.assert(
      fc.asyncProperty(bound, fc.array(fc.nat()), async (size, indexes) => {
        const set = setOf(
          size,
          indexes.map((index) => index % size),
        )
        const bytes = await packSelection(set)
        expect(await unpackSelection(size, bytes)).toEqual(set)
        expect(unpackSelectionNow(size, bytes)).toEqual(set)
      }),
      { numRuns: 60 },
    )
  })

  it('is small where most is left out, and where next to nothing is', async () => {
    const million = 1_000_000
    const few = Array.from({ length: 10 }, (_, at) => at * 99_991)
    for (const set of [allBut(million, few), setOf(million, few), new IndexSet(million)])
      expect((await packSelection(set)).byteLength).toBeLessThan(500)
  })
})
