/** The HTTP server: its routes, who may call them, and how it ends. */

import { setMaxListeners } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Clock } from '../clock.js'
import type { Uploads } from '../files/uploads.js'
import type { ApiServices } from '../graphql/context.js'
import { answerError } from './answers.js'
import { hasBody, limitArrival } from './arrival.js'
import { answerBlob, BLOBS_PATH } from './blobs.js'
import { MAX_BODY_BYTES } from './body.js'
import { Connections } from './connections.js'
import { answerHealth, answerReady, type Readiness } from './health.js'
import { answerHome } from './home.js'
import { isMultipart, MultipartRequests } from './multipart.js'
import { createOperations, errorPolicy, GRAPHQL_PATH, type Operations } from './operations.js'
import { corsHeaders, isForeignForm, isForeignOrigin } from './origins.js'
import { createWebSocketHandler, type WebSocketHandler } from './websocket.js'

export interface HttpServerOptions {
  services: ApiServices
  /** GraphiQL, introspection and suggestions. */
  introspection: boolean
  /** Web origins that may call the API besides the server's own. */
  origins: readonly string[]
  readiness: Readiness
  /** Where the files of multipart requests go; without it there are none. */
  uploads?: Pick<Uploads, 'receive'>
  /** What requests under way get to end when the server closes. */
  closeGraceMs?: number
}

export interface HttpServer {
  /** Resolves with where it listens; port 0 takes a free one. Rejects where it cannot. */
  listen(port: number, host: string): Promise<{ url: string; port: number }>
  /**
   * Takes no more connections, ends all streams, lets requests under way end, and resolves when every connection is
   * closed. Streams are cut without a `complete`: clients reconnect, and take their run up where they left it. Safe to
   * call twice.
   */
  close(): Promise<void>
}

const DEFAULT_CLOSE_GRACE_MS = 2000
/** To send the head of a request. */
const HEADERS_TIMEOUT_MS = 15_000
const KEEP_ALIVE_MS = 65_000
/** What a request has besides where it offers to go on in another protocol. */
const OFFER_HEADERS: ReadonlySet<string> = new Set(['connection', 'upgrade', 'http2-settings'])

export function createHttpServer(options: HttpServerOptions): HttpServer {
  return new ApiServer(options)
}

type Handler = (req: IncomingMessage, res: ServerResponse) => void | Promise<void>

class ApiServer implements HttpServer {
  readonly #options: HttpServerOptions
  readonly #clock: Clock
  readonly #closing = new AbortController()
  readonly #operations: Operations
  readonly #multipart: MultipartRequests | null
  readonly #sockets: WebSocketHandler
  readonly #server: Server
  readonly #connections: Connections
  readonly #routes: ReadonlyMap<string, Handler>
  #closed: Promise<void> | null = null

