/**
 * The demonstration's origin: a web server with real documents, compressed where the client takes it, that answers as
 * slowly as it is asked to.
 *
 *     /                      links to all documents
 *     /wiki/… and /terms/…   articles as HTML, with .json as JSON
 *     /numbers/<1 to 60>.json  a number, as something to compute with
 *     /download/<number>     a file that takes its delay in the middle of its body: 2,000 ms if nothing else is asked
 *     ?delayMs=<number>      on any of them: how long it takes, up to a minute
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { DOCUMENTS, type Document, download } from './documents.js'

/** Resolves after `delayMs`; rejects when the signal aborts. */
export type Wait = (delayMs: number, signal: AbortSignal) => Promise<void>

export interface OriginOptions {
  /** 0, the default, takes a free one. */
  port?: number
  /** How delays pass. */
  wait?: Wait
}

export interface Origin {
  /** Such as `http://127.0.0.1:4001`. */
  readonly url: string
  /** Ends it and all its connections. Safe to call twice. */
  close(): Promise<void>
}

const MAX_DELAY_MS = 60_000
const DOWNLOAD_DELAY_MS = 2_000
const DOWNLOAD_PATH = /^\/download\/(\d{1,9})$/

/** Listens on 127.0.0.1 alone. Rejects where the port is taken. */
export async function startOrigin(options: OriginOptions = {}): Promise<Origin> {
  const wait: Wait = options.wait ?? ((delayMs, signal) => sleep(delayMs, undefined, { signal }))
  const server = createServer((request, response) => {
    const exchange = new Exchange(request, response, wait)
    // A client that went away during a delay is no fault; after anything else the connection is of no more use.
    exchange.answer().catch(() => response.destroy())
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port ?? 0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, close: () => close(server) }
}

async function close(server: Server): Promise<void> {
  if (!server.listening) return
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeAllConnections()
  await closed
}

/** One request and its answer. */
class Exchange {
  readonly #gone = new AbortController()

  constructor(
    private readonly request: IncomingMessage,
    private readonly response: ServerResponse,
    private readonly wait: Wait,
  ) {
    response.once('close', () => this.#gone.abort())
  }

  async answer(): Promise<void> {
    const target = this.request.url ?? '/'
    if (!URL.canParse(target, 'http://origin')) return this.#refuse(400, 'the path is none')
    const url = new URL(target, 'http://origin')
    const delayMs = requestedDelayMs(url)
    if (this.request.method !== 'GET' && this.request.method !== 'HEAD') {
      this.response.setHeader('allow', 'GET, HEAD')
      return this.#refuse(405, `${this.request.method} is not allowed here`)
    }
    if (Number.isNaN(delayMs)) return this.#refuse(400, `delayMs is a whole number from 0 to ${MAX_DELAY_MS}`)
    const file = DOWNLOAD_PATH.exec(url.pathname)
    if (file) return this.#sendInHalves(download(Number(file[1])), delayMs ?? DOWNLOAD_DELAY_MS)
    if (delayMs) await this.wait(delayMs, this.#gone.signal)
    const document = DOCUMENTS.get(url.pathname)
    if (document === undefined) return this.#refuse(404, `there is no ${url.pathname} here`)
    this.#send(document)
  }

  #send(document: Document): void {
    const encoding = preferredEncoding(this.request.headers['accept-encoding'])
    const body = encoded(document, encoding)
    if (encoding !== 'identity') this.response.setHeader('content-encoding', encoding)
    this.response.setHeader('vary', 'accept-encoding')
    this.#head(200, document.contentType, body.length)
    this.#end(body)
  }

  /** Half of the body at once and the rest after the delay, as a download does that takes its time. */
  async #sendInHalves(body: Buffer, delayMs: number): Promise<void> {
    this.#head(200, 'application/octet-stream', body.length)
    if (this.request.method === 'HEAD') return this.#end(null)
    const middle = body.length >> 1
    this.response.write(body.subarray(0, middle))
    if (delayMs > 0) await this.wait(delayMs, this.#gone.signal)
    this.#end(body.subarray(middle))
  }

  #refuse(status: number, reason: string): void {
    const body = Buffer.from(`${JSON.stringify({ error: reason })}\n`)
    this.#head(status, 'application/json', body.length)
    this.#end(body)
  }

  #head(status: number, contentType: string, bytes: number): void {
    this.response.writeHead(status, { 'content-type': contentType, 'content-length': bytes })
  }

  #end(body: Buffer | null): void {
    this.response.end(this.request.method === 'HEAD' ? null : body)
  }
}

/** Null where none is asked for, NaN where it is no delay. */
function requestedDelayMs(url: URL): number | null {
  const text = url.searchParams.get('delayMs')
  if (text === null) return null
  const delayMs = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN
  return delayMs <= MAX_DELAY_MS ? delayMs : Number.NaN
}

type Encoding = 'br' | 'gzip' | 'identity'

/** The one that the client likes best; of equals the one that makes less. */
export function preferredEncoding(header: string | undefined): Encoding {
  const weights = new Map<string, number>()
  for (const part of (header ?? '').split(',')) {
    const [name = '', ...parameters] = part.split(';').map((piece) => piece.trim().toLowerCase())
    const weight = parameters.find((parameter) => parameter.startsWith('q='))
    weights.set(name, weight === undefined ? 1 : Number(weight.slice(2)))
  }
  const weightOf = (name: Encoding) => weights.get(name) ?? weights.get('*') ?? 0
  const [brotli, gzip] = [weightOf('br'), weightOf('gzip')]
  if (brotli > 0 && brotli >= gzip) return 'br'
  return gzip > 0 ? 'gzip' : 'identity'
}

const compressed = new WeakMap<Document, Partial<Record<Encoding, Buffer>>>()

/** Compresses once a document and encoding. */
function encoded(document: Document, encoding: Encoding): Buffer {
  if (encoding === 'identity') return document.body
  const forms = compressed.get(document) ?? {}
  compressed.set(document, forms)
  forms[encoding] ??= encoding === 'br' ? brotliCompressSync(document.body) : gzipSync(document.body)
  return forms[encoding]
}
