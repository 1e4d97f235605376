import { createHash } from 'node:crypto'
import fs, { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createGzip } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Fetcher } from '../../../src/fetching/fetcher.js'
import { createFetcher } from '../../../src/fetching/http.js'
import { type Origin, startOrigin } from '../../support/origin.js'
import { letters } from '../../support/origin-routes.js'
import { until } from '../../support/until.js'
import { get } from './client.js'

const STORE = { bodyPolicy: 'STORE' as const, maxBytes: 1e9 }

let folder: string
let stem: string
let fetcher: Fetcher
let origin: Origin

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'heddle-stored-'))
  stem = join(folder, 'run.0')
  fetcher = createFetcher({ allow: ['127.0.0.1'] })
  origin = await startOrigin()
})
afterEach(async () => {
  vi.restoreAllMocks()
  await fetcher.close()
  await origin.close()
  rmSync(folder, { recursive: true })
})

const files = () => readdirSync(folder)

describe('a fetch that stores', () => {
  it.each([
    '/bytes?n=0',
    '/bytes?n=10',
    '/bytes?n=3000000',
    '/bytes?n=3000000&chunked',
    '/encoded?as=gzip&n=10',
    '/encoded?as=gzip&n=3000000',
    '/encoded?as=br,gzip&n=3000000',
    '/redirect?to=/bytes%3Fn%3D3000000&n=500',
  ])('has the decoded body whole, under its hash, when it says so: %s', async (path) => {
    const { error, output, detail } = await get(fetcher, origin.url + path, { options: STORE, fileStem: stem })
    const length = Number(/n=(\d+)/.exec(decodeURIComponent(path))?.[1])
    expect({ error, output, bytes: detail.bytes }).toEqual({ error: null, output: null, bytes: length })
    expect(files()).toEqual([`run.0.${detail.sha256}`])
    const body = readFileSync(join(folder, files()[0]!))
    expect(body.toString()).toBe(letters(length))
    expect(createHash('sha256').update(body).digest('hex')).toBe(detail.sha256)
  })

  it.each(['/status?code=404&n=100000', '/truncated?how=reset', '/corrupt?as=gzip&n=900000', '/bomb'])(
    'leaves nothing where it fails: %s',
    async (path) => {
      const options = { ...STORE, maxBytes: 2_000_000 }
      expect((await get(fetcher, origin.url + path, { options, fileStem: stem })).error).not.toBeNull()
      await until(() => files().length === 0)
    },
  )

  it.each(['aborted', 'too late'])('leaves nothing where it is %s', async (how) => {
    const abort = new AbortController()
    const timeoutMs = how === 'aborted' ? 20_000 : 200
    const wish = { options: STORE, fileStem: stem, signal: abort.signal, timeoutMs }
    const running = get(fetcher, `${origin.url}/hold-large`, wish)
    await until(() => files().length === 1)
    if (how === 'aborted') abort.abort()
    const { error, detail } = await running
    expect({ code: error?.code, sha256: detail.sha256 }).toEqual({
      code: how === 'aborted' ? 'CONNECTION_RESET' : 'TIMEOUT',
      sha256: null,
    })
    await until(() => files().length === 0)
  })

  it('fails where the disk does, and ends the transfer', async () => {
    const { error, detail } = await get(fetcher, `${origin.url}/hold-large`, {
      options: STORE,
      fileStem: join(folder, 'missing', 'run.0'),
    })
    expect(error).toMatchObject({ code: 'BODY_NOT_STORED', retryable: false })
    expect(detail).toMatchObject({ status: 200, sha256: null })
    await origin.abandoned('/hold-large')
    expect((await get(fetcher, `${origin.url}/ok`)).error).toBeNull()
  })

  it('is too late when the disk is, though the transfer was not', async () => {
    const rename = vi.spyOn(fs, 'rename').mockImplementation(() => {})
    const { error, detail } = await get(fetcher, `${origin.url}/bytes?n=10`, {
      options: STORE,
      fileStem: stem,
      timeoutMs: 300,
    })
    expect(rename).toHaveBeenCalledTimes(1)
    expect({ code: error?.code, sha256: detail.sha256 }).toEqual({ code: 'TIMEOUT', sha256: null })
  })
})

describe('a disk that does not keep up', () => {
  let server: Server
  let sent = 0
  beforeEach(async () => {
    sent = 0
    const piece = Buffer.alloc(65_536)
    // Without an end, and as fast as it is taken.
    server = createServer(async (request, response) => {
      const isPacked = request.url === '/gzip'
      response.writeHead(200, isPacked ? { 'content-encoding': 'gzip' } : {})
      const closed = new Promise((resolve) => response.once('close', resolve))
      const target = isPacked ? createGzip({ level: 0 }) : response
      if (target !== response) target.pipe(response)
      while (!response.destroyed) {
        sent += piece.length
        if (!target.write(piece)) await Promise.race([closed, new Promise((resolve) => target.once('drain', resolve))])
      }
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  })
  afterEach(() => {
    server.closeAllConnections()
    server.close()
  })

  it.each(['/plain', '/gzip'])('holds back the origin, and little of the body in memory: %s', async (path) => {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`
    const write = vi.spyOn(fs as { writev(...args: unknown[]): void }, 'writev').mockImplementation(() => {})
    const abort = new AbortController()
    const running = get(fetcher, url, { options: STORE, fileStem: stem, signal: abort.signal })
    await until(() => write.mock.calls.length > 0)
    // The origin comes to stand still as well: else this has no end.
    for (let before = Number.NaN; sent !== before; ) {
      before = sent
      for (let turn = 0; turn < 1_000; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    }
    abort.abort()
    const { detail } = await running
    expect(detail.bytes).toBeGreaterThan(0)
    expect(detail.bytes).toBeLessThan(500_000)
  })
})
