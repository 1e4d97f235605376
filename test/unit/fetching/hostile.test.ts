import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Fetcher } from '../../../src/fetching/fetcher.js'
import { createFetcher } from '../../../src/fetching/http.js'
import { head, type RawAnswer, type RawOrigin, startRawOrigin } from '../../support/raw-origin.js'
import { get, type Wish } from './client.js'

let fetcher: Fetcher
let origin: RawOrigin
beforeAll(() => {
  fetcher = createFetcher({ allow: ['127.0.0.1'] })
})
afterAll(() => fetcher.close())
afterEach(() => origin.close())

async function answered(answer: RawAnswer, wish?: Wish) {
  origin = await startRawOrigin(answer)
  return get(fetcher, `${origin.url}/`, wish)
}

const CHUNKED = head('200 OK', 'transfer-encoding: chunked')

describe('what is no answer', () => {
  it.each([
    ['nothing but text', '<html>hello</html>'],
    ['bytes', '\x00\x01\xfe\xff'.repeat(1000)],
    ['HTTP/2', '\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64\x00\x04\x00\x0f\xff\xff'],
    ['a version that is none', 'HTTP/3.7 200 OK\r\ncontent-length: 2\r\n\r\nhi'],
    ['a status of two digits', head('99 Odd', 'content-length: 2')],
    ['a status of four', head('1000 Odd', 'content-length: 2')],
    ['a status of zeros', `${head('000 Odd', 'content-length: 2')}hi`],
    ['another protocol', head('101 Switching Protocols', 'connection: upgrade', 'upgrade: x')],
    ['another protocol without a name', head('101 Switching Protocols')],
    ['a length below zero', `${head('200 OK', 'content-length: -4')}abcd`],
    ['a length with a sign', `${head('200 OK', 'content-length: +4')}abcd`],
    ['a length in words', `${head('200 OK', 'content-length: banana')}abcd`],
    ['no length', `${head('200 OK', 'content-length: ')}abcd`],
    ['a length that no number holds', head('200 OK', `content-length: ${'9'.repeat(30)}`)],
    ['two lengths', `${head('200 OK', 'content-length: 4', 'content-length: 8')}abcdefgh`],
    ['a list of lengths', `${head('200 OK', 'content-length: 4, 4')}abcd`],
    [
      'a length and chunks',
      `${head('200 OK', 'content-length: 4', 'transfer-encoding: chunked')}4\r\nabcd\r\n0\r\n\r\n`,
    ],
    [
      'chunks and a length',
      `${head('200 OK', 'transfer-encoding: chunked', 'content-length: 4')}4\r\nabcd\r\n0\r\n\r\n`,
    ],
    ['a chunk below zero', `${CHUNKED}-1\r\nabcd`],
    ['a chunk past all numbers', `${CHUNKED}ffffffffffffffff0\r\nabcd`],
    ['a chunk longer than it says', `${CHUNKED}4\r\nabcdXX0\r\n\r\n`],
    ['a header without a colon', head('200 OK', 'nonsense')],
    ['a header with a space before it', head('200 OK', 'content-length : 2')],
    ['a header with a NUL', head('200 OK', 'x: a\0b')],
    ['a header with a bare CR', head('200 OK', 'x: a\rb')],
  ])('%s', async (_what, text) => {
    // It stays open: it is not the end of the connection that tells.
    const { error } = await answered((socket) => socket.write(text, 'latin1'))
    expect(error).toMatchObject({ code: 'DECODING', retryable: false })
  })

  it('though a body has begun: a chunk of a gigabyte that does not come', async () => {
    const { error, detail } = await answered((socket) => socket.end(`${CHUNKED}40000000\r\nabcd`))
    expect(error?.code).toBe('BODY_TRUNCATED')
    expect(detail.bytes).toBe(4)
  })
})

describe('an answer that cannot have a body', () => {
  it.each([
    [204, ['content-length: 5'], 'hello'],
    [204, ['transfer-encoding: chunked'], '5\r\nhello\r\n0\r\n\r\n'],
    [304, ['content-length: 5'], ''],
    [304, ['content-length: 5'], 'hello'],
  ])('has none, whatever it says: %d %s', async (status, headers, body) => {
    const options = { okStatuses: [204, 304] }
    const { error, detail } = await answered((socket) => socket.write(head(`${status} x`, ...headers) + body), {
      options,
    })
    expect(error).toBeNull()
    expect(detail).toMatchObject({ status, bytes: 0, sha256: null })
  })

  it('has none though it sends one: HEAD', async () => {
    const { error, detail } = await answered((socket) => socket.write(`${head('200 OK', 'content-length: 5')}hello`), {
      method: 'HEAD',
    })
    expect(error).toBeNull()
    expect(detail).toMatchObject({ status: 200, bytes: 0, sha256: null })
  })
})

describe('what nobody has asked for', () => {
  it.each([
    ['with the answer', (text: string) => [text]],
    ['after it', (text: string) => [text.slice(0, text.indexOf('HTTP', 1)), text.slice(text.indexOf('HTTP', 1))]],
  ])('is not the answer to the next request: %s', async (_when, cut) => {
    const own = (text: string) => head('200 OK', `content-length: ${text.length}`) + text
    const pieces = cut(own('own') + own('smuggled'))
    const first = await answered((socket, path) => {
      if (path === '/next') socket.write(own('next'))
      else for (const piece of pieces) socket.write(piece)
    })
    expect(first.detail.bytes).toBe(3)
    // What was sent to the idle connection has come.
    for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    for (let i = 0; i < 3; i += 1) {
      const { error, output } = await get(fetcher, `${origin.url}/next`, { options: { bodyPolicy: 'TEXT' } })
      expect(error).toBeNull()
      expect(output).toBe('"next"')
    }
  })

  it.each([
    ['content-length: 0', 'hello'],
    ['content-length: 4', 'abcdEFGH'],
  ])('is not read, and ends the connection: what follows %s', async (header, body) => {
    const { error, detail } = await answered((socket) => socket.write(head('200 OK', header) + body))
    expect(error).toBeNull()
    expect(detail.bytes).toBe(Number(header.slice(-1)))
    await get(fetcher, `${origin.url}/again`)
    expect(origin.connections).toBe(2)
  })
})

