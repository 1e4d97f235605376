/** Tasks that wait, on parallel lanes: one event loop waits for as many. */

import { shownMs } from '../advice.js'
import type { DiagnosticRule, StageFigures } from '../diagnostic.js'
import { percent } from './wording.js'

const thresholds = {
  /** Of the wall time that all event loops together were busy: one alone would have half of its time to spare. */
  maxBusyShare: 0.5,
  /** Of the service time, likewise: a run whose lanes were given to others was not busy either, and yet did not wait. */
  maxBusyPerService: 0.5,
  /** All service times together. Of less nobody sees which lanes it was on. */
  minServiceTotalMs: 100,
}

export const WAITING_ON_PARALLEL_LANES: DiagnosticRule = {
  code: 'WAITING_ON_PARALLEL_LANES',
  severity: 'INFO',
  thresholds,
  asked: 'EARLY',
  find(figures) {
    const { kind, strategy, lanes, concurrency, wallMs, service } = figures
    const busyMs = busyOf(figures)
    if (lanes < 2 || service.count < 2 || busyMs === null) return null
    if (service.sum < thresholds.minServiceTotalMs) return null
    if (busyMs > thresholds.maxBusyShare * wallMs || busyMs > thresholds.maxBusyPerService * service.sum) return null
    const busyShare = busyMs / wallMs
    const noun = strategy === 'PROCESSES' ? 'processes' : 'threads'
    const inFlight =
      kind === 'FETCH' ? `as many in flight (${concurrency})` : `more than ${lanes} in flight (concurrency)`
    return {
      message: `The tasks waited: ${lanes} ${noun} together were busy ${percent(busyShare)} of ${shownMs(wallMs)}. One event loop does as well for less: ASYNC, with ${inFlight}.`,
      evidence: { busyShare, busyMs, wallMs, serviceTotalMs: service.sum, tasks: service.count, lanes, concurrency },
    }
  },
}

/** A compute may hold its event loop without using the CPU: then it would hold up the others, too. A request does not. */
function busyOf({ kind, load, cpuMs }: StageFigures): number | null {
  return load?.busyMs ?? (kind === 'FETCH' ? cpuMs : null)
}
