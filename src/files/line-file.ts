/** Reads items of a file, a line each: a stretch at a time, so that memory stays bounded whatever the file. */

import { isUtf8 } from 'node:buffer'
import { closeSync, openSync, readSync } from 'node:fs'
import { MAX_LINE_BYTES, tooLongLine, undecodableLine } from '../domain/line-items.js'
import { itemLines, type Stretch, stretchOf } from '../domain/lines.js'

/** Where the items of a run are, and how they are found there. */
export interface LineFileSpec {
  path: string
  /** See LineTable. */
  stretches: Float64Array
}

/** The file is not there, or not as it came: no line is to blame. */
export class UnreadableFile extends Error {
  override readonly name = 'UnreadableFile'
}

/** What of a line that cannot be read is told. */
const BEGINNING_BYTES = 800

interface LoadedStretch {
  first: number
  bytes: Buffer
  /** Of each line that is an item, where it begins and ends. */
  bounds: Uint32Array
  /** Whether all of it is UTF-8, as a rule. */
  isText: boolean
  /** Where it is one line that is not taken into memory: `bytes` is its beginning. */
  tooLongBytes: number | null
}

export class LineFile {
  readonly #spec: LineFileSpec
  /** The one read last. */
  #loaded: LoadedStretch | null = null

  constructor(spec: LineFileSpec) {
    this.#spec = spec
  }

  /** Has the stretch of the item at hand, so that `text` costs next to nothing. Throws UnreadableFile. */
  seek(index: number): void {
    if (!this.#loaded || !holds(this.#loaded, index)) this.#loaded = this.#load(index)
  }

  /** The item's line. Throws UnreadableFile, or BadLine where it is no text. */
  text(index: number): string {
    this.seek(index)
    const { first, bytes, bounds, isText, tooLongBytes } = this.#loaded!
    if (tooLongBytes !== null) throw tooLongLine(bytes.toString(), tooLongBytes)
    const at = 2 * (index - first)
    const [start, end] = [bounds[at]!, bounds[at + 1]!]
    if (isText || isUtf8(bytes.subarray(start, end))) return bytes.toString('utf8', start, end)
    throw undecodableLine(bytes.toString('utf8', start, Math.min(end, start + BEGINNING_BYTES)))
  }

  /** How many bytes the item's line has. */
  bytesOf(index: number): number {
    this.seek(index)
    const { first, bounds, tooLongBytes } = this.#loaded!
    return tooLongBytes ?? bounds[2 * (index - first) + 1]! - bounds[2 * (index - first)]!
  }

  #load(index: number): LoadedStretch {
    const stretch = stretchOf(this.#spec.stretches, index)
    const { first, start, end } = stretch
    const lineBytes = end - start
    // Only a stretch of one line is that long.
    if (lineBytes > MAX_LINE_BYTES) {
      const bytes = this.#read({ first, start, end: start + BEGINNING_BYTES })
      return { first, bytes, bounds: Uint32Array.of(0, bytes.length), isText: false, tooLongBytes: lineBytes }
    }
    const bytes = this.#read(stretch)
    const bounds = itemLines(bytes)
    const loaded = { first, bytes, bounds, isText: isUtf8(bytes), tooLongBytes: null }
    if (!holds(loaded, index)) throw new UnreadableFile('the uploaded file is not what it was')
    return loaded
  }

  #read({ start, end }: Stretch): Buffer {
    const { path } = this.#spec
    const bytes = Buffer.allocUnsafeSlow(end - start)
    try {
      const file = openSync(path, 'r')
      try {
        for (let at = 0; at < bytes.length; ) {
          const count = readSync(file, bytes, at, bytes.length - at, start + at)
          if (count === 0) throw new Error('it is shorter than it was')
          at += count
        }
      } finally {
        closeSync(file)
      }
    } catch (error) {
      // Without its path, which is the server's own business: what is told of a system error after the comma.
      const reason = error instanceof Error ? error.message.split(', ', 1)[0] : String(error)
      throw new UnreadableFile(`the uploaded file cannot be read: ${reason}`, { cause: error })
    }
    return bytes
  }
}

function holds({ first, bounds }: LoadedStretch, index: number): boolean {
  return index >= first && index < first + bounds.length / 2
}
