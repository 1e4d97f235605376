/** Rows written one at a time, each statement prepared once. */

import type Database from 'better-sqlite3'

export type Row = Readonly<Record<string, string | number | Uint8Array | null>>

export class Inserts {
  readonly #db: Database.Database
  readonly #prepared = new Map<string, Database.Statement>()

  constructor(db: Database.Database) {
    this.#db = db
  }

  /** The id of the row. */
  insert(table: string, row: Row): number {
    return Number(this.#statement(table, Object.keys(row)).run(row).lastInsertRowid)
  }

  #statement(table: string, columns: readonly string[]): Database.Statement {
    const names = columns.map((column) => `"${column}"`).join()
    const key = `${table} ${names}`
    const known = this.#prepared.get(key)
    if (known) return known
    const values = columns.map((column) => `@${column}`).join()
    const statement = this.#db.prepare(`INSERT INTO "${table}" (${names}) VALUES (${values})`)
    this.#prepared.set(key, statement)
    return statement
  }
}
