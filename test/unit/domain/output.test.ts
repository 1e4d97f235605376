import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { exactInteger, isTooDeep, toJsonText } from '../../../src/domain/output.js'

describe('toJsonText', () => {
  it.each<[unknown, string]>([
    [0, '0'],
    [-0, '0'],
    [1.5, '1.5'],
    [1e21, '1e+21'],
    [true, 'true'],
    [false, 'false'],
    [null, 'null'],
    ['a "quoted"\nline', '"a \\"quoted\\"\\nline"'],
    ['\ud800', '"\\ud800"'],
    [[], '[]'],
    [{}, '{}'],
  ])('writes %o as JSON does', (value, text) => {
    expect(toJsonText(value)).toBe(text)
  })

  it('writes a BigInt as a number below 2^53 and as a decimal string from there on, nested too', () => {
    expect(toJsonText(9007199254740991n)).toBe('9007199254740991')
    expect(toJsonText(-9007199254740991n)).toBe('-9007199254740991')
    expect(toJsonText(9007199254740992n)).toBe('"9007199254740992"')
    expect(toJsonText(-9007199254740992n)).toBe('"-9007199254740992"')
    expect(toJsonText({ small: 5n, sums: [333283333335000000n] })).toBe('{"small":5,"sums":["333283333335000000"]}')
    expect(toJsonText([Object(7n)])).toBe('[7]')
  })

  it('writes undefined, symbols and functions as null wherever they stand', () => {
    expect(toJsonText(undefined)).toBe('null')
    expect(toJsonText(Symbol('s'))).toBe('null')
    expect(toJsonText(() => 1)).toBe('null')
    expect(toJsonText({ a: undefined, b: [undefined, Symbol('s')], c: () => 1 })).toBe(
      '{"a":null,"b":[null,null],"c":null}',
    )
  })

  it('honours toJSON', () => {
    expect(toJsonText(new Date(0))).toBe('"1970-01-01T00:00:00.000Z"')
    expect(toJsonText({ at: { toJSON: () => 2n ** 60n } })).toBe('{"at":"1152921504606846976"}')
    expect(toJsonText({ toJSON: () => undefined })).toBe('null')
  })

  it.each<[string, unknown, RegExp]>([
    ['NaN', Number.NaN, /holds NaN/],
    ['an infinity', -Infinity, /holds -Infinity/],
    ['a nested NaN', { rows: [{ mean: Number.NaN }] }, /holds NaN at "mean"/],
    ['an infinity in an array', [1, Infinity], /holds Infinity at "1"/],
    ['a boxed NaN', [new Number(Number.NaN)], /holds NaN/],
  ])('refuses %s', (_, value, message) => {
    expect(() => toJsonText(value)).toThrow(message)
  })

  it('refuses a cycle, and not a value that is there twice', () => {
    const knot: { self?: unknown } = {}
    knot.self = [knot]
    expect(() => toJsonText(knot)).toThrow('a cycle has no JSON')
    const twice = { n: 1 }
    expect(toJsonText([twice, twice])).toBe('[{"n":1},{"n":1}]')
  })

  it('lets through what a toJSON throws', () => {
    const broken = () => {
      throw new TypeError('not today')
    }
    expect(() => toJsonText({ toJSON: broken })).toThrow('not today')
  })

  it('agrees with JSON.stringify on every JSON value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(toJsonText(value)).toBe(JSON.stringify(value))
      }),
    )
  })

  it('loses no digit of any BigInt', () => {
    fc.assert(
      fc.property(fc.bigInt(), (value) => {
        expect(BigInt(JSON.parse(toJsonText(value)) as number | string)).toBe(value)
        expect(toJsonText(value)).toBe(JSON.stringify(exactInteger(value)))
      }),
    )
  })
})

describe('isTooDeep', () => {
  const nested = (levels: number, inside = '') => '['.repeat(levels) + inside + ']'.repeat(levels)

  it('counts the levels of lists and objects, and no brackets within strings', () => {
    expect(isTooDeep(nested(500, '1'))).toBe(false)
    expect(isTooDeep(nested(501))).toBe(true)
    expect(isTooDeep(`${'{"a":'.repeat(501)}1${'}'.repeat(501)}`)).toBe(true)
    expect(isTooDeep(`[${Array(1000).fill('[{}]').join()}]`)).toBe(false)
    expect(isTooDeep(JSON.stringify(['"[\\'.repeat(1000)]))).toBe(false)
  })
})
