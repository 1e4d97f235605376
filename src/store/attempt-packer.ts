/**
 * Packs the attempts of full segments, in the transaction that writes the last of their rows: 25 bytes for an attempt, and a
 * twentieth of the time that it takes to read the rows. Runs in the writer's thread.
 */

import type Database from 'better-sqlite3'
import type { AttemptFrame, AttemptList } from '../domain/attempts.js'
import type { ResultColumns } from '../domain/results.js'
import { STORED_TASK_STATUS, type TaskRecord } from '../domain/task.js'
import { AttemptRows } from './attempt-rows.js'
import type { RunNames } from './run-names.js'
import { SEGMENT_BITS } from './segments.js'

const SEGMENT_ROWS = 1 << SEGMENT_BITS
/** Each has up to 100 KB; the one that was not used for longest goes first, and is read from its rows when it is needed again. */
const MAX_RUNS = 64

export class AttemptPacker {
  readonly #runs = new Map<number, OpenSegment>()
  readonly #rows: AttemptRows
  readonly #put: Database.Statement
  readonly #names: RunNames

  constructor(db: Database.Database, names: RunNames) {
    this.#names = names
    this.#rows = new AttemptRows(db)
    this.#put = db.prepare(
      'INSERT INTO "AttemptSegment" ("runId", "number", "firstStartMs", "attempts") VALUES (?, ?, ?, ?)',
    )
  }

  /** The segment that the row with this sequence number goes to. Null for a run that cannot fill one: its rows are read. */
  open(runId: number, nextSequence: number, totalTasks: number): OpenSegment | null {
    if (totalTasks < SEGMENT_ROWS - 1) return null
    const known = this.#runs.get(runId)
    this.#runs.delete(runId)
    // Another number than expected: a transaction was rolled back.
    const segment = known?.nextSequence === nextSequence ? known : this.#read(runId, nextSequence)
    this.#runs.set(runId, segment)
    if (this.#runs.size > MAX_RUNS) this.#runs.delete(this.#runs.keys().next().value!)
    return segment
  }

  forget(runId: number): void {
    this.#runs.delete(runId)
  }

  #read(runId: number, nextSequence: number): OpenSegment {
    const laneNumber = (name: string) => this.#names.laneNumber(runId, name)
    const first = (nextSequence >> SEGMENT_BITS) << SEGMENT_BITS
    const attempts = this.#rows.read(runId, { first, last: nextSequence - 1 }, { numberOf: laneNumber })
    return new OpenSegment({ attempts, nextSequence, laneNumber, put: (...cells) => this.#put.run(runId, ...cells) })
  }
}

interface Options {
  attempts: AttemptList
  /** Of the next row. */
  nextSequence: number
  laneNumber(name: string): number
  put(number: number, firstStartMs: number | null, attempts: Uint8Array): void
}

/** The last segment of a run under way. Rows are told in the order of their sequence numbers. */
export class OpenSegment {
  readonly #options: Options
  #nextSequence: number

  constructor(options: Options) {
    this.#options = options
    this.#nextSequence = options.nextSequence
  }

  get nextSequence(): number {
    return this.#nextSequence
  }

  /** A task that took one attempt, or none: see PlainRows. */
  addPlain(columns: ResultColumns, at: number, frame: AttemptFrame): void {
    if (columns.attempts[at] !== 0) this.#options.attempts.addEnded(columns, at, frame)
    this.#advance()
  }

  addTask(task: TaskRecord): void {
    const { attempts, laneNumber } = this.#options
    const { stage, index, history, lane, startedMs, serviceMs } = task
    const outcome = STORED_TASK_STATUS.indexOf(task.status)
    if (history !== null) attempts.addHistory({ stage, index, outcome }, history, { numberOf: laneNumber })
    else if (lane !== null && startedMs !== null)
      attempts.add({ stage, index, outcome, lane: laneNumber(lane), startedMs, serviceMs: serviceMs ?? 0 })
    this.#advance()
  }

  #advance(): void {
    this.#nextSequence += 1
    if (this.#nextSequence % SEGMENT_ROWS === 0) this.#pack()
  }

  #pack(): void {
    const { attempts, put } = this.#options
    const { bytes, firstStartMs } = attempts.pack()
    put((this.#nextSequence >> SEGMENT_BITS) - 1, firstStartMs, bytes)
    attempts.clear()
  }
}
