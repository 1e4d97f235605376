/** Reads the inputs of a run's items, and what is known of those that have ended; tries again where the disk is in trouble. */

import type { Clock } from '../clock.js'
import { compactInput } from '../domain/batch.js'
import type { TaskError } from '../domain/errors.js'
import type { RunRecord } from '../domain/run.js'
import type { TaskRecord } from '../domain/task.js'
import type { Store } from '../store/store.js'
import type { FlowSupply } from './flow.js'

/** Until items that could not be read are read again. */
export const REREAD_MS = 500
/** A run gives up when its items could not be read for this long. */
export const MAX_UNREADABLE_MS = 10_000

export function unreadable(error: unknown): TaskError {
  const message = `the items could not be read: ${error instanceof Error ? error.message : String(error)}`
  return { code: 'INVALID_INPUT', message, retryable: false }
}

interface Options {
  record: Pick<RunRecord, 'id' | 'spec'>
  stage: number
  /** What flows into a later stage; null in the first one, whose items are the source's. */
  flow: Pick<FlowSupply, 'inputs'> | null
  clock: Clock
  store: Pick<Store, 'items' | 'task'>
  onUnreadable(error: TaskError): void
}

/** One read at a time. */
export class SourceReader {
  #stopped = false
  #endRest: (() => void) | null = null

  constructor(private readonly options: Options) {}

  /**
   * In the order of the indexes, undefined where there was no room for a long one beside those before it; null where the reader was
   * stopped, or has given up.
   */
  async inputs(indexes: readonly number[]): Promise<unknown[] | null> {
    const { record, store, flow } = this.options
    const { source } = record.spec
    if (flow) return this.#inOrder(indexes, () => flow.inputs(indexes))
    if (source.kind === 'template' || source.kind === 'range')
      return indexes.map((index) => compactInput(source, index))
    return this.#inOrder(indexes, () => store.items(record.id, indexes))
  }

  async #inOrder(
    indexes: readonly number[],
    read: () => Promise<ReadonlyMap<number, unknown>>,
  ): Promise<unknown[] | null> {
    const items = await this.#persist(read)
    return items && indexes.map((index) => items.get(index))
  }

  /** The row of an item; null where there is none, or the reader was stopped. */
  task(index: number): Promise<TaskRecord | null> {
    const { record, stage, store } = this.options
    return this.#persist(() => store.task(record.id, stage, index))
  }

  /** Resolves after so long, or when the reader is stopped. */
  rest(ms: number): Promise<void> {
    if (this.#stopped) return Promise.resolve()
    return new Promise((resolve) => {
      const end = () => {
        this.#endRest = null
        resolve()
      }
      const cancel = this.options.clock.setTimer(end, ms)
      this.#endRest = () => {
        cancel()
        end()
      }
    })
  }

  stop(): void {
    this.#stopped = true
    this.#endRest?.()
  }

  async #persist<Read>(read: () => Promise<Read | null>): Promise<Read | null> {
    const { clock, onUnreadable } = this.options
    const sinceMs = clock.monotonicMs()
    while (!this.#stopped) {
      try {
        return await read()
      } catch (error) {
        if (clock.monotonicMs() - sinceMs >= MAX_UNREADABLE_MS) {
          onUnreadable(unreadable(error))
          return null
        }
        await this.rest(REREAD_MS)
      }
    }
    return null
  }
}
