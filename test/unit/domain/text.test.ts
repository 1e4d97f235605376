import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeText, PiecewiseText } from '../../../src/domain/text.js'

const bytes = (hex: string) => Buffer.from(hex, 'hex')

describe('decodeText', () => {
  it.each([
    ['efbbbf61', 'text/plain; charset=utf-16le', 'a'],
    ['fffe6100', 'text/plain; charset=utf-8', 'a'],
    ['feff0061', null, 'a'],
    ['e9', 'text/html;charset="ISO-8859-1"', 'é'],
    ['80', 'text/html; charset=windows-1252', '€'],
    ['8ac4', 'text/html; charset=shift_jis', '監'],
    ['c3a9', 'text/html; charset=no-such-thing', 'é'],
    ['ff', null, '\ufffd'],
    ['', null, ''],
  ])('takes %s of %s for %j', (hex, contentType, text) => {
    expect(decodeText(bytes(hex), contentType)).toBe(text)
  })
})

describe('PiecewiseText', () => {
  const beginning = (body: Uint8Array, contentType: string) => new PiecewiseText(body, contentType).decode(body)

  it.each([
    ['utf-8', (text: string) => Buffer.from(text)],
    ['utf-16le', (text: string) => Buffer.from(text, 'utf16le')],
  ])('leaves out the character that a cut of %s is in, and no other', (charset, encode) => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.nat(100), (text, at) => {
        const whole = encode(`x${text}`)
        const cut = Math.min(whole.length, at)
        const read = beginning(whole.subarray(0, cut), `text/plain; charset=${charset}`)
        const characters = [...`x${text}`]
        const fitting = characters.filter((_, i) => encode(characters.slice(0, i + 1).join('')).length <= cut)
        expect(read).toBe(fitting.join(''))
      }),
    )
  })

  it('gives what decodeText gives, wherever the pieces end', () => {
    const body = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.string({ unit: 'grapheme' }).map((text) => new Uint8Array(Buffer.from(`\ufeff${text}`))),
      fc.string({ unit: 'grapheme' }).map((text) => new Uint8Array(Buffer.from(`\ufeff${text}`, 'utf16le'))),
    )
    const charset = fc.constantFrom('utf-8', 'windows-1252', 'shift_jis', 'utf-16be', 'gb18030')
    fc.assert(
      fc.property(body, charset, fc.integer({ min: 1, max: 9 }), (bytes, name, size) => {
        const contentType = `text/plain; charset=${name}`
        const text = new PiecewiseText(bytes, contentType)
        let read = ''
        // Node's decoder fails where a piece is shorter than what was cut before it and turns out to be no character.
        const step = name === 'gb18030' ? size + 3 : size
        for (let from = 0; from < bytes.length; from += step) read += text.decode(bytes.subarray(from, from + step))
        expect(read + text.end()).toBe(decodeText(bytes, contentType))
      }),
    )
  })

  it('keeps to encodings of several bytes, and to those of one', () => {
    expect(beginning(bytes('93fa96'), 'text/html; charset=shift_jis')).toBe('日')
    expect(beginning(bytes('61e980'), 'text/html; charset=windows-1252')).toBe('aé€')
    expect(beginning(bytes('61e9'), 'text/html; charset=iso-8859-1')).toBe('aé')
  })
})
