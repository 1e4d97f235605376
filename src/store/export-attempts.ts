/** The attempts of a run in the order of their starts, each with what its row says of it. Runs in the thread that exports. */

import type Database from 'better-sqlite3'
import { inOrder } from '../domain/attempt-order.js'
import { type AttemptColumns, TRIED_AGAIN } from '../domain/attempts.js'
import type { ExportedRun } from '../domain/exports/export.js'
import type { TracedAttempt } from '../domain/exports/trace.js'
import type { Attempt } from '../domain/task.js'
import { type AttemptOutline, AttemptPieces, type Lanes, nextTurn } from './attempt-pieces.js'
import { RunIsGone } from './export-tasks.js'

/** Given out at a time: each is looked up. */
const TURN_ATTEMPTS = 1_024

type Cells = [
  attempts: number,
  url: string | null,
  errorCode: string | null,
  httpStatus: number | null,
  history: string | null,
]

export class ExportAttempts {
  readonly #pieces: AttemptPieces
  readonly #row: Database.Statement<[number, number, number], Cells>

  constructor(db: Database.Database) {
    this.#pieces = new AttemptPieces(db)
    this.#row = db
      .prepare<[number, number, number], Cells>(
        `SELECT "attempts", "url", "errorCode", "httpStatus", "history" FROM "Task"
         INDEXED BY "Task_runId_itemIndex_stage_key" WHERE "runId" = ? AND "itemIndex" = ? AND "stage" = ?`,
      )
      .raw()
  }

  outline({ id }: ExportedRun): AttemptOutline {
    return this.#pieces.outline(id)
  }

  /** Of what had ended at the time of the outline. Throws RunIsGone. */
  async *read(run: ExportedRun, outline: AttemptOutline): AsyncGenerator<TracedAttempt[], void> {
    const pieces = await this.#pieces.of(run.id, outline)
    let found: TracedAttempt[] = []
    const take = (attempts: AttemptColumns, from: number, to: number) => {
      for (let at = from; at < to; at += 1) found.push(this.#attempt(run, { attempts, at, lanes: outline.lanes }))
    }
    for (const _ of inOrder(pieces, take, TURN_ATTEMPTS)) {
      yield found
      found = []
      await nextTurn()
    }
    yield found
  }

  #attempt(
    run: ExportedRun,
    { attempts, at, lanes }: { attempts: AttemptColumns; at: number; lanes: Lanes },
  ): TracedAttempt {
    const [index, stage] = [attempts.index[at]!, attempts.stage[at]!]
    const row = this.#row.get(run.id, index, stage)
    if (row === undefined) throw new RunIsGone(`the run ${run.key} was deleted while it was read`)
    const [count, url, errorCode, httpStatus, history] = row
    const startMs = attempts.startMs[at]!
    const outcome = attempts.outcome[at]!
    const own = history === null ? null : attemptAt(history, startMs)
    const isLast = outcome !== TRIED_AGAIN
    return {
      lane: lanes.names[attempts.lane[at]!] ?? '',
      stage,
      index,
      startMs,
      endMs: attempts.endMs[at]!,
      outcome,
      number: own?.number ?? count,
      errorCode: isLast ? errorCode : (own?.error?.code ?? null),
      httpStatus: isLast ? httpStatus : null,
      url,
    }
  }
}

function attemptAt(history: string, startMs: number): Attempt | null {
  return (JSON.parse(history) as Attempt[]).find(({ startedMs }) => startedMs === startMs) ?? null
}
