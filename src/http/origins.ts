/** Which web pages may use the server from a browser. Other programs send neither Origin nor Sec-Fetch-Site. */

import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'

export interface OriginSettings {
  /** Web origins that may call besides the server's own. */
  allowed: readonly string[]
  /**
   * Whether whoever calls needs a token, which a page cannot have unless its user gave it one. Without, any request that
   * reaches the server is let in, and the names that lead here have to be known.
   */
  needsToken: boolean
}

export class Origins {
  readonly #allowed: ReadonlySet<string>
  readonly #needsToken: boolean

  constructor({ allowed, needsToken }: OriginSettings) {
    this.#allowed = new Set(allowed)
    this.#needsToken = needsToken
  }

  /**
   * Why the request is refused; null where it is not. `opensPage`: it would only show a page of ours, as a link on another
   * site does when its reader follows it.
   */
  refusal({ headers }: Pick<IncomingMessage, 'headers'>, opensPage = false): string | null {
    const { host, origin } = headers
    if (!this.#isKnownHost(host)) {
      return `The Host header is ${quoted(host)}: without tokens it has to be an address or localhost`
    }
    if (origin !== undefined && this.#allowed.has(origin)) return null
    if (origin !== undefined && !isOwn(origin, host)) return `Pages of ${quoted(origin)} may not call this server`
    // One that does not tell its origin still tells that.
    const isForeign = headers['sec-fetch-site'] === 'cross-site'
    return isForeign && !(opensPage && isVisit(headers)) ? 'Pages of other sites may not call this server' : null
  }

  /** The headers that let the browser of a listed page read the answer; none for all others. */
  corsHeaders({ headers }: Pick<IncomingMessage, 'headers'>): Record<string, string> {
    const { origin } = headers
    if (origin === undefined || !this.#allowed.has(origin)) return {}
    return {
      'access-control-allow-origin': origin,
      'access-control-allow-methods': 'GET, HEAD, POST, OPTIONS',
      // A page that may call may call in its own way: clients add headers to tell their version, or to be asked about.
      'access-control-allow-headers':
        headers['access-control-request-headers'] ?? 'accept, authorization, content-type',
      'access-control-expose-headers': 'retry-after, content-disposition, content-range, etag',
      'access-control-max-age': '600',
      vary: 'Origin, Access-Control-Request-Headers',
    }
  }

  /**
   * A name that an attacker had resolved to this machine (DNS rebinding) makes the attacker's page one of our own origin: it
   * shows in the Host header alone.
   */
  #isKnownHost(host: string | undefined): boolean {
    if (this.#needsToken || host === undefined) return true
    return isLocal(host) || [...this.#allowed].some((origin) => isOwn(origin, host))
  }
}

/** Whether the origin is that of the host, under whatever scheme: something before us may speak TLS. */
function isOwn(origin: string, host: string | undefined): boolean {
  if (!URL.canParse(origin)) return false
  const page = new URL(origin)
  // So that a port that is the scheme's own may be said or left out.
  return page.host !== '' && page.host === hostOf(page.protocol, host ?? '')
}

/** An address, or localhost, with a port or without. */
function isLocal(host: string): boolean {
  const name = hostOf('http:', host).replace(/:\d+$/, '').replace(/\.$/, '')
  return name === 'localhost' || name.endsWith('.localhost') || isIP(name.replace(/^\[|\]$/g, '')) !== 0
}

/** As a URL has it; empty for what is none: what follows a host in a URL, or stands before it, is no part of it. */
function hostOf(protocol: string, host: string): string {
  const url = `${protocol}//${host}`
  return /[@/?#\\]/.test(host) || !URL.canParse(url) ? '' : new URL(url).host
}

/** Whether it is the reader of a page who goes from there to here, and not the page that asks. */
function isVisit(headers: IncomingMessage['headers']): boolean {
  return headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document'
}

function quoted(value: string | undefined): string {
  return JSON.stringify((value ?? '').slice(0, 200))
}
