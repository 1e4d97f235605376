/** A web server that answers, delays, breaks off and lies as it is asked to, and counts what it was asked. */

import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { CERTIFICATE, PRIVATE_KEY } from './certificate.js'
import { notFound, ROUTES } from './origin-routes.js'

export interface OriginOptions {
  /** With the certificate of support/certificate.ts. */
  tls?: boolean
}

/** A request, when its head had come. */
export interface Arrival {
  /** As the client named it, with its port. */
  host: string
  url: string
  atMs: number
}

/** Paths are without their query. */
export class Origin {
  /** Such as `http://127.0.0.1:4001`. */
  readonly url: string
  readonly port: number
  /** Opened so far. */
  connections = 0
  /** Every request, in the order of their coming. */
  readonly arrivals: Arrival[] = []
  readonly #server: Server
  /** By host as clients name it: requests without an answer, and how many there have been at once. */
  readonly #underway = new Map<string, { now: number; most: number }>()
  readonly #requests = new Tally()
  readonly #abandoned = new Tally()
  /** By URL, query and all. */
  readonly #asked = new Map<string, number>()
  readonly #released = new Map<string, Signal>()
  readonly #turns = new WeakMap<Socket, number>()

  constructor(server: Server, scheme: string) {
    this.#server = server
    this.port = (server.address() as AddressInfo).port
    this.url = `${scheme}://127.0.0.1:${this.port}`
    server.on('connection', () => {
      this.connections += 1
    })
  }

  /** How many requests came for the path; for all of them where none is named. */
  requests(path?: string): number {
    return path === undefined ? this.#requests.total : this.#requests.of(path)
  }

  /** How many requests that named the host were there at once, at most. */
  mostAtOnce(host: string): number {
    return this.#underway.get(host)?.most ?? 0
  }

  /** Resolves when so many requests have come for the path. */
  arrived(path: string, count = 1): Promise<void> {
    return this.#requests.reached(path, count)
  }

  /** Lets go what waits at the path, now and later: /hold, /hold/…, /hold-body. */
  release(path: string): void {
    signalOf(this.#released, path).raise()
  }

  /** Resolves when clients have closed their connections so many times before they had the whole answer from the path. */
  abandoned(path: string, count = 1): Promise<void> {
    return this.#abandoned.reached(path, count)
  }

  /** Ends all connections. Safe to call twice. */
  async close(): Promise<void> {
    if (!this.#server.listening) return
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    await closed
  }

  answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(request.url ?? '/', this.url)
    const turn = (this.#turns.get(request.socket) ?? 0) + 1
    this.#turns.set(request.socket, turn)
    const nth = (this.#asked.get(request.url ?? '/') ?? 0) + 1
    this.#asked.set(request.url ?? '/', nth)
    const { host = '' } = request.headers
    const underway = this.#underway.get(host) ?? { now: 0, most: 0 }
    this.#underway.set(host, underway)
    underway.now += 1
    underway.most = Math.max(underway.most, underway.now)
    this.arrivals.push({ host, url: request.url ?? '', atMs: performance.now() })
    // Whoever has the whole answer may send the next one before this is told of the end.
    response.on('prefinish', () => {
      underway.now -= 1
    })
    response.on('close', () => {
      if (!response.writableEnded) underway.now -= 1
      if (!response.writableFinished) this.#abandoned.add(pathname)
    })
    this.#requests.add(pathname)
    // What follows the first part is the test's own: /hold/one and /hold/other wait apart.
    const route = ROUTES[pathname] ?? ROUTES[pathname.split('/', 2).join('/')] ?? notFound
    route({
      request,
      response,
      query: searchParams,
      turn,
      nth,
      released: () => signalOf(this.#released, pathname).raised,
    })
  }
}

/** Counts by path, and who waits for them. */
class Tally {
  total = 0
  readonly #counts = new Map<string, number>()
  #waiting: { path: string; count: number; resolve: () => void }[] = []

  of(path: string): number {
    return this.#counts.get(path) ?? 0
  }

  add(path: string): void {
    const count = this.of(path) + 1
    this.total += 1
    this.#counts.set(path, count)
    const here = this.#waiting.filter((one) => one.path === path && one.count <= count)
    this.#waiting = this.#waiting.filter((one) => !here.includes(one))
    for (const one of here) one.resolve()
  }

  reached(path: string, count: number): Promise<void> {
    if (this.of(path) >= count) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push({ path, count, resolve }))
  }
}

/** Listens on a free port of 127.0.0.1. */
export async function startOrigin(options: OriginOptions = {}): Promise<Origin> {
  let origin: Origin | null = null
  const listener: RequestListener = (request, response) => origin?.answer(request, response)
  const tls = options.tls === true
  const server = tls ? createTlsServer({ cert: CERTIFICATE, key: PRIVATE_KEY }, listener) : createServer(listener)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  origin = new Origin(server, tls ? 'https' : 'http')
  return origin
}

/** A port of 127.0.0.1 that nobody listens on. */
export async function closedPort(): Promise<number> {
  const origin = await startOrigin()
  await origin.close()
  return origin.port
}

interface Signal {
  raised: Promise<void>
  raise(): void
}

function signalOf(signals: Map<string, Signal>, path: string): Signal {
  let signal = signals.get(path)
  if (signal === undefined) {
    let raise: () => void = () => undefined
    const raised = new Promise<void>((resolve) => {
      raise = resolve
    })
    signal = { raised, raise }
    signals.set(path, signal)
  }
  return signal
}
