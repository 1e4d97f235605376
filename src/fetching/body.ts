/** One answer's body: decoded, counted, hashed, and kept where somebody wants it, while it streams. */

import { createHash, type Hash, hash } from 'node:crypto'
import { TaskFailure } from '../domain/errors.js'
import { type Coding, type DecodedSink, Decoder } from './decoding.js'

export interface BodyListener {
  onBodyEnd(): void
  /** Said once, and nothing after it. */
  onBodyFailure(failure: TaskFailure): void
  /** After a write that answered false: more may come. */
  onDrain(): void
}

export interface BodyLimits {
  codings: readonly Coding[]
  /** Of the decoded body. */
  maxBytes: number
  /** Keeps what was decoded, up to that many bytes; null keeps nothing. */
  keepBytes: number | null
}

export class Body implements DecodedSink {
  /** Decoded so far. */
  bytes = 0
  /** Whether the end has been reached, and all before it was well. */
  whole = false
  readonly #decoder: Decoder | null
  /** A body in one piece is hashed in one go. */
  #first: Buffer | null = null
  #hash: Hash | null = null
  #kept: Buffer[] = []
  #over = false

  constructor(
    private readonly limits: BodyLimits,
    private readonly listener: BodyListener,
  ) {
    this.#decoder = limits.codings.length === 0 ? null : new Decoder(limits.codings, this)
  }

  /** False: no more until onDrain. */
  write(piece: Buffer): boolean {
    if (this.#over) return true
    if (this.#decoder !== null) return this.#decoder.write(piece)
    this.onDecoded(piece)
    return true
  }

  /** The last piece has been written. */
  end(): void {
    if (this.#over) return
    if (this.#decoder !== null) this.#decoder.end()
    else this.onDecodedEnd()
  }

  /** Nothing more is said or kept. */
  destroy(): void {
    this.#over = true
    this.#decoder?.destroy()
    this.#kept = []
  }

  /** Lower-case hex; to be asked once, after the end. */
  sha256(): string {
    if (this.#hash !== null) return this.#hash.digest('hex')
    return hash('sha256', this.#first ?? '', 'hex')
  }

  /** The decoded body, where it was kept. */
  content(): Buffer {
    const only = this.#kept[0]
    return this.#kept.length === 1 && only !== undefined ? only : Buffer.concat(this.#kept)
  }

  onDecoded(piece: Buffer): void {
    this.bytes += piece.length
    if (this.bytes > this.limits.maxBytes) {
      this.onDecodingFailure(tooLarge(this.limits.maxBytes))
      return
    }
    const { keepBytes } = this.limits
    if (keepBytes !== null) {
      if (this.bytes > keepBytes) {
        this.onDecodingFailure(new TaskFailure('OUTPUT_TOO_LARGE', 'the body is far larger than an output may be'))
        return
      }
      this.#kept.push(piece)
    }
    this.#digest(piece)
  }

  onDecodedEnd(): void {
    this.#over = true
    this.whole = true
    this.listener.onBodyEnd()
  }

  onDecodingFailure(failure: TaskFailure): void {
    if (this.#over) return
    this.destroy()
    this.listener.onBodyFailure(failure)
  }

  onDrain(): void {
    if (!this.#over) this.listener.onDrain()
  }

  #digest(piece: Buffer): void {
    if (this.#hash !== null) {
      this.#hash.update(piece)
    } else if (this.#first === null) {
      this.#first = piece
    } else {
      this.#hash = createHash('sha256').update(this.#first).update(piece)
      this.#first = null
    }
  }
}

export function tooLarge(maxBytes: number): TaskFailure {
  return new TaskFailure('BODY_TOO_LARGE', `the body is larger than ${maxBytes} bytes`)
}
