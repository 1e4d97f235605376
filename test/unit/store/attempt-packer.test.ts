import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { unpackAttempts } from '../../../src/domain/attempts.js'
import { Outcome } from '../../../src/domain/results.js'
import type { TaskBlock } from '../../../src/store/store.js'
import { block, type ReportedTask, type TestDatabase, testDatabase } from '../../support/store.js'

const SEGMENT = 4_096
const TOTAL = 20_000
const counts = { total: TOTAL, succeeded: 0, failed: 0, cancelled: 0, skipped: 0, bytes: 0 }

let database: TestDatabase
let runId: number
beforeEach(async () => {
  database = await testDatabase()
  runId = database.insertRun()
})
afterEach(() => database.remove())

/** Tasks that follow one another: the one at index n starts at n ms. */
function tasks(first: number, count: number): ReportedTask[] {
  return Array.from({ length: count }, (_, at) => ({ index: first + at, startedMs: first + at, serviceMs: 0.5 }))
}

const commit = (blocks: TaskBlock[], total = TOTAL) => database.commit(runId, blocks, { counts: { ...counts, total } })
const ended = (first: number, count: number, more: Partial<TaskBlock> = {}) =>
  block(tasks(first, count), { firstSequence: first + 1, ...more })

function segments() {
  return database.db
    .prepare<[number], { number: number; firstStartMs: number | null; attempts: Uint8Array }>(
      'SELECT "number", "firstStartMs", "attempts" FROM "AttemptSegment" WHERE "runId" = ? ORDER BY "number"',
    )
    .all(runId)
    .map(({ number, firstStartMs, attempts }) => ({ number, firstStartMs, ...unpackAttempts(attempts) }))
}

const shape = () => segments().map(({ number, firstStartMs, count }) => [number, firstStartMs, count])
/** Sequences begin at 1: the first segment has one task less. */
const indexesOf = (number: number) => {
  const from = Math.max(0, number * SEGMENT - 1)
  return Array.from({ length: (number + 1) * SEGMENT - 1 - from }, (_, at) => from + at)
}

