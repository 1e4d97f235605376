/**
 * The picture of a run, drawn from its packed segments and, where there is none, from the rows. Only segments that overlap in
 * time are in memory together. Runs in the reader's thread, in turns with other questions.
 */

import type Database from 'better-sqlite3'
import { type AttemptPiece, inOrder } from '../domain/attempt-order.js'
import { unpackAttempts } from '../domain/attempts.js'
import { type LaneTimeline, TimelineFold } from '../domain/timeline.js'
import { AttemptRows } from './attempt-rows.js'
import { SEGMENT_BITS } from './segments.js'

/** What is known of a run before its attempts are read. */
interface Outline {
  lastSequence: number
  /** Packed segments with their first starts. */
  packed: Map<number, number | null>
  lanes: Lanes
}

export class Timelines {
  readonly #rows: AttemptRows
  readonly #last: Database.Statement<[number], number | null>
  readonly #packed: Database.Statement<[number], [number: number, firstStartMs: number | null]>
  readonly #lanes: Database.Statement<[number], string>
  readonly #attempts: Database.Statement<[number, number], Uint8Array>
  readonly #firstStart: Database.Statement<[number, number, number], number | null>
  readonly #outline: (runId: number) => Outline

  constructor(db: Database.Database) {
    this.#rows = new AttemptRows(db)
    this.#last = db
      .prepare<[number], number | null>('SELECT max("sequence") FROM "Task" NOT INDEXED WHERE "runId" = ?')
      .pluck()
    this.#packed = db
      .prepare<[number], [number, number | null]>(
        'SELECT "number", "firstStartMs" FROM "AttemptSegment" WHERE "runId" = ?',
      )
      .raw()
    this.#lanes = db
      .prepare<[number], string>('SELECT "name" FROM "RunLane" WHERE "runId" = ? ORDER BY "number"')
      .pluck()
    this.#attempts = db
      .prepare<[number, number], Uint8Array>(
        'SELECT "attempts" FROM "AttemptSegment" WHERE "runId" = ? AND "number" = ?',
      )
      .pluck()
    // With the plus: for the smallest of the column itself SQLite would walk along the index of starts, all of the run's.
    this.#firstStart = db
      .prepare<[number, number, number], number | null>(
        'SELECT min(+"startedMs") FROM "Task" NOT INDEXED WHERE "runId" = ? AND "sequence" >= ? AND "sequence" <= ?',
      )
      .pluck()
    // Of one moment: more may be committed, and lanes numbered, while it is read.
    this.#outline = db.transaction((runId: number) => ({
      lastSequence: this.#last.get(runId) ?? 0,
      packed: new Map(this.#packed.all(runId)),
      lanes: new Lanes(this.#lanes.all(runId)),
    }))
  }

  async read(runId: number, maxSpans: number): Promise<LaneTimeline[]> {
    const outline = this.#outline(runId)
    const fold = new TimelineFold(maxSpans)
    const pieces = await this.#pieces(runId, outline)
    for (const _ of inOrder(pieces, (attempts, from, to) => fold.add(attempts, from, to))) await nextTurn()
    return fold.lanes((number) => outline.lanes.names[number] ?? '')
  }

  async #pieces(runId: number, { lastSequence, packed, lanes }: Outline): Promise<AttemptPiece[]> {
    const pieces: AttemptPiece[] = []
    for (let number = 0; number <= lastSequence >> SEGMENT_BITS; number += 1) {
      const packedStartMs = packed.get(number)
      if (packedStartMs === undefined) {
        const rows = { first: number << SEGMENT_BITS, last: Math.min(lastSequence, ((number + 1) << SEGMENT_BITS) - 1) }
        const firstStartMs = this.#firstStart.get(runId, rows.first, rows.last) ?? null
        const read = () => unpackAttempts(this.#rows.read(runId, rows, lanes).pack().bytes)
        if (firstStartMs !== null) pieces.push({ firstStartMs, read })
        // The last one as a rule; all of them where the run is older than the table.
        await nextTurn()
      } else if (packedStartMs !== null) {
        const read = () => unpackAttempts(this.#attempts.get(runId, number) ?? new Uint8Array())
        pieces.push({ firstStartMs: packedStartMs, read })
      }
    }
    return pieces
  }
}

/** After the questions that wait. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** The numbers of a run's lanes, and further ones for lanes that only attempts which were tried again have been on. */
class Lanes {
  constructor(readonly names: string[]) {}

  numberOf(name: string): number {
    const known = this.names.indexOf(name)
    return known >= 0 ? known : this.names.push(name) - 1
  }
}
