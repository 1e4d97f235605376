/**
 * Deleting runs: out of sight at once, their bodies gone when that is answered, and their rows in steps in the background that
 * leave the writer to everyone else for half of the time.
 */

import type { Clock } from '../clock.js'
import { type RunKey, runId } from '../domain/ids.js'
import { Problems, type UserErrorCode } from '../domain/problems.js'
import { isFinalRunStatus } from '../domain/run.js'
import type { EventBus } from '../events/bus.js'
import type { Store } from '../store/store.js'
import type { DeleteOutcome, RunView } from './engine.js'

interface Options {
  store: Pick<Store, 'deleteRun' | 'deletedRuns' | 'purgeRun'>
  bus: EventBus
  clock: Clock
  /** Nobody sees the run any more: what is kept of it can go. */
  onDeleted(runId: number): void
  onError(error: unknown): void
}

/** After a step that failed. */
const RETRY_MS = 1_000

export class Deletions {
  /** Runs of which something is left, the oldest first. */
  readonly #left: number[] = []
  readonly #underWay = new Set<Promise<unknown>>()
  #isPurging = false
  #stopped = false
  #endPause: (() => void) | null = null

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
    this.options.onDeleted(id)
    this.options.bus.runChanged(key)
    await this.#tracked(this.#purgeBodies(id))
    return { deletedRun: key, userErrors: [] }
  }

  /** Takes no further step; resolves when the last one has been taken. What is left goes after the next start. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#endPause?.()
    await Promise.allSettled(this.#underWay)
  }

  async #purgeBodies(id: number): Promise<void> {
    try {
      for (
        let left = await this.options.store.purgeRun(id);
        left !== null;
        left = await this.options.store.purgeRun(id)
      ) {
        if (left === 'FILES' && !this.#stopped) continue
        this.#purgeLater(id)
        return
      }
    } catch (error) {
      this.#purgeLater(id)
      throw error
    }
  }

  #purgeLater(id: number): void {
    this.#left.push(id)
    if (this.#isPurging || this.#stopped) return
    this.#isPurging = true
    void this.#tracked(this.#purgeAll())
  }

  async #purgeAll(): Promise<void> {
    for (let id = this.#left[0]; id !== undefined && !this.#stopped; id = this.#left[0]) {
      await this.#pause(await this.#step(id))
    }
    this.#isPurging = false
  }

  /** Answers with the time to wait before the next one: as long as this one took. */
  async #step(id: number): Promise<number> {
    const { store, clock, onError } = this.options
    const startedMs = clock.monotonicMs()
    try {
      if ((await store.purgeRun(id)) === null) this.#left.shift()
      return clock.monotonicMs() - startedMs
    } catch (error) {
      onError(error)
      return RETRY_MS
    }
  }

  #pause(delayMs: number): Promise<void> {
    if (this.#stopped) return Promise.resolve()
    return new Promise((resolve) => {
      const cancel = this.options.clock.setTimer(resolve, delayMs)
      this.#endPause = () => {
        cancel()
        resolve()
      }
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

function notThere(key: RunKey): DeleteOutcome {
  return refusal('NOT_FOUND', `there is no run with the id "${runId(key)}"`)
}

function refusal(code: UserErrorCode, message: string): DeleteOutcome {
  const problems = new Problems()
  problems.add(code, ['id'], message)
  return { deletedRun: null, userErrors: problems.list() }
}
