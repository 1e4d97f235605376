/** One item in one stage: the unit of work, of retry, of timing. */

import type { TaskError } from './errors.js'

export const TaskStatus = {
  SUCCEEDED: 'SUCCEEDED',
  FAILED: 'FAILED',
  CANCELLED: 'CANCELLED',
  SKIPPED: 'SKIPPED',
} as const
export type TaskStatus = (typeof TaskStatus)[keyof typeof TaskStatus]

/** What a stored row's number means; SKIPPED has no row. The order is on disk: append, never reorder. */
export const STORED_TASK_STATUS = ['SUCCEEDED', 'FAILED', 'CANCELLED'] as const
export type StoredTaskStatus = (typeof STORED_TASK_STATUS)[number]

/** One try at a task. `startedMs` counts from Run.startedAt. */
export interface Attempt {
  number: number
  startedMs: number
  serviceMs: number
  lane: string
  error: TaskError | null
}

/** What is known of one fetch beyond its times; sizes in bytes after content-encoding. */
export interface FetchDetail {
  url: string
  finalUrl: string
  /** URL.host: with its port where that is not the scheme's own. */
  host: string
  status: number | null
  bytes: number
  /** Lower-case hex; null where no body was read whole. */
  sha256: string | null
  contentType: string | null
  redirects: number
  dnsMs: number | null
  connectMs: number | null
  tlsMs: number | null
  firstByteMs: number | null
  downloadMs: number | null
  reusedConnection: boolean | null
}

/** A task that has ended, as it is stored. Written once. */
export interface TaskRecord {
  /** Its place in the order of commits within its run, from 1: the cursor of the streams. */
  sequence: number
  stage: number
  index: number
  status: StoredTaskStatus
  /** JSON text, or null where there is none. */
  output: string | null
  error: TaskError | null
  attempts: number
  /** All attempts where there were several; null where the row itself says it all. */
  history: Attempt[] | null
  lane: string | null
  /** The first attempt's start, in milliseconds after Run.startedAt. */
  startedMs: number | null
  queueWaitMs: number | null
  /** The attempts' service times added up. */
  serviceMs: number | null
  cpuMs: number | null
  fetch: FetchDetail | null
}

/** Each attempt, the last one included. The row itself is the history of a task that took one. */
export function attemptsOf(task: Omit<TaskRecord, 'sequence' | 'output'>): Attempt[] {
  if (task.history !== null) return task.history
  const { attempts, startedMs, serviceMs, lane, error } = task
  if (startedMs === null || serviceMs === null || lane === null) return []
  return [{ number: attempts, startedMs, serviceMs, lane, error }]
}

/** A task in service now. */
export interface InFlightTask {
  stage: number
  index: number
  attempt: number
  lane: string
  /** In milliseconds after Run.startedAt. */
  startedMs: number
  /** From 0 to 1; null where its function has said nothing. */
  progress: number | null
}
