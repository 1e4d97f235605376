/** Measures how the server itself is. */

import { availableParallelism, hostname } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Clock } from '../clock.js'
import type { Vitals } from '../graphql/context.js'

/** How often the monitor looks. Its figures are the times between two looks, this included. */
const RESOLUTION_MS = 10
/** A figure is of the last whole window, or of the one begun where that was worse. */
const WINDOW_MS = 10_000

/** Vitals that measure until they are stopped. */
export interface RunningVitals extends Vitals {
  stop(): void
}

export function startVitals(version: string, clock: Clock): RunningVitals {
  const startedMs = clock.monotonicMs()
  const monitor = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  monitor.enable()
  const p99Ms = () => (monitor.count === 0 ? 0 : Math.max(0, monitor.percentile(99) / 1e6 - RESOLUTION_MS))
  let lastWindowMs = 0
  const turn = () => {
    lastWindowMs = p99Ms()
    monitor.reset()
    cancel = clock.setTimer(turn, WINDOW_MS)
  }
  let cancel = clock.setTimer(turn, WINDOW_MS)
  return {
    version,
    host: hostname(),
    cores: availableParallelism(),
    uptimeMs: () => clock.monotonicMs() - startedMs,
    eventLoopDelayP99Ms: () => Math.max(lastWindowMs, p99Ms()),
    stop() {
      cancel()
      monitor.disable()
    },
  }
}
