/** The writer's thread: it owns the connection that writes tasks. */

import { workerData } from 'node:worker_threads'
import { Committer } from './committer.js'
import { openWriter } from './database.js'
import type { Commit } from './store.js'
import { serve } from './thread.js'

/** What the main thread may ask. */
export interface WriterMethods {
  /** Answers once the connection is open. */
  ready(): void
  commit(commits: readonly Commit[]): void
  /** Closes the connection. The last one to close folds the log into the database. */
  close(): void
}

const db = openWriter(workerData as string)
const committer = new Committer(db)

serve<WriterMethods>({
  ready: () => {},
  commit: (commits) => committer.commit(commits),
  close: () => {
    db.close()
  },
})
