/** What a lane was granted and has not started: grants in the order of their coming, walked item by item. */

import { compactInput } from '../domain/batch.js'
import { TaskFailure } from '../domain/errors.js'
import { readHandedOver } from '../domain/hand-over.js'
import { readInput } from '../domain/line-items.js'
import { LineFile } from '../files/line-file.js'
import { Claimant } from './claims.js'
import type { Grant, JobSpec } from './protocol.js'

interface GrantOnLoan {
  grant: Grant
  claimant: Claimant | null
}

export class Backlog {
  readonly #grants: GrantOnLoan[] = []
  /** The grant under way; its item at `#at` is the current one. */
  #grant: Grant | null = null
  #claimant: Claimant | null = null
  #at = 0
  /** Of the current item. */
  index = 0
  attempt = 1

  readonly #file: LineFile | null

  /** The current item's, where it was handed over. */
  #handedOver: ReturnType<typeof readHandedOver> | null = null

  constructor(private readonly job: Pick<JobSpec, 'source' | 'takesOver'>) {
    this.#file = job.source?.kind === 'file' ? new LineFile(job.source) : null
  }

  /** `claims`: see claims.ts; null where all of the grant is the lane's own. */
  push(grant: Grant, claims: SharedArrayBuffer | null = null): void {
    this.#grants.push({ grant, claimant: claims && new Claimant(claims) })
  }

  /** Moves on to the next item; false where there is none. */
  next(): boolean {
    this.#at += 1
    while (this.#grant === null || this.#at >= this.#grant.count || !this.#isOurs()) {
      const next = this.#grants.shift()
      this.#at = 0
      this.#grant = next?.grant ?? null
      this.#claimant = next?.claimant ?? null
      if (!next) return false
    }
    const grant = this.#grant
    this.index = grant.indexes === null ? grant.first + this.#at : grant.indexes[this.#at]!
    this.attempt = grant.attempts === null ? 1 : grant.attempts[this.#at]!
    return true
  }

  #isOurs(): boolean {
    return this.#claimant === null || this.#claimant.claim(this.#at)
  }

  /** Reads what the current item's input is made of, where that is not at hand. Throws UnreadableFile. */
  prepare(): void {
    this.#file?.seek(this.index)
    if (this.job.takesOver) this.#handedOver = readHandedOver(String(this.#grant!.inputs?.[this.#at]))
  }

  /** The current item's input, which was prepared. Throws TaskFailure where there is none: BadLine where its line has none. */
  input(): unknown {
    const { source } = this.job
    const handedOver = this.#handedOver
    const inputs = this.#grant!.inputs
    if (handedOver !== null) {
      if (handedOver.problem !== null) throw new TaskFailure('INVALID_INPUT', handedOver.problem)
      return handedOver.input
    }
    if (inputs !== null) return inputs[this.#at]
    if (source === null) throw new Error(`item ${this.index} has no input: neither in its grant nor from a source`)
    return source.kind === 'file' ? readInput(this.#file!.text(this.index)) : compactInput(source, this.index)
  }

  /** Whether the current item is its grant's last. */
  get endsGrant(): boolean {
    return this.#grant === null || this.#at + 1 >= this.#grant.count
  }

  get isEmpty(): boolean {
    return this.endsGrant && this.#grants.length === 0
  }
}
