/**
 * A socket as undici gets to see it. Three things about what comes in are seen to here, before its parser has them:
 *
 * - The end of the connection waits while the parser is paused. undici takes it for a body that was cut off, or fails an assertion that
 *   nobody can catch (nodejs/undici#5360, mended in version 8 alone): the lane would end with all that it has in flight.
 * - A reset is told in words of our own. Where the answer has no length undici would go on parsing, paused or not, with the same end.
 * - What comes without being content has a limit. The parser bounds headers, but neither the line of the status, nor white space,
 *   extensions of chunks, or answers that are none yet.
 */

import type { Socket } from 'node:net'
import { TaskFailure } from '../domain/errors.js'

/** Headers may have 64 KB, what the socket keeps in store comes on top, and what is read at once. */
const SPARE_BYTES = 262_144
/** A body in the smallest of chunks has five bytes around each of its own. */
const SPARE_PER_BYTE = 16

export class Wire {
  /** Bytes that may still come before there is content again. */
  #spareBytes = SPARE_BYTES
  #held = false
  /** The other side has ended the connection, and undici is still to hear of it. */
  #ended = false
  readonly #push: Socket['push']

  /** The socket is open, and nobody has read from it. */
  constructor(private readonly socket: Socket) {
    this.#push = socket.push
    const { destroy } = socket
    socket.push = (chunk, encoding) => this.#onPush(chunk, encoding)
    socket.destroy = (error) => destroy.call(socket, isReset(error) ? resetOf(error) : error)
  }

  /** Whether another request may be sent on it. */
  get alive(): boolean {
    return !this.socket.destroyed && !this.#ended
  }

  /** Whether it ended by an error and not by an orderly end. */
  get broken(): boolean {
    return this.socket.errored !== null
  }

  /** A request goes out. */
  begin(): void {
    this.#spareBytes = SPARE_BYTES
  }

  /** So much content has come. */
  credit(bytes: number): void {
    const spareBytes = this.#spareBytes + bytes * SPARE_PER_BYTE
    this.#spareBytes = spareBytes < SPARE_BYTES ? spareBytes : SPARE_BYTES
  }

  /** The parser is about to be paused. */
  hold(): void {
    this.#held = true
  }

  /** `resume` has the parser go on; it may hold again from within. */
  letGo(resume: () => void): void {
    this.#held = false
    resume()
    if (this.#held || !this.#ended || this.socket.destroyed) return
    this.#push.call(this.socket, null)
    this.socket.read(0)
  }

  #onPush(chunk: Buffer | null, encoding: BufferEncoding | undefined): boolean {
    if (chunk === null) {
      this.#ended = true
      return this.#held ? false : this.#push.call(this.socket, chunk, encoding)
    }
    this.#spareBytes -= chunk.length
    if (this.#spareBytes < 0) {
      this.socket.destroy(new TaskFailure('DECODING', 'the answer goes on and on without content'))
      return false
    }
    return this.#push.call(this.socket, chunk, encoding)
  }
}

function isReset(error: Error | undefined): error is Error {
  return (error as NodeJS.ErrnoException | undefined)?.code === 'ECONNRESET'
}

/** What it means for the request depends on how far that had come: see toFailure. */
function resetOf(error: Error): Error {
  return new Error('the connection was reset', { cause: error })
}
