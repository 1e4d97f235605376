/** Ended items by column, as a lane reports them and the store writes them. */

import type { TaskError } from './errors.js'
import type { FetchColumn } from './fetch-column.js'

/** What became of one granted item. The numbers travel in ResultColumns.outcomes. */
export const Outcome = {
  SUCCEEDED: 0,
  FAILED: 1,
  /** In service when the job was cancelled. */
  CANCELLED: 2,
  /** Granted, never started, given back. */
  NOT_STARTED: 3,
} as const
export type Outcome = (typeof Outcome)[keyof typeof Outcome]

/** An error of one item of a block. */
export interface BlockError {
  /** Place in the block. */
  at: number
  error: TaskError
  /** From a Retry-After header; null where there was none. */
  retryAfterMs: number | null
}

/**
 * JSON texts end to end: one string crosses from thread to thread as a copy of memory, a thousand small ones are made
 * anew on each side. The text at a place ends at `ends[place]` (in UTF-16 units) and begins where the one before it
 * ends; an empty one stands for none.
 */
export interface OutputColumn {
  text: string
  ends: Uint32Array
}

/** The JSON text at a place of the column; null where there is none. */
export function outputAt(outputs: OutputColumn | null, at: number): string | null {
  if (outputs === null) return null
  const begin = at === 0 ? 0 : outputs.ends[at - 1]!
  const end = outputs.ends[at]!
  return end > begin ? outputs.text.slice(begin, end) : null
}

/** A part of a text keeps the whole of it in memory: this is for one that is to stay longer than the others of its column. */
export function detached(text: string): string {
  return Buffer.from(text, 'utf16le').toString('utf16le')
}

/**
 * A million tiny tasks must not cost a million objects: all arrays have `count` places, in the order in which the
 * items ended.
 */
export interface ResultColumns {
  count: number
  indexes: Float64Array
  attempts: Uint8Array
  outcomes: Uint8Array
  /** Epoch milliseconds with fractions, of this attempt. 0 for NOT_STARTED. */
  startedAt: Float64Array
  /** Of this attempt. */
  serviceMs: Float64Array
  /** NaN where it was not measured for the single task; null where it was measured for none. */
  cpuMs: Float64Array | null
  /** Null where no item has an output. */
  outputs: OutputColumn | null
  errors: BlockError[]
  /** What SUCCEEDED items hand over to the next stage (hand-over.ts), where that is not their output as it is; null where none is. */
  handedOver: OutputColumn | null
  /** Of a fetch job; items that were not started have no detail. */
  fetches: FetchColumn | null
}
