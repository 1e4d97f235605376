import { describe, expect, it } from 'vitest'
import { Gathering } from '../../../src/files/gathering.js'

describe('bytes that come in pieces', () => {
  it('are taken as they came, however they were cut', () => {
    const whole = Buffer.from(Array.from({ length: 100_000 }, (_, at) => (at * 31) % 251))
    for (const size of [1, 7, 16_383, 16_384, 16_385, 40_000, 100_000]) {
      const gathered = new Gathering()
      for (let at = 0; at < whole.length; at += size) gathered.add(whole.subarray(at, at + size))
      expect(gathered.bytes).toBe(whole.length)
      expect(gathered.take().equals(whole)).toBe(true)
    }
  })

  it('are taken once', () => {
    const gathered = new Gathering()
    expect(gathered.take()).toHaveLength(0)
    gathered.add(Buffer.from('first'))
    const first = gathered.take()
    gathered.add(Buffer.alloc(20_000, 'x'))
    expect([String(first), gathered.bytes, gathered.take().length, gathered.bytes]).toEqual([
      'first',
      20_000,
      20_000,
      0,
    ])
  })

  it('do not keep the pieces', () => {
    const gathered = new Gathering()
    const piece = Buffer.from('a')
    gathered.add(piece)
    piece.fill('b')
    expect(String(gathered.take())).toBe('a')
  })
})
