import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Json } from '../../../src/domain/batch.js'
import { SourceBlocks, toSourceBlocks } from '../../../src/store/source-blocks.js'

describe('toSourceBlocks', () => {
  it('cuts a list into blocks without a gap', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue(), { maxLength: 50 }), fc.integer({ min: 1, max: 60 }), (some, times) => {
        const items = Array.from({ length: times }, () => some).flat()
        const blocks = toSourceBlocks(items)
        expect(blocks.flatMap((block) => JSON.parse(block.items) as Json[])).toEqual(JSON.parse(JSON.stringify(items)))
        let next = 0
        for (const { first, count, items: text } of blocks) {
          expect(first).toBe(next)
          expect(JSON.parse(text)).toHaveLength(count)
          next += count
        }
        expect(next).toBe(items.length)
      }),
    )
  })

  it('ends a block at 1,000 items or 256 KB', () => {
    expect(toSourceBlocks(new Array(2500).fill(1)).map(({ count }) => count)).toEqual([1000, 1000, 500])
    expect(toSourceBlocks(new Array(5).fill('x'.repeat(100_000))).map(({ count }) => count)).toEqual([2, 2, 1])
    expect(toSourceBlocks(['x'.repeat(300_000), 1, 'x'.repeat(300_000)]).map(({ count }) => count)).toEqual([1, 1, 1])
  })
})

describe('SourceBlocks', () => {
  function setUp(count: number) {
    const rows = toSourceBlocks([...Array(count).keys()])
    const reads: number[] = []
    const blocks = new SourceBlocks(async (runId, index) => {
      reads.push(index)
      return runId === 1 ? (rows.findLast(({ first }) => first <= index) ?? null) : null
    })
    return { blocks, reads }
  }

  it('reads a block once for neighbours, and not again while it is kept', async () => {
    const { blocks, reads } = setUp(3000)
    await blocks.items(1, [0, 1, 999, 1000, 1001, 5, 2999])
    await blocks.items(1, [998, 2000])
    expect(reads).toEqual([0, 1000, 2999])
  })

  it('forgets the block that was not used for longest', async () => {
    const { blocks, reads } = setUp(17_000)
    const firsts = Array.from({ length: 16 }, (_, at) => at * 1000)
    await blocks.items(1, firsts)
    await blocks.items(1, [0])
    await blocks.items(1, [16_000])
    reads.length = 0
    await blocks.items(1, [0, 2000, 16_000, 1000])
    expect(reads).toEqual([1000])
  })

  it('leaves out indexes past the last item and runs without items', async () => {
    const { blocks } = setUp(10)
    expect(await blocks.items(1, [9, 10, 11])).toEqual(new Map([[9, 9]]))
    expect(await blocks.items(2, [0])).toEqual(new Map())
  })
})
