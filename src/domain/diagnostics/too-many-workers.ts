/** Lanes that compute, and are more than the cores can serve: they take turns. */

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
  /** See computeShare. Tasks that wait more than they compute want many lanes, and how many is not known well enough. */
  minComputeShare: 0.5,
  /** Lanes, over those that keep all cores busy: as many as cores for plain computing, twice as many at the least compute share. */
  minLanesPerUseful: 1.25,
  /** Less is over before it matters how it is shared out. */
  minCpuMs: 100,
  /** Where the platform does not tell who waited for a core: the cores were in use for so much of the time, */
  minCpuPerCore: 0.5,
  /** and event loops were busy for so much of the service time. */
  minBusyPerService: 0.9,
}

export const TOO_MANY_WORKERS: DiagnosticRule = {
  code: 'TOO_MANY_WORKERS',
  severity: 'WARNING',
  thresholds,
  asked: 'EARLY',
  find(figures) {
    const { kind, lanes, cores, cpuMs, wallMs, service } = figures
    if (kind !== 'COMPUTE' || lanes <= cores || cpuMs < thresholds.minCpuMs) return null
    const { wantedLanes, share } = demandOf(figures)
    if (wantedLanes < thresholds.minWantedPerCore * cores) return null
    if (share < thresholds.minComputeShare || lanes < (thresholds.minLanesPerUseful * cores) / share) return null
    const usefulLanes = Math.max(cores, Math.round(cores / share))
    const coreShare = Math.min(1, cpuMs / service.sum)
    const few = usefulLanes === cores ? 'As many lanes as cores' : 'Fewer lanes'
    return {
      message: `${rough(wantedLanes)} lanes on average wanted one of ${cores} cores: each task had one for ${percent(coreShare)} of its service time of ${shownMs(service.mean)}. ${few} (lanes: ${usefulLanes}) would be done as soon, for less memory.`,
      evidence: { wantedLanes, usefulLanes, lanes, cores, coreShare, cpuMs, wallMs, tasks: service.count },
    }
  },
}

/** How many lanes wanted a core at once, on average, and how much of their time tasks want one: see computeShare. */
function demandOf(figures: StageFigures): { wantedLanes: number; share: number } {
  const { cores, cpuMs, wallMs, load, service } = figures
  const wantedMs = wantedCpuMs(figures)
  if (wantedMs !== null) return { wantedLanes: wantedMs / wallMs, share: computeShare(figures) }
  const isCpuUsed = cpuMs / wallMs >= thresholds.minCpuPerCore * cores
  const isBusy = load !== null && load.busyMs >= thresholds.minBusyPerService * service.sum
  return { wantedLanes: isCpuUsed && isBusy ? load.busyMs / wallMs : 0, share: 1 }
}
