import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Timelines } from '../../../src/store/timelines.js'
import { attemptsOf, block, blocksOf, type TestDatabase, testDatabase } from '../../support/store.js'

let database: TestDatabase
let runId: number
beforeEach(async () => {
  database = await testDatabase()
  runId = database.insertRun()
})
afterEach(() => database.remove())

function commit(total: number): void {
  const counts = { total, succeeded: 0, failed: 0, cancelled: 0, skipped: 0, bytes: 0 }
  database.commit(runId, blocksOf(attemptsOf(total), 1), { counts })
}

const read = (maxSpans: number) => new Timelines(database.db).read(runId, maxSpans)
const packed = () => database.db.prepare('SELECT count(*) FROM "AttemptSegment"').pluck().get()

describe('Timelines', () => {
  it('come to the same from packed segments, from rows, and from both', async () => {
    commit(20_000)
    expect(packed()).toBe(4)
    const pictures = [await read(7), await read(1_000)]
    expect(pictures.map((lanes) => lanes.flatMap(({ spans }) => spans).length)).toEqual([7, 1_000])
    database.db.prepare('DELETE FROM "AttemptSegment" WHERE "number" IN (0, 2)').run()
    expect([await read(7), await read(1_000)]).toEqual(pictures)
    database.db.prepare('DELETE FROM "AttemptSegment"').run()
    expect([await read(7), await read(1_000)]).toEqual(pictures)
  })

  it('give others a turn in between', async () => {
    commit(60_000)
    const told: string[] = []
    const reading = read(100).then(() => told.push('read'))
    for (const name of ['one', 'two']) await new Promise((resolve) => setImmediate(() => resolve(told.push(name))))
    await reading
    expect(told).toEqual(['one', 'two', 'read'])
  })

  it('draw what was there when they were asked', async () => {
    commit(4_000)
    const reading = read(10)
    database.commit(runId, [block([{ index: 9_999, startedMs: 1e6 }], { firstSequence: 4_001, lane: 'thread-3' })])
    expect((await reading).map(({ lane }) => lane)).toEqual(['thread-1', 'thread-2'])
    expect((await read(10)).map(({ lane }) => lane)).toEqual(['thread-1', 'thread-2', 'thread-3'])
  })

  it('end well where the run is deleted meanwhile', async () => {
    commit(20_000)
    const reading = read(10)
    database.db.prepare('DELETE FROM "AttemptSegment"').run()
    database.db.prepare('DELETE FROM "Task"').run()
    await expect(reading).resolves.toBeInstanceOf(Array)
    expect(await read(10)).toEqual([])
  })

  it('name a lane that only failed attempts have been on, though nothing else knows it', async () => {
    const error = { code: 'LANE_DIED' as const, message: '', retryable: true }
    const attempts = ['thread-8', 'thread-9', 'thread-1'].map((lane, at) => {
      return { number: at + 1, startedMs: at * 10, serviceMs: 5, lane, error: at < 2 ? error : null }
    })
    const retried = { index: 0, attempt: 3, startedMs: 20, serviceMs: 5 }
    database.commit(runId, [block([retried], { firstSequence: 1, histories: [{ at: 0, attempts }] })])
    expect(database.db.prepare('SELECT "name" FROM "RunLane"').pluck().all()).toEqual(['thread-1'])
    const timeline = await read(10)
    expect(timeline.map(({ lane, spans }) => [lane, spans.map(({ startMs, tasks }) => [startMs, tasks])])).toEqual([
      ['thread-1', [[20, 1]]],
      ['thread-8', [[0, 0]]],
      ['thread-9', [[10, 0]]],
    ])
  })
})
