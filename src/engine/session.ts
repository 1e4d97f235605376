/** One lane, held by one stage of a run for a while: what it was granted, and what it has not reported yet. */

import type { Clock } from '../clock.js'
import type { TaskError } from '../domain/errors.js'
import type { InService, Lane } from '../lanes/lane.js'
import type { Grant, JobSpec, ResultBlock } from '../lanes/protocol.js'
import type { LaneWork, NotedLane } from './grant-notes.js'
import { Outstanding } from './outstanding.js'

/** How long after its time limit a task may still report by itself before its lane is ended. */
const TIMEOUT_GRACE_MS = 50
/** How long a cancelled lane gets to report before it is ended. */
export const CANCEL_GRACE_MS = 500

/** Why we ended the lane ourselves, or wanted it to end. */
export type KillReason = 'TIMEOUT' | 'CANCELLED'

export interface DeadLane {
  error: TaskError
  /** In service when it died. */
  inService: InService[]
  /** Granted and not reported, with the number of the attempt; those in service included. */
  unreported: ReadonlyMap<number, number>
  /** Null where it died of itself. */
  killedFor: KillReason | null
}

export interface SessionListener {
  onResults(session: LaneSession, block: ResultBlock): void
  /** See LaneListener.onWaiting. */
  onWaiting(session: LaneSession, busyShare: number | null): void
  onDeath(session: LaneSession, death: DeadLane): void
}

export class LaneSession {
  readonly #outstanding = new Outstanding()
  readonly #noted: NotedLane | null
  /** Those that were granted alone. */
  readonly #alone = new Set<number>()
  #cancelled = false
  #recalled = false
  #killedFor: KillReason | null = null
  #stopWatching: (() => void) | null = null
  #stopGrace: (() => void) | null = null
  /** No more is granted: the lane goes back once everything is reported. */
  retiring = false
  /** It ends what it has begun and gets no more, whatever others give back: the run goes on in another way. */
  isLast = false
  /** Its task must have the lane to itself: nothing more is granted until that has ended. */
  isSecluded = false
  /** Items on their way to the lane: they are being read. */
  filling = 0
  /** Whether the lane has done anything for this run. */
  hasReported = false

  constructor(
    readonly lane: Lane,
    readonly ordinal: number,
    private readonly job: JobSpec,
    private readonly options: {
      clock: Clock
      listener: SessionListener
      /** Has what is granted noted; left out where it cannot end the server, and where nobody would grant it again. */
      note?(work: LaneWork): NotedLane
    },
  ) {
    this.#noted =
      options.note?.({
        outstanding: () => this.#outstanding.stretches(),
        inService: () => this.inService(),
      }) ?? null
    lane.open(job, {
      onResults: (block) => this.#report(block),
      onWaiting: (busyShare) => options.listener.onWaiting(this, busyShare),
      onDeath: (error, inService) => this.#die(error, inService),
    })
  }

  get slots(): number {
    return this.job.slots
  }

  /** For one attempt of a task; null: none. */
  get timeoutMs(): number | null {
    return this.job.timeoutMs
  }

  /** Granted and not reported. */
  get outstanding(): number {
    return this.#outstanding.size
  }

  /** Granted and not reported, and on their way. */
  get claimed(): number {
    return this.#outstanding.size + this.filling
  }

