/** Hands a stage's items to the lanes that it holds: how many at a time, and with which inputs. */

import type { Clock } from '../clock.js'
import type { StageSpec } from '../domain/batch.js'
import { ChunkSizer } from '../domain/chunking.js'
import type { TaskError } from '../domain/errors.js'
import { Outcome, type ResultColumns } from '../domain/results.js'
import type { Execution } from '../domain/strategy.js'
import type { FetchRoom } from './fetch-budget.js'
import type { SecludingSupply } from './secluding-supply.js'
import type { LaneSession } from './session.js'
import type { Sessions } from './sessions.js'
import { MAX_UNREADABLE_MS, REREAD_MS, unreadable } from './source-reader.js'
import type { Batch } from './supply.js'

/** Computes longer than this are not handed out ahead: an idle lane elsewhere would have to wait for them. */
const LONG_TASK_MS = 20
/** Of fetches a lane gets what it ends in this time ahead: until its results are here and the next ones there. */
const AHEAD_MS = 80
/** And at most this many for each slot. */
const MAX_AHEAD = 64

/** Until a lane that has not begun with its first item is looked at again. */
const WAKE_UP_MS = 5

/** Where the inputs of items come from that are not handed out with them already. */
export interface InputReading {
  /** The inputs of these items; of long ones not all may come, but one at least. */
  read(indexes: readonly number[]): Promise<ReadonlyMap<number, unknown>>
  /** Whether it may be that not all come: a list has all of its items. */
  isPartial: boolean
}

interface Options {
  stage: StageSpec
  /** As asked for; null: none. */
  concurrency: number | null
  /** Null where the lanes know the inputs by themselves. */
  inputs: InputReading | null
  plan: Execution
  pending: Pick<SecludingSupply, 'ready' | 'secluded' | 'mayWaitInLane' | 'take' | 'started' | 'giveBack' | 'delay'>
  clock: Clock
  fetchRoom(): FetchRoom
  /** Whether what is handed out is to be on loan: there is one lane, and there may soon be others. */
  lends(): boolean
  /** Lanes that the run holds now. */
  sessions: Sessions
  /** Whether the lane may still have what was read for it. */
  mayGrant(session: LaneSession): boolean
  /** Inputs have been read, and the lane has them or they are pending again. */
  onFilled(session: LaneSession): void
  onUnreadable(error: TaskError): void
}

export class Granter {
  readonly #sizer: ChunkSizer
  readonly #isFetch: boolean
  /** Mean service time of the last block; infinite before there is one. */
  #taskMs = Number.POSITIVE_INFINITY
  /** Methods other than GET, of items that were granted. */
  readonly #methods = new Map<number, string>()
  /** Lanes that are looked at again soon. */
  readonly #wakingUp = new Set<LaneSession>()
  #unreadableSinceMs: number | null = null
  #reading = 0

  constructor(private readonly options: Options) {
    const { stage } = options
    this.#isFetch = stage.kind === 'FETCH'
    this.#sizer = new ChunkSizer(stage.kind === 'COMPUTE' ? stage.chunkSize : null)
  }

  /** Items that are being read: neither pending nor granted. */
  get reading(): number {
    return this.#reading
  }

  /** Of the request of an item that was granted. */
  methodOf(index: number): string {
    return this.#methods.get(index) ?? 'GET'
  }

