import { type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { parse as parseDisposition } from 'content-disposition'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Scope } from '../../../src/domain/access.js'
import type { ExportFormat } from '../../../src/domain/exports/export.js'
import { runId } from '../../../src/domain/ids.js'
import type { RunRecord } from '../../../src/domain/run.js'
import { createHttpServer, type HttpServer, type HttpServerOptions } from '../../../src/http/server.js'
import { FETCHING } from '../../support/exported.js'
import { batchSpec } from '../../support/fake-runs.js'
import { type TestServices, testServices } from '../../support/fake-services.js'
import { until } from '../../support/until.js'

const token = (name: string, ...scopes: Scope[]) => ({ token: name, scopes: new Set(scopes) })
const TOKENS = [token('reader', 'read'), token('other', 'read'), token('launcher', 'launch')]
const PIECE = new TextEncoder().encode('x'.repeat(262_144))

let services: TestServices
let server: HttpServer
let url: string
let run: RunRecord
/** Exports that were begun, and those that were let go of. */
let opened: ExportFormat[]
let closed: number

async function start(options: Partial<HttpServerOptions> = {}): Promise<void> {
  const own = { services, introspection: true, origins: [], readiness: () => [], closeGraceMs: 50 }
  server = createHttpServer({ ...own, ...options })
  url = (await server.listen(0, '127.0.0.1')).url
}

/** Every export is so many pieces; past those it goes wrong, if it is to. */
function holds(pieces: number, error: Error | null = null): void {
  services.runs.exported = async function* (_run, format) {
    opened.push(format)
    try {
      for (let at = 0; at < pieces; at += 1) yield PIECE
      if (error !== null) throw error
    } finally {
      closed += 1
    }
  }
}

beforeEach(() => {
  services = testServices()
  run = services.runs.add({ spec: batchSpec(FETCHING) })
  opened = []
  closed = 0
  holds(2)
})
afterEach(() => server.close())

const path = (ending = 'csv') => `/runs/${runId(run.key)}/export.${ending}`
const bearer = (name: string) => ({ authorization: `Bearer ${name}` })

/** Reads nothing of the answer yet. */
function get(target: string, headers: Record<string, string> = {}): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request(url + target, { headers }, resolve)
      .on('error', reject)
      .end()
  })
}

/** Reads it to its end; rejects where it was cut. */
async function bytesOf(response: IncomingMessage): Promise<number> {
  let bytes = 0
  for await (const piece of response) bytes += (piece as Buffer).length
  return bytes
}

async function refusalOf(response: Response): Promise<[number, string, string]> {
  const { errors } = (await response.json()) as { errors: { message: string; extensions: { code: string } }[] }
  return [response.status, errors[0]?.extensions.code ?? '', errors[0]?.message ?? '']
}

