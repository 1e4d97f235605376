/** Work that computes, on one event loop: there it runs one piece at a time, whatever is in flight. */

import { counted, shownMs } from '../advice.js'
import type { DiagnosticRule, StageFigures } from '../diagnostic.js'
import { wantedCpuMs } from './demand.js'
import { percent } from './wording.js'

const thresholds = {
  /**
   * Of the wall time that the event loop computed or waited for a core. Tasks that wait leave it idle: 20 at once that compute 10 ms
   * and wait 90 came to 0.74, what computes to 0.95 and more, also beside other work.
   */
  minBusyShare: 0.8,
  /** Of CPU time, by parallel lanes: more than two threads take to start, 40 ms each. */
  minSavedMs: 100,
  /**
   * CPU time of a compute. The shorter, the more of the other cores the server's own work takes: of the time of one event loop two
   * threads needed 0.58 with tasks of 0.1 ms, 1.07 with 0.005.
   */
  minComputeCpuMs: 0.1,
  /** CPU time of a fetch. A bare request takes 0.05 ms; from here on it is bodies that are decoded or parsed. */
  minFetchCpuMs: 1,
}

export const CPU_BOUND_ON_EVENT_LOOP: DiagnosticRule = {
  code: 'CPU_BOUND_ON_EVENT_LOOP',
  severity: 'WARNING',
  thresholds,
  asked: 'EARLY',
  find(figures) {
    const { kind, strategy, service, wallMs, cpuMs, cores, concurrency } = figures
    if (strategy !== 'ASYNC' || cores < 2 || service.count < 2) return null
    const taskCpuMs = cpuMs / service.count
    if (taskCpuMs < (kind === 'FETCH' ? thresholds.minFetchCpuMs : thresholds.minComputeCpuMs)) return null
    const busyShare = Math.min(1, busyMs(figures) / wallMs)
    if (busyShare < thresholds.minBusyShare) return null
    const lanes = Math.min(cores, service.count)
    const savedMs = cpuMs - cpuMs / lanes
    if (savedMs < thresholds.minSavedMs) return null
    const tasks = counted(service.count, kind === 'FETCH' ? 'request' : 'task')
    const what = kind === 'FETCH' ? 'reading and decoding what came' : 'computing'
    return {
      message: `One event loop was busy ${percent(busyShare)} of ${shownMs(wallMs)} with ${what}: of ${tasks} it served one at a time, though ${concurrency} might be in flight. Parallel lanes would help: THREADS or PROCESSES on ${lanes} cores would save up to ${shownMs(savedMs)}.`,
      evidence: { busyShare, wallMs, cpuMs, taskCpuMs, tasks: service.count, concurrency, cores, savedMs },
    }
  },
}

/** Where nobody tells how long the lane waited for a core, it is believed to have computed if it did for most of its time. */
function busyMs(figures: StageFigures): number {
  const { cpuMs, load } = figures
  const wantedMs = wantedCpuMs(figures)
  if (wantedMs !== null) return wantedMs
  return load !== null && cpuMs >= load.busyMs / 2 ? load.busyMs : cpuMs
}
