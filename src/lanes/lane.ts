/**
 * The contract of a lane: what tasks run on. A lane is an event loop of its own, in a worker thread or a child
 * process. It serves one job at a time (a run's stage) and keeps up to `slots` tasks in service.
 *
 * Life: `LanePool.acquire` gives an idle lane, `open` names the job, `grant` hands over items, `onResults` brings back
 * what ended, and `LanePool.release` takes the lane back once everything granted has been reported. A lane that dies or
 * is killed says so once, through `onDeath`; what was granted and not reported is then the caller's again.
 */

import type { TaskError } from '../domain/errors.js'
import type { LaneKind, StageKind } from '../domain/strategy.js'
import type { LaneMeasures } from '../domain/strategy-cost.js'
import type { Grant, JobSpec, LaneWork, ResultBlock } from './protocol.js'

/** A task in service in a lane, readable even while the lane is busy, stuck, or dead. */
export interface InService {
  index: number
  attempt: number
  /** Epoch milliseconds, with fractions. */
  startedAt: number
  /** From 0 to 1, what its function said last; null for one that has said nothing, and for fetches. */
  progress: number | null
}

export interface LaneListener {
  /** Results arrive as tasks end, many in a block; each granted item is reported once. */
  onResults(block: ResultBlock): void
  /**
   * Of a job that asks for it (JobSpec.tellsWaiting): a task has left the event loop to others, and has not ended. Once as soon as
   * it has, without a share, and then how much of its time until then its event loop was busy: a moment later, and again where
   * that was much.
   */
  onWaiting(busyShare: number | null): void
  /**
   * The lane is gone. `inService` is what it was doing, without what is known to have had no part in its end; the error says why:
   * LANE_DIED or OUT_OF_MEMORY.
   */
  onDeath(error: TaskError, inService: InService[]): void
}

export interface Lane {
  /** Such as `thread-1`: unique among the server's lanes alive. */
  readonly name: string
  readonly kind: LaneKind
  /** Names the job of the grants to come. The former job must have been reported whole. */
  open(job: JobSpec, listener: LaneListener): void
  grant(grant: Grant): void
  /** As grant, but what has not started may be taken back at once. Threads only: of others all is the lane's. */
  lend(grant: Grant): void
  /** Takes back what has not started of what was lent; answers with how many items of the end of each such grant that is. */
  takeBack(): { grant: Grant; started: number }[]
  /** Asks for what has not started: it is reported as not started, and what is in service goes on. */
  recall(): void
  /** Asks the lane to end the job early: what is in service is aborted and reported CANCELLED, what has not started is reported as not started. */
  cancel(): void
  /** What is in service now. */
  inService(): InService[]
  /** Ends the lane at once, whatever it does. `onDeath` follows. */
  kill(): void
}

export interface LaneStatus {
  lane: string
  kind: LaneKind
  busy: boolean
  tasksDone: number
  /** Resident memory of its own; null where it is not known. */
  memoryMb: number | null
}

/** What lanes of one kind cost on this machine. */
export interface LaneCosts {
  /** From its start until it can take jobs, the shortest that was seen; null where none has been started yet. */
  startMs: number | null
  /** A message there and its answer back, the shortest that was seen; null where none has been started yet. */
  roundTripMs: number | null
  /** Lanes that are there and idle, and those that are being warmed. */
  idle: number
}

/** The lanes of one server. */
export interface LanePool {
  /**
   * A lane of this kind, warm if there is one, best one that has done such work before; started if there is none. Rejects when the
   * pool is closed or the lane cannot start.
   */
  acquire(kind: LaneKind, work?: StageKind): Promise<Lane>
  /** There may soon be a use for so many: those that are not there are started, unless all that there may be are. */
  warm(kind: LaneKind, count: number): void
  /**
   * Sees that so many lanes are there and idle, have all of this at hand, and no connection open: what they run next begins with
   * its tasks, and finds what the run before it found. For whoever has the lanes to itself. Resolves when they are; rejects where one
   * cannot be had.
   */
  prepare(kind: LaneKind, count: number, works: readonly LaneWork[]): Promise<void>
  /** Gives a lane back that has nothing granted; a dead one is forgotten. */
  release(lane: Lane): void
  statuses(): LaneStatus[]
  costs(kind: LaneKind): LaneCosts
  /**
   * What lanes of each kind cost, by fresh ones that no run gets: some beyond those that there may be, for a second or two. Who asks
   * while it is being measured gets the same figures. Rejects where a lane cannot start, and when the pool closes meanwhile.
   */
  measure(): Promise<LaneMeasures>
  /** Ends all lanes; resolves when they have ended. Safe to call twice. */
  close(): Promise<void>
}
