/** Lanes that compute, and are more than the cores: they take turns. */

import { shownMs } from '../advice.js'
import type { DiagnosticRule, StageFigures } from '../diagnostic.js'
import { computeShare, wantedCpuMs } from './demand.js'
import { percent, rough } from './wording.js'

const thresholds = {
  /**
   * Lanes that wanted a core at once, on average, for each core. With as many lanes as cores it is 1 at most, whatever else the
   * machine does; three lanes on two cores came to 1.47.
   */
  minWantedPerCore: 1.25,
  /** See computeShare. Tasks that wait for something else than a core gain by more lanes than cores. */
  minComputeShare: 0.8,
  /** Less is over before it matters how it is shared out. */
  minCpuMs: 100,
  /** Where the platform does not tell who waited for a core: the cores were in use for so much of the time. */
  minCpuPerCore: 0.5,
}

export const TOO_MANY_WORKERS: DiagnosticRule = {
  code: 'TOO_MANY_WORKERS',
  severity: 'WARNING',
  thresholds,
  asked: 'EARLY',
  find(figures) {
    const { kind, lanes, cores, cpuMs, wallMs, service } = figures
    if (kind !== 'COMPUTE' || lanes <= cores || cpuMs < thresholds.minCpuMs) return null
    const wantedLanes = wantedLanesOf(figures)
    if (wantedLanes < thresholds.minWantedPerCore * cores) return null
    const coreShare = Math.min(1, cpuMs / service.sum)
    return {
      message: `${rough(wantedLanes)} lanes on average wanted one of ${cores} cores: each task had one for ${percent(coreShare)} of its service time of ${shownMs(service.mean)}. As many lanes as cores (lanes: ${cores}) would be done as soon, for less memory.`,
      evidence: { wantedLanes, lanes, cores, coreShare, cpuMs, wallMs, tasks: service.count },
    }
  },
}

/** How many lanes wanted a core at once, on average; 0 where their tasks waited for something else. */
function wantedLanesOf(figures: StageFigures): number {
  const { cores, cpuMs, wallMs, load } = figures
  const wantedMs = wantedCpuMs(figures)
  if (wantedMs !== null) return computeShare(figures) < thresholds.minComputeShare ? 0 : wantedMs / wallMs
  // A lane that is held by something else than the CPU is as busy, but leaves the cores idle.
  return load === null || cpuMs / wallMs < thresholds.minCpuPerCore * cores ? 0 : load.busyMs / wallMs
}
