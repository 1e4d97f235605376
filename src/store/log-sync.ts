/** Has what is committed reach the disk itself, off the main thread. Those who ask while a sync is under way share the next one. */

import { open } from 'node:fs/promises'
import { errorCodeOf } from './errors.js'

export class LogSync {
  #underway: Promise<void> | null = null
  #next: Promise<void> | null = null

  /** `sync`: of what was written before it is called. */
  constructor(private readonly sync: () => Promise<void>) {}

  /** Resolves when all that was written before would outlive a power cut. */
  now(): Promise<void> {
    if (this.#underway === null) return this.#begin()
    // The one under way may have begun before the caller had written.
    this.#next ??= this.#underway
      .catch(() => {})
      .then(() => {
        this.#next = null
        return this.#begin()
      })
    return this.#next
  }

  #begin(): Promise<void> {
    const underway = this.sync().finally(() => {
      if (this.#underway === underway) this.#underway = null
    })
    this.#underway = underway
    return underway
  }
}

/**
 * SQLite holds no lock on its log that closing it here could take from it: those are on the index beside it. Where there is no log
 * any more, the store has been closed, and the database synced with it.
 */
export async function syncLog(databasePath: string): Promise<void> {
  const log = await open(`${databasePath}-wal`, 'r+').catch((error: unknown) => {
    if (errorCodeOf(error) === 'ENOENT') return null
    throw error
  })
  if (log === null) return
  try {
    await log.datasync()
  } finally {
    await log.close()
  }
}