  /** In service, as far as can be told without asking the lane. */
  get running(): number {
    return Math.min(this.#outstanding.size, this.job.slots)
  }

  /** Whether all that it was granted is in service, and nothing is on its way. */
  get isStill(): boolean {
    return this.claimed === 0 || (this.filling === 0 && this.inService().length === this.#outstanding.size)
  }

  /** Whether the lane can go back: a lane that we have ended is not for others. */
  get idle(): boolean {
    return this.claimed === 0 && this.#killedFor === null
  }

  /** Whether it has an item that was granted alone: nothing is to wait behind it. */
  get holdsAlone(): boolean {
    return this.#alone.size > 0
  }

  /** One item in a grant of its own, which is the lane's for good. */
  grantAlone(grant: Grant): void {
    this.#alone.add(grant.indexes?.[0] ?? grant.first)
    this.grant(grant)
  }

  /** With `onLoan` what has not started can be taken back. */
  grant(grant: Grant, onLoan = false): void {
    this.#outstanding.add(grant)
    this.#recalled = false
    // Before the lane has it: a moment later the server may be gone.
    this.#noted?.granted(grant)
    if (onLoan) this.lane.lend(grant)
    else this.lane.grant(grant)
    if (this.job.timeoutMs !== null) this.#watch(this.job.timeoutMs)
  }

  /** Takes back what was granted on loan and has not started: at once, whatever the lane does. Oldest grant first. */
  takeBack(): { grant: Grant; started: number }[] {
    const lent = this.lane.takeBack()
    for (const { grant, started } of lent) {
      for (let at = started; at < grant.count; at += 1)
        this.#outstanding.remove(grant.indexes?.[at] ?? grant.first + at)
    }
    if (this.#outstanding.size === 0) this.#stopTimers()
    return lent
  }

  /** It goes back, with nothing outstanding. */
  close(): void {
    this.#noted?.close()
  }

  inService(): InService[] {
    return this.lane.inService().filter(({ index }) => this.#outstanding.has(index))
  }

  /** For how long the task is in service that is there the longest, at `nowMs` (epoch milliseconds); null where there is none. */
  longestInServiceMs(nowMs: number): number | null {
    const [first, ...others] = this.inService()
    return first ? nowMs - others.reduce((since, { startedAt }) => Math.min(since, startedAt), first.startedAt) : null
  }

  /** Asks for what was handed out ahead, once for what was granted so far. */
  recall(): void {
    if (this.#recalled || this.#outstanding.size <= this.job.slots) return
    this.#recalled = true
    this.lane.recall()
  }

  /** Asks the lane to end early; a lane that does not listen is ended. */
  cancel(): void {
    if (this.#cancelled || this.#outstanding.size === 0) return
    this.#cancelled = true
    this.lane.cancel()
    this.#stopGrace = this.options.clock.setTimer(() => this.#kill('CANCELLED'), CANCEL_GRACE_MS)
  }

  #report(block: ResultBlock): void {
    if (block.job !== this.job.job) return
    const { indexes, count } = block.columns
    for (let at = 0; at < count; at += 1) this.#outstanding.remove(indexes[at]!)
    if (this.holdsAlone) for (let at = 0; at < count; at += 1) this.#alone.delete(indexes[at]!)
    if (this.#outstanding.size === 0) {
      this.#stopTimers()
      this.isSecluded = false
    }
    this.hasReported = true
    this.options.listener.onResults(this, block)
  }

  #die(error: TaskError, inService: InService[]): void {
    this.#stopTimers()
    const unreported = this.#outstanding.takeAll()
    const held = inService.filter(({ index }) => unreported.has(index))
    // Whatever ended it: nobody waited for its tasks any more.
    const killedFor = this.#killedFor ?? (this.#cancelled ? 'CANCELLED' : null)
    this.options.listener.onDeath(this, { error, inService: held, unreported, killedFor })
  }

  /** A task that never yields cannot be stopped from inside its lane. */
  #watch(timeoutMs: number): void {
    if (this.#stopWatching) return
    const everyMs = Math.min(Math.max(timeoutMs / 4, 10), 250)
    const look = () => {
      this.#stopWatching = null
      const latest = this.options.clock.epochMs() - timeoutMs - TIMEOUT_GRACE_MS
      if (this.inService().some(({ startedAt }) => startedAt < latest)) this.#kill('TIMEOUT')
      else this.#watch(timeoutMs)
    }
    this.#stopWatching = this.options.clock.setTimer(look, everyMs)
  }

  #kill(reason: KillReason): void {
    if (this.#killedFor !== null) return
    this.#killedFor = reason
    this.lane.kill()
  }

  #stopTimers(): void {
    this.#stopWatching?.()
    this.#stopGrace?.()
    this.#stopWatching = null
    this.#stopGrace = null
  }
}
