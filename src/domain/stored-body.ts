/** The stored body of a task: where it has one, and where the server gives it. */

import { type StageSpec, storesBodies } from './batch.js'
import type { FetchDetail, TaskRecord } from './task.js'

/** What was fetched, where its body is stored; null elsewhere. `stage`: that of the task. */
export function storedFetch(
  { fetch, status }: Pick<TaskRecord, 'fetch' | 'status'>,
  stage: StageSpec | undefined,
): (FetchDetail & { sha256: string }) | null {
  if (status !== 'SUCCEEDED' || !fetch?.sha256 || !storesBodies(stage)) return null
  return { ...fetch, sha256: fetch.sha256 }
}

/** A path on the server; null where none is stored. */
export function storedBodyUrl(task: Pick<TaskRecord, 'fetch' | 'status'>, stage: StageSpec | undefined): string | null {
  const fetch = storedFetch(task, stage)
  return fetch && `/blobs/${fetch.sha256}`
}
