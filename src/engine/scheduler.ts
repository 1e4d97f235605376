/** Shares the server's lanes out among the runs under way: moves them towards what is fair whenever something changed. */

import type { Clock } from '../clock.js'
import type { RunKey } from '../domain/ids.js'
import type { LaneKind } from '../domain/strategy.js'
import type { Lane, LanePool } from '../lanes/lane.js'
import { Alarm } from './alarm.js'
import { allocateLanes, byTurn, type Claim, type Turn } from './fairness.js'
import { type Others, type Solo, Solos } from './solos.js'
import { SortedList } from './sorted-list.js'

/** How long a run keeps its lanes while another one waits for its turn. */
const TURN_MS = 100
/** Until lanes that could not be started are asked for again. */
const RESTART_MS = 500
/** A run without a lane gives up when none could be started for it this often in a row. */
const MAX_FAILED_STARTS = 5

/** What the scheduler needs of a run, or of a stage of one. */
export interface ScheduledRun {
  /** Of the run. */
  readonly key: RunKey
  readonly priority: number
  readonly laneKind: LaneKind
  /** Lanes that it could use now, those it holds included. */
  readonly want: number
  readonly held: number
  /**
   * A lane is about to be sought for it: answers whether it has a use for it, though others may have changed what there is
   * to do since it was asked. If so, the lane is attached, or it is told that it misses it.
   */
  expectLane(): boolean
  attach(lane: Lane): void
  /** A lane that it was to have does not come. */
  missLane(): void
  /** Has it give this many lanes back as soon as they have nothing to do, and keep the others. */
  retire(count: number): void
  /** No lane can be had for it. */
  giveUp(reason: string): void
}

interface Seat extends Turn {
  readonly run: ScheduledRun
  /** Lanes on their way. */
  starting: number
  failedStarts: number
  /** Set while nothing is started for it, as the last start has failed. */
  endRest: (() => void) | null
  /** Lane time that it has had, or is taken to have had: does not change while it waits. */
  servedMs: number
  /** Whether it wanted no lane for a while, as all its items were in back-off. */
  hasRested: boolean
}

interface Options {
  pool: LanePool
  clock: Clock
  maxLanes: number
  onError(error: unknown): void
}

export class Scheduler {
  readonly #seats = new Map<ScheduledRun, Seat>()
  /** Those that hold lanes or have some on their way. */
  readonly #served = new Set<Seat>()
  /** Those that want lanes and have none, whose turn is next first: there may be thousands, and only the first few matter. */
  readonly #waiting = new SortedList<Seat>(byTurn)
  /** The others: they want none until they say so. */
  readonly #parked = new Set<Seat>()
  /** By priority, the least lane time that any of those served has had: who comes (back) is not owed more than them. */
  readonly #levelMs = new Map<number, number>()
  /** Lanes on their way, also to runs that have ended since. */
  #starting = 0
  #balancing = false
  #lastMs = 0
  #cancelTurn: (() => void) | null = null
  readonly #solos = new Solos()
  readonly #soloAlarm: Alarm
  #stopped = false

  constructor(private readonly options: Options) {
    this.#soloAlarm = new Alarm(options.clock, () => this.balance())
  }

  add(run: ScheduledRun): void {
    this.#countServed()
    const servedMs = this.#levelMs.get(run.priority) ?? 0
    const { priority } = run
    const seat: Seat = { run, priority, starting: 0, failedStarts: 0, endRest: null, servedMs, hasRested: false }
    this.#seats.set(run, seat)
    if (run.want > 0) this.#waiting.add(seat)
    else this.#park(seat)
    this.balance()
  }

