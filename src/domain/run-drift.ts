/** How much the service times of a run change while it runs. */

/** Stretches that a run is cut into, and tasks that each must have. */
const STRETCHES = 8
const MIN_TASKS_A_STRETCH = 5

/**
 * The largest over the smallest median of its eighths; 1 where it has too few tasks for that, or they take no time. Two runs of one
 * batch differ at least as a run differs from itself. `timesMs`: in the order in which the tasks started: of many that are in flight
 * together the short ones end first.
 */
export function driftOf(timesMs: readonly number[]): number {
  const length = Math.floor(timesMs.length / STRETCHES)
  if (length < MIN_TASKS_A_STRETCH) return 1
  const medians = Array.from({ length: STRETCHES }, (_, at) => medianOf(timesMs.slice(at * length, (at + 1) * length)))
  const [least, most] = [Math.min(...medians), Math.max(...medians)]
  return least > 0 ? most / least : 1
}

/** By nearest rank. */
function medianOf(timesMs: readonly number[]): number {
  return Float64Array.from(timesMs).sort()[Math.ceil(timesMs.length / 2) - 1] ?? 0
}