describe('the attempts of a run', () => {
  it('are packed when a segment of 4,096 sequence numbers is full', () => {
    commit([ended(0, 4_000)])
    expect(shape()).toEqual([])
    commit([ended(4_000, 95)])
    expect(shape()).toEqual([[0, 0, 4_095]])
    commit([ended(4_095, 9_000, { lane: 'thread-2', stage: 1 })])
    expect(shape()).toEqual([
      [0, 0, 4_095],
      [1, 4_095, 4_096],
      [2, 8_191, 4_096],
    ])
    const [first, second] = segments()
    expect([...first!.index]).toEqual(indexesOf(0))
    expect([...second!.index]).toEqual(indexesOf(1))
    expect([first!.lane[5], first!.stage[5], second!.lane[5], second!.stage[5]]).toEqual([0, 0, 1, 1])
    expect([second!.startMs[1], second!.endMs[1], second!.outcome[1]]).toEqual([4_096, 4_096.5, 0])
  })

  it('are sorted by their starts, over lanes and commits', () => {
    const even = tasks(0, 4_094).filter(({ index }) => index % 2 === 0)
    const odd = tasks(0, 4_096).filter(({ index }) => index % 2 === 1)
    commit([block(odd, { firstSequence: 1, lane: 'thread-2' })])
    commit([block(even, { firstSequence: 1 + odd.length })])
    const [segment] = segments()
    expect([...segment!.index]).toEqual([...indexesOf(0).slice(0, 4_094), 4_095])
    expect([...segment!.lane.subarray(0, 4)]).toEqual([1, 0, 1, 0])
  })

  it('are those of the history where there were several, on the lanes that they had', () => {
    const error = { code: 'TIMEOUT' as const, message: '', retryable: true }
    const attempt = { number: 1, startedMs: 3, serviceMs: 4, lane: 'thread-9', error }
    const history = [attempt, { ...attempt, number: 2, startedMs: 90.25, lane: 'thread-1', error: null }]
    const retried = block([{ index: 0, attempt: 2, startedMs: 90.25, serviceMs: 4 }], {
      firstSequence: 1,
      histories: [{ at: 0, attempts: history }],
    })
    commit([retried, ended(1, 4_094)])
    const { index, startMs, endMs, lane, outcome, count } = segments()[0]!
    expect(count).toBe(4_096)
    const places = [...index.keys()].filter((place) => index[place] === 0)
    const names = database.db.prepare('SELECT "name" FROM "RunLane" WHERE "number" = ?').pluck()
    expect(places.map((at) => [startMs[at], endMs[at], names.get(lane[at]), outcome[at]])).toEqual([
      [3, 7, 'thread-9', 3],
      [90.25, 94.25, 'thread-1', 0],
    ])
  })

  it('are none of what never started, and of what has another one’s answer', () => {
    const never = { startedMs: null, outcome: Outcome.CANCELLED }
    const error = { code: 'FUNCTION_ERROR' as const, message: 'no', retryable: false }
    const special: ReportedTask[] = [
      { ...never, index: 0 },
      { index: 1, attempt: 0, startedMs: null, serviceMs: 0 },
      { index: 2, startedMs: 7, serviceMs: 1, outcome: Outcome.FAILED, error },
      { index: 3, startedMs: 9, serviceMs: 1, outcome: Outcome.CANCELLED },
    ]
    const answers = Array.from({ length: 4_096 }, (_, at) => ({
      index: 5_000 + at,
      attempt: 0,
      startedMs: null,
      serviceMs: 0,
    }))
    commit([
      block(special, { firstSequence: 1 }),
      ended(4, 4_091),
      block(answers, { firstSequence: 4_096, lane: null }),
    ])
    expect(shape()).toEqual([
      [0, 4, 4_093],
      [1, null, 0],
    ])
    expect([...segments()[0]!.outcome].filter((outcome) => outcome !== 0)).toEqual([1, 2])
  })

  it('of a place that is dropped are in none', () => {
    const dropped = block(tasks(0, 4_100), { firstSequence: 1, dropped: new Set([0, 17]) })
    commit([dropped])
    expect(shape()).toEqual([[0, 1, 4_095]])
    expect([...segments()[0]!.index].slice(0, 17).at(-1)).toBe(18)
  })

  it('are not packed for a run that cannot fill a segment', () => {
    commit([ended(0, 4_095)], 4_094)
    expect(shape()).toEqual([])
  })

  it('are told apart from those of other runs', () => {
    const other = database.insertRun()
    commit([ended(0, 3_000)])
    database.commit(other, [ended(0, 3_000)], { counts })
    commit([ended(3_000, 1_095)])
    database.commit(other, [ended(3_000, 1_000)], { counts })
    expect(shape()).toEqual([[0, 0, 4_095]])
    expect(database.db.prepare('SELECT "runId" FROM "AttemptSegment"').pluck().all()).toEqual([runId])
  })

  it('are gathered from the rows again where somebody else wrote the first of them', () => {
    const error = { code: 'TIMEOUT' as const, message: '', retryable: true }
    const attempts = [1, 2].map((number) => ({ number, startedMs: number, serviceMs: 1, lane: 'thread-5', error }))
    const retried = block([{ index: 0, attempt: 2, startedMs: 2, outcome: Outcome.FAILED, error }], {
      firstSequence: 1,
      histories: [{ at: 0, attempts }],
    })
    commit([retried, ended(1, 2_999)])
    database.restart()
    commit([ended(3_000, 2_000)])
    expect(shape()).toEqual([[0, 1, 4_096]])
    expect([...segments()[0]!.index].slice(0, 4)).toEqual([0, 1, 0, 2])
  })

  it('are neither lost nor doubled by a transaction that was rolled back', () => {
    commit([ended(0, 4_000)])
    const twice = [ended(4_000, 500), ended(4_100, 1)]
    // The second block has a sequence number that the first has used.
    expect(() => commit([twice[0]!, { ...twice[1]!, firstSequence: 4_001 }])).toThrow(/UNIQUE/)
    expect(shape()).toEqual([])
    commit([ended(4_000, 5_000)])
    expect(shape()).toEqual([
      [0, 0, 4_095],
      [1, 4_095, 4_096],
    ])
    expect([...segments()[0]!.index]).toEqual(indexesOf(0))
  })

  it('are packed for any number of runs under way, those that were forgotten in between too', () => {
    const others = Array.from({ length: 70 }, () => database.insertRun())
    commit([ended(0, 4_000)])
    for (const other of others) database.commit(other, [ended(0, 1)], { counts })
    commit([ended(4_000, 200)])
    expect([...segments()[0]!.index]).toEqual(indexesOf(0))
  })
})
