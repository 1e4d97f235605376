/**
 * Which connections are at rest. Node's own closeIdleConnections leaves out those that never sent a request, as browsers
 * open them in advance: they would hold up the end until it is forced.
 */

import type { Server } from 'node:http'
import type { Socket } from 'node:net'

export class Connections {
  /** How many requests each open connection is answering. */
  readonly #busy = new Map<Socket, number>()
  #closing = false

  constructor(server: Server) {
    server.on('connection', (socket: Socket) => {
      this.#busy.set(socket, 0)
      socket.once('close', () => this.#busy.delete(socket))
    })
    server.on('request', ({ socket }, res) => {
      this.#count(socket, 1)
      res.once('close', () => this.#count(socket, -1))
    })
    // What is no longer HTTP ends in its own way.
    server.on('upgrade', ({ socket }) => this.#busy.delete(socket))
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
