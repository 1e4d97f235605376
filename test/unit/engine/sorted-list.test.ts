import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SortedList } from '../../../src/engine/sorted-list.js'

describe('SortedList', () => {
  it('keeps equal items in the order of their coming', () => {
    const list = new SortedList<{ key: number; name: string }>((a, b) => a.key - b.key)
    for (const [key, name] of [
      [2, 'a'],
      [1, 'b'],
      [2, 'c'],
      [1, 'd'],
    ] as const)
      list.add({ key, name })
    expect([...list].map(({ name }) => name)).toEqual(['b', 'd', 'a', 'c'])
  })

  it('is what sorting gives, whatever is added and removed', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ key: fc.nat(5), remove: fc.boolean() })), (steps) => {
        const list = new SortedList<{ key: number }>((a, b) => a.key - b.key)
        const all: { key: number }[] = []
        for (const { key, remove } of steps) {
          const item = { key }
          if (remove) {
            expect(list.remove(item)).toBe(false)
            const [first] = list
            expect(first ? list.remove(first) : false).toBe(first !== undefined)
            if (first) all.splice(all.indexOf(first), 1)
          } else {
            list.add(item)
            all.push(item)
          }
          expect([...list]).toEqual([...all].sort((a, b) => a.key - b.key))
        }
      }),
    )
  })
})
