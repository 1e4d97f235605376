/** Which failed attempts are tried again, and what is remembered of them until their task has ended. */

import type { Clock } from '../clock.js'
import type { BatchSpec, StageSpec } from '../domain/batch.js'
import { Outcome, type ResultColumns } from '../domain/results.js'
import { isRetryable, nextDelayMs } from '../domain/retry.js'
import type { Attempt } from '../domain/task.js'
import { toColumns } from './columns.js'
import type { Supply } from './supply.js'

/** What becomes of a block's places. */
export interface Verdicts {
  /** Places that make no row: tried again, or given back. */
  dropped: Set<number> | null
  histories: { at: number; attempts: Attempt[] }[]
  /** Whether a task failed for good. */
  failed: boolean
}

interface Options {
  spec: BatchSpec
  stage: StageSpec
  pending: Pick<Supply, 'giveBack' | 'delay'>
  clock: Clock
  /** From 0 to 1, 1 excluded. */
  random(): number
  /** Of the request of the item; GET for anything but a list of requests. */
  methodOf(index: number): string
}

/** Tasks that end without another attempt, as the lane of their last one would have reported them. */
export interface AbandonedBlock {
  lane: string
  columns: ResultColumns
  histories: { at: number; attempts: Attempt[] }[]
}

/** From an attempt that has found no room on the disk to the next one, at least. */
const NO_ROOM_MS = 1_000

/** A task that so many lanes have died of is not tried again, whatever its retries: each of them is another start for nothing. */
export const MAX_DEATHS = 3

/** Tasks in one such block at most. */
const MAX_ABANDONED_ROWS = 4_096

export class Attempts {
  /** Earlier attempts of items that have not ended. */
  readonly #earlier = new Map<number, Attempt[]>()

  constructor(private readonly options: Options) {}

