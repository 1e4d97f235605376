import type { FetchOptions } from '../domain/batch.js'

/**
 * The contract of a gate: how many requests may start to a host now, and when more may. What it says holds until something is
 * started or ended, or time passes: who asks takes no more than that.
 */
export interface HostGate {
  /** Requests to the host that may start now. */
  room(host: string, nowMs: number): number
  /** When there is room, where there is none now: null where that takes the end of one that is under way. */
  dueMs(host: string, nowMs: number): number | null
  /** To be told whenever more or fewer items wait for the host, before it is asked about that. */
  want(host: string, count: number): void
  /** Some are started, one if `count` is left out. */
  start(host: string, nowMs: number, count?: number): void
  /** One that was started before has got on its way only at `atMs`. */
  startedLate(host: string, atMs: number): void
  /** Some that were started at `startedMs` have ended, or were given back: they are under way no more. */
  end(host: string, startedMs: number, count?: number): void
  /** Whether the host has no limit, so that what is handed out may wait in a lane for its turn. */
  mayWaitInLane(host: string): boolean
}

export interface HostLimits {
  /** Under way to one host at most; null: no limit. */
  concurrency: number | null
  /** Started a second to one host at most; null: no limit. */
  rate: number | null
}

/** In the place of the host of an item that is not sent, as its line is no request: it has no limit. */
export const NO_HOST = ''

/** Starts lie a little further apart than the rate says, so that some that were late can be made up for. */
const SPACING = 1.02
/** Of a spacing: what is due by a sum of spacings is due by their quotient, too. */
const ROUNDING = 0.001
/** In so long there are never more than the rate says for a second: the rest is for the way to the host. */
const WINDOW_MS = 1_010
/** What came later than this is not made up for: a host is not to have it all at once. */
const MAX_MADE_UP_MS = 100
/** Hosts that are remembered at least before those with nothing to remember are looked for. */
const MIN_SWEPT = 1_024

interface HostState {
  underway: number
  /** When the next one may start. */
  nextMs: number
  /** The last starts, up to as many as the rate allows in a second: a ring. */
  recent: number[]
  /** Where the first one of them is. */
  oldest: number
}

/** What a batch asks for; null where it asks for nothing. */
export function askedLimits({ perHostConcurrency = null, perHostRate = null }: FetchOptions): HostLimits | null {
  if (perHostConcurrency === null && perHostRate === null) return null
  return { concurrency: perHostConcurrency, rate: perHostRate }
}

/** Limits of one batch. */
export class LimitedHosts implements HostGate {
  readonly #hosts = new Map<string, HostState>()
  readonly #maxUnderway: number
  readonly #spacingMs: number
  /** Starts in WINDOW_MS; infinite without a rate. */
  readonly #maxRecent: number
  #sweepAt = MIN_SWEPT

  constructor({ concurrency, rate }: HostLimits) {
    this.#maxUnderway = concurrency ?? Number.POSITIVE_INFINITY
    this.#spacingMs = rate === null ? 0 : (1000 / rate) * SPACING
    this.#maxRecent = rate === null ? Number.POSITIVE_INFINITY : Math.ceil(rate)
  }

  /** Requests under way, to all hosts. */
  get underway(): number {
    let sum = 0
    for (const { underway } of this.#hosts.values()) sum += underway
    return sum
  }

  /** Hosts that something is remembered of. */
  get size(): number {
    return this.#hosts.size
  }

  room(host: string, nowMs: number): number {
    if (host === NO_HOST) return Number.POSITIVE_INFINITY
    const state = this.#hosts.get(host)
    const free = this.#maxUnderway - (state?.underway ?? 0)
    if (this.#spacingMs === 0) return free
    if (free <= 0) return 0
    if (state === undefined) return 1
    if (state.nextMs > nowMs) return 0
    const due = Math.floor((nowMs - this.#dueBy(state, nowMs)) / this.#spacingMs + ROUNDING) + 1
    return this.#withinWindow(state, nowMs, Math.min(free, due))
  }

  dueMs(host: string, nowMs: number): number | null {
    const state = this.#hosts.get(host)
    if (state === undefined || state.underway >= this.#maxUnderway) return null
    const { recent, oldest, nextMs } = state
    const isFull = recent.length === this.#maxRecent
    const dueMs = isFull ? Math.max(nextMs, recent[oldest]! + WINDOW_MS) : nextMs
    return dueMs <= nowMs ? null : dueMs
  }

  want(): void {}

  mayWaitInLane(host: string): boolean {
    return host === NO_HOST || (this.#maxUnderway === Number.POSITIVE_INFINITY && this.#spacingMs === 0)
  }

  start(host: string, nowMs: number, count = 1): void {
    if (host === NO_HOST) return
    for (let at = 0; at < count; at += 1) this.#startOne(host, nowMs)
  }

  #startOne(host: string, nowMs: number): void {
    const state = this.#hosts.get(host)
    if (state === undefined) {
      const recent = this.#spacingMs === 0 ? [] : [nowMs]
      this.#hosts.set(host, { underway: 1, nextMs: nowMs + this.#spacingMs, recent, oldest: 0 })
      this.#sweep(nowMs)
      return
    }
    state.underway += 1
    state.nextMs = this.#dueBy(state, nowMs) + this.#spacingMs
    if (this.#spacingMs === 0) return
    if (state.recent.length < this.#maxRecent) {
      state.recent.push(nowMs)
      return
    }
    state.recent[state.oldest] = nowMs
    state.oldest = (state.oldest + 1) % this.#maxRecent
  }

  startedLate(host: string, atMs: number): void {
    const state = this.#hosts.get(host)
    if (state === undefined) return
    state.nextMs = Math.max(state.nextMs, atMs + this.#spacingMs)
    const { recent, oldest } = state
    const last = (oldest + recent.length - 1) % recent.length
    if (recent.length > 0) recent[last] = Math.max(recent[last]!, atMs)
  }

  end(host: string, _startedMs: number, count = 1): void {
    const state = this.#hosts.get(host)
    if (state === undefined) return
    state.underway -= count
    if (state.underway === 0 && this.#spacingMs === 0) this.#hosts.delete(host)
  }

  /** When the next start was due: what is late for another reason than a timer is due now. */
  #dueBy({ nextMs }: HostState, nowMs: number): number {
    return nextMs < nowMs - MAX_MADE_UP_MS ? nowMs : nextMs
  }

  /** Of so many that are due, those that may start without there being too many in the time that a window spans. */
  #withinWindow({ recent, oldest }: HostState, nowMs: number, due: number): number {
    const unused = this.#maxRecent - recent.length
    let may = Math.min(due, unused)
    while (may < due && may - unused < recent.length) {
      // As dueMs has it, to the last bit: a host that has neither room nor a time would wait for ever.
      if (recent[(oldest + may - unused) % recent.length]! + WINDOW_MS > nowMs) break
      may += 1
    }
    return may
  }

  /** A host that was left alone for long enough is as good as a new one. */
  #sweep(nowMs: number): void {
    if (this.#hosts.size < this.#sweepAt) return
    for (const [host, { underway, nextMs }] of this.#hosts) {
      if (underway === 0 && nextMs < nowMs - WINDOW_MS) this.#hosts.delete(host)
    }
    this.#sweepAt = Math.max(MIN_SWEPT, 2 * this.#hosts.size)
  }
}
