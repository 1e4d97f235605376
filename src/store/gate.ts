/**
 * Who may write now. Commits go to the writer's thread, several on their way at a time; a launch writes on a connection
 * of its own, and only while no commit is under way, so that neither finds the database locked. First come, first served.
 */
export class WriteGate {
  #commits = 0
  #exclusive = false
  readonly #queue: { exclusive: boolean; enter: () => void }[] = []

  /** Runs `work` beside other commits. Where nothing is in the way it is called before this returns: commits keep their order. */
  commit<T>(work: () => Promise<T>): Promise<T> {
    return this.#pass(false, work)
  }

  /** Runs `work` while nothing else writes. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    return this.#pass(true, work)
  }

  #pass<T>(exclusive: boolean, work: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const enter = () => {
        if (exclusive) this.#exclusive = true
        else this.#commits += 1
        work()
          .then(resolve, reject)
          .finally(() => this.#leave(exclusive))
      }
      this.#queue.push({ exclusive, enter })
      this.#admit()
    })
  }

  #leave(exclusive: boolean): void {
    if (exclusive) this.#exclusive = false
    else this.#commits -= 1
    this.#admit()
  }

  #admit(): void {
    for (let next = this.#queue[0]; next; next = this.#queue[0]) {
      if (this.#exclusive || (next.exclusive && this.#commits > 0)) return
      this.#queue.shift()
      next.enter()
    }
  }
}
