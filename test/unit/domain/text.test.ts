import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeBeginning, decodeText } from '../../../src/domain/text.js'

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

describe('decodeBeginning', () => {
  it.each([
    ['utf-8', (text: string) => Buffer.from(text)],
    ['utf-16le', (text: string) => Buffer.from(text, 'utf16le')],
  ])('leaves out the character that the cut of %s is in, and no other', (charset, encode) => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.nat(100), (text, at) => {
        const whole = encode(`x${text}`)
        const cut = Math.min(whole.length, at)
        const read = decodeBeginning(whole.subarray(0, cut), `text/plain; charset=${charset}`)
        expect(`x${text}`.startsWith(read)).toBe(true)
        const characters = [...`x${text}`]
        const fitting = characters.filter((_, i) => encode(characters.slice(0, i + 1).join('')).length <= cut)
        expect(read).toBe(fitting.join(''))
      }),
    )
  })

  it('keeps to encodings of several bytes, and to those of one', () => {
    expect(decodeBeginning(bytes('93fa96'), 'text/html; charset=shift_jis')).toBe('日')
    expect(decodeBeginning(bytes('61e980'), 'text/html; charset=windows-1252')).toBe('aé€')
    expect(decodeBeginning(bytes('61e9'), 'text/html; charset=iso-8859-1')).toBe('aé')
    // What one call cuts does not turn up in the next one.
    expect(decodeBeginning(bytes('61'), 'text/html; charset=shift_jis')).toBe('a')
  })
})
