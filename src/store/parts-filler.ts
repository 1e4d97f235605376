/** Has the parts made that runs owe, one run after the other, while the server does other things. */

export interface PartsFillerOptions {
  /** The next one after this id; null where there is none. */
  next(afterId: number): Promise<{ runId: number; parts: Uint8Array } | null>
  put(runId: number, parts: Uint8Array): Promise<void>
}

export class PartsFiller {
  #isFilling = false
  #isAskedAgain = false

  constructor(private readonly options: PartsFillerOptions) {}

  /** What cannot be made or written now is made after the next start, or when it is asked for again. */
  fill(): void {
    this.#isAskedAgain = true
    if (!this.#isFilling) void this.#fill()
  }

  async #fill(): Promise<void> {
    this.#isFilling = true
    try {
      while (this.#isAskedAgain) {
        this.#isAskedAgain = false
        await this.#fillAll()
      }
    } catch {
      // The store is closed, or the disk is full: nothing is lost.
    } finally {
      this.#isFilling = false
    }
  }

  async #fillAll(): Promise<void> {
    const { next, put } = this.options
    for (let owed = await next(0); owed !== null; owed = await next(owed.runId)) await put(owed.runId, owed.parts)
  }
}
