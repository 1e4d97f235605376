import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readOutput } from '../../../src/graphql/output.js'

describe('readOutput', () => {
  it.each([
    ['333283333', 333283333],
    ['9007199254740991', 9007199254740991],
    ['9007199254740992', '9007199254740992'],
    ['-333333283333335000000', '-333333283333335000000'],
    [
      '{"a":[9007199254740993,1.5],"b":{"c":-9007199254740993}}',
      { a: ['9007199254740993', 1.5], b: { c: '-9007199254740993' } },
    ],
    ['"9007199254740993 \\" 9007199254740993"', '9007199254740993 " 9007199254740993'],
    ['{"9007199254740993":"\\\\"}', { '9007199254740993': '\\' }],
    ['0.12345678901234567890', 0.12345678901234568],
    ['[1e21,1e300,1e400,-1E+999]', [1e21, 1e300, '1e400', '-1E+999']],
    ['null', null],
  ])('reads %s', (text, value) => {
    expect(readOutput(text)).toEqual(value)
  })

  it('changes nothing of what JavaScript itself wrote, but for whole numbers from 2^53 on', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value)
        const exact = JSON.parse(text, (_key, part) =>
          Number.isInteger(part) && !Number.isSafeInteger(part) && Math.abs(part) < 1e21 ? String(part) : part,
        )
        expect(readOutput(text)).toEqual(exact)
      }),
    )
  })

  it('takes a long string in its stride', () => {
    const long = 'x1234567890123456\\"'.repeat(60_000)
    expect(readOutput(`"${long}"`)).toBe(long.replaceAll('\\"', '"'))
  })
})
