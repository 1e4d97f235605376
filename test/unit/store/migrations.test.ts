import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { applyMigrations, schemaDrift } from '../../../src/store/migrations.js'
import { insertRun, migrationsDir, newRun, schemaText } from '../../support/store.js'

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

  it('tells why a migration failed, and leaves the database as it was', async () => {
    await apply()
    addMigration('20270101000000_good', 'ALTER TABLE "Run" ADD COLUMN "nickname" TEXT;')
    addMigration('20270101000001_bad', 'CREATE TABLE "Book" ("a" INTEGER); ALTER TABLE "Nothing" ADD COLUMN "a" TEXT;')
    for (let attempt = 0; attempt < 2; attempt += 1)
      await expect(apply()).rejects.toMatchObject({ code: 'MIGRATION', message: expect.stringContaining('Nothing') })
    expect(query(`SELECT 1 FROM sqlite_schema WHERE name = 'Book'`)).toEqual([])
    expect(await apply(migrationsDir)).toEqual([])
  })

  it('are all there or none where the disk has no room for them, and all once it has', async () => {
    const script = `
      const { applyMigrations } = await import(${JSON.stringify(new URL('../../../dist/store/migrations.js', import.meta.url).href)})
      await applyMigrations(JSON.parse(process.argv[1])).then(() => console.log('applied'), (error) => console.log(error.code))
    `
    const options = JSON.stringify({ url: `file:${path}`, migrationsDir })
    const node = [process.execPath, '--input-type=module', '-e', script, options]
    const applyWithin = (bytes: number) =>
      execFileSync('prlimit', [`--fsize=${bytes}`, ...node], { encoding: 'utf8' }).trim()
    // More room each time: it gives out at another place.
    let said = ''
    const refused = new Set<string>()
    for (let bytes = 8_192; said !== 'applied'; bytes += 30_000) {
      said = applyWithin(bytes)
      if (said === 'applied') break
      refused.add(said)
      expect(query('SELECT name FROM sqlite_schema')).toEqual([])
    }
    expect([...refused]).toEqual(['MIGRATION'])
    expect(await apply()).toEqual([])
  })

  it('keep what points to a table that is made anew', async () => {
    await apply()
    const db = new Database(path)
    db.pragma('foreign_keys = OFF')
    const runId = insertRun(db, newRun())
    db.prepare('INSERT INTO "Label" ("runId", "name", "value") VALUES (?, ?, ?)').run(runId, 'a', 'b')
    const [{ sql = '' } = {}] = db
      .prepare<[], { sql: string }>(`SELECT sql FROM sqlite_schema WHERE name = 'Run'`)
      .all()
    db.close()
    addMigration(
      '20270101000000_anew',
      `PRAGMA defer_foreign_keys=ON;
       PRAGMA foreign_keys=OFF;
       ${sql.replace('"Run"', '"new_Run"')};
       INSERT INTO "new_Run" SELECT * FROM "Run";
       DROP TABLE "Run";
       ALTER TABLE "new_Run" RENAME TO "Run";
       PRAGMA foreign_keys=ON;
       PRAGMA defer_foreign_keys=OFF;`,
    )
    expect(await apply()).toEqual(['20270101000000_anew'])
    expect(query('SELECT "runId", "name", "value" FROM "Label"')).toEqual([{ runId, name: 'a', value: 'b' }])
  })

  it('refuses a database whose migration another version has cut off', async () => {
    await apply()
    const db = new Database(path)
    db.exec('UPDATE _prisma_migrations SET finished_at = NULL')
    db.close()
    await expect(apply()).rejects.toMatchObject({ code: 'MIGRATION', message: expect.stringContaining('cut off') })
  })

  it('refuses a database of something else', async () => {
    const db = new Database(path)
    db.exec('CREATE TABLE "Book" ("title" TEXT)')
    db.close()
    await expect(apply()).rejects.toMatchObject({ code: 'MIGRATION', message: expect.stringContaining('not empty') })
  })
})