describe('redirects of an origin that ends each connection and does not say so', () => {
  const leave: RawAnswer = (socket, path) => {
    const left = Number(path.slice(1))
    if (left === 0) socket.end(`${head('200 OK', 'content-length: 2')}ok`)
    else socket.end(head('302 Found', `location: /${left - 1}`, 'content-length: 0'))
  }

  it('are followed', async () => {
    origin = await startRawOrigin(leave)
    const { error, detail } = await get(fetcher, `${origin.url}/4`)
    expect(error).toBeNull()
    expect(detail).toMatchObject({ redirects: 4, status: 200, bytes: 2, finalUrl: `${origin.url}/0` })
  })

  it('are too many where there are too many', async () => {
    origin = await startRawOrigin(leave)
    expect((await get(fetcher, `${origin.url}/9`)).error?.code).toBe('TOO_MANY_REDIRECTS')
  })

  it('are not sent twice where that could do something twice', async () => {
    origin = await startRawOrigin((socket, path) => {
      if (path === '/') socket.write(head('307 Found', 'location: /next', 'content-length: 0'))
      else socket.destroy()
    })
    const { error } = await get(fetcher, `${origin.url}/`, { method: 'POST', body: 'x' })
    expect(error?.code).toBe('CONNECTION_RESET')
    expect(origin.requests.filter((text) => text.startsWith('POST /next'))).toHaveLength(1)
  })

  it('are sent twice at most', async () => {
    origin = await startRawOrigin((socket, path) => {
      if (path === '/') socket.write(head('302 Found', 'location: /next', 'content-length: 0'))
      else socket.destroy()
    })
    expect((await get(fetcher, `${origin.url}/`)).error?.code).toBe('CONNECTION_RESET')
    expect(origin.requests.filter((text) => text.startsWith('GET /next'))).toHaveLength(2)
  })
})

describe('texts of any kind', () => {
  const text = (body: string | Buffer, ...headers: string[]): RawAnswer => {
    return (socket) => {
      socket.write(head('200 OK', `content-length: ${body.length}`, ...headers))
      socket.write(body)
    }
  }
  const asText = { options: { bodyPolicy: 'TEXT' as const } }
  const asJson = { options: { bodyPolicy: 'JSON' as const } }

  it.each(['nonsense-9000', '__proto__', 'utf-7', 'z'.repeat(50_000), '"', ';;;'])(
    'are UTF-8 in a charset that nobody knows: %.20s',
    async (charset) => {
      const { error, output } = await answered(text('hi', `content-type: text/plain; charset=${charset}`), asText)
      expect(error).toBeNull()
      expect(output).toBe('"hi"')
    },
  )

  it('are read quickly, whatever their type is', async () => {
    const type = `content-type: ${'; charset'.repeat(4000)}${' '.repeat(20_000)}`
    expect((await answered(text('hi', type), asText)).output).toBe('"hi"')
  })

  it.each([['['.repeat(100_000) + ']'.repeat(100_000)], [`${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`]])(
    'are no output where they are nested too deep: %.5s',
    async (body) => {
      expect((await answered(text(body), asJson)).error?.code).toMatch(/^(OUTPUT_TOO_LARGE|DECODING)$/)
    },
  )

  it('are JSON as it stands, whatever its keys are called', async () => {
    const body = '{"__proto__":{"a":1},"__proto__":{"b":2},"constructor":{"prototype":{"c":3}}}'
    expect((await answered(text(body), asJson)).output).toBe(body)
    expect(Object.prototype).not.toHaveProperty('a')
  })

  it.each([
    ['UTF-8', Buffer.from('\ufeff{"a":1}')],
    ['UTF-16', Buffer.from('\ufeff{"a":1}', 'utf16le')],
  ])('are JSON behind a byte order mark: %s', async (_what, body) => {
    expect((await answered(text(body), asJson)).output).toBe('{"a":1}')
  })

  it('are no JSON where they are not UTF-8', async () => {
    expect((await answered(text(Buffer.from([0x22, 0xff, 0xfe, 0x22])), asJson)).error?.code).toBe('DECODING')
  })
})

describe('a Retry-After', () => {
  it.each([
    [`1${'0'.repeat(308)}`, Number.MAX_SAFE_INTEGER],
    ['9'.repeat(999), Number.MAX_SAFE_INTEGER],
    ['-5', null],
    ['Fri, 31 Dec 9999 23:59:59 GMT', 260_000_000_000_000],
    ['Fri, 31 Dec 275761 23:59:59 GMT', null],
  ])('of any size is a number of milliseconds, or none: %.30s', async (header, atMost) => {
    const { error, retryAfterMs } = await answered((socket) =>
      socket.write(head('503 Busy', `retry-after: ${header}`, 'content-length: 0')),
    )
    expect(error?.code).toBe('HTTP_STATUS')
    if (atMost === null) expect(retryAfterMs).toBeNull()
    else expect(retryAfterMs).toBeLessThanOrEqual(atMost)
  })
})
