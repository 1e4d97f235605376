/** Opens a store: the locks, the database, the threads, in this order; and closes what it has opened where the next thing fails. */

import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3'
import { StorageError } from '../domain/storage.js'
import { sweepUploads } from '../files/uploads.js'
import { databasePath, describeOpenError, lockDatabase, lockFolder, openReader, prepareDatabase } from './database.js'
import { StoreError } from './errors.js'
import { PrismaClient } from './generated/client.js'
import { rehearseLaunch } from './launches.js'
import { applyMigrations } from './migrations.js'
import { PrismaStore } from './prisma.js'
import { Reader } from './reader.js'
import type { Store } from './store.js'
import { bodiesFolder, StoredBodies } from './stored-bodies.js'
import { toStorageError } from './trouble.js'
import { Writer } from './writer.js'

export interface StoreOptions {
  /** The database, file:… */
  url: string
  /** The folder of the data: this process has it alone. Bodies are stored below it. */
  dataDir: string
  /** The folder of Prisma's migrations. */
  migrationsDir: string
  /** The compiled writer-entry.js and reader-entry.js: a thread starts from JavaScript, wherever this file was loaded from. */
  writerEntry: URL
  readerEntry: URL
  /** The folder of the files of file sources. */
  uploadsDir: string
  /** What an ended run took could not be added up: it is missing in the history. */
  onPartsFailure?(runId: number, error: unknown): void
}

/**
 * Opens the database for this process alone, brings it up to the last migration and starts the threads. Rejects with a
 * StoreError that says what is wrong.
 */
export async function createStore(options: StoreOptions): Promise<Store> {
  const path = databasePath(options.url)
  // What has been opened so far, to be closed in reverse where the next thing fails.
  const opened: (() => unknown)[] = []
  try {
    const lock = lockDatabase(path)
    opened.push(() => lock.release())
    const folder = lockFolder(options.dataDir)
    opened.push(() => folder.release())
    const bodiesDir = bodiesFolder(options.dataDir)
    prepareDatabase(path)
    await applyMigrations(options)
    const writer = await Writer.start(options.writerEntry, {
      databasePath: path,
      bodiesDir,
      uploadsDir: options.uploadsDir,
    })
    opened.push(() => writer.close())
    const reading = { databasePath: path, uploadsDir: options.uploadsDir }
    const reader = new Reader('store-reader', options.readerEntry, reading)
    opened.push(() => reader.close())
    await reader.thread.call('ready')
    const db = openReader(path)
    opened.push(() => db.close())
    const prisma = await connectPrisma(path)
    await forgetLostFiles(prisma, options.uploadsDir)
    return new PrismaStore({
      path,
      prisma,
      writer,
      reader,
      lines: new Reader('store-lines', options.readerEntry, reading),
      exports: new Reader('store-exports', options.readerEntry, reading),
      db,
      bodies: new StoredBodies(db, bodiesDir),
      locks: [folder, lock],
      onPartsFailure: (runId, error) => options.onPartsFailure?.(runId, error),
      uploadsDir: options.uploadsDir,
    })
  } catch (error) {
    for (const close of opened.reverse()) await close()
    throw describeOpenError(path, await fullAtStart(path, error))
  }
}

/** The same error, or one that says that there is no room: it may be hidden in what was made of it. */
async function fullAtStart(path: string, error: unknown): Promise<unknown> {
  const trouble = await toStorageError(path, error instanceof StoreError && error.cause ? error.cause : error)
  if (!(trouble instanceof StorageError && trouble.code === 'FULL')) return error
  return new StoreError('FULL', `the server cannot start: ${trouble.message}`, { cause: error })
}

async function connectPrisma(path: string): Promise<PrismaClient> {
  // No wait for a lock on the main thread: the writer lets it in, see WriteGate.
  const adapter = new PrismaBetterSqlite3({ url: path, timeout: 0 }, { timestampFormat: 'unixepoch-ms' })
  const prisma = new PrismaClient({ adapter })
  await prisma.$queryRawUnsafe('PRAGMA synchronous = NORMAL')
  // Transactions with savepoints would write to a temporary file, on a disk of its own that may be full.
  await prisma.$queryRawUnsafe('PRAGMA temp_store = MEMORY')
  // Checkpoints are the writer's.
  await prisma.$queryRawUnsafe('PRAGMA wal_autocheckpoint = 0')
  await rehearseLaunch(prisma)
  return prisma
}

/** A crash between two steps leaves files without a run, or what is known of the file of a run that has been deleted. */
async function forgetLostFiles(prisma: PrismaClient, uploadsDir: string): Promise<void> {
  await prisma.$executeRaw`DELETE FROM "SourceFile" WHERE "runId" NOT IN (SELECT "id" FROM "Run")`
  const rows = await prisma.sourceFile.findMany({ select: { file: true }, distinct: ['file'] })
  await sweepUploads(uploadsDir, new Set(rows.map(({ file }) => file)))
}
