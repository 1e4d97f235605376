/**
 * Which connections are at rest. Node's own closeIdleConnections leaves out those that never sent a request, as browsers
 * open them in advance: they would hold up the end until it is forced.
 */

import type { Server } from 'node:http'
import type { Socket } from 'node:net'

export class Connections {
  /** How many requests each open connection is answering. */
  readonly #busy = new Map<Socket, number>()
  readonly #known = new WeakSet<Socket>()
  #closing = false

  constructor(server: Server) {
    server.on('connection', (socket: Socket) => {
      // One that declined an upgrade comes a second time.
      if (!this.#known.has(socket)) socket.once('close', () => this.#busy.delete(socket))
      this.#known.add(socket)
      this.#busy.set(socket, 0)
    })
    server.on('request', ({ socket }, res) => {
      this.#count(socket, 1)
      res.once('close', () => this.#count(socket, -1))
    })
    // What is no longer HTTP ends in its own way.
    server.on('upgrade', ({ socket }) => this.#busy.delete(socket))
  }

  /** Whether a request on it is being answered. */
  isAnswering(socket: Socket): boolean {
    return (this.#busy.get(socket) ?? 0) > 0
  }

  /** Closes what is at rest, and from now on every connection that comes to rest. */
  closeIdle(): void {
    this.#closing = true
    for (const [socket, requests] of this.#busy) if (requests === 0) socket.destroy()
  }

  #count(socket: Socket, change: number): void {
    const requests = this.#busy.get(socket)
    if (requests === undefined) return
    this.#busy.set(socket, requests + change)
    // An answer's last bytes may still be on their way: `destroySoon` sends them first.
    if (this.#closing && requests + change === 0) socket.destroySoon()
  }
}
