/**
 * What the bodies under way in a lane hold in memory, outside of the JavaScript heap that the lane's limit is for: half of it what is kept
 * for an output, half of it what decoders look back at. An origin that stops in the middle makes each request hold all that it may.
 */

import { TaskFailure } from '../domain/errors.js'
import { Windows } from './windows.js'

export interface Holder {
  /** So much of it; the memory's own business. */
  heldBytes: number
  /** It holds most where all hold too much: it is to let go. */
  giveUp(failure: TaskFailure): void
}

const MEGABYTE = 1024 * 1024

export class BodyMemory {
  readonly windows: Windows
  readonly #limitBytes: number
  readonly #holders = new Set<Holder>()
  #bytes = 0

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes / 2
    this.windows = new Windows(limitBytes / 2)
  }

  /** It holds so much more. Where that is too much, the one that holds most gives up, which may be this one. */
  hold(holder: Holder, bytes: number): void {
    if (holder.heldBytes === 0) this.#holders.add(holder)
    holder.heldBytes += bytes
    this.#bytes += bytes
    while (this.#bytes > this.#limitBytes) this.#relieve()
  }

  /** It holds nothing any more. Safe to call twice. */
  release(holder: Holder): void {
    this.#holders.delete(holder)
    this.#bytes -= holder.heldBytes
    holder.heldBytes = 0
  }

  #relieve(): void {
    let most: Holder | null = null
    for (const holder of this.#holders) if (most === null || holder.heldBytes > most.heldBytes) most = holder
    if (most === null) return
    this.release(most)
    const limitMb = Math.round(this.#limitBytes / MEGABYTE)
    most.giveUp(new TaskFailure('OUT_OF_MEMORY', `the bodies under way in its lane needed more than ${limitMb} MB`))
  }
}
