/** The main thread's side of the writer. */

import { WriteGate } from './gate.js'
import type { Commit } from './store.js'
import { StoreThread } from './thread.js'
import type { WriterMethods } from './writer-entry.js'

export class Writer {
  readonly #thread: StoreThread<WriterMethods>
  readonly #gate = new WriteGate()
  #closed: Promise<void> | null = null

  private constructor(thread: StoreThread<WriterMethods>) {
    this.#thread = thread
  }

  static async start(entry: URL, databasePath: string): Promise<Writer> {
    const thread = new StoreThread<WriterMethods>(entry, { name: 'store-writer', databasePath })
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
   * 34 bytes a row, a memcpy.
   */
  commit(commits: readonly Commit[]): Promise<void> {
    return this.#gate.commit(() => this.#thread.call('commit', commits))
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
