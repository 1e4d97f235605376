/**
 * A few tasks that are tried for a plan. They wait for a lane, and for room under the limit of fetches, as those of runs do; what
 * they come to is written down nowhere.
 */

import { randomUUID } from 'node:crypto'
import type { Clock } from '../clock.js'
import { type RunKey, toRunKey } from '../domain/ids.js'
import type { LaneKind, StageKind } from '../domain/strategy.js'
import type { InService, Lane } from '../lanes/lane.js'
import type { Grant, JobSpec, ResultBlock } from '../lanes/protocol.js'
import { Alarm } from './alarm.js'
import { Demand } from './demand.js'
import type { FetchBudget } from './fetch-budget.js'
import type { ScheduledRun, Scheduler } from './scheduler.js'
import { type DeadLane, LaneSession, type SessionListener } from './session.js'
import { Sessions } from './sessions.js'

/** Where the items of a probe come from, and what becomes of them. */
export interface Feed {
  /** Items that could be handed out now. */
  readonly ready: number
  /** When more may be ready, by the monotonic clock; null: with what comes back, or never. */
  readonly dueMs: number | null
  /** Nothing more is to be handed out, now or later. */
  readonly isOver: boolean
  /** The next ones; asked for while some are ready. */
  next(): Grant
  results(block: ResultBlock): void
  waits(busyShare: number | null): void
  /** The lane has died of what it did, or a task was past its time. */
  died(death: DeadLane): void
  /** The probe ends, and these are in service. */
  unfinished(tasks: readonly InService[]): void
}

export interface ProbeWork {
  kind: StageKind
  priority: number
  laneKind: LaneKind
  job: Omit<JobSpec, 'job'>
  feed: Feed
}

export interface ProbeSetting {
  clock: Clock
  scheduler: Pick<Scheduler, 'add' | 'remove' | 'wantChanged' | 'release'>
  fetches: FetchBudget
  nextJob(): number
}

export class ProbeRun implements ScheduledRun, SessionListener {
  readonly key: RunKey = toRunKey(randomUUID())
  readonly #sessions: Sessions
  readonly #demand: Demand
  /** Rings when more may be ready. */
  readonly #due: Alarm
  #settle: (failure: string | null) => void = () => {}
  #goesOn = true
  #ended = false
  #failure: string | null = null

  constructor(
    private readonly setting: ProbeSetting,
    private readonly work: ProbeWork,
  ) {
    const { kind, priority, laneKind, job, feed } = work
    this.#sessions = new Sessions({
      mayStay: (session) => this.#goesOn && !session.retiring && feed.ready > 0,
      release: (lane) => this.#release(lane),
    })
    this.#demand = new Demand({
      key: this.key,
      kind,
      priority,
      plan: { strategy: 'ASYNC', laneKind, lanes: 1, concurrency: job.slots },
      pending: {
        get ready() {
          return feed.ready
        },
      },
      sessions: this.#sessions,
      fetches: setting.fetches,
      goesOn: () => this.#goesOn,
      pump: () => this.#pump(),
      onWantChanged: () => setting.scheduler.wantChanged(this),
    })
    this.#due = new Alarm(setting.clock, () => this.#changed())
  }

  get priority(): number {
    return this.work.priority
  }

  get laneKind(): LaneKind {
    return this.work.laneKind
  }

  get workKind(): StageKind {
    return this.work.kind
  }

  get want(): number {
    return this.#demand.want
  }

  get held(): number {
    return this.#sessions.size
  }

  /** Resolves when nothing of it is in any lane any more: with why no lane was to be had, or null. Never rejects. */
  run(): Promise<string | null> {
    return new Promise((resolve) => {
      this.#settle = resolve
      this.setting.scheduler.add(this)
      this.#demand.changed()
      this.#changed()
    })
  }

  /** Ends what is in service; a lane that does not let go of it is ended. */
  stop(): void {
    if (!this.#goesOn) return
    this.#goesOn = false
    this.work.feed.unfinished([...this.#sessions].flatMap((session) => session.inService()))
    this.#sessions.cancel()
    this.#changed()
  }

  /** More may be ready than before. */
  look(): void {
    this.#changed()
  }

  expectLane(): boolean {
    return this.#demand.expectLane()
  }

  missLane(): void {
    this.#demand.missLane()
  }

  attach(lane: Lane): void {
    this.#demand.laneCame()
    const { clock, nextJob } = this.setting
    const job = { ...this.work.job, job: nextJob() }
    const session = new LaneSession(lane, 0, job, { clock, listener: this })
    this.#sessions.add(session)
    this.#pump()
    this.#demand.noteLanes()
    this.#changed()
  }

  retire(count: number): void {
    this.#sessions.retire(count, this.setting.clock.epochMs())
  }

  giveUp(reason: string): void {
    this.#failure = reason
    this.#goesOn = false
    this.#changed()
  }

  onResults(_session: LaneSession, block: ResultBlock): void {
    this.work.feed.results(block)
    this.#changed()
    this.#demand.offer()
  }

  onWaiting(_session: LaneSession, busyShare: number | null): void {
    this.work.feed.waits(busyShare)
  }

  onDeath(session: LaneSession, death: DeadLane): void {
    if (death.killedFor !== 'CANCELLED') this.work.feed.died(death)
    this.#sessions.remove(session)
    this.#changed()
  }

  #pump(): void {
    const { feed, kind } = this.work
    for (const session of this.#sessions) {
      while (this.#goesOn && !session.retiring && feed.ready > 0) {
        if (kind === 'FETCH' && this.#demand.fetchRoom().room <= 0) break
        session.grant(feed.next())
      }
    }
  }

  /** Something is there, has ended, or is due: what follows from it. */
  #changed(): void {
    if (this.#ended) return
    const { feed } = this.work
    this.#pump()
    this.#sessions.settleAll()
    const isOver = !this.#goesOn || feed.isOver
    this.#due.set(isOver ? null : feed.dueMs)
    this.#demand.changed()
    if (!isOver || this.#sessions.size > 0) return
    this.#goesOn = false
    this.#ended = true
    this.#demand.changed()
    this.setting.scheduler.remove(this)
    this.#settle(this.#failure)
  }

  #release(lane: Lane): void {
    this.setting.scheduler.release(lane)
    this.#demand.noteLanes()
  }
}
