/** The machine's monotonic clock, by which the processes of one machine can agree on the time. */

/**
 * What process.hrtime says at the zero of this process's performance.now(). Both read the same clock, one after the
 * other: of several pairs of readings the closest one counts.
 */
export function monotonicOfZeroMs(): number {
  let closestMs = Number.POSITIVE_INFINITY
  let zeroMs = 0
  for (let tries = 0; tries < 10; tries += 1) {
    const beforeMs = performance.now()
    const monotonicMs = Number(process.hrtime.bigint()) / 1e6
    const afterMs = performance.now()
    if (afterMs - beforeMs >= closestMs) continue
    closestMs = afterMs - beforeMs
    zeroMs = monotonicMs - (beforeMs + afterMs) / 2
  }
  return zeroMs
}
