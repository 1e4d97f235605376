/** A compute job of a lane without the lane: its function, slate and listener at hand. */

import { NO_LOAD } from '../../src/domain/lane-load.js'
import type { FunctionContext } from '../../src/functions/function.js'
import { Authors } from '../../src/lanes/authors.js'
import { ComputeJob } from '../../src/lanes/compute.js'
import type { TaskContext } from '../../src/lanes/context.js'
import type { InService } from '../../src/lanes/lane.js'
import type { JobSpec, ResultBlock } from '../../src/lanes/protocol.js'
import type { BegunTask, SlateWriter } from '../../src/lanes/slate.js'
import { Strays } from '../../src/lanes/strays.js'
import { computeJob, Listener } from './lanes.js'

/** A slate that also remembers what was on it whenever results went out. */
class Slate implements SlateWriter {
  readonly marked = new Map<number, InService>()

  mark(slot: number, { index, attempt, startedAt }: BegunTask): void {
    this.marked.set(slot, { index, attempt, startedAt, progress: null })
  }

  progress(slot: number, fraction: number): void {
    const task = this.marked.get(slot)
    if (!task) throw new Error(`nothing is marked in slot ${slot}`)
    task.progress = fraction
  }

  wipe(slot: number): void {
    this.marked.delete(slot)
  }

  get indexes(): number[] {
    return [...this.marked.values()].map(({ index }) => index)
  }
}

export type Run = (input: unknown, context: FunctionContext) => unknown

export function setUp(run: Run, options: Partial<JobSpec> & { cpu?: () => number } = {}) {
  const { cpu = null, ...spec } = options
  const slate = new Slate()
  const listener = new Listener()
  const violations: number[] = []
  const strays = { settled: 0 }
  const stray = new Strays(() => {
    strays.settled += 1
  })
  const authors = new Authors<TaskContext>()
  const fn = { name: 'f', description: '', inputSchema: {}, run }
  const job = new ComputeJob(computeJob(spec), {
    fn: { fn, validate: () => [], prepare: () => {} },
    slate,
    cpu,
    load: () => NO_LOAD,
    strays: stray,
    authors,
    epochOfZeroMs: 1_000_000,
    tellWaiting: (busyShare) => listener.onWaiting(busyShare),
    send(block: ResultBlock) {
      // What is reported must not be in service any more.
      violations.push(...slate.indexes.filter((index) => block.columns.indexes.includes(index)))
      listener.onResults(block)
    },
  })
  return { job, slate, listener, violations, stray, strays, authors }
}

/** A promise to be settled by hand. */
export function deferred<T>() {
  let settle: { resolve(value: T): void; reject(error: unknown): void } | undefined
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject }
  })
  return { promise, ...settle! }
}

export const count = (length: number) => Array.from({ length }, (_, at) => at)
