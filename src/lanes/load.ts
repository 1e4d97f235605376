/** How busy the event loop of the thread that asks is, and how long the thread waited for a core. */

import { openSync, readSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import type { LaneLoad } from '../domain/lane-load.js'

/** Its zero means nothing. A call takes a few microseconds. */
export type LoadClock = () => LaneLoad

export function openLoadClock(): LoadClock {
  const coreWait = openCoreWaitClock()
  return () => ({ busyMs: performance.eventLoopUtilization().active, coreWaitMs: coreWait?.() ?? null })
}

/** Of Linux: the second number is the time that the thread was ready to run and had no core, in nanoseconds. */
const SCHEDULER_STATISTICS = '/proc/thread-self/schedstat'
const MAX_BYTES = 64

/** Null where there is none. The file stays open: it is the thread's own, and goes with it. */
function openCoreWaitClock(): (() => number) | null {
  try {
    const file = openSync(SCHEDULER_STATISTICS, 'r')
    const buffer = Buffer.alloc(MAX_BYTES)
    const read = () => {
      const size = readSync(file, buffer, 0, MAX_BYTES, 0)
      return Number(buffer.toString('latin1', 0, size).split(' ', 2)[1]) / 1e6
    }
    return Number.isFinite(read()) ? read : null
  } catch {
    return null
  }
}
