/** An origin that throttles, or turns connections away. */

import { counted, shownMs } from '../advice.js'
import type { Json } from '../batch.js'
import type { DiagnosticRule, StageFigures } from '../diagnostic.js'
import { type HostTally, type Refusal, refusedOf } from '../refusals.js'
import { percent, rough } from './wording.js'

const thresholds = {
  /** Attempts that a host refused. One or two are an accident, and retries mend them. */
  minRefused: 3,
  /** Of all attempts at it. Below, the retries cost less than to be gentler would. */
  minRefusedShare: 0.05,
}

const MAX_LISTED = 4
/** A rate of less than a second is none. */
const MIN_RATE_MS = 1_000

export const ORIGIN_THROTTLING: DiagnosticRule = {
  code: 'ORIGIN_THROTTLING',
  severity: 'WARNING',
  thresholds,
  asked: 'ALWAYS',
  find(figures) {
    const [worst, ...others] = figures.hosts.filter(isRefusing).sort((a, b) => refusedOf(b) - refusedOf(a))
    if (worst === undefined) return null
    const { host, attempts, maxRetryAfterMs } = worst
    const refused = refusedOf(worst)
    const refusedShare = refused / attempts
    const bearable = bearableOf(figures, worst)
    // A Retry-After of 0 asks for no wait.
    const wait = maxRetryAfterMs ? `, asking for ${shownMs(maxRetryAfterMs)} at most until the next` : ''
    return {
      message: `${host} refused ${refused} of ${counted(attempts, 'attempt')}, ${percent(refusedShare)} (${reasonsOf(worst)})${wait}${alsoOf(others)}. ${helpOf(worst, bearable)}`,
      evidence: {
        host,
        attempts,
        refused,
        refusedShare,
        reasons: { ...worst.refused },
        maxRetryAfterMs,
        ...bearable,
        otherHosts: others.slice(0, MAX_LISTED).map(toJson),
      },
    }
  },
}

function isRefusing(tally: HostTally): boolean {
  const refused = refusedOf(tally)
  return refused >= thresholds.minRefused && refused >= thresholds.minRefusedShare * tally.attempts
}

function toJson(tally: HostTally): Json {
  return { host: tally.host, attempts: tally.attempts, refused: refusedOf(tally) }
}

/** By what went through; null where nothing did. */
interface Bearable {
  /** Null also of a run that was too short to tell. */
  throughPerSecond: number | null
  perHostConcurrency: number | null
}

function bearableOf({ wallMs, service, concurrency }: StageFigures, tally: HostTally): Bearable {
  const through = tally.attempts - refusedOf(tally)
  if (through <= 0 || wallMs <= 0) return { throughPerSecond: null, perHostConcurrency: null }
  const inFlight = Math.min(concurrency, service.sum / wallMs)
  const perHostConcurrency = Math.max(1, Math.floor((inFlight * through) / tally.attempts))
  return { throughPerSecond: wallMs < MIN_RATE_MS ? null : (through / wallMs) * 1_000, perHostConcurrency }
}

const REASONS: Readonly<Record<Refusal, string>> = {
  HTTP_429: 'status 429',
  HTTP_503: 'status 503',
  RETRY_AFTER: 'a Retry-After',
  CONNECTION_REFUSED: 'connection refused',
  CONNECTION_RESET: 'connection reset',
}

function reasonsOf({ refused }: HostTally): string {
  const counts = Object.entries(refused) as [Refusal, number][]
  return counts.map(([reason, count]) => `${REASONS[reason]}: ${count}`).join(', ')
}

function alsoOf(others: readonly HostTally[]): string {
  if (others.length === 0) return ''
  const named = others.slice(0, MAX_LISTED).map(({ host }) => host)
  const left = others.length - named.length
  return `; so did ${named.join(', ')}${left > 0 ? ` and ${counted(left, 'more host')}` : ''}`
}

function helpOf({ refused }: HostTally, { throughPerSecond, perHostConcurrency }: Bearable): string {
  if (perHostConcurrency === null) {
    return refused.CONNECTION_REFUSED
      ? 'Nothing went through: is it up, and is the port right?'
      : 'Nothing went through: it wants to be left alone for longer than the retries took (maxAttempts, maxBackoffMs).'
  }
  if (throughPerSecond === null) return `Fewer at a time would help, such as perHostConcurrency: ${perHostConcurrency}.`
  const rate = rough(throughPerSecond)
  return `${rate} a second went through: perHostRate: ${rate}, or perHostConcurrency: ${perHostConcurrency}, would ask it for no more.`
}
