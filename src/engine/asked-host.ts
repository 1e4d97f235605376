/**
 * One host, as the batches that ask for a limit of it see it, be it of concurrency or a rate: what they have under way there together.
 * Whoever owns the host does not care how many batches a request belongs to, so the lowest limit that any of them asks for holds for all of
 * them.
 */

import { type HostLimits, LimitedHosts } from './host-gate.js'
import type { HostPlace, SharedHost } from './host-state.js'

export class AskedHost implements SharedHost {
  readonly places = new Set<HostPlace>()
  version = 0
  isToldClosed = false
  readonly isShared = true
  readonly #asked = new Map<HostPlace, HostLimits>()
  /** By the rate: outlives who asks for it, so that the next one does not begin beside what the last one has just sent. */
  readonly #paces = new Map<number, LimitedHosts>()
  /** Of rates that are asked for now. */
  #active: LimitedHosts[] = []
  #limit = Number.POSITIVE_INFINITY
  #underway = 0

  constructor(readonly host: string) {}

  get limit(): number {
    return this.#limit
  }

  /** Nobody has to do with it, and whoever comes next may begin at once. */
  isIdle(nowMs: number): boolean {
    return this.places.size === 0 && [...this.#paces.values()].every((pace) => pace.dueMs(this.host, nowMs) === null)
  }

  join(place: HostPlace, limits: HostLimits, nowMs: number): void {
    this.places.add(place)
    this.#asked.set(place, limits)
    this.#look()
    for (const [rate, pace] of this.#paces)
      if (!this.#active.includes(pace) && pace.dueMs(this.host, nowMs) === null) this.#paces.delete(rate)
  }

  leave(place: HostPlace): void {
    this.places.delete(place)
    this.#asked.delete(place)
    this.#look()
  }

  free(nowMs: number): number {
    const rooms = this.#active.map((pace) => pace.room(this.host, nowMs))
    return Math.max(0, Math.min(this.#limit - this.#underway, ...rooms))
  }

  /** When time gives room, where there is none now; null where that takes the end of a request, or another one's turn. */
  dueMs(nowMs: number): number | null {
    if (this.#underway >= this.#limit) return null
    const dueMs = this.#active.flatMap((pace) => pace.dueMs(this.host, nowMs) ?? [])
    return dueMs.length === 0 ? null : Math.max(...dueMs)
  }

  /** Where it waits for its pace: all are to know for how long, whoever has sent what. */
  closedUntilMs(nowMs: number): number | null {
    return this.free(nowMs) > 0 ? null : this.dueMs(nowMs)
  }

  start(count: number, nowMs: number): void {
    this.#underway += count
    for (const pace of this.#active) pace.start(this.host, nowMs, count)
  }

  startedLate(atMs: number): void {
    for (const pace of this.#active) pace.startedLate(this.host, atMs)
  }

  end(count: number): void {
    this.#underway -= count
  }

  #look(): void {
    this.#limit = Number.POSITIVE_INFINITY
    const rates = new Set<number>()
    for (const { concurrency, rate } of this.#asked.values()) {
      if (concurrency !== null) this.#limit = Math.min(this.#limit, concurrency)
      if (rate !== null) rates.add(rate)
    }
    this.#active = [...rates].map((rate) => this.#paceOf(rate))
  }

  #paceOf(rate: number): LimitedHosts {
    const known = this.#paces.get(rate)
    if (known) return known
    const pace = new LimitedHosts({ concurrency: null, rate })
    this.#paces.set(rate, pace)
    return pace
  }
}
