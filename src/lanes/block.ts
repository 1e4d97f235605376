/** Gathers ended items in columns, in place and without an object for each. */

import type { TaskError } from '../domain/errors.js'
import { FetchColumnBuilder } from '../domain/fetch-column.js'
import { handOver, isWholeOutput, type StageLink } from '../domain/hand-over.js'
import { type BlockError, Outcome, type OutputColumn, type ResultColumns } from '../domain/results.js'
import type { FetchDetail } from '../domain/task.js'

/** When a task ran. One object serves many tasks: what is in it is copied at once. */
export interface TaskTimes {
  index: number
  attempt: number
  /** Epoch milliseconds. */
  startedAt: number
  serviceMs: number
  /** NaN where it was not measured. */
  cpuMs: number
}

/** What came of a task besides its times. */
export interface TaskEnd {
  outcome: Outcome
  output: string | null
  error: TaskError | null
  retryAfterMs: number | null
  fetch: FetchDetail | null
}

const FIRST_CAPACITY = 256

interface NumberColumns {
  indexes: Float64Array
  attempts: Uint8Array
  outcomes: Uint8Array
  startedAt: Float64Array
  serviceMs: Float64Array
  cpuMs: Float64Array
  /** See OutputColumn. */
  ends: Uint32Array
}

function allocate(capacity: number): NumberColumns {
  return {
    indexes: new Float64Array(capacity),
    attempts: new Uint8Array(capacity),
    outcomes: new Uint8Array(capacity),
    startedAt: new Float64Array(capacity),
    serviceMs: new Float64Array(capacity),
    cpuMs: new Float64Array(capacity),
    ends: new Uint32Array(capacity),
  }
}

export class BlockBuilder {
  #capacity = FIRST_CAPACITY
  #columns = allocate(FIRST_CAPACITY)
  #count = 0
  #hasCpu = false
  #text = ''
  #errors: BlockError[] = []
  readonly #fetches = new FetchColumnBuilder()
  /** Null where nothing is handed over but the outputs themselves. */
  readonly #handing: HandingOver | null

  /** `link`: to the stage after it; null where there is none. */
  constructor(
    private readonly isFetch: boolean,
    link: StageLink | null = null,
  ) {
    this.#handing = link === null || isWholeOutput(link) ? null : new HandingOver(link)
  }

  get count(): number {
    return this.#count
  }

  /** Characters of the outputs gathered. */
  get chars(): number {
    return this.#text.length + (this.#handing?.chars ?? 0)
  }

  /** The shape that a million tiny tasks take. */
  succeed(times: TaskTimes, output: string): void {
    this.#place(times, Outcome.SUCCEEDED)
    this.#append(output)
    this.#handing?.add(this.#count, { output, fetch: null })
  }

  add(times: TaskTimes, end: TaskEnd): void {
    const at = this.#place(times, end.outcome)
    this.#append(end.output ?? '')
    if (end.error) this.#errors.push({ at, error: end.error, retryAfterMs: end.retryAfterMs })
    if (this.isFetch) this.#fetches.add(end.fetch)
    if (end.outcome === Outcome.SUCCEEDED) this.#handing?.add(this.#count, end)
  }

  /** The columns gathered so far; the builder starts anew. */
  take(): ResultColumns {
    const count = this.#count
    const { indexes, attempts, outcomes, startedAt, serviceMs, cpuMs, ends } = this.#columns
    const columns: ResultColumns = {
      count,
      indexes: indexes.slice(0, count),
      attempts: attempts.slice(0, count),
      outcomes: outcomes.slice(0, count),
      startedAt: startedAt.slice(0, count),
      serviceMs: serviceMs.slice(0, count),
      cpuMs: this.#hasCpu ? cpuMs.slice(0, count) : null,
      outputs: this.#text === '' ? null : { text: this.#text, ends: ends.slice(0, count) },
      handedOver: this.#handing?.take(count) ?? null,
      errors: this.#errors,
      fetches: this.isFetch ? this.#fetches.take() : null,
    }
    this.#count = 0
    this.#hasCpu = false
    this.#text = ''
    this.#errors = []
    return columns
  }

  /** To the place that was taken last. */
  #append(output: string): void {
    this.#text += output
    this.#columns.ends[this.#count - 1] = this.#text.length
  }

  #place(times: TaskTimes, outcome: Outcome): number {
    if (this.#count === this.#capacity) this.#grow()
    const at = this.#count
    const columns = this.#columns
    columns.indexes[at] = times.index
    columns.attempts[at] = times.attempt
    columns.outcomes[at] = outcome
    columns.startedAt[at] = times.startedAt
    columns.serviceMs[at] = times.serviceMs
    columns.cpuMs[at] = times.cpuMs
    // NaN is no number of milliseconds.
    if (times.cpuMs >= 0) this.#hasCpu = true
    this.#count = at + 1
    return at
  }

  #grow(): void {
    const old = this.#columns
    this.#capacity *= 2
    this.#columns = allocate(this.#capacity)
    for (const name of Object.keys(old) as (keyof NumberColumns)[]) this.#columns[name].set(old[name])
  }
}

/** Gathers what succeeded tasks hand over. */
class HandingOver {
  #text = ''
  /** Where each text ends, of the places so far. */
  #ends: number[] = []

  constructor(private readonly link: StageLink) {}

  get chars(): number {
    return this.#text.length
  }

  /** Of the place that was taken last, of `count`. */
  add(count: number, given: Parameters<typeof handOver>[1]): void {
    this.#fill(count - 1)
    this.#text += handOver(this.link, given)
    this.#ends.push(this.#text.length)
  }

  take(count: number): OutputColumn {
    this.#fill(count)
    const column = { text: this.#text, ends: Uint32Array.from(this.#ends) }
    this.#text = ''
    this.#ends = []
    return column
  }

  /** Those that did not succeed hand over nothing. */
  #fill(count: number): void {
    while (this.#ends.length < count) this.#ends.push(this.#text.length)
  }
}

/** The buffers of a block's columns: a thread gives them away instead of copying them. */
export function transferables(columns: ResultColumns): ArrayBuffer[] {
  const { indexes, attempts, outcomes, startedAt, serviceMs, cpuMs, outputs, handedOver, fetches } = columns
  const arrays = [
    indexes,
    attempts,
    outcomes,
    startedAt,
    serviceMs,
    cpuMs,
    outputs?.ends,
    handedOver?.ends,
    fetches?.numbers,
    fetches?.hashes,
    fetches?.ends,
  ]
  return arrays.flatMap((array) => (array ? [array.buffer as ArrayBuffer] : []))
}
