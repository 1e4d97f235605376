/** Has so many at a time do something; the others stand in line, and may leave it. */
export class Turns {
  #free: number
  readonly #line = new Set<() => void>()

  constructor(max: number) {
    this.#free = max
  }

  /** Resolves when it is the caller's turn, with what ends it; safe to call twice. Rejects with the signal's reason once that is aborted. */
  async take(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted()
    if (this.#free > 0) this.#free -= 1
    else await this.#wait(signal)
    let isOver = false
    return () => {
      if (!isOver) this.#pass()
      isOver = true
    }
  }

  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#line.delete(enter)
        reject(signal.reason)
      }
      const enter = () => {
        signal.removeEventListener('abort', leave)
        resolve()
      }
      this.#line.add(enter)
      signal.addEventListener('abort', leave, { once: true })
    })
  }

  /** Who is next has the turn before anyone who comes now. */
  #pass(): void {
    const [next] = this.#line
    if (next === undefined) {
      this.#free += 1
      return
    }
    this.#line.delete(next)
    next()
  }
}
