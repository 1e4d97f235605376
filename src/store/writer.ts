/** The main thread's side of the writer. */

import type { ComparisonLaunch } from './comparison-launches.js'
import { WriteGate } from './gate.js'
import type { RetryLaunch } from './retry-launches.js'
import type { Commit, DeletedRun, Leftover } from './store.js'
import { StoreThread } from './thread.js'
import type { WriterData, WriterMethods } from './writer-entry.js'

export class Writer {
  readonly #thread: StoreThread<WriterMethods>
  readonly #gate = new WriteGate()
  #closed: Promise<void> | null = null

  private constructor(thread: StoreThread<WriterMethods>) {
    this.#thread = thread
  }

  static async start(entry: URL, data: WriterData): Promise<Writer> {
    const thread = new StoreThread<WriterMethods>(entry, { name: 'store-writer', data })
    try {
      await thread.call('ready')
    } catch (error) {
      await thread.end()
      throw error
    }
    return new Writer(thread)
  }

  /**
   * The columns are copied on their way to the thread, not handed over: the caller may read them afterwards, or try again. It is
   * 34 bytes a row, a memcpy. See Committer for the answer.
   */
  commit(commits: readonly Commit[]): Promise<boolean> {
    return this.#gate.commit(() => this.#thread.call('commit', commits))
  }

  putParts(runId: number, parts: Uint8Array): Promise<void> {
    return this.#gate.commit(() => this.#thread.call('putParts', runId, parts))
  }

  /** To be called within `exclusive`: nobody else writes meanwhile. */
  createComparison(launch: ComparisonLaunch): Promise<number> {
    return this.#thread.call('createComparison', launch)
  }

  createRetry(launch: RetryLaunch): Promise<number | null> {
    return this.#gate.commit(() => this.#thread.call('createRetry', launch))
  }

  noteInterrupted(runIds: readonly number[]): Promise<void> {
    return this.#gate.commit(() => this.#thread.call('noteInterrupted', runIds))
  }

  /** See Store. Beside commits: each step waits its turn as they do. */
  deleteRun(runId: number): Promise<boolean> {
    return this.#gate.commit(() => this.#thread.call('deleteRun', runId))
  }

  deleteFinished(before: Date, max: number): Promise<DeletedRun[]> {
    return this.#gate.commit(() => this.#thread.call('deleteFinished', before.getTime(), max))
  }

  purgeRuns(runIds: readonly number[]): Promise<(Leftover | null)[]> {
    return this.#gate.commit(() => this.#thread.call('purgeRuns', runIds))
  }

  /** Beside commits. */
  rewritePage(): Promise<void> {
    return this.#gate.commit(() => this.#thread.call('rewritePage'))
  }

  /** Within `exclusive`, as all that follow. */
  awaitLock(): Promise<void> {
    return this.#thread.call('awaitLock')
  }

  makeRoom(): Promise<boolean> {
    return this.#thread.call('makeRoom')
  }

  /** Runs `work`, which writes on a connection of its own, between two commits. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    return this.#gate.exclusive(work)
  }

  /** Ends after what was handed over before. Safe to call twice. */
  close(): Promise<void> {
    this.#closed ??= this.#gate.exclusive(async () => {
      try {
        await this.#thread.call('close')
      } finally {
        await this.#thread.end()
      }
    })
    return this.#closed
  }
}
