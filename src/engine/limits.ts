/** What a launch may ask for. */

export interface LaunchLimits {
  maxInlineItems: number
  maxItems: number
  maxLanes: number
  /** Of all unfinished runs together. */
  maxQueuedTasks: number
}

export const MAX_WHOLE = Number.MAX_SAFE_INTEGER + 1
export const MAX_COLLECTED_ITEMS = 100_000
/** Of a batch's JSON without its items. */
export const MAX_SPEC_CHARACTERS = 65_536
export const MAX_INT = 2_147_483_647
/** Requests a second to one host: one every ten microseconds. */
export const MAX_HOST_RATE = 100_000
export const MAX_TIMEOUT_MS = 86_400_000
export const MAX_BACKOFF_MS = 3_600_000
export const MAX_LABELS = 64
export const MAX_NAME_LENGTH = 200
/** Of a comparison: with more a difference that could not be told from chance is none that matters. */
export const MAX_ROUNDS = 50
/** Of a comparison: its verdict is drawn anew from all of them whenever one of them has ended. */
export const MAX_COMPARED_RUNS = 200
/** Each may hold lanes and a buffer of its own. */
export const MAX_STAGES = 100
/** Runs that an answer about many shows. */
export const MAX_SHOWN_RUNS = 100