  /**
   * Judges a block: items that are tried again go to the back-off, items given back to the front of the queue.
   * With `ending` nothing is tried again; with `leaving` what was cut off keeps its place for the next start; with
   * `heldUntilMs`, of the monotonic clock, what was given back waits until then.
   */
  judge(
    columns: ResultColumns,
    frame: { lane: string; runStartedAt: number; ending: boolean; leaving: boolean; heldUntilMs?: number | null },
  ): Verdicts {
    const verdicts: Verdicts = { dropped: null, histories: [], failed: false }
    const drop = (at: number) => {
      verdicts.dropped ??= new Set()
      verdicts.dropped.add(at)
    }
    for (const { at, error, retryAfterMs } of columns.errors) {
      if (columns.outcomes[at] !== Outcome.FAILED) continue
      const attempt: Attempt = {
        number: columns.attempts[at]!,
        startedMs: Math.max(0, columns.startedAt[at]! - frame.runStartedAt),
        serviceMs: columns.serviceMs[at]!,
        lane: frame.lane,
        error,
      }
      const delayMs = frame.ending ? null : this.#delayOf(columns.indexes[at]!, attempt, retryAfterMs)
      if (delayMs === null) {
        verdicts.failed = true
        continue
      }
      drop(at)
      this.#remember(columns.indexes[at]!, attempt, delayMs)
    }
    this.#giveBack(columns, { leaving: frame.leaving, heldUntilMs: frame.heldUntilMs ?? null, drop })
    if (this.#earlier.size > 0) this.#close(columns, frame, verdicts)
    return verdicts
  }

  /** The run ends: what waits for another attempt has failed, as its last one says, or was cancelled with the run. */
  abandon(runStartedAt: number, isCancelled: boolean): AbandonedBlock[] {
    const byLane = new Map<string, [number, Attempt[]][]>()
    for (const entry of this.#earlier) {
      const { lane } = entry[1].at(-1)!
      const entries = byLane.get(lane)
      if (entries) entries.push(entry)
      else byLane.set(lane, [entry])
    }
    this.#earlier.clear()
    const blocks: AbandonedBlock[] = []
    for (const [lane, entries] of byLane) {
      for (let from = 0; from < entries.length; from += MAX_ABANDONED_ROWS) {
        blocks.push(toBlock(lane, entries.slice(from, from + MAX_ABANDONED_ROWS), { runStartedAt, isCancelled }))
      }
    }
    return blocks
  }

  #delayOf(index: number, attempt: Attempt, retryAfterMs: number | null): number | null {
    const { spec, stage, random } = this.options
    if (attempt.error === null || attempt.number >= spec.retry.maxAttempts) return null
    if (this.#deathsOf(index, attempt) >= MAX_DEATHS) return null
    const method = stage.kind === 'FETCH' ? this.options.methodOf(index) : ''
    if (!isRetryable(attempt.error, { kind: stage.kind, method, unsafe: spec.retry.unsafe })) return null
    const delayMs = nextDelayMs({ attempt: attempt.number, policy: spec.retry, retryAfterMs, random: random() })
    // By then it is known whether the disk has room: where it has none, nothing is granted.
    return delayMs !== null && attempt.error.code === 'BODY_NOT_STORED' ? Math.max(delayMs, NO_ROOM_MS) : delayMs
  }

  #deathsOf(index: number, last: Attempt): number {
    const all = [...(this.#earlier.get(index) ?? []), last]
    return all.filter(({ error }) => error?.code === 'LANE_DIED').length
  }

  #remember(index: number, attempt: Attempt, delayMs: number): void {
    const earlier = this.#earlier.get(index)
    if (earlier) earlier.push(attempt)
    else this.#earlier.set(index, [attempt])
    this.options.pending.delay(index, attempt.number + 1, this.options.clock.monotonicMs() + delayMs)
  }

  #giveBack(
    columns: ResultColumns,
    { leaving, heldUntilMs, drop }: { leaving: boolean; heldUntilMs: number | null; drop(at: number): void },
  ): void {
    const { pending } = this.options
    for (let at = 0; at < columns.count; at += 1) {
      const outcome = columns.outcomes[at]
      if (outcome !== Outcome.NOT_STARTED && !(leaving && outcome === Outcome.CANCELLED)) continue
      drop(at)
      const [index, attempt] = [columns.indexes[at]!, columns.attempts[at]!]
      if (heldUntilMs === null) pending.giveBack(index, attempt)
      else pending.delay(index, attempt, heldUntilMs)
    }
  }

  /** Tasks that have ended after several attempts take their whole history with them. */
  #close(columns: ResultColumns, frame: { lane: string; runStartedAt: number }, verdicts: Verdicts): void {
    const errors = new Map(columns.errors.map(({ at, error }) => [at, error]))
    for (let at = 0; at < columns.count; at += 1) {
      const earlier = this.#earlier.get(columns.indexes[at]!)
      if (!earlier || verdicts.dropped?.has(at)) continue
      this.#earlier.delete(columns.indexes[at]!)
      const last: Attempt = {
        number: columns.attempts[at]!,
        startedMs: Math.max(0, columns.startedAt[at]! - frame.runStartedAt),
        serviceMs: columns.serviceMs[at]!,
        lane: frame.lane,
        error: errors.get(at) ?? null,
      }
      verdicts.histories.push({ at, attempts: [...earlier, last] })
    }
  }
}

function toBlock(
  lane: string,
  entries: readonly [number, Attempt[]][],
  { runStartedAt, isCancelled }: { runStartedAt: number; isCancelled: boolean },
): AbandonedBlock {
  const outcome = isCancelled ? Outcome.CANCELLED : Outcome.FAILED
  const tasks = entries.map(([index, attempts]) => {
    const { number, startedMs, serviceMs, error } = attempts.at(-1)!
    const startedAt = runStartedAt + startedMs
    return { index, attempt: number, outcome, startedAt, serviceMs, error: isCancelled ? null : error }
  })
  // Why a cancelled one was to be tried again, its attempts alone tell.
  const histories = entries
    .map(([, attempts], at) => ({ at, attempts }))
    .filter(({ attempts }) => isCancelled || attempts.length > 1)
  return { lane, columns: toColumns(tasks), histories }
}
