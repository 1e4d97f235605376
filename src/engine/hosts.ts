/**
 * Politeness of the whole server: what all runs together have under way to each host, whom a free place goes to, and which hosts
 * are to be left alone for now. One a server; each stage that fetches has a seat (host-seat.ts), which is a gate of its own.
 */

import type { Clock } from '../clock.js'
import type { RunKey } from '../domain/ids.js'
import { Alarm } from './alarm.js'
import { AskedHost } from './asked-host.js'
import type { HostLimits } from './host-gate.js'
import { type HostClaim, shareHost } from './host-shares.js'
import { type HostPlace, type HostShare, HostState, type SharedHost } from './host-state.js'

/** Hosts that nobody has to do with are remembered up to so many, those that were used last. */
export const MAX_IDLE_HOSTS = 10_000
/** Until they are looked through, there may be so many more. */
const SWEEP_AFTER = 1_000
/** How long a run goes on before another one has its turn, where there are more runs than places: lanes have turns as long. */
export const TURN_MS = 100
/** Until those are told whose turn it has become without anybody having done something. */
const TELL_MS = 10
/** How long a place is kept for who does not take it, while another one waits; and then for how long it is the others'. */
export const KEEP_MS = 1_000

/** A host, as it is now. */
export interface HostStatus {
  host: string
  inFlight: number
  queued: number
  requests: number
  failures: number
  /** Reads the last times: for those that are asked for it. */
  p95Ms(): number | null
  throttledUntil: Date | null
  restingUntil: Date | null
}

interface Options {
  clock: Clock
  /** Under way to one host at most, of those that are not the owner's own. */
  concurrency: number
  /** Whether the server's owner has named the host, a URL.host, as one that may be reached. */
  isOwn(host: string): boolean
}

export class Hosts {
  /** Who came to use it last is last. */
  readonly #states = new Map<string, HostState>()
  /** By the limit and the host: what the batches that ask for it have under way there. */
  readonly #asked = new Map<string, AskedHost>()
  /** Hosts whose users are to be told of a change at the end of this turn. */
  readonly #changed = new Set<SharedHost>()
  /** Hosts where one is offered what another one waits for. */
  readonly #contended = new Set<SharedHost>()
  readonly #alarm: Alarm
  /** When the alarm is to ring. */
  #lookMs: number | null = null
  #alone: RunKey | null = null
  #sweepAt = MAX_IDLE_HOSTS + SWEEP_AFTER
  #sweepAskedAt = MAX_IDLE_HOSTS
  #lastTurn = 0
  #stopped = false

  constructor(private readonly options: Options) {
    this.#alarm = new Alarm(options.clock, () => this.#lookAgain())
  }

  /** Requests under way to the host at most, over all runs; null: as many as there are. */
  limitOf(host: string): number | null {
    return this.options.isOwn(host) ? null : this.options.concurrency
  }

