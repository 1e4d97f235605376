/**
 * Files with an item a line. A line ends with \n, with \r\n or with the file; one of spaces and tabs alone is blank and no
 * item; a byte-order mark is passed over. While a file comes in, a table of its stretches is made: where they begin and end,
 * and with which item. Any item is then found by reading one stretch.
 */

/** A stretch ends at whichever comes first, and has at least one line. */
const MAX_STRETCH_LINES = 1_000
const MAX_STRETCH_BYTES = 256 * 1024

const TAB = 9
const LF = 10
const CR = 13
const SPACE = 32
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf] as const

/** Numbers that the table has for each stretch: its first item, and the bytes where it begins and ends. */
const WIDTH = 3

/** What lines are in a file, and where. */
export interface LineTable {
  /** How many lines are items. */
  count: number
  /** Of each stretch its first item, the byte that it begins at, and the one after its last. */
  stretches: Float64Array
}

/** One stretch of a file. */
export interface Stretch {
  /** The index of its first item. */
  first: number
  start: number
  end: number
}

/** Makes the table of a file that comes in pieces of any size. */
export class LineIndexer {
  readonly #stretches: number[] = []
  readonly #maxCount: number
  /** Bytes seen. */
  #offset = 0
  /** The first two bytes. */
  readonly #head: number[] = []
  /** How many bytes of a mark were seen; -1 once that is decided. */
  #marks = 0
  #count = 0
  /** Of the line under way. */
  #lineStart = 0
  #isBlank = true
  #endsInCr = false
  /** Of the stretch under way; no line yet where `#lines` is 0. */
  #start = 0
  #end = 0
  #lines = 0

  constructor(options: { maxCount: number }) {
    this.#maxCount = options.maxCount
  }

  /** Whether there are more items than may be: nothing more is looked at. */
  get isTooLong(): boolean {
    return this.#count > this.#maxCount
  }

  /** Whether the file begins with the byte-order mark of UTF-16. */
  get isUtf16(): boolean {
    const [first, second] = this.#head
    return (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)
  }

  push(bytes: Uint8Array): void {
    for (let place = 0; this.#head.length < 2 && place < bytes.length; place += 1) this.#head.push(bytes[place]!)
    let at = this.#skipMark(bytes)
    const { length } = bytes
    while (at < length && !this.isTooLong) {
      if (this.#isBlank) at = this.#passBlank(bytes, at)
      if (this.#isBlank && at === length) break
      while (at < length && bytes[at] !== LF) at += 1
      if (at === length) break
      this.#endLine(this.#offset + at)
      at += 1
    }
    this.#offset += length
  }

  /** The table of all that was pushed. */
  finish(): LineTable {
    this.#endMark()
    this.#endLine(this.#offset)
    this.#closeStretch()
    return { count: this.#count, stretches: Float64Array.from(this.#stretches) }
  }

  /** The mark may come in pieces, and begin like one and be none. */
  #skipMark(bytes: Uint8Array): number {
    let at = 0
    for (; at < bytes.length && this.#marks >= 0; at += 1) {
      if (bytes[at] !== BYTE_ORDER_MARK[this.#marks]) {
        this.#endMark()
        break
      }
      this.#marks += 1
      if (this.#marks < BYTE_ORDER_MARK.length) continue
      this.#lineStart = BYTE_ORDER_MARK.length
      this.#marks = -1
    }
    return at
  }

  /** What looked like a mark is the beginning of the first line. */
  #endMark(): void {
    if (this.#marks > 0) this.#isBlank = false
    this.#marks = -1
  }

  /** Passes over what is no item's; answers with the place of the byte that begins one, or that ends the piece. */
  #passBlank(bytes: Uint8Array, from: number): number {
    let at = from
    for (; at < bytes.length; at += 1) {
      const byte = bytes[at]
      if (byte === LF) {
        this.#endsInCr = false
        this.#lineStart = this.#offset + at + 1
      } else if (byte === CR && !this.#endsInCr) this.#endsInCr = true
      else if ((byte !== SPACE && byte !== TAB) || this.#endsInCr) {
        this.#isBlank = false
        break
      }
    }
    return at
  }

  #endLine(end: number): void {
    const { isTooLong } = this
    const isItem = !this.#isBlank && !isTooLong
    const start = this.#lineStart
    this.#lineStart = end + 1
    this.#isBlank = true
    this.#endsInCr = false
    if (!isItem) return
    const isFull = this.#lines === MAX_STRETCH_LINES || (this.#lines > 0 && end - this.#start > MAX_STRETCH_BYTES)
    if (isFull) this.#closeStretch()
    if (this.#lines === 0) this.#start = start
    this.#end = end
    this.#lines += 1
    this.#count += 1
  }

  #closeStretch(): void {
    if (this.#lines === 0) return
    this.#stretches.push(this.#count - this.#lines, this.#start, this.#end)
    this.#lines = 0
  }
}

/** The stretch that the item is in. */
export function stretchOf(stretches: Float64Array, index: number): Stretch {
  let low = 0
  let high = stretches.length / WIDTH - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (stretches[middle * WIDTH]! <= index) low = middle
    else high = middle - 1
  }
  const at = low * WIDTH
  return { first: stretches[at]!, start: stretches[at + 1]!, end: stretches[at + 2]! }
}

/** Where the lines of a stretch that are items begin and end, in pairs. */
export function itemLines(bytes: Uint8Array): Uint32Array {
  const bounds: number[] = []
  for (let start = 0; start < bytes.length; ) {
    const found = bytes.indexOf(LF, start)
    const end = found < 0 ? bytes.length : found
    const textEnd = end > start && bytes[end - 1] === CR ? end - 1 : end
    if (!isBlank(bytes, start, textEnd)) bounds.push(start, textEnd)
    start = end + 1
  }
  return Uint32Array.from(bounds)
}

function isBlank(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) {
    if (bytes[at] !== SPACE && bytes[at] !== TAB) return false
  }
  return true
}
