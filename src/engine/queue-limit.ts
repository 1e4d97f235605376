/** How many tasks may wait at most, over all runs: what comes beyond is refused. */

import { type Path, Problems, type UserError } from '../domain/problems.js'

/** While nothing ends: how long a client had better wait. */
const IDLE_RETRY_MS = 5_000
/** Sooner than that a client does not help itself; later it would not see that a run was cancelled. */
const MIN_RETRY_MS = 1_000
const MAX_RETRY_MS = 60_000

interface Options {
  maxTasks: number
  /** Tasks of unfinished runs that are not in service. */
  waiting(): number
  /** How many tasks end in a second now. */
  perSecond(): number
}

export class QueueLimit {
  /** Of launches that are being written down, and of those that are carried out after the next start. */
  #launched = 0

  constructor(private readonly options: Options) {}

  /** Why so many more are refused; null where they are not. `path`: of what they come from. */
  refusal(tasks: number, path: Path): UserError[] | null {
    const { maxTasks } = this.options
    const waiting = this.options.waiting() + this.#launched
    const tooMany = waiting + tasks - maxTasks
    if (tooMany <= 0) return null
    const problems = new Problems()
    const message = `${waiting} tasks wait already: with these ${tasks} it would be more than ${maxTasks}`
    // More than may ever wait will not fit later either.
    problems.add('QUEUE_FULL', path, message, tasks <= maxTasks ? this.#retryAfterMs(tooMany) : null)
    return problems.list()
  }

  /** Counts them from now on, until they are written down, and waiting, or cannot be. */
  async launching<T>(tasks: number, write: () => Promise<T>): Promise<T> {
    this.#launched += tasks
    try {
      return await write()
    } finally {
      this.#launched -= tasks
    }
  }

  /** Counts them for good: nothing of them is done before the next start. */
  keep(tasks: number): void {
    this.#launched += tasks
  }

  /** By then so many have ended, if it goes on as it does. */
  #retryAfterMs(tasks: number): number {
    const perSecond = this.options.perSecond()
    if (perSecond <= 0) return IDLE_RETRY_MS
    return Math.min(Math.max(Math.ceil((1000 * tasks) / perSecond), MIN_RETRY_MS), MAX_RETRY_MS)
  }
}