  constructor(options: HttpServerOptions) {
    this.#options = options
    this.#clock = options.services.clock
    // Each stream listens to it, and removes its listener at its end.
    setMaxListeners(0, this.#closing.signal)
    const { services, introspection, readiness, uploads } = options
    this.#multipart = uploads ? new MultipartRequests(uploads, MAX_BODY_BYTES) : null
    const operationsOptions = {
      services,
      introspection,
      clock: this.#clock,
      closing: this.#closing.signal,
      ...(this.#multipart && { multipart: this.#multipart }),
    }
    this.#operations = createOperations(operationsOptions)
    this.#sockets = createWebSocketHandler(this.#operations, errorPolicy(operationsOptions))
    this.#routes = new Map<string, Handler>([
      ['/', (_req, res) => answerHome(res, services.vitals.version, introspection)],
      [GRAPHQL_PATH, (req, res) => this.#guarded(req, res, () => this.#graphql(req, res))],
      ['/health', (_req, res) => answerHealth(res)],
      ['/ready', (_req, res) => answerReady(res, readiness)],
    ])
    this.#server = createServer({
      headersTimeout: HEADERS_TIMEOUT_MS,
      // How long a body may take depends on what is in it: see limitArrival.
      requestTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_MS,
    })
    this.#connections = new Connections(this.#server)
    this.#server.on('request', (req, res) => this.#handle(req, res))
    this.#server.on('upgrade', (req, socket, head) => this.#upgrade(req, socket, head))
  }

  listen(port: number, host: string): Promise<{ url: string; port: number }> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, host, () => {
        this.#server.off('error', reject)
        const address = this.#server.address() as AddressInfo
        const name = address.family === 'IPv6' ? `[${address.address}]` : address.address
        resolve({ url: `http://${name}:${address.port}`, port: address.port })
      })
    })
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    const connections = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#closing.abort()
    const sockets = this.#sockets.close()
    this.#connections.closeIdle()
    const cancel = this.#clock.setTimer(() => {
      this.#sockets.terminate()
      this.#server.closeAllConnections()
    }, this.#options.closeGraceMs ?? DEFAULT_CLOSE_GRACE_MS)
    await Promise.all([connections, sockets])
    cancel()
    await this.#operations.dispose()
  }

  #handle(req: IncomingMessage, res: ServerResponse): void {
    res.setHeader('x-content-type-options', 'nosniff')
    const hasFiles = this.#multipart !== null && isMultipart(req.headers['content-type'])
    if (hasBody(req)) limitArrival({ req, res, clock: this.#clock }, { hasFiles })
    if (!URL.canParse(req.url ?? '/', `http://${req.headers.host ?? 'localhost'}`)) {
      answerError(res, 400, { code: 'BAD_USER_INPUT', message: 'The Host header or the path is no part of a URL' })
      return
    }
    const handler = this.#handlerOf(pathOf(req))
    if (handler === undefined) {
      answerError(res, 404, { code: 'NOT_FOUND', message: 'Nothing is here: the API is at /graphql' })
      return
    }
    Promise.resolve(handler(req, res)).catch((error: unknown) => {
      this.#options.services.log.error({ err: error, url: req.url }, 'a request failed')
      if (res.headersSent) res.destroy()
      else answerError(res, 500, { code: 'INTERNAL', message: 'Internal error' })
    })
  }

  #handlerOf(path: string): Handler | undefined {
    if (!path.startsWith(BLOBS_PATH)) return this.#routes.get(path)
    const { store } = this.#options.services
    return (req, res) => this.#guarded(req, res, () => answerBlob(req, res, (sha256) => store.body(sha256)))
  }

  /** What pages of other origins may not ask for. */
  async #guarded(req: IncomingMessage, res: ServerResponse, answer: () => Promise<void>): Promise<void> {
    const { origins } = this.#options
    if (isForeignOrigin(req, origins)) {
      answerError(res, 403, { code: 'FORBIDDEN', message: `Pages of ${req.headers.origin} may not call this server` })
      return
    }
    for (const [name, value] of Object.entries(corsHeaders(req, origins))) res.setHeader(name, value)
    await answer()
  }

  async #graphql(req: IncomingMessage, res: ServerResponse): Promise<void> {
    if (isMultipart(req.headers['content-type'])) {
      if (isForeignForm(req, this.#options.origins)) {
        answerError(res, 403, { code: 'FORBIDDEN', message: 'Pages of other sites may send no forms to this server' })
        return
      }
      // However it ends: where nobody waits for an answer there may be none.
      res.once('close', () => void this.#multipart?.close(req))
    }
    if (req.method === 'OPTIONS') res.writeHead(204, { allow: 'GET, POST, OPTIONS' }).end()
    else await this.#operations(req, res)
  }

  #upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void {
    // Until a WebSocket has taken over, nobody else hears of a connection that breaks.
    socket.on('error', () => socket.destroy())
    if (req.headers.upgrade?.toLowerCase() !== 'websocket') this.#declineUpgrade(req, socket, head)
    else if (this.#closing.signal.aborted) refuseUpgrade(socket, 503)
    else if (pathOf(req) !== GRAPHQL_PATH) refuseUpgrade(socket, 404)
    else if (isForeignOrigin(req, this.#options.origins)) refuseUpgrade(socket, 403)
    else this.#sockets.upgrade(req, socket, head)
  }

  /**
   * Clients that would rather speak HTTP/2 offer it with their first request, and are to be answered in what they speak now.
   * Node has left the connection to us: it gets the request again, without the offer.
   */
  #declineUpgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void {
    const lines = [`${req.method} ${req.url} HTTP/${req.httpVersion}`]
    for (let at = 0; at < req.rawHeaders.length; at += 2) {
      const name = req.rawHeaders[at] ?? ''
      if (!OFFER_HEADERS.has(name.toLowerCase())) lines.push(`${name}: ${req.rawHeaders[at + 1]}`)
    }
    if (/\bclose\b/i.test(req.headers.connection ?? '')) lines.push('connection: close')
    socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]))
    this.#server.emit('connection', socket)
  }
}

function pathOf(req: IncomingMessage): string {
  return (req.url ?? '/').split('?', 1)[0] ?? '/'
}

function refuseUpgrade(socket: Duplex, status: number): void {
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
}
