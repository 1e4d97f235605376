/** Opens sockets. The address that is checked is the one that is connected to: the check sits inside the lookup. */

import { isIP, type LookupFunction, Socket, connect as tcpConnect } from 'node:net'
import { connect as tlsConnect } from 'node:tls'
import { TaskFailure } from '../domain/errors.js'
import { type DestinationPolicy, FORBIDDEN } from './destination.js'
import { handshakeFailure, lookupFailure, Stage, toFailure } from './failures.js'
import { type Lookup, type LookupSettings, Lookups } from './lookups.js'
import type { ConnectTimes } from './phases.js'
import type { ResolvedAddress } from './resolve.js'

export interface Target {
  hostname: string
  /** Empty: the scheme's own. */
  port: string
  protocol: string
  /** From a Host header that names another host. */
  servername?: string | null | undefined
}

export type OnOpened = (failure: TaskFailure | null, socket: Socket, times: ConnectTimes) => void

export interface ConnectorSettings extends LookupSettings {
  policy: DestinationPolicy
  /** Certificate authorities in place of Node's own, PEM. */
  ca?: string | undefined
}

/** Lookup, TCP and TLS together: for requests that have no timeout, or a longer one. */
const CONNECT_TIMEOUT_MS = 30_000
/** How long one address is tried before the next one is tried beside it. */
const NEXT_ADDRESS_MS = 500
const TCP_KEEP_ALIVE_MS = 60_000
const MAX_TLS_SESSIONS = 256

export class Connector {
  readonly #policy: DestinationPolicy
  readonly #ca: string | undefined
  /** A hundred connections to one host that open at once share one lookup. */
  readonly #lookups: Lookups
  readonly #sessions = new Map<string, Buffer>()
  readonly #opening = new Set<Socket>()

  constructor(settings: ConnectorSettings) {
    this.#policy = settings.policy
    this.#lookups = new Lookups(settings)
    this.#ca = settings.ca
  }

  /** Calls `opened` once, later; destroying the socket before that makes it fail. */
  open(target: Target, opened: OnOpened): Socket {
    const times: ConnectTimes = { dnsMs: null, connectMs: 0, tlsMs: null }
    const lap = stopwatch()
    const secure = target.protocol === 'https:'
    let lookup: Lookup | null = null
    const find = (hostname: string) => {
      lookup = this.#lookups.find(hostname)
      return this.#allowedAddresses(hostname, lookup.addresses).then((addresses) => {
        times.dnsMs = lap()
        return addresses
      })
    }
    const socket = this.#start(target, find)
    this.#opening.add(socket)
    const timer = setTimeout(giveUp, CONNECT_TIMEOUT_MS, socket)
    let connected = false
    let pending = true
    const settle = (failure: TaskFailure | null) => {
      if (!pending) return
      pending = false
      clearTimeout(timer)
      lookup?.leave()
      this.#opening.delete(socket)
      opened(failure, socket, times)
    }
    socket.once('connect', () => {
      connected = true
      times.connectMs = lap()
      if (!this.#mayStay(target, socket)) socket.destroy(forbidden())
      else if (!secure) settle(null)
    })
    socket.once('secureConnect', () => {
      times.tlsMs = lap()
      settle(null)
    })
    socket.on('error', (error) => settle(connected ? handshakeFailure(error) : toFailure(error, Stage.CONNECTING)))
    socket.once('close', () => settle(new TaskFailure('CONNECTION_RESET', 'the connection ended before the answer')))
    socket.setNoDelay(true)
    socket.setKeepAlive(true, TCP_KEEP_ALIVE_MS)
    return socket
  }

  /** Ends what is being opened. */
  close(): void {
    for (const socket of this.#opening) socket.destroy()
  }

  #start(target: Target, find: Find): Socket {
    const { hostname, protocol } = target
    if (this.#policy.isOutOfReach(hostname)) return new Socket().destroy(forbidden())
    const tcp = {
      host: hostname,
      port: target.port === '' ? (protocol === 'https:' ? 443 : 80) : Number(target.port),
      lookup: lookupWith(find),
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_MS,
    }
    return protocol === 'https:' ? this.#startTls(target, tcp) : tcpConnect(tcp)
  }

  /**
   * Looks at where the socket has got to, before anything is sent: it is where it was sent to, and not on this machine, also where the
   * system did not tell that the address is its own. A socket that has been closed meanwhile is nowhere.
   */
  #mayStay({ hostname }: Target, { remoteAddress, localAddress }: Socket): boolean {
    if (remoteAddress === undefined) return true
    if (!this.#policy.allows(hostname, remoteAddress)) return false
    return remoteAddress !== localAddress || this.#policy.names(hostname) || this.#policy.names(remoteAddress)
  }

  #startTls(target: Target, tcp: { host: string; port: number }): Socket {
    const servername = target.servername || (isIP(target.hostname) === 0 ? target.hostname : '')
    const key = `${servername} ${tcp.host}:${tcp.port}`
    const socket = tlsConnect({
      ...tcp,
      servername,
      ALPNProtocols: ['http/1.1'],
      session: this.#sessions.get(key),
      ...(this.#ca === undefined ? {} : { ca: this.#ca }),
    })
    socket.on('session', (session) => this.#keepSession(key, session))
    return socket
  }

  #keepSession(key: string, session: Buffer): void {
    this.#sessions.delete(key)
    this.#sessions.set(key, session)
    if (this.#sessions.size <= MAX_TLS_SESSIONS) return
    for (const oldest of this.#sessions.keys()) {
      this.#sessions.delete(oldest)
      return
    }
  }

  /** Those addresses of the name that may be reached; rejects where there are none. */
  async #allowedAddresses(
    hostname: string,
    found: Promise<readonly ResolvedAddress[]>,
  ): Promise<readonly ResolvedAddress[]> {
    const addresses = await found
    if (addresses.length === 0) throw new TaskFailure('DNS', 'the name has no address')
    const allowed = addresses.filter(({ address }) => this.#policy.allows(hostname, address))
    if (allowed.length === 0) throw forbidden()
    return allowed
  }
}

type Find = (hostname: string) => Promise<readonly ResolvedAddress[]>

function lookupWith(find: Find): LookupFunction {
  return (hostname, options, callback) => {
    find(hostname).then(
      (addresses) => {
        if (options.all) callback(null, [...addresses])
        else callback(null, addresses[0]?.address ?? '', addresses[0]?.family)
      },
      (error: unknown) => callback(lookupFailure(error), ''),
    )
  }
}

function forbidden(): TaskFailure {
  return new TaskFailure('DESTINATION_FORBIDDEN', FORBIDDEN)
}

function giveUp(socket: Socket): void {
  socket.destroy(new TaskFailure('TIMEOUT', `no connection within ${CONNECT_TIMEOUT_MS} ms`))
}

/** Milliseconds since the last call, or since it was made. */
function stopwatch(): () => number {
  let sinceMs = performance.now()
  return () => {
    const nowMs = performance.now()
    const lapMs = nowMs - sinceMs
    sinceMs = nowMs
    return lapMs
  }
}
