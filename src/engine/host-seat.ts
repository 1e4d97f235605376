/** What one user may send to which host: the gate of the server. It is to say first how much it wants of a host. */

import { type HostGate, NO_HOST } from './host-gate.js'
import type { HostPlace, HostReport, HostState, HostUser } from './host-state.js'
import { type Hosts, TURN_MS } from './hosts.js'

interface SeatOptions {
  hosts: Hosts
  user: HostUser
  /** What a batch asks for: it holds for its own requests alone. Null where it asks for nothing. */
  own: HostGate | null
  /** The user may start more or less to these hosts than it knows. */
  onChanged(hosts: readonly string[]): void
}

export class HostSeat implements HostGate {
  readonly #places = new Map<string, { place: HostPlace; state: HostState }>()
  readonly #hosts: Hosts
  readonly #own: HostGate | null
  /** Hosts to tell the user of. */
  #told: string[] = []
  #closed = false

  constructor(private readonly options: SeatOptions) {
    this.#hosts = options.hosts
    this.#own = options.own
  }

  mayWaitInLane(host: string): boolean {
    if (this.#own?.mayWaitInLane(host) === false) return false
    return host === NO_HOST || this.#hosts.limitOf(host) === null
  }

  want(host: string, count: number): void {
    if (host === NO_HOST || (this.#closed && count > 0)) return
    const found = this.#places.get(host) ?? (count > 0 ? this.#open(host) : null)
    if (found === null || found.place.waiting === count) return
    const { place, state } = found
    const before = place.waiting
    place.waiting = count
    // How many wait matters where there are fewer of them than places.
    if (Math.min(before, count) < state.limit && Number.isFinite(state.limit)) this.#changedFor(state)
    this.#forgetIfDone(host)
  }

  room(host: string, nowMs: number): number {
    const own = this.#own?.room(host, nowMs) ?? Number.POSITIVE_INFINITY
    if (host === NO_HOST || own <= 0) return own
    const found = this.#places.get(host)
    return found === undefined ? 0 : Math.min(own, this.#hosts.roomOf(found.state, found.place, nowMs))
  }

  /** When its own limits let something start there may be no place: only from then on it is told of one. */
  dueMs(host: string, nowMs: number): number | null {
    const closedMs = this.closedUntilMs(host, nowMs)
    if (this.#own === null || this.#own.room(host, nowMs) > 0) return closedMs
    const ownMs = this.#own.dueMs(host, nowMs)
    return ownMs === null || closedMs === null ? ownMs : Math.max(ownMs, closedMs)
  }

  /** Until when nothing is sent to the host, whoever would; null where it may be asked. */
  closedUntilMs(host: string, nowMs: number): number | null {
    return this.#places.get(host)?.state.closedUntilMs(nowMs) ?? null
  }

  start(host: string, nowMs: number, count = 1): void {
    this.#own?.start(host, nowMs, count)
    if (host === NO_HOST) return
    const { place, state } = this.#places.get(host) ?? this.#open(host)
    place.underway += count
    place.turn = this.#hosts.nextTurn
    if (nowMs - place.turnFromMs >= TURN_MS) place.turnFromMs = nowMs
    place.offeredMs = null
    place.passedUntilMs = Number.NEGATIVE_INFINITY
    state.start(count, nowMs)
    if (Number.isFinite(state.limit)) this.#changedFor(state)
  }

  /** Of the server it has its place from when it was handed out. */
  startedLate(host: string, atMs: number): void {
    this.#own?.startedLate(host, atMs)
  }

  end(host: string, startedMs: number, count = 1): void {
    this.#own?.end(host, startedMs, count)
    const found = this.#places.get(host)
    if (found === undefined) return
    found.place.underway -= count
    found.state.end(count, startedMs)
    if (Number.isFinite(found.state.limit)) this.#changedFor(found.state)
    this.#forgetIfDone(host)
  }

  /** A request that was sent has come back, and is under way until `end`. */
  report(host: string, report: HostReport): void {
    const state = this.#stateOf(host)
    if (state?.report(report, this.#hosts.nowMs)) this.#hosts.changed(state)
  }

  /** A request was sent, and answered as it should be, by the host that it was sent to. It is under way until `end`. */
  reportSuccess(host: string, serviceMs: number): void {
    const state = this.#stateOf(host)
    if (state?.reportSuccess(serviceMs)) this.#hosts.changed(state)
  }

  /** The host was asked so many times. */
  noteRequests(host: string, count: number): void {
    this.#stateOf(host)?.noteRequests(count)
  }

  /** It wants nothing more. What is under way has its places until it ends. */
  close(): void {
    this.#closed = true
    for (const host of [...this.#places.keys()]) this.want(host, 0)
  }

  /** It wants nothing more, and nothing of it is under way any more, whatever it has told. */
  leave(): void {
    this.close()
    for (const [host, { place }] of [...this.#places]) this.end(host, this.#hosts.nowMs, place.underway)
  }

  #stateOf(host: string): HostState | null {
    if (host === NO_HOST) return null
    return this.#places.get(host)?.state ?? this.#hosts.use(host)
  }

  /** The user asks by itself after what it does: others are told. */
  #changedFor(state: HostState): void {
    if (state.places.size > 1) this.#hosts.changed(state)
  }

  #open(host: string): { place: HostPlace; state: HostState } {
    const state = this.#hosts.use(host)
    const place: HostPlace = {
      user: this.options.user,
      underway: 0,
      waiting: 0,
      mayStart: (nowMs) => this.#own?.room(host, nowMs) ?? Number.POSITIVE_INFINITY,
      turn: this.#hosts.nextTurn,
      turnFromMs: Number.NEGATIVE_INFINITY,
      wouldTake: () => this.options.user.spare > 0,
      share: null,
      room: 0,
      offeredMs: null,
      passedUntilMs: Number.NEGATIVE_INFINITY,
      changed: () => this.#tell(host),
    }
    const found = { place, state }
    this.#places.set(host, found)
    state.places.add(place)
    return found
  }

  #tell(host: string): void {
    if (this.#told.length === 0) {
      queueMicrotask(() => {
        const told = this.#told
        this.#told = []
        this.options.onChanged(told)
      })
    }
    this.#told.push(host)
  }

  #forgetIfDone(host: string): void {
    const found = this.#places.get(host)
    if (found === undefined || found.place.waiting > 0 || found.place.underway > 0) return
    this.#places.delete(host)
    found.state.places.delete(found.place)
    // Used last, whoever comes next.
    this.#hosts.use(host)
  }
}
