/** What a lane was granted and has not started: grants in the order of their coming, walked item by item. */

import { type CompactSource, compactInput } from '../domain/batch.js'
import { claim } from './claims.js'
import type { Grant } from './protocol.js'

interface GrantOnLoan {
  grant: Grant
  claims: SharedArrayBuffer | null
}

export class Backlog {
  readonly #grants: GrantOnLoan[] = []
  /** The grant under way; its item at `#at` is the current one. */
  #grant: Grant | null = null
  #claims: SharedArrayBuffer | null = null
  #at = 0
  /** Of the current item. */
  index = 0
  attempt = 1

  constructor(private readonly source: CompactSource | null) {}

  /** `claims`: see claims.ts; null where all of the grant is the lane's own. */
  push(grant: Grant, claims: SharedArrayBuffer | null = null): void {
    this.#grants.push({ grant, claims })
  }

  /** Moves on to the next item; false where there is none. */
  next(): boolean {
    this.#at += 1
    while (this.#grant === null || this.#at >= this.#grant.count || !this.#isOurs()) {
      const next = this.#grants.shift()
      this.#at = 0
      this.#grant = next?.grant ?? null
      this.#claims = next?.claims ?? null
      if (!next) return false
    }
    const grant = this.#grant
    this.index = grant.indexes === null ? grant.first + this.#at : grant.indexes[this.#at]!
    this.attempt = grant.attempts === null ? 1 : grant.attempts[this.#at]!
    return true
  }

  #isOurs(): boolean {
    return this.#claims === null || claim(this.#claims, this.#at)
  }

  /** The current item's input. */
  input(): unknown {
    const inputs = this.#grant!.inputs
    if (inputs !== null) return inputs[this.#at]
    if (this.source === null) throw new Error(`item ${this.index} has no input: neither in its grant nor from a source`)
    return compactInput(this.source, this.index)
  }

  /** Whether the current item is its grant's last. */
  get endsGrant(): boolean {
    return this.#grant === null || this.#at + 1 >= this.#grant.count
  }

  get isEmpty(): boolean {
    return this.endsGrant && this.#grants.length === 0
  }
}
