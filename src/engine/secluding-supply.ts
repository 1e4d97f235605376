/**
 * A supply with suspects of another kind than the server's: items that were in service in a lane that died, where nobody can tell
 * which of them ended it. Each is handed out again with nothing beside it in its lane: what ends that one is its own doing.
 */

import type { Batch, Supply } from './supply.js'
import { SupplyAround } from './supply-around.js'
import type { Suspects } from './suspects.js'

export class SecludingSupply extends SupplyAround {
  readonly #secluded: { index: number; attempt: number }[] = []
  #hasStopped = false

  /** `serverSuspects`: those among the items that may end the server; the supplies within do not see what is handed out here. */
  constructor(
    inner: Supply,
    private readonly serverSuspects: Pick<Suspects, 'putInService' | 'takeOut'> | null = null,
  ) {
    super(inner)
  }

  /** How many of those that are ready must have a lane to themselves: they come first. */
  get secluded(): number {
    return this.#hasStopped ? 0 : this.#secluded.length
  }

  get ready(): number {
    return this.inner.ready + this.secluded
  }

  override get size(): number {
    return this.inner.size + this.#secluded.length
  }

  /** First those that must be alone: whoever takes one has seen to it that the lane is empty. */
  take(max: number, slots = max): Batch | null {
    const next = this.#hasStopped ? undefined : this.#secluded.shift()
    if (!next) return this.inner.take(max, slots)
    const { index, attempt } = next
    this.serverSuspects?.putInService(index)
    return { first: index, count: 1, indexes: [index], attempts: [attempt], isAlone: true, isSecluded: true }
  }

  /** As giveBack, and nothing is to be beside the item from now on. */
  seclude(index: number, attempt: number): void {
    this.serverSuspects?.takeOut(index)
    this.#secluded.push({ index, attempt })
  }

  override stop(): void {
    this.#hasStopped = true
    this.inner.stop()
  }
}
