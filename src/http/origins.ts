/** Which web pages may use the API from a browser. Other programs send no Origin header and are not asked. */

import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'

/**
 * Whether the request comes from a page that may not call: of another origin than the server's own, and not listed. A
 * name that an attacker had resolved to this machine (DNS rebinding) equals the Host header too, so that the server's own
 * origin is one of an address or of localhost; a server behind a name of its own lists it.
 */
export function isForeignOrigin({ headers }: IncomingMessage, allowed: readonly string[]): boolean {
  const { origin, host } = headers
  if (origin === undefined || allowed.includes(origin)) return false
  if (!URL.canParse(origin)) return true
  const page = new URL(origin)
  return page.host !== host?.toLowerCase() || !isLocalName(page.hostname)
}

/**
 * Whether a page of another site sends a form, which the browser does without asking first. One that does not tell its origin
 * still tells that; pages that are listed may.
 */
export function isForeignForm({ headers }: IncomingMessage, allowed: readonly string[]): boolean {
  return headers['sec-fetch-site'] === 'cross-site' && !allowed.includes(headers.origin ?? '')
}

function isLocalName(hostname: string): boolean {
  return hostname === 'localhost' || hostname.endsWith('.localhost') || isIP(hostname.replace(/^\[|\]$/g, '')) !== 0
}

/** The headers that let the browser of a listed page read the answer; none for all others. */
export function corsHeaders({ headers }: IncomingMessage, allowed: readonly string[]): Record<string, string> {
  const { origin } = headers
  if (origin === undefined || !allowed.includes(origin)) return {}
  return {
    'access-control-allow-origin': origin,
    'access-control-allow-methods': 'GET, POST, OPTIONS',
    'access-control-allow-headers': 'accept, authorization, content-type',
    'access-control-max-age': '600',
    vary: 'Origin',
  }
}
