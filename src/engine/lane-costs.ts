/** What it takes to have a task in another lane, from what was measured of lanes. */

import { HAND_OVER_MS } from '../domain/advice.js'
import type { LaneCosts } from '../lanes/lane.js'

/** Where nothing was measured yet. */
const DEFAULT_ROUND_TRIP_MS = 0.2
const DEFAULT_START_MS = 50

/** See ProbeFigures. `lagMs`: how late a result was that has come by message, as messages take longer beside work. */
export function handOutCosts(
  { startMs, roundTripMs: measuredMs, idle }: LaneCosts,
  lagMs = 0,
): { laneMs: number; roundTripMs: number } {
  const roundTripMs = Math.max(measuredMs ?? DEFAULT_ROUND_TRIP_MS, 2 * lagMs)
  return { roundTripMs, laneMs: Math.max(HAND_OVER_MS, roundTripMs) + (idle > 0 ? 0 : (startMs ?? DEFAULT_START_MS)) }
}
