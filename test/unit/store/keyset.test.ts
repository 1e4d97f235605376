/** Pages by key, over real rows: each walk meets each row once, in either direction. */

import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TaskRecord } from '../../../src/domain/task.js'
import { RunLists } from '../../../src/store/run-lists.js'
import type {
  Page,
  PageRequest,
  Position,
  RunFilter,
  RunOrder,
  TaskFilter,
  TaskOrder,
} from '../../../src/store/store.js'
import { TaskLists } from '../../../src/store/task-lists.js'
import { block, fetchDetail, type ReportedTask, type TestDatabase, testDatabase } from '../../support/store.js'

let database: TestDatabase
let tasks: TaskLists
let runs: RunLists

beforeAll(async () => {
  database = await testDatabase()
  tasks = new TaskLists(database.db)
  runs = new RunLists(database.db)
})
afterAll(() => database.remove())

/** Walks from one end to the other, each step beginning where the last one ended. */
function walk<Row>(size: number, direction: 'forward' | 'backward', read: (page: PageRequest) => Page<Row>): Row[] {
  const found: Row[] = []
  let from: Position | undefined
  for (;;) {
    const isForward = direction === 'forward'
    const page = read(
      isForward ? { first: size, ...(from && { after: from }) } : { last: size, ...(from && { before: from }) },
    )
    const rows = page.rows.map(({ row }) => row)
    if (isForward) found.push(...rows)
    else found.unshift(...rows)
    expect(isForward ? page.hasPreviousPage : page.hasNextPage).toBe(from !== undefined)
    expect(rows.length).toBeLessThanOrEqual(size)
    if (!(isForward ? page.hasNextPage : page.hasPreviousPage)) return found
    expect(rows).toHaveLength(size)
    from = isForward ? page.rows.at(-1)!.position : page.rows[0]!.position
  }
}

const byTask: Record<TaskOrder, (a: TaskRecord, b: TaskRecord) => number> = {
  ENDED: (a, b) => a.sequence - b.sequence,
  INDEX: (a, b) => a.index - b.index || a.stage - b.stage,
  STARTED: (a, b) => (a.startedMs ?? 1e300) - (b.startedMs ?? 1e300) || a.sequence - b.sequence,
  SLOWEST: (a, b) => (b.serviceMs ?? -1) - (a.serviceMs ?? -1) || b.sequence - a.sequence,
}

function matches(task: TaskRecord, filter: TaskFilter): boolean {
  return (
    (filter.status?.includes(task.status) ?? true) &&
    task.stage === (filter.stage ?? task.stage) &&
    task.lane === (filter.lane ?? task.lane) &&
    (filter.host === undefined || task.fetch?.host === filter.host) &&
    (filter.errorCode === undefined || task.error?.code === filter.errorCode) &&
    (filter.minServiceMs === undefined || (task.serviceMs !== null && task.serviceMs >= filter.minServiceMs))
  )
}

const order = fc.constantFrom<TaskOrder>('INDEX', 'SLOWEST', 'STARTED', 'ENDED')
const sometimes = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: undefined, freq: 2 })

const filter: fc.Arbitrary<TaskFilter> = fc
  .record({
    status: sometimes(fc.subarray(['SUCCEEDED', 'FAILED', 'CANCELLED'] as const)),
    stage: sometimes(fc.nat(2)),
    lane: sometimes(fc.constantFrom('thread-0', 'thread-1', 'thread-9')),
    host: sometimes(fc.constantFrom('a.example', 'b.example', 'c.example')),
    errorCode: sometimes(fc.constantFrom('TIMEOUT', 'DNS')),
    minServiceMs: sometimes(fc.nat(4)),
  })
  .map((record) => Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)))

/** Few different times, so that many are equal. */
const reported: fc.Arbitrary<Omit<ReportedTask, 'index'>> = fc.oneof(
  fc.record({ startedMs: fc.integer({ min: -2, max: 5 }), serviceMs: fc.nat(4) }),
  fc.record({
    startedMs: fc.option(fc.nat(5), { nil: null }),
    serviceMs: fc.nat(4),
    outcome: fc.constantFrom(1, 2),
    error: fc.constantFrom('TIMEOUT' as const, 'DNS' as const).map((code) => ({ code, message: '', retryable: true })),
  }),
  fc.record({
    startedMs: fc.nat(5),
    fetch: fc.constantFrom('a.example', 'b.example').map((host) => ({ ...fetchDetail, host })),
  }),
)

