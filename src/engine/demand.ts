/** What a stage of a run asks for: lanes of the scheduler, and room of the fetch budget where it fetches. */

import type { RunKey } from '../domain/ids.js'
import type { Execution, StageKind } from '../domain/strategy.js'
import type { FetchBudget, FetchingRun, FetchRoom } from './fetch-budget.js'
import type { Sessions } from './sessions.js'
import type { Supply } from './supply.js'

interface Options {
  key: RunKey
  kind: StageKind
  priority: number
  plan: Execution
  pending: Pick<Supply, 'ready'>
  sessions: Sessions
  fetches: FetchBudget
  /** Whether anything more is to be handed out. */
  goesOn(): boolean
  /** Takes what there is room for. */
  pump(): void
  /** More or fewer lanes may be wanted than before. */
  onWantChanged(): void
}

export class Demand implements FetchingRun {
  readonly #isFetch: boolean
  /** Lanes on their way. */
  #expected = 0

  constructor(private readonly options: Options) {
    this.#isFetch = options.kind === 'FETCH'
  }

  get key(): RunKey {
    return this.options.key
  }

  get priority(): number {
    return this.options.priority
  }

  get held(): number {
    return this.options.sessions.size
  }

  get claimed(): number {
    return this.options.sessions.claimed
  }

  get wanted(): number {
    const { plan, pending, goesOn } = this.options
    return goesOn() ? Math.min(plan.concurrency, this.claimed + pending.ready) : this.claimed
  }

  get usable(): number {
    const { plan, sessions } = this.options
    const onTheWay = this.#expected * Math.ceil(plan.concurrency / plan.lanes)
    return Math.max(this.claimed, Math.min(this.wanted, sessions.slots + onTheWay))
  }

  /** Lanes that the run could use now, those it holds included. */
  get want(): number {
    const { plan, sessions, goesOn } = this.options
    if (!goesOn()) return sessions.size
    const { leaving } = sessions
    const busy = sessions.busy - leaving
    // What other runs leave room for costs more to tell.
    return leaving + (busy >= plan.lanes ? plan.lanes : Math.min(plan.lanes, busy + this.#beyondBusy))
  }

  /** Items that could be handed out now to lanes that the run holds. */
  get grantable(): number {
    const { ready } = this.options.pending
    return this.#isFetch && ready > 0 ? Math.min(ready, this.fetchRoom().room) : ready
  }

  fetchRoom(): FetchRoom {
    return this.options.fetches.roomFor(this)
  }

  pump(): void {
    this.options.pump()
  }

  recall(): void {
    this.options.sessions.recall()
  }

  admissionChanged(): void {
    this.options.onWantChanged()
  }

  /**
   * To be called after whatever may have changed what is asked for. The scheduler looks first: where a lane is free, a run
   * that has waited in line takes the room; else those that have lanes take it up.
   */
  changed(): void {
    this.options.onWantChanged()
    this.noteLanes()
  }

  /** To be called where the run has come by a lane, or lost one. */
  noteLanes(): void {
    if (this.#isFetch) this.options.fetches.note(this)
  }

  /** Some of its items have ended: there may be room, for others too. */
  offer(): void {
    if (this.#isFetch) this.options.fetches.offer()
  }

  expectLane(): boolean {
    const hasUse = !this.#isFetch || this.options.fetches.expect(this)
    if (hasUse) this.#expected += 1
    return hasUse
  }

  laneCame(): void {
    this.#expected -= 1
  }

  missLane(): void {
    this.#expected -= 1
    if (this.#isFetch && this.#expected === 0) this.options.fetches.miss(this)
  }

  /** Items that could be handed out now, less those that the lanes take which have something to do. */
  get #beyondBusy(): number {
    const { pending, sessions, fetches } = this.options
    if (!this.#isFetch || pending.ready === 0) return pending.ready
    if (sessions.size > 0) return Math.max(0, this.grantable - sessions.freeSlots)
    return fetches.mayAsk(this) ? Math.max(1, this.grantable) : 0
  }
}
