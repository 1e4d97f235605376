/** Messages of a WebSocket: of the protocol, nearly of it, and of none. */

import { once } from 'node:events'
import WebSocket from 'ws'
import { documentOf, type Known } from './documents.js'
import { chance, count, type Gen, json, oneOf, text } from './values.js'

/** It answers messages in their order: what was answered before this was all. */
const LAST = 'last'

export interface Said {
  sent: string
  answers: string
}

export class SocketFuzz {
  constructor(private readonly url: string) {}

  /** Sends some messages on a connection of its own; resolves when all are answered, or the server has closed it. */
  async exchange(g: Gen, known: Known): Promise<Said> {
    const protocol = chance(g, 90) ? 'graphql-transport-ws' : oneOf(g, ['graphql-ws', 'x'])
    const socket = new WebSocket(`${this.url.replace('http', 'ws')}/graphql`, protocol)
    let answers = ''
    const ended = new Promise<void>((resolve) => {
      socket.on('message', (message) => {
        answers += String(message)
        if (String(message).includes(`"id":"${LAST}"`)) resolve()
      })
      socket.once('close', (code, reason) => {
        answers += `${code} ${reason}`
        resolve()
      })
      socket.once('error', () => resolve())
    })
    await once(socket, 'open').catch(() => null)
    const messages = messagesOf(g, known)
    for (const message of messages) if (socket.readyState === socket.OPEN) socket.send(message)
    await ended
    socket.terminate()
    return { sent: messages.join('\n'), answers }
  }
}

function messagesOf(g: Gen, known: Known): (string | Buffer)[] {
  const init = JSON.stringify({ type: 'connection_init', ...(chance(g, 20) && { payload: json(g) }) })
  const some = Array.from({ length: 1 + count(g, 3) }, () => messageOf(g, known))
  const last = JSON.stringify({ id: LAST, type: 'subscribe', payload: { query: '{ __typename }' } })
  return chance(g, 90) ? [init, ...some, last] : [...some, init, last]
}

function messageOf(g: Gen, known: Known): string | Buffer {
  const kind = count(g, 9)
  if (kind === 0) return Buffer.from(text(g))
  if (kind === 1) return text(g)
  if (kind === 2) return JSON.stringify(json(g))
  const type = kind < 8 ? 'subscribe' : oneOf(g, ['ping', 'pong', 'complete', 'next', 'connection_init', '__proto__'])
  const payload = chance(g, 85) ? documentOf(g, known) : json(g)
  return JSON.stringify({ id: oneOf(g, ['1', '2', '', '__proto__', 3]), type, payload })
}
