import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { beforeAll, describe, expect, it } from 'vitest'
import type { LaneLoad } from '../../../src/domain/lane-load.js'

/** What a thread's clocks show of three times: it computes, it blocks, and it waits for a timer. */
interface Shown {
  computing: LaneLoad & { wallMs: number }
  blocked: LaneLoad & { wallMs: number }
  waiting: LaneLoad & { wallMs: number }
}

const PROGRAM = `
  const { parentPort, workerData } = require('node:worker_threads')
  const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
  import(workerData).then(async ({ openLoadClock }) => {
    const clock = openLoadClock()
    const during = async (act) => {
      const [before, startMs] = [clock(), performance.now()]
      await act()
      const [after, endMs] = [clock(), performance.now()]
      const coreWaitMs = after.coreWaitMs === null ? null : after.coreWaitMs - before.coreWaitMs
      return { busyMs: after.busyMs - before.busyMs, coreWaitMs, wallMs: endMs - startMs }
    }
    // In another turn of the event loop: until its first one has ended nothing counts as waiting.
    await later(1)
    const computing = await during(() => { for (let at = 0; at < 2e7; at += 1) Math.sqrt(at) })
    const blocked = await during(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 30))
    const waiting = await during(() => later(60))
    parentPort.postMessage({ computing, blocked, waiting })
  })
`

let shown: Shown
beforeAll(async () => {
  const workerData = new URL('../../../dist/lanes/load.js', import.meta.url).href
  const worker = new Worker(PROGRAM, { eval: true, workerData })
  ;[shown] = (await once(worker, 'message')) as [Shown]
  await worker.terminate()
})

/** Clocks are read one after the other, and a thread may lose its core between two of them. */
const BETWEEN_MS = 5

describe('openLoadClock', () => {
  it('counts what keeps the event loop from turning as busy: computing and blocking', () => {
    for (const { busyMs, wallMs } of [shown.computing, shown.blocked]) {
      expect(busyMs).toBeGreaterThan(0.5 * wallMs)
      expect(busyMs).toBeLessThan(wallMs + BETWEEN_MS)
    }
  })

  it('does not count what waits for its event loop to turn', () => {
    expect(shown.waiting.busyMs).toBeLessThan(shown.waiting.wallMs - 30)
  })

  it.runIf(existsSync('/proc/thread-self/schedstat'))(
    'knows how long the thread had no core, where it wanted one',
    () => {
      for (const { coreWaitMs, wallMs } of Object.values(shown) as Shown['blocked'][]) {
        expect(coreWaitMs).toBeGreaterThanOrEqual(0)
        expect(coreWaitMs).toBeLessThan(wallMs + BETWEEN_MS)
      }
      // Blocked is not ready to run.
      expect(shown.blocked.coreWaitMs).toBeLessThan(shown.blocked.busyMs)
    },
  )
})
