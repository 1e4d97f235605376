/**
 * The parts of the runs under way, added up as their rows are written, so that a run's end need not read them again. Runs in the
 * writer's thread.
 */

import type Database from 'better-sqlite3'
import { hostAt } from '../domain/fetch-column.js'
import { Outcome, type ResultColumns } from '../domain/results.js'
import { TimedParts } from '../domain/timed-parts.js'
import { drained, PartRows } from './part-rows.js'
import type { TaskBlock } from './store.js'

/** Of all runs together: a part has two kilobytes. The run that was not written to for longest goes first, and is read from its rows. */
const MAX_PARTS = 10_000
/** What is read at the end of a run by whoever writes: a tenth of a second. */
const MAX_ROWS_AT_ONCE = 100_000

interface OpenRun {
  parts: TimedParts
  functions: readonly (string | null)[]
  /** Of the rows that it has been told of, from the first one on. */
  lastSequence: number
}

export class PartSums {
  /** The one that was written to last is the last. */
  readonly #runs = new Map<number, OpenRun>()
  /** Of all of them. */
  #parts = 0
  readonly #rows: PartRows
  readonly #put: Database.Statement

  constructor(db: Database.Database) {
    this.#rows = new PartRows(db)
    this.#put = db.prepare(
      `INSERT INTO "RunParts" ("runId", "finishedAt", "wallMs", "kind", "strategy", "parts")
       SELECT "id", "finishedAt", coalesce("durationMs", 0), "kind", "strategy", @parts FROM "Run" WHERE "id" = @runId
       ON CONFLICT DO UPDATE SET "finishedAt" = excluded."finishedAt", "wallMs" = excluded."wallMs", "parts" = excluded."parts"`,
    )
  }

  /** Its rows have been written, or are in this transaction. */
  add(runId: number, block: TaskBlock): void {
    const run = this.#take(runId) ?? this.#begin(runId, block.firstSequence)
    // What is not there from the first row on is read from the rows in the end.
    if (run.lastSequence === block.firstSequence - 1) {
      for (const { host, ...figures } of sumsOf(block))
        run.parts.at({ stage: block.stage, function: run.functions[block.stage] ?? null, host }).add(figures)
      run.lastSequence += block.columns.count - (block.dropped?.size ?? 0)
    }
    this.#keep(runId, run)
  }

  /** The run has ended. False where its rows are too many to be read now: that is owed. */
  finish(runId: number, lastSequence: number): boolean {
    const known = this.#take(runId)
    const parts = known?.lastSequence === lastSequence ? known.parts : this.#read(runId, lastSequence)
    this.#put.run({ runId, parts: parts?.pack() ?? null })
    return parts !== null
  }

  /** What was added is not in the database. */
  forgetAll(): void {
    this.#runs.clear()
    this.#parts = 0
  }

  #read(runId: number, lastSequence: number): TimedParts | null {
    return lastSequence > MAX_ROWS_AT_ONCE ? null : drained(this.#rows.read(runId))
  }

  #begin(runId: number, firstSequence: number): OpenRun {
    const functions = firstSequence === 1 ? this.#rows.functionsOf(runId) : []
    return { parts: new TimedParts(), functions, lastSequence: 0 }
  }

  #take(runId: number): OpenRun | undefined {
    const run = this.#runs.get(runId)
    if (run && this.#runs.delete(runId)) this.#parts -= run.parts.size
    return run
  }

  #keep(runId: number, run: OpenRun): void {
    this.#runs.set(runId, run)
    this.#parts += run.parts.size
    for (const longestUnused of this.#runs.keys()) {
      if (this.#parts <= MAX_PARTS || longestUnused === runId) return
      this.#take(longestUnused)
    }
  }
}

interface BlockSum {
  host: string | null
  tasks: number
  failed: number
  serviceMs: readonly number[] | Float64Array
}

/** What a block adds to each host's part: SUCCEEDED and FAILED tasks, timed where they had an attempt. */
function sumsOf(block: TaskBlock): Iterable<BlockSum> {
  const { columns, dropped, histories } = block
  return columns.fetches === null && dropped === null && histories.length === 0
    ? [sumOfPlain(columns)]
    : sumsByHost(block)
}

/** Of a block of computes, each in its first attempt: a million tiny ones must not cost a look-up each. */
function sumOfPlain({ count, outcomes, attempts, startedAt, serviceMs }: ResultColumns): BlockSum {
  const times = new Float64Array(count)
  let [tasks, failed, timed] = [0, 0, 0]
  for (let at = 0; at < count; at += 1) {
    const outcome = outcomes[at]!
    if (outcome > Outcome.FAILED) continue
    tasks += 1
    failed += outcome
    if (attempts[at] !== 0 && startedAt[at]! > 0) times[timed++] = serviceMs[at]!
  }
  return { host: null, tasks, failed, serviceMs: times.subarray(0, timed) }
}

function sumsByHost({ columns, dropped, histories }: TaskBlock): Iterable<BlockSum> {
  const { count, outcomes, fetches } = columns
  const earlier = histories.length > 0 ? new Map(histories.map(({ at, attempts }) => [at, attempts])) : null
  const sums = new Map<string | null, BlockSum & { serviceMs: number[] }>()
  for (let at = 0; at < count; at += 1) {
    if (dropped?.has(at) || outcomes[at]! > Outcome.FAILED) continue
    const host = fetches && (hostAt(fetches, at) || null)
    let sum = sums.get(host)
    if (sum === undefined) {
      sum = { host, tasks: 0, failed: 0, serviceMs: [] }
      sums.set(host, sum)
    }
    sum.tasks += 1
    if (outcomes[at] === Outcome.FAILED) sum.failed += 1
    const history = earlier?.get(at)
    if (history?.length) sum.serviceMs.push(history.reduce((total, one) => total + one.serviceMs, 0))
    else if (columns.attempts[at] !== 0 && columns.startedAt[at]! > 0) sum.serviceMs.push(columns.serviceMs[at]!)
  }
  return sums.values()
}
