import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { connect } from 'node:net'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from 'vitest'
import { DOCUMENTS, download } from '../../../src/demo/documents.js'
import { type Origin, preferredEncoding, startOrigin, type Wait } from '../../../src/demo/origin.js'

const open: Origin[] = []

async function origin(wait?: Wait): Promise<string> {
  const started = await startOrigin(wait ? { wait } : {})
  open.push(started)
  return started.url
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()))
})

interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
}

/** node:http, as fetch would decode the body and hide how it travelled. */
function get(url: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { headers, method, agent: false }, (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts) })
      })
      response.on('error', reject)
    })
    request.on('error', reject)
    request.end()
  })
}

/** A wait that the test lets go by hand. */
function heldWait() {
  const held: { delayMs: number; signal: AbortSignal; release: () => void }[] = []
  let arrived: (() => void) | null = null
  const wait: Wait = (delayMs, signal) =>
    new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      held.push({ delayMs, signal, release: resolve })
      arrived?.()
    })
  const next = async () => {
    if (held.length === 0) await new Promise<void>((resolve) => (arrived = resolve))
    const first = held.shift()
    if (first === undefined) throw new Error('nothing waits')
    return first
  }
  return { wait, next }
}

describe('documents', () => {
  it('links from the front page to every other document', async () => {
    const { body } = await get(`${await origin()}/`)
    const links = Array.from(body.toString().matchAll(/href="(\/[^"]+)"/g), (match) => match[1])
    expect(new Set(links)).toEqual(
      new Set([...DOCUMENTS.keys()].filter((path) => path !== '/' && !path.startsWith('/numbers/'))),
    )
    expect(links.length).toBe(48)
  })

  it('has only links that lead somewhere, in pages and in data', () => {
    for (const [path, { body, contentType }] of DOCUMENTS) {
      const text = body.toString()
      const links = contentType.startsWith('text/html')
        ? Array.from(text.matchAll(/href="([^"]+)"/g), (match) => match[1] ?? '')
        : ((JSON.parse(text) as { seeAlso?: { path: string }[] }).seeAlso ?? []).map((link) => link.path)
      expect(
        links.filter((link) => !DOCUMENTS.has(link)),
        path,
      ).toEqual([])
    }
  })

  it('serves an article as a page and as data', async () => {
    const url = await origin()
    const page = await get(`${url}/wiki/heddle`)
    expect(page.status).toBe(200)
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8')
    expect(page.headers['content-length']).toBe(String(page.body.length))
    expect(page.body.toString()).toContain('<h1>Heddle</h1>')
    const data = await get(`${url}/wiki/heddle.json`)
    expect(data.headers['content-type']).toBe('application/json')
    const article = JSON.parse(data.body.toString())
    expect(article).toMatchObject({ title: 'Heddle', path: '/wiki/heddle' })
    expect(article.words).toBe(article.paragraphs.join(' ').split(' ').length)
  })
})

describe('content encoding', () => {
  const decoders = { br: brotliDecompressSync, gzip: gunzipSync }

  it.each(['br', 'gzip'] as const)('sends %s to those who take it', async (encoding) => {
    const url = await origin()
    for (const path of ['/wiki/loom', '/wiki/loom.json']) {
      const answer = await get(url + path, { 'accept-encoding': encoding })
      expect(answer.headers['content-encoding']).toBe(encoding)
      expect(answer.headers.vary).toBe('accept-encoding')
      expect(answer.headers['content-length']).toBe(String(answer.body.length))
      const plain = DOCUMENTS.get(path)?.body ?? Buffer.alloc(0)
      expect(answer.body.length).toBeLessThan(plain.length)
      expect(decoders[encoding](answer.body).equals(plain)).toBe(true)
    }
  })

  it('sends plain bytes to those who take nothing else', async () => {
    const answer = await get(`${await origin()}/wiki/loom`)
    expect(answer.headers['content-encoding']).toBeUndefined()
    expect(answer.body.equals(DOCUMENTS.get('/wiki/loom')?.body ?? Buffer.alloc(0))).toBe(true)
  })

  it.each([
    [undefined, 'identity'],
    ['', 'identity'],
    ['deflate', 'identity'],
    ['identity', 'identity'],
    ['gzip', 'gzip'],
    ['br', 'br'],
    ['gzip, deflate, br', 'br'],
    ['gzip;q=1, br;q=0.5', 'gzip'],
    ['gzip;q=0, br;q=0', 'identity'],
    ['br;q=0, *', 'gzip'],
    ['*', 'br'],
    ['*;q=0', 'identity'],
    ['GZIP ; Q=0.3', 'gzip'],
  ] as const)('reads "%s" as %s', (header, expected) => {
    expect(preferredEncoding(header)).toBe(expected)
  })
})

