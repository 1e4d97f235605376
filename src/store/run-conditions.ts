/** Filters on runs as SQL, and the indexes that lead to what they find. */

import { DAY_MS } from '../domain/timing-history.js'
import type { Access, Params } from './query.js'
import type { RunFilter } from './store.js'

/** A filter as SQL, and the indexes that lead to its rows. */
export interface Conditions {
  where: string[]
  params: Params
  ways: Access[]
}

/** Runs are `r`. */
export function runConditions(filter: RunFilter): Conditions {
  const conditions: Conditions = { where: [], params: {}, ways: [] }
  const { kind, status, strategy, name } = filter
  addColumns(conditions, { kind, status, strategy, name })
  addDates(conditions, filter)
  addSides(conditions, filter, RUN)
  return conditions
}

/** The parts of runs are `p`: they have the columns that most filters ask for, and a run's row is looked up for the others alone. */
export function partsConditions(filter: RunFilter): Conditions {
  const conditions: Conditions = { where: [], params: {}, ways: [] }
  const { kind, status, strategy, name } = filter
  const ofRun: Conditions = { where: [], params: conditions.params, ways: [] }
  addColumns(ofRun, { status, name })
  addDates(ofRun, filter)
  if (ofRun.where.length > 0)
    conditions.where.push(`EXISTS (SELECT 1 FROM "Run" AS r WHERE r."id" = p."runId" AND ${ofRun.where.join(' AND ')})`)
  conditions.ways.push(...ofRun.ways.map(({ from, where }) => ({ from: `${from} ${PARTS.joinTo('r."id"')}`, where })))
  addValues(conditions, 'p', { kind, strategy })
  addSides(conditions, filter, PARTS)
  return conditions
}

/**
 * Deleted runs are `p`, those together that were alike. By when they were launched they are found where all of them were. There is no way
 * but along the days.
 */
export function pastConditions({
  kind,
  status,
  strategy,
  name,
  function: called,
  host,
  labels,
  createdAfter,
  createdBefore,
}: RunFilter): Omit<Conditions, 'ways'> {
  const conditions: Conditions = { where: [], params: {}, ways: [] }
  const { where, params } = conditions
  addValues(conditions, 'p', { kind, status, strategy, name })
  const add = (condition: string, values: Params) => {
    where.push(condition)
    Object.assign(params, values)
  }
  const among = (column: string, match: string) => `EXISTS (SELECT 1 FROM json_each(p."${column}") AS j WHERE ${match})`
  if (called !== undefined) add(among('functions', 'j."value" = @function'), { function: called })
  if (host !== undefined) add(among('hosts', 'j."value" = @host'), { host })
  labels?.forEach((label, at) => {
    const match = `j."value" ->> 0 = @labelName${at} AND j."value" ->> 1 = @labelValue${at}`
    add(among('labels', match), { [`labelName${at}`]: label.name, [`labelValue${at}`]: label.value })
  })
  // No run ended before it was launched: days before that are passed over by the key.
  if (createdAfter)
    add(`p."day" > @createdAfter - ${DAY_MS} AND p."firstCreatedAt" >= @createdAfter`, {
      createdAfter: createdAfter.getTime(),
    })
  if (createdBefore) add('p."lastCreatedAt" < @createdBefore', { createdBefore: createdBefore.getTime() })
  return { where, params }
}

/** What a filter is about, as a table beside it is joined to it. */
interface Subject {
  id: string
  joinTo(runId: string): string
}

const RUN: Subject = { id: 'r."id"', joinTo: (runId) => `CROSS JOIN "Run" AS r ON r."id" = ${runId}` }
const PARTS: Subject = { id: 'p."runId"', joinTo: (runId) => `CROSS JOIN "RunParts" AS p ON p."runId" = ${runId}` }

function addSides(conditions: Conditions, filter: RunFilter, subject: Subject): void {
  if (filter.function !== undefined) {
    conditions.params.function = filter.function
    addSide(conditions, subject, { table: 'RunFunction', alias: 'f', match: 'f."function" = @function' })
  }
  if (filter.host !== undefined) {
    conditions.params.host = filter.host
    addSide(conditions, subject, { table: 'RunHost', alias: 'h', match: 'h."host" = @host' })
  }
  filter.labels?.forEach(({ name, value }, at) => {
    conditions.params[`labelName${at}`] = name
    conditions.params[`labelValue${at}`] = value
    const alias = `l${at}`
    addSide(conditions, subject, {
      table: 'Label',
      alias,
      match: `${alias}."name" = @labelName${at} AND ${alias}."value" = @labelValue${at}`,
    })
  })
}

type Values = Readonly<Record<string, readonly string[] | string | undefined>>

/** Of a run, each with an index. */
function addColumns(conditions: Conditions, values: Values): void {
  for (const [column, condition] of addValues(conditions, 'r', values))
    conditions.ways.push({ from: byIndex(column), where: [condition] })
}

/** Answers with the conditions that there are. */
function addValues(
  { where, params }: Conditions,
  alias: string,
  values: Values,
): [column: string, condition: string][] {
  return Object.entries(values).flatMap(([column, asked]) => {
    if (asked === undefined) return []
    const allowed = typeof asked === 'string' ? [asked] : asked
    allowed.forEach((value, at) => {
      params[`${column}${at}`] = value
    })
    const condition = `${alias}."${column}" IN (${allowed.map((_, at) => `@${column}${at}`).join()})`
    where.push(condition)
    return [[column, condition]]
  })
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
  { id, joinTo }: Subject,
  { table, alias, match }: { table: string; alias: string; match: string },
): void {
  where.push(`EXISTS (SELECT 1 FROM "${table}" AS ${alias} WHERE ${match} AND ${alias}."runId" = ${id})`)
  ways.push({ from: `"${table}" AS ${alias} ${joinTo(`${alias}."runId"`)}`, where: [match] })
}

export function byIndex(column: string): string {
  return `"Run" AS r INDEXED BY "Run_${column}_idx"`
}
