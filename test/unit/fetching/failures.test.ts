import { createServer, isIP, type Server } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { isRetryableCode } from '../../../src/domain/errors.js'
import { handshakeFailure, lookupFailure, Stage, toFailure } from '../../../src/fetching/failures.js'
import type { Fetcher, FetchOutcome } from '../../../src/fetching/fetcher.js'
import { createFetcher } from '../../../src/fetching/http.js'
import { closedPort, type Origin, startOrigin } from '../../support/origin.js'
import { get, type Wish } from './client.js'

let origin: Origin
let secure: Origin
let fetcher: Fetcher

beforeAll(async () => {
  origin = await startOrigin()
  secure = await startOrigin({ tls: true })
  fetcher = createFetcher({ allow: ['127.0.0.1'] })
})

afterAll(async () => {
  await fetcher.close()
  await origin.close()
  await secure.close()
})

async function codeOf(path: string, wish?: Wish): Promise<string | undefined> {
  const { error, output } = await get(fetcher, path.startsWith('/') ? origin.url + path : path, wish)
  expect(output).toBeNull()
  if (error && error.code !== 'HTTP_STATUS') {
    expect(error.retryable).toBe(isRetryableCode(error.code))
  }
  return error?.code
}

describe('TIMEOUT', () => {
  // The hand that moves the clock waits until the request is where it is to stay.
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  async function expired(running: Promise<FetchOutcome>): Promise<FetchOutcome> {
    vi.advanceTimersByTime(29)
    const settled = vi.fn()
    void running.then(settled)
    await Promise.resolve()
    expect(settled).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    return running
  }

  it.each([
    ['/hold', '/hold', 1],
    ['/hold-body', '/hold-body', 1],
    ['/redirect?to=/hold', '/hold', 2],
  ])('where %s does not end in time', async (path, held, count) => {
    const running = get(fetcher, origin.url + path, { timeoutMs: 30 })
    await origin.arrived(held, count)
    const { error, detail } = await expired(running)
    expect(error).toEqual({ code: 'TIMEOUT', message: 'not done within 30 ms', retryable: true })
    expect(detail.sha256).toBeNull()
    await origin.abandoned(held, count)
  })

  it('where the lookup does not end in time', async () => {
    const asked = deferred()
    const resolve = () => {
      asked.resolve()
      return new Promise<never>(() => undefined)
    }
    const stuck = createFetcher({ allow: [], resolve })
    const running = get(stuck, 'http://name.test/', { timeoutMs: 30 })
    await asked.promise
    expect((await expired(running)).error?.code).toBe('TIMEOUT')
    await stuck.close()
  })

  it('where the handshake does not end in time, and the socket is let go', async () => {
    const [opened, closed] = [deferred(), deferred()]
    const silent: Server = createServer((socket) => {
      opened.resolve()
      socket.on('error', closed.resolve).on('close', closed.resolve).resume()
    })
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const { port } = silent.address() as { port: number }
    const running = get(fetcher, `https://127.0.0.1:${port}/`, { timeoutMs: 30 })
    await opened.promise
    expect((await expired(running)).error?.code).toBe('TIMEOUT')
    await closed.promise
    await new Promise((resolve) => silent.close(resolve))
  })

  it('where there is no connection within 30 s, though the request itself has more time', async () => {
    const asked = deferred()
    const resolve = () => {
      asked.resolve()
      return new Promise<never>(() => undefined)
    }
    const stuck = createFetcher({ allow: [], resolve })
    const running = get(stuck, 'http://name.test/', { timeoutMs: 60_000 })
    await asked.promise
    vi.advanceTimersByTime(30_000)
    expect((await running).error).toMatchObject({ code: 'TIMEOUT', message: 'no connection within 30000 ms' })
    await stuck.close()
  })

  it('is not told before its time where the timer fires early', async () => {
    const before = origin.requests('/hold')
    const running = get(fetcher, `${origin.url}/hold`, { timeoutMs: 30 })
    await origin.arrived('/hold', before + 1)
    // As after a turn of the event loop that took long: the timer has counted from its beginning.
    const startedMs = performance.now()
    const now = vi.spyOn(performance, 'now').mockReturnValue(startedMs + 5)
    vi.advanceTimersByTime(30)
    now.mockRestore()
    const settled = vi.fn()
    void running.then(settled)
    await Promise.resolve()
    expect(settled).not.toHaveBeenCalled()
    vi.advanceTimersByTime(25)
    expect((await running).error?.code).toBe('TIMEOUT')
  })
})

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => undefined
  const promise = new Promise<void>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}

