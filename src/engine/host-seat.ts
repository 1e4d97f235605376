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
  /** For each limit that it asks for: first the rate, as places for what has to wait for that would be nobody's. */
  asked: Sharing<AskedHost>[]
}

export class HostSeat implements HostGate {
  readonly #places = new Map<string, Found>()
  readonly #hosts: Hosts
  readonly #own: HostGate | null
  /** Hosts to tell the user of. */
  #told: string[] = []
  #closed = false
  #isHeld = false
  /** What it would want if it were not held. */
  readonly #held = new Map<string, number>()

  constructor(private readonly options: SeatOptions) {
    this.#hosts = options.hosts
    this.#own = options.own ?? null
  }

  mayWaitInLane(host: string): boolean {
    if (host === NO_HOST) return true
    if (this.options.asked !== null || this.#own?.mayWaitInLane(host) === false) return false
    return this.#hosts.limitOf(host) === null
  }

  /** It wants nothing until it is released: what it asks for holds nobody up meanwhile. Answers with the hosts that it wanted. */
  hold(): string[] {
    const hosts = [...this.#places].flatMap(([host, { place }]) => (place.waiting > 0 ? [host] : []))
    for (const host of hosts) {
      const { waiting } = this.#places.get(host)!.place
      this.want(host, 0)
      this.#held.set(host, waiting)
    }
    this.#isHeld = true
    return hosts
  }

  /** Answers with the hosts that it wants. */
  release(): string[] {
    this.#isHeld = false
    const held = [...this.#held]
    this.#held.clear()
    for (const [host, count] of held) this.want(host, count)
    return held.map(([host]) => host)
  }

  want(host: string, count: number): void {
    if (host === NO_HOST || (this.#closed && count > 0)) return
    if (this.#isHeld) {
      if (count > 0) this.#held.set(host, count)
      else this.#held.delete(host)
      return
    }
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
    return room <= 0 ? 0 : Math.min(own, room, this.#leastRoom(found.asked, nowMs))
  }

  /** When its limits let something start there may be no place: only from then on it is told of one. */
  dueMs(host: string, nowMs: number): number | null {
    const found = this.#places.get(host)
    const waits: (number | null)[] = []
    if (this.#own !== null && this.#own.room(host, nowMs) <= 0) waits.push(this.#own.dueMs(host, nowMs))
    const full = found?.asked.find(({ place, state }) => this.#hosts.roomOf(state, place, nowMs) <= 0)
    if (full) waits.push(full.state.dueMs(nowMs))
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
    for (const { state } of this.#places.get(host)?.asked ?? []) state.startedLate(atMs)
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
    this.#isHeld = false
    this.#held.clear()
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
      asked: [],
    }
    const { rate = null, concurrency = null } = this.options.asked ?? {}
    if (rate !== null) found.asked.push(this.#ask(host, 'rate', { limits: { rate, concurrency: null }, found }))
    if (concurrency !== null)
      found.asked.push(this.#ask(host, 'concurrency', { limits: { rate: null, concurrency }, found }))
    this.#places.set(host, found)
    state.places.add(found.place)
    return found
  }

  #ask(
    host: string,
    kind: keyof HostLimits,
    { limits, found }: { limits: HostLimits; found: Found },
  ): Sharing<AskedHost> {
    const before = [...found.asked]
    const place = this.#newPlace(host, (nowMs) => this.#leastRoom(before, nowMs))
    const state = this.#hosts.asked(host, kind)
    state.join(place, limits, this.#hosts.nowMs)
    // The others may have to do with less from now on.
    this.#changedFor(state)
    return { place, state }
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
    return Math.min(this.#own?.room(host, nowMs) ?? Number.POSITIVE_INFINITY, this.#leastRoom(found.asked, nowMs))
  }

  #leastRoom(asked: readonly Sharing<AskedHost>[], nowMs: number): number {
    let least = Number.POSITIVE_INFINITY
    for (const { place, state } of asked) least = Math.min(least, this.#hosts.roomOf(state, place, nowMs))
    return least
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
    for (const { place, state } of found.asked) {
      state.leave(place)
      // What it asked for holds the others up no more.
      this.#hosts.changed(state)
    }
    // Used last, whoever comes next.
    this.#hosts.use(host)
  }
}

function sharings(found: Found): Sharing<SharedHost>[] {
  return [found, ...found.asked]
}
