import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PHASES } from '../../../src/domain/fetch-phases.js'
import type { Fetcher } from '../../../src/fetching/fetcher.js'
import { createFetcher } from '../../../src/fetching/http.js'
import { CERTIFICATE } from '../../support/certificate.js'
import { type Origin, startOrigin } from '../../support/origin.js'
import { jsonDocument, letters } from '../../support/origin-routes.js'
import { echo, get } from './client.js'

let origin: Origin
let secure: Origin
let fetcher: Fetcher

beforeAll(async () => {
  origin = await startOrigin()
  secure = await startOrigin({ tls: true })
  const resolve = async () => [{ address: '127.0.0.1', family: 4 }]
  fetcher = createFetcher({ allow: ['127.0.0.1'], resolve, ca: CERTIFICATE })
})

afterAll(async () => {
  await fetcher.close()
  await origin.close()
  await secure.close()
})

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

describe('an answer', () => {
  it('is told in full', async () => {
    const url = `${origin.url}/json?i=7#part`
    const { error, output, retryAfterMs, detail } = await get(fetcher, url, { options: { bodyPolicy: 'JSON' } })
    expect(error).toBeNull()
    expect(output).toBe(jsonDocument(7))
    expect(retryAfterMs).toBeNull()
    expect(detail).toMatchObject({
      url,
      finalUrl: url,
      host: `127.0.0.1:${origin.port}`,
      status: 200,
      bytes: jsonDocument(7).length,
      sha256: sha256(jsonDocument(7)),
      contentType: 'application/json',
      redirects: 0,
    })
  })

  it.each(['', '&chunked'])('is hashed whole, whatever its size%s', async (how) => {
    for (const n of [0, 1, 65_536, 1_000_000]) {
      const { error, output, detail } = await get(fetcher, `${origin.url}/bytes?n=${n}${how}`)
      expect(error).toBeNull()
      expect(output).toBeNull()
      expect(detail.bytes).toBe(n)
      expect(detail.sha256).toBe(sha256(letters(n)))
    }
  })

  it('may be text in any charset', async () => {
    const url = `${origin.url}/raw?hex=e4f6fc&type=text/plain;charset=iso-8859-1`
    expect((await get(fetcher, url, { options: { bodyPolicy: 'TEXT' } })).output).toBe('"äöü"')
  })

  it('keeps numbers beyond 2^53', async () => {
    const hex = Buffer.from('{ "sum": 333333283333335000000 }').toString('hex')
    const outcome = await get(fetcher, `${origin.url}/raw?hex=${hex}`, { options: { bodyPolicy: 'JSON' } })
    expect(outcome.output).toBe('{"sum":333333283333335000000}')
  })

  it('may have no body at all', async () => {
    const { error, output, detail } = await get(fetcher, `${origin.url}/status?code=204`, {
      options: { bodyPolicy: 'JSON' },
    })
    expect(error).toBeNull()
    expect(output).toBe('null')
    expect(detail).toMatchObject({ status: 204, bytes: 0, sha256: null })
    const head = await get(fetcher, `${origin.url}/encoded?as=gzip`, {
      method: 'HEAD',
      options: { bodyPolicy: 'TEXT' },
    })
    expect(head.error).toBeNull()
    expect(head.output).toBe('""')
    expect(head.detail).toMatchObject({ status: 200, bytes: 0, sha256: null })
  })

  it('counts as success with the statuses that were asked for', async () => {
    const options = { okStatuses: [404, 302] }
    expect((await get(fetcher, `${origin.url}/nowhere`, { options })).error).toBeNull()
    const redirect = await get(fetcher, `${origin.url}/redirect`, { options })
    expect(redirect.error).toBeNull()
    expect(redirect.detail).toMatchObject({ status: 302, redirects: 0 })
    expect((await get(fetcher, `${origin.url}/ok`, { options })).error?.code).toBe('HTTP_STATUS')
  })
})