describe('an export', () => {
  it.each([
    ['csv', 'CSV', 'text/csv; charset=utf-8'],
    ['ndjson', 'NDJSON', 'application/x-ndjson'],
    ['har', 'HAR', 'application/json'],
    ['trace.json', 'TRACE', 'application/json'],
  ] as const)('%s is a download that no browser runs and nobody keeps', async (ending, format, type) => {
    await start()
    const response = await fetch(url + path(ending))
    expect(await response.text()).toHaveLength(2 * PIECE.length)
    expect([response.status, opened, closed]).toEqual([200, [format], 1])
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': type,
      'content-disposition': expect.stringMatching(/^attachment; filename="/),
      'content-security-policy': "default-src 'none'; sandbox",
      'x-content-type-options': 'nosniff',
      'cross-origin-resource-policy': 'same-origin',
      'cache-control': 'private, no-store',
      'accept-ranges': 'none',
      'transfer-encoding': 'chunked',
    })
  })

  it('is called as its run is, in every script', async () => {
    run = services.runs.add({ spec: batchSpec({ name: 'nächtlich "夜"' }) })
    await start()
    const { headers } = await fetch(url + path(), { method: 'HEAD' })
    const { parameters } = parseDisposition(headers.get('content-disposition') ?? '')
    expect(parameters.filename).toMatch(/^nächtlich 夜 \d{4}-\d\d-\d\d \d{6}\.csv$/)
  })

  it('is found by the id of its run, encoded or not', async () => {
    await start()
    const encoded = `/runs/%72un%5F${run.key}/export.csv`
    expect((await fetch(url + encoded)).status).toBe(200)
  })

  it('has its headers alone for HEAD, and is not begun', async () => {
    await start()
    const response = await fetch(url + path(), { method: 'HEAD' })
    expect([response.status, await response.text(), opened]).toEqual([200, '', []])
    expect(response.headers.get('content-type')).toBe('text/csv; charset=utf-8')
  })

  it('is an empty file where there is nothing in it', async () => {
    holds(0)
    await start()
    const response = await fetch(url + path('ndjson'))
    expect([response.status, await response.text(), closed]).toEqual([200, '', 1])
  })

  it('is not there for other methods', async () => {
    await start()
    for (const method of ['POST', 'PUT', 'DELETE']) {
      const response = await fetch(url + path(), { method })
      expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
    }
  })

  it('tells that there is no such run, and that a run without fetches has no HAR', async () => {
    run = services.runs.add()
    await start()
    expect(await refusalOf(await fetch(url + path('har')))).toEqual([
      404,
      'NOT_FOUND',
      'The run has no fetches, which is what a HAR is of: csv, ndjson and trace.json are there',
    ])
    expect(await refusalOf(await fetch(`${url}/runs/run_${'0'.repeat(32)}/export.csv`))).toEqual([
      404,
      'NOT_FOUND',
      'There is no such run',
    ])
    expect(opened).toEqual([])
  })

  it.each([
    '/runs/',
    '/runs/../heddle.db',
    '/runs/../../etc/passwd',
    '/runs/%2e%2e/%2e%2e/etc/passwd',
    '/runs/..%2f..%2fheddle.db/export.csv',
    '/runs/KEY/export.csv',
    '/runs/run_KEY/',
    '/runs/run_KEY/export',
    '/runs/run_KEY/export.',
    '/runs/run_KEY/export.json',
    '/runs/run_KEY/export.CSV',
    '/runs/run_KEY/export.csv/',
    '/runs/run_KEY/export.csv/../export.csv',
    '/runs/run_KEY/../run_KEY/export.csv',
    '/runs/run_KEY/export.csv%00',
    '/runs/run_KEY/export.%63sv',
    '/runs/run_KEY/./export.csv',
    '/runs//run_KEY/export.csv',
    '/runs/%/export.csv',
    '/runs/task_KEY_0_0/export.csv',
    '/Runs/run_KEY/export.csv',
  ])('is not at %s, as it is sent', async (target) => {
    await start()
    const { port } = new URL(url)
    const answer = await new Promise<string>((resolve, reject) => {
      let text = ''
      const socket = connect(Number(port), '127.0.0.1', () => {
        const asked = target.replaceAll('KEY', run.key)
        socket.end(`GET ${asked} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nconnection: close\r\n\r\n`)
      })
      socket.setEncoding('latin1').on('error', reject)
      socket.on('data', (piece) => {
        text += piece
      })
      socket.on('close', () => resolve(text))
    })
    expect(answer).toMatch(/^HTTP\/1\.1 404 /)
    expect(answer).toContain('"NOT_FOUND"')
    expect(opened).toEqual([])
  })
})

describe('an export that cannot be had', () => {
  it('is an error where nothing of it was sent', async () => {
    holds(0, new Error('the disk is gone'))
    await start()
    const response = await fetch(url + path())
    expect(response.headers.get('content-disposition')).toBeNull()
    expect(await refusalOf(response)).toEqual([500, 'INTERNAL', 'Internal error'])
    expect(services.logged).toMatchObject([{ msg: 'a request failed', err: { message: 'the disk is gone' } }])
  })

  it('is cut where some of it was: what came is not taken for all', async () => {
    holds(3, new Error('the run was deleted'))
    await start()
    const response = await get(path())
    await expect(bytesOf(response)).rejects.toThrow('aborted')
    expect(response.complete).toBe(false)
    expect(services.logged).toMatchObject([{ err: { message: 'the run was deleted' } }])
    await until(() => closed === 1)
  })

  it('is cut where the server leaves', async () => {
    holds(Number.POSITIVE_INFINITY)
    await start()
    const response = await get(path())
    const read = bytesOf(response)
    const left = server.close()
    services.clock.advance(50)
    await Promise.all([left, expect(read).rejects.toThrow('aborted')])
    await until(() => closed === 1)
    expect(services.logged).toEqual([])
  })

  it('is for later where as many as can be are under way', async () => {
    holds(Number.POSITIVE_INFINITY)
    await start()
    const open = await Promise.all(Array.from({ length: 16 }, () => get(path())))
    const refused = await fetch(url + path())
    expect(refused.headers.get('retry-after')).toBe('2')
    expect((await refusalOf(refused)).slice(0, 2)).toEqual([429, 'RATE_LIMITED'])
    expect((await fetch(url + path(), { method: 'HEAD' })).status).toBe(200)
    for (const response of open) response.destroy()
    await until(() => closed === 16)
    const again = await get(path())
    expect(again.statusCode).toBe(200)
    again.destroy()
  })
})

