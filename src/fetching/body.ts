/** One answer's body: decoded, counted, hashed, and kept where somebody wants it, while it streams. */

import { createHash, type Hash, hash } from 'node:crypto'
import { TaskFailure } from '../domain/errors.js'
import { BodyFile, type BodyFileListener } from './body-file.js'
import { type Coding, type DecodedSink, Decoder } from './decoding.js'
import type { BodyMemory, Holder } from './memory.js'
import { Pieces } from './pieces.js'

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
  /** Where to write what was decoded, see BodyFile; null writes nothing. */
  fileStem: string | null
  memory: BodyMemory
}

export class Body implements DecodedSink, BodyFileListener, Holder {
  heldBytes = 0
  /** Decoded so far. */
  bytes = 0
  /** Whether the end has been reached, and all before it was well. */
  whole = false
  readonly #decoder: Decoder | null
  readonly #file: BodyFile | null
  /** A body in one piece is hashed in one go. */
  #first: Buffer | null = null
  #hash: Hash | null = null
  #sha256: string | null = null
  #kept: Pieces | null = null
  /** Nothing more is taken. */
  #over = false
  #destroyed = false

  constructor(
    private readonly limits: BodyLimits,
    private readonly listener: BodyListener,
  ) {
    this.#decoder = limits.codings.length === 0 ? null : new Decoder(limits, this)
    this.#file = limits.fileStem === null ? null : new BodyFile(limits.fileStem, this)
  }

  /** False: no more until onDrain. */
  write(piece: Buffer): boolean {
    if (this.#over) return true
    return this.#decoder === null ? this.onDecoded(piece) : this.#decoder.write(piece)
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
    this.#destroyed = true
    this.#decoder?.destroy()
    // The file of a body that was told of is no longer ours.
    if (!this.whole) this.#file?.drop()
    this.#kept = null
    this.#release()
  }

  /** Lower-case hex; to be asked after the end. */
  sha256(): string {
    this.#sha256 ??= this.#hash === null ? hash('sha256', this.#first ?? '', 'hex') : this.#hash.digest('hex')
    return this.#sha256
  }

  /** The decoded body, where it was kept. */
  content(): Buffer {
    return this.#kept?.join() ?? Buffer.alloc(0)
  }

  onDecoded(piece: Buffer): boolean {
    this.bytes += piece.length
    if (this.bytes > this.limits.maxBytes) {
      this.onDecodingFailure(tooLarge(this.limits.maxBytes))
      return true
    }
    const { keepBytes } = this.limits
    if (keepBytes !== null) {
      if (this.bytes > keepBytes) {
        this.onDecodingFailure(new TaskFailure('OUTPUT_TOO_LARGE', 'the body is far larger than an output may be'))
        return true
      }
      this.#kept ??= new Pieces()
      this.#kept.add(piece)
      this.limits.memory.hold(this, piece.length)
      if (this.#over) return true
    }
    this.#digest(piece)
    return this.#file === null || this.#file.write(piece)
  }

  giveUp(failure: TaskFailure): void {
    this.onDecodingFailure(failure)
  }

  onDecodedEnd(): void {
    this.#over = true
    if (this.#file === null) this.#endWell()
    else this.#file.finish(this.sha256(), () => this.#endWell())
  }

  onDecodingFailure(failure: TaskFailure): void {
    if (!this.#over) this.#fail(failure)
  }

  onFileFailure(failure: TaskFailure): void {
    if (!this.#destroyed) this.#fail(failure)
  }

  onDrain(): void {
    if (!this.#over) this.listener.onDrain()
  }

  /** Each makes the one before it wait: the file the decoder, the decoder the connection. */
  onFileDrain(): void {
    if (this.#over) return
    if (this.#decoder === null) this.listener.onDrain()
    else this.#decoder.resume()
  }

  #endWell(): void {
    this.whole = true
    this.#release()
    this.listener.onBodyEnd()
  }

  #release(): void {
    if (this.heldBytes > 0) this.limits.memory.release(this)
  }

  #fail(failure: TaskFailure): void {
    this.destroy()
    this.listener.onBodyFailure(failure)
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
