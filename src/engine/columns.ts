/** Ends of tasks that no lane reports: the engine makes their columns itself. */

import type { TaskError } from '../domain/errors.js'
import type { Outcome, ResultColumns } from '../domain/results.js'

export interface EndedTask {
  index: number
  attempt: number
  outcome: Outcome
  /** Epoch milliseconds. */
  startedAt: number
  serviceMs: number
  error: TaskError | null
}

export function toColumns(tasks: readonly EndedTask[]): ResultColumns {
  return {
    count: tasks.length,
    indexes: Float64Array.from(tasks, ({ index }) => index),
    attempts: Uint8Array.from(tasks, ({ attempt }) => attempt),
    outcomes: Uint8Array.from(tasks, ({ outcome }) => outcome),
    startedAt: Float64Array.from(tasks, ({ startedAt }) => startedAt),
    serviceMs: Float64Array.from(tasks, ({ serviceMs }) => serviceMs),
    cpuMs: null,
    outputs: null,
    handedOver: null,
    errors: tasks.flatMap(({ error }, at) => (error ? [{ at, error, retryAfterMs: null }] : [])),
    fetches: null,
  }
}
