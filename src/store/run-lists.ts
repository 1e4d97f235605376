/** Finds runs: the ids of a page, in every order, under every filter. */

import type Database from 'better-sqlite3'
import { MISSING, type OrderedList, type Part, readPage, readParts } from './keyset.js'
import { type Access, Queries, sparseAccess, walkQuery } from './query.js'
import { byIndex, type Conditions, runConditions } from './run-conditions.js'
import type { Page, PageRequest, RunFilter, RunOrder } from './store.js'

type Place = [id: number, durationMs: number | null]

const BY_ID: Access = { from: '"Run" AS r NOT INDEXED', where: ['r."id" > 0'] }
const BY_DURATION: Access = { from: byIndex('durationMs'), where: [] }

export class RunLists {
  readonly #queries: Queries

  constructor(db: Database.Database) {
    this.#queries = new Queries(db)
  }

  page({ filter, order, page }: { filter: RunFilter; order: RunOrder; page: PageRequest }): Page<number> {
    const conditions = runConditions(filter)
    const sparse = sparseAccess(this.#queries, conditions.ways, conditions.params)
    const parts = this.#parts(order, { ...conditions, sparse })
    const descending = isDescending(order)
    const list: OrderedList<Place> = {
      descending,
      positionOf: ([id, durationMs]) => (isByDuration(order) ? [durationMs ?? missing(descending), id] : [id]),
      read: (window, direction, limit) => readParts(parts, { window, direction, limit }),
    }
    const { rows, ...ends } = readPage(list, page)
    return { rows: rows.map(({ row: [id], position }) => ({ row: id, position })), ...ends }
  }

  count(filter: RunFilter): number {
    const { where, params, ways } = runConditions(filter)
    const way = sparseAccess(this.#queries, ways, params) ?? ways[0] ?? { from: '"Run" AS r', where: [] }
    const all = [...way.where, ...where]
    return this.#queries.number(
      `SELECT count(*) FROM ${way.from} ${all.length > 0 ? `WHERE ${all.join(' AND ')}` : ''}`,
      params,
    )
  }

  #parts(order: RunOrder, { where, params, sparse }: Conditions & { sparse: Access | null }): Part<Place>[] {
    const descending = isDescending(order)
    const part = (access: Access, keys: readonly string[]): Part<Place>['read'] => {
      const walk = {
        from: access.from,
        where: [...access.where, ...where],
        columns: 'r."id", r."durationMs"',
        keys,
        descending,
      }
      return (window, direction, limit) => {
        const query = walkQuery(walk, { window, direction, limit })
        return this.#queries.all<Place>(query.sql, { ...params, ...query.params })
      }
    }
    if (!isByDuration(order)) return [{ leading: null, read: part(sparse ?? BY_ID, ['r."id"']) }]
    const access = sparse ?? BY_DURATION
    const ended = { from: access.from, where: [...access.where, 'r."durationMs" IS NOT NULL'] }
    const others = { from: access.from, where: [...access.where, 'r."durationMs" IS NULL'] }
    return [
      { leading: null, read: part(ended, ['r."durationMs"', 'r."id"']) },
      { leading: missing(descending), read: part(others, ['r."id"']) },
    ]
  }
}

function isDescending(order: RunOrder): boolean {
  return order === 'CREATED_DESC' || order === 'DURATION_DESC'
}

function isByDuration(order: RunOrder): boolean {
  return order === 'DURATION_DESC' || order === 'DURATION_ASC'
}

function missing(descending: boolean): number {
  return descending ? MISSING.descending : MISSING.ascending
}
