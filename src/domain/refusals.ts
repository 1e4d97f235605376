/**
 * How often each host refused: which of a run's attempts were throttled or turned away. Attempts that are tried again leave no row
 * of their own, so they are counted as they come in.
 */

import { cellsAt, hostAt } from './fetch-column.js'
import { type BlockError, detached, Outcome, type ResultColumns } from './results.js'

/** Why an attempt counts as refused. RETRY_AFTER: another status, but with that header. */
export const Refusal = {
  HTTP_429: 'HTTP_429',
  HTTP_503: 'HTTP_503',
  RETRY_AFTER: 'RETRY_AFTER',
  CONNECTION_REFUSED: 'CONNECTION_REFUSED',
  CONNECTION_RESET: 'CONNECTION_RESET',
} as const
export type Refusal = (typeof Refusal)[keyof typeof Refusal]

/** The attempts of one stage at one host, those that were tried again included. */
export interface HostTally {
  stage: number
  host: string
  attempts: number
  /** By reason; a reason that there was none of is left out. */
  refused: { [reason in Refusal]?: number }
  /** The longest Retry-After; null where there was none. */
  maxRetryAfterMs: number | null
}

/** Hosts that are kept with a run. */
export const MAX_KEPT_HOSTS = 20
/** Hosts that are counted: one may begin to refuse after thousands of attempts. */
const MAX_COUNTED_HOSTS = 1_000

export function refusedOf({ refused }: HostTally): number {
  return Object.values(refused).reduce((sum, count) => sum + count, 0)
}

/** Counts a block. What was never sent, or was cut off, says nothing of its host. */
export function tallyHosts(columns: ResultColumns, stage: number): HostTally[] {
  if (columns.fetches === null) return []
  const errors = columns.errors.length > 0 ? new Map(columns.errors.map((error) => [error.at, error])) : null
  const tallies = new Map<string, HostTally>()
  for (let at = 0; at < columns.count; at += 1) {
    if (columns.outcomes[at]! > Outcome.FAILED || columns.attempts[at] === 0) continue
    const host = hostAt(columns.fetches, at)
    if (host === null) continue
    let tally = tallies.get(host)
    if (tally === undefined) {
      tally = { stage, host, attempts: 0, refused: {}, maxRetryAfterMs: null }
      tallies.set(host, tally)
    }
    tally.attempts += 1
    const error = errors?.get(at)
    if (error !== undefined) noteError(tally, error, cellsAt(columns.fetches, at)?.status ?? null)
  }
  return [...tallies.values()]
}

function noteError(tally: HostTally, { error, retryAfterMs }: BlockError, status: number | null): void {
  const reason = error.code === 'HTTP_STATUS' ? reasonOf(status, retryAfterMs) : TURNED_AWAY[error.code]
  if (reason === null || reason === undefined) return
  tally.refused[reason] = (tally.refused[reason] ?? 0) + 1
  tally.maxRetryAfterMs = maxKnown(tally.maxRetryAfterMs, retryAfterMs)
}

const TURNED_AWAY: Readonly<Record<string, Refusal>> = {
  CONNECTION_REFUSED: 'CONNECTION_REFUSED',
  CONNECTION_RESET: 'CONNECTION_RESET',
}

function reasonOf(status: number | null, retryAfterMs: number | null): Refusal | null {
  if (status === 429) return 'HTTP_429'
  if (status === 503) return 'HTTP_503'
  return retryAfterMs === null ? null : 'RETRY_AFTER'
}

/** The hosts of a run under way. */
export class HostTallies {
  /** By stage and host; the one that was heard of last is the last. */
  readonly #tallies = new Map<string, HostTally>()
  #kept: readonly HostTally[] | null

  constructor(kept: readonly HostTally[] | null) {
    this.#kept = kept
    for (const tally of kept ?? []) this.#tallies.set(keyOf(tally), tally)
  }

  /** What to keep with the run: those that refused most often, then those that were asked most often; null for none. */
  get kept(): readonly HostTally[] | null {
    this.#kept ??= this.#tallies.size === 0 ? null : mostTelling(this.#tallies.values())
    return this.#kept
  }

  add(tallies: readonly HostTally[]): void {
    if (tallies.length === 0) return
    this.#kept = null
    for (const tally of tallies) {
      const key = keyOf(tally)
      const before = this.#tallies.get(key)
      this.#tallies.delete(key)
      // The name of a block's host is a piece of the block's text, all of which would be kept with it.
      this.#tallies.set(key, before ? sumOf(before, tally) : { ...tally, host: detached(tally.host) })
    }
    for (const [key, tally] of this.#tallies) {
      if (this.#tallies.size <= MAX_COUNTED_HOSTS) break
      if (refusedOf(tally) === 0) this.#tallies.delete(key)
    }
    if (this.#tallies.size > MAX_COUNTED_HOSTS) this.#forgetAllBut(this.kept ?? [])
  }

  /** All refuse, and there are too many. */
  #forgetAllBut(kept: readonly HostTally[]): void {
    this.#tallies.clear()
    for (const tally of kept) this.#tallies.set(keyOf(tally), tally)
  }
}

function keyOf({ stage, host }: HostTally): string {
  return `${stage} ${host}`
}

function mostTelling(tallies: Iterable<HostTally>): HostTally[] {
  return Array.from(tallies, (tally) => ({ tally, refused: refusedOf(tally) }))
    .sort((a, b) => b.refused - a.refused || b.tally.attempts - a.tally.attempts)
    .slice(0, MAX_KEPT_HOSTS)
    .map(({ tally }) => tally)
}

function sumOf(a: HostTally, b: HostTally): HostTally {
  const refused = { ...a.refused }
  for (const [reason, count] of Object.entries(b.refused) as [Refusal, number][])
    refused[reason] = (refused[reason] ?? 0) + count
  const maxRetryAfterMs = maxKnown(a.maxRetryAfterMs, b.maxRetryAfterMs)
  return { stage: a.stage, host: a.host, attempts: a.attempts + b.attempts, refused, maxRetryAfterMs }
}

function maxKnown(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.max(a, b)
}
