/**
 * The picture of a run, drawn from its packed segments and, where there is none, from the rows. Only segments that overlap in
 * time are in memory together. Runs in the reader's thread, in turns with other questions.
 */

import type Database from 'better-sqlite3'
import { inOrder } from '../domain/attempt-order.js'
import { type LaneTimeline, TimelineFold } from '../domain/timeline.js'
import { AttemptPieces, nextTurn } from './attempt-pieces.js'

export class Timelines {
  readonly #pieces: AttemptPieces

  constructor(db: Database.Database) {
    this.#pieces = new AttemptPieces(db)
  }

  async read(runId: number, maxSpans: number): Promise<LaneTimeline[]> {
    const outline = this.#pieces.outline(runId)
    const fold = new TimelineFold(maxSpans)
    const pieces = await this.#pieces.of(runId, outline)
    for (const _ of inOrder(pieces, (attempts, from, to) => fold.add(attempts, from, to))) await nextTurn()
    return fold.lanes((number) => outline.lanes.names[number] ?? '')
  }
}
