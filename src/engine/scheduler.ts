/**
 * Shares the server's lanes out among the runs under way: moves them towards what is fair whenever something changed. The
 * stages of a pipeline have a seat each and share one account: they count as one run, however many there are, and share what it gets.
 */

import type { Clock } from '../clock.js'
import type { RunKey } from '../domain/ids.js'
import type { LaneKind, StageKind } from '../domain/strategy.js'
import type { Lane, LanePool } from '../lanes/lane.js'
import { Alarm } from './alarm.js'
import { allocateLanes, byStageTurn, type Claim, type StageTurn } from './fairness.js'
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
  /** What it does with them. */
  readonly workKind: StageKind
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

/** Of a run: what its stages have had together. */
interface Account {
  readonly seats: Set<Seat>
  /** Those of its seats that wait. */
  readonly waiting: Set<Seat>
  /** Lane time that it has had, or is taken to have had: its waiting seats are in order of it. */
  servedMs: number
  /** The least lane time that any of its stages served has had: a stage that comes (back) is not owed more than them. */
  levelMs: number
  /** Whether none of its stages wanted a lane for a while. */
  hasRested: boolean
}

class Seat implements StageTurn {
  readonly priority: number
  /** Lanes on their way. */
  starting = 0
  failedStarts = 0
  /** Set while nothing is started for it, as the last start has failed. */
  endRest: (() => void) | null = null
  /** Lane time that the stage has had, or is taken to have had: does not change while it waits. */
  stageMs: number
  /** Whether it wanted no lane for a while, as all its items were in back-off or there were none yet. */
  hasRested = false

  constructor(
    readonly run: ScheduledRun,
    readonly account: Account,
  ) {
    this.priority = run.priority
    this.stageMs = account.levelMs
    account.seats.add(this)
  }

  get servedMs(): number {
    return this.account.servedMs
  }
}

interface Options {
  pool: LanePool
  clock: Clock
  maxLanes: number
  /** Those that the server may use. */
  cores: number
  onError(error: unknown): void
}

