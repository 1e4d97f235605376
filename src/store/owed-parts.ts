/**
 * Parts of runs that are yet to be made: of those that ended before there were any, and of large ones that the server was ended in. They
 * are made in the reader's thread.
 */

import type Database from 'better-sqlite3'
import { PartRows } from './part-rows.js'

export class OwedParts {
  readonly #rows: PartRows
  readonly #next: Database.Statement<[number], number>
  readonly #endedBefore: Database.Statement<[number], number>
  readonly #isOwed: Database.Statement<[number], 1>

  constructor(db: Database.Database) {
    this.#rows = new PartRows(db)
    const owed = '"RunParts" INDEXED BY "RunParts_owed_idx" WHERE "parts" IS NULL'
    this.#next = db
      .prepare<[number], number>(`SELECT "runId" FROM ${owed} AND "runId" > ? ORDER BY "runId" LIMIT 1`)
      .pluck()
    this.#endedBefore = db.prepare<[number], number>(`SELECT "runId" FROM ${owed} AND "finishedAt" < ? LIMIT 1`).pluck()
    this.#isOwed = db.prepare<[number], 1>(`SELECT 1 FROM ${owed} AND "runId" = ?`).pluck()
  }

  /** The first run after this id that owes them; null where there is none. */
  next(afterId: number): number | null {
    return this.#next.get(afterId) ?? null
  }

  /** One that ended before this instant, in epoch milliseconds. */
  endedBefore(beforeMs: number): number | null {
    return this.#endedBefore.get(beforeMs) ?? null
  }

  isOwed(runId: number): boolean {
    return this.#isOwed.get(runId) !== undefined
  }

  /** From the rows of a run, in turns with other questions. */
  async make(runId: number): Promise<Uint8Array> {
    const steps = this.#rows.read(runId)
    for (;;) {
      const step = steps.next()
      if (step.done) return step.value.pack()
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}
