import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalText } from '../../../src/counting/canonical.js'
import type { ItemUse } from '../../../src/counting/counter.js'
import { ItemTally } from '../../../src/counting/tally.js'
import type { FetchRequest, Json } from '../../../src/domain/batch.js'

const FETCH: ItemUse = { kind: 'FETCH', headers: [] }
const COMPUTE: ItemUse = { kind: 'COMPUTE', inputSchema: null }

function count(items: readonly unknown[], use: ItemUse, picks = 5) {
  const source = { kind: 'list', form: 'inputs', count: items.length } as const
  const tally = new ItemTally({ source, use, picks })
  items.forEach((item, index) => {
    tally.add(index, item as Json)
  })
  return tally.finish((index) => items[index] as Json)
}

const request = (change: Partial<FetchRequest>): FetchRequest => ({
  url: 'http://a.example/',
  method: 'GET',
  headers: [],
  body: null,
  ...change,
})

describe('canonicalText', () => {
  it('is the same for equal values alone, whatever the order of their keys', () => {
    const json = fc.jsonValue({ maxDepth: 3 })
    fc.assert(
      fc.property(json, json, (a, b) => {
        const [x, y] = [JSON.parse(JSON.stringify(a)) as Json, JSON.parse(JSON.stringify(b)) as Json]
        expect(canonicalText(x) === canonicalText(y)).toBe(isDeepStrictEqual(x, y))
        expect(canonicalText(reversed(x))).toBe(canonicalText(x))
      }),
      { numRuns: 500 },
    )
  })

  it('tells texts from numbers, and has one text for a number', () => {
    expect(canonicalText('1')).not.toBe(canonicalText(1))
    expect(canonicalText(JSON.parse('1.0'))).toBe(canonicalText(JSON.parse('1e0')))
    expect(canonicalText(-0)).toBe(canonicalText(0))
  })
})

/** With the keys in the opposite order. */
function reversed(value: Json): Json {
  if (Array.isArray(value)) return value.map(reversed)
  if (typeof value !== 'object' || value === null) return value
  const members = Object.entries(value).reverse()
  return Object.fromEntries(members.map(([key, member]) => [key, reversed(member)]))
}

describe('ItemTally of inputs', () => {
  it('counts what repeats an earlier one as one would by hand', () => {
    const value = fc.constantFrom<Json>(1, 2, '1', null, [1], [1, 2], { a: 1, b: 2 }, { b: 2, a: 1 }, {}, [])
    fc.assert(
      fc.property(fc.array(value, { maxLength: 40 }), (items) => {
        const repeats = items.filter((item, at) => items.slice(0, at).some((one) => isDeepStrictEqual(one, item)))
        const counted = count(items, COMPUTE)
        expect(counted.duplicates).toBe(repeats.length)
        expect(counted).toMatchObject({ hosts: [], hostCount: 0, unsafe: 0, problemCount: 0 })
      }),
    )
  })

  it('picks equal ones too: each of them is a task', () => {
    expect(count([7, 7, 7], COMPUTE).picked).toEqual([0, 2, 1].map((index) => ({ index, item: 7 })))
  })

  it('picks none that has a problem, and tells a hundred of many', () => {
    const source = { kind: 'list', form: 'inputs', count: 500 } as const
    const tally = new ItemTally({ source, use: COMPUTE, picks: 3 })
    for (let index = 0; index < 500; index += 1) {
      if (index < 250) tally.add(index, index)
      else tally.add(index, index, [{ path: ['a'], message: `${index} is too much` }])
    }
    const counted = tally.finish((index) => index)
    expect(counted.problemCount).toBe(250)
    expect(counted.problems).toHaveLength(100)
    expect(counted.problems[0]).toEqual({ index: 250, path: ['a'], message: '250 is too much' })
    expect(counted.picked.every(({ index }) => index < 250)).toBe(true)
    expect(counted.picked).toHaveLength(3)
  })
})

describe('ItemTally of requests', () => {
  it('counts hosts, repeated requests and those that may change something', () => {
    const items = [
      'http://a.example/',
      'http://A.example:80/#there',
      request({ url: 'http://a.example', method: 'get' }),
      request({ method: 'POST' }),
      request({ method: 'POST' }),
      request({ method: 'POST', body: 'x' }),
      request({ headers: [{ name: 'x', value: '1' }] }),
      request({ method: 'HEAD' }),
      'http://b.example/',
    ]
    expect(count(items, FETCH)).toEqual({
      duplicates: 3,
      hosts: [
        { host: 'a.example', items: 8 },
        { host: 'b.example', items: 1 },
      ],
      hostCount: 2,
      unsafe: 3,
      problems: [],
      problemCount: 0,
      picked: [0, 8, 7, 6].map((index) => ({ index, item: items[index] })),
    })
  })

  it('passes over what is not sent', () => {
    const items = [{ ...request({ url: 'no url' }), problem: 'it is none' }, 'neither', 'http://a.example/']
    expect(count(items, FETCH)).toMatchObject({ duplicates: 0, hostCount: 1, picked: [{ index: 2 }] })
  })

  it('counts repeats as one would by hand', () => {
    const url = fc.constantFrom(
      'http://a.example/1',
      'http://a.example/2',
      'http://b.example/1',
      'http://a.example/1#x',
    )
    const method = fc.constantFrom('GET', 'POST')
    const one = fc.record({ url, method, headers: fc.constant([]), body: fc.constantFrom(null, 'x') })
    fc.assert(
      fc.property(fc.array(one, { maxLength: 40 }), (items) => {
        const keys = items.map(({ url, method, body }) => `${method} ${url.replace('#x', '')} ${body}`)
        const counted = count(items, FETCH)
        expect(counted.duplicates).toBe(items.length - new Set(keys).size)
        expect(counted.unsafe).toBe(items.filter((item) => item.method === 'POST').length)
        expect(counted.hosts.reduce((sum, host) => sum + host.items, 0)).toBe(items.length)
        expect(counted.picked.every(({ index }) => items[index]!.method === 'GET')).toBe(true)
      }),
    )
  })
})
