/** Exports that are being read, each piece by piece as it is asked for. Runs in a thread of its own. */

import type Database from 'better-sqlite3'
import { CsvText } from '../domain/exports/csv.js'
import type { ExportedRun, ExportFormat, TaskFormat, TaskText } from '../domain/exports/export.js'
import { HarText } from '../domain/exports/har.js'
import { NdjsonText } from '../domain/exports/ndjson.js'
import { TraceText } from '../domain/exports/trace.js'
import { version } from '../version.js'
import { ExportAttempts } from './export-attempts.js'
import { ExportTasks } from './export-tasks.js'

/** Large enough that a piece's own cost is nothing, and small enough that many of them may wait for their clients. */
const PIECE_CHARS = 262_144

const ENCODER = new TextEncoder()

export class ExportReads {
  readonly #tasks: ExportTasks
  readonly #attempts: ExportAttempts
  readonly #open = new Map<number, AsyncGenerator<string, void>>()
  #lastId = 0

  constructor(db: Database.Database, uploadsDir: string) {
    this.#tasks = new ExportTasks(db, uploadsDir)
    this.#attempts = new ExportAttempts(db)
  }

  /** A number to read it by. */
  open(run: ExportedRun, format: ExportFormat): number {
    this.#lastId += 1
    this.#open.set(this.#lastId, format === 'TRACE' ? this.#trace(run) : this.#table(run, textOf(run, format)))
    return this.#lastId
  }

  /** The next piece; null at the end. What fails is closed. */
  async read(id: number): Promise<Uint8Array | null> {
    const texts = this.#open.get(id)
    if (texts === undefined) return null
    let piece = ''
    try {
      while (piece.length < PIECE_CHARS) {
        const { value, done } = await texts.next()
        if (done) break
        piece += value
      }
    } catch (error) {
      this.close(id)
      throw error
    }
    if (piece !== '') return ENCODER.encode(piece)
    this.close(id)
    return null
  }

  /** Safe to call twice. */
  close(id: number): void {
    const texts = this.#open.get(id)
    this.#open.delete(id)
    // Whatever it is at ends first.
    void texts?.return().catch(() => {})
  }

  async *#table(run: ExportedRun, text: TaskText): AsyncGenerator<string, void> {
    yield text.head()
    for await (const tasks of this.#tasks.read(run)) yield text.tasks(tasks)
    yield text.end()
  }

  async *#trace(run: ExportedRun): AsyncGenerator<string, void> {
    const outline = this.#attempts.outline(run)
    const text = new TraceText(run, outline.lanes.names)
    yield text.head()
    for await (const attempts of this.#attempts.read(run, outline)) {
      yield attempts.map((attempt) => text.attempt(attempt)).join('')
    }
    this.#tasks.refuseGone(run)
    yield text.end()
  }
}

function textOf(run: ExportedRun, format: TaskFormat): TaskText {
  switch (format) {
    case 'CSV':
      return new CsvText(run)
    case 'NDJSON':
      return new NdjsonText(run)
    case 'HAR':
      return new HarText(run, version)
  }
}
