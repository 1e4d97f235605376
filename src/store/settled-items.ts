/** Which items of an ended run need not be repeated. Runs in the reader's thread, in turns with other questions. */

import type Database from 'better-sqlite3'
import { IndexSet } from '../domain/indexset.js'
import { unpackSelectionNow } from './selections.js'

/** So few tasks that did not succeed are rather looked up than found among all. */
const FEW_TASKS = 10_000
/** Rows passed over at a time: some milliseconds. */
const STEP_ROWS = 10_000

interface RunOutline {
  lastStage: number
  /** Items that went through the last stage. */
  succeeded: number
  lastSequence: number
  leftOut: Uint8Array | null
}

export class SettledItems {
  readonly #outline: Database.Statement<[number], RunOutline>
  readonly #unsuccessful: Database.Statement<[number], number>
  readonly #succeeded: Database.Statement<[number, number, number, number], number>

  constructor(db: Database.Database) {
    this.#outline = db.prepare(
      `SELECT json_array_length("spec", '$.stages') - 1 AS "lastStage", "lastTaskSequence" AS "lastSequence",
         coalesce(json_extract("stages", '$[#-1].counts.succeeded'), "succeeded") AS "succeeded",
         (SELECT "leftOut" FROM "RunSelection" WHERE "runId" = "Run"."id") AS "leftOut"
       FROM "Run" WHERE "id" = ?`,
    )
    this.#unsuccessful = db
      .prepare<[number], number>(
        `SELECT "itemIndex" FROM "Task" INDEXED BY "Task_unsuccessful_idx"
         WHERE "runId" = ? AND "status" > 0 LIMIT ${FEW_TASKS + 1}`,
      )
      .pluck()
    this.#succeeded = db
      .prepare<[number, number, number, number], number>(
        `SELECT "itemIndex" FROM "Task" NOT INDEXED
         WHERE "runId" = ? AND "sequence" > ? AND "sequence" <= ? AND "status" = 0 AND "stage" = ?`,
      )
      .pluck()
  }

  /** One bit an index, see IndexSet.fromBits. */
  async read(runId: number, total: number): Promise<Uint32Array> {
    const outline = this.#outline.get(runId)
    if (outline === undefined) return new IndexSet(total).toBits()
    const settled = outline.leftOut === null ? new IndexSet(total) : unpackSelectionNow(total, outline.leftOut)
    const others = this.#others(runId, total, { ...outline, items: total - settled.size })
    // Where all others are known, those that the run left out are not among them.
    if (others !== null) return others.complement().toBits()
    await this.#addSucceeded(settled, runId, outline)
    return settled.toBits()
  }

  /** Those that did not succeed, where each has a row that says so and there are few; null elsewhere. */
  #others(runId: number, total: number, { items, succeeded }: RunOutline & { items: number }): IndexSet | null {
    if (items - succeeded > FEW_TASKS) return null
    const indexes = this.#unsuccessful.all(runId)
    // Some were never begun.
    if (indexes.length !== items - succeeded) return null
    const others = new IndexSet(total)
    for (const index of indexes) others.add(index)
    return others
  }

  async #addSucceeded(settled: IndexSet, runId: number, { lastSequence, lastStage }: RunOutline): Promise<void> {
    for (let from = 0; from < lastSequence; from += STEP_ROWS) {
      const to = Math.min(lastSequence, from + STEP_ROWS)
      for (const index of this.#succeeded.all(runId, from, to, lastStage)) settled.add(index)
      await nextTurn()
    }
  }
}

/** After the questions that wait. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