  /** Their tasks have ended, or are pending again and will be read again. */
  forget(columns: ResultColumns): void {
    if (this.#methods.size === 0) return
    for (let at = 0; at < columns.count; at += 1) this.#methods.delete(columns.indexes[at]!)
  }

  /**
   * A lane could not read its items: they are to wait until the answer, by the monotonic clock. Where that goes on for long the
   * run gives up.
   */
  postpone(reason: string): number {
    const nowMs = this.options.clock.monotonicMs()
    this.#noteUnreadable(nowMs, reason)
    return nowMs + REREAD_MS
  }

  /** Grants as much as the lane has room for; items that are read here follow when they have been. */
  fill(session: LaneSession): void {
    // What goes alone leaves room for more; while an input is being read nothing else is.
    while (this.#fillOnce(session)?.isAlone && session.filling === 0);
  }

  #fillOnce(session: LaneSession): Batch | null {
    const { pending, inputs } = this.options
    // What must have a lane to itself waits until one has come to its end, and so do the others.
    if (session.isSecluded || (pending.secluded > 0 && session.claimed > 0)) return null
    const slots = session.slots - session.claimed
    const most = this.#isFetch ? this.#fetchRoom(session) : this.#computeRoom(session)
    const room = session.holdsAlone ? Math.min(most, slots) : most
    const batch = room > 0 ? pending.take(room, slots) : null
    if (!batch) return null
    if (batch.inputs) this.#grantRead(session, batch, batch.inputs)
    else if (inputs) void this.#grantListed(session, batch, inputs)
    else this.#grant(session, batch, null)
    return batch
  }

  #grant(session: LaneSession, { isAlone, isSecluded, ...batch }: Batch, inputs: unknown[] | null): void {
    if (isSecluded) session.isSecluded = true
    if (isAlone) session.grantAlone({ ...batch, inputs })
    else session.grant({ ...batch, inputs }, this.options.lends())
  }

  /** Learns from what has ended how long tasks take. */
  observe(columns: ResultColumns): void {
    let totalMs = 0
    let count = 0
    for (let at = 0; at < columns.count; at += 1) {
      if (columns.outcomes[at] === Outcome.NOT_STARTED) continue
      totalMs += columns.serviceMs[at]!
      count += 1
    }
    if (count === 0) return
    this.#unreadableSinceMs = null
    this.#taskMs = totalMs / count
    this.#sizer.observe(count, totalMs)
  }

