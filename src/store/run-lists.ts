/** Finds runs: the ids of a page, in every order, under every filter. */

import type Database from 'better-sqlite3'
import { MISSING, type OrderedList, type Part, readPage, readParts } from './keyset.js'
import { type Access, type Params, Queries, sparseAccess, walkQuery } from './query.js'
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
    const conditions = toConditions(filter)
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
    const { where, params, ways } = toConditions(filter)
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

/** A filter as SQL, and the indexes that lead to its rows. */
interface Conditions {
  where: string[]
  params: Params
  ways: Access[]
}

function toConditions(filter: RunFilter): Conditions {
  const conditions: Conditions = { where: [], params: {}, ways: [] }
  addColumns(conditions, filter)
  addDates(conditions, filter)
  if (filter.function !== undefined) {
    conditions.params.function = filter.function
    addSide(conditions, { table: 'RunFunction', alias: 'f', match: 'f."function" = @function' })
  }
  if (filter.host !== undefined) {
    conditions.params.host = filter.host
    addSide(conditions, { table: 'RunHost', alias: 'h', match: 'h."host" = @host' })
  }
  filter.labels?.forEach(({ name, value }, at) => {
    conditions.params[`labelName${at}`] = name
    conditions.params[`labelValue${at}`] = value
    const alias = `l${at}`
    addSide(conditions, {
      table: 'Label',
      alias,
      match: `${alias}."name" = @labelName${at} AND ${alias}."value" = @labelValue${at}`,
    })
  })
  return conditions
}

function addColumns({ where, params, ways }: Conditions, { kind, status, strategy, name }: RunFilter): void {
  const add = (column: string, values: readonly string[] | undefined) => {
    if (!values) return
    values.forEach((value, at) => {
      params[`${column}${at}`] = value
    })
    const condition = `r."${column}" IN (${values.map((_, at) => `@${column}${at}`).join()})`
    where.push(condition)
    ways.push({ from: byIndex(column), where: [condition] })
  }
  add('kind', kind)
  add('status', status)
  add('strategy', strategy)
  add('name', name === undefined ? undefined : [name])
}

function addDates({ where, params, ways }: Conditions, { createdAfter, createdBefore }: RunFilter): void {
  const own: string[] = []
  if (createdAfter) {
    params.createdAfter = createdAfter.getTime()
    own.push('r."createdAt" >= @createdAfter')
  }
  if (createdBefore) {
    params.createdBefore = createdBefore.getTime()
    own.push('r."createdAt" < @createdBefore')
  }
  where.push(...own)
  if (own.length > 0) ways.push({ from: byIndex('createdAt'), where: own })
}

/** A condition on a table beside the runs, whose key begins with what is asked for. */
function addSide(
  { where, ways }: Conditions,
  { table, alias, match }: { table: string; alias: string; match: string },
): void {
  where.push(`EXISTS (SELECT 1 FROM "${table}" AS ${alias} WHERE ${match} AND ${alias}."runId" = r."id")`)
  ways.push({ from: `"${table}" AS ${alias} CROSS JOIN "Run" AS r ON r."id" = ${alias}."runId"`, where: [match] })
}

function byIndex(column: string): string {
  return `"Run" AS r INDEXED BY "Run_${column}_idx"`
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
