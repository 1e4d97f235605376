/** The HTTP server: its routes, who may call them, and how it ends. */

import { setMaxListeners } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Clock } from '../clock.js'
import { type AccessToken, type Identity, Scope } from '../domain/access.js'
import type { Uploads } from '../files/uploads.js'
import type { ApiServices } from '../graphql/context.js'
import { Access } from './access.js'
import { answerError } from './answers.js'
import { hasBody, limitArrival } from './arrival.js'
import { answerBlob, BLOBS_PATH } from './blobs.js'
import { MAX_BODY_BYTES } from './body.js'
import { Connections } from './connections.js'
import { answerHealth, answerReady, type Readiness } from './health.js'
import { answerHome } from './home.js'
import { isMultipart, MultipartRequests } from './multipart.js'
import { createOperations, errorPolicy, GRAPHQL_PATH, type Operations } from './operations.js'
import { createWebSocketHandler, type WebSocketHandler } from './websocket.js'

export interface HttpServerOptions {
  services: ApiServices
  /** GraphiQL, introspection and suggestions. */
  introspection: boolean
  /** Web origins that may call the API besides the server's own. */
  origins: readonly string[]
  /** Without any, everybody who reaches the server is let in. */
  tokens?: readonly AccessToken[]
  /** Requests a minute of a token; null for no limit. */
  rateLimit?: number | null
  /** Subscriptions that one token may have open, where there are tokens. */
  maxSubscriptions?: number
  /** What a connection on which nothing moves gets. */
  idleMs?: number
  /** How often a WebSocket is asked whether its client is there. */
  pingMs?: number
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
const IDLE_MS = 120_000
const MAX_SUBSCRIPTIONS = 1_000
/** What a request has besides where it offers to go on in another protocol. */
const OFFER_HEADERS: ReadonlySet<string> = new Set(['connection', 'upgrade', 'http2-settings'])

export function createHttpServer(options: HttpServerOptions): HttpServer {
  return new ApiServer(options)
}

type Handler = (req: IncomingMessage, res: ServerResponse, identity: Identity) => void | Promise<void>

type OpenHandler = (res: ServerResponse) => void | Promise<void>

/** What is at a path, and who may have it. */
interface Route {
  handle: Handler
  /** What a token has to open; null where the API itself looks at each field. */
  scope: Scope | null
  /** Whether the request is answered with a page of ours, whatever else is at the path. */
  opensPage(req: IncomingMessage): boolean
}

class ApiServer implements HttpServer {
  readonly #options: HttpServerOptions
  readonly #clock: Clock
  readonly #closing = new AbortController()
  readonly #operations: Operations
  readonly #multipart: MultipartRequests | null
  readonly #sockets: WebSocketHandler
  readonly #server: Server
  readonly #connections: Connections
  readonly #access: Access
  /** For whoever asks: they tell nothing that anybody would want to know. */
  readonly #openRoutes: ReadonlyMap<string, OpenHandler>
  readonly #routes: ReadonlyMap<string, Route>
  readonly #blobs: Route
  #closed: Promise<void> | null = null

