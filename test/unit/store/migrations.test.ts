import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { applyMigrations, schemaDrift } from '../../../src/store/migrations.js'
import { migrationsDir, schemaText } from '../../support/store.js'

let folder: string
let path: string
let ownMigrations: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'heddle-migrations-'))
  path = join(folder, 'heddle.db')
  ownMigrations = join(folder, 'migrations')
  cpSync(migrationsDir, ownMigrations, { recursive: true })
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const apply = (dir = ownMigrations) => applyMigrations({ url: `file:${path}`, migrationsDir: dir })

function addMigration(name: string, sql: string): void {
  mkdirSync(join(ownMigrations, name))
  writeFileSync(join(ownMigrations, name, 'migration.sql'), sql)
}

function query<Row>(sql: string): Row[] {
  const db = new Database(path)
  try {
    return db.prepare<[], Row>(sql).all()
  } finally {
    db.close()
  }
}

describe('prisma/migrations', () => {
  it('make what schema.prisma says', async () => {
    expect(await schemaDrift({ migrationsDir, schema: schemaText })).toBe('')
  })

  it.each([
    [
      'a field',
      'key               String    @unique',
      'key String @unique\n  nickname String?',
      /ALTER TABLE "Run" ADD COLUMN "nickname"/,
    ],
    ['an index', '@@index([kind])', '@@index([kind, status])', /CREATE INDEX "Run_kind_status_idx"/],
    ['the condition of a partial index', 'raw("status > 0")', 'raw("status > 1")', /WHERE status > 1/],
    ['a table', 'model RunSketch {', 'model Extra {\n  id Int @id\n}\nmodel RunSketch {', /CREATE TABLE "Extra"/],
  ])('no longer do when the schema has got %s', async (_what, old, changed, sql) => {
    expect(schemaText).toContain(old)
    expect(await schemaDrift({ migrationsDir, schema: schemaText.replace(old, changed) })).toMatch(sql)
  })

  it('no longer do when a migration is missing', async () => {
    addMigration('20270101000000_more', 'ALTER TABLE "Run" ADD COLUMN "nickname" TEXT;')
    expect(await schemaDrift({ migrationsDir: ownMigrations, schema: schemaText })).toMatch(/nickname|RedefineTables/)
  })
})

describe('applyMigrations', () => {
  it('creates the database, and then finds nothing to do', async () => {
    const names = readdirSync(migrationsDir)
      .filter((name) => /^\d/.test(name))
      .sort()
    expect(names[0]).toBe('20261122000000_init')
    expect(await apply()).toEqual(names)
    expect(await apply()).toEqual([])
    const rows = query<{ migration_name: string; finished: number }>(
      'SELECT migration_name, finished_at IS NOT NULL AS finished FROM _prisma_migrations',
    )
    expect(rows).toEqual(names.map((name) => ({ migration_name: name, finished: 1 })))
  })

  it('applies what has come since, and keeps what is stored', async () => {
    await apply()
    const db = new Database(path)
    db.exec(`INSERT INTO "Run" ("key", "kind", "status", "strategy", "createdAt", "total", "times", "reduction", "spec")
      VALUES ('k', 'COMPUTE', 'QUEUED', 'AUTO', 0, 1, '{}', 'null', '{}')`)
    db.close()
    addMigration('20270101000000_more', 'ALTER TABLE "Run" ADD COLUMN "nickname" TEXT;')
    expect(await apply()).toEqual(['20270101000000_more'])
    expect(query('SELECT "key", "nickname" FROM "Run"')).toEqual([{ key: 'k', nickname: null }])
  })

  it('brings a database of the first version up to date, with what is in it', async () => {
    const later = readdirSync(ownMigrations).filter((name) => /^\d/.test(name) && name !== '20261122000000_init')
    for (const name of later) rmSync(join(ownMigrations, name), { recursive: true })
    await apply()
    const db = new Database(path)
    db.exec(`INSERT INTO "Run" ("key", "kind", "status", "strategy", "createdAt", "total", "times", "reduction", "spec")
      VALUES ('old', 'COMPUTE', 'SUCCEEDED', 'AUTO', 0, 1, '{}', 'null', '{}');
      INSERT INTO "Task" ("runId", "sequence", "stage", "itemIndex", "status", "attempts") VALUES (1, 1, 0, 0, 0, 1)`)
    db.close()
    expect(await apply(migrationsDir)).toEqual(later)
    expect(query('SELECT "key", "decision" FROM "Run"')).toEqual([{ key: 'old', decision: null }])
    expect(query('SELECT count(*) AS tasks FROM "Task"')).toEqual([{ tasks: 1 }])
  })

  it('refuses a database that a newer version has migrated', async () => {
    addMigration('20270101000000_more', 'ALTER TABLE "Run" ADD COLUMN "nickname" TEXT;')
    await apply()
    await expect(apply(migrationsDir)).rejects.toMatchObject({
      code: 'NEWER',
      message: expect.stringContaining('20270101000000_more'),
    })
  })

  it('refuses a database that another migration of the same name has made', async () => {
    await apply()
    writeFileSync(join(ownMigrations, '20261122000000_init', 'migration.sql'), 'CREATE TABLE "Other" ("id" INTEGER);')
    await expect(apply()).rejects.toMatchObject({
      code: 'MIGRATION',
      message: expect.stringContaining('is not the one'),
    })
  })

  it('tells why a migration failed, and refuses the database until it is mended', async () => {
    await apply()
    const before = join(folder, 'before.db')
    copyFileSync(path, before)
    addMigration('20270101000000_more', 'ALTER TABLE "Nothing" ADD COLUMN "nickname" TEXT;')
    await expect(apply()).rejects.toMatchObject({ code: 'MIGRATION', message: expect.stringContaining('Nothing') })
    await expect(apply()).rejects.toMatchObject({ code: 'MIGRATION', message: expect.stringContaining('cut off') })
    copyFileSync(before, path)
    expect(await apply(migrationsDir)).toEqual([])
  })

  it('refuses a database of something else', async () => {
    const db = new Database(path)
    db.exec('CREATE TABLE "Book" ("title" TEXT)')
    db.close()
    await expect(apply()).rejects.toMatchObject({ code: 'MIGRATION', message: expect.stringContaining('not empty') })
  })
})