describe('CONNECTION_REFUSED', () => {
  it('where nobody listens at any address of a name', async () => {
    const resolve = async () => ['127.0.0.1', '127.0.0.2', '::1'].map((address) => ({ address, family: isIP(address) }))
    const unlucky = createFetcher({ allow: ['127.0.0.0/8', '::1'], resolve })
    const { error } = await get(unlucky, `http://name.test:${await closedPort()}/`)
    expect(error).toMatchObject({ code: 'CONNECTION_REFUSED', message: 'the connection was refused (ECONNREFUSED)' })
    await unlucky.close()
  })

  it('where nobody listens', async () => {
    const { error, detail } = await get(fetcher, `http://127.0.0.1:${await closedPort()}/`)
    expect(error).toMatchObject({ code: 'CONNECTION_REFUSED', retryable: true })
    expect(detail).toMatchObject({ status: null, bytes: 0, sha256: null, connectMs: null, reusedConnection: null })
  })
})

describe('CONNECTION_RESET', () => {
  it.each(['reset', 'end', 'headers'])('where the connection is gone before the headers are there: %s', async (how) => {
    expect(await codeOf(`/gone?how=${how}`, { method: 'POST' })).toBe('CONNECTION_RESET')
    expect(await codeOf(`/gone?how=${how}`)).toBe('CONNECTION_RESET')
  })

  it('where the other end of a handshake hangs up', async () => {
    const rude = createServer((socket) => socket.destroy())
    await new Promise<void>((resolve) => rude.listen(0, '127.0.0.1', resolve))
    const { port } = rude.address() as { port: number }
    expect(await codeOf(`https://127.0.0.1:${port}/`)).toBe('CONNECTION_RESET')
    await new Promise((resolve) => rude.close(resolve))
  })
})

describe('DNS', () => {
  it('where the name has no address', async () => {
    const notFound = Object.assign(new Error('getaddrinfo ENOTFOUND name.test'), { code: 'ENOTFOUND' })
    const lost = createFetcher({ allow: [], resolve: () => Promise.reject(notFound) })
    const { error } = await get(lost, 'http://name.test/')
    expect(error).toEqual({ code: 'DNS', message: 'the name could not be resolved (ENOTFOUND)', retryable: true })
    await lost.close()
    const empty = createFetcher({ allow: [], resolve: async () => [] })
    expect((await get(empty, 'https://name.test/')).error?.code).toBe('DNS')
    await empty.close()
  })
})

describe('TLS', () => {
  it('where nobody known has signed the certificate', async () => {
    const { error } = await get(fetcher, `${secure.url}/ok`)
    expect(error).toMatchObject({ code: 'TLS', retryable: false })
    expect(error?.message).toContain('DEPTH_ZERO_SELF_SIGNED_CERT')
  })

  it('where the certificate is of another name', async () => {
    const { CERTIFICATE } = await import('../../support/certificate.js')
    const resolve = async () => [{ address: '127.0.0.1', family: 4 }]
    const trusting = createFetcher({ allow: ['127.0.0.1'], resolve, ca: CERTIFICATE })
    const { error } = await get(trusting, `https://other.test:${secure.port}/ok`)
    expect(error).toMatchObject({ code: 'TLS', message: 'no secure connection (ERR_TLS_CERT_ALTNAME_INVALID)' })
    await trusting.close()
  })

  it('where the other end does not speak it', async () => {
    expect(await codeOf(`https://127.0.0.1:${origin.port}/ok`)).toBe('TLS')
  })
})

