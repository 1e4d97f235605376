import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { jsonQuery } from '../../../../src/functions/builtins/jsonQuery.js'
import { callerOf, functionContext, problemsOf } from '../../../support/builtin.js'

const call = callerOf(jsonQuery)
const query = (text: string, value: unknown = {}) => call({ query: text, value })
const problems = problemsOf(jsonQuery)

const ORDER = {
  customer: { name: 'Ada', city: 'London' },
  items: [
    { sku: 'warp', price: 2.5, quantity: 4, tags: ['thread'] },
    { sku: 'weft', price: 1.25, quantity: 2, tags: ['thread', 'cotton'] },
    { sku: 'reed', price: 40, quantity: 1 },
  ],
}

describe('jsonQuery', () => {
  it.each<[string, unknown]>([
    ['customer.name', 'Ada'],
    ['items.sku', ['warp', 'weft', 'reed']],
    ['items[price > 2].sku', ['warp', 'reed']],
    ['items[sku = "reed"].sku', 'reed'],
    ['items[-1].price', 40],
    ['$sum(items.(price * quantity))', 52.5],
    ['$count(items)', 3],
    ['items.tags', ['thread', 'thread', 'cotton']],
    ['$distinct(items.tags)', ['thread', 'cotton']],
    ['items{sku: quantity}', { warp: 4, weft: 2, reed: 1 }],
    ['items^(>price).sku', ['reed', 'warp', 'weft']],
    ['nothing.there', null],
    ['{"who": customer.name, "n": $length(customer.city)}', { who: 'Ada', n: 6 }],
    ['$map([1..4], function($n) { $n * $n })', [1, 4, 9, 16]],
    ['$match(customer.name, /d./).match', 'da'],
  ])('answers %s', async (text, expected) => {
    expect(await query(text, ORDER)).toEqual(expected)
  })

  it('selects and counts as loops do', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: -100, max: 100 })), async (numbers) => {
        const value = { numbers }
        const positive = numbers.filter((number) => number > 0)
        expect(await query('$sum(numbers[$ > 0])', value)).toBe(
          positive.length === 0 ? null : positive.reduce((sum, number) => sum + number, 0),
        )
        expect(await query('$count(numbers[$ > 0])', value)).toBe(positive.length)
        expect(await query('[numbers[$ > 0]]', value)).toEqual(positive)
      }),
    )
  })

  it('gives any JSON back as it is', async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (value) => {
        const json = JSON.parse(JSON.stringify(value)) as unknown
        expect(await query('value', { value: json })).toEqual(json)
      }),
    )
  })

  it('has doubles for numbers', async () => {
    expect(await query('9007199254740993')).toBe(9007199254740992)
    expect(await query('0.1 + 0.2')).toBe(0.1 + 0.2)
    await expect(query('1 / 0')).rejects.toThrow('Infinity')
  })

  it.each([
    ['a.b.', 'the query does not compile at character 4: Unexpected end of expression'],
    ['a[1', 'the query does not compile at character 3: Expected "]" before end of expression'],
    ['1 + "a"', 'the query failed at character 3: The right side of the "+" operator must evaluate to a number'],
    ['$nosuch(1)', 'the query failed at character 8: Attempted to invoke a non-function'],
    ['$error("not that one")', 'the query failed at character 7: not that one'],
    ['($f := function($n) { 1 + $f($n + 1) }; $f(0))', 'Stack overflow'],
    ['[1..2000000]', 'maximum sequence length'],
  ])('says what is wrong with %s, and where', async (text, message) => {
    await expect(query(text)).rejects.toThrow(message)
  })

  it.each(['$sum', '{"a": $sum}', '[1, $sum]', 'function($n) { $n }', '{"a": {"b": function($n) { $n }}}', '/a/'])(
    'refuses %s, which comes to a function',
    async (text) => {
      await expect(query(text)).rejects.toThrow('the query comes to a function, which has no JSON')
    },
  )

  it.each([
    '$.constructor',
    '$.__proto__',
    '$.toString',
    '"text".constructor',
    '$sum.implementation',
    '$sum.constructor',
    '$lookup($, "constructor")',
    '$lookup($sum, "implementation")',
    '$keys($sum)',
    '($f := function($n) { $n }; $f.environment)',
    '($f := function($n) { $n }; $f.*)',
    'process',
    '$process',
    '$require',
    '$globalThis',
  ])('finds nothing of the machine by %s', async (text) => {
    expect(await query(text, { a: [1] })).toBeNull()
  })

  it.each([
    '$merge([{"__proto__": {"polluted": 1}}])',
    '{"__proto__": {"polluted": 1}}',
    '$ ~> |$|{"__proto__": {"polluted": 1}}|',
    '$ ~> |$.constructor.prototype|{"polluted": 1}|',
    '$ ~> |$|{"constructor": {"prototype": {"polluted": 1}}}|',
    '(`__proto__`.polluted := 1; 1)',
  ])('changes nothing for others by %s', async (text) => {
    await query(text, { a: 1 }).catch(() => {})
    expect(({} as { polluted?: number }).polluted).toBeUndefined()
  })

  it('leaves its value as it was', async () => {
    const value = structuredClone(ORDER)
    await query('items ~> |$|{"price": 0}, ["sku"]|', value)
    expect(value).toEqual(ORDER)
  })

  it('ends when its task is aborted, and lets others run until then', async () => {
    const abort = new AbortController()
    const endless = jsonQuery.run(
      { query: '($f := function($n) { $f($n + 1) }; $f(0))', value: null },
      functionContext({ signal: abort.signal }),
    )
    expect(await query('1 + 1')).toBe(2)
    abort.abort(new Error('the run has ended'))
    await expect(endless).rejects.toThrow('the run has ended')
  })

  it('refuses other inputs', () => {
    expect(problems('$sum(a)')).toEqual(['must be object'])
    expect(problems({ query: '1' })).toEqual(["must have required property 'value'"])
    expect(problems({ query: '', value: null })).toEqual(['query must NOT have fewer than 1 characters'])
    expect(problems({ query: 1, value: 1 })).toEqual(['query must be string'])
  })
})
