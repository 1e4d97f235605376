/**
 * The contract of a gate: how many requests may start to a host now, and when more may. What it says holds until something is
 * started or ended, or time passes: who asks takes no more than that.
 */
export interface HostGate {
  /** Requests to the host that may start now. */
  room(host: string, nowMs: number): number
  /** When there is room, where there is none now: null where that takes the end of one that is under way. */
  dueMs(host: string, nowMs: number): number | null
  /** One is started. */
  start(host: string, nowMs: number): void
  /** One that was started before has got on its way only at `atMs`. */
  startedLate(host: string, atMs: number): void
  /** One has ended, or was given back: it is under way no more. */
  end(host: string): void
}

export interface HostLimits {
  /** Under way to one host at most; null: no limit. */
  concurrency: number | null
  /** Started a second to one host at most; null: no limit. */
  rate: number | null
}

/**
 * Starts lie a little further apart than the rate says, so that what was started late may be made up for without ever more
 * than the rate in one second: of the 3 % two are for timers, one is for the way to the host.
 */
const SPACING = 1.03
/** What came later than this is not made up for. */
export const MAX_LATE_MS = 20
/** Hosts that are remembered at least before those with nothing to remember are looked for. */
const MIN_SWEPT = 1_024

interface HostState {
  underway: number
  /** When the next one may start. */
  nextMs: number
}

/** Limits of one batch. */
export class LimitedHosts implements HostGate {
  readonly #hosts = new Map<string, HostState>()
  readonly #maxUnderway: number
  readonly #spacingMs: number
  #sweepAt = MIN_SWEPT

  constructor({ concurrency, rate }: HostLimits) {
    this.#maxUnderway = concurrency ?? Number.POSITIVE_INFINITY
    this.#spacingMs = rate === null ? 0 : (1000 / rate) * SPACING
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
    const state = this.#hosts.get(host)
    const free = this.#maxUnderway - (state?.underway ?? 0)
    if (this.#spacingMs === 0) return free
    if (free <= 0 || (state !== undefined && state.nextMs > nowMs)) return 0
    const lateMs = state === undefined ? 0 : nowMs - this.#dueBy(state, nowMs)
    return Math.min(free, Math.floor(lateMs / this.#spacingMs) + 1)
  }

  dueMs(host: string, nowMs: number): number | null {
    const state = this.#hosts.get(host)
    if (state === undefined || state.underway >= this.#maxUnderway || state.nextMs <= nowMs) return null
    return state.nextMs
  }

  start(host: string, nowMs: number): void {
    const state = this.#hosts.get(host)
    if (state === undefined) {
      this.#hosts.set(host, { underway: 1, nextMs: nowMs + this.#spacingMs })
      this.#sweep(nowMs)
      return
    }
    state.underway += 1
    state.nextMs = this.#dueBy(state, nowMs) + this.#spacingMs
  }

  startedLate(host: string, atMs: number): void {
    const state = this.#hosts.get(host)
    if (state !== undefined) state.nextMs = Math.max(state.nextMs, atMs + this.#spacingMs)
  }

  end(host: string): void {
    const state = this.#hosts.get(host)
    if (state === undefined) return
    state.underway -= 1
    if (state.underway === 0 && this.#spacingMs === 0) this.#hosts.delete(host)
  }

  /** When the next start was due: what is late for another reason than a timer is due now. */
  #dueBy({ nextMs }: HostState, nowMs: number): number {
    return nextMs < nowMs - MAX_LATE_MS ? nowMs : nextMs
  }

  /** A host that was left alone for long enough is as good as a new one. */
  #sweep(nowMs: number): void {
    if (this.#hosts.size < this.#sweepAt) return
    for (const [host, { underway, nextMs }] of this.#hosts) {
      if (underway === 0 && nextMs < nowMs - MAX_LATE_MS) this.#hosts.delete(host)
    }
    this.#sweepAt = Math.max(MIN_SWEPT, 2 * this.#hosts.size)
  }
}
