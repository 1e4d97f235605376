/** The files of file sources, and their items: read in a thread of their own, as a line may be long and has to be checked. */

import { join } from 'node:path'
import type Database from 'better-sqlite3'
import type { Json } from '../domain/batch.js'
import { BadLine, readInput, readRequest, unsendable } from '../domain/line-items.js'
import { LineFile } from '../files/line-file.js'

/** Of one answer: with more the other items are left for the next one, so that a page of long lines stays bounded. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024
/** Files kept at hand, each with one stretch: 256 KB as a rule, 5 MB with the longest of lines. */
const MAX_KEPT = 8

export type SourceForm = 'requests' | 'inputs'

interface SourceFileRow {
  file: string
  form: SourceForm
  stretches: Buffer
}

/** Little end first on every machine that Node.js runs on. */
export function toStretchBytes(stretches: Float64Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Float64Array.from(stretches).buffer)
}

export function fromStretchBytes(bytes: Uint8Array): Float64Array {
  return new Float64Array(Uint8Array.from(bytes).buffer)
}

/** What the threads ask the database of files. */
export class SourceFileRows {
  readonly #row: Database.Statement<[number], SourceFileRow>
  readonly #has: Database.Statement<[number], number>

  constructor(db: Database.Database) {
    this.#row = db.prepare('SELECT "file", "form", "stretches" FROM "SourceFile" WHERE "runId" = ?')
    this.#has = db.prepare<[number], number>('SELECT 1 FROM "SourceFile" WHERE "runId" = ?').pluck()
  }

  has(runId: number): boolean {
    return this.#has.get(runId) === 1
  }

  find(runId: number): { file: string; form: SourceForm; stretches: Float64Array } | null {
    const row = this.#row.get(runId)
    return row ? { ...row, stretches: fromStretchBytes(row.stretches) } : null
  }
}

interface KeptFile {
  form: SourceForm
  lines: LineFile
}

/** Reads the items of files. */
export class FileItems {
  readonly #rows: SourceFileRows
  readonly #kept = new Map<number, KeptFile>()

  constructor(db: Database.Database) {
    this.#rows = new SourceFileRows(db)
  }

  /**
   * The items of a run's file in this folder at these indexes, in their order: at least the first, and as many as an answer holds. A bad line is a request
   * that cannot be sent, or its text, shortened.
   */
  read(folder: string, runId: number, indexes: readonly number[]): Json[] {
    const { form, lines } = this.#find(folder, runId)
    const items: Json[] = []
    let bytes = 0
    for (const index of indexes) {
      try {
        bytes += lines.bytesOf(index)
      } catch (error) {
        // What could be read is told: the next question begins with what cannot.
        if (items.length > 0) break
        throw error
      }
      if (bytes > MAX_ANSWER_BYTES && items.length > 0) break
      items.push(itemAt(lines, index, form))
    }
    return items
  }

  #find(folder: string, runId: number): KeptFile {
    const kept = this.#kept.get(runId) ?? this.#open(folder, runId)
    // Put back at the end: the first one is the one that was not asked for the longest.
    this.#kept.delete(runId)
    this.#kept.set(runId, kept)
    const [oldest] = this.#kept.keys()
    if (this.#kept.size > MAX_KEPT && oldest !== undefined) this.#kept.delete(oldest)
    return kept
  }

  #open(folder: string, runId: number): KeptFile {
    const row = this.#rows.find(runId)
    if (!row) throw new Error('the run has no file any more')
    return { form: row.form, lines: new LineFile({ path: join(folder, row.file), stretches: row.stretches }) }
  }
}

function itemAt(lines: LineFile, index: number, form: SourceForm): Json {
  try {
    const text = lines.text(index)
    // A plain object, as what crosses to the other thread is.
    return form === 'inputs' ? readInput(text) : (readRequest(text) as unknown as Json)
  } catch (error) {
    if (!(error instanceof BadLine)) throw error
    return form === 'inputs' ? error.told : (unsendable(error) as unknown as Json)
  }
}
