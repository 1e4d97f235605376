import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Fingerprints } from '../../../src/counting/fingerprints.js'

describe('Fingerprints', () => {
  it('know a text again, as a set does', () => {
    const text = fc.oneof(fc.string(), fc.constantFrom('a', 'b', ''))
    fc.assert(
      fc.property(fc.array(text, { maxLength: 200 }), (texts) => {
        const prints = new Fingerprints(0)
        const set = new Set<string>()
        for (const one of texts) {
          expect(prints.enter(one)).toBe(!set.has(one))
          set.add(one)
        }
        expect(prints.size).toBe(set.size)
      }),
    )
  })

  it('keep numbers beside each, zeros at first, through every growth', () => {
    const prints = new Fingerprints(2)
    const count = 60_000
    for (let round = 0; round < 2; round += 1) {
      for (let at = 0; at < count; at += 1) {
        expect(prints.enter(`text ${at}`)).toBe(round === 0)
        if (round === 0) expect([prints.cells[prints.at], prints.cells[prints.at + 1]]).toEqual([0, 0])
        prints.cells[prints.at] = at
        prints.cells[prints.at + 1]! += 1
      }
    }
    expect(prints.size).toBe(count)
    const entries = Array.from(prints.entries(), ([at, times]) => [at!, times!] as const)
    expect(entries.map(([at]) => at).sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, at) => at))
    expect(new Set(entries.map(([, times]) => times))).toEqual(new Set([2]))
  })
})
