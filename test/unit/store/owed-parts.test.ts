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

    const owed = await new OwedParts(database.db).next(0)
    expect(owed?.runId).toBe(long)
    expect(tasksIn(owed!.parts)).toBe(100_006)
    expect(await new OwedParts(database.db).next(long)).toBeNull()
  })

  it('are kept up with the rows of a run that ends in the same writer', () => {
    const run = database.insertRun()
    for (let at = 0; at < 3; at += 1) database.commit(run, [rows(40_000, 1 + at * 40_000)])
    database.commit(run, [], { ...ENDED, lastTaskSequence: 120_000 })
    expect(tasksIn(partsOf(run)!)).toBe(120_000)
  })
})

describe('the filler', () => {
  it('has all made, and those that come meanwhile', async () => {
    const owed = [1, 2]
    const put: number[] = []
    const filler = new PartsFiller({
      next: async (after) => {
        const runId = owed.find((id) => id > after)
        return runId === undefined ? null : { runId, parts: new Uint8Array() }
      },
      put: async (runId) => {
        put.push(runId)
        owed.splice(owed.indexOf(runId), 1)
        if (runId === 1) {
          owed.unshift(0.5)
          filler.fill()
        }
      },
    })
    filler.fill()
    await until(() => owed.length === 0)
    expect(put).toEqual([1, 2, 0.5])
  })

  it('tries again when it is asked to, where one could not be made', async () => {
    let failures = 1
    const put: number[] = []
    const filler = new PartsFiller({
      next: async (after) => (after < 1 && put.length === 0 ? { runId: 1, parts: new Uint8Array() } : null),
      put: async (runId) => {
        if (failures-- > 0) throw new Error('the disk is full')
        put.push(runId)
      },
    })
    filler.fill()
    await until(() => failures === 0)
    expect(put).toEqual([])
    await until(() => {
      filler.fill()
      return put.length === 1
    })
  })
})
