/** Queries that are put together from conditions, prepared once for each text. */

import type Database from 'better-sqlite3'
import type { Direction, Window } from './keyset.js'
import type { Position } from './store.js'

export type Params = Record<string, number | string>

/** Rows come as arrays, in the order of their columns. */
export class Queries {
  readonly #db: Database.Database
  readonly #prepared = new Map<string, Database.Statement>()

  constructor(db: Database.Database) {
    this.#db = db
  }

  all<Cells extends unknown[]>(sql: string, params: Params): Cells[] {
    return this.#statement(sql).all(params) as Cells[]
  }

  /** As they are found: nobody writes on this connection meanwhile. */
  iterate<Cells extends unknown[]>(sql: string, params: Params): Iterable<Cells> {
    return this.#statement(sql).iterate(params) as Iterable<Cells>
  }

  get<Cells extends unknown[]>(sql: string, params: Params): Cells | undefined {
    return this.#statement(sql).get(params) as Cells | undefined
  }

  /** The single number that a query answers with. */
  number(sql: string, params: Params): number {
    return this.get<[number]>(sql, params)?.[0] ?? 0
  }

  #statement(sql: string): Database.Statement {
    const known = this.#prepared.get(sql)
    if (known) return known
    // Filters make some hundred texts at most; lists of values in them make more.
    if (this.#prepared.size >= 500) this.#prepared.clear()
    const statement = this.#db.prepare(sql).raw()
    this.#prepared.set(sql, statement)
    return statement
  }
}

/** Where rows come from: a table by one of its indexes, with the conditions that all of them meet. */
export interface Access {
  from: string
  where: string[]
}

export interface Walk extends Access {
  columns: string
  /** Columns that rows are sorted by, all in one direction. */
  keys: readonly string[]
  descending: boolean
}

/** The query for a stretch of rows in the order of its keys, and what to bind. */
export function walkQuery(
  walk: Walk,
  { window, direction, limit }: { window: Window; direction: Direction; limit: number },
): { sql: string; params: Params } {
  const [low, high] = walk.descending ? [window.before, window.after] : [window.after, window.before]
  const way = walk.descending === (direction === 'forward') ? 'DESC' : 'ASC'
  const where = [...walk.where]
  const params: Params = { limit }
  const bound = (name: string, operator: '>' | '<', position: Position | null) => {
    if (!position) return
    where.push(`${tuple(walk.keys)} ${operator} ${tuple(walk.keys.map((_, at) => `@${name}${at}`))}`)
    for (const at of walk.keys.keys()) params[`${name}${at}`] = position[at] ?? 0
  }
  bound('low', '>', low)
  bound('high', '<', high)
  const sql = `SELECT ${walk.columns} FROM ${walk.from} WHERE ${where.join(' AND ')}
    ORDER BY ${walk.keys.map((key) => `${key} ${way}`).join()} LIMIT @limit`
  return { sql, params }
}

function tuple(values: readonly string[]): string {
  return values.length === 1 ? values[0]! : `(${values.join()})`
}

/** Up to this many rows are rather gathered by the filter's index and sorted than picked out of a walk along the order. */
const SPARSE_ROWS = 10_000

/** Of the ways to the rows of a filter the one with fewest rows; null where all of them have many, or there is none. */
export function sparseAccess(queries: Queries, ways: readonly Access[], params: Params): Access | null {
  let best: Access | null = null
  let fewest = SPARSE_ROWS + 1
  for (const way of ways) {
    // Counting stops at the fewest so far: a way with more is of no interest.
    const rows = queries.number(
      `SELECT count(*) FROM (SELECT 1 FROM ${way.from} WHERE ${way.where.join(' AND ')} LIMIT @most)`,
      {
        ...params,
        most: fewest,
      },
    )
    if (rows < fewest) [best, fewest] = [way, rows]
  }
  return best
}
