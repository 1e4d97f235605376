/**
 * One WebSocket, joined to graphql-ws. The library's own adapter for ws writes what a client does wrong to the console, stack
 * and all: whoever likes could fill a disk with it.
 */

import { CloseCode, type Server } from 'graphql-ws'
import type { WebSocket } from 'ws'
import type { Log } from '../log.js'

export interface ConnectedSocketOptions<Extra> {
  /** What is kept of the connection besides what graphql-ws keeps. */
  extra: Extra
  /** A client that has not answered a ping by the next one is gone. */
  pingMs: number
  log: Log
}

/** Speaks the protocol on an open socket until it is closed. */
export function connectSocket<Extra extends Record<PropertyKey, unknown>>(
  server: Server<Extra>,
  socket: WebSocket,
  { extra, pingMs, log }: ConnectedSocketOptions<Extra>,
): void {
  // ws closes it by itself then, with the right code.
  socket.on('error', (err) => log.debug({ err }, 'a WebSocket connection broke'))
  const endPings = keepPinging(socket, pingMs)
  const closed = server.opened(
    {
      protocol: socket.protocol,
      // The next result is asked for when this one is on its way: a slow client is sent what is new by then.
      send: (data) => send(socket, data),
      close: (code, reason) => socket.close(code, reason),
      onMessage: (handle) =>
        socket.on('message', (message) => {
          handle(String(message)).catch((err: unknown) => {
            // What fails in an operation is its result: this is a message that no client should send, or a connection that broke.
            log.debug({ err }, 'a WebSocket message was not handled')
            socket.close(CloseCode.InternalServerError, 'Internal server error')
          })
        }),
    },
    extra,
  )
  socket.once('close', (code, reason) => {
    endPings()
    Promise.resolve(closed(code, String(reason))).catch((err: unknown) => {
      log.error({ err }, 'what a WebSocket had open could not be ended')
    })
  })
}

/** What may wait for a client to read it before nothing more is read from that client. */
const MAX_WAITING_BYTES = 1_048_576

/** Resolves when it is on its way. A client that only asks, and reads no answer, is not listened to meanwhile. */
function send(socket: WebSocket, data: string): Promise<void> {
  if (socket.readyState !== socket.OPEN) return Promise.resolve()
  const sent = new Promise<void>((resolve, reject) => {
    socket.send(data, (error) => {
      if (socket.isPaused && socket.bufferedAmount <= MAX_WAITING_BYTES) socket.resume()
      if (error) reject(error)
      else resolve()
    })
  })
  if (socket.bufferedAmount > MAX_WAITING_BYTES) socket.pause()
  return sent
}

function keepPinging(socket: WebSocket, pingMs: number): () => void {
  let isThere = true
  socket.on('pong', () => {
    isThere = true
  })
  const timer = setInterval(() => {
    if (!isThere) {
      socket.terminate()
      return
    }
    isThere = false
    if (socket.readyState === socket.OPEN) socket.ping()
  }, pingMs)
  return () => clearInterval(timer)
}
