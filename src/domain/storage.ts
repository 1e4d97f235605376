/** What can keep the server from writing anything down, whatever it is. */

export const StorageTroubleCode = {
  /** There is no room: the disk, a quota or the largest size of a file is used up. */
  FULL: 'FULL',
  /** Another process has the database locked. */
  BUSY: 'BUSY',
  /** It cannot be written for another reason: the disk has failed, or is read-only. */
  FAILED: 'FAILED',
} as const
export type StorageTroubleCode = (typeof StorageTroubleCode)[keyof typeof StorageTroubleCode]

/** Trouble that is there now. */
export interface StorageTrouble {
  code: StorageTroubleCode
  since: Date
}

/** In words for everyone: without paths, which are the owner's business. */
export const TROUBLE_MESSAGES: Readonly<Record<StorageTroubleCode, string>> = {
  FULL: "The server's disk is full: nothing can be written down until there is room",
  BUSY: 'The database is locked by another process: nothing can be written down until it lets go',
  FAILED: "The server's disk cannot be written",
}

/** What was to be written is not, none of it. The message is for the owner of the server. */
export class StorageError extends Error {
  override readonly name = 'StorageError'
  constructor(
    readonly code: StorageTroubleCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

const FULL_CODES: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG', 'SQLITE_FULL'])

/** Whether a code of the system or of SQLite says that there is no room. */
export function saysDiskIsFull(code: string): boolean {
  return FULL_CODES.has(code)
}
