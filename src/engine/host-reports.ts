/** Tells hosts what came of the requests that were sent to them. */

import { cellsAt, redirectsAt } from '../domain/fetch-column.js'
import { type HostAnswer, leftAloneMs, verdictOn, wasSent } from '../domain/host-verdict.js'
import { type BlockError, Outcome, type ResultColumns } from '../domain/results.js'
import type { HostSeat } from './host-seat.js'

/** An item that is handed out. */
export interface SentItem {
  /** Of its first request. */
  host: string
  /** By the monotonic clock: when it was handed out. */
  takenMs: number
}

/** `sentOf`: null for an item that is not handed out. */
export function reportTo(seat: HostSeat, columns: ResultColumns, sentOf: (index: number) => SentItem | null): void {
  const errors = columns.errors.length > 0 ? new Map(columns.errors.map((error) => [error.at, error])) : null
  for (let at = 0; at < columns.count; at += 1) {
    // What was cut off or never started says nothing.
    if (columns.outcomes[at]! > Outcome.FAILED) continue
    const sent = sentOf(columns.indexes[at]!)
    if (sent === null) continue
    const error = errors?.get(at)
    const redirects = redirectsAt(columns.fetches, at)
    if (error === undefined && redirects === 0) seat.reportSuccess(sent.host, columns.serviceMs[at]!)
    else if (redirects > 0) reportRedirected(seat, sent, { columns, at, error, redirects })
    else reportDirect(seat, sent, { answer: answerOf(columns, at, error), serviceMs: columns.serviceMs[at]! })
  }
}

function reportDirect(
  seat: HostSeat,
  { host, takenMs }: SentItem,
  { answer, serviceMs }: { answer: HostAnswer; serviceMs: number },
): void {
  if (!wasSent(answer)) return
  seat.noteRequests(host, 1)
  seat.report(host, { ...judged(answer), startedMs: takenMs, serviceMs })
}

/** The first host has answered; what came of it in the end is the last one's. What lies between them is not known. */
function reportRedirected(
  seat: HostSeat,
  { host, takenMs }: SentItem,
  {
    columns,
    at,
    error,
    redirects,
  }: { columns: ResultColumns; at: number; error: BlockError | undefined; redirects: number },
): void {
  const last = lastHost(columns, at) ?? host
  const answer = answerOf(columns, at, error)
  seat.noteRequests(host, last === host ? redirects + 1 : 1)
  if (last !== host) {
    seat.report(host, { startedMs: takenMs, failed: false, verdict: 'UP', retryAfterMs: null, serviceMs: null })
    if (!wasSent(answer)) return
    seat.noteRequests(last, 1)
  }
  seat.report(last, { ...judged(answer), startedMs: takenMs, serviceMs: null })
}

function judged(answer: HostAnswer): {
  failed: boolean
  verdict: ReturnType<typeof verdictOn>
  retryAfterMs: number | null
} {
  return { failed: answer.code !== null, verdict: verdictOn(answer), retryAfterMs: leftAloneMs(answer) }
}

const SUCCEEDED: HostAnswer = { code: null, status: null, retryAfterMs: null }

function answerOf(columns: ResultColumns, at: number, error: BlockError | undefined): HostAnswer {
  if (error === undefined) return SUCCEEDED
  const status = cellsAt(columns.fetches, at)?.status ?? null
  return { code: error.error.code, status, retryAfterMs: error.retryAfterMs }
}

function lastHost({ fetches }: ResultColumns, at: number): string | null {
  const url = cellsAt(fetches, at)?.finalUrl ?? null
  return url !== null && URL.canParse(url) ? new URL(url).host : null
}
