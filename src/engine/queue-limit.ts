/** How many tasks may wait at most, over all runs: what comes beyond is refused. */

import { type Path, Problems, type UserError } from '../domain/problems.js'

/** While the queue is full: how long a client had better wait. */
const QUEUE_FULL_RETRY_MS = 5_000

export class QueueLimit {
  /** Of launches that are being written down. */
  #launching = 0

  /** `waiting`: tasks of unfinished runs that are not in service. */
  constructor(
    private readonly maxTasks: number,
    private readonly waiting: () => number,
  ) {}

  /** Why so many more are refused; null where they are not. `path`: of what they come from. */
  refusal(tasks: number, path: Path): UserError[] | null {
    const waiting = this.waiting() + this.#launching
    if (waiting + tasks <= this.maxTasks) return null
    const problems = new Problems()
    const message = `${waiting} tasks wait already: with these ${tasks} it would be more than ${this.maxTasks}`
    // More than may ever wait will not fit later either.
    problems.add('QUEUE_FULL', path, message, tasks <= this.maxTasks ? QUEUE_FULL_RETRY_MS : null)
    return problems.list()
  }

  /** Counts them from now on: they are being written down. */
  async launching<T>(tasks: number, write: () => Promise<T>): Promise<T> {
    this.#launching += tasks
    try {
      return await write()
    } finally {
      this.#launching -= tasks
    }
  }
}
