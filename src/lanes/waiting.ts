/** Tells of a task whether it waits or computes in pieces, and how busy the event loop is meanwhile. */

import { performance } from 'node:perf_hooks'
import { now } from './now.js'

/** How long a task is looked at before it is told how busy it kept the event loop; twice as long the next time. */
const LOOK_MS = 1
const MAX_LOOK_MS = 256
/** What keeps it busy for no more of its time needs no other look: it waits. */
const QUIET_SHARE = 0.25

interface WatchedTask {
  /** When it began, by performance.now(). */
  sinceMs: number
  /** Whether it has not settled yet. */
  isAwaited(): boolean
  /** Whether anybody is to be told: of the first task alone. */
  isWanted(): boolean
  /** See LaneListener.onWaiting. */
  tell(busyShare: number | null): void
}

/**
 * What has not settled when the event loop has turned waits for something, or computes in pieces: how busy the event loop is
 * tells. Not the CPU time: where others take the CPU, what computes has little of it, too.
 */
export function watchWaiting({ sinceMs, isAwaited, isWanted, tell }: WatchedTask): void {
  setImmediate(() => {
    if (!isWanted() || !isAwaited()) return
    const turned = performance.eventLoopUtilization()
    const untilTurnMs = now() - sinceMs
    tell(null)
    const look = (afterMs: number) => {
      if (!isAwaited()) return
      const busyMs = untilTurnMs + performance.eventLoopUtilization(turned).active
      const busyShare = Math.min(1, busyMs / (now() - sinceMs))
      tell(busyShare)
      // It may have begun with some work, such as to load what it waits with.
      if (busyShare > QUIET_SHARE && afterMs < MAX_LOOK_MS) setTimeout(look, 2 * afterMs, 2 * afterMs)
    }
    setTimeout(look, LOOK_MS, LOOK_MS)
  })
}
