/**
 * History: merged from the parts of the runs that a filter finds, and of those that were deleted. Runs in the reader's thread, in turns
 * with other questions.
 */

import type Database from 'better-sqlite3'
import { HistoryFold, type TimingGroup, type TimingSums } from '../domain/timing-history.js'
import { type Params, Queries, sparseAccess } from './query.js'
import { partsConditions, pastConditions } from './run-conditions.js'
import type { TimingHistoryQuery } from './store.js'

/** Of one turn, which sees one moment of the database: ten thousand runs as a rule, and fewer that have many parts. */
const TURN_MS = 30

const LABEL = `(SELECT l."value" FROM "Label" AS l INDEXED BY "Label_runId_idx" WHERE l."runId" = p."runId" AND l."name" = @label)`
const PAST_LABEL = `(SELECT j."value" ->> 1 FROM json_each(p."labels") AS j WHERE j."value" ->> 0 = @label)`

/** A run, or several that are alike. */
type TimedRow = [
  place: number,
  finishedAt: number,
  runs: number,
  wallMs: number,
  kind: string,
  strategy: string,
  label: string | null,
  parts: Uint8Array,
]

/** The rows after a place, in the order of their places. */
type Rows = (after: number) => Iterable<TimedRow>

export class TimingHistories {
  readonly #db: Database.Database
  readonly #queries: Queries

  constructor(db: Database.Database) {
    this.#db = db
    this.#queries = new Queries(db)
  }

  /** Null where there are more points than are answered. A run that is deleted between two turns is missed this once. */
  async read(query: TimingHistoryQuery): Promise<TimingSums[] | null> {
    const fold = new HistoryFold(query.bucket, query.groupBy)
    const turns = this.#turns(query, fold)
    const next = this.#db.transaction(() => turns.next())
    while (!next().done) await new Promise((resolve) => setImmediate(resolve))
    return fold.isFull ? null : fold.points()
  }

  *#turns(query: TimingHistoryQuery, fold: HistoryFold): Generator<void> {
    let endMs = performance.now() + TURN_MS
    for (const rows of [this.#pastOf(query), this.#liveOf(query)]) {
      for (let after: number | null = 0; after !== null && !fold.isFull; ) {
        after = addUntil(endMs, fold, { rows: rows(after), groupBy: query.groupBy })
        if (after === null) continue
        yield
        endMs = performance.now() + TURN_MS
      }
    }
  }

  #liveOf({ filter, label }: TimingHistoryQuery): Rows {
    const { where, params, ways } = partsConditions(filter)
    const columns = `p."runId", p."finishedAt", 1, p."wallMs", p."kind", p."strategy", ${label === null ? 'NULL' : LABEL}, p."parts"`
    const way = sparseAccess(this.#queries, ways, params)
    if (way === null) {
      const all = [...where, 'p."parts" IS NOT NULL', 'p."runId" > @after']
      const sql = `SELECT ${columns} FROM "RunParts" AS p WHERE ${all.join(' AND ')} ORDER BY p."runId"`
      return (after) => this.#queries.iterate(sql, { ...withLabel(params, label), after })
    }
    // The ids alone are sorted: parts would have to go through the sorter with them.
    const found = `SELECT p."runId" FROM ${way.from} WHERE ${[...way.where, ...where].join(' AND ')}`
    const ids = this.#queries.all<[number]>(found, params).map(([id]) => id)
    ids.sort((a, b) => a - b)
    const sql = `SELECT ${columns} FROM json_each(@ids) AS i CROSS JOIN "RunParts" AS p ON p."runId" = i."value"
      WHERE p."parts" IS NOT NULL`
    return (after) =>
      this.#queries.iterate(sql, withLabel({ ids: JSON.stringify(ids.filter((id) => id > after)) }, label))
  }

  #pastOf({ filter, bucket, label }: TimingHistoryQuery): Rows {
    // Nothing is known of when in its day a run ended.
    if (bucket === 'MINUTE' || bucket === 'HOUR') return () => []
    const { where, params } = pastConditions(filter)
    const sql = `SELECT p."rowid", p."day", p."runs", p."wallMs", p."kind", p."strategy", ${label === null ? 'NULL' : PAST_LABEL}, p."parts"
      FROM "PastRuns" AS p WHERE ${[...where, 'p."rowid" > @after'].join(' AND ')} ORDER BY p."rowid"`
    return (after) => this.#queries.iterate(sql, { ...withLabel(params, label), after })
  }
}

function withLabel(params: Params, label: string | null): Params {
  return label === null ? params : { ...params, label }
}

/** Answers with the place to go on after; null at the end. */
function addUntil(
  endMs: number,
  fold: HistoryFold,
  { rows, groupBy }: { rows: Iterable<TimedRow>; groupBy: TimingGroup },
): number | null {
  for (const [place, finishedAtMs, runs, wallMs, kind, strategy, label, parts] of rows) {
    fold.add({ finishedAtMs, runs, wallMs, group: groupOf(groupBy, { kind, strategy, label }), parts })
    if (performance.now() > endMs || fold.isFull) return place
  }
  return null
}

function groupOf(
  groupBy: TimingGroup,
  { kind, strategy, label }: { kind: string; strategy: string; label: string | null },
): string | null {
  if (groupBy === 'KIND') return kind
  if (groupBy === 'STRATEGY') return strategy
  return groupBy === 'LABEL' ? label : null
}
