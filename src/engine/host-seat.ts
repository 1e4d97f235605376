/** What one user may send to which host: the gate of the server. It is to say first how much it wants of a host. */

import { type HostGate, NO_HOST } from './host-gate.js'
import type { HostPlace, HostReport, HostState, HostUser } from './host-state.js'
import type { Hosts } from './hosts.js'

export class HostSeat implements HostGate {
  readonly #places = new Map<string, { place: HostPlace; state: HostState }>()
  /** Hosts to tell the user of. */
  #told: string[] = []
  #closed = false

  /** `onChanged`: it may start more or less to these hosts than it knows. */
  constructor(
    private readonly hosts: Hosts,
    private readonly user: HostUser,
    private readonly onChanged: (hosts: readonly string[]) => void,
  ) {}

  mayWaitInLane(host: string): boolean {
    return host === NO_HOST || this.hosts.limitOf(host) === null
  }

  want(host: string, count: number): void {
    if (host === NO_HOST || (this.#closed && count > 0)) return
    const own = this.#places.get(host) ?? (count > 0 ? this.#open(host) : null)
    if (own === null || own.place.waiting === count) return
    const { place, state } = own
    const before = place.waiting
    place.waiting = count
    // How many wait matters where there are fewer of them than places.
    if (Math.min(before, count) < state.limit && Number.isFinite(state.limit)) this.#changedFor(state)
    this.#forgetIfDone(host)
  }

  room(host: string, nowMs: number): number {
    if (host === NO_HOST) return Number.POSITIVE_INFINITY
    const own = this.#places.get(host)
    if (own === undefined) return 0
    return this.hosts.roomOf(own.state, own.place, nowMs)
  }

  dueMs(host: string, nowMs: number): number | null {
    return this.#places.get(host)?.state.closedUntilMs(nowMs) ?? null
  }

  start(host: string, nowMs: number, count = 1): void {
    if (host === NO_HOST) return
    const { place, state } = this.#places.get(host) ?? this.#open(host)
    place.underway += count
    place.turn = this.hosts.nextTurn
    place.offeredMs = null
    place.passedUntilMs = Number.NEGATIVE_INFINITY
    state.start(count, nowMs)
    if (Number.isFinite(state.limit)) this.#changedFor(state)
  }

  /** It has its place from when it was handed out. */
  startedLate(): void {}

  end(host: string, startedMs: number, count = 1): void {
    const own = this.#places.get(host)
    if (own === undefined) return
    own.place.underway -= count
    own.state.end(count, startedMs)
    if (Number.isFinite(own.state.limit)) this.#changedFor(own.state)
    this.#forgetIfDone(host)
  }

  /** A request that was sent has come back, and is under way until `end`. */
  report(host: string, report: HostReport): void {
    const state = this.#stateOf(host)
    if (state?.report(report, this.hosts.nowMs)) this.hosts.changed(state)
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
    for (const [host, { place }] of [...this.#places]) this.end(host, this.hosts.nowMs, place.underway)
  }

  #stateOf(host: string): HostState | null {
    if (host === NO_HOST) return null
    return this.#places.get(host)?.state ?? this.hosts.use(host)
  }

  /** The user asks by itself after what it does: others are told. */
  #changedFor(state: HostState): void {
    if (state.places.size > 1) this.hosts.changed(state)
  }

  #open(host: string): { place: HostPlace; state: HostState } {
    const state = this.hosts.use(host)
    const place: HostPlace = {
      user: this.user,
      underway: 0,
      waiting: 0,
      turn: this.hosts.nextTurn,
      room: 0,
      offeredMs: null,
      passedUntilMs: Number.NEGATIVE_INFINITY,
      changed: () => this.#tell(host),
    }
    const own = { place, state }
    this.#places.set(host, own)
    state.places.add(place)
    return own
  }

  #tell(host: string): void {
    if (this.#told.length === 0) {
      queueMicrotask(() => {
        const told = this.#told
        this.#told = []
        this.onChanged(told)
      })
    }
    this.#told.push(host)
  }

  #forgetIfDone(host: string): void {
    const own = this.#places.get(host)
    if (own === undefined || own.place.waiting > 0 || own.place.underway > 0) return
    this.#places.delete(host)
    own.state.places.delete(own.place)
    // Used last, whoever comes next.
    this.hosts.use(host)
  }
}
