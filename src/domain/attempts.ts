/**
 * Attempts by column: what a lane was busy with and when, of thousands of tasks at a time. A task that took one attempt is
 * one place, a task that was tried again one for each attempt.
 */

import type { ResultColumns } from './results.js'
import { sortedOrder } from './sorted-order.js'
import type { Attempt } from './task.js'

/** What became of an attempt: a place in STORED_TASK_STATUS where it was its task's last, else this. */
export const TRIED_AGAIN = 3

/** Bytes of a packed attempt: two times, an index, lane and stage, an outcome. */
const BYTES = 8 + 8 + 4 + 2 + 2 + 1
const FIRST_CAPACITY = 64

/** Packed, attempts are sorted by their starts. */
export interface AttemptColumns {
  readonly count: number
  /** After Run.startedAt, as all times here. */
  readonly startMs: Float64Array
  readonly endMs: Float64Array
  /** Of the item. */
  readonly index: Uint32Array
  /** The lane's number in its run. */
  readonly lane: Uint16Array
  readonly stage: Uint16Array
  /** A place in STORED_TASK_STATUS, or TRIED_AGAIN. */
  readonly outcome: Uint8Array
}

/** What the attempts of a block have in common. */
export interface AttemptFrame {
  lane: number
  stage: number
  /** As epoch milliseconds. */
  runStartedAt: number
}

/** A task as its row tells it. */
export interface AttemptedTask {
  stage: number
  index: number
  /** A place in STORED_TASK_STATUS. */
  outcome: number
  lane: number
  startedMs: number
  serviceMs: number
}

/** Attempts as they come, in no order. */
export class AttemptList {
  #columns = allocated(FIRST_CAPACITY)
  #count = 0

  get count(): number {
    return this.#count
  }

  clear(): void {
    this.#count = 0
  }

  /** The only attempt at a task. */
  add({ stage, index, outcome, lane, startedMs, serviceMs }: AttemptedTask): void {
    const at = this.#place()
    const columns = this.#columns
    columns.startMs[at] = startedMs
    columns.endMs[at] = startedMs + Math.max(0, serviceMs)
    columns.index[at] = index
    columns.lane[at] = lane
    columns.stage[at] = stage
    columns.outcome[at] = outcome
  }

  /** All attempts at a task: the last one has its outcome, the others failed and were tried again. */
  addHistory(
    task: Pick<AttemptedTask, 'stage' | 'index' | 'outcome'>,
    attempts: readonly Pick<Attempt, 'startedMs' | 'serviceMs' | 'lane'>[],
    lanes: LaneNumbers,
  ): void {
    for (const [at, { startedMs, serviceMs, lane }] of attempts.entries()) {
      const outcome = at === attempts.length - 1 ? task.outcome : TRIED_AGAIN
      this.add({ ...task, outcome, lane: lanes.numberOf(lane), startedMs, serviceMs })
    }
  }

  /** The task at a place of a block, straight from its columns: no object for each of a million. */
  addEnded(block: ResultColumns, at: number, frame: AttemptFrame): void {
    const place = this.#place()
    const columns = this.#columns
    const startMs = block.startedAt[at]! - frame.runStartedAt
    columns.startMs[place] = startMs
    columns.endMs[place] = startMs + Math.max(0, block.serviceMs[at]!)
    columns.index[place] = block.indexes[at]!
    columns.lane[place] = frame.lane
    columns.stage[place] = frame.stage
    columns.outcome[place] = block.outcomes[at]!
  }

  /** Sorted by their starts, as bytes; the first start is null where there is none. */
  pack(): { bytes: Uint8Array<ArrayBuffer>; firstStartMs: number | null } {
    const from = this.#columns
    const bytes = new Uint8Array(this.#count * BYTES)
    const to = unpackAttempts(bytes)
    // Lanes report in stretches that are sorted, or nearly.
    const order = sortedOrder(from.startMs, this.#count)
    for (let place = 0; place < order.length; place += 1) {
      const at = order[place]!
      to.startMs[place] = from.startMs[at]!
      to.endMs[place] = from.endMs[at]!
      to.index[place] = from.index[at]!
      to.lane[place] = from.lane[at]!
      to.stage[place] = from.stage[at]!
      to.outcome[place] = from.outcome[at]!
    }
    return { bytes, firstStartMs: to.startMs[0] ?? null }
  }

  #place(): number {
    if (this.#count === this.#columns.count) this.#columns = grown(this.#columns)
    return this.#count++
  }
}

/** Numbers for the names of lanes. */
export interface LaneNumbers {
  numberOf(name: string): number
}

/** Little end first on every machine that Node.js runs on. The columns are views of the bytes, where those are aligned. */
export function unpackAttempts(bytes: Uint8Array): AttemptColumns {
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % 8 === 0 ? bytes : Uint8Array.from(bytes)
  return viewed(buffer as ArrayBuffer, byteOffset, byteLength / BYTES)
}

function allocated(count: number): AttemptColumns {
  return viewed(new ArrayBuffer(count * BYTES), 0, count)
}

/** The widest first: each column is aligned then. */
function viewed(buffer: ArrayBuffer, offset: number, count: number): AttemptColumns {
  return {
    count,
    startMs: new Float64Array(buffer, offset, count),
    endMs: new Float64Array(buffer, offset + 8 * count, count),
    index: new Uint32Array(buffer, offset + 16 * count, count),
    lane: new Uint16Array(buffer, offset + 20 * count, count),
    stage: new Uint16Array(buffer, offset + 22 * count, count),
    outcome: new Uint8Array(buffer, offset + 24 * count, count),
  }
}

function grown(columns: AttemptColumns): AttemptColumns {
  const larger = allocated(2 * columns.count)
  larger.startMs.set(columns.startMs)
  larger.endMs.set(columns.endMs)
  larger.index.set(columns.index)
  larger.lane.set(columns.lane)
  larger.stage.set(columns.stage)
  larger.outcome.set(columns.outcome)
  return larger
}
