/** Answers that were valid once, with a few bytes changed, cut where it hurts: whatever comes of it is an outcome. */

import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { TaskErrorCode } from '../../../src/domain/errors.js'
import type { Fetcher } from '../../../src/fetching/fetcher.js'
import { createFetcher } from '../../../src/fetching/http.js'
import { head, type RawOrigin, startRawOrigin } from '../../support/raw-origin.js'
import { until } from '../../support/until.js'
import { get } from './client.js'

interface Answer {
  bytes: Buffer
  /** Sent in pieces of that many. */
  piece: number
  end: 'stays' | 'ends' | 'resets'
}

let answer: Answer
let origin: RawOrigin
let fetcher: Fetcher
let bystander: Fetcher
let folder: string
const unhandled: unknown[] = []
const note = (error: unknown) => void unhandled.push(error)

beforeAll(async () => {
  origin = await startRawOrigin((socket, path) => {
    if (path === '/well') socket.write(`${head('200 OK', 'content-length: 4')}well`)
    else send(socket, answer)
  })
  fetcher = createFetcher({ allow: ['127.0.0.1'], memoryMb: 8 })
  bystander = createFetcher({ allow: ['127.0.0.1'] })
  folder = mkdtempSync(join(tmpdir(), 'heddle-mutations-'))
  process.on('uncaughtException', note)
})

afterAll(async () => {
  process.off('uncaughtException', note)
  await Promise.all([fetcher.close(), bystander.close()])
  await origin.close()
  rmSync(folder, { recursive: true })
})

function send(socket: Socket, { bytes, piece, end }: Answer): void {
  const step = (at: number) => {
    if (socket.destroyed) return
    if (at < bytes.length) {
      socket.write(bytes.subarray(at, at + piece))
      setImmediate(step, at + piece)
    } else if (end === 'ends') socket.end()
    else if (end === 'resets') socket.resetAndDestroy()
  }
  step(0)
}

const content = fc.oneof(
  fc.constant(''),
  fc.string({ maxLength: 200 }),
  fc.json(),
  fc.nat(300_000).map((length) => 'abc'.repeat(length / 3)),
)
const status = fc.constantFrom(200, 200, 200, 204, 304, 302, 500, 103, 101, 206, 999)
const frame = fc.constantFrom('length', 'chunks', 'end', 'wrong length')

const valid = fc
  .record({
    content,
    status,
    frame,
    gzip: fc.boolean(),
    headers: fc.subarray(['connection: close', 'upgrade: x', 'location: /', 'x: y']),
  })
  .map((one) => {
    const body = one.gzip ? gzipSync(one.content) : Buffer.from(one.content)
    const headers = [...one.headers, ...(one.gzip ? ['content-encoding: gzip'] : [])]
    if (one.frame === 'length') headers.push(`content-length: ${body.length}`)
    if (one.frame === 'wrong length') headers.push(`content-length: ${body.length + 7}`)
    if (one.frame === 'chunks') headers.push('transfer-encoding: chunked')
    const size = Buffer.from(`${body.length.toString(16)}\r\n`)
    const framed = one.frame === 'chunks' ? Buffer.concat([size, body, Buffer.from('\r\n0\r\n\r\n')]) : body
    return Buffer.concat([Buffer.from(head(`${one.status} X`, ...headers)), framed])
  })

const changed = fc
  .record({
    bytes: valid,
    changes: fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(255)), { maxLength: 3 }),
    length: fc.oneof(fc.constant(1), fc.double({ min: 0, max: 1, noNaN: true })),
    tail: fc.constantFrom('', '', '\r\n', 'garbage', `${head('200 OK', 'content-length: 2')}hi`),
  })
  .map(({ bytes, changes, length, tail }) => {
    const copy = Buffer.concat([bytes.subarray(0, Math.ceil(bytes.length * length)), Buffer.from(tail)])
    // Most of them where the headers are.
    for (const [place, byte] of changes) copy[Math.floor(place ** 4 * copy.length)] = byte
    return copy
  })

it('is told by a code, ends nothing else, and leaves nothing behind', async () => {
  const answers = fc.record({
    bytes: changed,
    piece: fc.constantFrom(1_000_000, 20_000, 100),
    end: fc.constantFrom('stays', 'ends', 'resets'),
  })
  const policies = fc.constantFrom('DISCARD', 'TEXT', 'JSON', 'STORE')
  const property = fc.asyncProperty(answers, policies, async (given, bodyPolicy) => {
    answer = { ...given, end: given.end as Answer['end'] }
    const fileStem = bodyPolicy === 'STORE' ? { fileStem: join(folder, 'body') } : {}
    const options = { bodyPolicy, maxRedirects: 2 } as const
    const { error } = await get(fetcher, `${origin.url}/`, { options, timeoutMs: 60, ...fileStem })
    if (error !== null) expect(TaskErrorCode).toHaveProperty(error.code)
    // The origin's connections bear what it does with them, and no others.
    expect((await get(bystander, `${origin.url}/well`, { options: { bodyPolicy: 'TEXT' } })).output).toBe('"well"')
    expect(unhandled).toEqual([])
  })
  await fc.assert(property, { numRuns: 200 })
  await until(() => readdirSync(folder).every((name) => !name.endsWith('.part')))
})
