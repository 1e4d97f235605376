/**
 * Brotli looks back up to 16 MB, and its decoder fills all of that before it hands out the first byte, out of a few hundred bytes if it
 * must be. So decoders that look back far are opened only as far as there is room for them; the others wait, and their connections with them.
 */

export interface Claim {
  /** Safe to call twice; one that waits gives up. */
  release(): void
}

interface Waiting {
  bytes: number
  granted(): void
}

export class Windows {
  #bytes = 0
  readonly #held = new Set<Waiting>()
  readonly #waiting = new Set<Waiting>()

  constructor(private readonly limitBytes: number) {}

  /** Calls `granted` when there is room: at once, or later, in the order in which it was asked for. A first one always has room. */
  claim(bytes: number, granted: () => void): Claim {
    const waiting = { bytes, granted }
    this.#waiting.add(waiting)
    this.#grant()
    return { release: () => this.#release(waiting) }
  }

  #release(claim: Waiting): void {
    this.#waiting.delete(claim)
    if (!this.#held.delete(claim)) return
    this.#bytes -= claim.bytes
    this.#grant()
  }

  #grant(): void {
    for (const next of this.#waiting) {
      if (this.#bytes > 0 && this.#bytes + next.bytes > this.limitBytes) return
      this.#waiting.delete(next)
      this.#held.add(next)
      this.#bytes += next.bytes
      next.granted()
    }
  }
}

const MAX_WINDOW_BITS = 24

/** How far the decoder of a body looks back that begins so (RFC 7932, 9.1); as far as it may where that cannot be told. */
export function windowBytesOf(head: Uint8Array | undefined): number {
  return 2 ** windowBits(head?.[0])
}

function windowBits(first: number | undefined): number {
  if (first === undefined) return MAX_WINDOW_BITS
  if ((first & 1) === 0) return 16
  const large = (first >> 1) & 7
  if (large > 0) return 17 + large
  const small = (first >> 4) & 7
  if (small === 0) return 17
  return small === 1 ? MAX_WINDOW_BITS : 8 + small
}
