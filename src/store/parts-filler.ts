/** Has the parts made that runs owe, one run after the other, while the server does other things. */

import { TimedParts } from '../domain/timed-parts.js'

const NO_PARTS = new TimedParts().pack()

export interface PartsFillerOptions {
  /** The next run that owes them, after this id; null where there is none. */
  next(afterId: number): Promise<number | null>
  /** Makes its parts from its rows. */
  make(runId: number): Promise<Uint8Array>
  put(runId: number, parts: Uint8Array): Promise<void>
  /** They could not be made: the run is passed over, until it is asked for again. */
  onFailure(runId: number, error: unknown): void
}

export class PartsFiller {
  #isFilling = false
  #isAskedAgain = false
  #isClosed = false

  constructor(private readonly options: PartsFillerOptions) {}

  /** What cannot be made or written now is made after the next start, or when it is asked for again. */
  fill(): void {
    this.#isAskedAgain = true
    if (!this.#isFilling) void this.#fill()
  }

  /** Of one run, before it is deleted: without them where they cannot be made. Rejects where nothing can be written. */
  async settle(runId: number): Promise<void> {
    await this.options.put(runId, (await this.#make(runId)) ?? NO_PARTS)
  }

  close(): void {
    this.#isClosed = true
  }

  async #make(runId: number): Promise<Uint8Array | null> {
    try {
      return await this.options.make(runId)
    } catch (error) {
      if (!this.#isClosed) this.options.onFailure(runId, error)
      return null
    }
  }

  async #fill(): Promise<void> {
    this.#isFilling = true
    try {
      while (this.#isAskedAgain && !this.#isClosed) {
        this.#isAskedAgain = false
        await this.#fillAll()
      }
    } catch {
      // The store is closed, or the disk is full: they are still owed.
    } finally {
      this.#isFilling = false
    }
  }

  async #fillAll(): Promise<void> {
    const { next, put } = this.options
    for (let runId = await next(0); runId !== null && !this.#isClosed; runId = await next(runId)) {
      const parts = await this.#make(runId)
      if (parts !== null) await put(runId, parts)
    }
  }
}
