/**
 * Fetch details by column: fifteen fields a task, tens of thousands of tasks a second, over two borders between threads.
 * As objects they would cost more on the way than the rest of a fetch's record.
 */

import { type ByPhase, byPhase } from './fetch-phases.js'
import type { FetchDetail } from './task.js'

/** The numbers of a task, in this order; NaN for null. */
const NUMBERS = ['bytes', 'status', 'redirects', 'dnsMs', 'connectMs', 'tlsMs', 'firstByteMs', 'downloadMs'] as const
const REDIRECTS = NUMBERS.indexOf('redirects')
/** After them: whether the connection was there already, and whether there is a hash. */
const REUSED = NUMBERS.length
const HASHED = REUSED + 1
const WIDTH = HASHED + 1
const HASH_BYTES = 32
const TEXTS = 4

export interface FetchColumn {
  /** WIDTH a task. A task without a detail has NaN bytes. */
  numbers: Float64Array
  /** SHA-256, 32 bytes a task; zeros where there is none. */
  hashes: Uint8Array
  /** URL, final URL (empty: the same), host and content type (empty: none) of each task, end to end. */
  text: string
  /** Where each text ends, in UTF-16 units: four a task. */
  ends: Uint32Array
}

/** A task's part of a column, read where it is wanted. */
export interface FetchCells {
  url: string
  /** Null where it is the same. */
  finalUrl: string | null
  host: string
  contentType: string | null
  status: number | null
  bytes: number
  redirects: number
  dnsMs: number | null
  connectMs: number | null
  tlsMs: number | null
  firstByteMs: number | null
  downloadMs: number | null
  reusedConnection: boolean | null
  /** A view of the column. */
  sha256: Uint8Array | null
}

/** Bytes received by the task; 0 where it has no detail. */
export function bytesAt(column: FetchColumn | null, at: number): number {
  const bytes = column === null ? Number.NaN : column.numbers[at * WIDTH]!
  return Number.isNaN(bytes) ? 0 : bytes
}

export function cellsAt(column: FetchColumn | null, at: number): FetchCells | null {
  if (column === null || Number.isNaN(column.numbers[at * WIDTH]!)) return null
  const { numbers, hashes, text, ends } = column
  const base = at * WIDTH
  const place = at * TEXTS
  const begin = place === 0 ? 0 : ends[place - 1]!
  const [urlEnd, finalEnd, hostEnd, typeEnd] = [ends[place]!, ends[place + 1]!, ends[place + 2]!, ends[place + 3]!]
  const numberAt = (field: number) => {
    const value = numbers[base + field]!
    return Number.isNaN(value) ? null : value
  }
  const reused = numbers[base + REUSED]!
  return {
    url: text.slice(begin, urlEnd),
    finalUrl: finalEnd > urlEnd ? text.slice(urlEnd, finalEnd) : null,
    host: text.slice(finalEnd, hostEnd),
    contentType: typeEnd > hostEnd ? text.slice(hostEnd, typeEnd) : null,
    bytes: numbers[base]!,
    status: numberAt(1),
    redirects: numberAt(2) ?? 0,
    dnsMs: numberAt(3),
    connectMs: numberAt(4),
    tlsMs: numberAt(5),
    firstByteMs: numberAt(6),
    downloadMs: numberAt(7),
    reusedConnection: Number.isNaN(reused) ? null : reused === 1,
    sha256: numbers[base + HASHED] === 1 ? hashes.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES) : null,
  }
}

/** The host alone; null where there is no detail. A part of the column's text: whoever keeps it keeps all of that. */
export function hostAt({ numbers, text, ends }: FetchColumn, at: number): string | null {
  if (Number.isNaN(numbers[at * WIDTH]!)) return null
  return text.slice(ends[at * TEXTS + 1]!, ends[at * TEXTS + 2]!)
}

/** How often the request was led elsewhere; 0 where there is no detail. */
export function redirectsAt(column: FetchColumn | null, at: number): number {
  return column === null ? 0 : column.numbers[at * WIDTH + REDIRECTS]! || 0
}