  remove(run: ScheduledRun): void {
    const seat = this.#seats.get(run)
    if (!seat) return
    seat.endRest?.()
    this.#seats.delete(run)
    if (!this.#served.delete(seat) && !this.#parked.delete(seat)) this.#waiting.remove(seat)
    this.balance()
  }

  /** The run may want more or fewer lanes than before. */
  wantChanged(run: ScheduledRun): void {
    const seat = this.#seats.get(run)
    if (!seat) return
    if (this.#parked.has(seat) && run.want > 0) {
      this.#parked.delete(seat)
      this.#waiting.add(seat)
    }
    this.balance()
  }

  release(lane: Lane): void {
    this.options.pool.release(lane)
    this.balance()
  }

  /** Has it begin, once, as soon as no run holds a lane and it is its turn: from then on only its own run gets lanes. */
  reserve(solo: Solo): void {
    this.#solos.ask(solo)
    this.balance()
  }

  /** It has run. `forever`: it never reserves again. */
  vacate(solo: Solo, forever: boolean): void {
    const nowMs = this.options.clock.monotonicMs()
    if (forever) this.#solos.forget(solo, nowMs)
    else this.#solos.leave(solo, nowMs)
    this.balance()
  }

  /** Moves lanes soon, once for all changes of this turn of the event loop. */
  balance(): void {
    if (this.#balancing || this.#stopped) return
    this.#balancing = true
    queueMicrotask(() => {
      this.#balancing = false
      this.#balance()
    })
  }

  /** No run gets another lane. */
  stop(): void {
    this.#stopped = true
    this.#cancelTurn?.()
    this.#soloAlarm.set(null)
    for (const { endRest } of this.#seats.values()) endRest?.()
  }

  #balance(): void {
    if (this.#stopped) return
    this.#countServed()
    if (!this.#solos.isEmpty) this.#solos.update(this.options.clock.monotonicMs(), this.#others())
    this.#soloAlarm.set(this.#solos.isEmpty ? null : this.#solos.dueMs)
    const { maxLanes } = this.options
    const free = maxLanes - this.#starting - [...this.#served].reduce((sum, { run }) => sum + run.held, 0)
    // Whose turn it is gets the free lanes first, whoever came first.
    const served = Array.from(this.#served, (seat) => ({ seat, claim: this.#claimOf(seat) }))
    const places = [...served, ...this.#nextWaiting()]
    places.sort((a, b) => byTurn(a.claim, b.claim))
    const claims = places.map(({ claim }) => claim)
    const shares = allocateLanes(claims, maxLanes)
    let left = free
    places.forEach(({ seat }, at) => {
      left -= this.#moveTowards(seat, shares[at]!, left)
    })
    if (claims.some(({ want }, at) => want > 0 && shares[at] === 0)) this.#takeTurns()
  }

  /** Those that can get a lane at all, and one more where there are more: it waits for its turn. */
  #nextWaiting(): { seat: Seat; claim: Claim }[] {
    const next: { seat: Seat; claim: Claim }[] = []
    const resting: Seat[] = []
    for (const seat of this.#waiting) {
      if (next.length > this.options.maxLanes) break
      if (seat.run.want === 0) resting.push(seat)
      else if (!seat.endRest && this.#solos.admits(seat.run.key)) next.push({ seat, claim: toClaim(seat) })
    }
    for (const seat of resting) {
      this.#waiting.remove(seat)
      this.#park(seat)
    }
    return next
  }

  /** Where another one is to be alone, it is to have none. */
  #claimOf(seat: Seat): Claim {
    const claim = toClaim(seat)
    return this.#solos.admits(seat.run.key) ? claim : { ...claim, want: 0 }
  }

  /** All runs, as a solo that is not there yet sees them. */
  #others(): Others {
    let held = this.#starting
    let priority: number | null = null
    const note = ({ run }: Seat) => {
      if (run.held === 0 && run.want === 0) return false
      priority = Math.max(priority ?? run.priority, run.priority)
      return true
    }
    for (const seat of this.#served) {
      held += seat.run.held
      note(seat)
    }
    // The first one that wants lanes has the highest priority of those that wait.
    for (const seat of this.#waiting) if (note(seat)) break
    return { held, priority }
  }

  #park(seat: Seat): void {
    seat.hasRested = true
    this.#parked.add(seat)
  }

  /** Answers with how many of the free lanes were taken. */
  #moveTowards(seat: Seat, share: number, free: number): number {
    const { run } = seat
    const lacking = seat.endRest ? 0 : share - run.held - seat.starting
    run.retire(Math.max(0, run.held - share))
    let taken = 0
    for (; taken < Math.min(lacking, free) && run.expectLane(); taken += 1) void this.#start(seat)
    return taken
  }

  async #start(seat: Seat): Promise<void> {
    const { run } = seat
    if (this.#waiting.remove(seat)) this.#beginTurn(seat)
    seat.starting += 1
    this.#starting += 1
    const lane = await this.options.pool.acquire(run.laneKind).catch((error: unknown) => this.#startFailed(seat, error))
    seat.starting -= 1
    this.#starting -= 1
    if (lane) this.#hand(lane, seat)
    else run.missLane()
    // What is fair may have changed while the lane started.
    this.balance()
  }

  #hand(lane: Lane, seat: Seat): void {
    const { run } = seat
    seat.failedStarts = 0
    if (!this.#stopped && this.#solos.admits(run.key) && run.want > run.held) {
      run.attach(lane)
    } else {
      this.options.pool.release(lane)
      run.missLane()
    }
  }

  #beginTurn(seat: Seat): void {
    this.#served.add(seat)
    if (!seat.hasRested) return
    seat.hasRested = false
    seat.servedMs = Math.max(seat.servedMs, this.#levelMs.get(seat.run.priority) ?? 0)
  }

  /** A machine in trouble is not asked in a loop. */
  #startFailed(seat: Seat, error: unknown): null {
    if (this.#stopped) return null
    this.options.onError(error)
    // Lanes that fail together have failed once.
    if (seat.endRest || this.#seats.get(seat.run) !== seat) return null
    seat.failedStarts += 1
    seat.endRest = this.options.clock.setTimer(() => {
      seat.endRest = null
      this.balance()
    }, RESTART_MS)
    if (seat.failedStarts >= MAX_FAILED_STARTS && seat.run.held === 0) {
      seat.run.giveUp(`no lane could be started: ${error instanceof Error ? error.message : String(error)}`)
    }
    return null
  }

  #countServed(): void {
    const now = this.options.clock.monotonicMs()
    const passedMs = now - this.#lastMs
    this.#lastMs = now
    const served = [...this.#served]
    for (const seat of served) seat.servedMs += seat.run.held * passedMs
    served.sort((a, b) => b.servedMs - a.servedMs)
    for (const seat of served) {
      this.#levelMs.set(seat.run.priority, seat.servedMs)
      if (seat.run.held > 0 || seat.starting > 0) continue
      this.#served.delete(seat)
      this.#waiting.add(seat)
    }
  }

  #takeTurns(): void {
    if (this.#cancelTurn) return
    this.#cancelTurn = this.options.clock.setTimer(() => {
      this.#cancelTurn = null
      this.balance()
    }, TURN_MS)
  }
}

/** Who has lanes keeps them for its turn: lanes that change hands all the time do little else. */
function toClaim({ run, priority, servedMs }: Seat): Claim {
  return { priority, want: run.want, servedMs: servedMs - run.held * TURN_MS }
}