describe('HTTP_STATUS', () => {
  it.each([
    [404, false],
    [408, true],
    [429, true],
    [500, true],
    [501, false],
    [503, true],
    [304, false],
  ])('%d, to be tried again: %s', async (code, retryable) => {
    const { error, detail } = await get(fetcher, `${origin.url}/status?code=${code}`)
    expect(error).toEqual({ code: 'HTTP_STATUS', message: `answered with status ${code}`, retryable })
    expect(detail.status).toBe(code)
  })

  it('comes with the body counted, hashed and not read as JSON', async () => {
    const url = `${origin.url}/status?code=500&n=1000`
    const { error, output, detail } = await get(fetcher, url, { options: { bodyPolicy: 'JSON' }, maxOutputBytes: 10 })
    expect(error?.code).toBe('HTTP_STATUS')
    expect(output).toBeNull()
    expect(detail.bytes).toBe(1000)
    expect(detail.sha256).toMatch(/^[0-9a-f]{64}$/)
  })

  it('stays what it is where the body is too large or faulty', async () => {
    expect(await codeOf('/status?code=500&n=100000', { options: { maxBytes: 10 } })).toBe('HTTP_STATUS')
    const okStatuses = [201]
    expect(await codeOf('/truncated?how=length', { options: { okStatuses } })).toBe('HTTP_STATUS')
    expect(await codeOf('/corrupt?as=gzip', { options: { okStatuses } })).toBe('HTTP_STATUS')
    expect(await codeOf('/encoding?as=zstd', { options: { okStatuses } })).toBe('HTTP_STATUS')
  })

  it('of a redirect that leads nowhere', async () => {
    expect(await codeOf('/status?code=302')).toBe('HTTP_STATUS')
  })

  it('says when to try again', async () => {
    const soon = await get(fetcher, `${origin.url}/status?code=429&retryAfter=7`)
    expect(soon.retryAfterMs).toBe(7000)
    const date = encodeURIComponent(new Date(Date.now() + 3_600_000).toUTCString())
    const later = await get(fetcher, `${origin.url}/status?code=503&retryAfter=${date}`)
    expect(later.retryAfterMs).toBeGreaterThan(3_500_000)
    expect(later.retryAfterMs).toBeLessThanOrEqual(3_600_000)
    const odd = await get(fetcher, `${origin.url}/status?code=503&retryAfter=soon`)
    expect(odd.retryAfterMs).toBeNull()
  })
})

describe('BODY_TOO_LARGE', () => {
  const options = { maxBytes: 1000 }

  it('to the byte', async () => {
    for (const how of ['', '&chunked']) {
      expect(await codeOf(`/bytes?n=1000${how}`, { options })).toBeUndefined()
      expect(await codeOf(`/bytes?n=1001${how}`, { options })).toBe('BODY_TOO_LARGE')
    }
    for (const as of ['gzip', 'br', 'deflate']) {
      expect(await codeOf(`/encoded?as=${as}&n=1000`, { options })).toBeUndefined()
      expect(await codeOf(`/encoded?as=${as}&n=1001`, { options })).toBe('BODY_TOO_LARGE')
    }
  })

  it('stops a decompression bomb at once, though it never ends by itself', async () => {
    const { error, detail } = await get(fetcher, `${origin.url}/bomb`, { options: { maxBytes: 1_000_000 } })
    expect(error).toMatchObject({ code: 'BODY_TOO_LARGE', retryable: false })
    expect(detail.bytes).toBeLessThan(1_200_000)
    expect(detail.sha256).toBeNull()
    await origin.abandoned('/bomb')
  })

  it('stops a small body that unpacks to a large one', async () => {
    const bomb = await get(fetcher, `${origin.url}/encoded?as=gzip,gzip,br&n=2000000`, { options })
    expect(bomb.error?.code).toBe('BODY_TOO_LARGE')
    expect(bomb.detail.bytes).toBeLessThan(300_000)
  })
})