describe('a client that', () => {
  it('reads slowly is waited for: no more is read than it takes', async () => {
    let taken = 0
    services.runs.exported = async function* () {
      for (; taken < 1_000; taken += 1) yield PIECE
    }
    await start()
    const response = await get(path())
    await new Promise((resolve) => response.once('readable', resolve))
    let before = -1
    // What the system itself takes is full when nothing more is read over many turns.
    for (let turns = 0; turns < 500; turns += 1) {
      if (taken !== before) turns = 0
      before = taken
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(taken).toBeLessThan(100)
    expect(await bytesOf(response)).toBe(1_000 * PIECE.length)
  })

  it('goes away ends the reading', async () => {
    holds(Number.POSITIVE_INFINITY)
    await start()
    const response = await get(path())
    await new Promise((resolve) => response.once('data', resolve))
    response.destroy()
    await until(() => closed === 1)
    expect(services.logged).toEqual([])
  })

  it('goes away before anything of it was there ends it, too', async () => {
    let begin = () => {}
    services.runs.exported = async function* (_run, format) {
      opened.push(format)
      try {
        await new Promise<void>((resolve) => {
          begin = resolve
        })
        yield PIECE
      } finally {
        closed += 1
      }
    }
    await start()
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    socket.write(`GET ${path()} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`)
    await until(() => opened.length === 1)
    const gone = new Promise((resolve) => socket.once('close', resolve))
    socket.destroy()
    await gone
    // Its end has come to the server when it answers somebody who came later.
    for (let times = 0; times < 3; times += 1) await fetch(`${url}/health`)
    begin()
    await until(() => closed === 1)
    expect(services.logged).toEqual([])
  })

  it('takes nothing is cut off', async () => {
    holds(Number.POSITIVE_INFINITY)
    await start({ idleMs: 100 })
    const response = await get(path())
    await until(() => closed === 1)
    response.resume()
    await new Promise((resolve) => response.once('close', resolve))
    expect(response.complete).toBe(false)
  })
})

describe('with tokens', () => {
  const linkFor = (name: string, ending = 'csv') => ask(name, ending)

  /** The link that a token gets. */
  async function ask(name: string, ending: string): Promise<string> {
    const format = ending === 'csv' ? 'CSV' : 'NDJSON'
    const query = `{ run(id: "${runId(run.key)}") { exportUrl(format: ${format}) } }`
    const headers = { 'content-type': 'application/json', ...bearer(name) }
    const response = await fetch(`${url}/graphql`, { method: 'POST', headers, body: JSON.stringify({ query }) })
    const { data } = (await response.json()) as { data: { run: { exportUrl: string } } }
    return data.run.exportUrl
  }

  it('takes the scope read by header', async () => {
    await start({ tokens: TOKENS })
    expect((await fetch(url + path(), { headers: bearer('reader') })).status).toBe(200)
    expect(await refusalOf(await fetch(url + path(), { headers: bearer('launcher') }))).toEqual([
      403,
      'FORBIDDEN',
      'This takes a token with the scope read',
    ])
    expect((await refusalOf(await fetch(url + path())))[0]).toBe(401)
  })

  it('is opened by its link, without a token or with one that opens nothing', async () => {
    await start({ tokens: TOKENS })
    const link = await linkFor('reader')
    for (const headers of [{}, bearer('launcher'), bearer('nobody')]) {
      expect((await fetch(url + link, { headers })).status).toBe(200)
      expect((await fetch(url + link, { headers, method: 'HEAD' })).status).toBe(200)
    }
    expect((await fetch(url + link, { method: 'POST' })).status).toBe(405)
    expect((await fetch(url + link.replace('/run_', '/%72un_'))).status).toBe(200)
  })

  it('is not opened by a link to something else, nor is anything else by a link', async () => {
    const other = services.runs.add({ spec: batchSpec(FETCHING) })
    await start({ tokens: TOKENS })
    const link = await linkFor('reader')
    const query = link.slice(link.indexOf('?'))
    for (const target of [path('ndjson'), path().replace(run.key, other.key)]) {
      expect((await refusalOf(await fetch(url + target + query))).slice(0, 2)).toEqual([403, 'FORBIDDEN'])
    }
    for (const target of ['/', '/graphql', '/nowhere', '/runs/x/export.csv', `/blobs/${'0'.repeat(64)}`]) {
      expect((await refusalOf(await fetch(url + target + query))).slice(0, 2)).toEqual([401, 'UNAUTHENTICATED'])
    }
  })

  it('says that a link has expired, and takes a token all the same', async () => {
    await start({ tokens: TOKENS })
    const link = await linkFor('reader')
    services.clock.advance(3_600_000)
    expect(await refusalOf(await fetch(url + link))).toEqual([
      403,
      'FORBIDDEN',
      'The link has expired: ask for Run.exportUrl again, or send a token',
    ])
    expect((await fetch(url + link, { headers: bearer('other') })).status).toBe(200)
  })

  it('does not know a link any more whose token is gone, or may not read any more', async () => {
    await start({ tokens: TOKENS })
    const link = await linkFor('reader')
    for (const tokens of [TOKENS.slice(1), [token('reader', 'launch')]]) {
      await server.close()
      await start({ tokens })
      expect((await refusalOf(await fetch(url + link))).slice(0, 2)).toEqual([403, 'FORBIDDEN'])
    }
  })

  it('counts as a request of the token, and forged links by the address', async () => {
    await start({ tokens: TOKENS, rateLimit: 3 })
    const link = await linkFor('reader')
    const statuses = async (target: string) => {
      const all: number[] = []
      for (let times = 0; times < 4; times += 1) all.push((await fetch(url + target, { method: 'HEAD' })).status)
      return all
    }
    expect(await statuses(link)).toEqual([200, 200, 429, 429])
    expect(await statuses(`${link}x`)).toEqual([403, 403, 403, 429])
  })

  it('leaves the others room: one token has half of what can be under way, its links included', async () => {
    holds(Number.POSITIVE_INFINITY)
    await start({ tokens: TOKENS })
    const link = await linkFor('reader')
    const byHeader = (name: string) => get(path(), bearer(name))
    const open = await Promise.all([1, 2, 3, 4].flatMap(() => [get(link), byHeader('reader')]))
    expect(open.map(({ statusCode }) => statusCode)).toEqual(Array(8).fill(200))
    for (const refused of [await fetch(url + link), await fetch(url + path(), { headers: bearer('reader') })]) {
      expect(refused.headers.get('retry-after')).toBe('2')
      expect(await refusalOf(refused)).toEqual([
        429,
        'RATE_LIMITED',
        '8 exports of this token and its links are under way, which is as many as it can have',
      ])
    }
    const others = await byHeader('other')
    expect(others.statusCode).toBe(200)
    for (const response of open) response.destroy()
    await until(() => closed === 8)
    const again = await get(link)
    expect(again.statusCode).toBe(200)
    for (const response of [others, again]) response.destroy()
  })

  it('needs no signature without tokens, and minds none', async () => {
    await start()
    expect((await fetch(`${url}${path()}?expires=1&signature=x`)).status).toBe(200)
  })
})

describe('from a browser', () => {
  const visit = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }

  it('is there for whoever follows a link, wherever it stands', async () => {
    await start()
    for (const site of ['cross-site', 'same-site', 'same-origin', 'none']) {
      const response = await get(path(), { ...visit, 'sec-fetch-site': site })
      expect(response.statusCode).toBe(200)
      response.resume()
    }
  })

  it.each([
    ['an image', { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' }],
    ['a script', { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'script' }],
    ['a frame', { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' }],
    ['a fetch', { 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' }],
  ])('is not there for %s of another site', async (_, headers) => {
    await start()
    const response = await get(path(), { ...headers, 'sec-fetch-site': 'cross-site' })
    expect(response.statusCode).toBe(403)
    response.resume()
    expect(opened).toEqual([])
  })

  it('is not there for a page of another origin', async () => {
    await start()
    expect((await fetch(url + path(), { headers: { ...visit, origin: 'https://evil.example' } })).status).toBe(403)
  })
})
