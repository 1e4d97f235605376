/** Of each block; a body of a request is mostly smaller. */
const BLOCK_BYTES = 16 * 1024

/**
 * Bytes that come in pieces, until they are taken. They are copied: a piece of one byte, as a client may send them by the
 * million, takes hundreds in memory where it is kept as it came.
 */
export class Gathering {
  #full: Buffer[] = []
  #block: Buffer | null = null
  /** Bytes of the block under way. */
  #filled = 0

  get bytes(): number {
    return this.#full.length * BLOCK_BYTES + this.#filled
  }

  add(piece: Buffer): void {
    for (let at = 0; at < piece.length; ) {
      this.#block ??= Buffer.allocUnsafeSlow(BLOCK_BYTES)
      const copied = piece.copy(this.#block, this.#filled, at)
      at += copied
      this.#filled += copied
      if (this.#filled < BLOCK_BYTES) continue
      this.#full.push(this.#block)
      this.#block = null
      this.#filled = 0
    }
  }

  /** All that was added since the last time. */
  take(): Buffer {
    const rest = this.#block?.subarray(0, this.#filled) ?? Buffer.alloc(0)
    const taken = Buffer.concat([...this.#full, rest])
    this.#full = []
    this.#filled = 0
    return taken
  }
}
