/** Opens the database file: one process at a time, with the settings that every connection shares. */

import { closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname, join } from 'node:path'
import Database from 'better-sqlite3'
import { LOCK_WAIT_MS } from './endurance.js'
import { StoreError } from './errors.js'
import { databaseCodeOf, isLocked } from './trouble.js'

/** The file behind DATABASE_URL. */
export function databasePath(url: string): string {
  const path = url.replace(/^file:/, '')
  if (/^[a-z][a-z0-9+.-]+:/i.test(path) || path === '' || path === ':memory:')
    throw new StoreError('UNREACHABLE', `expected a database URL such as file:./data/heddle.db, got ${url}`)
  return path
}

/** Held while the store is open. */
export interface Lock {
  release(): void
}

/** Takes the database for this process, or throws IN_USE. */
export function lockDatabase(path: string): Lock {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    return takeLock(`${path}.lock`)
  } catch (error) {
    throw describeOpenError(path, error)
  }
}

/**
 * Takes the folder of the data for this process, or throws IN_USE: servers with databases of their own would remove each other's
 * bodies in it.
 */
export function lockFolder(folder: string): Lock {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    return takeLock(join(folder, 'heddle.lock'))
  } catch (error) {
    if (isLocked(databaseCodeOf(error)))
      throw new StoreError('IN_USE', `the folder ${folder} is in use by another process`, { cause: error })
    const reason = error instanceof Error ? error.message : String(error)
    throw new StoreError('UNREACHABLE', `the folder ${folder} cannot be used: ${reason}`, { cause: error })
  }
}

/**
 * Creates the file where there is none, for its owner alone whatever the folder allows and the umask says: SQLite gives the files beside it
 * the rights of this one, and an empty file is a new database to it. What is wrong with the path is SQLite's to say.
 */
function createPrivate(path: string): void {
  try {
    // Never one that is there: to close it would let go of the locks that this process has on it.
    closeSync(openSync(path, 'wx', 0o600))
  } catch {
    // It is there, or cannot be.
  }
}

/**
 * SQLite's own lock on a file that is there for nothing else, so that it holds on every platform and the system lets go of it
 * when the process dies, however it dies.
 */
function takeLock(path: string): Lock {
  createPrivate(path)
  const lock = new Database(path, { timeout: 0 })
  try {
    lock.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    lock.close()
    throw error
  }
  return { release: () => lock.close() }
}

/**
 * Creates the file where there is none, and finds out whether it is a database at all. Pages of 8 KB: a commit of tiny
 * rows costs a tenth less than with 4 KB, and a row with a long URL still fits into a page.
 */
export function prepareDatabase(path: string): void {
  try {
    createPrivate(path)
    const db = new Database(path, { timeout: 0 })
    try {
      db.pragma('page_size = 8192')
      db.pragma('journal_mode = WAL')
      // Reads the schema: a file that is no database, or a damaged first page, is told here.
      db.prepare('SELECT count(*) FROM sqlite_schema').get()
    } finally {
      db.close()
    }
  } catch (error) {
    throw describeOpenError(path, error)
  }
}

/**
 * The only connection that writes tasks, and the only one that checkpoints.
 *
 * synchronous=NORMAL: in WAL mode a commit survives a crash of the process without a sync of its own, and a power cut
 * cannot damage the file; it can take back the last commits. Foreign keys are not checked here: each commit proves that its
 * run is there by updating it, and checking costs 0.3 µs a row.
 */
export function openWriter(path: string): Database.Database {
  const db = new Database(path, { fileMustExist: true, timeout: LOCK_WAIT_MS })
  db.pragma('synchronous = NORMAL')
  db.pragma('foreign_keys = OFF')
  db.pragma('temp_store = MEMORY')
  // Rows are appended, and the indexes grow at one place or within a segment: more pages than these are not touched again.
  db.pragma('cache_size = -8000')
  // Passive, after a commit, once the log has 16 MB; readers are short, so the log begins anew almost every time.
  db.pragma('wal_autocheckpoint = 2000')
  db.pragma('journal_size_limit = 67108864')
  return db
}

/** A connection that can only read. In WAL mode it neither waits for the writer nor holds it up. */
export function openReader(path: string): Database.Database {
  const db = new Database(path, { readonly: true, fileMustExist: true, timeout: 0 })
  db.pragma('temp_store = MEMORY')
  db.pragma('cache_size = -8000')
  return db
}

/** What SQLite says at the start, in words for the owner of the file. */
export function describeOpenError(path: string, error: unknown): Error {
  if (error instanceof StoreError) return error
  const code = databaseCodeOf(error)
  const reason = error instanceof Error ? error.message : String(error)
  // Of a thread: it says what is wrong, and that is not the database.
  if (code === 'UNREACHABLE') return new StoreError('UNREACHABLE', reason, { cause: error })
  if (isLocked(code))
    return new StoreError('IN_USE', `the database ${path} is in use by another process`, { cause: error })
  if (code.startsWith('SQLITE_NOTADB') || code.startsWith('SQLITE_CORRUPT'))
    return new StoreError('CORRUPT', `the database ${path} is damaged or no database: ${reason}`, { cause: error })
  return new StoreError('UNREACHABLE', `the database ${path} cannot be opened: ${reason}`, { cause: error })
}
