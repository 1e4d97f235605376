/** Fetches in flight over all runs: never more than allowed, shared fairly, and every run has its turn. */

import type { RunKey } from '../domain/ids.js'
import { SortedList } from './sorted-list.js'

/** A run that fetches. */
export interface FetchingRun {
  /** The run that it is, or is a part of. */
  readonly key: RunKey
  readonly priority: number
  /** Lanes that it holds. */
  readonly held: number
  /** Fetches that it may have in flight now. */
  readonly claimed: number
  /** Those, and what else it could have in flight, if it had the lanes. */
  readonly wanted: number
  /** Of those, what the lanes that it has, and those on their way, can have in flight. */
  readonly usable: number
  /** Takes what there is room for. */
  pump(): void
  /** Has given back what it was handed ahead of that. */
  recall(): void
  /** It may ask for a lane now, or may no more. */
  admissionChanged(): void
}

export interface FetchRoom {
  /** How many more a run may have in flight; negative where it has more than its share. */
  room: number
  /** Whether there is not enough for all: what is handed out ahead would keep others from their turn. */
  isScarce: boolean
}

interface Place {
  run: FetchingRun
  /** Who came first has the lowest. */
  order: number
}

interface Options {
  maxInFlight: number
  /** Lanes that all runs hold together. */
  maxLanes: number
}

/**
 * A run that finds no room is to hold no lane meanwhile, so there are two things to wait for, and the order is: first room,
 * then a lane. A run without a lane stands in line. The first of the line are admitted while there is room: they may ask
 * the scheduler for a lane. Once it is their turn there, a fetch is kept free for them until the lane has come.
 */
export class FetchBudget {
  /** They hold lanes. Who was given something last is last. */
  readonly #members = new Set<FetchingRun>()
  /** A lane is on its way to them, and a fetch is kept free for each. */
  readonly #expecting = new Set<FetchingRun>()
  /** The others that have something to fetch: by priority, then as they came. */
  readonly #line = new SortedList<Place>((a, b) => b.run.priority - a.run.priority || a.order - b.order)
  readonly #places = new Map<FetchingRun, Place>()
  /** The first of the line. */
  #admitted: ReadonlySet<FetchingRun> = new Set()
  /**
   * How many are admitted. They remain so when members take up the room: they do at once where no lane is free, and a run
   * that wanted a lane only while there is room would never have its turn.
   */
  #open = 0
  /** A lane had to be turned down, as there was no room when it could be had: the next free fetch is the line's. */
  #isOwed = false
  /** The members want more than there is. */
  #isShort = false
  #lastOrder = 0
  #offering = false
  /** The run that has all room to itself; null: nobody has. */
  #alone: RunKey | null = null

  constructor(private readonly options: Options) {}

  /** From now on nobody else takes part than the run that has all lanes to itself; null: everybody does. No run holds a lane now. */
  isolate(run: RunKey | null): void {
    this.#alone = run
    this.#isOwed = false
    this.#open = 0
    this.#admit()
    this.offer()
  }

