/** Answers that several items share: what came of the one request, and the rows of the items that share it. */

import type { TaskError } from '../domain/errors.js'
import { FetchColumnBuilder, fetchAt } from '../domain/fetch-column.js'
import {
  type BlockError,
  detached,
  type Outcome,
  type OutputColumn,
  outputAt,
  type ResultColumns,
} from '../domain/results.js'
import { type FetchDetail, STORED_TASK_STATUS, type TaskRecord } from '../domain/task.js'

export interface Answer {
  outcome: Outcome
  /** JSON text; null where there is none. */
  output: string | null
  error: TaskError | null
  fetch: FetchDetail | null
  /** What it hands over to the next stage, see ResultColumns.handedOver; null where that is to be made of the answer. */
  handedOver: string | null
}

/** Characters of a detail's texts are few beside this. */
const CHARS_OF_A_DETAIL = 256

export function answerAt(columns: ResultColumns, at: number, error: TaskError | null): Answer {
  const outcome = columns.outcomes[at] as Outcome
  const [output, handedOver] = [outputAt(columns.outputs, at), outputAt(columns.handedOver, at)]
  return {
    outcome,
    output: output && detached(output),
    error,
    fetch: fetchAt(columns.fetches, at),
    handedOver: handedOver && detached(handedOver),
  }
}

export function answerOf({ status, output, error, fetch }: TaskRecord): Answer {
  return { outcome: STORED_TASK_STATUS.indexOf(status) as Outcome, output, error, fetch, handedOver: null }
}

/** Answers at hand, those asked for last. */
export class AnswerCache {
  readonly #answers = new Map<number, Answer>()
  #chars = 0

  constructor(private readonly limits: { answers: number; chars: number }) {}

  get(index: number): Answer | null {
    const answer = this.#answers.get(index)
    if (!answer) return null
    this.#answers.delete(index)
    this.#answers.set(index, answer)
    return answer
  }

  put(index: number, answer: Answer): void {
    this.#drop(index)
    this.#answers.set(index, answer)
    this.#chars += charsOf(answer)
    const { answers, chars } = this.limits
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size <= answers && this.#chars <= chars) break
      this.#drop(oldest)
    }
  }

  #drop(index: number): void {
    const answer = this.#answers.get(index)
    if (answer && this.#answers.delete(index)) this.#chars -= charsOf(answer)
  }
}

function charsOf({ output, handedOver }: Answer): number {
  return (output?.length ?? 0) + (handedOver?.length ?? 0) + CHARS_OF_A_DETAIL
}

/** The time of the request is that of the task which sent it. */
const NO_TIME = {
  dnsMs: null,
  connectMs: null,
  tlsMs: null,
  firstByteMs: null,
  downloadMs: null,
  reusedConnection: null,
}

/** Gathers rows of items that were never sent: attempts 0, no times. */
export class SharedRows {
  readonly #indexes: number[] = []
  readonly #outcomes: Outcome[] = []
  readonly #errors: BlockError[] = []
  readonly #fetches = new FetchColumnBuilder()
  readonly #outputs = new Texts()
  readonly #handedOver = new Texts()
  #hasFetch = false

  constructor(private readonly limits: { rows: number; chars: number }) {}

  get isFull(): boolean {
    return this.#indexes.length >= this.limits.rows || this.#outputs.chars + this.#handedOver.chars >= this.limits.chars
  }

  add(index: number, { outcome, output, error, fetch, handedOver }: Answer): void {
    if (error) this.#errors.push({ at: this.#indexes.length, error, retryAfterMs: null })
    this.#indexes.push(index)
    this.#outcomes.push(outcome)
    this.#outputs.add(output)
    this.#handedOver.add(handedOver)
    this.#fetches.add(fetch && { ...fetch, ...NO_TIME })
    this.#hasFetch ||= fetch !== null
  }

  columns(): ResultColumns {
    const count = this.#indexes.length
    return {
      count,
      indexes: Float64Array.from(this.#indexes),
      attempts: new Uint8Array(count),
      outcomes: Uint8Array.from(this.#outcomes),
      startedAt: new Float64Array(count),
      serviceMs: new Float64Array(count),
      cpuMs: null,
      outputs: this.#outputs.column(),
      handedOver: this.#handedOver.column(),
      errors: this.#errors,
      fetches: this.#hasFetch ? this.#fetches.take() : null,
    }
  }
}

/** Gathers texts end to end. */
class Texts {
  #text = ''
  readonly #ends: number[] = []

  get chars(): number {
    return this.#text.length
  }

  add(text: string | null): void {
    this.#text += text ?? ''
    this.#ends.push(this.#text.length)
  }

  /** Null where there is none. */
  column(): OutputColumn | null {
    return this.#text === '' ? null : { text: this.#text, ends: Uint32Array.from(this.#ends) }
  }
}