  constructor(options: HttpServerOptions) {
    this.#options = options
    this.#clock = options.services.clock
    // Each stream listens to it, and removes its listener at its end.
    setMaxListeners(0, this.#closing.signal)
    const { services, introspection, readiness, uploads } = options
    this.#access = new Access({ rateLimit: null, tokens: [], ...options })
    this.#multipart = uploads ? new MultipartRequests(uploads, MAX_BODY_BYTES) : null
    const operationsOptions = {
      services,
      introspection,
      clock: this.#clock,
      closing: this.#closing.signal,
      maxSubscriptions: this.#access.needsToken ? (options.maxSubscriptions ?? MAX_SUBSCRIPTIONS) : null,
      ...(this.#multipart && { multipart: this.#multipart }),
    }
    this.#operations = createOperations(operationsOptions)
    this.#sockets = createWebSocketHandler({
      operations: this.#operations,
      policy: errorPolicy(operationsOptions),
      access: this.#access,
      ...(options.pingMs !== undefined && { pingMs: options.pingMs }),
    })
    this.#openRoutes = new Map<string, OpenHandler>([
      ['/health', answerHealth],
      ['/ready', (res) => answerReady(res, readiness)],
    ])
    this.#routes = new Map<string, Route>([
      [
        '/',
        {
          handle: (_req, res) => answerHome(res, services.vitals.version, introspection),
          scope: Scope.READ,
          opensPage: isReading,
        },
      ],
      [
        GRAPHQL_PATH,
        {
          handle: (req, res, identity) => this.#graphql(req, res, identity),
          scope: null,
          opensPage: (req) => introspection && isReading(req) && acceptsPage(req),
        },
      ],
    ])
    this.#blobs = {
      handle: (req, res) => answerBlob(req, res, (sha256) => services.store.body(sha256)),
      scope: Scope.READ,
      opensPage: () => false,
    }
    this.#server = createServer({
      headersTimeout: HEADERS_TIMEOUT_MS,
      // How long a body may take depends on what is in it: see limitArrival.
      requestTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_MS,
    })
    // Whoever takes nothing of an answer, or has gone without a goodbye. Streams move: they have their pings.
    this.#server.setTimeout(options.idleMs ?? IDLE_MS)
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
    this.#answer(req, res).catch((error: unknown) => {
      // Without the query, which may have anything in it.
      this.#options.services.log.error({ err: error, path: pathOf(req) }, 'a request failed')
      if (res.headersSent) res.destroy()
      else answerError(res, 500, { code: 'INTERNAL', message: 'Internal error' })
    })
  }

  async #answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const path = pathOf(req)
    const open = this.#openRoutes.get(path)
    if (open !== undefined) return open(res)
    const route = path.startsWith(BLOBS_PATH) ? this.#blobs : this.#routes.get(path)
    // Who may not come in is not told what there is.
    const identity = await this.#access.admit(req, res, route?.opensPage(req) === true)
    if (identity === null) return
    if (route === undefined) {
      answerError(res, 404, { code: 'NOT_FOUND', message: 'Nothing is here: the API is at /graphql' })
    } else if (route.scope !== null && !identity.scopes.has(route.scope)) {
      answerError(res, 403, { code: 'FORBIDDEN', message: `This takes a token with the scope ${route.scope}` })
    } else await route.handle(req, res, identity)
  }

  async #graphql(req: IncomingMessage, res: ServerResponse, identity: Identity): Promise<void> {
    // However it ends: where nobody waits for an answer there may be none.
    if (isMultipart(req.headers['content-type'])) res.once('close', () => void this.#multipart?.close(req))
    await this.#operations(req, res, { identity })
  }

  #upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void {
    // Until a WebSocket has taken over, nobody else hears of a connection that breaks.
    socket.on('error', () => socket.destroy())
    if (req.headers.upgrade?.toLowerCase() !== 'websocket') this.#declineUpgrade(req, socket, head)
    else if (this.#closing.signal.aborted) refuseUpgrade(socket, 503)
    else if (pathOf(req) !== GRAPHQL_PATH) refuseUpgrade(socket, 404)
    else if (this.#access.refusesOrigin(req)) refuseUpgrade(socket, 403)
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

/** Whether it can only read. */
function isReading({ method }: IncomingMessage): boolean {
  return method === 'GET' || method === 'HEAD'
}

/** What a browser says that wants to show something. */
function acceptsPage({ headers }: IncomingMessage): boolean {
  return headers.accept?.includes('text/html') === true
}

function pathOf(req: IncomingMessage): string {
  return (req.url ?? '/').split('?', 1)[0] ?? '/'
}

function refuseUpgrade(socket: Duplex, status: number): void {
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
}