  /** To be called whenever the run may have come by a lane or lost the last one, or by something to fetch. */
  note(run: FetchingRun): void {
    const isMember = run.held > 0
    const waits = !isMember && run.wanted > 0
    const wasMember = this.#members.has(run)
    const wasExpecting = this.#expecting.has(run)
    const wasInLine = this.#places.has(run)
    if (isMember) this.#members.add(run)
    else this.#members.delete(run)
    if (!waits) this.#expecting.delete(run)
    if (!waits) this.#leaveLine(run)
    else if (!wasExpecting) this.#enterLine(run)
    const comes = (isMember && !wasMember) || (waits && !wasInLine && !wasExpecting)
    const wasShort = this.#isShort
    this.#isShort = this.#wantedByMembers > this.options.maxInFlight
    // A member may want more than before, too: the back-off of what had failed is over.
    if (comes || (this.#isShort && !wasShort)) this.#makeWayFor(run)
    // What one of the line has taken, the next ones do not ask for any more.
    if (isMember && wasExpecting) this.#open = Math.min(this.#open, Math.max(0, this.#free))
    this.#admit()
    if (!isMember && (wasMember || (wasExpecting && !waits))) this.offer()
  }

  /**
   * The run is about to be given a lane: answers whether there is anything to do on it. If so, that stays until the run
   * holds the lane, or misses it.
   */
  expect(run: FetchingRun): boolean {
    if (!this.#places.has(run)) return true
    const hasRoom = this.roomFor(run).room > 0
    this.#isOwed = !hasRoom
    if (hasRoom) {
      this.#expecting.add(run)
      this.#leaveLine(run)
    } else {
      this.#open = 0
    }
    this.#admit()
    return hasRoom
  }

  /** The lane that it was to have does not come: others have a try first. */
  miss(run: FetchingRun): void {
    if (!this.#expecting.delete(run)) return
    this.note(run)
    this.offer()
  }

  /** Whether a run without a lane may ask for one: it is to have something to do on it, by the time that it comes. */
  mayAsk(run: FetchingRun): boolean {
    return this.#admitted.has(run) || this.#expecting.has(run)
  }

  /** Runs of higher priority have theirs first; those of one priority share what is left. */
  roomFor(run: FetchingRun): FetchRoom {
    const { above, equals } = this.#claimsBeside(run)
    const kept = this.#expecting.has(run) ? 1 : 0
    const owed = this.#members.has(run) && this.#owes(run) ? 1 : 0
    const share = levelOf([...equals, run.wanted], Math.max(0, this.options.maxInFlight - above))
    const room = Math.min(this.#free + kept - owed, Math.max(kept, share) - run.claimed)
    return { room, isScarce: this.#isScarce(run, above, equals) }
  }

  /** What the others could have in flight: all of higher priority together, and each of the same one. */
  #claimsBeside(run: FetchingRun): { above: number; equals: number[] } {
    let above = 0
    const equals: number[] = []
    for (const runs of [this.#members, this.#expecting]) {
      for (const other of runs) {
        if (other === run) continue
        if (other.priority > run.priority) above += other.usable
        else if (other.priority === run.priority) equals.push(other.usable)
      }
    }
    return { above, equals }
  }

  /** Whether the next free fetch is not this run's but the line's. */
  #owes(run: FetchingRun): boolean {
    const first = this.#isOwed ? this.#first : null
    return first !== null && first.run.priority >= run.priority
  }

  /** There may be room: soon, once for all changes of this turn of the event loop, each run takes its part. */
  offer(): void {
    if (this.#offering) return
    this.#offering = true
    queueMicrotask(() => {
      this.#offering = false
      for (const run of [...this.#members]) this.#offerTo(run)
    })
  }

  #offerTo(run: FetchingRun): void {
    const before = run.claimed
    run.pump()
    if (run.claimed <= before || !this.#members.delete(run)) return
    this.#members.add(run)
  }

  /** What the others were handed ahead while there was enough for all would be fetched before this one has its share. */
  #makeWayFor(run: FetchingRun): void {
    const wanted = this.#wantedByMembers + (this.#members.has(run) ? 0 : run.wanted)
    if (wanted <= this.options.maxInFlight) return
    for (const other of this.#members) if (other !== run && other.priority <= run.priority) other.recall()
  }

  get #wantedByMembers(): number {
    let sum = 0
    for (const { usable } of this.#members) sum += usable
    return sum
  }

  /** Those in line that take part, in their order. */
  get #inLine(): Iterable<Place> {
    if (this.#alone === null) return this.#line
    return [...this.#line].filter(({ run }) => run.key === this.#alone)
  }

  get #first(): Place | null {
    const [first] = this.#inLine
    return first ?? null
  }

  #enterLine(run: FetchingRun): void {
    if (this.#places.has(run)) return
    this.#lastOrder += 1
    const place = { run, order: this.#lastOrder }
    this.#places.set(run, place)
    this.#line.add(place)
  }

  #leaveLine(run: FetchingRun): void {
    const place = this.#places.get(run)
    if (!place) return
    this.#places.delete(run)
    this.#line.remove(place)
    if (this.#admitted.has(run)) this.#open -= 1
    if (!this.#isOwed || this.#first !== null) return
    this.#isOwed = false
    this.offer()
  }

  /** What nobody has in flight, and nobody is to have. */
  get #free(): number {
    let free = this.options.maxInFlight - this.#expecting.size
    for (const { claimed } of this.#members) free -= claimed
    return free
  }

  #admit(): void {
    const waiting = this.#places.size
    if (waiting === 0 && this.#admitted.size === 0) return
    const first = this.#first
    const free = first && this.roomFor(first.run).room > 0 ? this.#free : 0
    this.#open = Math.min(Math.max(this.#open, free), this.options.maxLanes, waiting)
    const before = this.#admitted
    const admitted = new Set<FetchingRun>()
    for (const { run } of this.#inLine) {
      if (admitted.size >= this.#open) break
      admitted.add(run)
    }
    this.#admitted = admitted
    for (const run of before) if (!admitted.has(run) && this.#places.has(run)) run.admissionChanged()
    for (const run of admitted) if (!before.has(run)) run.admissionChanged()
  }

  /** Those in line count as one, and only while it is room that they wait for: they are often more than lanes. */
  #isScarce(run: FetchingRun, above: number, equals: readonly number[]): boolean {
    const first = this.#open === 0 ? this.#first : null
    const waiting = first && first.run !== run && first.run.priority >= run.priority ? first.run.wanted : 0
    const beside = equals.reduce((sum, one) => sum + one, above + waiting)
    return beside > 0 && beside + run.wanted > this.options.maxInFlight
  }
}

/** What each may have: max-min fair, so that what one does not want goes to the others. */
function levelOf(wants: readonly number[], capacity: number): number {
  let left = capacity
  let sharing = wants.length
  for (const wanted of [...wants].sort((a, b) => a - b)) {
    // Rounded up: the last ones then wait for their turn, but nothing is left unused.
    if (wanted * sharing > left) return Math.ceil(left / sharing)
    left -= wanted
    sharing -= 1
  }
  return capacity
}