describe('BODY_TRUNCATED', () => {
  it.each(['length', 'length&close', 'chunked', 'chunked&close', 'reset'])(
    'where the connection ends within the body: %s',
    async (how) => {
      const { error, output, detail } = await get(fetcher, `${origin.url}/truncated?how=${how}`, {
        options: { bodyPolicy: 'TEXT' },
      })
      expect(error).toMatchObject({ code: 'BODY_TRUNCATED', retryable: true })
      expect(output).toBeNull()
      expect(detail).toMatchObject({ status: 200, bytes: 4, sha256: null })
    },
  )
})

describe('DECODING', () => {
  it.each(['gzip', 'deflate', 'br', 'gzip,br'])('where the body is no %s', async (as) => {
    for (const n of [1000, 1_000_000]) {
      expect(await codeOf(`/corrupt?as=${as}&n=${n}`)).toBe('DECODING')
      expect(await codeOf(`/unfinished?as=${as}&n=${n}`)).toBe('DECODING')
    }
  })

  it('where there is no end to what follows the content', async () => {
    expect(await codeOf('/padded')).toBe('DECODING')
    await origin.abandoned('/padded')
  })

  it('where nobody knows the content-encoding', async () => {
    const { error } = await get(fetcher, `${origin.url}/encoding?as=zstd`)
    expect(error).toEqual({ code: 'DECODING', message: 'the content-encoding "zstd" is not known', retryable: false })
    expect(await codeOf(`/encoding?as=${Array(6).fill('gzip').join()}`)).toBe('DECODING')
  })

  it('where the body is no JSON', async () => {
    expect(await codeOf('/ok', { options: { bodyPolicy: 'JSON' } })).toBe('DECODING')
    expect(await codeOf('/bytes?n=0', { options: { bodyPolicy: 'JSON' } })).toBe('DECODING')
  })

  it.each([
    'this is not HTTP\r\n\r\n',
    'HTTP/1.1 200 OK\r\nbad header\r\n\r\n',
    'HTTP/1.1 200 OK\r\ncontent-length: 5\r\nbad header\r\n\r\n',
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnot a length\r\n',
    'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n',
    `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(70_000)}\r\n\r\n`,
  ])('where the answer is not HTTP: %j', async (text) => {
    const wire = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', () => socket.end(text))
    })
    await new Promise<void>((resolve) => wire.listen(0, '127.0.0.1', resolve))
    const { port } = wire.address() as { port: number }
    expect(await codeOf(`http://127.0.0.1:${port}/`)).toBe('DECODING')
    await new Promise((resolve) => wire.close(resolve))
  })
})

describe('TOO_MANY_REDIRECTS', () => {
  it('where there are more than may be followed', async () => {
    const before = origin.requests('/ok')
    const { error, detail } = await get(fetcher, `${origin.url}/redirects?left=4`, { options: { maxRedirects: 3 } })
    expect(error).toEqual({ code: 'TOO_MANY_REDIRECTS', message: 'more than 3 redirects', retryable: false })
    expect(detail).toMatchObject({ redirects: 3, status: 302 })
    expect(await codeOf('/redirect', { options: { maxRedirects: 0 } })).toBe('TOO_MANY_REDIRECTS')
    expect(origin.requests('/ok')).toBe(before)
  })
})

describe('INVALID_INPUT', () => {
  it.each([
    '',
    'nonsense',
    'http://',
    'ftp://127.0.0.1/',
    'file:///etc/passwd',
    'data:,x',
    'http://a b/',
    'http://1.2.3.400/',
  ])('the URL %j', async (url) => {
    const { error, detail } = await get(fetcher, url)
    expect(error).toMatchObject({ code: 'INVALID_INPUT', retryable: false })
    expect(detail).toMatchObject({ url, finalUrl: url, status: null })
  })

  it.each([
    { method: 'GE T' },
    { method: 'CONNECT' },
    { method: '' },
    { headers: [{ name: 'a b', value: '' }] },
    { headers: [{ name: '', value: '' }] },
    { headers: [{ name: 'a', value: 'b\r\nc: d' }] },
    { headers: [{ name: 'a', value: '€' }] },
    { headers: [{ name: 'transfer-encoding', value: 'chunked' }] },
    { method: 'POST', body: 'abc', headers: [{ name: 'content-length', value: '7' }] },
  ])('the request %j', async (wish) => {
    const before = origin.requests()
    expect(await codeOf('/ok', wish)).toBe('INVALID_INPUT')
    expect(origin.requests()).toBe(before)
  })

  it.each(['http://', 'http://:x', 'https://[', '//a b'])('a redirect to %j', async (to) => {
    const { error, detail } = await get(fetcher, `${origin.url}/redirect?to=${encodeURIComponent(to)}`)
    expect(error?.code).toBe('INVALID_INPUT')
    expect(detail).toMatchObject({ status: 302, redirects: 0 })
  })
})

