import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeCursor, encodeCursor } from '../../../src/domain/cursors.js'

const target = { order: 'ENDED', scope: '0123456789abcdef0123456789abcdef' }

describe('cursors', () => {
  it('give every position back bit for bit', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { maxLength: 4 }), (position) => {
        const cursor = encodeCursor({ ...target, position })
        expect(cursor).toMatch(/^[\w-]+$/)
        const decoded = decodeCursor(cursor, { ...target, length: position.length })
        expect(decoded).toHaveLength(position.length)
        for (const [at, number] of position.entries()) expect(decoded?.[at]).toBe(number)
      }),
    )
  })

  it('are of one order, one list and one length', () => {
    const cursor = encodeCursor({ ...target, position: [17] })
    expect(decodeCursor(cursor, { ...target, length: 1 })).toEqual([17])
    expect(decodeCursor(cursor, { ...target, order: 'INDEX', length: 1 })).toBeNull()
    expect(decodeCursor(cursor, { ...target, scope: 'runs', length: 1 })).toBeNull()
    expect(decodeCursor(cursor, { ...target, length: 2 })).toBeNull()
  })

  it('are nothing else', () => {
    const forged = (text: string) => Buffer.from(text).toString('base64url')
    const head = `${target.order}:${target.scope}`
    const good = encodeCursor({ ...target, position: [17] })
    for (const text of [
      '',
      '17',
      'not a cursor!',
      `${good}=`,
      ` ${good}`,
      good.slice(0, -1),
      forged(`${head}:`),
      forged(`${head}:x`),
      forged(`${head}: 17`),
      forged(`${head}:017`),
      forged(`${head}:0x11`),
      forged(`${head}:1e1`),
      forged(`${head}:NaN`),
      forged(`${head}:Infinity`),
    ]) {
      expect(decodeCursor(text, { ...target, length: 1 }), text).toBeNull()
    }
  })

  it('survive any text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(decodeCursor(text, { ...target, length: 1 })).toBeNull()
      }),
    )
  })

  it('cannot hold what is no finite number', () => {
    expect(() => encodeCursor({ ...target, position: [Number.NaN] })).toThrow(RangeError)
    expect(() => encodeCursor({ ...target, position: [Infinity] })).toThrow(RangeError)
  })
})
