/** Service times of a run to compare with those of another: all of them, or of many an even sample. Runs in the reader's thread. */

import type Database from 'better-sqlite3'
import { driftOf } from '../domain/run-drift.js'
import type { ServiceSample, TaskScope } from './store.js'

/** To pick a row costs as much as to go past so many of them. */
const ROWS_PASSED_PER_PICK = 20
/** A sample that is smaller by less than this stays as it is. */
const ENOUGH = 0.9
/** Picked besides what should be enough, as some will not do. */
const SPARE = 1.1
/** Rows taken at a time: see BulkReads. */
const STEP_ROWS = 50_000
/** The names of a few tell two runs apart. */
const MAX_HOSTS = 10

const TIMED = '"status" < 2 AND "attempts" > 0 AND "serviceMs" IS NOT NULL'

type Timed = [serviceMs: number, status: number, startedMs: number]

export class ServiceSamples {
  constructor(private readonly db: Database.Database) {}

  /** See Store.serviceSample. */
  read(runId: number, scope: TaskScope, max: number): ServiceSample {
    const { rows, isWhole } = new ScopeReader(this.db, runId, scope).sample(max)
    const byStart = rows.toSorted(([, , a], [, , b]) => a - b)
    const drift = driftOf(byStart.map(([serviceMs]) => serviceMs))
    const timesMs = Float64Array.from(rows, ([serviceMs]) => serviceMs).sort()
    const failed = rows.filter(([, status]) => status > 0).length
    return { timesMs, failed, isWhole, drift, hosts: this.#hosts(runId) }
  }

  #hosts(runId: number): string[] {
    return this.db
      .prepare<[number, number], string>('SELECT "host" FROM "RunHost" WHERE "runId" = ? ORDER BY "host" LIMIT ?')
      .pluck()
      .all(runId, MAX_HOSTS)
  }
}

/** Reads of the tasks of one run, or of a stage or a host of it. */
class ScopeReader {
  readonly #last: number
  readonly #conditions: string
  readonly #params: Record<string, number | string>

  constructor(
    private readonly db: Database.Database,
    runId: number,
    private readonly scope: TaskScope,
  ) {
    const last = db.prepare<[number], number | null>('SELECT max("sequence") FROM "Task" WHERE "runId" = ?').pluck()
    // More may be committed meanwhile: what there is now is enough.
    this.#last = last.get(runId) ?? 0
    this.#conditions = `${TIMED}${scope.stage === null ? '' : ' AND "stage" = @stage'}`
    this.#params = { runId, ...(scope.stage !== null && { stage: scope.stage }) }
  }

  sample(max: number): { rows: Timed[]; isWhole: boolean } {
    const places = this.#places()
    for (let picks = max; picks * ROWS_PASSED_PER_PICK <= places.count; ) {
      const rows = this.#pick(evenly(places.count, picks).map((at) => places.sequenceAt(at)))
      if (rows.length >= ENOUGH * max) return { rows: thinned(rows, max), isWhole: false }
      picks = Math.ceil((SPARE * picks * max) / Math.max(1, rows.length))
    }
    const rows = this.#all()
    return { rows: thinned(rows, max), isWhole: rows.length <= max }
  }

  /** The tasks that may be in it, in the order of the commits. */
  #places(): { count: number; sequenceAt(at: number): number } {
    if (this.scope.host === null) return { count: this.#last, sequenceAt: (at) => at + 1 }
    const step = this.db
      .prepare<object, number>(
        `SELECT "sequence" FROM "Task" INDEXED BY "Task_runId_host_idx"
         WHERE "runId" = @runId AND "host" = @host AND "sequence" > @from AND "sequence" <= @to`,
      )
      .pluck()
    const sequences = this.#steps((bounds) => step.all({ ...bounds, runId: this.#params.runId, host: this.scope.host }))
    return { count: sequences.length, sequenceAt: (at) => sequences[at]! }
  }

  #pick(sequences: readonly number[]): Timed[] {
    const row = this.db
      .prepare<object, Timed>(
        `SELECT "serviceMs", "status", "startedMs" FROM "Task" NOT INDEXED
         WHERE "runId" = @runId AND "sequence" = @sequence AND ${this.#conditions}`,
      )
      .raw()
    return sequences.flatMap((sequence) => {
      const found = row.get({ ...this.#params, sequence })
      return found ? [found] : []
    })
  }

  #all(): Timed[] {
    const { host } = this.scope
    const [index, ofHost] =
      host === null ? ['NOT INDEXED', ''] : ['INDEXED BY "Task_runId_host_idx"', 'AND "host" = @host']
    const step = this.db
      .prepare<object, Timed>(
        `SELECT "serviceMs", "status", "startedMs" FROM "Task" ${index}
         WHERE "runId" = @runId ${ofHost} AND "sequence" > @from AND "sequence" <= @to AND ${this.#conditions}`,
      )
      .raw()
    return this.#steps((bounds) => step.all({ ...this.#params, ...(host !== null && { host }), ...bounds }))
  }

  #steps<Row>(read: (bounds: { from: number; to: number }) => Row[]): Row[] {
    const rows: Row[] = []
    for (let from = 0; from < this.#last; from += STEP_ROWS) {
      for (const row of read({ from, to: Math.min(this.#last, from + STEP_ROWS) })) rows.push(row)
    }
    return rows
  }
}

function thinned<Row>(rows: Row[], max: number): Row[] {
  return rows.length <= max ? rows : evenly(rows.length, max).map((at) => rows[at]!)
}

/** The golden ratio: its multiples keep no step with anything that repeats. */
const PHI = (Math.sqrt(5) - 1) / 2

/**
 * So many of `count` places, ascending: one of each stretch of equal length, now nearer to its beginning and now to its end, as what
 * takes turns among the tasks would otherwise be met in one of its turns alone. The same of the same numbers.
 */
export function evenly(count: number, wanted: number): number[] {
  return Array.from({ length: wanted }, (_, at) => {
    const [from, to] = [Math.floor((at * count) / wanted), Math.floor(((at + 1) * count) / wanted)]
    return from + Math.floor(((at * PHI) % 1) * (to - from))
  })
}
