/** Which launches are written down: of one key only the first, and no more tasks than may wait. */

import type { Path, UserError } from '../domain/problems.js'
import type { Idempotency } from '../store/store.js'
import type { QueueLimit } from './queue-limit.js'

/** A launch that is asked for, of a run or of a comparison. */
interface Asked<Created> {
  tasks: number
  /** Of what the tasks come from. */
  path: Path
  idempotency: Idempotency | null
  /** What was launched under the key; null where nothing was. */
  earlier(idempotency: Idempotency): Promise<Created | null>
  /** Writes it down, and has its tasks wait: they are counted all the time. */
  write(): Promise<Created>
}

type Admitted<Created> = { created: Created; userErrors: null } | { created: null; userErrors: UserError[] }

export class Admission {
  /** By key, of the launches that have not been answered: the end of the last one. */
  readonly #ends = new Map<string, Promise<void>>()

  constructor(private readonly queue: QueueLimit) {}

  /** What was launched already is not launched again: a full queue is no reason not to tell of it. */
  admit<Created>(asked: Asked<Created>): Promise<Admitted<Created>> {
    const { idempotency } = asked
    if (idempotency === null) return this.#write(asked)
    return this.#inTurn(idempotency, async () => {
      const created = await asked.earlier(idempotency)
      return created ? { created, userErrors: null } : this.#write(asked)
    })
  }

  async #write<Created>({ tasks, path, write }: Asked<Created>): Promise<Admitted<Created>> {
    const userErrors = this.queue.refusal(tasks, path)
    if (userErrors) return { created: null, userErrors }
    return { created: await this.queue.launching(tasks, write), userErrors: null }
  }

  /** While the first one is being written it cannot be found, and its tasks may leave no room for those of a repetition. */
  async #inTurn<T>({ space, key }: Idempotency, work: () => Promise<T>): Promise<T> {
    const name = JSON.stringify([space, key])
    const before = this.#ends.get(name)
    let end = () => {}
    const own = new Promise<void>((resolve) => {
      end = resolve
    })
    this.#ends.set(name, own)
    try {
      await before
      return await work()
    } finally {
      end()
      if (this.#ends.get(name) === own) this.#ends.delete(name)
    }
  }
}
