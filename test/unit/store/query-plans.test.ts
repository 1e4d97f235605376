/** Every page and every count finds its rows by an index: none looks through a whole table, none sorts a whole run. */

import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { toComparisonKey } from '../../../src/domain/ids.js'
import { IndexSet } from '../../../src/domain/indexset.js'
import { BlobFiles } from '../../../src/store/blobs.js'
import { BulkReads } from '../../../src/store/bulk.js'
import { ComparisonRows } from '../../../src/store/comparisons.js'
import { ExportReads } from '../../../src/store/export-reads.js'
import { OwedParts } from '../../../src/store/owed-parts.js'
import { drained, PartRows } from '../../../src/store/part-rows.js'
import { Purger } from '../../../src/store/purge.js'
import { RetryWriter, toRetryLaunch } from '../../../src/store/retry-launches.js'
import { RunLists } from '../../../src/store/run-lists.js'
import { ServiceSamples } from '../../../src/store/service-samples.js'
import { SettledItems } from '../../../src/store/settled-items.js'
import type { PageRequest, RunFilter, TaskFilter } from '../../../src/store/store.js'
import { StoredBodies } from '../../../src/store/stored-bodies.js'
import { TaskLists } from '../../../src/store/task-lists.js'
import { Timelines } from '../../../src/store/timelines.js'
import { TimingHistories } from '../../../src/store/timing-histories.js'
import { block, fetchDetail, listOf, newRun, type TestDatabase, testDatabase } from '../../support/store.js'

let database: TestDatabase
let asked: string[] = []
let runId: number

beforeAll(async () => {
  database = await testDatabase({ verbose: (sql) => asked.push(sql) })
  runId = database.insertRun()
  // Enough that a filter which all of them meet is walked along, and one that few meet is sorted.
  const plain = Array.from({ length: 12_000 }, (_, index) => ({ index, serviceMs: index % 97 }))
  const error = { code: 'TIMEOUT' as const, message: '', retryable: true }
  const special = [
    { index: 20_000, fetch: fetchDetail },
    { index: 20_001, outcome: 1, error },
  ]
  database.commit(runId, [
    block(plain, { firstSequence: 1 }),
    block(special, { firstSequence: 12_001, lane: 'thread-2' }),
  ])
})
afterAll(() => database.remove())

interface Plan {
  sql: string
  steps: string[]
}

/** The plans of all queries that `read` asks. */
function plansOf(read: () => void): Plan[] {
  asked = []
  read()
  return plansFor(asked)
}

