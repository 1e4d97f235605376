/**
 * Applies prisma/migrations with Prisma's own engine, inside this process and without a download: the engine is
 * WebAssembly and talks to the database through the driver adapter.
 */

import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3'
import {
  bindMigrationAwareSqlAdapterFactory,
  type SqlDriverAdapter,
  type SqlMigrationAwareDriverAdapterFactory,
} from '@prisma/driver-adapter-utils'
import * as glue from '@prisma/schema-engine-wasm/schema_engine_bg'
import Database from 'better-sqlite3'
import { databasePath } from './database.js'
import { StoreError } from './errors.js'

export interface MigrationOptions {
  /** file:… */
  url: string
  /** The folder of Prisma's migrations. */
  migrationsDir: string
}

interface Migration {
  name: string
  sql: string
}

const NO_FILTERS: glue.SchemaFilter = { externalTables: [], externalEnums: [] }

/** Brings the database up to the last migration; answers with the names of those applied now. */
export async function applyMigrations({ url, migrationsDir }: MigrationOptions): Promise<string[]> {
  const migrations = readMigrations(migrationsDir)
  const path = databasePath(url)
  const applied = appliedMigrations(path)
  checkHistory(path, migrations, applied)
  // Almost every start ends here: the engine's 25 ms and its memory are spent only where there is something to do.
  if (migrations.every(({ name }) => applied.some((migration) => migration.name === name))) return []
  const factory = new PrismaBetterSqlite3({ url: path })
  const migrationsList = toMigrationList(migrationsDir, migrations)
  const { appliedMigrationNames } = await withEngine(factory, (engine, adapters) =>
    allOrNothing(adapters, () => engine.applyMigrations({ migrationsList, filters: NO_FILTERS })),
  ).catch((error: unknown) => {
    throw new StoreError('MIGRATION', `the database ${path} could not be migrated: ${reasonOf(error)}`, {
      cause: error,
    })
  })
  return appliedMigrationNames
}

/** The SQL that leads from what the migrations make to what the schema says; empty where they agree. */
export async function schemaDrift({
  migrationsDir,
  schema,
}: {
  migrationsDir: string
  schema: string
}): Promise<string> {
  const files = [{ path: 'schema.prisma', content: schema }]
  const migrations = readMigrations(migrationsDir)
  return withEngine(describableMemory(), async (engine) => {
    await engine.applyMigrations({ migrationsList: toMigrationList(migrationsDir, migrations), filters: NO_FILTERS })
    const { exitCode, stdout } = await engine.diff({
      from: { tag: 'schemaDatasource', files, configDir: migrationsDir },
      to: { tag: 'schemaDatamodel', files },
      script: true,
      exitCode: true,
      filters: NO_FILTERS,
    })
    // With `exitCode`, 0 says that there is no difference.
    return exitCode === 0 ? '' : (stdout ?? '')
  })
}

function readMigrations(migrationsDir: string): Migration[] {
  return readdirSync(migrationsDir)
    .filter((name) => existsSync(join(migrationsDir, name, 'migration.sql')))
    .sort()
    .map((name) => ({ name, sql: readFileSync(join(migrationsDir, name, 'migration.sql'), 'utf8') }))
}

interface AppliedMigration {
  name: string
  checksum: string
  finished: boolean
}

function appliedMigrations(path: string): AppliedMigration[] {
  const db = new Database(path, { timeout: 0 })
  try {
    const table = db.prepare(`SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = '_prisma_migrations'`).get()
    if (!table) return []
    return db
      .prepare<[], { name: string; checksum: string; finished: number }>(
        `SELECT migration_name AS name, checksum, finished_at IS NOT NULL AS finished
         FROM _prisma_migrations WHERE rolled_back_at IS NULL`,
      )
      .all()
      .map((row) => ({ ...row, finished: row.finished === 1 }))
  } finally {
    db.close()
  }
}

