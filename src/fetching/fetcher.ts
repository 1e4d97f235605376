/** The contract of fetching: one request, from its first connection attempt to its body's end. */

import type { FetchOptions, FetchRequest } from '../domain/batch.js'
import type { TaskError } from '../domain/errors.js'
import type { FetchDetail } from '../domain/task.js'

export interface FetchOutcome {
  /** Null where the request succeeded. */
  error: TaskError | null
  /** From a Retry-After header of the last answer, in milliseconds from now; null where there was none. */
  retryAfterMs: number | null
  /** Of JSON and TEXT: the body as JSON text; null with DISCARD and STORE, and where it failed. */
  output: string | null
  detail: FetchDetail
}

export interface FetchSettings {
  options: FetchOptions
  /** For this attempt, from its start to its body's end. */
  timeoutMs: number | null
  /** Of the JSON text of the output. */
  maxOutputBytes: number
  /**
   * With STORE: the path that the body's file has, without what its state adds (domain/blob.ts). Where the request has succeeded
   * and its detail has a hash, the file is there, whole, under its staged name. Null with any other policy.
   */
  fileStem: string | null
}

/** Keeps its connections between requests. Never rejects: what goes wrong is in the outcome. */
export interface Fetcher {
  fetch(request: FetchRequest, settings: FetchSettings, signal: AbortSignal): Promise<FetchOutcome>
  close(): Promise<void>
}
