import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Backlog } from '../../../src/lanes/backlog.js'
import type { Grant } from '../../../src/lanes/protocol.js'

const range = { kind: 'range' as const, from: 100, to: 10_100, step: 10, count: 1_000 }

function walk(backlog: Backlog) {
  const items: { index: number; attempt: number; input: unknown; endsGrant: boolean }[] = []
  while (backlog.next()) {
    const { index, attempt, endsGrant } = backlog
    items.push({ index, attempt, input: backlog.input(), endsGrant })
  }
  return items
}

describe('Backlog', () => {
  it('walks grants in the order of their coming', () => {
    const backlog = new Backlog({ source: range, takesOver: false })
    backlog.push({ first: 5, count: 2, indexes: null, inputs: null, attempts: null })
    backlog.push({ first: 0, count: 2, indexes: [9, 1], inputs: null, attempts: [2, 3] })
    expect(walk(backlog)).toEqual([
      { index: 5, attempt: 1, input: 150, endsGrant: false },
      { index: 6, attempt: 1, input: 160, endsGrant: true },
      { index: 9, attempt: 2, input: 190, endsGrant: false },
      { index: 1, attempt: 3, input: 110, endsGrant: true },
    ])
  })

  it('takes the inputs of a grant before those of the source', () => {
    const backlog = new Backlog({ source: range, takesOver: false })
    backlog.push({ first: 0, count: 2, indexes: null, inputs: ['a', undefined], attempts: null })
    expect(walk(backlog).map(({ input }) => input)).toEqual(['a', undefined])
  })

  it('throws for an item that has no input at all', () => {
    const backlog = new Backlog({ source: null, takesOver: false })
    backlog.push({ first: 3, count: 1, indexes: null, inputs: null, attempts: null })
    backlog.next()
    expect(() => backlog.input()).toThrow('item 3 has no input')
  })

  it('reads what was handed over when the item is prepared, and tells why there is nothing', () => {
    const backlog = new Backlog({ source: null, takesOver: true })
    const inputs = ['{"a":[1]}', '"text"', '!"/a" points at nothing', '9007199254740993']
    backlog.push({ first: 0, count: 4, indexes: null, inputs, attempts: null })
    const read = () => {
      backlog.next()
      backlog.prepare()
      return backlog.input()
    }
    expect([read(), read()]).toEqual([{ a: [1] }, 'text'])
    expect(read).toThrow(expect.objectContaining({ code: 'INVALID_INPUT', message: '"/a" points at nothing' }))
    expect(read).toThrow(expect.objectContaining({ code: 'INVALID_INPUT', message: expect.stringContaining('2^53') }))
  })

  it('has each item once, whatever the grants and however they are taken', () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 20 })
    fc.assert(
      fc.property(sizes, fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 20 }), (counts, takes) => {
        const backlog = new Backlog({ source: range, takesOver: false })
        let granted = 0
        const seen: number[] = []
        const queue: Grant[] = counts.map((count) => {
          const first = granted
          granted += count
          return { first, count, indexes: null, inputs: null, attempts: null }
        })
        for (const take of takes) {
          const grant = queue.shift()
          if (grant) backlog.push(grant)
          for (let taken = 0; taken < take && backlog.next(); taken += 1) seen.push(backlog.index)
        }
        for (const grant of queue) backlog.push(grant)
        while (backlog.next()) seen.push(backlog.index)
        expect(seen).toEqual(Array.from({ length: granted }, (_, index) => index))
        expect(backlog.isEmpty).toBe(true)
      }),
    )
  })
})
