/** How slowly a request may come. Answers, streams among them, may take as long as they need. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '../clock.js'

/** For all of a request; of one with files, for the next bytes. */
export const ARRIVAL_MS = 60_000
/** What counts as going on: less than a modem sends, and more than who only keeps a connection busy wants to. */
const MIN_BYTES = 4 * 1024

/**
 * Ends a request whose body does not come. An ordinary one has to be there in a minute, one with files has to go on coming:
 * a slow line may take an hour for a gigabyte.
 */
export function limitArrival(
  { req, res, clock }: { req: IncomingMessage; res: ServerResponse; clock: Clock },
  { hasFiles }: { hasFiles: boolean },
): void {
  const { socket } = req
  let seenBytes = socket.bytesRead
  let cancel = () => {}
  const look = () => {
    if (req.complete) return
    // What comes after the answer is nobody's: of that no more than of an ordinary request.
    const mayGoOn = hasFiles && !res.writableEnded
    if (!mayGoOn || socket.bytesRead - seenBytes < MIN_BYTES) return refuse()
    seenBytes = socket.bytesRead
    cancel = clock.setTimer(look, ARRIVAL_MS)
  }
  const refuse = () => {
    if (!res.headersSent) {
      socket.write('HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n')
    }
    socket.destroySoon()
  }
  cancel = clock.setTimer(look, ARRIVAL_MS)
  // It has come to its end, or to that of its connection.
  req.once('close', () => cancel())
}

/** Whether more comes after the head of the request. */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}
