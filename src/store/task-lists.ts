/**
 * Reads tasks: pages in every order, under every filter. With better-sqlite3 itself: a page of 1,000 costs 2 to 3 ms here, all of
 * it the main thread's, and 10 to 28 through Prisma.
 */

import type Database from 'better-sqlite3'
import { STORED_TASK_STATUS, type TaskRecord } from '../domain/task.js'
import { type Direction, MISSING, type OrderedList, type Part, readPage, readParts, type Window } from './keyset.js'
import { type Access, type Params, Queries, sparseAccess, walkQuery } from './query.js'
import { TASK_COLUMNS, type TaskCells, toTaskRecord } from './rows.js'
import { SegmentExtremes, SegmentedTimes, segmentAccess } from './segments.js'
import type { Page, PageRequest, Position, TaskFilter, TaskOrder } from './store.js'

const COLUMNS = TASK_COLUMNS.map((column) => `t."${column}"`).join()
const BY_SEQUENCE = '"Task" AS t NOT INDEXED'
const BY_INDEX = '"Task" AS t INDEXED BY "Task_runId_itemIndex_stage_key"'
const BY_START = '"Task" AS t INDEXED BY "Task_runId_startedMs_idx"'
const UNSUCCESSFUL = '"Task" AS t INDEXED BY "Task_unsuccessful_idx"'
const BY_HOST = '"Task" AS t INDEXED BY "Task_runId_host_idx"'
const OF_RUN = 't."runId" = @runId'

/** A filter as SQL. */
interface Conditions {
  where: string[]
  params: Params & { runId: number }
}

/** How an order is walked along. What never started has neither a start nor a service time. */
const ORDERS: Record<TaskOrder, { from: string; key: string | null; keys: string[]; descending: boolean }> = {
  ENDED: { from: BY_SEQUENCE, key: null, keys: ['t."sequence"'], descending: false },
  INDEX: { from: BY_INDEX, key: null, keys: ['t."itemIndex"', 't."stage"'], descending: false },
  STARTED: { from: BY_START, key: 't."startedMs"', keys: ['t."startedMs"', 't."sequence"'], descending: false },
  SLOWEST: { from: BY_SEQUENCE, key: 't."serviceMs"', keys: ['t."serviceMs"', 't."sequence"'], descending: true },
}

export class TaskLists {
  readonly #db: Database.Database
  readonly #queries: Queries
  readonly #lanes: LaneNames
  readonly #extremes: SegmentExtremes

  constructor(db: Database.Database) {
    this.#db = db
    this.#queries = new Queries(db)
    this.#extremes = new SegmentExtremes(this.#queries)
    this.#lanes = new LaneNames(this.#queries)
  }

  page(
    runId: number,
    { filter, order, page }: { filter: TaskFilter; order: TaskOrder; page: PageRequest },
  ): Page<TaskRecord> {
    return this.#atOnce(() => readPage(this.#list(runId, filter, order), page))
  }

  /** In the order of the commits. */
  after(runId: number, sequence: number, limit: number): TaskRecord[] {
    const sql = `SELECT ${COLUMNS} FROM ${BY_SEQUENCE} WHERE ${OF_RUN} AND t."sequence" > @sequence
      ORDER BY t."sequence" LIMIT @limit`
    return this.#records(runId, this.#queries.all(sql, { runId, sequence, limit }))
  }

  at(runId: number, stage: number, index: number): TaskRecord | null {
    const sql = `SELECT ${COLUMNS} FROM ${BY_INDEX} WHERE ${OF_RUN} AND t."itemIndex" = @index AND t."stage" = @stage`
    return this.#records(runId, this.#queries.all(sql, { runId, stage, index }))[0] ?? null
  }

  /** In the order asked for. */
  bySequence(runId: number, sequences: readonly number[]): TaskRecord[] {
    const sql = `SELECT ${COLUMNS} FROM ${BY_SEQUENCE} WHERE ${OF_RUN} AND t."sequence" = @sequence`
    return this.#records(
      runId,
      sequences.flatMap((sequence) => this.#queries.all<TaskCells>(sql, { runId, sequence })),
    )
  }

