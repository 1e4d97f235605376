/** The writer's thread: it owns the connection that writes tasks, and the files of stored bodies. */

import { workerData } from 'node:worker_threads'
import { BlobFiles } from './blobs.js'
import { Committer } from './committer.js'
import { type ComparisonLaunch, ComparisonWriter } from './comparison-launches.js'
import { openWriter } from './database.js'
import { Endurance } from './endurance.js'
import { StoreError } from './errors.js'
import { Publisher } from './publisher.js'
import { Purger } from './purge.js'
import { type RetryLaunch, RetryWriter } from './retry-launches.js'
import type { Commit, DeletedRun, Leftover } from './store.js'
import { serve } from './thread.js'

export interface WriterData {
  databasePath: string
  /** The folder of stored bodies. */
  bodiesDir: string
  /** The folder of the files that runs have their items from. */
  uploadsDir: string
}

/** What the main thread may ask. */
export interface WriterMethods {
  /** Answers once the connection is open, and what a crash has left of bodies is gone. */
  ready(): void
  /** See Committer. */
  commit(commits: readonly Commit[]): boolean
  /** Of a run that was found to owe them: it may be gone. */
  putParts(runId: number, parts: Uint8Array): void
  /** The id of the comparison. */
  createComparison(launch: ComparisonLaunch): number
  /** The id of the run; null where the one that it repeats is not there. */
  createRetry(launch: RetryLaunch): number | null
  noteInterrupted(runIds: readonly number[]): void
  /** See Store. */
  deleteRun(runId: number): boolean
  deleteFinished(beforeMs: number, max: number): DeletedRun[]
  purgeRuns(runIds: readonly number[]): (Leftover | null)[]
  /** See Endurance. */
  awaitLock(): void
  makeRoom(): boolean
  /** Has the first page written, as it is. */
  rewritePage(): void
  /** Closes the connection. The last one to close folds the log into the database. */
  close(): void
}

const { databasePath, bodiesDir, uploadsDir } = workerData as WriterData
const db = openWriter(databasePath)
const endurance = new Endurance(db)
const files = new BlobFiles(bodiesDir)
const publisher = new Publisher(db, files)
const committer = new Committer(db, publisher)
const comparisons = new ComparisonWriter(db)
const retries = new RetryWriter(db)
const putParts = db.prepare('UPDATE "RunParts" SET "parts" = ? WHERE "runId" = ?')
const purger = new Purger(db, files, uploadsDir)

serve<WriterMethods>({
  ready: () => {
    try {
      files.prepare()
      publisher.recover()
    } catch (error) {
      const reason = (error as Error).message
      throw new StoreError('UNREACHABLE', `the folder ${bodiesDir} of stored bodies cannot be used: ${reason}`)
    }
  },
  commit: (commits) => endurance.run(() => committer.commit(commits)),
  putParts: (runId, parts) => {
    endurance.run(() => putParts.run(parts, runId))
  },
  createComparison: (launch) => endurance.run(() => comparisons.write(launch)),
  createRetry: (launch) => endurance.run(() => retries.write(launch)),
  noteInterrupted: (runIds) => endurance.run(() => comparisons.noteInterrupted(runIds)),
  deleteRun: (runId) => endurance.run(() => purger.deleteRun(runId)),
  deleteFinished: (beforeMs, max) => endurance.run(() => purger.deleteFinished(beforeMs, max)),
  purgeRuns: (runIds) => endurance.run(() => purger.purgeRuns(runIds)),
  awaitLock: () => endurance.awaitLock(),
  makeRoom: () => endurance.makeRoom(),
  rewritePage: () => {
    endurance.run(() => db.pragma(`user_version = ${db.pragma('user_version', { simple: true })}`))
  },
  close: () => {
    db.close()
  },
})