/** Refuses a database that this version would misread. */
function checkHistory(path: string, migrations: readonly Migration[], applied: readonly AppliedMigration[]): void {
  for (const { name, checksum, finished } of applied) {
    const ours = migrations.find((migration) => migration.name === name)
    if (!ours)
      throw new StoreError(
        'NEWER',
        `the database ${path} was written by a newer version: it has the migration ${name}, which this one does not know`,
      )
    if (!finished)
      throw new StoreError(
        'MIGRATION',
        `the migration ${name} of the database ${path} was cut off: restore the database from a copy made before it`,
      )
    if (checksum !== sha256(ours.sql))
      throw new StoreError('MIGRATION', `the migration ${name} is not the one that made the database ${path}`)
  }
}

function toMigrationList(migrationsDir: string, migrations: readonly Migration[]): glue.MigrationList {
  const lockfile = join(migrationsDir, 'migration_lock.toml')
  return {
    baseDir: resolve(migrationsDir),
    lockfile: { path: 'migration_lock.toml', content: existsSync(lockfile) ? readFileSync(lockfile, 'utf8') : null },
    shadowDbInitScript: '',
    migrationDirectories: migrations.map(({ name, sql }) => ({
      path: name,
      migrationFile: { path: 'migration.sql', content: { tag: 'ok', value: sql } },
    })),
  }
}

async function withEngine<T>(
  factory: SqlMigrationAwareDriverAdapterFactory,
  use: (engine: glue.SchemaEngine, adapters: readonly SqlDriverAdapter[]) => Promise<T>,
): Promise<T> {
  loadEngine()
  // The engine locks the database for itself and never closes its connections: they are closed here.
  const adapters: SqlDriverAdapter[] = []
  const connect = factory.connect.bind(factory)
  factory.connect = async () => {
    const adapter = await connect()
    adapters.push(adapter)
    return adapter
  }
  const bound = bindMigrationAwareSqlAdapterFactory(factory)
  const engine = await glue.SchemaEngine.new({ datamodels: undefined }, () => {}, bound)
  try {
    return await use(engine, adapters)
  } catch (error) {
    // The engine knows an error of the adapter by a number only.
    const id = /External error id#(\d+)/.exec(error instanceof Error ? error.message : '')?.[1]
    throw id === undefined ? error : (bound.errorRegistry.consumeError(Number(id))?.error ?? error)
  } finally {
    engine.free()
    for (const adapter of adapters) await adapter.dispose()
  }
}

/**
 * The engine marks a migration as begun, and as finished when it is: what a full disk or a crash cuts off would be neither, and the
 * database of no use. So all of it is one transaction. Migrations that make a table anew turn foreign keys off and on, which has no
 * effect within one: they are off before it begins, or rows that point to the old table would go with it.
 */
async function allOrNothing<T>(adapters: readonly SqlDriverAdapter[], work: () => Promise<T>): Promise<T> {
  for (const adapter of adapters) await adapter.executeScript('PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE')
  const result = await work()
  for (const adapter of adapters) await adapter.executeScript('COMMIT')
  return result
}

let isEngineLoaded = false

/** The package's own loader imports the .wasm file as a module, which Node 20 does not do. Once only: the glue keeps views of the first memory. */
function loadEngine(): void {
  if (isEngineLoaded) return
  const require = createRequire(import.meta.url)
  const gluePath = require.resolve('@prisma/schema-engine-wasm/schema_engine_bg')
  const module = new WebAssembly.Module(readFileSync(join(dirname(gluePath), 'schema_engine_bg.wasm')))
  const imports = { './schema_engine_bg.js': glue as unknown as WebAssembly.ModuleImports }
  const instance = new WebAssembly.Instance(module, imports)
  glue.__wbg_set_wasm(instance.exports)
  const start = instance.exports.__wbindgen_start as () => void
  start()
  isEngineLoaded = true
}

/**
 * A database in memory that the engine can describe: for a partial index it asks with the name in double quotes, as if it
 * were a column, and better-sqlite3 builds SQLite without that leniency.
 */
function describableMemory(): SqlMigrationAwareDriverAdapterFactory {
  const factory = new PrismaBetterSqlite3({ url: ':memory:' })
  const connect = factory.connect.bind(factory)
  factory.connect = async () => {
    const adapter = await connect()
    const queryRaw = adapter.queryRaw.bind(adapter)
    adapter.queryRaw = (query) =>
      queryRaw(query.sql.includes('sqlite_master') ? { ...query, sql: query.sql.replaceAll('"', "'") } : query)
    return adapter
  }
  return factory
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
