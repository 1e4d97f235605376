/** A task in service in a lane that does not keep the event loop to itself. */

import type { TaskTimes } from './block.js'
import type { TaskContext } from './context.js'
import type { Verdict } from './verdict.js'

/** A task that waits for its promise, or for the event loop to turn: what it has left behind may fail it until then. */
export interface Pending {
  slot: number
  times: TaskTimes
  context: TaskContext
  /** performance.now() */
  startedMs: number
  /** NaN where the CPU time is not taken. */
  cpuAtMs: number
  timer: NodeJS.Timeout | null
  /** Null while it waits for its promise. */
  verdict: Verdict | null
}

/** As it begins; the times are another task's afterwards. */
export function toPending(
  times: TaskTimes,
  { slot, context, startedMs, cpuAtMs }: Omit<Pending, 'times' | 'timer' | 'verdict'>,
): Pending {
  const { index, attempt, startedAt, serviceMs, cpuMs } = times
  const own = { index, attempt, startedAt, serviceMs, cpuMs }
  return { slot, times: own, context, startedMs, cpuAtMs, timer: null, verdict: null }
}