  count(runId: number, filter: TaskFilter): number {
    return this.#atOnce(() => this.#countFiltered(runId, filter))
  }

  /** Several queries that see the same commits. */
  #atOnce<T>(read: () => T): T {
    return this.#db.transaction(read)()
  }

  #countFiltered(runId: number, filter: TaskFilter): number {
    const { where, params } = this.#conditions(runId, filter)
    // Sequences have no gaps: the last one is the count.
    const last = this.#lastSequence(runId)
    if (where.length === 0) return last
    if (filter.status?.includes('SUCCEEDED') && where.length === 1)
      return last - this.#countOthers(runId, filter.status)
    const ways = waysTo(filter)
    const way = sparseAccess(this.#queries, ways, params) ?? ways[0] ?? { from: BY_SEQUENCE, where: [OF_RUN] }
    return this.#count({ from: way.from, where: [...way.where, ...where] }, params)
  }

  /** Tasks of a status that is not among these: the few, in a run where most succeeded. */
  #countOthers(runId: number, statuses: readonly string[]): number {
    const others = STORED_TASK_STATUS.filter((status) => !statuses.includes(status))
    const where = [OF_RUN, 't."status" > 0', statusCondition(others)]
    return others.length === 0 ? 0 : this.#count({ from: UNSUCCESSFUL, where }, { runId })
  }

  #count({ from, where }: Access, params: Params): number {
    return this.#queries.number(`SELECT count(*) FROM ${from} WHERE ${where.join(' AND ')}`, params)
  }

  #lastSequence(runId: number): number {
    return this.#queries.number(`SELECT max(t."sequence") FROM ${BY_SEQUENCE} WHERE ${OF_RUN}`, { runId })
  }

  #list(runId: number, filter: TaskFilter, order: TaskOrder): OrderedList<TaskRecord> {
    const conditions = this.#conditions(runId, filter)
    const sparse = sparseAccess(this.#queries, waysTo(filter), conditions.params)
    const parts = this.#parts(runId, order, { conditions, sparse })
    return {
      descending: ORDERS[order].descending,
      positionOf: (task) => positionOf(order, task),
      read: (window, direction, limit) => readParts(parts, { window, direction, limit }),
    }
  }

  /** The rows that have what the order sorts by, then those that lack it. */
  #parts(
    runId: number,
    order: TaskOrder,
    { conditions, sparse }: { conditions: Conditions; sparse: Access | null },
  ): Part<TaskRecord>[] {
    const { from, key, keys, descending } = ORDERS[order]
    const walk =
      (access: Access, sortedBy: readonly string[]) => (window: Window, direction: Direction, limit: number) => {
        const query = walkQuery(
          { ...access, where: [...access.where, ...conditions.where], columns: COLUMNS, keys: sortedBy, descending },
          { window, direction, limit },
        )
        return this.#records(runId, this.#queries.all(query.sql, { ...conditions.params, ...query.params }))
      }
    const along = sparse ?? { from, where: [OF_RUN] }
    if (key === null) return [{ leading: null, read: walk(along, keys) }]
    const untimed = { ...(sparse ?? { from: BY_START, where: [OF_RUN] }) }
    // The index knows those that never started; what has another one's answer is among them, and took no time.
    untimed.where = [...untimed.where, 't."startedMs" IS NULL', ...(order === 'SLOWEST' ? [`${key} IS NULL`] : [])]
    const timed = { ...along, where: [...along.where, `${key} IS NOT NULL`] }
    return [
      { leading: null, read: order === 'SLOWEST' && !sparse ? this.#slowest(runId, conditions) : walk(timed, keys) },
      { leading: descending ? MISSING.descending : MISSING.ascending, read: walk(untimed, ['t."sequence"']) },
    ]
  }

  #slowest(runId: number, conditions: Conditions): Part<TaskRecord>['read'] {
    const segments = new SegmentedTimes(this.#queries, this.#extremes, conditions)
    return (window, direction, limit) =>
      this.bySequence(runId, segments.read({ window, direction, limit, lastSequence: this.#lastSequence(runId) }))
  }

  #conditions(runId: number, filter: TaskFilter): Conditions {
    const where: string[] = []
    const params: Conditions['params'] = { runId }
    const { status, stage, lane, host, errorCode, minServiceMs } = filter
    if (status) where.push(statusCondition(status))
    if (stage !== undefined) {
      where.push('t."stage" = @stage')
      params.stage = stage
    }
    if (lane !== undefined) {
      const number = this.#lanes.numberOf(runId, lane)
      // FALSE ends the search before it begins.
      where.push(number === null ? 'FALSE' : 't."lane" = @lane')
      if (number !== null) params.lane = number
    }
    if (host !== undefined) {
      where.push('t."host" = @host')
      params.host = host
    }
    if (errorCode !== undefined) {
      where.push('t."errorCode" = @errorCode')
      params.errorCode = errorCode
    }
    if (minServiceMs !== undefined) {
      where.push('t."serviceMs" >= @minServiceMs')
      params.minServiceMs = minServiceMs
    }
    return { where, params }
  }

  #records(runId: number, rows: TaskCells[]): TaskRecord[] {
    return rows.map((cells) => toTaskRecord(cells, (number) => this.#lanes.nameOf(runId, number)))
  }
}

function positionOf(order: TaskOrder, task: TaskRecord): Position {
  switch (order) {
    case 'ENDED':
      return [task.sequence]
    case 'INDEX':
      return [task.index, task.stage]
    case 'STARTED':
      return [task.startedMs ?? MISSING.ascending, task.sequence]
    case 'SLOWEST':
      return [task.serviceMs ?? MISSING.descending, task.sequence]
  }
}

/** The indexes that lead to the rows of a filter, whatever the order. */
function waysTo({ status, host, errorCode, minServiceMs }: TaskFilter): Access[] {
  const ways: Access[] = []
  if (host !== undefined) ways.push({ from: BY_HOST, where: [OF_RUN, 't."host" = @host'] })
  // Errors are of failed and cancelled tasks alone. The condition on its own is what the partial index is recognized by.
  if (errorCode !== undefined)
    ways.push({
      from: UNSUCCESSFUL,
      where: [OF_RUN, 't."status" > 0', 't."status" IN (1,2)', 't."errorCode" = @errorCode'],
    })
  else if (status?.length && !status.includes('SUCCEEDED'))
    ways.push({ from: UNSUCCESSFUL, where: [OF_RUN, 't."status" > 0', statusCondition(status)] })
  if (minServiceMs !== undefined) ways.push(segmentAccess('t."serviceMs" >= @minServiceMs'))
  return ways
}

function statusCondition(statuses: readonly string[]): string {
  const numbers = STORED_TASK_STATUS.flatMap((status, number) => (statuses.includes(status) ? [number] : []))
  return numbers.length > 0 ? `t."status" IN (${numbers.join()})` : 'FALSE'
}

/** The lanes of the runs read lately. Numbers are given once: what is known stays true. */
export class LaneNames {
  readonly #runs = new Map<number, string[]>()
  readonly #queries: Queries

  constructor(queries: Queries) {
    this.#queries = queries
  }

  nameOf(runId: number, number: number): string {
    return this.#runs.get(runId)?.[number] ?? this.#read(runId)[number] ?? ''
  }

  /** Null for a lane that no task of the run has been on. */
  numberOf(runId: number, name: string): number | null {
    const number = this.#read(runId).indexOf(name)
    return number < 0 ? null : number
  }

  #read(runId: number): string[] {
    const sql = 'SELECT "name" FROM "RunLane" WHERE "runId" = @runId ORDER BY "number"'
    const names = this.#queries.all<[string]>(sql, { runId }).map(([name]) => name)
    if (this.#runs.size >= 100) this.#runs.clear()
    this.#runs.set(runId, names)
    return names
  }
}
