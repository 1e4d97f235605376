/** The HTTP server: its routes, who may call them, and how it ends. */

import { setMaxListeners } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Clock } from '../clock.js'
import { type AccessToken, ANYONE, type Identity, Scope } from '../domain/access.js'
import type { Uploads } from '../files/uploads.js'
import type { ApiServices } from '../graphql/context.js'
import { Access, type Refusal } from './access.js'
import { answerError } from './answers.js'
import { hasBody, limitArrival } from './arrival.js'
import { MAX_BODY_BYTES } from './body.js'
import { Connections } from './connections.js'
import type { Readiness } from './health.js'
import type { Metrics } from './metrics.js'
import { isMultipart, MultipartRequests } from './multipart.js'
import { createOperations, errorPolicy, GRAPHQL_PATH, type Operations } from './operations.js'
import { createRoutes, type Route } from './routes.js'
import { declineUpgrade, refuseUpgrade } from './upgrades.js'
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
  metrics?: Pick<Metrics, 'answer' | 'requestEnded'>
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
const SWITCHING_PROTOCOLS = 101

export function createHttpServer(options: HttpServerOptions): HttpServer {
  return new ApiServer(options)
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
  readonly #routeOf: (path: string) => Route | undefined
  #closed: Promise<void> | null = null

  constructor(options: HttpServerOptions) {
    const { services, introspection, uploads, origins, tokens = [], rateLimit = null } = options
    this.#options = options
    this.#clock = services.clock
    // Each stream listens to it, and removes its listener at its end.
    setMaxListeners(0, this.#closing.signal)
    this.#access = new Access({ tokens, origins, rateLimit, links: services.links, clock: this.#clock })
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
    this.#routeOf = createRoutes({ ...options, graphql: (...request) => this.#graphql(...request) })
    this.#server = createServer({
      headersTimeout: HEADERS_TIMEOUT_MS,
      // How long a body may take depends on what is in it: see limitArrival.
      requestTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_MS,
    })
    this.#connections = new Connections(this.#server)
    this.#server.setTimeout(options.idleMs ?? IDLE_MS, (socket) => this.#letGo(socket))
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

  /** Whoever takes nothing of an answer, or has gone without a goodbye; not who waits for an answer that takes long. */
  #letGo(socket: Socket): void {
    if (this.#connections.isAnswering(socket) && socket.writableLength === 0) socket.setTimeout(this.#server.timeout)
    else socket.destroy()
  }

  #handle(req: IncomingMessage, res: ServerResponse): void {
    res.setHeader('x-content-type-options', 'nosniff')
    res.once('close', () => this.#count(req, res.headersSent ? res.statusCode : null))
    const hasFiles = this.#multipart !== null && isMultipart(req.headers['content-type'])
    if (hasBody(req)) limitArrival({ req, res, clock: this.#clock }, { hasFiles })
    if (!hasTarget(req)) {
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
    const route = this.#routeOf(pathOf(req))
    // Who may not come in is not told what there is.
    const isOpen = route?.audience === 'ANYONE'
    const entrance = { opensPage: route?.opensPage(req) === true, link: route?.linkOf?.(req) ?? null }
    const identity = isOpen ? ANYONE : await this.#access.admit(req, res, entrance)
    if (identity === null) return
    const refusal = route === undefined ? NOTHING_HERE : refusalOf(route, req, identity)
    if (refusal !== null) {
      const { status, allow, ...error } = refusal
      if (allow) res.setHeader('allow', allow)
      answerError(res, status, error)
    } else await route?.handle(req, res, identity)
  }

  #count(req: IncomingMessage, status: number | null): void {
    const path = pathOf(req)
    const isKnown = this.#routeOf(path) !== undefined
    this.#options.metrics?.requestEnded(isKnown ? `/${path.split('/', 2)[1]}` : null, status)
  }

  async #graphql(req: IncomingMessage, res: ServerResponse, identity: Identity): Promise<void> {
    if (isMultipart(req.headers['content-type'])) {
      // Files are for launches alone: a gigabyte is not to be taken from others.
      if (!identity.scopes.has(Scope.LAUNCH)) {
        answerError(res, 403, { code: 'FORBIDDEN', message: 'Files take a token with the scope launch' })
        return
      }
      // However it ends: where nobody waits for an answer there may be none.
      res.once('close', () => void this.#multipart?.close(req))
    }
    await this.#operations(req, res, { identity })
  }

  #upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void {
    // Until a WebSocket has taken over, nobody else hears of a connection that breaks.
    if (socket.listenerCount('error') === 0) socket.on('error', () => socket.destroy())
    if (req.headers.upgrade?.toLowerCase() !== 'websocket') declineUpgrade(this.#server, { req, socket, head })
    else if (this.#closing.signal.aborted) refuseUpgrade(socket, 503)
    else if (!hasTarget(req) || pathOf(req) !== GRAPHQL_PATH) refuseUpgrade(socket, 404)
    else if (this.#access.refusesOrigin(req)) refuseUpgrade(socket, 403)
    else {
      this.#count(req, SWITCHING_PROTOCOLS)
      this.#sockets.upgrade(req, socket, head)
    }
  }
}

interface RouteRefusal extends Refusal {
  /** The methods that there are. */
  allow?: string
}

const NOTHING_HERE: RouteRefusal = {
  status: 404,
  code: 'NOT_FOUND',
  message: 'Nothing is here: the API is at /graphql',
}

function refusalOf(
  { audience, methods }: Route,
  { method = '' }: IncomingMessage,
  { scopes }: Identity,
): RouteRefusal | null {
  if (audience !== 'ANYONE' && audience !== 'CALLERS' && !scopes.has(audience)) {
    return { status: 403, code: 'FORBIDDEN', message: `This takes a token with the scope ${audience}` }
  }
  if (methods === null || methods.includes(method)) return null
  const message = `The method ${method} is not for this: expected ${methods.join(' or ')}`
  return { status: 405, code: 'BAD_USER_INPUT', message, allow: methods.join(', ') }
}

/** Whether path and Host header make a URL. One that is asked for as if we were a proxy is asked for by its path from here on. */
function hasTarget(req: IncomingMessage): boolean {
  const { url = '/' } = req
  if (!url.startsWith('/') && URL.canParse(url)) {
    const { pathname, search } = new URL(url)
    req.url = `${pathname}${search}`
  }
  return URL.canParse(req.url ?? '/', `http://${req.headers.host ?? 'localhost'}`)
}

function pathOf(req: IncomingMessage): string {
  return (req.url ?? '/').split('?', 1)[0] ?? '/'
}
