/** Origins that misbehave, each in its own way, through a whole server: each fails its own tasks, and nobody else's. */

import { createServer, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ApiClient } from '../support/api.js'
import { CERTIFICATE, PRIVATE_KEY } from '../support/certificate.js'
import { closedPort, type Origin, startOrigin } from '../support/origin.js'
import { flood, head, type RawAnswer, type RawOrigin, startRawOrigin } from '../support/raw-origin.js'
import { startTestServer, type TestServer } from '../support/server.js'

const zeros = Buffer.alloc(20_000_000)
const bomb = gzipSync(zeros)
/** So slow that it would take an hour. */
const drip = (socket: Socket, beginning: string) => {
  socket.write(beginning)
  const timer = setInterval(() => socket.write('x'), 20)
  socket.on('close', () => clearInterval(timer))
}
const endless = (beginning: string, piece: string | Buffer): RawAnswer => {
  return (socket) => {
    socket.write(beginning)
    flood(socket, piece)
  }
}
const packed = (coding: string, body: Buffer): RawAnswer => {
  return (socket) => {
    socket.write(head('200 OK', `content-encoding: ${coding}`, `content-length: ${body.length}`))
    socket.end(body)
  }
}

/** What an origin does, and what becomes of a request to it. */
const ORIGINS: Readonly<Record<string, [RawAnswer, string]>> = {
  'resets connections': [(socket) => socket.resetAndDestroy(), 'CONNECTION_RESET'],
  'hangs up': [(socket) => socket.end(), 'CONNECTION_RESET'],
  'says nothing': [() => {}, 'TIMEOUT'],
  'sends headers by the byte': [(socket) => drip(socket, 'HTTP/1.1 200 OK\r\nx: '), 'TIMEOUT'],
  'sends a body by the byte': [(socket) => drip(socket, head('200 OK', 'content-length: 100000')), 'TIMEOUT'],
  'sends chunks by the byte': [
    (socket) => drip(socket, `${head('200 OK', 'transfer-encoding: chunked')}1;`),
    'TIMEOUT',
  ],
  'cuts a body off': [(socket) => socket.end(`${head('200 OK', 'content-length: 9')}abcd`), 'BODY_TRUNCATED'],
  'cuts chunks off': [
    (socket) => socket.end(`${head('200 OK', 'transfer-encoding: chunked')}9\r\nabcd`),
    'BODY_TRUNCATED',
  ],
  'has two lengths': [
    (socket) => socket.end(`${head('200 OK', 'content-length: 4', 'content-length: 8')}abcdefgh`),
    'DECODING',
  ],
  'sends no gzip': [packed('gzip', Buffer.from('this is no gzip')), 'DECODING'],
  'sends a bomb': [packed('gzip', bomb), 'BODY_TOO_LARGE'],
  'sends a bomb in a bomb': [packed('br, gzip', gzipSync(brotliCompressSync(zeros))), 'BODY_TOO_LARGE'],
  'sends a body without an end': [endless(head('200 OK'), zeros), 'BODY_TOO_LARGE'],
  'sends headers without an end': [endless('HTTP/1.1 200 OK\r\n', 'x: y\r\n'.repeat(1000)), 'DECODING'],
  'sends a status without an end': [endless('HTTP/1.1 200 ', 'y'.repeat(10_000)), 'DECODING'],
  'is no web server': [(socket) => socket.end('220 mail.test ESMTP\r\n'), 'DECODING'],
  'redirects to itself': [
    (socket) => socket.end(head('302 Found', 'location: /', 'content-length: 0')),
    'TOO_MANY_REDIRECTS',
  ],
  'redirects to a file': [
    (socket) => socket.end(head('302 Found', 'location: file:///etc/passwd', 'content-length: 0')),
    'DESTINATION_FORBIDDEN',
  ],
  'redirects inside': [
    (socket) => socket.end(head('302 Found', 'location: http://10.0.0.1/', 'content-length: 0')),
    'DESTINATION_FORBIDDEN',
  ],
  'redirects to nothing': [
    (socket) => socket.end(head('302 Found', 'location: http://[', 'content-length: 0')),
    'INVALID_INPUT',
  ],
}

let server: TestServer
let api: ApiClient
let good: Origin
const hostile = new Map<string, RawOrigin>()
const others: { url: string; code: string; close(): Promise<void> }[] = []

/** An origin that has nothing to do with HTTP. */
async function listen(listener: ReturnType<typeof createServer>, scheme: string, code: string): Promise<void> {
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const { port } = listener.address() as { port: number }
  const sockets = new Set<Socket>()
  listener.on('connection', (socket) => sockets.add(socket.on('error', () => undefined)))
  const close = async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise<void>((resolve) => listener.close(() => resolve()))
  }
  others.push({ url: `${scheme}://127.0.0.1:${port}/`, code, close })
}

beforeAll(async () => {
  good = await startOrigin()
  for (const [name, [answer]] of Object.entries(ORIGINS)) hostile.set(name, await startRawOrigin(answer))
  await listen(createTlsServer({ cert: CERTIFICATE, key: PRIVATE_KEY }), 'https', 'TLS')
  await listen(
    createServer((socket) => socket.once('data', () => socket.end('HTTP/1.1 400 Bad\r\n\r\n'))),
    'https',
    'TLS',
  )
  await listen(createServer(), 'https', 'TIMEOUT')
  const refused = { url: `http://127.0.0.1:${await closedPort()}/`, code: 'CONNECTION_REFUSED', close: async () => {} }
  const unknown = { url: `http://${'a'.repeat(64)}.test/`, code: 'DNS', close: async () => {} }
  others.push(refused, unknown)
  server = await startTestServer({ HEDDLE_ALLOW_HOSTS: '127.0.0.1' })
  api = server.api
})

afterAll(async () => {
  await server.close()
  await good.close()
  await Promise.all([...hostile.values(), ...others].map((origin) => origin.close()))
})

interface Failed {
  index: number
  error: { code: string } | null
}

describe.each(['ASYNC', 'THREADS', 'PROCESSES'])('under %s', (strategy) => {
  it('each fails its own tasks with its own code, and nobody else’s', async () => {
    const expected = [
      ...Array.from(hostile, ([name, { url }]) => ({ url: `${url}/`, code: ORIGINS[name]?.[1] })),
      ...others,
    ]
    // Between any two that misbehave is one that does not.
    const urls = expected.flatMap(({ url }) => [url, `${good.url}/ok`])
    const options = { strategy, timeoutMs: 2000, retry: { maxAttempts: 1 }, concurrency: 64 }
    const innocent = api.launchFetch({
      source: { template: { template: `${good.url}/json?i={i}`, to: 500 } },
      options: { strategy, retry: { maxAttempts: 1 } },
    })
    const mixed = await api.start(api.launchFetch({ source: { urls }, options }))
    expect(await api.ended(await api.start(innocent))).toBe('SUCCEEDED')
    expect(await api.ended(mixed)).toBe('PARTIAL')
    const tasks = await api.tasks<Failed>(mixed, 'index error { code }')
    const codes = new Map(tasks.map(({ index, error }) => [index, error?.code]))
    for (const [at, { url, code }] of expected.entries()) {
      const name = [...hostile].find(([, origin]) => url.startsWith(origin.url))?.[0] ?? url
      expect(`${name}: ${codes.get(2 * at)}`).toBe(`${name}: ${code}`)
      expect(codes.get(2 * at + 1)).toBeUndefined()
    }
    expect(server.logged).toEqual([])
  })
})