/** Of the tasks at these places, those times of each phase that there are: whose connection was there already has none of opening it. */
export function phasesAt({ numbers }: FetchColumn, places: Uint32Array): ByPhase<Float64Array> {
  return byPhase((phase) => {
    const field = NUMBERS.indexOf(`${phase}Ms`)
    const times = new Float64Array(places.length)
    let size = 0
    for (let place = 0; place < places.length; place += 1) {
      const time = numbers[places[place]! * WIDTH + field]!
      if (!Number.isNaN(time)) times[size++] = time
    }
    return times.subarray(0, size)
  })
}

/** The detail as it was added; null where there is none. */
export function fetchAt(column: FetchColumn | null, at: number): FetchDetail | null {
  const cells = cellsAt(column, at)
  if (cells === null) return null
  const { finalUrl, sha256 } = cells
  return { ...cells, finalUrl: finalUrl ?? cells.url, sha256: sha256 && toHex(sha256) }
}

function toHex(bytes: Uint8Array): string {
  let hex = ''
  for (const byte of bytes) hex += HEX[byte]!
  return hex
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))
const FIRST_CAPACITY = 64

/** Gathers a column, a task at a time. */
export class FetchColumnBuilder {
  #count = 0
  #numbers = new Float64Array(FIRST_CAPACITY * WIDTH)
  #hashes = new Uint8Array(FIRST_CAPACITY * HASH_BYTES)
  #ends = new Uint32Array(FIRST_CAPACITY * TEXTS)
  #text = ''

  add(detail: FetchDetail | null): void {
    if (this.#count * TEXTS === this.#ends.length) this.#grow()
    const at = this.#count
    const base = at * WIDTH
    this.#count += 1
    if (detail === null) this.#numbers.fill(Number.NaN, base, base + WIDTH)
    else this.#addNumbers(base, detail)
    this.#addText(at * TEXTS, detail?.url ?? '')
    this.#addText(at * TEXTS + 1, detail === null || detail.finalUrl === detail.url ? '' : detail.finalUrl)
    this.#addText(at * TEXTS + 2, detail?.host ?? '')
    this.#addText(at * TEXTS + 3, detail?.contentType ?? '')
    if (detail?.sha256) this.#addHash(at * HASH_BYTES, detail.sha256)
  }

  /** What was gathered; the builder starts anew. */
  take(): FetchColumn {
    const count = this.#count
    const column = {
      numbers: this.#numbers.slice(0, count * WIDTH),
      hashes: this.#hashes.slice(0, count * HASH_BYTES),
      text: this.#text,
      ends: this.#ends.slice(0, count * TEXTS),
    }
    this.#hashes.fill(0, 0, count * HASH_BYTES)
    this.#count = 0
    this.#text = ''
    return column
  }

  #addNumbers(base: number, detail: FetchDetail): void {
    const numbers = this.#numbers
    for (let field = 0; field < NUMBERS.length; field += 1)
      numbers[base + field] = detail[NUMBERS[field]!] ?? Number.NaN
    const { reusedConnection } = detail
    numbers[base + REUSED] = reusedConnection === null ? Number.NaN : Number(reusedConnection)
    numbers[base + HASHED] = Number(detail.sha256 !== null)
  }

  #addText(place: number, text: string): void {
    this.#text += text
    this.#ends[place] = this.#text.length
  }

  #addHash(base: number, hex: string): void {
    for (let at = 0; at < HASH_BYTES; at += 1) {
      this.#hashes[base + at] = (digitAt(hex, 2 * at) << 4) | digitAt(hex, 2 * at + 1)
    }
  }

  #grow(): void {
    const [numbers, hashes, ends] = [this.#numbers, this.#hashes, this.#ends]
    this.#numbers = new Float64Array(2 * numbers.length)
    this.#hashes = new Uint8Array(2 * hashes.length)
    this.#ends = new Uint32Array(2 * ends.length)
    this.#numbers.set(numbers)
    this.#hashes.set(hashes)
    this.#ends.set(ends)
  }
}

/** Of a lower-case hexadecimal digit. */
function digitAt(hex: string, at: number): number {
  const code = hex.charCodeAt(at)
  return code < 58 ? code - 48 : code - 87
}
