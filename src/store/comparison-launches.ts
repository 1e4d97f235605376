/**
 * Writes comparisons down: all their runs in one transaction. Runs in the writer's thread, as two hundred runs would take Prisma a
 * tenth of a second of the main thread.
 */

import type Database from 'better-sqlite3'
import { functionsOf, type Label } from '../domain/batch.js'
import { Inserts, type Row } from './inserts.js'
import { distinct } from './launches.js'
import { newRunRow } from './rows.js'
import { type SourceBlockRow, toSourceBlocks } from './source-blocks.js'
import { toStretchBytes } from './source-files.js'
import type { NewComparison } from './store.js'

/** A comparison as rows, ready to cross over to the writer. */
export interface ComparisonLaunch {
  comparison: Row
  /** In the order in which they are run. */
  runs: Row[]
  /** Of each run. */
  labels: Label[]
  functions: string[]
  /** Of all runs together. */
  blocks: SourceBlockRow[]
  /** Of each run. */
  file: Row | null
}

export function toComparisonLaunch(launch: NewComparison): ComparisonLaunch {
  const { key, name, strategies, rounds, createdAt, runs, items, file, idempotency } = launch
  const spec = runs[0]?.spec
  return {
    comparison: { key, name, createdAt: createdAt.getTime(), strategies: JSON.stringify(strategies), rounds },
    runs: runs.map((run, at) => {
      // The key is the whole comparison's; the first run has it.
      const own = at === 0 ? idempotency : null
      const row = newRunRow({ ...run, createdAt, idempotency: own })
      return { ...row, createdAt: createdAt.getTime() }
    }),
    labels: distinct(spec?.labels ?? []),
    functions: spec ? functionsOf(spec) : [],
    blocks: items ? toSourceBlocks(items) : [],
    file:
      file && spec?.source.kind === 'file'
        ? { file: file.file, form: spec.source.form, stretches: toStretchBytes(file.stretches) }
        : null,
  }
}

export class ComparisonWriter {
  readonly #db: Database.Database
  readonly #inserts: Inserts

  constructor(db: Database.Database) {
    this.#db = db
    this.#inserts = new Inserts(db)
  }

  /** The id of the comparison. */
  write(launch: ComparisonLaunch): number {
    return this.#db.transaction(() => this.#write(launch)).immediate()
  }

  /** See Store. */
  noteInterrupted(runIds: readonly number[]): void {
    const note = this.#db.prepare('UPDATE "Run" SET "interrupted" = 1 WHERE "id" = ?')
    this.#db.transaction(() => runIds.forEach((runId) => void note.run(runId))).immediate()
  }

  #write({ comparison, runs, labels, functions, blocks, file }: ComparisonLaunch): number {
    const comparisonId = this.#inserts.insert('Comparison', comparison)
    for (const block of blocks) this.#inserts.insert('ComparisonBlock', { comparisonId, ...block })
    for (const run of runs) {
      const runId = this.#inserts.insert('Run', { ...run, comparisonId })
      for (const { name, value } of labels) this.#inserts.insert('Label', { name, value, runId })
      for (const name of functions) this.#inserts.insert('RunFunction', { function: name, runId })
      if (file) this.#inserts.insert('SourceFile', { ...file, runId })
    }
    return comparisonId
  }
}
