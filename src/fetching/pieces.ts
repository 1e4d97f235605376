/** Pieces of a body, gathered: few and large ones, in however many it comes. Each by itself takes some hundred bytes besides its own. */

/** Smaller ones are copied together; larger ones are kept as they are. */
const SMALL_BYTES = 4_096
const BLOCK_BYTES = 16_384

export class Pieces {
  bytes = 0
  #list: Buffer[] = []
  /** The last of the list is the beginning of this, and it has so much of it in use. */
  #block: Buffer | null = null
  #used = 0

  add(piece: Buffer): void {
    this.bytes += piece.length
    // A body in one piece, as most are, is not copied.
    if (piece.length >= SMALL_BYTES || this.#list.length === 0) {
      this.#list.push(piece)
      this.#block = null
      return
    }
    if (this.#block === null || this.#used + piece.length > BLOCK_BYTES) this.#open()
    const block = this.#block as Buffer
    this.#used += piece.copy(block, this.#used)
    this.#list[this.#list.length - 1] = block.subarray(0, this.#used)
  }

  get first(): Buffer | undefined {
    return this.#list[0]
  }

  /** All of them, in their order; they are forgotten. */
  take(): Buffer[] {
    const list = this.#list
    this.#list = []
    this.#block = null
    this.bytes = 0
    return list
  }

  /** All of it in one. */
  join(): Buffer {
    const [only] = this.#list
    return this.#list.length === 1 && only !== undefined ? only : Buffer.concat(this.#list)
  }

  #open(): void {
    this.#block = Buffer.allocUnsafeSlow(BLOCK_BYTES)
    this.#used = 0
    this.#list.push(this.#block)
  }
}
