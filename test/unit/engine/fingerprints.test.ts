import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FingerprintTable } from '../../../src/engine/fingerprints.js'

describe('FingerprintTable', () => {
  it('names the first item with a key, as a map would', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 2 }), { minLength: 1, maxLength: 300 }), (keys) => {
        const table = new FingerprintTable(keys.length)
        const first = new Map<string, number>()
        keys.forEach((key, index) => {
          if (!first.has(key)) first.set(key, index)
          expect(table.firstWith(key, index)).toBe(first.get(key))
        })
        expect(table.size).toBe(first.size)
      }),
    )
  })

  it('holds as many as it was made for, and tells them apart', () => {
    const count = 50_000
    const table = new FingerprintTable(count)
    for (let index = 0; index < count; index += 1) table.firstWith(`GET http://a.example/${index}`, index)
    expect(table.size).toBe(count)
    const wrong = Array.from({ length: count }, (_, index) => index).filter(
      (index) => table.firstWith(`GET http://a.example/${index}`, count) !== index,
    )
    expect(wrong).toEqual([])
    expect(() => table.firstWith('one more', count)).toThrow('more than 50000 different requests')
  })
})