  /** From now on places are kept for nobody else than this run, which has all lanes to itself; null: for everybody. */
  isolate(run: RunKey | null): void {
    this.#alone = run
    for (const hosts of [this.#states, this.#asked])
      for (const state of hosts.values()) if (state.places.size > 0) this.changed(state)
  }

  /** No timer rings any more. */
  stop(): void {
    this.#stopped = true
    this.#alarm.set(null)
  }

  /** Those with most in flight first, then those that most waits for, then those that were used last. */
  list(max: number): HostStatus[] {
    const nowMs = this.options.clock.monotonicMs()
    const all = Array.from(this.#states.values(), (state) => this.#statusOf(state, nowMs)).reverse()
    return all.sort((a, b) => b.inFlight - a.inFlight || b.queued - a.queued).slice(0, max)
  }

  // What follows is for seats.

  get nowMs(): number {
    return this.options.clock.monotonicMs()
  }

  get nextTurn(): number {
    this.#lastTurn += 1
    return this.#lastTurn
  }

  /** Of a host that is used. */
  use(host: string): HostState {
    const known = this.#states.get(host)
    const state = known ?? new HostState(host, this.limitOf(host))
    if (known) this.#states.delete(host)
    this.#states.set(host, state)
    if (this.#states.size >= this.#sweepAt) this.#sweep()
    return state
  }

  /** The host, as the batches that ask for this limit of it share it. */
  asked(host: string, kind: keyof HostLimits): AskedHost {
    const name = `${kind} ${host}`
    const known = this.#asked.get(name)
    if (known) return known
    if (this.#asked.size >= this.#sweepAskedAt) this.#sweepAsked()
    const state = new AskedHost(host)
    this.#asked.set(name, state)
    return state
  }

  roomOf(state: SharedHost, place: HostPlace, nowMs: number): number {
    const free = state.free(nowMs)
    if (free > 0) this.#noteOpen(state)
    if (free <= 0 || free === Number.POSITIVE_INFINITY || state.places.size === 1) return free
    // It is asked many times between two changes, and there may be a thousand users.
    if (!isFresh(place, { version: state.version, free, claim: this.#claimOf(place, nowMs) })) {
      this.#share(state, free, nowMs)
      this.#noteTurns(state, nowMs)
    }
    return place.share!.count
  }

  /** Time has opened a host: who asks first finds it so, and the others are told like of any other change. */
  #noteOpen(state: SharedHost): void {
    if (!state.isToldClosed) return
    state.isToldClosed = false
    this.changed(state)
  }

  /** Tells its users, once for all changes of this turn of the event loop. */
  changed(state: SharedHost): void {
    state.version += 1
    if (this.#changed.size === 0) queueMicrotask(() => this.#tell())
    this.#changed.add(state)
  }

  #statusOf(state: HostState, nowMs: number): HostStatus {
    let [inFlight, queued] = [0, 0]
    for (const { user, underway, waiting } of state.places) {
      const running = Number.isFinite(state.limit) ? underway : Math.min(underway, user.running)
      inFlight += running
      queued += waiting + underway - running
    }
    return {
      host: state.host,
      inFlight,
      queued,
      requests: state.requests,
      failures: state.failures,
      p95Ms: () => state.p95Ms,
      throttledUntil: this.#dateOf(state.heldUntilMs(nowMs), nowMs),
      restingUntil: this.#dateOf(state.restingUntilMs(nowMs), nowMs),
    }
  }

  #dateOf(untilMs: number | null, nowMs: number): Date | null {
    return untilMs === null ? null : new Date(this.options.clock.now().getTime() + Math.ceil(untilMs - nowMs))
  }

  /** In the order of the places. */
  #share(state: SharedHost, free: number, nowMs: number): number[] {
    const { version } = state
    const places = [...state.places]
    const claims = places.map((place) => this.#claimOf(place, nowMs))
    const shares = shareHost(claims, free)
    places.forEach((place, at) => {
      place.share = { version, free, claim: claims[at]!, count: shares[at]! }
    })
    return shares
  }

  #claimOf(place: HostPlace, nowMs: number): HostClaim {
    const { user, underway, turn, passedUntilMs, turnFromMs } = place
    const { holdsLane } = user
    return {
      run: user.hasKin ? user.key : null,
      priority: user.priority,
      underway,
      waiting: Math.min(place.waiting, place.mayStart(nowMs)),
      spare: holdsLane ? user.spare : null,
      wouldTake: place.wouldTake,
      isPassedOver: (this.#alone !== null && user.key !== this.#alone) || passedUntilMs > nowMs,
      isInTurn: holdsLane && nowMs - turnFromMs < TURN_MS,
      turn,
    }
  }

  #tell(): void {
    const nowMs = this.nowMs
    const changed = [...this.#changed]
    this.#changed.clear()
    const told: HostPlace[] = []
    for (const state of changed) told.push(...this.#shareAnew(state, nowMs))
    this.#arm(nowMs)
    for (const place of told) place.changed()
  }

  /** Those that may start something, may no more what they were told, or are to wait until they may. */
  #shareAnew(state: SharedHost, nowMs: number): HostPlace[] {
    const places = [...state.places]
    const free = state.free(nowMs)
    const shares = free === Number.POSITIVE_INFINITY ? places.map(() => free) : this.#share(state, free, nowMs)
    this.#noteOffers(state, { places, shares, nowMs })
    state.isToldClosed = state.closedUntilMs(nowMs) !== null
    const told = places.filter((place, at) => state.isToldClosed || shares[at]! > 0 || place.room > 0)
    places.forEach((place, at) => {
      place.room = shares[at]!
    })
    return told
  }

  /** Whoever could have started something for long, and has not, is not waited for by the others. */
  #noteOffers(
    state: SharedHost,
    { places, shares, nowMs }: { places: readonly HostPlace[]; shares: readonly number[]; nowMs: number },
  ): void {
    const isShort = places.some((place, at) => (place.share?.claim.waiting ?? 0) > shares[at]!)
    this.#contended.delete(state)
    places.forEach((place, at) => {
      if (!isShort || shares[at] === 0) place.offeredMs = null
      else {
        place.offeredMs ??= nowMs
        this.#contended.add(state)
      }
    })
  }

  /**
   * Without a change that all are told of, time or a lane may have made it another one's turn, who does not ask by itself. It is told
   * soon and not at once: runs whose lanes come and go for another reason could hand the turn to each other for ever, in one turn of
   * the event loop.
   */
  #noteTurns(state: SharedHost, nowMs: number): void {
    if (this.#changed.has(state)) return
    for (const { share, room } of state.places) {
      if (share === null || share.count <= room) continue
      this.#contended.add(state)
      this.#lookMs = Math.min(this.#lookMs ?? Number.POSITIVE_INFINITY, nowMs + TELL_MS)
      break
    }
    this.#arm(nowMs)
  }

  #arm(nowMs: number): void {
    if (this.#stopped || this.#contended.size === 0) this.#lookMs = null
    else this.#lookMs ??= nowMs + KEEP_MS
    this.#alarm.set(this.#lookMs)
  }

  #lookAgain(): void {
    const nowMs = this.nowMs
    this.#lookMs = null
    for (const state of this.#contended) {
      for (const place of state.places) {
        if (place.offeredMs === null || nowMs - place.offeredMs < KEEP_MS) continue
        place.offeredMs = null
        place.passedUntilMs = nowMs + KEEP_MS
        place.turn = this.nextTurn
      }
      this.changed(state)
    }
    this.#arm(nowMs)
  }

  /** A pace goes on while there is anything to wait for. */
  #sweepAsked(): void {
    const nowMs = this.nowMs
    for (const [name, state] of this.#asked) if (state.isIdle(nowMs)) this.#asked.delete(name)
    this.#sweepAskedAt = Math.max(MAX_IDLE_HOSTS, this.#asked.size + SWEEP_AFTER)
  }

  /** Those that nobody has to do with, and that ask for nothing, go first. */
  #sweep(): void {
    const nowMs = this.nowMs
    let idle = 0
    for (const { places } of this.#states.values()) if (places.size === 0) idle += 1
    for (const mayForget of [(state: HostState) => state.closedUntilMs(nowMs) === null, () => true]) {
      for (const [host, state] of this.#states) {
        if (idle <= MAX_IDLE_HOSTS) break
        if (state.places.size > 0 || !mayForget(state)) continue
        this.#states.delete(host)
        idle -= 1
      }
    }
    this.#sweepAt = this.#states.size + SWEEP_AFTER
  }
}

/** Whether the share of the place is still what it was dealt, as far as it can tell by itself. */
function isFresh({ share }: HostPlace, { version, free, claim }: Omit<HostShare, 'count'>): boolean {
  return (
    share !== null &&
    share.version === version &&
    share.free === free &&
    share.claim.waiting === claim.waiting &&
    share.claim.spare === claim.spare
  )
}
