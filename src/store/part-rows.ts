/** The parts of a run, from its rows: of one whose rows nobody has added up as they were written. */

import type Database from 'better-sqlite3'
import { TimedParts } from '../domain/timed-parts.js'

/** Rows taken at a time: some milliseconds. */
const STEP_ROWS = 5_000

interface Figures {
  tasks: number
  failed: number
  serviceMs: number[]
}

type Row = [stage: number, host: string | null, status: number, serviceMs: number | null]

export class PartRows {
  readonly #functions: Database.Statement<[number], string | null>
  readonly #last: Database.Statement<[number], number | null>
  readonly #rows: Database.Statement<[number, number, number], Row>

  constructor(db: Database.Database) {
    this.#functions = db
      .prepare<[number], string | null>(
        `SELECT json_extract(s."value", '$.function') FROM "Run" AS r, json_each(r."spec", '$.stages') AS s WHERE r."id" = ?`,
      )
      .pluck()
    this.#last = db
      .prepare<[number], number | null>('SELECT max("sequence") FROM "Task" NOT INDEXED WHERE "runId" = ?')
      .pluck()
    this.#rows = db
      .prepare<[number, number, number], Row>(
        `SELECT "stage", nullif("host", ''), "status", CASE WHEN "attempts" > 0 THEN "serviceMs" END FROM "Task" NOT INDEXED
         WHERE "runId" = ? AND "sequence" > ? AND "sequence" <= ? AND "status" < 2`,
      )
      .raw()
  }

  /** What the stages of a run call, by stage; null for one that fetches. */
  functionsOf(runId: number): (string | null)[] {
    return this.#functions.all(runId)
  }

  /** In steps. */
  *read(runId: number): Generator<void, TimedParts> {
    const parts = new TimedParts()
    const functions = this.functionsOf(runId)
    const last = this.#last.get(runId) ?? 0
    for (let from = 0; from < last; from += STEP_ROWS) {
      for (const [stage, hosts] of this.#step(runId, from, Math.min(last, from + STEP_ROWS))) {
        for (const [host, figures] of hosts) parts.at({ stage, function: functions[stage] ?? null, host }).add(figures)
      }
      yield
    }
    return parts
  }

  /** By stage and host. */
  #step(runId: number, after: number, last: number): Map<number, Map<string | null, Figures>> {
    const stages = new Map<number, Map<string | null, Figures>>()
    for (const [stage, host, status, serviceMs] of this.#rows.all(runId, after, last)) {
      const hosts = stages.get(stage) ?? new Map<string | null, Figures>()
      stages.set(stage, hosts)
      const figures = hosts.get(host) ?? { tasks: 0, failed: 0, serviceMs: [] }
      hosts.set(host, figures)
      figures.tasks += 1
      figures.failed += status
      if (serviceMs !== null) figures.serviceMs.push(serviceMs)
    }
    return stages
  }
}

/** All steps at once. */
export function drained<Result>(steps: Generator<void, Result>): Result {
  for (;;) {
    const step = steps.next()
    if (step.done) return step.value
  }
}
