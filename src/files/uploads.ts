/** The folder of uploaded files: what comes in is written there as it comes, and read through once on its way. */

import { createHash, randomUUID } from 'node:crypto'
import { mkdir, open, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { LineIndexer } from '../domain/lines.js'
import { StorageError, saysDiskIsFull } from '../domain/storage.js'
import { type UploadContent, UploadedFile } from '../domain/upload.js'
import { Gathering } from './gathering.js'

export interface UploadsOptions {
  folder: string
  /** Of one file. */
  maxBytes: number
  /** Lines of one file that are items. */
  maxItems: number
  /** A file has found no room on the disk. */
  onNoRoom?(): void
}

/** Pieces are gathered up to this before they are written: a slow client's are small. */
const WRITE_BYTES = 256 * 1024
/** What this server writes is called so; nothing else in the folder is touched. */
const NAME = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

export class Uploads {
  constructor(private readonly options: UploadsOptions) {}

  /**
   * Writes what comes to a file of its own, no faster than the disk takes it. Rejects where it breaks off or cannot be written,
   * with a StorageError where the disk is full, and then nothing of it is left. A file that can be no source is read to its end all
   * the same, so that its sender hears why.
   */
  async receive(pieces: AsyncIterable<Buffer>, name: string | null): Promise<ReceivedFile> {
    const { folder } = this.options
    const file = randomUUID()
    const path = join(folder, file)
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 })
      const content = await this.#write(pieces, file)
      if (content.kind === 'refused') await rm(path, { force: true })
      return new ReceivedFile(name, content, () => rm(path, { force: true }))
    } catch (error) {
      await rm(path, { force: true })
      if (!isDiskFull(error)) throw error
      this.options.onNoRoom?.()
      throw new StorageError('FULL', `the disk is full: ${path}`, { cause: error })
    }
  }

  async #write(pieces: AsyncIterable<Buffer>, file: string): Promise<UploadContent> {
    const { folder, maxBytes, maxItems } = this.options
    const handle = await open(join(folder, file), 'wx', 0o600)
    const examiner = new Examiner(maxBytes, maxItems)
    try {
      const gathered = new Gathering()
      let isUseless = false
      for await (const piece of pieces) {
        if (isUseless) continue
        isUseless = !examiner.take(piece)
        if (isUseless) {
          // Nothing of it is needed any more, and the rest may be long.
          gathered.take()
          await handle.truncate(0)
          continue
        }
        gathered.add(piece)
        if (gathered.bytes >= WRITE_BYTES) await handle.appendFile(gathered.take())
      }
      const content = examiner.finish(file)
      if (content.kind === 'refused') return content
      if (gathered.bytes > 0) await handle.appendFile(gathered.take())
      await handle.sync()
      await syncFolder(folder)
      return content
    } finally {
      await handle.close()
    }
  }
}

/** Removes the files of the folder that nobody knows: those of launches that a crash cut off. */
export async function sweepUploads(folder: string, known: ReadonlySet<string>): Promise<void> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  for (const name of names) {
    if (NAME.test(name) && !known.has(name)) await rm(join(folder, name), { force: true })
  }
}

function isDiskFull(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code !== undefined && saysDiskIsFull(code)
}

/** A file's name must outlive a power cut as its bytes do. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Hashes a file, and finds its lines, while it comes in. */
class Examiner {
  readonly #hash = createHash('sha256')
  readonly #indexer: LineIndexer
  #refusal: Extract<UploadContent, { kind: 'refused' }> | null = null
  bytes = 0

  constructor(
    private readonly maxBytes: number,
    private readonly maxItems: number,
  ) {
    this.#indexer = new LineIndexer({ maxCount: maxItems })
  }

  /** False once the file is of no use, whatever comes after. */
  take(piece: Buffer): boolean {
    if (this.#refusal) return false
    this.bytes += piece.length
    const { maxBytes, maxItems } = this
    if (this.bytes > maxBytes) return this.#refuse('INVALID', `the file is larger than ${maxBytes} bytes`)
    this.#indexer.push(piece)
    if (this.#indexer.isTooLong) {
      return this.#refuse('TOO_MANY_ITEMS', `the file has more than ${maxItems} lines: launch several batches`)
    }
    if (this.#indexer.isUtf16) return this.#refuse('INVALID', 'the file is UTF-16: UTF-8 is expected')
    this.#hash.update(piece)
    return true
  }

  finish(file: string): UploadContent {
    const table = this.#indexer.finish()
    if (!this.#refusal && table.count > this.maxItems) {
      this.#refuse('TOO_MANY_ITEMS', `the file has more than ${this.maxItems} lines: launch several batches`)
    }
    if (!this.#refusal && table.count === 0) this.#refuse('INVALID', 'the file has no line: an item a line is expected')
    return this.#refusal ?? { kind: 'lines', file, bytes: this.bytes, sha256: this.#hash.digest('hex'), table }
  }

  #refuse(code: 'INVALID' | 'TOO_MANY_ITEMS', reason: string): false {
    this.#refusal = { kind: 'refused', code, reason }
    return false
  }
}

/** A file that has been received: it is removed unless a run has it when the request is over. */
export class ReceivedFile extends UploadedFile {
  readonly #remove: () => Promise<void>
  #holders = 0
  #isKept = false
  #isReleased = false
  #removed: Promise<void> | null = null

  constructor(
    readonly name: string | null,
    readonly content: UploadContent,
    remove: () => Promise<void>,
  ) {
    super()
    this.#remove = remove
  }

  hold(): (isKept: boolean) => void {
    if (this.#removed) throw new Error('the request that the file came with is over')
    this.#holders += 1
    return (isKept) => {
      this.#holders -= 1
      this.#isKept ||= isKept
      void this.#removeUnused()
    }
  }

  /** The request is over: resolves when the file is gone, where nobody has it. Safe to call twice. */
  release(): Promise<void> {
    this.#isReleased = true
    return this.#removeUnused()
  }

  #removeUnused(): Promise<void> {
    if (!this.#isReleased || this.#isKept || this.#holders > 0) return Promise.resolve()
    // What cannot be removed now is removed at the next start.
    this.#removed ??= this.#remove().catch(() => {})
    return this.#removed
  }
}
