/** An origin that writes bytes, and no HTTP but what a test makes of them. */

import { type AddressInfo, createServer, type Socket } from 'node:net'

export interface RawOrigin {
  /** Such as `http://127.0.0.1:4001`. */
  readonly url: string
  readonly port: number
  /** Opened so far. */
  connections: number
  /** The heads of all requests, in the order of their coming. */
  readonly requests: string[]
  close(): Promise<void>
}

/** What to do on a connection when a request has come; `path` is the request's own. */
export type RawAnswer = (socket: Socket, path: string) => void

/** Listens on a free port of 127.0.0.1. A client that leaves is nobody's concern. */
export async function startRawOrigin(answer: RawAnswer): Promise<RawOrigin> {
  const open = new Set<Socket>()
  const requests: string[] = []
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    origin.connections += 1
    open.add(socket)
    let text = ''
    socket.setEncoding('latin1')
    socket.on('error', () => undefined).on('close', () => open.delete(socket))
    socket.on('data', (piece) => {
      text += piece
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        const head = text.slice(0, end)
        const [, length = 0] = /^content-length: (\d+)$/im.exec(head) ?? []
        if (text.length < end + 4 + Number(length)) return
        text = text.slice(end + 4 + Number(length))
        requests.push(head)
        answer(socket, head.split(' ', 2)[1] ?? '')
      }
    })
    socket.on('end', () => socket.end())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const origin: RawOrigin = {
    url: `http://127.0.0.1:${port}`,
    port,
    connections: 0,
    requests,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of open) socket.destroy()
      await closed
    },
  }
  return origin
}

/** The head of an answer. */
export function head(status: string, ...headers: string[]): string {
  return [`HTTP/1.1 ${status}`, ...headers, '', ''].join('\r\n')
}

/** Writes the same again and again, as fast as it is read. */
export function flood(socket: Socket, piece: string | Buffer): void {
  const fill = () => {
    while (!socket.destroyed && socket.write(piece)) {}
  }
  socket.on('drain', fill)
  fill()
}
