import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { emptyOutput, toOutput } from '../../../src/fetching/output.js'

function json(body: string | Buffer, contentType: string | null = 'application/json', maxBytes = 1_048_576): string {
  return toOutput(Buffer.from(body as string), { policy: 'JSON', contentType, maxBytes })
}

function text(body: string | Buffer, contentType: string | null = 'text/plain', maxBytes = 1_048_576): string {
  return toOutput(Buffer.from(body as string), { policy: 'TEXT', contentType, maxBytes })
}

describe('JSON', () => {
  it('keeps numbers as they were written', () => {
    expect(json('{"sum": 333333283333335000000, "x": 0.1000, "y": 1e400}')).toBe(
      '{"sum":333333283333335000000,"x":0.1000,"y":1e400}',
    )
  })

  it('leaves out white space, but none within strings', () => {
    expect(json(' [ 1 ,\r\n\t" a  \\" b ", "\\\\" , {"c d" : " "} ] \n')).toBe('[1," a  \\" b ","\\\\",{"c d":" "}]')
  })

  it('refuses what is nested so deeply that nothing could send it on', () => {
    const deep = (levels: number) => '['.repeat(levels) + ']'.repeat(levels)
    expect(json(deep(500))).toBe(deep(500))
    expect(() => json(deep(501))).toThrow(expect.objectContaining({ code: 'OUTPUT_TOO_LARGE' }))
  })

  it('means the same as what came, whatever came', () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom(0, 1, 2, '\t'), (document, indent) => {
        const pretty = JSON.stringify(JSON.parse(document), null, indent)
        const compact = json(pretty)
        expect(JSON.parse(compact)).toEqual(JSON.parse(document))
        expect(compact).toBe(JSON.stringify(JSON.parse(document)))
      }),
    )
  })

  it.each(['', '{', 'undefined', '{"a":1}x', "{'a':1}", '\u00a01', Buffer.from([0x22, 0xff, 0x22])])(
    'refuses %j',
    (body) => {
      expect(() => json(body)).toThrow(expect.objectContaining({ code: 'DECODING' }))
    },
  )

  it('reads UTF-16, and takes byte order marks off', () => {
    expect(json(Buffer.from('\ufeff{"ü":1}', 'utf16le'))).toBe('{"ü":1}')
    expect(json('\ufeff{"ü":1}')).toBe('{"ü":1}')
  })
})

describe('TEXT', () => {
  const UMLAUTS = 'äöü€'

  it('is UTF-8 unless the header says otherwise', () => {
    expect(text(UMLAUTS, null)).toBe(JSON.stringify(UMLAUTS))
    expect(text(Buffer.from('äöü', 'latin1'), 'text/plain; charset=ISO-8859-1')).toBe('"äöü"')
    expect(text(Buffer.from([0x80, 0x93, 0x9f, 0xe4]), 'text/html; a=b; Charset="windows-1252"')).toBe('"€“Ÿä"')
    expect(text(Buffer.from([0x83, 0x65]), 'text/html;charset=shift_jis')).toBe('"テ"')
  })

  it('believes a byte order mark more than the header', () => {
    const bigEndian = Buffer.from(`\ufeff${UMLAUTS}`, 'utf16le').swap16()
    expect(text(bigEndian, 'text/plain; charset=utf-8')).toBe(JSON.stringify(UMLAUTS))
    expect(text(Buffer.from(`\ufeff${UMLAUTS}`, 'utf16le'), null)).toBe(JSON.stringify(UMLAUTS))
    expect(text(`\ufeff${UMLAUTS}`, 'text/plain; charset=latin1')).toBe(JSON.stringify(UMLAUTS))
  })

  it('takes a charset that nobody knows for UTF-8, and replaces what is not', () => {
    expect(text(UMLAUTS, 'text/plain; charset=klingon')).toBe(JSON.stringify(UMLAUTS))
    expect(text(Buffer.from([0x61, 0xff]))).toBe('"a\ufffd"')
  })
})

describe('limits', () => {
  it('are of the JSON text in bytes, and held to the byte', () => {
    expect(text('äa', null, 5)).toBe('"äa"')
    expect(() => text('äa', null, 4)).toThrow(expect.objectContaining({ code: 'OUTPUT_TOO_LARGE' }))
    expect(json('[1, 2]', null, 5)).toBe('[1,2]')
    expect(() => json('[1, 2]', null, 4)).toThrow(expect.objectContaining({ code: 'OUTPUT_TOO_LARGE' }))
  })
})

it('has a word for answers that cannot have a body', () => {
  expect([emptyOutput('DISCARD'), emptyOutput('JSON'), emptyOutput('TEXT')]).toEqual([null, 'null', '""'])
})
