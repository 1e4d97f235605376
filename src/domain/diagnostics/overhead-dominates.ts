/** Tasks so short that to hand them out and to record them takes longer than to run them. */

import { counted, shownMs } from '../advice.js'
import type { DiagnosticRule, StageFigures } from '../diagnostic.js'
import { rough } from './wording.js'

const thresholds = {
  /**
   * Mean service time. What a task costs besides, in its lane and for its row, is 2 to 5 µs where many are handed out at a time: a
   * longer task cannot be dominated by that, and what else keeps its lanes idle is not overhead.
   */
  maxServiceMs: 0.005,
  /** Lane time that went by without a task in service, over the time in service. */
  minOverheadRatio: 1,
  /** Until then the start of the lanes and the first calls of the function, not yet compiled, are most of it. */
  minTasks: 1_000,
  /** Of the wall time that all tasks would have needed on these lanes without any overhead. */
  minLostMs: 5,
  /** Wall time for each task. Handing out costs less even on a busy machine: who waits longer was paused, or waited for the others' runs. */
  maxWallPerTaskMs: 0.25,
}

/** More work an item, so that the overhead becomes a tenth of it. */
const WORTH_IT = 10

export const OVERHEAD_DOMINATES: DiagnosticRule = {
  code: 'OVERHEAD_DOMINATES',
  severity: 'WARNING',
  thresholds,
  asked: 'EARLY',
  find(figures) {
    const { kind, strategy, isChosen, sharesPace, lanes, wallMs, service } = figures
    // SEQUENTIAL is the least that there can be, and AUTO knows what a task costs.
    if (kind !== 'COMPUTE' || strategy === 'SEQUENTIAL' || isChosen || sharesPace) return null
    const tasks = service.count
    if (tasks < thresholds.minTasks || wallMs / tasks > thresholds.maxWallPerTaskMs) return null
    const serviceMs = serviceOf(figures)
    const overheadMs = (wallMs * lanes) / tasks - serviceMs
    const lostMs = wallMs - (tasks * serviceMs) / lanes
    if (serviceMs > thresholds.maxServiceMs || lostMs < thresholds.minLostMs) return null
    if (overheadMs < thresholds.minOverheadRatio * serviceMs) return null
    const times = Math.max(2, Math.ceil((WORTH_IT * overheadMs) / Math.max(serviceMs, 1e-6)))
    const fewer = lanes > 1 ? ' Or fewer lanes: AUTO finds out how many are worth it.' : ''
    return {
      message: `A task took ${shownMs(serviceMs)}, and ${shownMs(overheadMs)} of its lane's time went by until the next: ${shownMs(lostMs)} of ${shownMs(wallMs)} went into handing out and recording ${counted(tasks, 'task')}. It would help to do more in one item, ${rough(times)} times as much or so.${fewer}`,
      evidence: { serviceMs, overheadMs, tasks, lanes, wallMs, lostMs },
    }
  },
}

/**
 * What a task takes. A lane that lost its core within one makes the mean of the others longer; its CPU time, which has the lane's own
 * work in it, does not become longer by that.
 */
function serviceOf({ service, cpuMs }: StageFigures): number {
  return cpuMs > 0 ? Math.min(service.mean, cpuMs / service.count) : service.mean
}
