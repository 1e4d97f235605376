/**
 * Who has all lanes to itself, and when. A solo waits until no other run holds a lane, runs alone, and then leaves the lanes to the
 * others for as long as it kept them out. Pure: it is told the time and what the others do, and says what follows.
 */

import type { RunKey } from '../domain/ids.js'
import { byTurn, type Turn } from './fairness.js'

/** How long lanes are kept free for a solo, at first, while the others still have something in service. */
const PATIENCE_MS = 10_000
/** Each time that was not enough it is twice as long, and no longer than this: a task may never end. */
const MAX_PATIENCE_MS = 600_000

/** What wants to run alone. It may do so several times. */
export interface Solo {
  /** Higher goes first, before ordinary runs too. */
  readonly priority: number
  /** The run that is to be alone. */
  readonly key: RunKey
  /** From now on nobody else gets a lane, until it leaves. */
  begin(): void
}

/** All other runs. */
export interface Others {
  /** Lanes that they hold, and those on their way to them. */
  held: number
  /** The highest one of those that hold or want lanes; null where there is none. */
  priority: number | null
}

interface Seat extends Turn {
  readonly solo: Solo
  waits: boolean
  /** How long it has kept the others out. */
  servedMs: number
}

/** Open: lanes are everyone's. Closed: they go back, for the seat. Alone: the seat has them. */
type State = { kind: 'open' } | { kind: 'closed'; seat: Seat; sinceMs: number } | { kind: 'alone'; seat: Seat }

const OPEN: State = { kind: 'open' }

export class Solos {
  readonly #seats = new Map<Solo, Seat>()
  #state: State = OPEN
  #lastMs = 0
  /** How long the others have been kept out, and have not had the lanes since. */
  #owedMs = 0
  #patienceMs = PATIENCE_MS
  /** Until then the lanes stay with the others, as they did not get free in time. */
  #openUntilMs = Number.NEGATIVE_INFINITY

  /** Whether nobody wants to be alone, nor is. */
  get isEmpty(): boolean {
    return this.#seats.size === 0
  }

  /** Whether this run may be given lanes. */
  admits(run: RunKey): boolean {
    return this.#state.kind === 'open' || (this.#state.kind === 'alone' && this.#state.seat.solo.key === run)
  }

  /** It wants to run alone, once. */
  ask(solo: Solo): void {
    const seat = this.#seats.get(solo) ?? { solo, priority: solo.priority, waits: true, servedMs: this.#levelMs }
    seat.waits = true
    this.#seats.set(solo, seat)
  }

  /** It has run, or wants to no more. */
  leave(solo: Solo, nowMs: number): void {
    const seat = this.#seats.get(solo)
    if (!seat) return
    seat.waits = false
    if (this.#state.kind === 'open') return
    this.#countKeptOut(nowMs, this.#state)
    if (this.#state.seat === seat) this.#state = OPEN
  }

  /** It never asks again. */
  forget(solo: Solo, nowMs: number): void {
    this.leave(solo, nowMs)
    this.#seats.delete(solo)
  }

  /** To be called when time has passed, or anything has changed. */
  update(nowMs: number, others: Others): void {
    if (this.#state.kind === 'open') this.#countOpen(nowMs, others)
    else this.#countKeptOut(nowMs, this.#state)
    if (this.#state.kind === 'alone') return
    const seat = this.#next(nowMs, others)
    if (seat === null) {
      this.#state = OPEN
      return
    }
    const sinceMs = this.#state.kind === 'closed' ? this.#state.sinceMs : nowMs
    if (others.held === 0) this.#begin(seat)
    else if (nowMs - sinceMs >= this.#patienceMs) this.#giveUp(nowMs)
    else this.#state = { kind: 'closed', seat, sinceMs }
  }

  /** When to update though nothing has changed; null where there is no need. */
  get dueMs(): number | null {
    if (this.#state.kind === 'closed') return this.#state.sinceMs + this.#patienceMs
    if (this.#state.kind === 'alone' || this.#waiting.length === 0) return null
    const dueMs = Math.max(this.#lastMs + this.#owedMs, this.#openUntilMs)
    // Else it is another run that is waited for.
    return dueMs > this.#lastMs ? dueMs : null
  }

  /** Those who want nothing are owed nothing. */
  #countOpen(nowMs: number, { priority }: Others): void {
    const leftMs = this.#owedMs - (nowMs - this.#lastMs)
    this.#owedMs = priority === null ? 0 : Math.max(0, leftMs)
    this.#lastMs = nowMs
  }

  #countKeptOut(nowMs: number, { seat }: { seat: Seat }): void {
    seat.servedMs += nowMs - this.#lastMs
    this.#owedMs += nowMs - this.#lastMs
    this.#lastMs = nowMs
  }

  /** Whose turn it is; null while the lanes are the others'. */
  #next(nowMs: number, { priority }: Others): Seat | null {
    const seat = this.#first
    if (!seat || nowMs < this.#openUntilMs) return null
    if (priority === null || priority < seat.priority) return seat
    // What they are kept out now they get afterwards.
    const isOwed = this.#owedMs > 0 && this.#state.kind === 'open'
    return priority > seat.priority || isOwed ? null : seat
  }

  /** What it takes until the lanes are free is the turn of the one that they are kept free for. */
  get #first(): Seat | null {
    const first = this.#waiting[0] ?? null
    if (this.#state.kind !== 'closed' || first === null) return first
    const { seat } = this.#state
    return seat.waits && seat.priority >= first.priority ? seat : first
  }

  #begin(seat: Seat): void {
    this.#patienceMs = PATIENCE_MS
    seat.waits = false
    this.#state = { kind: 'alone', seat }
    seat.solo.begin()
  }

  #giveUp(nowMs: number): void {
    this.#state = OPEN
    this.#openUntilMs = nowMs + this.#patienceMs
    this.#patienceMs = Math.min(2 * this.#patienceMs, MAX_PATIENCE_MS)
  }

  /** Who comes is not owed more than those who are there. */
  get #levelMs(): number {
    const served = Array.from(this.#seats.values(), ({ servedMs }) => servedMs)
    return served.length === 0 ? 0 : Math.min(...served)
  }

  get #waiting(): Seat[] {
    return [...this.#seats.values()].filter(({ waits }) => waits).sort(byTurn)
  }
}
