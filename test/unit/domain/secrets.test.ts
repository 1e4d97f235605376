import { describe, expect, it } from 'vitest'
import { isSecretHeader, maskFetchInput, maskHeaders, maskUrl } from '../../../src/domain/secrets.js'

describe('maskHeaders', () => {
  it.each([
    'authorization',
    'Proxy-Authorization',
    'COOKIE',
    'set-cookie',
    'x-api-key',
    'X-Token',
    'client-secret',
    'x-session-id',
    'password',
    'x-passwd',
    'x-jwt',
    'x-amz-credential',
  ])('hides the value of %s', (name) => {
    expect(isSecretHeader(name)).toBe(true)
    expect(maskHeaders([{ name, value: 'hidden' }])).toEqual([{ name, value: '***' }])
  })

  it.each(['accept', 'user-agent', 'content-type', 'x-request-id'])('shows the value of %s', (name) => {
    expect(isSecretHeader(name)).toBe(false)
    expect(maskHeaders([{ name, value: 'shown' }])).toEqual([{ name, value: 'shown' }])
  })
})

describe('maskUrl', () => {
  it.each([
    ['https://user:pass@example.com/a?b=c#d', 'https://***@example.com/a?b=c#d'],
    ['https://user@example.com', 'https://***@example.com'],
    ['http://a@b:c@example.com/{i}', 'http://***@example.com/{i}'],
    ['https://example.com/a@b', 'https://example.com/a@b'],
    ['https://example.com?mail=a@b', 'https://example.com?mail=a@b'],
    ['http:user:pass@example.com/a', 'http://***@example.com/a'],
    ['http:///user:pass@example.com/a', 'http://***@example.com/a'],
    ['ht\ntp://user:pass@example.com/a', 'http://***@example.com/a'],
    ['http:/\t/user@example.com/a', 'http://***@example.com/a'],
    ['http://user:pass@example.com:99999/a', 'http://***@example.com:99999/a'],
    ['http:user:pass@example.com:99999/a', 'http:***@example.com:99999/a'],
    ['http:/user:p@ss@[::/a?b=c@d', 'http:/***@[::/a?b=c@d'],
    ['not a url', 'not a url'],
    ['not@a url', 'not@a url'],
  ])('shows %s as %s', (url, shown) => {
    expect(maskUrl(url)).toBe(shown)
  })
})

describe('maskFetchInput', () => {
  it('masks URLs and requests, and leaves all else', () => {
    const request = {
      url: 'https://u:p@example.com',
      method: 'POST',
      headers: [
        { name: 'cookie', value: 'c' },
        { name: 'accept', value: 'a' },
      ],
      body: 'b',
    }
    expect(maskFetchInput('https://u:p@example.com')).toBe('https://***@example.com')
    expect(maskFetchInput(request)).toEqual({
      ...request,
      url: 'https://***@example.com',
      headers: [
        { name: 'cookie', value: '***' },
        { name: 'accept', value: 'a' },
      ],
    })
    expect(request.headers[0]?.value).toBe('c')
    for (const other of [null, 1, true, ['x']]) expect(maskFetchInput(other)).toBe(other)
  })
})
