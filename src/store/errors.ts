/** What can be wrong with a database at the start. The rest of the store rejects with the database's own error. */

export const StoreErrorCode = {
  /** Another process has the database open. */
  IN_USE: 'IN_USE',
  /** The file is damaged, or no database. */
  CORRUPT: 'CORRUPT',
  /** A newer version of the product wrote it. */
  NEWER: 'NEWER',
  /** Its migrations are not those of this version. */
  MIGRATION: 'MIGRATION',
  /** It cannot be opened: no such folder, no permission, a location of another kind. */
  UNREACHABLE: 'UNREACHABLE',
  /** There is no room for what has to be written at the start. */
  FULL: 'FULL',
} as const
export type StoreErrorCode = (typeof StoreErrorCode)[keyof typeof StoreErrorCode]

/** Says what is wrong, with which file, and what the owner can do. */
export class StoreError extends Error {
  override readonly name = 'StoreError'
  constructor(
    readonly code: StoreErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

/** The code of a better-sqlite3 or system error, such as SQLITE_BUSY; '' where there is none. */
export function errorCodeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}
