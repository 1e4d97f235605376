/** Finds comparisons, and what their runs have come to. */

import type Database from 'better-sqlite3'
import type { AskedStrategy } from '../domain/batch.js'
import type { ComparedRun, ComparisonRecord } from '../domain/comparison.js'
import type { ComparisonKey, RunKey } from '../domain/ids.js'
import type { RunStatus } from '../domain/run.js'
import { type OrderedList, readPage } from './keyset.js'
import { Queries, walkQuery } from './query.js'
import type { SourceBlockRow } from './source-blocks.js'
import type { Page, PageRequest } from './store.js'

type Cells = [
  id: number,
  key: string,
  name: string | null,
  createdAt: number,
  /** JSON array. */
  strategies: string,
  rounds: number,
]

const COLUMNS = 'c."id", c."key", c."name", c."createdAt", c."strategies", c."rounds"'

/** In the order of ComparedCells. A run that was ended by failFast, or could not go on, did not run to its end. */
const COMPARED = `"key", "status", "sequence", "strategy", "concurrency", "failed", "interrupted",
  CASE WHEN json_extract("times", '$.lastEndMs') IS NOT NULL THEN "durationMs" END,
  "status" = 'CANCELLED' OR "failure" IS NOT NULL OR ("failed" > 0 AND json_extract("spec", '$.failFast')),
  "failure" IS NOT NULL`

type ComparedCells = [
  key: RunKey,
  status: RunStatus,
  sequence: number,
  strategy: AskedStrategy,
  concurrency: number | null,
  failed: number,
  interrupted: number,
  wallMs: number | null,
  isCutShort: number,
  hasFailure: number,
]

export class ComparisonRows {
  readonly #queries: Queries

  constructor(db: Database.Database) {
    this.#queries = new Queries(db)
  }

  byKey(key: ComparisonKey): ComparisonRecord | null {
    return this.#one('c."key" = @key', { key })
  }

  byId(id: number): ComparisonRecord | null {
    return this.#one('c."id" = @id', { id })
  }

  /** The latest first. */
  page(request: PageRequest): Page<ComparisonRecord> {
    const list: OrderedList<Cells> = {
      descending: true,
      positionOf: ([id]) => [id],
      read: (window, direction, limit) => {
        const walk = {
          from: '"Comparison" AS c NOT INDEXED',
          where: ['c."id" > 0'],
          columns: COLUMNS,
          keys: ['c."id"'],
          descending: true,
        }
        const { sql, params } = walkQuery(walk, { window, direction, limit })
        return this.#queries.all<Cells>(sql, params)
      },
    }
    const { rows, ...ends } = readPage(list, request)
    return { rows: rows.map(({ row, position }) => ({ row: toRecord(row), position })), ...ends }
  }

  count(): number {
    return this.#queries.number('SELECT count(*) FROM "Comparison"', {})
  }

  /** In the order in which they are run. */
  runs(comparisonId: number): ComparedRun[] {
    return this.#queries
      .all<ComparedCells>(`SELECT ${COMPARED} FROM "Run" WHERE "comparisonId" = @comparisonId ORDER BY "id"`, {
        comparisonId,
      })
      .map(
        ([key, status, sequence, strategy, concurrency, failedTasks, interrupted, wallMs, isCutShort, hasFailure]) => ({
          key,
          status,
          sequence,
          strategy,
          concurrency,
          wallMs,
          failedTasks,
          isCutShort: isCutShort === 1,
          hasFailure: hasFailure === 1,
          wasInterrupted: interrupted === 1,
        }),
      )
  }

  /** The block that an index of the list is in which the run shares with the others of its comparison; null where there is none. */
  blockAt(runId: number, index: number): SourceBlockRow | null {
    const found = this.#queries.get<[first: number, count: number, items: string]>(
      `SELECT "first", "count", "items" FROM "ComparisonBlock"
       WHERE "comparisonId" = (SELECT "comparisonId" FROM "Run" WHERE "id" = @runId) AND "first" <= @index
       ORDER BY "first" DESC LIMIT 1`,
      { runId, index },
    )
    return found ? { first: found[0], count: found[1], items: found[2] } : null
  }

  #one(condition: string, params: Record<string, string | number>): ComparisonRecord | null {
    const cells = this.#queries.get<Cells>(`SELECT ${COLUMNS} FROM "Comparison" AS c WHERE ${condition}`, params)
    return cells ? toRecord(cells) : null
  }
}

function toRecord([id, key, name, createdAt, strategies, rounds]: Cells): ComparisonRecord {
  return {
    id,
    key: key as ComparisonKey,
    name,
    strategies: JSON.parse(strategies) as AskedStrategy[],
    rounds,
    createdAt: new Date(createdAt),
  }
}
