/** Parts of runs that are yet to be made: of those that ended before there were any, and of large ones that the server was ended in. Runs in the reader's thread. */

import type Database from 'better-sqlite3'
import { PartRows } from './part-rows.js'

export class OwedParts {
  readonly #rows: PartRows
  readonly #next: Database.Statement<[number], number>

  constructor(db: Database.Database) {
    this.#rows = new PartRows(db)
    this.#next = db
      .prepare<[number], number>(
        'SELECT "runId" FROM "RunParts" INDEXED BY "RunParts_owed_idx" WHERE "parts" IS NULL AND "runId" > ? ORDER BY "runId" LIMIT 1',
      )
      .pluck()
  }

  /** Of the first one after this id; null where there is none. */
  async next(afterId: number): Promise<{ runId: number; parts: Uint8Array } | null> {
    const runId = this.#next.get(afterId)
    if (runId === undefined) return null
    const steps = this.#rows.read(runId)
    for (;;) {
      const step = steps.next()
      if (step.done) return { runId, parts: step.value.pack() }
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}