function plansFor(queries: readonly string[]): Plan[] {
  return queries.map((sql) => {
    const steps = database.db.prepare<[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`).all()
    return { sql, steps: steps.map(({ detail }) => detail) }
  })
}

/** Steps that read Task or Run otherwise than by a key with a bound. */
function scans({ steps }: Plan): string[] {
  return steps.filter((step) => /^SCAN (t|r|Task|Run)\b/.test(step) && !step.includes('COVERING INDEX'))
}

/** Searches of Task that are not bounded to the run. */
function strays({ steps }: Plan): string[] {
  return steps.filter((step) => /^SEARCH (t|Task)\b/.test(step) && !step.includes('(runId=?'))
}

function sorts({ steps }: Plan): string[] {
  return steps.filter((step) => step.includes('TEMP B-TREE'))
}

function expectIndexed(plans: readonly Plan[]): void {
  expect(plans.length).toBeGreaterThan(0)
  for (const plan of plans)
    expect({ sql: plan.sql, steps: [...scans(plan), ...strays(plan)] }).toEqual({ sql: plan.sql, steps: [] })
}

/** All filters of one or two traits. */
function combinations<Filter extends object>(traits: readonly Filter[]): Filter[] {
  return traits.flatMap((one, at) => [one, ...traits.slice(at + 1).map((other) => ({ ...one, ...other }))])
}

describe('plans of tasks', () => {
  const traits: TaskFilter[] = [
    { status: ['SUCCEEDED'] },
    { status: ['FAILED'] },
    { status: ['FAILED', 'CANCELLED'] },
    { stage: 0 },
    { lane: 'thread-1' },
    { lane: 'unknown' },
    { host: fetchDetail.host },
    { errorCode: 'TIMEOUT' },
    { minServiceMs: 0 },
    { minServiceMs: 96 },
  ]
  const lists = () => new TaskLists(database.db)

  describe.each(['INDEX', 'SLOWEST', 'STARTED', 'ENDED'] as const)('%s', (order) => {
    const last = order === 'ENDED' ? [12_000] : [1, 1]
    const pages: PageRequest[] = [{ first: 20 }, { last: 20 }, { first: 20, after: last }, { last: 20, before: last }]

    it('walks along an index', () => {
      for (const page of pages) {
        const plans = plansOf(() => lists().page(runId, { filter: {}, order, page }))
        expectIndexed(plans)
        expect(plans.flatMap(sorts)).toEqual([])
      }
    })

    it('keeps to indexes under every filter', () => {
      for (const filter of combinations(traits))
        for (const page of pages) expectIndexed(plansOf(() => lists().page(runId, { filter, order, page })))
    })
  })

  it('walks along the order where a filter finds too many to sort', () => {
    for (const order of ['INDEX', 'SLOWEST', 'STARTED', 'ENDED'] as const)
      for (const filter of [{ minServiceMs: 0 }, { status: ['SUCCEEDED' as const] }, { lane: 'thread-1' }]) {
        const plans = plansOf(() => lists().page(runId, { filter, order, page: { first: 20 } }))
        expect(plans.flatMap(sorts)).toEqual([])
      }
  })

  it('counts by indexes', () => {
    for (const filter of [{}, ...combinations(traits)]) expectIndexed(plansOf(() => lists().count(runId, filter)))
  })

  it('reads single tasks and those after a place by their keys', () => {
    expectIndexed(plansOf(() => lists().at(runId, 0, 5)))
    expectIndexed(plansOf(() => lists().after(runId, 5, 5)))
    expectIndexed(plansOf(() => lists().bySequence(runId, [1, 2])))
  })

  it('reads in bulk within the run', () => {
    const bulk = new BulkReads(database.db)
    const plans = plansOf(() => {
      bulk.endedIndexes(runId, 0, 30_000)
      bulk.succeededIndexes(runId, 0, 30_000)
      bulk.handedOver({ runId, stage: 0, link: { to: 'COMPUTE', from: '', givesDetail: false } }, [1, 20_000])
      bulk.times(runId, null, 'serviceMs')
      bulk.times(runId, 0, 'queueWaitMs')
      bulk.phaseTimes(runId, null)
      bulk.phaseTimes(runId, 0)
      bulk.outputs(runId, 0, 10)
      bulk.lastTasks(runId, 0, 100)
    })
    expectIndexed(plans)
    expect(plans.flatMap(sorts)).toEqual([])
  })
})

describe('plans of samples', () => {
  it.each([
    { stage: null, host: null },
    { stage: 0, host: null },
    { stage: null, host: fetchDetail.host },
    { stage: 1, host: fetchDetail.host },
  ])('pick rows by their keys, or read the run: %j', (part) => {
    // Few of many are picked, most are read.
    for (const max of [10, 10_000]) {
      const plans = plansOf(() => new ServiceSamples(database.db).read(runId, part, max))
      expectIndexed(plans)
      expect(plans.filter(({ sql }) => sql.includes('"Task"')).flatMap(sorts)).toEqual([])
    }
  })
})

describe('plans of timelines', () => {
  it('read the rows of a run, and no more of its segments than they need', async () => {
    const total = 10_000
    const counts = { total, succeeded: 0, failed: 0, cancelled: 0, skipped: 0, bytes: 0 }
    const packed = database.insertRun()
    const tasks = Array.from({ length: 5_000 }, (_, index) => ({ index, startedMs: index }))
    database.commit(packed, [block(tasks, { firstSequence: 1 })], { counts })
    for (const id of [packed, runId]) {
      asked = []
      await new Timelines(database.db).read(id, 10)
      // Not the statements around a transaction.
      const queries = asked.filter((sql) => sql.startsWith('SELECT'))
      const plans = plansFor(queries)
      expect(plans.length).toBeGreaterThan(4)
      expectIndexed(plans)
      expect(plans.flatMap(sorts)).toEqual([])
      // By sequence number: along the index of starts it would be all rows of the run for each segment.
      expect(plans.flatMap(({ steps }) => steps).filter((step) => step.includes('startedMs'))).toEqual([])
      for (const { sql, steps } of plans.filter((plan) => plan.sql.includes('AttemptSegment')))
        expect({ sql, scans: steps.filter((step) => step.startsWith('SCAN')) }).toEqual({ sql, scans: [] })
    }
  })
})

describe('plans of exports', () => {
  it.each(['CSV', 'TRACE'] as const)('%s walks along indexes, and sorts nothing', async (format) => {
    const exports = new ExportReads(database.db, tmpdir())
    const list = database.insertRun(listOf(['a', 'b']))
    database.commit(list, [block([{ index: 0 }, { index: 1 }], { firstSequence: 1 })])
    for (const id of [runId, list]) {
      const { key, spec } = id === list ? listOf(['a', 'b']) : newRun()
      asked = []
      const file = exports.open({ id, key, spec, createdAt: new Date(0), startedAt: new Date(0) }, format)
      while ((await exports.read(file)) !== null) {
        // Read to its end.
      }
      const plans = plansFor([...new Set(asked.filter((sql) => sql.startsWith('SELECT')))])
      expect(plans.length).toBeGreaterThan(2)
      expectIndexed(plans)
      expect(plans.flatMap(sorts)).toEqual([])
    }
  })
})

describe('plans of deletions and of stored bodies', () => {
  it('keep to keys and indexes, in every table', async () => {
    const hash = 'ab'.repeat(32)
    const run = database.insertRun()
    const ended = { status: 'SUCCEEDED', finishedAt: new Date(0) } as const
    database.commit(run, [block([{ index: 0, fetch: fetchDetail }], { firstSequence: 1 })], ended)
    database.db.prepare('INSERT INTO "RunBlob" VALUES (?, ?, 1)').run(Buffer.from(hash, 'hex'), run)
    database.db.prepare(`INSERT INTO "SourceFile" VALUES (?, 'none', 'INPUTS', x'00')`).run(run)
    const folder = join(tmpdir(), 'heddle-query-plans')
    database.db.prepare(`INSERT INTO "Comparison" VALUES (7, 'c', NULL, 0, '[]', 1)`).run()
    database.db.prepare(`INSERT INTO "ComparisonBlock" VALUES (7, 0, 1, '[1]')`).run()
    database.db.prepare('UPDATE "Run" SET "comparisonId" = 7 WHERE "id" = ?').run(run)
    // As the writer has it: a run would take its rows with it.
    database.db.pragma('foreign_keys = OFF')
    const purger = new Purger(database.db, new BlobFiles(folder), folder)
    const bodies = new StoredBodies(database.db, folder)
    const plans = plansOf(() => {
      void bodies.find(hash)
      purger.deleteRun(run)
      while (purger.purgeRuns([run])[0] !== null);
    })
    const words = [
      'DeletedRun',
      'RunBlob',
      'SourceFile',
      'SourceBlock',
      'AttemptSegment',
      'RunHost',
      'DELETE FROM "Task"',
    ]
    for (const word of [...words, 'DELETE FROM "Comparison"', 'ComparisonBlock'])
      expect({ word, asked: plans.some(({ sql }) => sql.includes(word)) }).toEqual({ word, asked: true })
    for (const { sql, steps } of plans)
      expect({ sql, scans: steps.filter((step) => step.startsWith('SCAN')) }).toEqual({ sql, scans: [] })
  })
})

describe('plans of retries and of taking many runs away', () => {
  it('keep to keys and indexes', async () => {
    const db = database.db
    db.pragma('foreign_keys = OFF')
    const of = database.insertRun()
    db.prepare(`INSERT INTO "SourceBlock" VALUES (?, 0, 1, '[1]')`).run(of)
    const retry = await toRetryLaunch({ ...newRun(), of, leftOut: new IndexSet(100) })
    const folder = join(tmpdir(), 'heddle-query-plans')
    const settled = new SettledItems(db)
    const plans = plansOf(() => {
      new RetryWriter(db).write(retry)
      void settled.read(of, 100)
      void settled.read(runId, 30_000)
      new Purger(db, new BlobFiles(folder), folder).deleteFinished(0, 10)
    })
    for (const word of ['"finishedAt" <', 'Task_unsuccessful_idx', '"SourceBlock"', '"ComparisonBlock"'])
      expect({ word, asked: plans.some(({ sql }) => sql.includes(word)) }).toEqual({ word, asked: true })
    for (const { sql, steps } of plans)
      expect({ sql, bad: steps.filter((step) => /^SCAN (?!CONSTANT)|TEMP B-TREE/.test(step)) }).toEqual({
        sql,
        bad: [],
      })
  })
})

describe('plans of history', () => {
  const filters: RunFilter[] = [
    {},
    { kind: ['COMPUTE'] },
    { strategy: ['THREADS', 'AUTO'] },
    { function: 'sumOfSquares' },
    { host: 'a' },
    { labels: [{ name: 'a', value: 'b' }] },
    { status: ['SUCCEEDED'] },
    { name: 'n' },
    { createdAfter: new Date(0), createdBefore: new Date(1) },
    {
      name: 'n',
      kind: ['FETCH'],
      function: 'f',
      host: 'h',
      labels: [{ name: 'a', value: 'b' }],
      createdAfter: new Date(0),
    },
  ]
  it.each(filters)('find runs by keys and indexes, and look at no task: %j', async (filter) => {
    const histories = new TimingHistories(database.db)
    const plans = plansOf(() => {
      for (const label of [null, 'a'])
        void histories.read({ filter, bucket: 'DAY', groupBy: label === null ? 'NONE' : 'LABEL', label })
    })
    expect(plans.some(({ sql }) => sql.includes('"RunParts"'))).toBe(true)
    expect(plans.some(({ sql }) => sql.includes('"PastRuns"'))).toBe(true)
    for (const { sql, steps } of plans) {
      const bad = steps.filter(
        (step) => /^SCAN (?!CONSTANT|.* VIRTUAL TABLE)|TEMP B-TREE/.test(step) && !step.startsWith('SCAN ('),
      )
      expect({ sql, bad }).toEqual({ sql, bad: [] })
      expect(sql).not.toContain('"Task"')
    }
  })

  it('find what is owed by its index, and read it along the key', async () => {
    const plans = plansOf(() => {
      void new OwedParts(database.db).next(0)
      drained(new PartRows(database.db).read(runId))
    })
    for (const { sql, steps } of plans.filter((plan) => !plan.sql.includes('json_each')))
      expect({ sql, bad: steps.filter((step) => /^SCAN|TEMP B-TREE/.test(step)) }).toEqual({ sql, bad: [] })
  })
})

describe('plans of comparisons', () => {
  const comparisons = () => new ComparisonRows(database.db)

  it('find them, their runs and their items by keys', () => {
    const plans = plansOf(() => {
      comparisons().byKey(toComparisonKey('a'))
      comparisons().byId(1)
      comparisons().runs(1)
      comparisons().blockAt(runId, 5)
    })
    for (const { sql, steps } of plans)
      expect({ sql, bad: steps.filter((step) => /^SCAN|TEMP B-TREE/.test(step)) }).toEqual({ sql, bad: [] })
  })

  it('walk along them page by page', () => {
    for (const page of [{ first: 20 }, { last: 20 }, { first: 20, after: [5] }, { last: 20, before: [5] }])
      for (const { sql, steps } of plansOf(() => comparisons().page(page)))
        expect({ sql, bad: steps.filter((step) => /^SCAN|TEMP B-TREE/.test(step)) }).toEqual({ sql, bad: [] })
  })
})

describe('plans of runs', () => {
  const traits: RunFilter[] = [
    { kind: ['FETCH', 'COMPUTE'] },
    { status: ['RUNNING'] },
    { strategy: ['AUTO', 'THREADS'] },
    { name: 'a' },
    { function: 'f' },
    { host: 'a.example' },
    {
      labels: [
        { name: 'a', value: 'b' },
        { name: 'c', value: 'd' },
      ],
    },
    { createdAfter: new Date(0) },
    { createdBefore: new Date() },
  ]
  const lists = () => new RunLists(database.db)

  it.each(['CREATED_ASC', 'CREATED_DESC', 'DURATION_ASC', 'DURATION_DESC'] as const)('%s keeps to indexes', (order) => {
    const last = order.startsWith('CREATED') ? [5] : [5, 5]
    for (const page of [{ first: 20 }, { last: 20 }, { first: 20, after: last }, { last: 20, before: last }]) {
      const plans = plansOf(() => lists().page({ filter: {}, order, page }))
      expectIndexed(plans)
      expect(plans.flatMap(sorts)).toEqual([])
      for (const filter of combinations(traits)) expectIndexed(plansOf(() => lists().page({ filter, order, page })))
    }
  })

  it('counts by indexes', () => {
    for (const filter of [{}, ...combinations(traits)]) expectIndexed(plansOf(() => lists().count(filter)))
  })
})
