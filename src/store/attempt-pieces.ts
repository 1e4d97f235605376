/** The attempts of a run in pieces to be read in the order of their starts: its packed segments and, where there is none, its rows. */

import type Database from 'better-sqlite3'
import type { AttemptPiece } from '../domain/attempt-order.js'
import { unpackAttempts } from '../domain/attempts.js'
import { AttemptRows } from './attempt-rows.js'
import { SEGMENT_BITS } from './segments.js'

/** What is known of a run before its attempts are read. */
export interface AttemptOutline {
  lastSequence: number
  /** Packed segments with their first starts. */
  packed: Map<number, number | null>
  lanes: Lanes
}

export class AttemptPieces {
  /** Of one moment: more may be committed, and lanes numbered, while it is read. */
  readonly outline: (runId: number) => AttemptOutline
  readonly #rows: AttemptRows
  readonly #attempts: Database.Statement<[number, number], Uint8Array>
  readonly #firstStart: Database.Statement<[number, number, number], number | null>

  constructor(db: Database.Database) {
    this.#rows = new AttemptRows(db)
    const last = db
      .prepare<[number], number | null>('SELECT max("sequence") FROM "Task" NOT INDEXED WHERE "runId" = ?')
      .pluck()
    const packed = db
      .prepare<[number], [number: number, firstStartMs: number | null]>(
        'SELECT "number", "firstStartMs" FROM "AttemptSegment" WHERE "runId" = ?',
      )
      .raw()
    const lanes = db
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
    this.outline = db.transaction((runId: number) => ({
      lastSequence: last.get(runId) ?? 0,
      packed: new Map(packed.all(runId)),
      lanes: new Lanes(lanes.all(runId)),
    }))
  }

  /** Takes turns with other questions. */
  async of(runId: number, { lastSequence, packed, lanes }: AttemptOutline): Promise<AttemptPiece[]> {
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
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** The numbers of a run's lanes, and further ones for lanes that only attempts which were tried again have been on. */
export class Lanes {
  constructor(readonly names: string[]) {}

  numberOf(name: string): number {
    const known = this.names.indexOf(name)
    return known >= 0 ? known : this.names.push(name) - 1
  }
}
