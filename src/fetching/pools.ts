/** Connections, kept per origin for as long as they are of use. One undici Client is one connection. */

import type { Socket } from 'node:net'
import { Client, type Dispatcher } from 'undici'
import { TaskFailure } from '../domain/errors.js'
import type { Connector } from './connector.js'
import type { ConnectTimes } from './phases.js'
import { Wire } from './wire.js'

/** Idle connections are closed after that where the origin does not say when it will close them. */
const IDLE_CONNECTION_MS = 15_000
const MAX_IDLE_CONNECTION_MS = 60_000
const MAX_HEADER_BYTES = 65_536
/** Origins are forgotten when they have not been asked for that long, the eldest ones when there are too many. */
const IDLE_ORIGIN_MS = 60_000
const SWEEP_MS = 15_000
const MAX_ORIGINS = 256

/** A connection to one origin, opened with its first request and again after it has ended. One request at a time. */
export class Connection {
  readonly #client: Client
  #socket: Socket | null = null
  /** Null until the socket is open. */
  #wire: Wire | null = null
  #opened: ConnectTimes | null = null

  constructor(origin: string, connector: Connector) {
    this.#client = new Client(origin, {
      pipelining: 1,
      keepAliveTimeout: IDLE_CONNECTION_MS,
      keepAliveMaxTimeout: MAX_IDLE_CONNECTION_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
      // Requests carry their own timeout; undici's would cost timers and be coarse.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: (target, callback) => {
        this.#wire = null
        this.#socket = connector.open(target, (failure, socket, times) => {
          this.#opened = times
          if (failure !== null) {
            callback(failure, null)
            return
          }
          this.#wire = new Wire(socket)
          callback(null, socket)
        })
      },
    })
  }

  send(request: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    this.#client.dispatch(request, handler)
  }

  /** What it took to open it, for the first request on it; null for the later ones. */
  takeTimes(): ConnectTimes | null {
    const times = this.#opened
    this.#opened = null
    return times
  }

  /** What comes in on it; null until it is open. */
  get wire(): Wire | null {
    return this.#wire
  }

  /** Ends the socket, whatever is on it. Not by undici's own abort: that would open the connection again for nothing. */
  cut(): void {
    this.#socket?.destroy(new TaskFailure('CONNECTION_RESET', 'ended on purpose'))
  }

  close(): Promise<void> {
    return this.#client.destroy()
  }
}

/**
 * The connections to one origin: as many as there are requests in flight. undici's Pool would open twice as many, as it
 * does not take a connection again before the next turn of the event loop, and its limit has to be known beforehand.
 */
export class OriginPool {
  readonly #all = new Set<Connection>()
  /** The last one used is taken first, so that the others get to be closed. */
  readonly #idle: Connection[] = []
  lastUsedMs = 0

  constructor(
    private readonly origin: string,
    private readonly connector: Connector,
  ) {}

  get busy(): boolean {
    return this.#all.size > this.#idle.length
  }

  /** An idle connection, or a new one where there is none. Goes back by release or discard. */
  take(): Connection {
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      if (idle.wire?.alive) return idle
      this.#all.delete(idle)
    }
    return this.open()
  }

  /** A new connection. Goes back by release or discard. */
  open(): Connection {
    const connection = new Connection(this.origin, this.connector)
    this.#all.add(connection)
    return connection
  }

  release(connection: Connection): void {
    this.#idle.push(connection)
  }

  discard(connection: Connection): void {
    this.#all.delete(connection)
    // Later: undici calls from within its own bookkeeping.
    queueMicrotask(() => void connection.close())
  }

  async close(): Promise<void> {
    await Promise.all([...this.#all].map((connection) => connection.close()))
    this.#all.clear()
    this.#idle.length = 0
  }
}

export class Pools {
  readonly #pools = new Map<string, OriginPool>()
  #sweeper: NodeJS.Timeout | null = null
  #closed = false

  constructor(private readonly connector: Connector) {}

  /** `origin` as URL.origin gives it. Throws TaskFailure after close. */
  of(origin: string, nowMs: number): OriginPool {
    if (this.#closed) throw new TaskFailure('CONNECTION_RESET', 'the fetcher is closed', false)
    const pool = this.#pools.get(origin) ?? this.#add(origin)
    pool.lastUsedMs = nowMs
    return pool
  }

  async close(): Promise<void> {
    this.#closed = true
    if (this.#sweeper !== null) clearInterval(this.#sweeper)
    this.#sweeper = null
    this.connector.close()
    const pools = [...this.#pools.values()]
    this.#pools.clear()
    await Promise.all(pools.map((pool) => pool.close()))
  }

  #add(origin: string): OriginPool {
    if (this.#pools.size >= MAX_ORIGINS) this.#dropEldest()
    const pool = new OriginPool(origin, this.connector)
    this.#pools.set(origin, pool)
    this.#sweeper ??= setInterval(() => this.#sweep(performance.now()), SWEEP_MS).unref()
    return pool
  }

  #sweep(nowMs: number): void {
    for (const [origin, pool] of this.#pools) {
      if (!pool.busy && nowMs - pool.lastUsedMs > IDLE_ORIGIN_MS) this.#drop(origin, pool)
    }
    if (this.#pools.size > 0 || this.#sweeper === null) return
    clearInterval(this.#sweeper)
    this.#sweeper = null
  }

  #dropEldest(): void {
    let eldest: [string, OriginPool] | null = null
    for (const entry of this.#pools) {
      if (!entry[1].busy && (eldest === null || entry[1].lastUsedMs < eldest[1].lastUsedMs)) eldest = entry
    }
    if (eldest !== null) this.#drop(...eldest)
  }

  #drop(origin: string, pool: OriginPool): void {
    this.#pools.delete(origin)
    void pool.close()
  }
}
