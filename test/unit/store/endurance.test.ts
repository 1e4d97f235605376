import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Endurance } from '../../../src/store/endurance.js'
import { block, databaseFolder, type TestDatabase, testDatabase } from '../../support/store.js'

describe('Endurance', () => {
  let folder: Awaited<ReturnType<typeof databaseFolder>>
  let db: Database.Database
  let other: Database.Database
  beforeEach(async () => {
    folder = await databaseFolder()
    db = new Database(folder.path, { timeout: 10 })
    other = new Database(folder.path, { timeout: 0 })
  })
  afterEach(() => {
    db.close()
    other.close()
    folder.remove()
  })

  const write = () => db.prepare('INSERT INTO "DeletedRun" ("id") VALUES (NULL)').run().changes
  const patience = () => db.pragma('busy_timeout', { simple: true })

  it('has patience again with a lock once one has been let go', () => {
    const endurance = new Endurance(db)
    other.exec('BEGIN EXCLUSIVE')
    expect(() => endurance.run(write)).toThrow('database is locked')
    expect(patience()).toBe(100)
    expect(() => endurance.awaitLock()).toThrow('database is locked')
    other.exec('ROLLBACK')
    endurance.awaitLock()
    expect(patience()).toBe(2_000)
    expect(db.inTransaction).toBe(false)
    expect(endurance.run(write)).toBe(1)
  })

  it('folds the log where there is no room, and tries once more', () => {
    const endurance = new Endurance(db)
    write()
    let calls = 0
    const full = () => {
      calls += 1
      if (calls === 1) throw Object.assign(new Error('full'), { code: 'SQLITE_FULL' })
      return write()
    }
    expect(endurance.run(full)).toBe(1)
    expect(calls).toBe(2)
  })

  it('does not try again where the log could not be folded, or what failed was something else', () => {
    const endurance = new Endurance(db)
    write()
    const reader = other.prepare('SELECT * FROM "Run"')
    other.exec('BEGIN')
    reader.all()
    write()
    let calls = 0
    const failing = (code: string) => () => {
      calls += 1
      throw Object.assign(new Error(code), { code })
    }
    expect(() => endurance.run(failing('SQLITE_FULL'))).toThrow('SQLITE_FULL')
    expect(() => endurance.run(failing('SQLITE_CONSTRAINT'))).toThrow('SQLITE_CONSTRAINT')
    expect(calls).toBe(2)
    other.exec('ROLLBACK')
  })
})

describe('a database that may not grow', () => {
  let database: TestDatabase
  beforeEach(async () => {
    database = await testDatabase()
  })
  afterEach(() => database.remove())

  it('takes no part of a commit, and all of it when there is room', () => {
    const { db } = database
    const runId = database.insertRun()
    const tasks = Array.from({ length: 5_000 }, (_, index) => ({ index, output: `"${'x'.repeat(50)}"` }))
    const blocks = [block(tasks, { firstSequence: 1 })]
    const rows = () => db.prepare<[], number>('SELECT count(*) FROM "Task"').pluck().get()
    db.pragma(`max_page_count = ${Number(db.pragma('page_count', { simple: true })) + 10}`)
    for (let attempt = 0; attempt < 2; attempt += 1)
      expect(() => database.commit(runId, blocks)).toThrow(expect.objectContaining({ code: 'SQLITE_FULL' }))
    expect([rows(), db.inTransaction]).toEqual([0, false])
    db.pragma('max_page_count = 100000')
    database.commit(runId, blocks)
    expect(rows()).toBe(5_000)
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok')
  })
})