/** Blocks begin 4,000 sequence numbers apart: a few of them lie in several segments of the times' index. */
function insertTasks(blocks: readonly Omit<ReportedTask, 'index'>[][], gap = 4000): number {
  const runId = database.insertRun()
  const rows = blocks.map((list, at) =>
    block(
      list.map((task, place) => ({ ...task, index: ((place * 7) % 5003) * 10 + at })),
      { firstSequence: at * gap + 1, lane: `thread-${at % 2}`, stage: at % 3 },
    ),
  )
  database.commit(runId, rows)
  return runId
}

describe('pages of tasks', () => {
  it('meet each row once, in order, under any filter', () => {
    const blocks = fc.array(fc.array(reported, { maxLength: 30 }), { maxLength: 5 })
    const page = fc.integer({ min: 1, max: 12 })
    fc.assert(
      fc.property(blocks, filter, order, page, (lists, some, by, size) => {
        const runId = insertTasks(lists)
        const all = tasks.after(runId, 0, 1000)
        expect(all).toHaveLength(lists.flat().length)
        const expected = all.filter((task) => matches(task, some)).sort(byTask[by])
        for (const direction of ['forward', 'backward'] as const)
          expect(
            walk(size, direction, (request) => tasks.page(runId, { filter: some, order: by, page: request })),
          ).toEqual(expected)
      }),
      { numRuns: 150 },
    )
  })

  it('count what they list', () => {
    fc.assert(
      fc.property(fc.array(reported, { maxLength: 30 }), filter, (list, some) => {
        const runId = insertTasks([list])
        const { rows } = tasks.page(runId, { filter: some, order: 'ENDED', page: { first: 100 } })
        expect(tasks.count(runId, some)).toBe(rows.length)
      }),
      { numRuns: 100 },
    )
  })

  it('stay between two places', () => {
    const ends = fc.tuple(fc.nat(40), fc.nat(40)).map((pair) => pair.toSorted((a, b) => a - b))
    fc.assert(
      fc.property(
        fc.array(reported, { minLength: 41, maxLength: 41 }),
        order,
        ends,
        fc.nat(45),
        (list, by, [from, to], size) => {
          const runId = insertTasks([list.slice(0, 20), list.slice(20)])
          const all = tasks.page(runId, { filter: {}, order: by, page: { first: 100 } }).rows
          const between = { after: all[from!]!.position, before: all[to!]!.position }
          const inside = all.slice(from! + 1, to)
          const first = tasks.page(runId, { filter: {}, order: by, page: { first: size, ...between } })
          expect(first).toEqual({ rows: inside.slice(0, size), hasNextPage: true, hasPreviousPage: true })
          const last = tasks.page(runId, { filter: {}, order: by, page: { last: size, ...between } })
          expect(last).toEqual({
            rows: size === 0 ? [] : inside.slice(-size),
            hasNextPage: true,
            hasPreviousPage: true,
          })
        },
      ),
      { numRuns: 100 },
    )
  })

  it('meet each of many rows once, where a filter finds too many to sort', () => {
    const random = fc.sample(fc.nat(1000), { seed: 7, numRuns: 4999 })
    const list = (at: number) =>
      random.map((number, place) => ({ startedMs: (number * (at + 1)) % 997, serviceMs: (number + place) % 500 }))
    const runId = insertTasks([list(0), list(1), list(2), list(3), list(4)], 4999)
    const all = tasks.after(runId, 0, 30_000)
    expect(all).toHaveLength(24_995)
    const filters: TaskFilter[] = [
      {},
      { minServiceMs: 100 },
      { lane: 'thread-0', minServiceMs: 50 },
      { stage: 1, status: ['SUCCEEDED'] },
    ]
    for (const by of ['INDEX', 'SLOWEST', 'STARTED', 'ENDED'] as const)
      for (const some of filters) {
        const expected = all.filter((task) => matches(task, some)).sort(byTask[by])
        expect(tasks.count(runId, some)).toBe(expected.length)
        for (const direction of ['forward', 'backward'] as const) {
          const found = walk(1700, direction, (request) =>
            tasks.page(runId, { filter: some, order: by, page: request }),
          )
          expect(found.map(({ sequence }) => sequence)).toEqual(expected.map(({ sequence }) => sequence))
        }
      }
  })

  it('find the slowest and the fastest of a run that grows', () => {
    const random = fc.sample(fc.nat(100_000), { seed: 11, numRuns: 15_000 })
    const runId = database.insertRun()
    const all: { serviceMs: number; sequence: number }[] = []
    for (let first = 0; first < random.length; first += 2500) {
      const list = random.slice(first, first + 2500).map((serviceMs, at) => ({ index: first + at, serviceMs }))
      database.commit(runId, [block(list, { firstSequence: first + 1 })])
      all.push(...list.map(({ serviceMs }, at) => ({ serviceMs, sequence: first + at + 1 })))
      const sorted = all.toSorted((a, b) => b.serviceMs - a.serviceMs || b.sequence - a.sequence)
      const find = (page: PageRequest) =>
        tasks.page(runId, { filter: {}, order: 'SLOWEST', page }).rows.map(({ row }) => row.sequence)
      const middle = sorted[sorted.length >> 1]!
      const from = [middle.serviceMs, middle.sequence]
      const sequences = sorted.map(({ sequence }) => sequence)
      const half = sequences.length >> 1
      expect(find({ first: 20 })).toEqual(sequences.slice(0, 20))
      expect(find({ last: 20 })).toEqual(sequences.slice(-20))
      expect(find({ first: 20, after: from })).toEqual(sequences.slice(half + 1, half + 21))
      expect(find({ last: 20, before: from })).toEqual(sequences.slice(half - 20, half))
    }
  })
})

