/**
 * How busy lanes were with a run. CPU time alone does not tell a task that waits for an answer from one that waits for a core:
 * beside other work both have little of it.
 */

/** Over all lanes, in milliseconds. */
export interface LaneLoad {
  /** How long event loops were at work: computing, waiting for a core, or held by a function that blocks. */
  busyMs: number
  /** Of that, how long they were ready to go on and had no core; null where the platform does not tell. */
  coreWaitMs: number | null
}

export const NO_LOAD: Readonly<LaneLoad> = { busyMs: 0, coreWaitMs: 0 }

export function addLoad(a: LaneLoad, b: LaneLoad): LaneLoad {
  return { busyMs: a.busyMs + b.busyMs, coreWaitMs: addKnown(a.coreWaitMs, b.coreWaitMs) }
}

/** What there was between two readings of one lane. */
export function loadSince(before: LaneLoad, now: LaneLoad): LaneLoad {
  const waited = addKnown(now.coreWaitMs, before.coreWaitMs === null ? null : -before.coreWaitMs)
  return { busyMs: now.busyMs - before.busyMs, coreWaitMs: waited }
}

/**
 * How long tasks waited for a core that took so long and used so much CPU time, of what their lane waited meanwhile. That may be more:
 * the lane waits before it begins them, too. Where their CPU time is not known, nothing is.
 */
export function coreWaitWithin(load: LaneLoad | null | undefined, serviceMs: number, cpuMs: number): number {
  return cpuMs > 0 ? Math.max(0, Math.min(load?.coreWaitMs ?? 0, serviceMs - cpuMs)) : 0
}

/** What is known of a part is not known of the whole. */
function addKnown(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : a + b
}
