/** Runs as comparisons see them. */

import fc from 'fast-check'
import type { AskedStrategy } from '../../src/domain/batch.js'
import type { ComparedRun } from '../../src/domain/comparison.js'
import { toRunKey } from '../../src/domain/ids.js'
import { RunStatus } from '../../src/domain/run.js'

export const STRATEGIES = ['SEQUENTIAL', 'ASYNC', 'THREADS', 'PROCESSES', 'AUTO'] as const

let keys = 0

/** A run that has gone to its end, unless something else is said. */
export function ended(strategy: AskedStrategy, wallMs: number, changes: Partial<ComparedRun> = {}): ComparedRun {
  keys += 1
  return {
    key: toRunKey(String(keys)),
    status: 'SUCCEEDED',
    sequence: 5,
    strategy,
    concurrency: 2,
    wallMs,
    failedTasks: 0,
    isCutShort: false,
    hasFailure: false,
    wasInterrupted: false,
    ...changes,
  }
}

/** One that has not begun. */
export function queued(strategy: AskedStrategy): ComparedRun {
  return ended(strategy, 0, { status: 'QUEUED', wallMs: null, concurrency: null })
}

const someRun: fc.Arbitrary<ComparedRun> = fc
  .record({
    strategy: fc.constantFrom(...STRATEGIES),
    status: fc.constantFrom(...Object.values(RunStatus)),
    wallMs: fc.option(fc.double({ min: 0.001, max: 1e6, noNaN: true })),
    concurrency: fc.option(fc.integer({ min: 1, max: 64 })),
    failedTasks: fc.constantFrom(0, 0, 3),
    isCutShort: fc.boolean(),
    hasFailure: fc.boolean(),
    wasInterrupted: fc.boolean(),
  })
  .map(({ strategy, wallMs, ...changes }) => ended(strategy, 0, { wallMs, ...changes }))

/** Of every kind, in any state. */
export const someRuns = fc.array(someRun, { maxLength: 30 })
