import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compactInput, type Header } from '../../../src/domain/batch.js'
import { areAllDifferent, commonHost, RequestKeys, type RequestLike, urlOf } from '../../../src/domain/request-key.js'

const url = 'http://a.example/x'

function areSame(a: RequestLike, b: RequestLike, batch: Header[] = []): boolean {
  const keys = new RequestKeys(batch)
  return keys.keyOf(a, urlOf(a)!) === keys.keyOf(b, urlOf(b)!)
}

const header = (name: string, value: string): Header => ({ name, value })

describe('RequestKeys', () => {
  it('takes URLs that parse alike for the same, whatever their fragment', () => {
    expect(areSame({ url: 'HTTP://A.example:80/x#one' }, { url: 'http://a.example/y/../x#two' })).toBe(true)
    expect(areSame({ url }, { url: `${url}?` })).toBe(false)
    expect(areSame({ url }, { url: 'https://a.example/x' })).toBe(false)
    expect(areSame({ url }, { url: 'http://user@a.example/x' })).toBe(false)
  })

  it('goes by method and body', () => {
    expect(areSame({ url }, { url, method: 'get', headers: [], body: null })).toBe(true)
    expect(areSame({ url, method: 'POST', body: 'a' }, { url, method: 'POST', body: 'b' })).toBe(false)
    expect(areSame({ url, method: 'POST', body: '' }, { url, method: 'POST', body: null })).toBe(false)
    expect(areSame({ url, method: 'POST' }, { url, method: 'PUT' })).toBe(false)
  })

  it('goes by headers as they are sent: case and order of names are nobody’s, values in their order are', () => {
    const [a, b] = [header('X-A', '1'), header('x-b', '2')]
    expect(areSame({ url, headers: [a, b] }, { url, headers: [header('X-B', '2'), header('x-a', '1')] })).toBe(true)
    expect(areSame({ url, headers: [a] }, { url })).toBe(false)
    expect(areSame({ url, headers: [a, header('x-a', '2')] }, { url, headers: [header('x-a', '2'), a] })).toBe(false)
    expect(areSame({ url, headers: [a] }, { url }, [header('x-a', '1')])).toBe(true)
    expect(areSame({ url, headers: [a] }, { url }, [header('x-a', '3')])).toBe(false)
    expect(areSame({ url, headers: [header('Accept', '*/*')] }, { url })).toBe(true)
  })

  it('never takes a part of one thing for a part of another', () => {
    const post = (headers: Header[], body: string) => ({ url, method: 'POST', headers, body })
    expect(areSame(post([header('x', '1')], 'a'), post([], '\nx:1\n\na'))).toBe(false)
    expect(areSame(post([header('x', '1'), header('y', '2')], ''), post([header('x', '1\ny:2')], 'y'))).toBe(false)
  })
})

const piece = fc.constantFrom('{i}', 'a', '/', '..', '.', '%2e', '?', '#', '\\', ':', '@', '1', ' ', '\t')
const template = fc
  .tuple(
    fc.constantFrom('http://', 'http:', 'HTTP:\\\\', ' https:///', 'http://u@', 'http:\t//', 'ht\ntp:/\r/'),
    fc.constantFrom('a.example', 'a{i}.example', '1.2.{i}', 'a.example:8{i}', '{i}@a.example'),
    fc.array(piece, { maxLength: 8 }),
  )
  .map(([scheme, host, rest]) => `${scheme}${host}${rest.length > 0 ? '/' : ''}${rest.join('')}`)
  .filter((text) => text.includes('{i}'))

function sourceOf(text: string) {
  return { kind: 'template' as const, template: text, from: -2, to: 30, step: 1, count: 33 }
}

/** What parsers make of each of its URLs. */
function urlsOf(text: string): URL[] {
  const inputs = Array.from({ length: 33 }, (_, index) => String(compactInput(sourceOf(text), index)))
  return inputs.flatMap((input) => urlOf({ url: input }) ?? [])
}

describe('templates', () => {
  it('are known to differ only where all their URLs do', () => {
    fc.assert(
      fc.property(template, (text) => {
        const urls = urlsOf(text)
        if (!areAllDifferent(sourceOf(text))) return
        expect(new Set(urls.map(({ href }) => href.replace(/#.*/, ''))).size).toBe(urls.length)
      }),
      { numRuns: 5_000 },
    )
  })

  it('are known to differ where the number is in a plain path or a query', () => {
    const differ = (text: string) => areAllDifferent(sourceOf(text))
    expect(differ('http://a.example/{i}')).toBe(true)
    expect(differ('http://a.example/v1.2/file.{i}.json#top')).toBe(true)
    expect(differ('http://a.example/../x?page={i}#{i}')).toBe(true)
    expect(differ('http://a.example/x#{i}')).toBe(false)
    expect(differ('http://a.example/{i}/../x')).toBe(false)
    expect(differ('http://a.example/{i}/%2E./x')).toBe(false)
    expect(differ('http://{i}.example/')).toBe(false)
  })

  it('have one host only where all their URLs go there', () => {
    fc.assert(
      fc.property(template, (text) => {
        const host = commonHost(sourceOf(text))
        if (host === null) return
        for (const one of urlsOf(text)) expect(one.host).toBe(host)
      }),
      { numRuns: 5_000 },
    )
    expect(commonHost(sourceOf('http://a.example:8080/{i}'))).toBe('a.example:8080')
    expect(commonHost(sourceOf('http://a.example:80/{i}'))).toBe('a.example')
    expect(commonHost(sourceOf('http://a{i}.example/'))).toBeNull()
    expect(commonHost(sourceOf('http:\t//a{i}.example/'))).toBeNull()
    expect(commonHost({ kind: 'list', form: 'urls', count: 1 })).toBeNull()
  })
})
