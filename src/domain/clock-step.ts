/** How fine the lanes' clocks are. */

/**
 * Times are kept as milliseconds since 1970 and as differences of these, and doubles of that size are a quarter of a microsecond apart.
 */
export const CLOCK_STEPS_PER_MS = 4_000
export const CLOCK_STEP_MS = 1 / CLOCK_STEPS_PER_MS

/** What the clocks tell of a time that is shorter than they can measure: what takes no time at all has no ratio. */
export function measurable(ms: number): number {
  return Math.max(CLOCK_STEP_MS, ms)
}
