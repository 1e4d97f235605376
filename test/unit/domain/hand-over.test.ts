import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { BodyPolicy, Json, StageSpec } from '../../../src/domain/batch.js'
import {
  type Given,
  handedOverAt,
  handOver,
  isWholeOutput,
  linkAfter,
  pointerProblem,
  readHandedOver,
  readRequestHandedOver,
  type StageLink,
} from '../../../src/domain/hand-over.js'
import { MAX_JSON_DEPTH } from '../../../src/domain/output.js'
import { COMPUTE, columnsOf, FETCH } from '../../support/engine-parts.js'
import { outputColumn } from '../../support/outputs.js'
import { fetchDetail } from '../../support/store.js'

const link = (to: StageLink['to'], from = '', givesDetail = false): StageLink => ({ to, from, givesDetail })
const toCompute = (from = '') => link('COMPUTE', from)
const toFetch = (from = '') => link('FETCH', from)

function given(output: unknown, fetch: Given['fetch'] = null): Given {
  return { output: output === undefined ? null : JSON.stringify(output), fetch }
}

/** What a compute is called with. */
function inputOf(pointer: string, output: unknown) {
  return readHandedOver(handOver(toCompute(pointer), given(output)))
}

/** What a fetch sends. */
function requestOf(output: unknown, pointer = '') {
  return readRequestHandedOver(handOver(toFetch(pointer), given(output)))
}

/** Why there is nothing to send. */
function refusalOf(output: unknown, pointer = ''): string {
  const request = requestOf(output, pointer)
  if (typeof request === 'string' || request.problem === undefined) throw new Error('it can be sent')
  expect(request).toEqual({ url: '', method: 'GET', headers: [], body: null, problem: request.problem })
  return request.problem
}

function fetching(bodyPolicy: BodyPolicy): StageSpec {
  return { ...FETCH, fetch: { ...(FETCH as { fetch: object }).fetch, bodyPolicy } } as StageSpec
}

describe('linkAfter', () => {
  const stages: StageSpec[] = [
    fetching('DISCARD'),
    { ...COMPUTE, from: '/url' },
    { ...fetching('JSON'), from: '/next' },
    fetching('STORE'),
    COMPUTE,
  ]

  it('says what the next stage is to have, and where it is', () => {
    expect(stages.map((_, stage) => linkAfter({ stages }, stage))).toEqual([
      { to: 'COMPUTE', from: '/url', givesDetail: true },
      { to: 'FETCH', from: '/next', givesDetail: false },
      { to: 'FETCH', from: '', givesDetail: false },
      { to: 'COMPUTE', from: '', givesDetail: true },
      null,
    ])
  })

  it('is there of neither the last stage nor one that is none', () => {
    expect([linkAfter({ stages: [COMPUTE] }, 0), linkAfter({ stages }, -1), linkAfter({ stages: [] }, 0)]).toEqual([
      null,
      null,
      null,
    ])
  })
})

describe('pointerProblem', () => {
  it.each(['', '/', '/a', '/a/0/b', '/~0~1', '/ü/\u{1f9f5}', '//'])('takes %j', (pointer) => {
    expect(pointerProblem(pointer)).toBeNull()
  })

  it.each(['a', 'a/b', '#/a', '$.a', ' /a'])('does not take %j', (pointer) => {
    expect(pointerProblem(pointer)).toBe('a JSON pointer, such as /items/0/url')
  })
})

