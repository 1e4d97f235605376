import { describe, expect, it } from 'vitest'
import { Origins } from '../../../src/http/origins.js'

const LISTED = 'https://app.example'
const open = new Origins({ allowed: [LISTED], needsToken: false })
const guarded = new Origins({ allowed: [LISTED], needsToken: true })
const request = (headers: Record<string, string | undefined>) => ({ headers })

describe('pages of the own origin, and other programs', () => {
  it.each([
    ['127.0.0.1:4000', undefined],
    ['127.0.0.1:4000', 'http://127.0.0.1:4000'],
    ['LOCALHOST:4000', 'http://localhost:4000'],
    ['heddle.localhost:4000', 'http://heddle.localhost:4000'],
    ['[::1]:4000', 'http://[::1]:4000'],
    ['127.0.0.1', 'https://127.0.0.1'],
    ['127.0.0.1:4000', LISTED],
    // What stands before the server, and has passed its own name on.
    ['app.example', LISTED],
    ['app.example', undefined],
    ['app.example:443', LISTED],
    ['app.example:443', undefined],
    ['localhost.:4000', undefined],
    ['127.0.0.1:80', 'http://127.0.0.1'],
    [undefined, undefined],
  ])('may call %s from %s', (host, origin) => {
    expect(open.refusal(request({ host, origin }))).toBeNull()
    expect(guarded.refusal(request({ host, origin }))).toBeNull()
  })

  it('may call under any name where a token is asked for', () => {
    expect(guarded.refusal(request({ host: 'heddle.example' }))).toBeNull()
    expect(guarded.refusal(request({ host: 'heddle.example', origin: 'https://heddle.example' }))).toBeNull()
  })
})

describe('pages of other origins', () => {
  it.each([
    ['127.0.0.1:4000', 'http://localhost:4000'],
    ['127.0.0.1:4000', 'http://127.0.0.1:4001'],
    ['127.0.0.1:4000', 'null'],
    ['127.0.0.1:4000', ''],
    ['127.0.0.1:4000', 'https://app.example.evil.example'],
    ['127.0.0.1:4000', 'http://app.example'],
    ['127.0.0.1:4000', 'https://evil.example'],
  ])('may not call %s from %s', (host, origin) => {
    expect(open.refusal(request({ host, origin }))).toContain(`Pages of "${origin}"`)
    expect(guarded.refusal(request({ host, origin }))).toContain(`Pages of "${origin}"`)
  })

  it.each([
    'evil.example:4000',
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'notlocalhost:4000',
    'evil.example@127.0.0.1:4000',
    'localhost/x',
    'localhost?x',
    'localhost#x',
    'a b',
  ])('may not reach it by a name of their own that leads here: %s', (host) => {
    expect(open.refusal(request({ host, origin: `http://${host}` }))).toContain(`Host header is "${host}"`)
    expect(open.refusal(request({ host }))).toContain(`Host header is "${host}"`)
  })

  it('may not ask without telling their origin, unless they are listed', () => {
    const headers = { host: 'localhost:4000', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }
    expect(open.refusal(request(headers))).toBe('Pages of other sites may not call this server')
    expect(open.refusal(request(headers), true)).not.toBeNull()
    expect(open.refusal(request({ ...headers, origin: LISTED }))).toBeNull()
    for (const site of ['same-origin', 'same-site', 'none']) {
      expect(open.refusal(request({ ...headers, 'sec-fetch-site': site }))).toBeNull()
    }
  })

  it('may lead their readers to a page, and to nothing else', () => {
    const host = 'localhost:4000'
    const visit = { host, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }
    expect(open.refusal(request(visit), true)).toBeNull()
    expect(open.refusal(request(visit), false)).not.toBeNull()
    expect(open.refusal(request({ ...visit, 'sec-fetch-dest': 'iframe' }), true)).not.toBeNull()
    expect(open.refusal(request({ ...visit, host: 'evil.example' }), true)).not.toBeNull()
  })

  it('is quoted no longer than a message should be', () => {
    expect(open.refusal(request({ host: 'x'.repeat(10_000) }))?.length).toBeLessThan(400)
  })
})

describe('corsHeaders', () => {
  it('lets listed pages read the answer, with the headers that they ask for, and never with cookies', () => {
    const headers = open.corsHeaders(
      request({ origin: LISTED, 'access-control-request-headers': 'apollo-require-preflight,content-type' }),
    )
    expect(headers).toMatchObject({
      'access-control-allow-origin': LISTED,
      'access-control-allow-headers': 'apollo-require-preflight,content-type',
      vary: 'Origin, Access-Control-Request-Headers',
    })
    expect(headers).not.toHaveProperty('access-control-allow-credentials')
    expect(open.corsHeaders(request({ origin: LISTED }))['access-control-allow-headers']).toContain('authorization')
  })

  it('says nothing to others', () => {
    for (const origin of [undefined, 'null', '*', 'https://evil.example', 'http://localhost:4000']) {
      expect(open.corsHeaders(request({ origin, host: 'localhost:4000' }))).toEqual({})
    }
  })
})
