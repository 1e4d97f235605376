/**
 * What the tasks of a run took, in parts: by stage and host, each with its figures and its sketch. Packed, a part is some
 * hundred bytes, whatever it has of tasks; history is merged from them.
 */

import { ByteReader, ByteWriter } from './byte-coding.js'
import { detached } from './results.js'
import { LogSketch } from './sketch.js'
import { addColumn, emptyMoments, type Moments, mergeMoments } from './timing.js'

/** What pack begins with. */
const FORMAT = 1
const NO_BYTES = new Uint8Array()
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** Hosts that a run keeps a part for; the tasks at all others share one without a host. */
export const MAX_PART_HOSTS = 1_000

/** Which tasks a part is of. */
export interface PartOf {
  stage: number
  /** Null for fetches. */
  function: string | null
  /** Null for computes, for what came to no host, and for hosts beyond MAX_PART_HOSTS. */
  host: string | null
}

/** Figures of tasks, to be added to. */
export class TimedSum {
  /** SUCCEEDED and FAILED. */
  tasks = 0
  failed = 0
  /** Of those that had an attempt: another's answer takes no time. */
  service: Moments = emptyMoments()
  readonly sketch = new LogSketch()

  /** `serviceMs`: of those that had an attempt. */
  add({
    tasks,
    failed,
    serviceMs,
  }: {
    tasks: number
    failed: number
    serviceMs: readonly number[] | Float64Array
  }): void {
    this.tasks += tasks
    this.failed += failed
    const times = serviceMs instanceof Float64Array ? serviceMs : Float64Array.from(serviceMs)
    for (let at = 0; at < times.length; at += 1) this.sketch.add(times[at]!)
    addColumn(this.service, times)
  }

  /** The part that the reader stands at. */
  merge(part: PartReader): void {
    this.tasks += part.tasks
    this.failed += part.failed
    this.service = mergeMoments(this.service, part.service)
    part.mergeSketch(this.sketch)
  }
}

/** The parts of a run, or of several that are alike. */
export class TimedParts {
  readonly #parts = new Map<string, { of: PartOf; sum: TimedSum }>()
  #hosts = new Set<string>()

  get size(): number {
    return this.#parts.size
  }

  /** The part that a task belongs to; `host` may be a piece of a longer text. */
  at({ stage, function: name, host }: PartOf): TimedSum {
    const key = this.#keyOf(stage, name, host)
    const known = this.#parts.get(key)
    if (known) return known.sum
    const kept = host === null || !this.#hosts.has(host) ? null : detached(host)
    const sum = new TimedSum()
    this.#parts.set(detached(key), { of: { stage, function: name, host: kept }, sum })
    return sum
  }

  mergePacked(bytes: Uint8Array): void {
    for (const parts = new PartReader(bytes); parts.next(); ) this.at(parts).merge(parts)
  }

  pack(): Uint8Array {
    const writer = new ByteWriter()
    writer.varint(FORMAT)
    for (const { of, sum } of this.#parts.values()) {
      writer.varint(of.stage)
      writer.text(of.function ?? '')
      writer.text(of.host ?? '')
      writer.varint(sum.tasks)
      writer.varint(sum.failed)
      writer.varint(sum.service.count)
      for (const figure of [sum.service.min, sum.service.max, sum.service.sum, sum.service.mean, sum.service.m2])
        writer.double(figure)
      writer.piece(sum.sketch.toBytes())
    }
    return writer.bytes()
  }

  #keyOf(stage: number, name: string | null, host: string | null): string {
    if (host === null) return `${stage} ${name ?? ''} `
    if (!this.#hosts.has(host)) {
      if (this.#hosts.size >= MAX_PART_HOSTS) return `${stage} ${name ?? ''} `
      this.#hosts.add(detached(host))
    }
    return `${stage} ${name ?? ''} ${host}`
  }
}

/**
 * Reads packed parts one after the other: in the order of TimedParts.pack. Thousands of runs are read for one answer, so what is not asked
 * for is passed over. Throws an Error for other bytes.
 */
export class PartReader implements PartOf {
  readonly #reader: ByteReader
  #function: Uint8Array = NO_BYTES
  #host: Uint8Array = NO_BYTES
  #sketch: Uint8Array = NO_BYTES
  stage = 0
  tasks = 0
  failed = 0
  readonly service = emptyMoments()

  constructor(bytes: Uint8Array) {
    this.#reader = new ByteReader(bytes)
    const format = this.#reader.varint()
    if (format !== FORMAT) throw new Error(`parts of format ${format} are not known here`)
  }

  get function(): string | null {
    return this.#function.length > 0 ? decoder.decode(this.#function) : null
  }

  get host(): string | null {
    return this.#host.length > 0 ? decoder.decode(this.#host) : null
  }

  /** Goes on to the next part. False where there is none. */
  next(): boolean {
    const reader = this.#reader
    if (reader.atEnd) return false
    const { service } = this
    this.stage = reader.varint()
    this.#function = reader.piece()
    this.#host = reader.piece()
    this.tasks = reader.varint()
    this.failed = reader.varint()
    service.count = reader.varint()
    service.min = reader.double()
    service.max = reader.double()
    service.sum = reader.double()
    service.mean = reader.double()
    service.m2 = reader.double()
    this.#sketch = reader.piece()
    return true
  }

  mergeSketch(sketch: LogSketch): void {
    sketch.mergeBytes(this.#sketch)
  }
}