export class Scheduler {
  readonly #seats = new Map<ScheduledRun, Seat>()
  readonly #accounts = new Map<RunKey, Account>()
  /** Those that hold lanes or have some on their way. */
  readonly #served = new Set<Seat>()
  /**
   * Those that want lanes and have none, whose turn is next first: there may be thousands, and only the first few matter. By what they
   * do with them: where all cores are taken, those that compute stand in nobody else's way.
   */
  readonly #waiting: Readonly<Record<StageKind, SortedList<Seat>>> = {
    COMPUTE: new SortedList<Seat>(byStageTurn),
    FETCH: new SortedList<Seat>(byStageTurn),
  }
  /** The others: they want none until they say so. */
  readonly #parked = new Set<Seat>()
  /** By priority, the least lane time that any run of those served has had: who comes (back) is not owed more than them. */
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
    const seat = new Seat(run, this.#accountOf(run))
    this.#seats.set(run, seat)
    if (run.want > 0) this.#wait(seat)
    else this.#park(seat)
    this.balance()
  }

  remove(run: ScheduledRun): void {
    const seat = this.#seats.get(run)
    if (!seat) return
    seat.endRest?.()
    this.#seats.delete(run)
    if (!this.#served.delete(seat) && !this.#parked.delete(seat)) this.#endWait(seat)
    const { account } = seat
    account.seats.delete(seat)
    if (account.seats.size === 0) this.#accounts.delete(run.key)
    else this.#noteRest(account)
    this.balance()
  }

  /** The run may want more or fewer lanes than before. */
  wantChanged(run: ScheduledRun): void {
    const seat = this.#seats.get(run)
    if (!seat) return
    if (this.#parked.has(seat) && run.want > 0) {
      this.#parked.delete(seat)
      this.#wait(seat)
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
    const { maxLanes, cores } = this.options
    const free = maxLanes - this.#starting - [...this.#served].reduce((sum, { run }) => sum + run.held, 0)
    // Whose turn it is gets the free lanes first, whoever came first.
    const served = Array.from(this.#served, (seat) => ({ seat, claim: this.#claimOf(seat) }))
    const places = [...served, ...this.#nextWaiting()]
    places.sort((a, b) => byStageTurn(a.claim, b.claim))
    const claims = places.map(({ claim }) => claim)
    const shares = allocateLanes(claims, { lanes: maxLanes, cores })
    let left = free
    places.forEach(({ seat }, at) => {
      left -= this.#moveTowards(seat, shares[at]!, left)
    })
    if (claims.some(({ want }, at) => want > 0 && shares[at] === 0)) this.#takeTurns()
  }

  /** Those of the runs that can get a lane at all, and of one more where there are more: it waits for its turn. */
  #nextWaiting(): { seat: Seat; claim: Claim }[] {
    const next: { seat: Seat; claim: Claim }[] = []
    const resting: Seat[] = []
    const consider = (seat: Seat): boolean => {
      const isResting = seat.run.want === 0
      if (isResting) resting.push(seat)
      if (isResting || seat.endRest || !this.#solos.admits(seat.run.key)) return false
      next.push({ seat, claim: toClaim(seat) })
      return true
    }
    // A run that has lanes may have them in another stage, wherever its waiting stages are in the order.
    const served = new Set(Array.from(this.#served, ({ account }) => account))
    for (const { waiting } of served) waiting.forEach(consider)
    for (const waiting of Object.values(this.#waiting)) {
      const runs = new Set<Account>()
      for (const seat of waiting) {
        if (runs.size > this.options.maxLanes) break
        if (!served.has(seat.account) && consider(seat)) runs.add(seat.account)
      }
    }
    for (const seat of resting) {
      this.#endWait(seat)
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
    for (const waiting of Object.values(this.#waiting)) for (const seat of waiting) if (note(seat)) break
    return { held, priority }
  }

  #accountOf({ key, priority }: ScheduledRun): Account {
    const known = this.#accounts.get(key)
    if (known) return known
    const servedMs = this.#levelMs.get(priority) ?? 0
    const account = { seats: new Set<Seat>(), waiting: new Set<Seat>(), servedMs, levelMs: 0, hasRested: false }
    this.#accounts.set(key, account)
    return account
  }

  #wait(seat: Seat): void {
    this.#waitingWith(seat).add(seat)
    seat.account.waiting.add(seat)
  }

  #waitingWith({ run }: Seat): SortedList<Seat> {
    return this.#waiting[run.workKind]
  }

  /** Whether it waited. */
  #endWait(seat: Seat): boolean {
    return seat.account.waiting.delete(seat) && this.#waitingWith(seat).remove(seat)
  }

  #park(seat: Seat): void {
    seat.hasRested = true
    this.#parked.add(seat)
    this.#noteRest(seat.account)
  }

  #noteRest(account: Account): void {
    for (const seat of account.seats) if (!this.#parked.has(seat)) return
    account.hasRested = true
  }

  #setServed(account: Account, servedMs: number): void {
    if (servedMs === account.servedMs) return
    // What the list is ordered by must not change in it.
    for (const seat of account.waiting) this.#waitingWith(seat).remove(seat)
    account.servedMs = servedMs
    for (const seat of account.waiting) this.#waitingWith(seat).add(seat)
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
    if (this.#endWait(seat)) this.#beginTurn(seat)
    seat.starting += 1
    this.#starting += 1
    const lane = await this.options.pool
      .acquire(run.laneKind, run.workKind)
      .catch((error: unknown) => this.#startFailed(seat, error))
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
    const { account } = seat
    if (account.hasRested) this.#setServed(account, Math.max(account.servedMs, this.#levelMs.get(seat.priority) ?? 0))
    account.hasRested = false
    if (seat.hasRested) seat.stageMs = Math.max(seat.stageMs, account.levelMs)
    seat.hasRested = false
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
    for (const { run, account } of served) this.#setServed(account, account.servedMs + run.held * passedMs)
    for (const seat of served) seat.stageMs += seat.run.held * passedMs
    // Who has had least is last.
    served.sort((a, b) => byStageTurn(b, a))
    for (const seat of served) {
      this.#levelMs.set(seat.priority, seat.servedMs)
      seat.account.levelMs = seat.stageMs
      if (seat.run.held > 0 || seat.starting > 0) continue
      this.#served.delete(seat)
      this.#wait(seat)
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

/**
 * Who has lanes keeps them for its turn, a run among the runs and a stage in its run: lanes that change hands all the time do little
 * else.
 */
function toClaim({ run, account, priority, servedMs, stageMs }: Seat): Claim {
  let heldByRun = 0
  for (const seat of account.seats) heldByRun += seat.run.held
  return {
    key: run.key,
    priority,
    want: run.want,
    computes: run.workKind === 'COMPUTE',
    servedMs: servedMs - heldByRun * TURN_MS,
    stageMs: stageMs - run.held * TURN_MS,
  }
}
