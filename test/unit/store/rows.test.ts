import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TaskErrorCode } from '../../../src/domain/errors.js'
import { type FetchDetail, STORED_TASK_STATUS, type TaskRecord } from '../../../src/domain/task.js'
import { TASK_COLUMNS, type TaskCells, toTaskCells, toTaskRecord } from '../../../src/store/rows.js'
import { type TestDatabase, testDatabase } from '../../support/store.js'

const ms = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0)
const text = fc.string({ unit: 'grapheme' })
const orNull = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: null })
const error = fc.record({
  code: fc.constantFrom(...Object.values(TaskErrorCode)),
  message: text,
  retryable: fc.boolean(),
})
const attempt = fc.record({ number: fc.nat(), startedMs: ms, serviceMs: ms, lane: text, error: orNull(error) })

const fetch: fc.Arbitrary<FetchDetail> = fc
  .record({
    url: text,
    finalUrl: orNull(text),
    host: text,
    status: orNull(fc.integer({ min: 100, max: 599 })),
    bytes: fc.maxSafeNat(),
    sha256: orNull(fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex'))),
    contentType: orNull(text),
    redirects: fc.nat(20),
    dnsMs: orNull(ms),
    connectMs: orNull(ms),
    tlsMs: orNull(ms),
    firstByteMs: orNull(ms),
    downloadMs: orNull(ms),
    reusedConnection: orNull(fc.boolean()),
  })
  .map(({ finalUrl, ...rest }) => ({ ...rest, finalUrl: finalUrl ?? rest.url }))

const task: fc.Arbitrary<TaskRecord> = fc.record({
  sequence: fc.nat(),
  stage: fc.nat(10),
  index: fc.maxSafeNat(),
  status: fc.constantFrom(...STORED_TASK_STATUS),
  output: orNull(text),
  error: orNull(error),
  attempts: fc.nat(255),
  history: orNull(fc.array(attempt)),
  lane: orNull(fc.constantFrom('thread-1', 'thread-2', 'process-1')),
  startedMs: orNull(ms),
  queueWaitMs: orNull(ms),
  serviceMs: orNull(ms),
  cpuMs: orNull(ms),
  fetch: orNull(fetch),
})

describe('task rows', () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await testDatabase()
  })
  afterAll(() => database.remove())

  it('bring every task back as it was, through the database', () => {
    const { db } = database
    const lanes = ['thread-1', 'thread-2', 'process-1']
    const runId = database.insertRun()
    const names = TASK_COLUMNS.map((name) => `"${name}"`).join()
    const insert = db.prepare(
      `INSERT INTO "Task" ("runId", ${names}) VALUES (?, ${TASK_COLUMNS.map(() => '?').join()})`,
    )
    const read = db.prepare(`SELECT ${names} FROM "Task" WHERE "runId" = ?`).raw()
    const clear = db.prepare(`DELETE FROM "Task"`)
    fc.assert(
      fc.property(task, (written) => {
        clear.run()
        insert.run(runId, ...toTaskCells(written, written.lane === null ? null : lanes.indexOf(written.lane)))
        expect(toTaskRecord(read.get(runId) as TaskCells, (number) => lanes[number]!)).toEqual(written)
      }),
      { numRuns: 300 },
    )
  })
})
