/** The main thread's side of the threads that read. */

import type { ReaderData, ReaderMethods } from './reader-entry.js'
import { StoreThread } from './thread.js'

/** A thread that reads, from the first question on; a new one where it has died. */
export class Reader {
  #thread: StoreThread<ReaderMethods> | null = null
  #isClosed = false

  constructor(
    private readonly name: string,
    private readonly entry: URL,
    private readonly data: ReaderData,
  ) {}

  get thread(): StoreThread<ReaderMethods> {
    if (!this.#thread || (this.#thread.hasFailed && !this.#isClosed)) this.#thread = this.#start()
    return this.#thread
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#thread?.end()
  }

  #start(): StoreThread<ReaderMethods> {
    if (this.#isClosed) throw new Error('the store is closed')
    return new StoreThread<ReaderMethods>(this.entry, { name: this.name, data: this.data })
  }
}