describe('what a compute is handed over', () => {
  it('is the whole output where no pointer says more', () => {
    expect(handOver(toCompute(), given({ a: [1, 'two'] }))).toBe('{"a":[1,"two"]}')
    expect(inputOf('', null)).toEqual({ input: null, problem: null })
    expect(readHandedOver(handOver(toCompute(), given(undefined)))).toEqual({ input: null, problem: null })
  })

  it.each<[string, unknown, Json]>([
    ['/a', { a: 1 }, 1],
    ['/a/b', { a: { b: null } }, null],
    ['/0', ['first'], 'first'],
    ['/a/1/b', { a: [{}, { b: [2] }] }, [2]],
    ['/', { '': 'no name' }, 'no name'],
    ['/a~1b', { 'a/b': 'slash' }, 'slash'],
    ['/a~0b', { 'a~b': 'tilde' }, 'tilde'],
    ['/~01', { '~1': 'both' }, 'both'],
    ['/ü \u{1f9f5}', { 'ü \u{1f9f5}': true }, true],
    ['/0', { 0: 'a name' }, 'a name'],
    ['/__proto__', JSON.parse('{"__proto__":3}'), 3],
    ['/length', { length: 4 }, 4],
  ])('is what %j points at', (pointer, output, input) => {
    expect(inputOf(pointer, output)).toEqual({ input, problem: null })
  })

  it.each<[string, unknown]>([
    ['/a', { b: 1 }],
    ['/a/b', { a: null }],
    ['/a/b', { a: 7 }],
    ['/a', null],
    ['/a', 'text'],
    ['/0', 'text'],
    ['/length', 'text'],
    ['/length', [1, 2]],
    ['/1', [1]],
    ['/-', [1]],
    ['/-1', [1]],
    ['/toString', {}],
    ['/constructor/name', {}],
    ['/__proto__', {}],
    ['/map', []],
  ])('is nothing where %j points at nothing', (pointer, output) => {
    const problem = `${JSON.stringify(pointer)} points at nothing in what the stage before gave`
    expect(inputOf(pointer, output)).toEqual({ problem })
  })

  it('is nothing of a stage that gave nothing', () => {
    expect(readHandedOver(handOver(toCompute('/a'), given(undefined)))).toHaveProperty('problem', expect.any(String))
  })

  it('is told in few words, however long the pointer is', () => {
    const { problem } = inputOf(`/${'x'.repeat(10_000)}`, {})
    expect(problem?.length).toBeLessThan(400)
  })

  it('has all digits, or is none', () => {
    // As bodies and functions of users have them, who may write what they like.
    const large = '{"n":9007199254740993}'
    for (const from of ['', '/n']) {
      const read = readHandedOver(handOver(toCompute(from), { output: large, fetch: null }))
      expect(read.problem).toContain('write whole numbers from 2^53 on as decimal strings')
    }
    const text = readHandedOver(handOver(toCompute('/n'), { output: '{"n":"9007199254740993"}', fetch: null }))
    expect(text).toEqual({ input: '9007199254740993', problem: null })
    expect(inputOf('/n', { n: 2 ** 53 - 1 })).toEqual({ input: 2 ** 53 - 1, problem: null })
    expect(inputOf('/n', { n: 1e300 })).toEqual({ input: 1e300, problem: null })
    // What is not handed over does not matter.
    const beside = readHandedOver(handOver(toCompute('/m'), { output: '{"n":9007199254740993,"m":1}', fetch: null }))
    expect(beside).toEqual({ input: 1, problem: null })
  })

  it('is nested no deeper than inputs may be', () => {
    const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`
    const read = (output: string, from = '') => readHandedOver(handOver(toCompute(from), { output, fetch: null }))
    expect(read(nested(MAX_JSON_DEPTH)).problem).toBeNull()
    expect(read(nested(MAX_JSON_DEPTH + 1)).problem).toContain('levels deep')
    expect(read(`{"a":${nested(MAX_JSON_DEPTH)}}`, '/a').problem).toBeNull()
  })
})

describe('what a fetch is handed over', () => {
  it('is a URL', () => {
    expect(requestOf('https://a.example/x')).toBe('https://a.example/x')
    expect(requestOf({ links: [{ url: 'http://b.example/' }] }, '/links/0/url')).toBe('http://b.example/')
  })

  it('is a request, its parts filled in and normalised', () => {
    expect(requestOf({ url: 'http://a.example/' })).toEqual({
      url: 'http://a.example/',
      method: 'GET',
      headers: [],
      body: null,
    })
    const headers = [{ name: 'accept', value: 'text/html' }]
    const request = { url: 'http://a.example/', method: 'post', headers, body: 'text' }
    expect(requestOf({ next: request }, '/next')).toEqual({ ...request, method: 'POST' })
  })

  it.each<[unknown, string]>([
    ['no URL', '"no URL"'],
    ['ftp://a.example/', 'http'],
    [7, '7 is neither a URL nor a request'],
    [null, 'null is neither a URL nor a request'],
    [['http://a.example/'], 'is neither a URL nor a request'],
    [{}, 'url: a text is expected, with an http or https URL'],
    [{ url: 5 }, 'url: a text is expected'],
    [{ url: 'http://a.example/', body: {} }, 'body: a text is expected'],
    [{ url: 'http://a.example/', headers: { a: 'b' } }, 'headers: a list of { name, value } is expected'],
    [{ url: 'http://a.example/', href: 1 }, 'a request has no "href"'],
    [{ url: 'http://a.example/', method: 'GET', body: 'x' }, 'body'],
  ])('is nothing that can be sent of %j', (output, problem) => {
    expect(refusalOf(output)).toContain(problem)
  })

  it('is nothing where the pointer finds nothing, or the stage before gave nothing', () => {
    expect(refusalOf({ url: 'http://a.example/' }, '/href')).toBe(
      '"/href" points at nothing in what the stage before gave',
    )
    expect(refusalOf(undefined)).toContain('null is neither a URL nor a request')
  })

  it('tells no secret of what it is not', () => {
    const url = 'ftp://user:hunter2@a.example/'
    expect(refusalOf(url)).not.toContain('hunter2')
    const headers = [{ name: 'authorization', value: 'Bearer hunter2\n' }]
    expect(refusalOf({ url: 'http://a.example/', headers })).not.toContain('hunter2')
    expect(refusalOf({ url: 'http://user:hunter2@a.example/', method: 'NO WAY' })).not.toContain('hunter2')
  })
})

describe('what a fetch that keeps no body gives', () => {
  const detail = { ...fetchDetail, url: 'http://a.example/', status: 200, bytes: 12, contentType: null }

  it('is what is known of it', () => {
    const text = handOver(link('COMPUTE', '', true), { output: null, fetch: detail })
    const { url, status, bytes, sha256, contentType } = detail
    expect(JSON.parse(text)).toEqual({ url, status, bytes, sha256, contentType })
    expect(readHandedOver(handOver(link('COMPUTE', '/status', true), { output: null, fetch: detail }))).toEqual({
      input: 200,
      problem: null,
    })
    expect(handOver(link('FETCH', '/url', true), { output: null, fetch: detail })).toBe('"http://a.example/"')
  })

  it('is nothing where nothing is known', () => {
    expect(handOver(link('COMPUTE', '', true), { output: null, fetch: null })).toBe('null')
  })
})

describe('isWholeOutput', () => {
  it('is true where what is handed over is in the output column already', () => {
    expect([
      isWholeOutput(toCompute()),
      isWholeOutput(toCompute('/a')),
      isWholeOutput(toFetch()),
      isWholeOutput(link('COMPUTE', '', true)),
    ]).toEqual([true, false, false, false])
  })
})

describe('handedOverAt', () => {
  const columns = columnsOf([
    { index: 0, output: '{"a":1}', fetch: fetchDetail },
    { index: 1, output: '{"a":2}', fetch: { ...fetchDetail, status: 404 } },
  ])

  it('is what the lane told, and else what follows from the output', () => {
    const told = { ...columns, handedOver: outputColumn(['"told"', null]) }
    expect([0, 1].map((at) => handedOverAt(told, at, toCompute('/a')))).toEqual(['"told"', '2'])
    expect([0, 1].map((at) => handedOverAt(columns, at, toCompute()))).toEqual(['{"a":1}', '{"a":2}'])
  })

  it('is what is known of a fetch that keeps no body', () => {
    expect(handedOverAt(columns, 1, link('COMPUTE', '/status', true))).toBe('404')
  })
})

describe('what is handed over', () => {
  /** As outputs are: JSON, its whole numbers exact. */
  const json = fc
    .jsonValue({ maxDepth: 4 })
    .map((value) => JSON.parse(JSON.stringify(value)) as Json)
    .filter((value) => readHandedOver(JSON.stringify(value)).problem === null)

  it('is read back as it was, from wherever it was taken', () => {
    const segment = fc.string({ unit: 'binary', maxLength: 5 })
    fc.assert(
      fc.property(json, fc.array(segment, { maxLength: 4 }), (value, path) => {
        const output = path.reduceRight<Json>((inner, name) => ({ other: 0, [name]: inner }), value)
        const pointer = path.map((name) => `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
        expect(pointerProblem(pointer)).toBeNull()
        expect(inputOf(pointer, output)).toEqual({ input: value, problem: null })
      }),
    )
  })

  it('is a request that is sent as it is, or a problem, of whatever it is made', () => {
    fc.assert(
      fc.property(fc.oneof(json, fc.webUrl(), fc.record({ url: fc.webUrl(), method: fc.string() })), (value) => {
        const request = requestOf(value)
        if (typeof request === 'string') expect(request).toBe(value)
        else expect(Object.keys(request).slice(0, 4)).toEqual(['url', 'method', 'headers', 'body'])
      }),
    )
  })
})
