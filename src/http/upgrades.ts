/** Requests that offer to go on in another protocol, where that is not taken. */

import { type IncomingMessage, type Server, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'

/** What a request has besides where it offers to go on in another protocol. */
const OFFER_HEADERS: ReadonlySet<string> = new Set(['connection', 'upgrade', 'http2-settings'])

/** Connections that have had an offer declined. */
const declined = new WeakSet<Duplex>()

/**
 * Clients that would rather speak HTTP/2 offer it with their first request, and are to be answered in what they speak now.
 * Node has left the connection to us: it gets the request again, without the offer. Who offers again on the same
 * connection is answered for the last time on it.
 */
export function declineUpgrade(
  server: Server,
  { req, socket, head }: { req: IncomingMessage; socket: Duplex; head: Buffer },
): void {
  const lines = [`${req.method} ${req.url} HTTP/${req.httpVersion}`]
  for (let at = 0; at < req.rawHeaders.length; at += 2) {
    const name = req.rawHeaders[at] ?? ''
    if (!OFFER_HEADERS.has(name.toLowerCase())) lines.push(`${name}: ${req.rawHeaders[at + 1]}`)
  }
  if (declined.has(socket) || /\bclose\b/i.test(req.headers.connection ?? '')) lines.push('connection: close')
  declined.add(socket)
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]))
  server.emit('connection', socket)
}

/** Answers, and lets go of the connection whether or not its client does: no timeout holds for it any more. */
export function refuseUpgrade(socket: Duplex, status: number): void {
  socket.once('finish', () => socket.destroy())
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
}
