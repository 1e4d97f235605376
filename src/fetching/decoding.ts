/** Takes a body's content-encoding off while it streams. */

import type { Transform } from 'node:stream'
import {
  brotliDecompressSync,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  gunzipSync,
  inflateRawSync,
  inflateSync,
} from 'node:zlib'
import { TaskFailure } from '../domain/errors.js'
import type { BodyMemory } from './memory.js'
import { Pieces } from './pieces.js'
import { type Claim, windowBytesOf } from './windows.js'

export type Coding = 'gzip' | 'deflate' | 'br'

export interface DecodedSink {
  /** A piece of the decoded body. False: no more until `resume`. The sink may destroy the decoder from within. */
  onDecoded(piece: Buffer): boolean
  onDecodedEnd(): void
  /** The sink destroys the decoder. */
  onDecodingFailure(failure: TaskFailure): void
  /** After a write that answered false: more may come. */
  onDrain(): void
}

const CODINGS: Readonly<Record<string, Coding>> = {
  gzip: 'gzip',
  'x-gzip': 'gzip',
  deflate: 'deflate',
  br: 'br',
}
/** As many as curl takes: more are an attack. */
const MAX_CODINGS = 5

/** The codings of a Content-Encoding header in the order in which they come off. Throws TaskFailure. */
export function parseContentEncoding(header: string | null): readonly Coding[] {
  if (header === null) return []
  const codings: Coding[] = []
  for (const part of header.toLowerCase().split(',')) {
    const name = part.trim()
    if (name === '' || name === 'identity') continue
    const coding = CODINGS[name]
    if (coding === undefined) throw new TaskFailure('DECODING', `the content-encoding "${name}" is not known`)
    codings.unshift(coding)
  }
  if (codings.length > MAX_CODINGS) throw new TaskFailure('DECODING', `more than ${MAX_CODINGS} content-encodings`)
  return codings
}

/** What is decoded at once: a small body that came in one go. Streams cost a trip to another thread for each piece. */
const MAX_ONE_SHOT_INPUT_BYTES = 65_536
const MAX_ONE_SHOT_OUTPUT_BYTES = 262_144
/** Less is held for the rest of the turn before it goes to the stream. */
const MIN_STREAM_INPUT_BYTES = 16_384
/** Padding after the end of what was encoded is left out, as browsers do it; more than that is no padding. */
const MAX_PADDING_BYTES = 65_536

export interface DecoderOptions {
  /** At least one. */
  codings: readonly Coding[]
  memory: BodyMemory
}

export class Decoder {
  /** What came in this turn of the event loop; with the body's end in the same turn it is decoded at once. */
  readonly #held = new Pieces()
  #turn: NodeJS.Immediate | null = null
  #stages: Transform[] | null = null
  /** Room for what the stages look back at. While it waits for that there are none. */
  #claim: Claim | null = null
  #destroyed = false
  /** The last piece has been written. */
  #inputEnded = false
  /** The last piece has been decoded. */
  #outputEnded = false
  #paddingBytes = 0

  constructor(
    private readonly options: DecoderOptions,
    private readonly sink: DecodedSink,
  ) {}

  /** False: no more until onDrain. */
  write(piece: Buffer): boolean {
    this.#held.add(piece)
    if (this.#held.bytes >= (this.#stages === null ? MAX_ONE_SHOT_INPUT_BYTES : MIN_STREAM_INPUT_BYTES)) {
      return this.#feedHeld()
    }
    // What overflows in this turn is bounded by the socket's buffer.
    this.#turn ??= setImmediate(() => this.#feedHeld())
    return this.#mayGoOn
  }