describe('DESTINATION_FORBIDDEN', () => {
  it.each([
    'file:///etc/passwd',
    'ftp://user:hunter2@a.test/',
    'data:,x',
    'javascript:alert(1)',
    'gopher://127.0.0.1:70/',
    'unix:/run/docker.sock',
    'ws://127.0.0.1/',
    'blob:http://a.test/x',
    'about:blank',
  ])('a redirect to %j', async (to) => {
    const url = `${origin.url}/redirect?to=${encodeURIComponent(to)}`
    const { error, detail } = await get(fetcher, url)
    expect(error).toEqual({
      code: 'DESTINATION_FORBIDDEN',
      message: 'redirected: the scheme of the URL is neither http: nor https:',
      retryable: false,
    })
    expect(detail).toMatchObject({ finalUrl: url, status: 302, redirects: 0 })
  })
})

describe('OUTPUT_TOO_LARGE', () => {
  it('where the JSON text of the output is longer than it may be', async () => {
    const text = { options: { bodyPolicy: 'TEXT' as const } }
    expect((await get(fetcher, `${origin.url}/bytes?n=98`, { ...text, maxOutputBytes: 100 })).error).toBeNull()
    expect(await codeOf('/bytes?n=99', { ...text, maxOutputBytes: 100 })).toBe('OUTPUT_TOO_LARGE')
    expect(await codeOf('/bytes?n=100000&chunked', { ...text, maxOutputBytes: 100 })).toBe('OUTPUT_TOO_LARGE')
    const json = { options: { bodyPolicy: 'JSON' as const } }
    expect(await codeOf('/json?i=1', { ...json, maxOutputBytes: 20 })).toBe('OUTPUT_TOO_LARGE')
  })

  it('does not concern what is not kept', async () => {
    expect(await codeOf('/bytes?n=100000', { maxOutputBytes: 100 })).toBeUndefined()
  })
})

describe('errors of the network that loopback does not have', () => {
  it.each([
    ['EHOSTUNREACH', 'CONNECTING', 'CONNECTION_REFUSED'],
    ['ENETUNREACH', 'CONNECTING', 'CONNECTION_REFUSED'],
    ['ETIMEDOUT', 'CONNECTING', 'TIMEOUT'],
    ['ETIMEDOUT', 'RECEIVING', 'TIMEOUT'],
    ['EPIPE', 'WAITING', 'CONNECTION_RESET'],
    ['ECONNRESET', 'RECEIVING', 'BODY_TRUNCATED'],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'WAITING', 'TLS'],
    ['ERR_SSL_UNEXPECTED_EOF_WHILE_READING', 'RECEIVING', 'BODY_TRUNCATED'],
    ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'RECEIVING', 'BODY_TRUNCATED'],
  ] as const)('%s while %s is %s', (code, stage, expected) => {
    expect(toFailure(Object.assign(new Error('x'), { code }), Stage[stage]).code).toBe(expected)
  })

  it('within a handshake', () => {
    expect(handshakeFailure(Object.assign(new Error('x'), { code: 'CERT_HAS_EXPIRED' })).code).toBe('TLS')
    expect(handshakeFailure(Object.assign(new Error('x'), { code: 'ECONNRESET' })).code).toBe('CONNECTION_RESET')
    expect(handshakeFailure(new Error('odd')).message).toContain('odd')
  })

  it('within a lookup', () => {
    expect(lookupFailure(new Error('odd')).message).toContain('odd')
  })
})
