/** Work that ends early when who asked for it leaves, and all of it when there is to be no more. */
export class Underway {
  readonly #running = new Map<AbortController, Promise<void>>()
  #stopped: Error | null = null

  /**
   * The work's promise. The signal that it gets is aborted with the reason of `caller`, or with that of `stop`. It is the work's own:
   * each signal that AbortSignal.any makes of one that lives long leaves something behind there, in Node 20.
   */
  run<T>(work: (signal: AbortSignal) => Promise<T>, caller: AbortSignal): Promise<T> {
    const ending = new AbortController()
    const leave = () => ending.abort(caller.reason)
    if (this.#stopped) ending.abort(this.#stopped)
    else if (caller.aborted) leave()
    else caller.addEventListener('abort', leave, { once: true })
    const working = work(ending.signal)
    const end = () => {
      caller.removeEventListener('abort', leave)
      this.#running.delete(ending)
    }
    this.#running.set(ending, working.then(end, end))
    return working
  }

  /** Ends all that is under way, and what comes later at once; resolves when it has ended. Safe to call twice. */
  async stop(reason: Error): Promise<void> {
    this.#stopped ??= reason
    for (const ending of this.#running.keys()) ending.abort(this.#stopped)
    await Promise.all(this.#running.values())
  }
}
