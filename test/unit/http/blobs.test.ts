import { mkdtempSync, readdirSync, rmSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createHttpServer, type HttpServer } from '../../../src/http/server.js'
import { type TestServices, testServices } from '../../support/fake-services.js'
import { until } from '../../support/until.js'

const HASH = 'ab'.repeat(32)
const LARGE_BYTES = 200_000_000
const ORIGIN = 'https://app.example.com'

let folder: string
let path: string
let services: TestServices
let server: HttpServer
let url: string

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'heddle-blobs-'))
  path = join(folder, HASH.slice(2))
  services = testServices()
  server = createHttpServer({ services, introspection: true, origins: [ORIGIN], readiness: () => [], closeGraceMs: 50 })
  url = `${(await server.listen(0, '127.0.0.1')).url}/blobs/${HASH}`
})
afterEach(async () => {
  await server.close()
  rmSync(folder, { recursive: true })
})

function hold(bytes: number): void {
  writeFileSync(path, '')
  truncateSync(path, bytes)
  services.runs.files.set(HASH, { path, bytes })
}

function get(headers: Record<string, string> = {}): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request(url, { headers }, resolve).on('error', reject).end()
  })
}

/** Files of the folder that this process has open. */
const openFiles = () => readdirSync('/proc/self/fd').length

describe('/blobs', () => {
  it.each([
    '/blobs/../heddle.db',
    '/blobs/%2e%2e/heddle.db',
    '/blobs/..%2fheddle.db',
    '/blobs/%2e%2e%2fheddle.db',
    '/blobs/%252e%252e%252fheddle.db',
    '/blobs/..%5cheddle.db',
    '/blobs/..\\heddle.db',
    '/blobs/....//heddle.db',
    '/blobs/../../../../../../etc/passwd',
    '/../../etc/passwd',
    `/blobs/../blobs/${HASH}`,
    `/blobs/./${HASH}`,
    `/blobs//${HASH}`,
    `//blobs/${HASH}`,
    `/blobs/${HASH}/`,
    `/blobs/${HASH}/../../heddle.db`,
    `/blobs/${HASH}%00`,
    `/blobs/${HASH}%00.txt`,
    `/blobs/${HASH};x`,
    `/blobs/${HASH}#x`,
    `/blobs/${HASH.toUpperCase()}`,
    `/blobs/%61${HASH.slice(1)}`,
    `/%62lobs/${HASH}`,
    `/Blobs/${HASH}`,
    '/blobs/tmp',
    `/blobs/${'a'.repeat(10_000)}`,
    'file:///etc/passwd',
    '*',
  ])('has nothing at %.60s, as it is sent', async (target) => {
    hold(3)
    writeFileSync(join(folder, 'heddle.db'), 'secret')
    const { port } = new URL(url)
    const answer = await new Promise<string>((resolve, reject) => {
      let text = ''
      const socket = connect(Number(port), '127.0.0.1', () => {
        socket.end(`GET ${target} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nconnection: close\r\n\r\n`)
      })
      socket.setEncoding('latin1').on('error', reject)
      socket.on('data', (piece) => {
        text += piece
      })
      socket.on('close', () => resolve(text))
    })
    expect(answer).toMatch(/^HTTP\/1\.1 40[04] /)
    expect(answer).not.toContain('secret')
    expect(answer).not.toContain(folder)
  })

  it('sends a large body without holding it', async () => {
    hold(LARGE_BYTES)
    const before = process.memoryUsage().external
    let peak = 0
    let bytes = 0
    for await (const piece of await get()) {
      bytes += (piece as Buffer).length
      peak = Math.max(peak, process.memoryUsage().external)
    }
    expect(bytes).toBe(LARGE_BYTES)
    expect(peak - before).toBeLessThan(LARGE_BYTES / 2)
  })

  it('lets go of the file where its client goes', async () => {
    hold(LARGE_BYTES)
    const before = openFiles()
    const response = await get()
    await new Promise<void>((resolve) => response.once('data', () => resolve()))
    response.destroy()
    await until(() => openFiles() <= before)
    expect(services.logged).toEqual([])
  })

  it('does not hold up the end of the server for a client that does not read', async () => {
    hold(LARGE_BYTES)
    const before = openFiles()
    const response = await get()
    const cut = new Promise<void>((resolve) => response.once('error', () => resolve()))
    const closing = server.close()
    await new Promise((resolve) => setImmediate(resolve))
    services.clock.advance(50)
    await closing
    response.resume()
    await cut
    expect(response.complete).toBe(false)
    await until(() => openFiles() <= before)
  })

  it('has nothing where the file goes between the question and the answer', async () => {
    hold(10)
    unlinkSync(path)
    const response = await get()
    expect(response.statusCode).toBe(404)
    expect(response.headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'no-store',
    })
    expect(response.headers['content-disposition']).toBeUndefined()
    expect(response.headers.etag).toBeUndefined()
    response.resume()
  })

  it('tells nothing of a fault but the log', async () => {
    services.store.body = () => Promise.reject(new Error('secret'))
    const response = await get()
    expect(response.statusCode).toBe(500)
    expect(await response.setEncoding('utf8').toArray()).toEqual([
      JSON.stringify({ errors: [{ message: 'Internal error', extensions: { code: 'INTERNAL' } }] }),
    ])
    expect(services.logged).toHaveLength(1)
  })

  it('lets pages read it that may call, and no others', async () => {
    hold(10)
    const listed = await get({ origin: ORIGIN })
    listed.resume()
    expect([listed.statusCode, listed.headers['access-control-allow-origin']]).toEqual([200, ORIGIN])
    const foreign = await get({ origin: 'https://evil.example' })
    foreign.resume()
    expect([foreign.statusCode, foreign.headers['access-control-allow-origin']]).toEqual([403, undefined])
  })

  it('says that a body is the same, also to a client that wants no answer from a cache', async () => {
    hold(10)
    for (const value of [`"${HASH}"`, `W/"${HASH}"`, `"x", "${HASH}"`, '*']) {
      const response = await get({ 'if-none-match': value, 'cache-control': 'no-cache' })
      expect([response.statusCode, response.headers.etag]).toEqual([304, `"${HASH}"`])
      response.resume()
    }
  })

  it('gives all of a body that is shorter than the end that is asked for', async () => {
    hold(10)
    for (const range of ['bytes=-10', 'bytes=-11', 'bytes = -99999999999999999999 ']) {
      const response = await get({ range })
      expect([response.statusCode, response.headers['content-range']]).toEqual([206, 'bytes 0-9/10'])
      response.resume()
    }
  })

  it('has no date of a change, and takes none for a condition', async () => {
    hold(10)
    for (const header of ['if-unmodified-since', 'if-modified-since']) {
      const response = await get({ [header]: new Date(0).toUTCString() })
      expect(response.statusCode).toBe(200)
      response.resume()
    }
  })

  it('gives no range of an empty body', async () => {
    hold(0)
    const response = await get({ range: 'bytes=0-' })
    response.resume()
    expect([response.statusCode, response.headers['content-range']]).toEqual([416, 'bytes */0'])
  })
})
