import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BadLine, readInput, readRequest, unsendable } from '../../../src/domain/line-items.js'

function refusalOf(read: () => unknown): BadLine {
  try {
    read()
  } catch (error) {
    if (error instanceof BadLine) return error
    throw error
  }
  throw new Error('it was taken')
}

describe('readInput', () => {
  it('takes any JSON value that a list may have', () => {
    const value = fc.jsonValue().filter((one) => !JSON.stringify(one).includes('e+'))
    fc.assert(
      fc.property(value, fc.constantFrom('', ' ', '\t'), (one, space) => {
        const text = JSON.stringify(one)
        if (/\d{16}/.test(text)) return
        expect(readInput(space + text + space)).toEqual(JSON.parse(text))
      }),
    )
  })

  it.each([
    ['', /^the line is no JSON: ""$/],
    ['{"a":', /^the line is no JSON: /],
    ['undefined', /no JSON/],
    ["{'a': 1}", /no JSON/],
    ['9007199254740993', /exactly: write whole numbers from 2\^53 on as decimal strings/],
    ['[{"a": [1e999]}]', /past all numbers/],
    [`${'['.repeat(501)}${']'.repeat(501)}`, /nested 500 levels/],
    [`${'['.repeat(100_000)}${']'.repeat(100_000)}`, /nested 500 levels/],
  ])('refuses %.40s', (line, message) => {
    expect(refusalOf(() => readInput(line))).toMatchObject({
      code: 'INVALID_INPUT',
      retryable: false,
      message: expect.stringMatching(message),
    })
  })

  it('tells a long line by its beginning', () => {
    const refused = refusalOf(() => readInput('x'.repeat(1_000_000)))
    expect(refused.message.length).toBeLessThan(200)
    expect(refused.told).toBe(`${'x'.repeat(200)}...`)
    // Not by half a character.
    expect(refusalOf(() => readInput(`${'x'.repeat(199)}😀y`)).told).toBe(`${'x'.repeat(199)}...`)
  })
})

describe('readRequest', () => {
  it('takes a URL, and a request as it is in a list', () => {
    expect(readRequest('  https://a.example/?q=ü \t')).toBe('https://a.example/?q=ü')
    expect(readRequest(' {"url": "http://a.example/"} ')).toEqual({
      url: 'http://a.example/',
      method: 'GET',
      headers: [],
      body: null,
    })
    const headers = [{ name: 'x-a', value: 'b' }]
    const whole = { url: 'http://a.example/', method: 'put', headers, body: 'ü' }
    expect(readRequest(JSON.stringify(whole))).toEqual({ ...whole, method: 'PUT' })
    expect(readRequest('{"url":"http://a.example/","method":null,"headers":null,"body":null}')).toMatchObject({
      method: 'GET',
    })
  })

  it.each([
    ['a.example', '"a.example" is not an absolute URL'],
    ['file:///etc/passwd', '"file:///etc/passwd" has the scheme file: where http: or https: is expected'],
    ['["http://a.example/"]', /is not an absolute URL$/],
    ['{"url": "http://a.example/"', /^the line is no JSON: /],
    [
      '{"url": "http://a.example/", "Method": "GET"}',
      'a request has no "Method": it has url, method, headers and body',
    ],
    ['{"url": 1}', 'url: a text is expected, with an http or https URL'],
    ['{"url": "http://a/", "method": 1}', 'method: a text is expected'],
    ['{"url": "http://a/", "body": {}}', 'body: a text is expected'],
    ['{"url": "http://a/", "headers": {"a": "b"}}', 'headers: a list of { name, value } is expected'],
    ['{"url": "http://a/", "headers": [["a", "b"]]}', 'headers: a list of { name, value } is expected'],
    ['{"url": "http://a/", "headers": [{"name": "a"}]}', 'headers: a list of { name, value } is expected'],
    ['{"url": "http://a/", "headers": [{"name": "a", "value": "b", "c": ""}]}', /^headers: /],
    [
      '{"url": "x", "method": "A B", "body": "y"}',
      'url: "x" is not an absolute URL; method: "A B" is not a method that a request may have',
    ],
    [
      '{"url": "http://a/", "headers": [{"name": "host", "value": "\\u0100 secret"}]}',
      'headers.0.value: not the value of an HTTP header',
    ],
    [
      '{"url": "http://a/", "headers": [{"name": "te", "value": ""}]}',
      'headers.0.name: "te" is not a header that a request may set',
    ],
  ])('refuses %s', (line, message) => {
    const refused = refusalOf(() => readRequest(line))
    expect(refused.message).toEqual(typeof message === 'string' ? message : expect.stringMatching(message))
    expect(refused).toMatchObject({ code: 'INVALID_INPUT', retryable: false })
  })

  it.each([
    'ftp://user:password@a.example/',
    '{"url": "ftp://user:password@a.example/"}',
    '{"url": "http://a/", "headers": [{"name": "authorization", "value": "pass\\"word"}],',
    '{"url": "http://a/", "headers": [{"name": "authorization", "value": "password',
  ])('tells no secret of %s', (line) => {
    const refused = refusalOf(() => readRequest(line))
    expect(refused.message + refused.told).not.toMatch(/pass|word/)
    expect(unsendable(refused)).toMatchObject({ method: 'GET', url: refused.told, problem: refused.message })
  })
})
