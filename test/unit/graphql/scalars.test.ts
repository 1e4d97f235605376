import { parseValue } from 'graphql'
import { describe, expect, it } from 'vitest'
import { parseInstant, parseJsonLiteral, parseJsonValue } from '../../../src/graphql/scalars.js'

describe('DateTime', () => {
  it.each([
    ['2026-11-22T18:52:00.000Z', '2026-11-22T18:52:00.000Z'],
    ['2026-11-22T18:52:00Z', '2026-11-22T18:52:00.000Z'],
    ['2026-11-22T20:52:00.5+02:00', '2026-11-22T18:52:00.500Z'],
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00.000Z'],
  ])('takes %s', (text, instant) => {
    expect(parseInstant(text).toISOString()).toBe(instant)
  })

  it.each([
    '2026-11-22',
    '2026-11-22T18:52:00',
    '2026-02-30T00:00:00Z',
    '2025-02-29T00:00:00Z',
    '2026-13-01T00:00:00Z',
    'now',
    '',
    0,
    null,
    new Date(),
  ])('refuses %j', (value) => {
    expect(() => parseInstant(value)).toThrow(/DateTime cannot represent .*expected an ISO 8601 instant/)
  })
})

describe('JSON in variables', () => {
  it.each([null, true, 'text', 0, -1.5, 1e300, Number.MAX_SAFE_INTEGER, [], {}, [{ a: [1, { b: null }] }]])(
    'takes %j as it is',
    (value) => {
      expect(parseJsonValue(value)).toBe(value)
    },
  )

  it.each([2 ** 53, -(2 ** 53), [1, { a: 2 ** 60 }]])('refuses %j, which may not be what was written', (value) => {
    expect(() => parseJsonValue(value)).toThrow('write whole numbers from 2^53 on as decimal strings')
  })

  it('refuses what is past all numbers: it would become null', () => {
    expect(() => parseJsonValue(JSON.parse('[1e400]'))).toThrow('JSON cannot represent Infinity')
  })

  it('refuses what is nested too deeply, without overflowing the stack itself', () => {
    let value: unknown = 1
    for (let depth = 0; depth < 100_000; depth += 1) value = [value]
    expect(() => parseJsonValue(value)).toThrow('nested 500 levels deep')
  })
})

describe('JSON in documents', () => {
  const literal = (text: string, variables?: Record<string, unknown>) => parseJsonLiteral(parseValue(text), variables)

  it('takes all that JSON has', () => {
    expect(literal('{ a: [1, -2.5, "x", true, null], b: { c: 9007199254740991 } }')).toEqual({
      a: [1, -2.5, 'x', true, null],
      b: { c: 9007199254740991 },
    })
  })

  it('refuses whole numbers that lose digits, and takes floats', () => {
    expect(() => literal('[9007199254740993]')).toThrow('JSON cannot represent 9007199254740993 exactly')
    expect(() => literal('9007199254740993.0')).toThrow('JSON cannot represent 9007199254740993.0 exactly')
    expect(() => literal('-1e400')).toThrow('JSON cannot represent -1e400')
    expect(literal('1e300')).toBe(1e300)
  })

  it('takes variables', () => {
    expect(literal('{ a: $a, b: $b }', { a: [1] })).toEqual({ a: [1], b: null })
  })

  it('refuses names without quotes', () => {
    expect(() => literal('[RED]')).toThrow('JSON cannot represent RED: write a string in quotes')
  })

  it('takes __proto__ for a key like any other', () => {
    const value = literal('{ __proto__: { polluted: true } }') as Record<string, unknown>
    expect(Object.keys(value)).toEqual(['__proto__'])
    expect(value.polluted).toBeUndefined()
  })

  it('refuses what is nested too deeply', () => {
    expect(() => literal('['.repeat(600) + ']'.repeat(600))).toThrow('nested 500 levels deep')
  })
})