  end(): void {
    if (this.#destroyed) return
    this.#inputEnded = true
    if (this.#stages !== null) this.#endStream(this.#stages)
    // It goes on when there is room.
    else if (this.#claim !== null) return
    else if (this.#held.bytes === 0) this.sink.onDecodedEnd()
    else this.#decodeAtOnce()
  }

  /** After an `onDecoded` that answered false. */
  resume(): void {
    this.#stages?.at(-1)?.resume()
  }

  destroy(): void {
    this.#destroyed = true
    this.#forgetTurn()
    for (const stage of this.#stages ?? []) stage.destroy()
    this.#held.take()
    this.#claim?.release()
  }

  #decodeAtOnce(): void {
    let body = this.#held.join()
    for (const coding of this.options.codings) {
      try {
        body = decodeSync(coding, body)
      } catch (error) {
        if ((error as { code?: string }).code !== 'ERR_BUFFER_TOO_LARGE') {
          this.sink.onDecodingFailure(decodingFailure(coding, error))
          return
        }
        // Much larger than it looked: in pieces, so that a limit stops it.
        if (this.#feedHeld() || this.#stages !== null) this.end()
        return
      }
    }
    this.#forgetTurn()
    this.sink.onDecoded(body)
    if (!this.#destroyed) this.sink.onDecodedEnd()
  }

  #forgetTurn(): void {
    if (this.#turn !== null) clearImmediate(this.#turn)
    this.#turn = null
  }

  get #mayGoOn(): boolean {
    return this.#stages === null ? this.#claim === null : this.#stages[0]?.writableNeedDrain !== true
  }

  /** To the stream what came in this turn: each piece costs a trip to another thread. False: no more until onDrain. */
  #feedHeld(): boolean {
    this.#forgetTurn()
    if (this.#stages === null && !this.#open()) return false
    for (const piece of this.#held.take()) this.#feed(piece)
    return this.#mayGoOn
  }

  /** Opens the stages; false where that has to wait for room. */
  #open(): boolean {
    if (this.#claim !== null) return false
    const head = this.#held.first
    const bytes = this.options.codings.reduce((sum, coding, place) => {
      return coding === 'br' ? sum + windowBytesOf(place === 0 ? head : undefined) : sum
    }, 0)
    let isWaiting = false
    const begin = () => {
      this.#stages = this.#openStages(head)
      if (isWaiting) this.#goOn()
    }
    if (bytes === 0) begin()
    else this.#claim = this.options.memory.windows.claim(bytes, begin)
    isWaiting = true
    return this.#stages !== null
  }

  /** There is room: what came meanwhile is next. */
  #goOn(): void {
    if (this.#inputEnded) this.end()
    else if (this.#feedHeld()) this.sink.onDrain()
  }

  #endStream(stages: readonly Transform[]): void {
    this.#feedHeld()
    if (this.#destroyed) return
    if (this.#outputEnded) this.sink.onDecodedEnd()
    else stages[0]?.end()
  }

  #openStages(head: Buffer | undefined): Transform[] {
    const stages = this.options.codings.map((coding, place) => this.#openStage(coding, place === 0 ? head : undefined))
    for (const [place, stage] of stages.entries()) {
      const next = stages[place + 1]
      if (next !== undefined) stage.pipe(next)
    }
    const last = stages.at(-1)
    last?.on('data', (piece: Buffer) => {
      if (!this.#destroyed && !this.sink.onDecoded(piece)) last.pause()
    })
    last?.on('end', () => {
      this.#outputEnded = true
      this.#claim?.release()
      // Before that the connection still has something to say, and must not be left to itself.
      if (this.#inputEnded && !this.#destroyed) this.sink.onDecodedEnd()
    })
    stages[0]?.on('drain', () => this.sink.onDrain())
    return stages
  }

  #openStage(coding: Coding, head: Buffer | undefined): Transform {
    const stage = createStage(coding, head)
    stage.on('error', (error) => {
      if (!this.#destroyed) this.sink.onDecodingFailure(decodingFailure(coding, error))
    })
    return stage
  }

  #feed(piece: Buffer): void {
    if (!this.#outputEnded) {
      this.#stages?.[0]?.write(piece)
      return
    }
    this.#paddingBytes += piece.length
    if (this.#paddingBytes <= MAX_PADDING_BYTES) return
    this.sink.onDecodingFailure(new TaskFailure('DECODING', 'the body goes on after its content has ended'))
  }
}

function createStage(coding: Coding, head: Buffer | undefined): Transform {
  if (coding === 'gzip') return createGunzip()
  if (coding === 'br') return createBrotliDecompress()
  return head === undefined || hasZlibHeader(head) ? createInflate() : createInflateRaw()
}

function decodeSync(coding: Coding, body: Buffer): Buffer {
  const options = { maxOutputLength: MAX_ONE_SHOT_OUTPUT_BYTES }
  if (coding === 'gzip') return gunzipSync(body, options)
  if (coding === 'br') return brotliDecompressSync(body, options)
  return hasZlibHeader(body) ? inflateSync(body, options) : inflateRawSync(body, options)
}

/** Some servers send "deflate" without the zlib header that belongs to it. */
function hasZlibHeader(head: Buffer): boolean {
  return ((head[0] ?? 0) & 0x0f) === 8
}

function decodingFailure(coding: Coding, error: unknown): TaskFailure {
  const unfinished = (error as { code?: string }).code === 'Z_BUF_ERROR'
  return new TaskFailure('DECODING', unfinished ? `the body's ${coding} ends too early` : `the body is not ${coding}`)
}
