import { createHash, randomBytes } from 'node:crypto'
import { brotliCompressSync, constants, deflateSync, gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Fetcher } from '../../../src/fetching/fetcher.js'
import { createFetcher } from '../../../src/fetching/http.js'
import { flood, head, type RawAnswer, type RawOrigin, startRawOrigin } from '../../support/raw-origin.js'
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

const CODERS: Readonly<Record<string, (body: Buffer) => Buffer>> = {
  gzip: (body) => gzipSync(body),
  deflate: (body) => deflateSync(body),
  br: (body) => brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }),
}

describe('an answer that was whole when the connection ended', () => {
  const body = randomBytes(400_000).toString('hex')
  const sha256 = createHash('sha256').update(body).digest('hex')
  const frames: Readonly<Record<string, (content: Buffer) => [string[], Buffer]>> = {
    length: (content) => [[`content-length: ${content.length}`], content],
    chunks: (content) => {
      const size = `${content.length.toString(16)}\r\n`
      return [['transfer-encoding: chunked'], Buffer.concat([Buffer.from(size), content, Buffer.from('\r\n0\r\n\r\n')])]
    },
    'its end': (content) => [[], content],
  }
  const cases = Object.keys(CODERS).flatMap((coding) =>
    Object.keys(frames).flatMap((frame) => ['', 'connection: close'].map((closing) => ({ coding, frame, closing }))),
  )

  // Decoding is slower than the wire: the parser is paused when the end comes.
  it.each(cases)('is read to its end: $coding by $frame $closing', async ({ coding, frame, closing }) => {
    const [headers, content] = frames[frame]?.(CODERS[coding]?.(Buffer.from(body)) ?? Buffer.alloc(0)) ?? [[], '']
    const own = closing === '' ? headers : [...headers, closing]
    const { error, detail } = await answered((socket) => {
      socket.write(head('200 OK', `content-encoding: ${coding}`, ...own))
      socket.end(content)
    })
    expect(error).toBeNull()
    expect(detail).toMatchObject({ bytes: body.length, sha256 })
  })
})

describe('a connection that breaks while its answer waits to be read', () => {
  const content = gzipSync(randomBytes(400_000).toString('hex'))

  it.each([
    { headers: ['content-length: 1000000'], code: /^BODY_TRUNCATED$/ },
    { headers: ['content-length: 1000000', 'connection: close'], code: /^BODY_TRUNCATED$/ },
    // A reset that comes with the last data is taken for an orderly end, by libuv: then it is the gzip that has none.
    { headers: ['connection: close'], code: /^(BODY_TRUNCATED|DECODING)$/ },
  ])('fails its own request alone: $headers', async ({ headers, code }) => {
    const { error } = await answered((socket) => {
      socket.write(head('200 OK', 'content-encoding: gzip', ...headers))
      socket.write(content.subarray(0, -8), () => setImmediate(() => socket.resetAndDestroy()))
    })
    expect(error?.code).toMatch(code)
  })
})

describe('what goes on and on without content', () => {
  const chunked = head('200 OK', 'transfer-encoding: chunked')
  const cases: Record<string, [string, string | Buffer]> = {
    'a status': ['HTTP/1.1 200 ', 'y'.repeat(10_000)],
    'white space': ['HTTP/1.1 200 OK\r\nx:', ' '.repeat(10_000)],
    'a header': ['HTTP/1.1 200 OK\r\nx: ', 'y'.repeat(10_000)],
    headers: ['HTTP/1.1 200 OK\r\n', 'set-cookie: a=b\r\n'.repeat(1000)],
    'empty lines': ['', '\r\n'.repeat(5000)],
    'answers that are none yet': ['', head('103 Early Hints', 'link: </a>').repeat(100)],
    'an extension of a chunk': [`${chunked}1;a=`, 'y'.repeat(10_000)],
    'chunks with long extensions': [chunked, `1;${'a'.repeat(9000)}\r\nx\r\n`],
    'the size of a chunk': [chunked, '0'.repeat(10_000)],
    trailers: [`${chunked}1\r\na\r\n0\r\n`, 'x: y\r\n'.repeat(1000)],
  }

  it.each(Object.entries(cases))('is no answer: %s', async (_what, [beginning, piece]) => {
    const { error } = await answered((socket) => {
      socket.write(beginning)
      flood(socket, piece)
    })
    expect(error).toMatchObject({ code: 'DECODING', retryable: false })
  })

  it('is an answer where there is content between: chunks of one byte', async () => {
    const { error, detail } = await answered((socket) => {
      socket.write(chunked)
      for (let i = 0; i < 10; i += 1) socket.write('1\r\na\r\n'.repeat(20_000))
      socket.write('0\r\n\r\n')
    })
    expect(error).toBeNull()
    expect(detail.bytes).toBe(200_000)
  })

  it('is an answer where there is little of it', async () => {
    const hints = head('103 Early Hints', 'link: </a>').repeat(10)
    const { error, detail } = await answered((socket) =>
      socket.write(`${hints}${head('200 OK', 'content-length: 2')}hi`),
    )
    expect(error).toBeNull()
    expect(detail).toMatchObject({ status: 200, bytes: 2 })
  })
})
