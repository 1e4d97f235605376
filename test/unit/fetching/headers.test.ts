import { describe, expect, it } from 'vitest'
import type { FetchOptions } from '../../../src/domain/batch.js'
import { parseRetryAfter, readAnswerHeaders, requestHeaders } from '../../../src/fetching/headers.js'

function options(headers: FetchOptions['headers'] = []): FetchOptions {
  return { bodyPolicy: 'DISCARD', maxBytes: 1, maxRedirects: 0, headers, okStatuses: null }
}

describe('requestHeaders', () => {
  it('fills in what is not given', () => {
    expect(requestHeaders(options(), [])).toEqual([
      'accept',
      '*/*',
      'accept-encoding',
      'gzip, deflate, br',
      'user-agent',
      expect.stringMatching(/^heddle\/\d+\.\d+\.\d+/),
    ])
  })

  it('lets the job replace the defaults and the request replace both, whatever the case', () => {
    const job = options([
      { name: 'Accept', value: 'text/html' },
      { name: 'X-Job', value: '1' },
      { name: 'x-job', value: '2' },
    ])
    const own = [
      { name: 'X-JOB', value: '3' },
      { name: 'User-Agent', value: 'mine' },
    ]
    expect(requestHeaders(job, own)).toEqual([
      'Accept',
      'text/html',
      'accept-encoding',
      'gzip, deflate, br',
      'User-Agent',
      'mine',
      'X-JOB',
      '3',
    ])
    expect(requestHeaders(job, []).slice(-4)).toEqual(['X-Job', '1', 'x-job', '2'])
  })

  it('shares one list among the requests of a job that have none of their own', () => {
    const job = options()
    expect(requestHeaders(job, [])).toBe(requestHeaders(job, []))
  })
})

describe('readAnswerHeaders', () => {
  it('reads what matters whatever its case, and the first of what may come once', () => {
    const raw = ['LOCATION', '/a', 'location', '/b', 'Content-Encoding', 'gzip', 'content-encoding', 'br']
    const more = ['Content-Type', 'text/html', 'CONTENT-LENGTH', '7', 'Retry-After', '3', 'x-nothing', 'y']
    expect(readAnswerHeaders([...raw, ...more].map((text) => Buffer.from(text)))).toEqual({
      location: '/a',
      contentEncoding: 'gzip,br',
      contentType: 'text/html',
      contentLength: 7,
      retryAfter: '3',
    })
  })
})

describe('parseRetryAfter', () => {
  const now = Date.UTC(1994, 10, 6, 8, 49, 30)

  it.each([
    ['0', 0],
    ['99999999999', 99_999_999_999_000],
    ['120', 120_000],
    [' 7 ', 7000],
    ['Sun, 06 Nov 1994 08:49:37 GMT', 7000],
    ['Sunday, 06-Nov-94 08:49:37 GMT', 7000],
    ['Sun Nov  6 08:49:37 1994', 7000],
    ['Sun, 06 Nov 1994 08:00:00 GMT', 0],
  ])('%j is %d ms', (header, expected) => {
    expect(parseRetryAfter(header, now)).toBe(expected)
  })

  it.each([null, '', '-5', '1.5', 'soon', '5 s', 'Sun, 99 Nov 1994 08:49:37 GMT'])('%j is none', (header) => {
    expect(parseRetryAfter(header, now)).toBeNull()
  })
})
