import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { countCompact } from '../../../src/counting/compact.js'
import { type CompactSource, compactInput } from '../../../src/domain/batch.js'
import { RequestKeys, urlOf } from '../../../src/domain/request-key.js'

type Template = Extract<CompactSource, { kind: 'template' }>

function template(text: string, numbers: Partial<Template> = {}): Template {
  return { kind: 'template', template: text, from: 1, to: 20, step: 1, count: 20, ...numbers }
}

/** Looks at every item. */
function naive(source: Template) {
  const keys = new RequestKeys([])
  const seen = new Set<string>()
  const hosts = new Map<string, number>()
  let duplicates = 0
  for (let index = 0; index < source.count; index += 1) {
    const url = urlOf({ url: String(compactInput(source, index)) })
    if (url === null) throw new Error(`${compactInput(source, index)} is no URL`)
    const key = keys.keyOf({ url: url.href }, url)
    if (seen.has(key)) duplicates += 1
    seen.add(key)
    hosts.set(url.host, (hosts.get(url.host) ?? 0) + 1)
  }
  const counted = [...hosts].map(([host, items]) => ({ host, items })).sort((a, b) => b.items - a.items)
  return { duplicates, hosts: counted, hostCount: hosts.size }
}

describe('countCompact', () => {
  it('finds nothing to count in a range', () => {
    const source: CompactSource = { kind: 'range', from: 0, to: 1e7, step: 1, count: 1e7 }
    expect(countCompact(source, [])).toEqual({ duplicates: 0, hosts: [], hostCount: 0 })
  })

  it.each<[string, string]>([
    ['a path', 'https://a.example/page/{i}'],
    ['a query', 'https://a.example:8443/?page={i}&x=1'],
    ['a fragment, which is not sent', 'https://a.example/page#{i}'],
    ['a part that a step back takes away', 'https://a.example/{i}/../page'],
    ['one that is written otherwise', 'https://a.example/x/{i}/%2E./page?q'],
    ['a part that is taken away, and another', 'https://a.example/{i}/../{i}'],
    ['a user', 'https://u{i}:p@a.example/'],
    ['a host', 'https://s{i}.example/'],
    ['a host, twice, with a port', 'http://{i}.a-{i}.example:81/x'],
    ['an address', 'http://10.0.0.{i}/'],
    ['a whole address', 'http://{i}/'],
    ['slashes of other kinds', 'http:\\\\S{i}.Example\\x'],
    ['line breaks', 'http://s\n{i}.exam\tple/'],
  ])('counts a number in %s as one would by hand', (_where, text) => {
    expect(countCompact(template(text), [])).toEqual(naive(template(text)))
  })

  it.each([
    'http://a.example:{i}/',
    'http://%{i}.example/',
    'http://xn--{i}.example/',
    'http://0x{i}/',
    'http://10.0.0.0{i}/',
    'http://{i}7/',
    'http://[::{i}]/',
    'http://bücher-{i}.example/',
  ])('leaves %s to be looked at', (text) => {
    expect(countCompact(template(text), [])).toBeNull()
  })

  it('leaves what is no URL to be looked at', () => {
    expect(countCompact(template('http://a.example:x/{i}'), [])).toBeNull()
    expect(countCompact(template('http://host.{i}/'), [])).toBeNull()
  })

  it('is right or says nothing, whatever stands around the number', () => {
    const label = fc.constantFrom('', 'a', 'x-', '7', '0', '0x', 'xn-', '-', '_', 'b.', '.c', '1.', 'F', '%6')
    const host = fc
      .tuple(label, label, fc.constantFrom('', '.example', '.5', '.1e', '.'))
      .map(([a, b, end]) => `${a}{i}${b}${end}`)
    const path = fc.constantFrom(
      '/',
      '/{i}',
      '/{i}/..',
      '/..{i}',
      '/./{i}/',
      '/a?{i}',
      '/a#{i}',
      '?{i}',
      '/{i}/%2e%2e/b',
    )
    const numbers = fc.record({
      from: fc.integer({ min: -20, max: 120 }),
      step: fc.constantFrom(1, -1, 7),
      count: fc.integer({ min: 1, max: 12 }),
    })
    fc.assert(
      fc.property(fc.oneof(host, fc.constant('h.example')), path, numbers, (name, rest, { from, step, count }) => {
        const source = template(`http://${name}${rest}`, { from, step, count, to: from + step * (count - 1) })
        const ends = [0, count - 1].map((index) => urlOf({ url: String(compactInput(source, index)) }))
        fc.pre(!ends.includes(null))
        const counted = countCompact(source, [])
        if (counted !== null) expect(counted).toEqual(naive(source))
      }),
      { numRuns: 2_000 },
    )
  })

  it('takes ten million hosts as they come, and names the first thousand', () => {
    const many = template('https://s{i}.example/', { to: 1e7, count: 1e7 })
    const counted = countCompact(many, [])
    expect(counted).toMatchObject({ duplicates: 0, hostCount: 1e7 })
    expect(counted?.hosts).toHaveLength(1_000)
    expect(counted?.hosts.at(-1)).toEqual({ host: 's1000.example', items: 1 })
  })

  it('holds headers of the batch for a part of each request, and no difference', () => {
    const headers = [{ name: 'accept', value: 'text/html' }]
    expect(countCompact(template('http://a.example/{i}'), headers)?.duplicates).toBe(0)
    expect(countCompact(template('http://a.example/#{i}'), headers)?.duplicates).toBe(19)
  })
})