describe('delays', () => {
  it('answers a document only when its delay is over', async () => {
    const { wait, next } = heldWait()
    const url = await origin(wait)
    let answered = false
    const answer = get(`${url}/wiki/loom?delayMs=250`).finally(() => {
      answered = true
    })
    const waiting = await next()
    expect(waiting.delayMs).toBe(250)
    expect(answered).toBe(false)
    waiting.release()
    expect((await answer).status).toBe(200)
  })

  it('waits in the middle of a download', async () => {
    const { wait, next } = heldWait()
    const url = await origin(wait)
    const expected = download(7)
    const received: Buffer[] = []
    let bytes = 0
    let half: () => void = () => {}
    const halfArrived = new Promise<void>((resolve) => (half = resolve))
    const ended = new Promise<void>((resolve, reject) => {
      const request = httpRequest(`${url}/download/7`, { agent: false }, (response) => {
        expect(response.headers['content-length']).toBe(String(expected.length))
        response.on('data', (part: Buffer) => {
          received.push(part)
          bytes += part.length
          if (bytes >= expected.length / 2) half()
        })
        response.on('end', resolve)
        response.on('error', reject)
      })
      request.on('error', reject)
      request.end()
    })
    const waiting = await next()
    await halfArrived
    expect(waiting.delayMs).toBe(2_000)
    expect(bytes).toBe(expected.length / 2)
    waiting.release()
    await ended
    expect(Buffer.concat(received).equals(expected)).toBe(true)
  })

  it('sends the same file for the same number and others for others', () => {
    expect(download(3).equals(download(3))).toBe(true)
    expect(download(3).equals(download(4))).toBe(false)
  })

  it('stops waiting for a client that has gone', async () => {
    const { wait, next } = heldWait()
    const url = await origin(wait)
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    socket.write('GET /wiki/loom?delayMs=60000 HTTP/1.1\r\nhost: origin\r\n\r\n')
    const { signal } = await next()
    const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    socket.destroy()
    await aborted
    expect((await get(`${url}/`)).status).toBe(200)
  })

  it('really waits where nobody holds the time', async () => {
    const answer = await get(`${await origin()}/download/1?delayMs=1`)
    expect(answer.body.equals(download(1))).toBe(true)
  })

  it.each(['-1', '1.5', 'soon', '60001', ''])('refuses a delay of "%s"', async (delayMs) => {
    const answer = await get(`${await origin()}/?delayMs=${delayMs}`)
    expect(answer.status).toBe(400)
    expect(JSON.parse(answer.body.toString()).error).toContain('from 0 to 60000')
  })
})

describe('refusals', () => {
  it('answers 404 for what is not there', async () => {
    const answer = await get(`${await origin()}/wiki/knitting`)
    expect(answer.status).toBe(404)
    expect(JSON.parse(answer.body.toString())).toEqual({ error: 'there is no /wiki/knitting here' })
  })

  it('answers 405 to what is neither GET nor HEAD', async () => {
    const answer = await get(`${await origin()}/`, {}, 'POST')
    expect(answer.status).toBe(405)
    expect(answer.headers.allow).toBe('GET, HEAD')
  })

  it('answers HEAD with the headers alone', async () => {
    const url = await origin()
    for (const path of ['/wiki/loom', '/download/1']) {
      const answer = await get(url + path, {}, 'HEAD')
      expect(answer.status).toBe(200)
      expect(Number(answer.headers['content-length'])).toBeGreaterThan(0)
      expect(answer.body.length).toBe(0)
    }
  })

  it('survives a path that is none', async () => {
    const url = await origin()
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    const answer = new Promise<string>((resolve) => socket.once('data', (data) => resolve(data.toString())))
    socket.write('GET // HTTP/1.1\r\nhost: origin\r\n\r\n')
    expect(await answer).toContain('400 Bad Request')
    socket.destroy()
    expect((await get(`${url}/`)).status).toBe(200)
  })

  it('says where its port is taken, and closes twice without harm', async () => {
    const first = await startOrigin()
    await expect(startOrigin({ port: Number(new URL(first.url).port) })).rejects.toThrow('EADDRINUSE')
    await first.close()
    await first.close()
    await expect(get(first.url)).rejects.toThrow('ECONNREFUSED')
  })
})