  #fetchRoom(session: LaneSession): number {
    const { fetchRoom, pending, sessions } = this.options
    if (!pending.mayWaitInLane && isWakingUp(session)) {
      this.#lookAgain(session)
      return 0
    }
    const { room, isScarce } = fetchRoom()
    const claimed = Math.min(session.claimed, session.slots)
    const evenShare = Math.ceil((sessions.claimed + room) / Math.max(1, sessions.size))
    const free = Math.min(room, evenShare - claimed)
    if (free < session.slots - claimed || isScarce || !pending.mayWaitInLane)
      return Math.min(free, session.slots - session.claimed)
    return session.slots + this.#fetchesAhead(session) - session.claimed
  }

  /** Once for all that would have been handed to it meanwhile. */
  #lookAgain(session: LaneSession): void {
    const { clock, pending, onFilled } = this.options
    if (this.#wakingUp.has(session)) return
    this.#wakingUp.add(session)
    clock.setTimer(() => {
      this.#wakingUp.delete(session)
      const started = session.inService()
      pending.started({
        indexes: Float64Array.from(started, ({ index }) => index),
        startedAt: Float64Array.from(started, ({ startedAt }) => startedAt),
      })
      onFilled(session)
    }, WAKE_UP_MS)
  }

  /**
   * Some more than fit, so that a slot that becomes free has its next item there: of short ones a lane ends several times its
   * slots between two messages. A single lane gets some of whatever length, to the end. Several share what is left, and get
   * nothing ahead of what takes long or was never seen: it would wait for one lane's slots while another lane is idle.
   */
  #fetchesAhead({ slots }: LaneSession): number {
    const { pending, plan } = this.options
    const ahead = Math.floor(slots * Math.min(MAX_AHEAD, AHEAD_MS / this.#taskMs))
    if (plan.lanes === 1) return Math.min(Math.max(ahead, slots >> 1), pending.ready)
    return Math.min(ahead, Math.floor(pending.ready / (2 * plan.lanes)))
  }

  #computeRoom(session: LaneSession): number {
    const { pending, plan, sessions, concurrency } = this.options
    if (this.options.lends()) return this.#loanRoom(session)
    const chunk = this.#sizer.next({ remaining: pending.ready, lanes: plan.lanes })
    const ahead = this.#taskMs < LONG_TASK_MS && pending.ready > 4 * plan.concurrency ? chunk : 0
    // A lane is filled up in whole chunks: a message for each task is what chunks are there to avoid.
    if (session.claimed > ahead && session.claimed >= session.slots) return 0
    const room = Math.max(session.slots, chunk) + ahead - session.claimed
    if (sessions.leaving === 0) return room
    // What a lane of the plan before still has in service is in flight as well; threads are not to stand idle for it, unless
    // somebody asked for a limit.
    const isLimited = plan.strategy === 'ASYNC' || concurrency !== null
    return isLimited ? Math.min(room, plan.concurrency - sessions.claimed) : room
  }

  #loanRoom({ claimed }: LaneSession): number {
    const { lent } = this.#sizer
    return claimed > lent ? 0 : 2 * lent - claimed
  }

  #grantRead(session: LaneSession, batch: Batch, inputs: unknown[]): void {
    if (this.#isFetch && batch.indexes) this.#noteMethods(batch.indexes, inputs)
    this.#grant(session, batch, inputs)
  }

  async #grantListed(session: LaneSession, batch: Batch, reading: InputReading): Promise<void> {
    const { mayGrant, onFilled, lends } = this.options
    const onLoan = lends()
    const indexes = batch.indexes ?? Array.from({ length: batch.count }, (_, at) => batch.first + at)
    session.filling = batch.count
    this.#reading += batch.count
    const items = await reading.read(indexes).catch((error: unknown) => this.#reread(batch, indexes, error))
    session.filling = 0
    this.#reading -= batch.count
    if (items) {
      this.#unreadableSinceMs = null
      const read = reading.isPartial ? this.#keepRead(batch, indexes, items) : { batch, indexes }
      const inputs = read.indexes.map((index) => items.get(index) ?? null)
      if (this.#isFetch) this.#noteMethods(read.indexes, inputs)
      // For a loan much more is read than a lane is to have for good.
      if (mayGrant(session) && lends() === onLoan) this.#grant(session, read.batch, inputs)
      else this.#giveBack(read.batch, read.indexes)
    }
    onFilled(session)
  }

  /** Of long lines only the first come at a time: the others are read later. */
  #keepRead(
    batch: Batch,
    indexes: readonly number[],
    items: ReadonlyMap<number, unknown>,
  ): { batch: Batch; indexes: readonly number[] } {
    if (items.size >= indexes.length) return { batch, indexes }
    const attempts = indexes.map((_, at) => batch.attempts?.[at] ?? 1)
    // What is given back last is handed out first: they keep their order.
    for (let at = indexes.length - 1; at >= 0; at -= 1) {
      if (!items.has(indexes[at]!)) this.options.pending.giveBack(indexes[at]!, attempts[at]!)
    }
    const read = indexes.filter((index) => items.has(index))
    const theirAttempts = attempts.filter((_, at) => items.has(indexes[at]!))
    return {
      batch: { first: read[0]!, count: read.length, indexes: read, attempts: theirAttempts },
      indexes: read,
    }
  }

  /** Items that could not be read wait for another try, or the run gives up. */
  #reread(batch: Batch, indexes: readonly number[], error: unknown): null {
    const { clock, pending } = this.options
    const nowMs = clock.monotonicMs()
    indexes.forEach((index, at) => {
      pending.delay(index, batch.attempts?.[at] ?? 1, nowMs + REREAD_MS)
    })
    this.#noteUnreadable(nowMs, error instanceof Error ? error.message : String(error))
    return null
  }

  #noteUnreadable(nowMs: number, reason: string): void {
    this.#unreadableSinceMs ??= nowMs
    if (nowMs - this.#unreadableSinceMs >= MAX_UNREADABLE_MS) this.options.onUnreadable(unreadable(reason))
  }

  #giveBack(batch: Batch, indexes: readonly number[]): void {
    indexes.forEach((index, at) => {
      this.options.pending.giveBack(index, batch.attempts?.[at] ?? 1)
    })
  }

  #noteMethods(indexes: readonly number[], inputs: readonly unknown[]): void {
    inputs.forEach((input, at) => {
      if (typeof input !== 'object' || input === null) return
      const { method } = input as { method?: unknown }
      if (typeof method === 'string' && method !== 'GET') this.#methods.set(indexes[at]!, method)
    })
  }
}

/** A new lane loads its code first: what it was handed for one moment, and the next, would all start in a third. */
function isWakingUp(session: LaneSession): boolean {
  return !session.hasReported && session.claimed > 0 && session.inService().length === 0
}
