/**
 * Deleting runs: out of sight at once, their bodies gone when that is answered, and their rows in steps in the background that
 * leave the writer to everyone else for half of the time.
 */

import type { Clock } from '../clock.js'
import { type RunKey, runId } from '../domain/ids.js'
import { Problems, type UserErrorCode } from '../domain/problems.js'
import { isFinalRunStatus } from '../domain/run.js'
import type { EventBus } from '../events/bus.js'
import type { DeletedRun, Store } from '../store/store.js'
import type { DeleteOutcome, RunView } from './engine.js'

interface Options {
  store: Pick<Store, 'deleteRun' | 'deleteFinished' | 'deletedRuns' | 'purgeRuns'>
  bus: EventBus
  clock: Clock
  /** Nobody sees the run any more: what is kept of it can go. */
  onDeleted(runId: number): void
  onError(error: unknown): void
}

/** After a step that failed. */
const RETRY_MS = 1_000
/** Runs that a step may take at most. */
const MAX_AT_ONCE = 100

export class Deletions {
  /** Runs of which something is left, the oldest first. */
  readonly #left = new Set<number>()
  readonly #underWay = new Set<Promise<unknown>>()
  readonly #endPauses = new Set<() => void>()
  #isPurging = false
  #stopped = false

  constructor(private readonly options: Options) {}

  /** Goes on with what the end of the server cut off; does not wait for it. */
  async resume(): Promise<void> {
    for (const id of await this.options.store.deletedRuns()) this.#purgeLater(id)
  }

  /** `run` is as it is now; null where there is none. Answered when its bodies are gone. */
  async delete(key: RunKey, run: RunView | null): Promise<DeleteOutcome> {
    if (run === null) return notThere(key)
    const { id, status } = run.record
    if (!isFinalRunStatus(status)) {
      const expected = 'expected one that has ended: SUCCEEDED, PARTIAL, FAILED or CANCELLED'
      return refusal('INVALID_STATE', `the run is ${status}: ${expected}`)
    }
    // Somebody else may have been faster.
    if (!(await this.options.store.deleteRun(id))) return notThere(key)
    this.#tell({ id, key })
    await this.#tracked(this.#purgeFiles([id]))
    return { deletedRun: key, userErrors: [] }
  }

  /** Deletes the runs that ended before this instant; answers with how many, when their bodies are gone or the server leaves. */
  prune(finishedBefore: Date): Promise<number> {
    return this.#tracked(this.#prune(finishedBefore))
  }

  /** Takes no further step; resolves when the last one has been taken. What is left goes after the next start. */
  async stop(): Promise<void> {
    this.#stopped = true
    for (const end of this.#endPauses) end()
    await Promise.allSettled(this.#underWay)
  }

  async #prune(finishedBefore: Date): Promise<number> {
    const { store, clock } = this.options
    let count = 0
    while (!this.#stopped) {
      const startedMs = clock.monotonicMs()
      const deleted = await store.deleteFinished(finishedBefore, MAX_AT_ONCE)
      if (deleted.length === 0) break
      count += deleted.length
      for (const run of deleted) this.#tell(run)
      await this.#purgeFiles(deleted.map(({ id }) => id))
      await this.#pause(clock.monotonicMs() - startedMs)
    }
    return count
  }

  #tell({ id, key }: DeletedRun): void {
    this.options.onDeleted(id)
    this.options.bus.runChanged(key)
  }

  /** Until the files of all are gone: their rows go later. */
  async #purgeFiles(ids: readonly number[]): Promise<void> {
    let left = ids
    try {
      while (left.length > 0 && !this.#stopped) {
        const steps = await this.options.store.purgeRuns(left)
        left.forEach((id, at) => {
          if (steps[at] === 'ROWS') this.#purgeLater(id)
        })
        left = left.filter((_, at) => at >= steps.length || steps[at] === 'FILES')
      }
    } finally {
      for (const id of left) this.#purgeLater(id)
    }
  }

  #purgeLater(id: number): void {
    this.#left.add(id)
    if (this.#isPurging || this.#stopped) return
    this.#isPurging = true
    void this.#tracked(this.#purgeAll())
  }

  async #purgeAll(): Promise<void> {
    while (this.#left.size > 0 && !this.#stopped) await this.#pause(await this.#step())
    this.#isPurging = false
  }

  /** Answers with the time to wait before the next one: as long as this one took. */
  async #step(): Promise<number> {
    const { store, clock, onError } = this.options
    const startedMs = clock.monotonicMs()
    const ids = firstOf(this.#left, MAX_AT_ONCE)
    try {
      const steps = await store.purgeRuns(ids)
      steps.forEach((left, at) => {
        if (left === null) this.#left.delete(ids[at]!)
      })
      return clock.monotonicMs() - startedMs
    } catch (error) {
      onError(error)
      return RETRY_MS
    }
  }

  #pause(delayMs: number): Promise<void> {
    if (this.#stopped) return Promise.resolve()
    return new Promise((resolve) => {
      const end = () => {
        cancel()
        this.#endPauses.delete(end)
        resolve()
      }
      const cancel = this.options.clock.setTimer(end, delayMs)
      this.#endPauses.add(end)
    })
  }

  async #tracked<T>(work: Promise<T>): Promise<T> {
    this.#underWay.add(work)
    try {
      return await work
    } finally {
      this.#underWay.delete(work)
    }
  }
}

function firstOf(ids: Iterable<number>, max: number): number[] {
  const first: number[] = []
  for (const id of ids) {
    if (first.length === max) break
    first.push(id)
  }
  return first
}

function notThere(key: RunKey): DeleteOutcome {
  return refusal('NOT_FOUND', `there is no run with the id "${runId(key)}"`)
}

function refusal(code: UserErrorCode, message: string): DeleteOutcome {
  const problems = new Problems()
  problems.add(code, ['id'], message)
  return { deletedRun: null, userErrors: problems.list() }
}
