/** Attempts as the rows of tasks tell them: of the few tasks that are in no packed segment. */

import type Database from 'better-sqlite3'
import { AttemptList, type LaneNumbers } from '../domain/attempts.js'
import type { Attempt } from '../domain/task.js'

type Cells = [
  stage: number,
  index: number,
  status: number,
  lane: number | null,
  startedMs: number,
  serviceMs: number | null,
  history: string | null,
]

export class AttemptRows {
  readonly #rows: Database.Statement<[number, number, number], Cells>

  constructor(db: Database.Database) {
    this.#rows = db
      .prepare<[number, number, number], Cells>(
        `SELECT "stage", "itemIndex", "status", "lane", "startedMs", "serviceMs", "history" FROM "Task" NOT INDEXED
         WHERE "runId" = ? AND "sequence" >= ? AND "sequence" <= ? AND "startedMs" IS NOT NULL`,
      )
      .raw()
  }

  /** Of the tasks with the sequence numbers `first` to `last`, added to `list`. */
  read(runId: number, { first, last }: { first: number; last: number }, lanes: LaneNumbers, list = new AttemptList()) {
    for (const [stage, index, outcome, lane, startedMs, serviceMs, history] of this.#rows.all(runId, first, last)) {
      if (history !== null) list.addHistory({ stage, index, outcome }, JSON.parse(history) as Attempt[], lanes)
      else if (lane !== null) list.add({ stage, index, outcome, lane, startedMs, serviceMs: serviceMs ?? 0 })
    }
    return list
  }
}