describe('content-encoding', () => {
  const SIZES = [1, 1000, 300_000, 2_000_000]

  it.each(['gzip', 'deflate', 'deflate-raw', 'br', 'gzip,br', 'br,deflate,gzip'])('%s comes off', async (as) => {
    for (const n of SIZES) {
      const { error, detail } = await get(fetcher, `${origin.url}/encoded?as=${as}&n=${n}`)
      expect(error).toBeNull()
      expect(detail).toMatchObject({ bytes: n, sha256: sha256(letters(n)), contentType: 'text/plain' })
    }
  })

  it('comes off before the text is read', async () => {
    const outcome = await get(fetcher, `${origin.url}/encoded?as=br&n=500`, { options: { bodyPolicy: 'TEXT' } })
    expect(outcome.output).toBe(JSON.stringify(letters(500)))
  })

  it('may be padded', async () => {
    const outcome = await get(fetcher, `${origin.url}/padded?padding=100`, { options: { bodyPolicy: 'TEXT' } })
    expect(outcome.error).toBeNull()
    expect(outcome.output).toBe('"content"')
  })

  it('identity is none', async () => {
    expect((await get(fetcher, `${origin.url}/encoding?as=identity`)).detail.bytes).toBe(5)
  })
})

describe('a request', () => {
  it('has the default headers, those of the job, and its own', async () => {
    const sent = await echo(fetcher, `${origin.url}/echo?a=b%20c`, {
      method: 'post',
      headers: [{ name: 'X-Own', value: 'yes' }],
      body: 'käse',
      options: { headers: [{ name: 'Accept', value: 'text/html' }] },
    })
    expect(sent).toMatchObject({ method: 'POST', url: '/echo?a=b%20c', body: 'käse' })
    expect(sent.headers).toMatchObject({
      'accept-encoding': 'gzip, deflate, br',
      'x-own': 'yes',
      accept: 'text/html',
      'content-length': '5',
      host: `127.0.0.1:${origin.port}`,
    })
    expect(sent.headers['user-agent']).toMatch(/^heddle\/\d/)
  })

  it('sends a user and a password, and forgets them', async () => {
    const url = `http://us%40er:pass@127.0.0.1:${origin.port}/echo`
    expect((await echo(fetcher, url)).headers.authorization).toBe(
      `Basic ${Buffer.from('us@er:pass').toString('base64')}`,
    )
    expect((await get(fetcher, url)).detail.finalUrl).toBe(`${origin.url}/echo`)
    const own = [{ name: 'Authorization', value: 'Bearer x' }]
    expect((await echo(fetcher, url, { headers: own })).headers.authorization).toBe('Bearer x')
  })
})

describe('redirects', () => {
  it('are followed as far as they may be', async () => {
    const url = `${origin.url}/redirects?left=3`
    const { error, detail } = await get(fetcher, url, { options: { maxRedirects: 3 } })
    expect(error).toBeNull()
    expect(detail).toMatchObject({ url, finalUrl: `${origin.url}/ok`, redirects: 3, status: 200, bytes: 2 })
  })

  it.each([0, 1000, 1_000_000])('with a body of %d bytes on them', async (n) => {
    const { error, detail } = await get(fetcher, `${origin.url}/redirect?n=${n}`)
    expect(error).toBeNull()
    expect(detail).toMatchObject({ redirects: 1, bytes: 2 })
  })

  it.each([
    [301, 'POST', 'GET'],
    [302, 'POST', 'GET'],
    [303, 'POST', 'GET'],
    [303, 'PUT', 'GET'],
    [303, 'HEAD', 'HEAD'],
    [301, 'PUT', 'PUT'],
    [302, 'DELETE', 'DELETE'],
    [307, 'POST', 'POST'],
    [308, 'PATCH', 'PATCH'],
  ])('%d makes of %s a %s', async (code, method, expected) => {
    const seen = await startOrigin()
    const to = encodeURIComponent(`${seen.url}/echo`)
    const url = `${origin.url}/redirect?code=${code}&to=${to}`
    const headers = [{ name: 'content-type', value: 'text/x-test' }]
    const body = method === 'HEAD' ? null : 'payload'
    const policy = expected === 'HEAD' ? 'DISCARD' : 'JSON'
    const outcome = await get(fetcher, url, { method, headers, body, options: { bodyPolicy: policy } })
    await seen.close()
    expect(outcome.error).toBeNull()
    if (expected === 'HEAD') return
    const sent = JSON.parse(outcome.output ?? '')
    expect(sent.method).toBe(expected)
    expect(sent.body).toBe(expected === 'GET' ? '' : 'payload')
    expect(sent.headers['content-type']).toBe(expected === 'GET' ? undefined : 'text/x-test')
    expect(sent.headers['content-length']).toBe(expected === 'GET' ? undefined : '7')
  })

  const SECRETS = [
    { name: 'Authorization', value: 'Bearer x' },
    { name: 'cookie', value: 'a=b' },
    { name: 'Proxy-Authorization', value: 'Basic x' },
    { name: 'X-Api-Key', value: 'k' },
    { name: 'x-csrf-token', value: 't' },
    { name: 'x-kept', value: 'yes' },
  ]

  it('keep what is secret within the origin', async () => {
    const here = await echo(fetcher, `${origin.url}/redirect?to=/echo`, { headers: SECRETS })
    expect(here.headers).toMatchObject({ authorization: 'Bearer x', cookie: 'a=b', 'x-api-key': 'k', 'x-kept': 'yes' })
    const there = await startOrigin()
    const to = encodeURIComponent(`http://u:p@127.0.0.1:${there.port}/echo`)
    const headers = [...SECRETS, { name: 'Host', value: 'virtual.test' }]
    const sent = await echo(fetcher, `${origin.url}/redirect?to=${to}`, { headers })
    await there.close()
    expect(sent.headers).toMatchObject({ 'x-kept': 'yes', host: `127.0.0.1:${there.port}` })
    for (const name of ['authorization', 'cookie', 'proxy-authorization', 'x-api-key', 'x-csrf-token', 'referer']) {
      expect(sent.headers).not.toHaveProperty(name)
    }
  })

  it('may lead from https to http and lose the secrets there', async () => {
    const to = encodeURIComponent(`${origin.url}/echo`)
    const sent = await echo(fetcher, `${secure.url}/redirect?to=${to}`, { headers: SECRETS })
    expect(sent.headers.authorization).toBeUndefined()
    expect(sent.headers['x-kept']).toBe('yes')
  })
})

