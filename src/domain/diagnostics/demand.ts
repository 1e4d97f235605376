/** What the tasks of a stage wanted of the machine, whatever they got: beside other work it is the same as on a machine of their own. */

import type { StageFigures } from '../diagnostic.js'

/**
 * How long lanes computed, or were ready to and had no core, added up. Null where the platform does not tell how long they waited
 * for one.
 */
export function wantedCpuMs({ cpuMs, load }: StageFigures): number | null {
  if (load === null || load.coreWaitMs === null) return null
  return cpuMs + load.coreWaitMs
}

/**
 * Of tasks that have their lane to themselves, the share of their service time that they computed, the waiting for a core left out:
 * near 1 for plain computing.
 */
export function computeShare({ cpuMs, service, load }: StageFigures): number {
  const ownMs = Math.max(cpuMs, service.sum - (load?.coreWaitMs ?? 0))
  return ownMs > 0 ? cpuMs / ownMs : 0
}
