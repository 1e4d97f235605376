/** Where stored bodies are, and reading them. On the main thread: a query here costs some microseconds, and files are read elsewhere. */

import { type FileHandle, open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type Database from 'better-sqlite3'
import { blobPath, isSha256, STAGING_FOLDER } from '../domain/blob.js'
import { errorCodeOf } from './errors.js'
import type { StoredBody } from './store.js'

/** The folder of stored bodies. */
export function bodiesFolder(dataDir: string): string {
  return join(dataDir, 'blobs')
}

/** Where lanes write what is to be stored. */
export function stagingFolder(dataDir: string): string {
  return join(bodiesFolder(dataDir), STAGING_FOLDER)
}

/** Files that are open at a time: a page of a thousand tasks must not use up what the process may open. */
const MAX_OPEN = 16

export class StoredBodies {
  readonly #dir: string
  readonly #bytes: Database.Statement<[Uint8Array], number>
  readonly #waiting: (() => void)[] = []
  #open = 0

  constructor(db: Database.Database, dir: string) {
    this.#dir = dir
    // A run that is being deleted has no row any more.
    this.#bytes = db
      .prepare<[Uint8Array], number>(
        `SELECT b."bytes" FROM "RunBlob" AS b CROSS JOIN "Run" AS r ON r."id" = b."runId" WHERE b."sha256" = ? LIMIT 1`,
      )
      .pluck()
  }

  async find(sha256: string): Promise<StoredBody | null> {
    const found = this.#look(sha256)
    if (!found) return null
    try {
      // What a power cut has left too short is not the body.
      return (await stat(found.path)).size === found.bytes ? found : null
    } catch (error) {
      return orNull(error)
    }
  }

  /** Null where no run holds it, or the file is gone or too short. */
  async beginning(sha256: string, maxBytes: number): Promise<Uint8Array | null> {
    const found = this.#look(sha256)
    if (!found) return null
    await this.#enter()
    try {
      const file = await open(found.path)
      try {
        return (await file.stat()).size === found.bytes
          ? await readBeginning(file, Math.min(maxBytes, found.bytes))
          : null
      } finally {
        await file.close()
      }
    } catch (error) {
      return orNull(error)
    } finally {
      this.#leave()
    }
  }

  #look(sha256: string): StoredBody | null {
    if (!isSha256(sha256)) return null
    const bytes = this.#bytes.get(Buffer.from(sha256, 'hex'))
    return bytes === undefined ? null : { path: join(this.#dir, blobPath(sha256)), bytes }
  }

  async #enter(): Promise<void> {
    if (this.#open < MAX_OPEN) this.#open += 1
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  /** Whoever waits takes the place. */
  #leave(): void {
    const next = this.#waiting.shift()
    if (next) next()
    else this.#open -= 1
  }
}

async function readBeginning(file: FileHandle, length: number): Promise<Uint8Array> {
  const buffer = Buffer.allocUnsafe(length)
  for (let at = 0; at < length; ) {
    const { bytesRead } = await file.read(buffer, at, length - at, at)
    if (bytesRead === 0) return buffer.subarray(0, at)
    at += bytesRead
  }
  return buffer
}

/** What is not there is an answer; anything else is a fault. */
function orNull(error: unknown): null {
  if (errorCodeOf(error) === 'ENOENT') return null
  throw error
}
