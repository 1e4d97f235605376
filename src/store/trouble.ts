/** Tells trouble of the disk from faults, as a write has failed. SQLite has one code for most of what a disk can say. */

import { type FileHandle, open, rm, stat } from 'node:fs/promises'
import { StorageError, saysDiskIsFull } from '../domain/storage.js'
import { errorCodeOf } from './errors.js'

/** What did not fit may have been a commit of many rows, or a launch with a list. */
const TRIAL_BYTES = 4 * 1024 * 1024
/** With so much there is room for a commit of many rows. */
const ROOM_BYTES = 1024 * 1024
/** Of the system: ENOSPC, EIO. */
const SYSTEM_CODE = /^E[A-Z0-9]+$/

/** The same error, or the StorageError that it amounts to. `path`: of the database. */
export async function toStorageError(path: string, error: unknown): Promise<unknown> {
  const code = databaseCodeOf(error)
  const reason = error instanceof Error ? error.message : String(error)
  if (isLocked(code))
    return new StorageError('BUSY', `the database ${path} is locked by another process`, { cause: error })
  if (saysDiskIsFull(code)) return diskIsFull(path, code, error)
  if (!isOfTheDisk(code)) return error
  const why = await refusalOf(path)
  return saysDiskIsFull(why)
    ? diskIsFull(path, why, error)
    : new StorageError('FAILED', `the database ${path} or its folder cannot be written: ${reason}`, { cause: error })
}

/** Rejects where there is no room for more than a little beside the database. */
export async function proveRoom(path: string): Promise<void> {
  const code = await trialOf(path, { bytes: ROOM_BYTES, at: 0 })
  if (saysDiskIsFull(code)) throw Object.assign(new Error('there is no room'), { code })
}

/** The code of better-sqlite3, of the system, or of what Prisma has made of either; '' where there is none. */
export function databaseCodeOf(error: unknown): string {
  if (!(error instanceof Error)) return ''
  const { meta, cause } = error as { meta?: { driverAdapterError?: { cause?: unknown } }; cause?: unknown }
  return originalCode(meta?.driverAdapterError?.cause) ?? originalCode(cause) ?? errorCodeOf(error)
}

/** Whether SQLite was kept from writing by another connection. */
export function isLocked(code: string): boolean {
  return code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED')
}

/** Whether a write may have failed as there is no room: of most reasons SQLite tells only that there was one. */
export function mayBeFull(code: string): boolean {
  return saysDiskIsFull(code) || code.startsWith('SQLITE_IOERR')
}

function isOfTheDisk(code: string): boolean {
  return /^SQLITE_(IOERR|CANTOPEN|READONLY|PERM)/.test(code) || SYSTEM_CODE.test(code)
}

function diskIsFull(path: string, code: string, cause: unknown): StorageError {
  return new StorageError('FULL', `the disk is full (${code}): the database ${path} and its folder cannot grow`, {
    cause,
  })
}

function originalCode(cause: unknown): string | undefined {
  const code = (cause as { originalCode?: unknown } | undefined)?.originalCode
  return typeof code === 'string' ? code : undefined
}

/** What the system says to a file that grows as large as the largest of the database; '' where it says nothing. */
async function refusalOf(path: string): Promise<string> {
  const sizes = await Promise.all([path, `${path}-wal`].map((file) => stat(file).catch(() => ({ size: 0 }))))
  return trialOf(path, { bytes: TRIAL_BYTES, at: Math.max(...sizes.map(({ size }) => size)) })
}

async function trialOf(path: string, { bytes, at }: { bytes: number; at: number }): Promise<string> {
  const trial = `${path}-trial`
  try {
    const file = await open(trial, 'w', 0o600)
    try {
      await writeAll(file, Buffer.alloc(bytes, 1), at)
    } finally {
      await file.close()
    }
    return ''
  } catch (error) {
    return errorCodeOf(error)
  } finally {
    await rm(trial, { force: true }).catch(() => {})
  }
}

/** A disk that is filling up takes a part, and says why only when it is asked again. */
async function writeAll(file: FileHandle, content: Buffer, at: number): Promise<void> {
  for (let done = 0; done < content.length; ) {
    const { bytesWritten } = await file.write(content, done, content.length - done, at + done)
    done += bytesWritten
  }
}
