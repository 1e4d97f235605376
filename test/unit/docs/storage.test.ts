import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestDatabase, testDatabase } from '../../support/store.js'

const page = readFileSync(new URL('../../../docs/storage.md', import.meta.url), 'utf8')

let database: TestDatabase
beforeAll(async () => {
  database = await testDatabase()
})
afterAll(() => database.remove())

/** Names of tables or indexes. */
function namesOf(type: 'table' | 'index', like = '%'): string[] {
  return database.db
    .prepare<[string, string], string>('SELECT "name" FROM "sqlite_schema" WHERE "type" = ? AND "name" LIKE ?')
    .pluck()
    .all(type, like)
}

describe('docs/storage.md', () => {
  it('names indexes and tables that are there', () => {
    const there = new Set([...namesOf('table'), ...namesOf('index')])
    const named = [...page.matchAll(/`([A-Z][a-z][A-Za-z]+(?:_[A-Za-z_]+)?)`/g)].map(([, name]) => name)
    expect(named.length).toBeGreaterThan(15)
    expect(named.filter((name) => !there.has(name ?? ''))).toEqual([])
  })

  it('says what each index of the tasks is for', () => {
    const indexes = namesOf('index', 'Task%')
    expect(indexes.length).toBeGreaterThan(4)
    expect(indexes.filter((name) => !page.includes(name))).toEqual([])
  })
})
