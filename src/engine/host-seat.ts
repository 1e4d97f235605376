/** What one user may send to which host: the gate of the server. It is to say first how much it wants of a host. */

import type { AskedHost } from './asked-host.js'
import { type HostGate, type HostLimits, NO_HOST } from './host-gate.js'
import type { HostPlace, HostReport, HostState, HostUser, SharedHost } from './host-state.js'
import { type Hosts, TURN_MS } from './hosts.js'

interface SeatOptions {
  hosts: Hosts
  user: HostUser
  /** What a batch asks for: see AskedHost. Null where it asks for nothing. */
  asked: HostLimits | null
  /** What holds for its own requests alone; left out where nothing does. */
  own?: HostGate | null
  /** The user may start more or less to these hosts than it knows. */
  onChanged(hosts: readonly string[]): void
}

/** A place of the user. */
interface Sharing<Host extends SharedHost> {
  place: HostPlace
  state: Host
}

/** All that it has to do with one host. */
interface Found extends Sharing<HostState> {
  /** Null where it asks for no limit. */
  asked: Sharing<AskedHost> | null
}

export class HostSeat implements HostGate {
  readonly #places = new Map<string, Found>()
  readonly #hosts: Hosts
  readonly #own: HostGate | null
  /** Hosts to tell the user of. */
  #told: string[] = []
  #closed = false

  constructor(private readonly options: SeatOptions) {
    this.#hosts = options.hosts
    this.#own = options.own ?? null
  }

  mayWaitInLane(host: string): boolean {
    if (host === NO_HOST) return true
    if (this.options.asked !== null || this.#own?.mayWaitInLane(host) === false) return false
    return this.#hosts.limitOf(host) === null
  }

  want(host: string, count: number): void {
    if (host === NO_HOST || (this.#closed && count > 0)) return
    const found = this.#places.get(host) ?? (count > 0 ? this.#open(host) : null)
    if (found === null || found.place.waiting === count) return
    for (const { place, state } of sharings(found)) {
      const before = place.waiting
      place.waiting = count
      // How many wait matters where there are fewer of them than places.
      if (state.isShared && Math.min(before, count) < state.limit) this.#changedFor(state)
    }
    this.#forgetIfDone(host)
  }

  room(host: string, nowMs: number): number {
    const own = this.#own?.room(host, nowMs) ?? Number.POSITIVE_INFINITY
    if (host === NO_HOST || own <= 0) return own
    const found = this.#places.get(host)
    if (found === undefined) return 0
    const room = this.#hosts.roomOf(found.state, found.place, nowMs)
    return room <= 0 ? 0 : Math.min(own, room, this.#askedRoom(found, nowMs))
  }

  /** When its limits let something start there may be no place: only from then on it is told of one. */
  dueMs(host: string, nowMs: number): number | null {
    const found = this.#places.get(host)
    const waits: (number | null)[] = []
    if (this.#own !== null && this.#own.room(host, nowMs) <= 0) waits.push(this.#own.dueMs(host, nowMs))
    if (found?.asked && this.#askedRoom(found, nowMs) <= 0) waits.push(found.asked.state.dueMs(nowMs))
    const closedMs = this.closedUntilMs(host, nowMs)
    if (closedMs !== null) waits.push(closedMs)
    // What does not come with time is told of.
    return waits.reduce(
      (latest, ms) => (latest === null || ms === null ? null : Math.max(latest, ms)),
      waits[0] ?? null,
    )
  }

  /** Until when nothing is sent to the host, whoever would; null where it may be asked. */
  closedUntilMs(host: string, nowMs: number): number | null {
    return this.#places.get(host)?.state.closedUntilMs(nowMs) ?? null
  }

  start(host: string, nowMs: number, count = 1): void {
    this.#own?.start(host, nowMs, count)
    if (host === NO_HOST) return
    for (const { place, state } of sharings(this.#places.get(host) ?? this.#open(host))) {
      place.underway += count
      place.turn = this.#hosts.nextTurn
      if (nowMs - place.turnFromMs >= TURN_MS) place.turnFromMs = nowMs
      place.offeredMs = null
      place.passedUntilMs = Number.NEGATIVE_INFINITY
      state.start(count, nowMs)
      if (state.isShared) this.#changedFor(state)
    }
  }

  /** Of the server it has its place from when it was handed out. */
  startedLate(host: string, atMs: number): void {
    this.#own?.startedLate(host, atMs)
    this.#places.get(host)?.asked?.state.startedLate(atMs)
  }

  end(host: string, startedMs: number, count = 1): void {
    this.#own?.end(host, startedMs, count)
    const found = this.#places.get(host)
    if (found === undefined) return
    for (const { place, state } of sharings(found)) {
      place.underway -= count
      state.end(count, startedMs)
      if (state.isShared) this.#changedFor(state)
    }
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
  #changedFor(state: SharedHost): void {
    if (state.places.size > 1) this.#hosts.changed(state)
  }

  #open(host: string): Found {
    const state = this.#hosts.use(host)
    const found: Found = {
      place: this.#newPlace(host, (nowMs) => this.#mayStart(host, found, nowMs)),
      state,
      asked: null,
    }
    const { asked: limits } = this.options
    if (limits !== null) {
      const asked = { place: this.#newPlace(host, () => Number.POSITIVE_INFINITY), state: this.#hosts.asked(host) }
      asked.state.join(asked.place, limits)
      // The others may have to do with less from now on.
      this.#changedFor(asked.state)
      found.asked = asked
    }
    this.#places.set(host, found)
    state.places.add(found.place)
    return found
  }

  #newPlace(host: string, mayStart: (nowMs: number) => number): HostPlace {
    return {
      user: this.options.user,
      underway: 0,
      waiting: 0,
      mayStart,
      turn: this.#hosts.nextTurn,
      turnFromMs: Number.NEGATIVE_INFINITY,
      wouldTake: () => this.options.user.spare > 0,
      share: null,
      room: 0,
      offeredMs: null,
      passedUntilMs: Number.NEGATIVE_INFINITY,
      changed: () => this.#tell(host),
    }
  }

  #mayStart(host: string, found: Found, nowMs: number): number {
    return Math.min(this.#own?.room(host, nowMs) ?? Number.POSITIVE_INFINITY, this.#askedRoom(found, nowMs))
  }

  #askedRoom({ asked }: Found, nowMs: number): number {
    return asked === null ? Number.POSITIVE_INFINITY : this.#hosts.roomOf(asked.state, asked.place, nowMs)
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
    if (found.asked !== null) {
      found.asked.state.leave(found.asked.place)
      // What it asked for holds the others up no more.
      this.#hosts.changed(found.asked.state)
    }
    // Used last, whoever comes next.
    this.#hosts.use(host)
  }
}

function sharings(found: Found): Sharing<SharedHost>[] {
  return found.asked === null ? [found] : [found, found.asked]
}
