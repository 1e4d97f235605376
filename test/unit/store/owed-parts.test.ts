import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { PartReader } from '../../../src/domain/timed-parts.js'
import { OwedParts } from '../../../src/store/owed-parts.js'
import { PartsFiller } from '../../../src/store/parts-filler.js'
import { block, type TestDatabase, testDatabase } from '../../support/store.js'
import { until } from '../../support/until.js'

let database: TestDatabase
beforeEach(async () => {
  database = await testDatabase()
})
afterEach(() => database.remove())

const ENDED = { status: 'SUCCEEDED', finishedAt: new Date(0) } as const

function partsOf(runId: number): Uint8Array | null {
  return (
    database.db
      .prepare<[number], Uint8Array | null>('SELECT "parts" FROM "RunParts" WHERE "runId" = ?')
      .pluck()
      .get(runId) ?? null
  )
}

function tasksIn(bytes: Uint8Array): number {
  const reader = new PartReader(bytes)
  let tasks = 0
  while (reader.next()) tasks += reader.tasks
  return tasks
}

function rows(count: number, firstSequence = 1) {
  return block(
    Array.from({ length: count }, (_, at) => ({ index: firstSequence + at })),
    { firstSequence },
  )
}

describe('parts that are owed', () => {
  it('are those of a long run that another writer began, and are made from its rows', async () => {
    const small = database.insertRun()
    const long = database.insertRun()
    database.commit(small, [rows(10)])
    database.commit(long, [rows(100_001)])
    database.restart()
    database.commit(small, [rows(5, 11)], { ...ENDED, lastTaskSequence: 15 })
    database.commit(long, [rows(5, 100_002)], { ...ENDED, lastTaskSequence: 100_006 })
    expect(tasksIn(partsOf(small)!)).toBe(15)
    expect(partsOf(long)).toBeNull()

    const owed = new OwedParts(database.db)
    expect([owed.next(0), owed.next(long)]).toEqual([long, null])
    expect([owed.isOwed(small), owed.isOwed(long)]).toEqual([false, true])
    expect([owed.endedBefore(0), owed.endedBefore(1)]).toEqual([null, long])
    expect(tasksIn(await owed.make(long))).toBe(100_006)
  })

  it('are kept up with the rows of a run that ends in the same writer', () => {
    const run = database.insertRun()
    for (let at = 0; at < 3; at += 1) database.commit(run, [rows(40_000, 1 + at * 40_000)])
    database.commit(run, [], { ...ENDED, lastTaskSequence: 120_000 })
    expect(tasksIn(partsOf(run)!)).toBe(120_000)
  })
})

describe('the filler', () => {
  /** Runs that owe their parts; `spoilt`: whose cannot be made. */
  const world = (owed: number[], spoilt: number[] = []) => {
    const put: number[] = []
    const failed: number[] = []
    const filler = new PartsFiller({
      next: async (after) => owed.find((id) => id > after) ?? null,
      make: async (runId) => {
        if (spoilt.includes(runId)) throw new Error('the rows cannot be read')
        return Uint8Array.of(runId)
      },
      put: async (runId) => {
        put.push(runId)
        owed.splice(owed.indexOf(runId), 1)
        if (runId === 1) {
          owed.unshift(0.5)
          filler.fill()
        }
      },
      onFailure: (runId) => failed.push(runId),
    })
    return { filler, owed, put, failed }
  }

  it('has all made, and those that come meanwhile', async () => {
    const { filler, owed, put } = world([1, 2])
    filler.fill()
    await until(() => owed.length === 0)
    expect(put).toEqual([1, 2, 0.5])
  })

  it('passes over what cannot be made, and tells of it', async () => {
    const { filler, put, failed } = world([2, 3, 4], [3])
    filler.fill()
    await until(() => put.length === 2)
    expect({ put, failed }).toEqual({ put: [2, 4], failed: [3] })
    await filler.settle(3)
    expect({ put, failed }).toEqual({ put: [2, 4, 3], failed: [3, 3] })
  })

  it('makes no more when it is closed, and tells of nothing', async () => {
    const { filler, put, failed } = world([2, 3], [3])
    filler.close()
    filler.fill()
    await filler.settle(3)
    expect({ put, failed }).toEqual({ put: [3], failed: [] })
  })
})