describe('phases', () => {
  it('of a new connection to a name over TLS: all of them', async () => {
    const { error, detail } = await get(fetcher, `https://secure.test:${secure.port}/ok`)
    expect(error).toBeNull()
    expect(detail.reusedConnection).toBe(false)
    const { dnsMs, connectMs, tlsMs, firstByteMs, downloadMs } = detail
    for (const ms of [dnsMs, connectMs, tlsMs, firstByteMs, downloadMs]) expect(ms).toBeGreaterThanOrEqual(0)
  })

  it('of a new connection to an address over http: no lookup, no TLS', async () => {
    const fresh = await startOrigin()
    const first = (await get(fetcher, `${fresh.url}/ok`)).detail
    expect(first).toMatchObject({ dnsMs: null, tlsMs: null, reusedConnection: false })
    expect(first.connectMs).toBeGreaterThanOrEqual(0)
    const second = (await get(fetcher, `${fresh.url}/ok`)).detail
    expect(second).toMatchObject({ dnsMs: null, connectMs: null, tlsMs: null, reusedConnection: true })
    expect(second.firstByteMs).toBeGreaterThanOrEqual(0)
    expect(second.downloadMs).toBeGreaterThanOrEqual(0)
    await fresh.close()
  })

  it('over a redirect to another host: the connection is a reused one where neither had to be opened', async () => {
    const [from, to] = [await startOrigin(), await startOrigin({ tls: true })]
    // A second request finds the connection that the first one opened, and has the other one to open.
    await get(fetcher, `${from.url}/ok`)
    const url = `${from.url}/redirect?to=${encodeURIComponent(`https://secure.test:${to.port}/ok`)}`
    const first = (await get(fetcher, url)).detail
    expect(first).toMatchObject({ redirects: 1, reusedConnection: false })
    for (const ms of [first.dnsMs, first.connectMs, first.tlsMs]) expect(ms).toBeGreaterThanOrEqual(0)
    const second = (await get(fetcher, url)).detail
    expect(second).toMatchObject({ dnsMs: null, connectMs: null, tlsMs: null, reusedConnection: true })
    await Promise.all([from.close(), to.close()])
  })

  it('are within the time that it all took, and nothing of what had not come about', async () => {
    const fresh = await startOrigin({ tls: true })
    for (const path of ['/ok', '/ok', '/redirects?left=3', '/delay?ms=20']) {
      const sinceMs = performance.now()
      const { detail } = await get(fetcher, `https://secure.test:${fresh.port}${path}`)
      const tookMs = performance.now() - sinceMs
      const sum = PHASES.reduce((total, phase) => total + (detail[`${phase}Ms`] ?? 0), 0)
      expect(sum).toBeGreaterThan(0)
      expect(sum).toBeLessThanOrEqual(tookMs)
    }
    await fresh.close()
    const { detail } = await get(fetcher, `http://127.0.0.1:${fresh.port}/ok`)
    expect(PHASES.map((phase) => detail[`${phase}Ms`])).toEqual([null, null, null, null, null])
    expect(detail.reusedConnection).toBeNull()
  })
})
