/**
 * Values as bytes, one after the other. Whole numbers from 0 below 2^53 take seven bits a byte, low bits first: small ones take
 * one byte. Other numbers take eight bytes; a text and a piece of bytes have their length before them.
 */

const encoder = new TextEncoder()
const DOUBLE_BYTES = 8
/** 53 bits. */
const MAX_VARINT_BYTES = 8

const FIRST_BYTES = 256

export class ByteWriter {
  #bytes = new Uint8Array(FIRST_BYTES)
  #size = 0

  varint(value: number): void {
    this.#makeRoom(MAX_VARINT_BYTES)
    let left = value
    while (left >= 0x80) {
      this.#bytes[this.#size++] = (left % 0x80) | 0x80
      left = Math.floor(left / 0x80)
    }
    this.#bytes[this.#size++] = left
  }

  double(value: number): void {
    this.#makeRoom(DOUBLE_BYTES)
    new DataView(this.#bytes.buffer).setFloat64(this.#size, value, true)
    this.#size += DOUBLE_BYTES
  }

  piece(bytes: Uint8Array): void {
    this.varint(bytes.length)
    this.#makeRoom(bytes.length)
    this.#bytes.set(bytes, this.#size)
    this.#size += bytes.length
  }

  text(text: string): void {
    this.piece(encoder.encode(text))
  }

  /** A copy. */
  bytes(): Uint8Array {
    return this.#bytes.slice(0, this.#size)
  }

  #makeRoom(bytes: number): void {
    if (this.#size + bytes <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(2 * this.#bytes.length, this.#size + bytes))
    grown.set(this.#bytes)
    this.#bytes = grown
  }
}

export class ByteReader {
  readonly #bytes: Uint8Array
  #view: DataView | null = null
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length
  }

  /** Throws an Error where the bytes end too early or the number passes 2^53. */
  varint(): number {
    const first = this.#bytes[this.#at]
    // Most are small: a sketch is made of them.
    if (first !== undefined && first < 0x80) {
      this.#at += 1
      return first
    }
    return this.#longVarint()
  }

  #longVarint(): number {
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

  /** Throws an Error where the bytes end too early, as the next one does. */
  double(): number {
    const at = this.#at
    if (at + DOUBLE_BYTES > this.#bytes.length) throw new Error('the bytes end within a number')
    this.#at += DOUBLE_BYTES
    const { buffer, byteOffset, byteLength } = this.#bytes
    this.#view ??= new DataView(buffer, byteOffset, byteLength)
    return this.#view.getFloat64(at, true)
  }

  /** A view. */
  piece(): Uint8Array {
    return this.#take(this.varint())
  }

  #take(length: number): Uint8Array {
    const end = this.#at + length
    if (end > this.#bytes.length) throw new Error('the bytes end within a piece')
    const taken = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return taken
  }
}
