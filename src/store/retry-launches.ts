/** Writes retries down, with what they need of the source of the run that they repeat. Runs in the writer's thread, between commits. */

import type Database from 'better-sqlite3'
import { functionsOf, type Label } from '../domain/batch.js'
import type { IndexSet } from '../domain/indexset.js'
import { Inserts, type Row } from './inserts.js'
import { distinct } from './launches.js'
import { newRunRow } from './rows.js'
import { packSelection, unpackSelectionNow } from './selections.js'
import type { NewRetry } from './store.js'

/** A retry as rows, ready to cross over to the writer. */
export interface RetryLaunch {
  of: number
  run: Row
  labels: Label[]
  functions: string[]
  /** Of the source. */
  items: number
  /** See selections.ts; null: nothing. */
  leftOut: Uint8Array | null
}

export async function toRetryLaunch({ key, of, spec, leftOut, createdAt }: NewRetry): Promise<RetryLaunch> {
  const { count } = spec.source
  const row = newRunRow({ key, spec, createdAt, idempotency: null }, count - leftOut.size)
  return {
    of,
    run: { ...row, createdAt: createdAt.getTime(), retryOf: of },
    labels: distinct(spec.labels),
    functions: functionsOf(spec),
    items: count,
    leftOut: leftOut.size === 0 ? null : await packSelection(leftOut),
  }
}

/** Where the blocks of a list are: the run's own, or those that it shares with the others of its comparison. */
const BLOCKS = [
  '"SourceBlock" WHERE "runId" = @of',
  `"ComparisonBlock" WHERE "comparisonId" =
  (SELECT "comparisonId" FROM "Run" WHERE "id" = @of)`,
] as const

interface BlocksOf {
  list: Database.Statement<[{ of: number }], { first: number; count: number }>
  copy: Database.Statement<[{ of: number; runId: number; first: number }]>
}

export class RetryWriter {
  readonly #db: Database.Database
  readonly #inserts: Inserts
  readonly #isThere: Database.Statement<[number], 1>
  readonly #blocks: readonly BlocksOf[]
  readonly #copyFile: Database.Statement<[{ of: number; runId: number }]>

  constructor(db: Database.Database) {
    this.#db = db
    this.#inserts = new Inserts(db)
    this.#isThere = db.prepare<[number], 1>('SELECT 1 FROM "Run" WHERE "id" = ?').pluck()
    this.#blocks = BLOCKS.map((blocks) => ({
      list: db.prepare(`SELECT "first", "count" FROM ${blocks}`),
      copy: db.prepare(
        `INSERT INTO "SourceBlock" ("runId", "first", "count", "items")
         SELECT @runId, "first", "count", "items" FROM ${blocks} AND "first" = @first`,
      ),
    }))
    this.#copyFile = db.prepare(
      `INSERT INTO "SourceFile" ("runId", "file", "form", "stretches")
       SELECT @runId, "file", "form", "stretches" FROM "SourceFile" WHERE "runId" = @of`,
    )
  }

  /** The id of the run; null where the one that it repeats is not there. */
  write(launch: RetryLaunch): number | null {
    return this.#db.transaction(() => this.#write(launch)).immediate()
  }

  #write({ of, run, labels, functions, items, leftOut }: RetryLaunch): number | null {
    // What it is made of is there as long as the run itself is.
    if (this.#isThere.get(of) === undefined) return null
    const runId = this.#inserts.insert('Run', run)
    for (const { name, value } of labels) this.#inserts.insert('Label', { name, value, runId })
    for (const name of functions) this.#inserts.insert('RunFunction', { function: name, runId })
    if (leftOut) this.#inserts.insert('RunSelection', { runId, leftOut })
    this.#copyBlocks({ of, runId }, leftOut && (() => unpackSelectionNow(items, leftOut)))
    this.#copyFile.run({ of, runId })
    return runId
  }

  /** Those with an item that is repeated. */
  #copyBlocks(runs: { of: number; runId: number }, leftOut: (() => IndexSet) | null): void {
    for (const { list, copy } of this.#blocks) {
      const blocks = list.all(runs)
      const without = blocks.length === 0 || leftOut === null ? null : leftOut()
      for (const { first, count } of blocks) {
        const next = without === null ? first : (without.nextAbsent(first, 1)?.first ?? Number.POSITIVE_INFINITY)
        if (next < first + count) copy.run({ ...runs, first })
      }
    }
  }
}
