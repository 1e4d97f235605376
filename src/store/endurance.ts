/**
 * Gets the writer past trouble that passes: a lock of another process, a log that cannot grow. Runs in the writer's thread.
 */

import type Database from 'better-sqlite3'
import { errorCodeOf } from './errors.js'
import { isLocked, mayBeFull } from './trouble.js'

/** What another process may take for a change of its own before a write is refused. */
export const LOCK_WAIT_MS = 2_000
/** The same, once it has taken longer: those who ask meanwhile are not to queue up behind each other's waits. */
const KNOWN_LOCK_WAIT_MS = 100

export class Endurance {
  readonly #db: Database.Database
  #isLocked = false

  constructor(db: Database.Database) {
    this.#db = db
  }

  /** `work` is all or nothing: it may be called twice. */
  run<T>(work: () => T): T {
    try {
      return this.#patiently(work)
    } catch (error) {
      if (!mayBeFull(errorCodeOf(error)) || !this.makeRoom()) throw error
      return this.#patiently(work)
    }
  }

  /** Waits until another process has let go of the database; throws what SQLite says where it does not. */
  awaitLock(): void {
    this.#patiently(() => this.#db.exec('BEGIN IMMEDIATE; ROLLBACK'))
  }

  /**
   * Folds the log into the database, for which there may be room where there is none for a longer log; the next commit then begins
   * it anew. Whether there was anything to fold, and all of it was.
   */
  makeRoom(): boolean {
    try {
      const [result] = this.#db.pragma('wal_checkpoint(PASSIVE)') as { log: number; checkpointed: number }[]
      return result !== undefined && result.log > 0 && result.checkpointed === result.log
    } catch {
      return false
    }
  }

  #patiently<T>(work: () => T): T {
    try {
      const result = work()
      if (this.#isLocked) this.#wait(false)
      return result
    } catch (error) {
      if (!this.#isLocked && isLocked(errorCodeOf(error))) this.#wait(true)
      throw error
    }
  }

  #wait(isLocked: boolean): void {
    this.#isLocked = isLocked
    this.#db.pragma(`busy_timeout = ${isLocked ? KNOWN_LOCK_WAIT_MS : LOCK_WAIT_MS}`)
  }
}
