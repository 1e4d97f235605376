import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteReader, ByteWriter } from '../../../src/domain/byte-coding.js'

describe('values as bytes', () => {
  it('come back as they were, in their order', () => {
    const whole = fc.maxSafeNat()
    const number = fc.double({ noNaN: true })
    fc.assert(
      fc.property(fc.array(fc.tuple(whole, number, fc.string({ unit: 'grapheme' }))), (values) => {
        const writer = new ByteWriter()
        for (const [count, figure, text] of values) {
          writer.varint(count)
          writer.double(figure)
          writer.text(text)
        }
        // A view into something larger, as the database hands out.
        const padded = Buffer.concat([Buffer.from([7, 7, 7]), writer.bytes()]).subarray(3)
        const reader = new ByteReader(padded)
        const read = values.map(() => [
          reader.varint(),
          reader.double(),
          new TextDecoder('utf-8', { ignoreBOM: true }).decode(reader.piece()),
        ])
        expect(read).toEqual(values)
        expect(reader.atEnd).toBe(true)
      }),
    )
  })

  it('say where they end too early', () => {
    expect(() => new ByteReader(new Uint8Array([0x80])).varint()).toThrow('the bytes end within a number')
    expect(() => new ByteReader(new Uint8Array(7)).double()).toThrow('the bytes end within a number')
    expect(() => new ByteReader(new Uint8Array([2, 65])).piece()).toThrow('the bytes end within a piece')
    expect(() => new ByteReader(new Uint8Array(9).fill(0xff)).varint()).toThrow('passes 2^53')
  })
})
