import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type AttemptPiece, inOrder } from '../../../src/domain/attempt-order.js'
import { columnsOf } from '../../support/attempts.js'

/** -0 sorts as 0 does, and does not equal it. */
const withoutSign = (ms: number) => ms + 0

/** A piece of attempts with these starts; their indexes tell which they are. */
function pieceOf(starts: readonly number[], options: { base?: number; onRead?: () => void } = {}): AttemptPiece {
  const { base = 0, onRead = () => {} } = options
  const attempts = columnsOf(starts.map((startMs, at) => ({ lane: 0, startMs, endMs: startMs + 1, index: base + at })))
  const read = () => {
    onRead()
    return attempts
  }
  return { firstStartMs: Math.min(...starts), read }
}

function allOf(pieces: readonly AttemptPiece[]): { starts: number[]; indexes: number[]; turns: number } {
  const found = { starts: [] as number[], indexes: [] as number[], turns: 0 }
  const steps = inOrder(pieces, ({ startMs, index }, from, to) => {
    found.starts.push(...startMs.subarray(from, to))
    found.indexes.push(...index.subarray(from, to))
  })
  for (const _ of steps) found.turns += 1
  return found
}

describe('inOrder', () => {
  it('gives out nothing of nothing', () => {
    expect(allOf([])).toEqual({ starts: [], indexes: [], turns: 0 })
    expect(allOf([{ firstStartMs: 3, read: () => columnsOf([]) }]).starts).toEqual([])
  })

  it('merges pieces that overlap', () => {
    expect(allOf([pieceOf([5, 6, 20]), pieceOf([1, 5.5, 30]), pieceOf([40])]).starts).toEqual([
      1, 5, 5.5, 6, 20, 30, 40,
    ])
  })

  it('reads a piece when its time has come, and not before', () => {
    const told: string[] = []
    const piece = (name: string, starts: number[]) => pieceOf(starts, { onRead: () => told.push(name) })
    const pieces = [piece('last', [50, 60]), piece('first', [0, 10, 55]), piece('second', [5, 20])]
    for (const _ of inOrder(pieces, ({ startMs }, from) => told.push(String(startMs[from])))) told.push('turn')
    expect(told).toEqual(['first', '0', 'second', '5', '10', '20', 'last', '50', '55', '60'])
  })

  it('takes turns where there is much', () => {
    const many = (first: number) => pieceOf(Array.from({ length: 10_000 }, (_, at) => first + at))
    expect(allOf([many(0)]).turns).toBe(0)
    const { turns, starts } = allOf([0, 10_000, 20_000, 30_000, 40_000].map(many))
    expect(turns).toBeGreaterThan(1)
    expect(starts).toHaveLength(50_000)
  })

  it('gives out each attempt once, in the order of the starts, whatever the pieces are', () => {
    const starts = fc.array(fc.oneof(fc.nat(20), fc.double({ noNaN: true, min: -5, max: 100 }).map(withoutSign)), {
      minLength: 1,
      maxLength: 30,
    })
    fc.assert(
      fc.property(fc.array(starts, { maxLength: 12 }), (lists) => {
        const pieces = lists.map((list, at) => pieceOf(list, { base: at * 100 }))
        const found = allOf(pieces)
        expect(found.starts).toEqual(lists.flat().sort((a, b) => a - b))
        const all = lists.flatMap((list, at) => list.map((_, place) => at * 100 + place))
        expect(found.indexes.toSorted((a, b) => a - b)).toEqual(all)
      }),
    )
  })

  it('may be promised too early a first start', () => {
    const early = { ...pieceOf([7, 8]), firstStartMs: Number.NEGATIVE_INFINITY }
    expect(allOf([pieceOf([1, 9]), early]).starts).toEqual([1, 7, 8, 9])
  })
})