describe('pages of runs', () => {
  const names = ['a', 'b']
  const ended = (durationMs: number | null) =>
    durationMs === null
      ? {}
      : { status: 'SUCCEEDED' as const, startedAt: new Date(0), finishedAt: new Date(durationMs) }

  function insertRuns(list: readonly { name: string; durationMs: number | null; isLabelled: boolean }[]) {
    database.db.exec('DELETE FROM "Run"')
    return list.map(({ name, durationMs, isLabelled }) => {
      const id = database.insertRun({ spec: { name } })
      database.commit(id, [], ended(durationMs))
      if (isLabelled) database.db.prepare('INSERT INTO "Label" VALUES (?, ?, ?)').run('team', 'blue', id)
      return { id, name, durationMs, isLabelled }
    })
  }

  it('meet each run once, in order, under any filter', () => {
    const run = fc.record({
      name: fc.constantFrom(...names),
      durationMs: fc.option(fc.nat(3), { nil: null }),
      isLabelled: fc.boolean(),
    })
    const some = fc.record({ name: sometimes(fc.constantFrom(...names)), isLabelled: fc.boolean() })
    const by = fc.constantFrom<RunOrder>('CREATED_ASC', 'CREATED_DESC', 'DURATION_ASC', 'DURATION_DESC')
    fc.assert(
      fc.property(
        fc.array(run, { maxLength: 12 }),
        some,
        by,
        fc.integer({ min: 1, max: 4 }),
        (list, { name, isLabelled }, order, size) => {
          const all = insertRuns(list)
          const sign = order.endsWith('DESC') ? -1 : 1
          const expected = all
            .filter((each) => each.name === (name ?? each.name) && (each.isLabelled || !isLabelled))
            .sort((a, b) =>
              !order.startsWith('DURATION') || a.durationMs === b.durationMs
                ? (a.id - b.id) * sign
                : a.durationMs === null || b.durationMs === null
                  ? Number(a.durationMs === null) - Number(b.durationMs === null)
                  : (a.durationMs - b.durationMs) * sign,
            )
            .map(({ id }) => id)
          const filter: RunFilter = {
            ...(name && { name }),
            ...(isLabelled && { labels: [{ name: 'team', value: 'blue' }] }),
          }
          expect(runs.count(filter)).toBe(expected.length)
          for (const direction of ['forward', 'backward'] as const)
            expect(walk(size, direction, (page) => runs.page({ filter, order, page }))).toEqual(expected)
        },
      ),
      { numRuns: 100 },
    )
  })

  it('meet each of many runs once, where a filter finds too many to sort', () => {
    database.db.exec('DELETE FROM "Run"')
    database.db.transaction(() => {
      for (let at = 0; at < 12_000; at++) database.insertRun({ spec: { name: names[at % 2]! } })
      database.db.exec('UPDATE "Run" SET "durationMs" = "id" % 101 WHERE "id" % 5 > 0')
    })()
    for (const order of ['CREATED_DESC', 'DURATION_ASC', 'DURATION_DESC'] as const) {
      const filter: RunFilter = { kind: ['COMPUTE'], status: ['QUEUED', 'RUNNING'] }
      const found = walk(5000, 'forward', (page) => runs.page({ filter, order, page }))
      expect(new Set(found).size).toBe(12_000)
      expect(walk(5000, 'backward', (page) => runs.page({ filter, order, page }))).toEqual(found)
      expect(runs.count(filter)).toBe(12_000)
    }
  })
})
