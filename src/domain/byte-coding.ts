/** Whole numbers from 0 below 2^53 as bytes, seven bits each, low bits first: small numbers take one byte. */

export class ByteWriter {
  readonly #bytes: number[] = []

  varint(value: number): void {
    let left = value
    while (left >= 0x80) {
      this.#bytes.push((left % 0x80) | 0x80)
      left = Math.floor(left / 0x80)
    }
    this.#bytes.push(left)
  }

  bytes(): Uint8Array {
    return Uint8Array.from(this.#bytes)
  }
}

export class ByteReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length
  }

  /** Throws an Error where the bytes end too early or the number passes 2^53. */
  varint(): number {
    let value = 0
    let unit = 1
    for (;;) {
      const byte = this.#bytes[this.#at]
      if (byte === undefined) throw new Error('the bytes end within a number')
      this.#at += 1
      value += (byte & 0x7f) * unit
      if (value > Number.MAX_SAFE_INTEGER) throw new Error('a number passes 2^53')
      if (byte < 0x80) return value
      unit *= 0x80
    }
  }
}
