/** History: merged from the parts of the runs that a filter finds, and of those that were deleted. Runs in the reader's thread, in turns with other questions. */

import type Database from 'better-sqlite3'
import { DAY_MS, HistoryFold, type TimingGroup, type TimingSums } from '../domain/timing-history.js'
import { matches, type PastRunsOf } from './past-runs.js'
import { Queries, sparseAccess } from './query.js'
import { partsConditions } from './run-conditions.js'
import type { TimingHistoryQuery } from './store.js'

/** Runs merged in one turn: some ten milliseconds, and one moment of the database. */
const RUNS_A_TURN = 20_000

const LABEL = `(SELECT l."value" FROM "Label" AS l INDEXED BY "Label_runId_idx" WHERE l."runId" = p."runId" AND l."name" = @label)`

type LiveRow = [
  runId: number,
  finishedAt: number,
  wallMs: number,
  kind: string,
  strategy: string,
  parts: Uint8Array,
  label: string | null,
]

type PastRow = [
  day: number,
  of: string,
  runs: number,
  firstCreatedAt: number,
  lastCreatedAt: number,
  wallMs: number,
  parts: Uint8Array,
]

export class TimingHistories {
  readonly #db: Database.Database
  readonly #queries: Queries
  readonly #past: Database.Statement<[number], PastRow>

  constructor(db: Database.Database) {
    this.#db = db
    this.#queries = new Queries(db)
    this.#past = db
      .prepare<[number], PastRow>(
        `SELECT "day", "of", "runs", "firstCreatedAt", "lastCreatedAt", "wallMs", "parts" FROM "PastRuns" WHERE "day" >= ?`,
      )
      .raw()
  }

  /** Null where there are more points than are answered. */
  async read(query: TimingHistoryQuery): Promise<TimingSums[] | null> {
    const fold = new HistoryFold(query.bucket, query.groupBy)
    const live = this.#liveOf(query)
    let last = this.#db.transaction(() => {
      this.#addPast(fold, query)
      return this.#addLive(fold, query, live(0))
    })()
    // A run that is deleted between two turns is missed this once.
    while (last !== null && !fold.isFull) {
      await new Promise((resolve) => setImmediate(resolve))
      last = this.#addLive(fold, query, live(last))
    }
    return fold.isFull ? null : fold.points()
  }

  /** The next turn's runs, after this id. */
  #liveOf({ filter, label }: TimingHistoryQuery): (afterId: number) => Iterable<LiveRow> {
    const { where, params, ways } = partsConditions(filter)
    const way = sparseAccess(this.#queries, ways, params) ?? { from: '"RunParts" AS p', where: [] }
    const all = [...way.where, ...where, 'p."parts" IS NOT NULL', 'p."runId" > @after']
    const sql = `SELECT p."runId", p."finishedAt", p."wallMs", p."kind", p."strategy", p."parts", ${label === null ? 'NULL' : LABEL}
      FROM ${way.from} WHERE ${all.join(' AND ')} ORDER BY p."runId" LIMIT ${RUNS_A_TURN}`
    const given = label === null ? params : { ...params, label }
    return (after) => this.#queries.iterate<LiveRow>(sql, { ...given, after })
  }

  /** Answers with the id to go on after; null at the end. */
  #addLive(fold: HistoryFold, { groupBy }: TimingHistoryQuery, rows: Iterable<LiveRow>): number | null {
    let [last, count] = [0, 0]
    for (const [runId, finishedAtMs, wallMs, kind, strategy, parts, label] of rows) {
      fold.add({ finishedAtMs, runs: 1, wallMs, group: groupOf(groupBy, { kind, strategy, label }), parts })
      last = runId
      count += 1
      if (fold.isFull) break
    }
    return count < RUNS_A_TURN ? null : last
  }

  #addPast(fold: HistoryFold, { filter, bucket, groupBy, label }: TimingHistoryQuery): void {
    // Nothing is known of when in its day a run ended.
    if (bucket === 'MINUTE' || bucket === 'HOUR') return
    const fromMs = filter.createdAfter?.getTime() ?? 0
    for (const [day, text, runs, firstCreatedAt, lastCreatedAt, wallMs, parts] of this.#past.iterate(fromMs - DAY_MS)) {
      if (fold.isFull) return
      const of = JSON.parse(text) as PastRunsOf
      if (!matches(filter, { ...of, firstCreatedAt, lastCreatedAt })) continue
      const own = of.labels.find(([name]) => name === label)
      const group = groupOf(groupBy, { ...of, label: own?.[1] ?? null })
      fold.add({ finishedAtMs: day, runs, wallMs, group, parts })
    }
  }
}

function groupOf(
  groupBy: TimingGroup,
  { kind, strategy, label }: { kind: string; strategy: string; label: string | null },
): string | null {
  if (groupBy === 'KIND') return kind
  if (groupBy === 'STRATEGY') return strategy
  return groupBy === 'LABEL' ? label : null
}
