/**
 * Deleting runs. A run is out of sight in one transaction, and what it leaves goes in steps: nobody waits for a million rows.
 * Runs in the writer's thread, between commits.
 */

import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type Database from 'better-sqlite3'
import type { BlobFiles } from './blobs.js'
import { PastRuns } from './past-runs.js'
import type { DeletedRun, Leftover } from './store.js'

/** Of one step: what a commit or a launch may have to wait for. */
const STEP_ROWS = 1_000
/** They can be 256 KB each; a segment of attempts has 100. */
const STEP_BLOCKS = 32
/** Removing a file takes the longer the larger it is. */
const STEP_MS = 10
/** Of a step over many runs, of which each is quick: the next one is not begun after it. */
const MANY_MS = 4

/** Tables with a few rows a run: they go with it. */
const SMALL_TABLES = [
  'Label',
  'RunFunction',
  'RunLane',
  'RunError',
  'RunSketch',
  'StageSketch',
  'RunParts',
  'RunSelection',
] as const

export class Purger {
  readonly #db: Database.Database
  readonly #files: BlobFiles
  readonly #past: PastRuns
  readonly #note: Database.Statement
  readonly #deleteRun: Database.Statement
  readonly #finished: Database.Statement<[number, number], DeletedRun>
  readonly #comparisonOf: Database.Statement<[number], number | null>
  readonly #deleteComparison: Database.Statement
  readonly #noteComparison: Database.Statement
  readonly #deletedComparison: Database.Statement<[number], number | null>
  readonly #deleteSharedBlocks: Database.Statement
  readonly #deleteSmall: readonly Database.Statement[]
  readonly #bodies: Database.Statement<[number], Uint8Array>
  readonly #isHeldByOthers: Database.Statement<[Uint8Array, number], 1>
  readonly #letGo: Database.Statement
  readonly #file: Database.Statement<[number], string>
  readonly #isFileOfOthers: Database.Statement<[string, number], 1>
  readonly #deleteFile: Database.Statement
  readonly #deleteBlocks: Database.Statement
  readonly #deleteSegments: Database.Statement
  readonly #deleteHosts: Database.Statement
  readonly #firstSequence: Database.Statement<[number], number | null>
  readonly #deleteTasks: Database.Statement
  readonly #forget: Database.Statement

  /** `uploadsDir`: the folder of the files that runs have their items from. */
  constructor(
    db: Database.Database,
    files: BlobFiles,
    private readonly uploadsDir: string,
  ) {
    this.#db = db
    this.#files = files
    this.#past = new PastRuns(db)
    this.#note = db.prepare(
      'INSERT INTO "DeletedRun" ("id") SELECT "id" FROM "Run" WHERE "id" = ? AND "finishedAt" IS NOT NULL',
    )
    this.#deleteRun = db.prepare('DELETE FROM "Run" WHERE "id" = ?')
    this.#finished = db.prepare(
      `SELECT "id", "key" FROM "Run" AS r INDEXED BY "Run_finishedAt_idx" WHERE "finishedAt" < ?
         AND NOT EXISTS (SELECT 1 FROM "RunParts" AS p WHERE p."runId" = r."id" AND p."parts" IS NULL)
       ORDER BY "finishedAt" LIMIT ?`,
    )
    this.#comparisonOf = db.prepare<[number], number | null>('SELECT "comparisonId" FROM "Run" WHERE "id" = ?').pluck()
    this.#deleteComparison = db.prepare(
      'DELETE FROM "Comparison" WHERE "id" = @id AND NOT EXISTS (SELECT 1 FROM "Run" WHERE "comparisonId" = @id)',
    )
    this.#noteComparison = db.prepare('UPDATE "DeletedRun" SET "comparisonId" = ? WHERE "id" = ?')
    this.#deletedComparison = db
      .prepare<[number], number | null>('SELECT "comparisonId" FROM "DeletedRun" WHERE "id" = ?')
      .pluck()
    this.#deleteSharedBlocks = db.prepare(
      `DELETE FROM "ComparisonBlock" WHERE "comparisonId" = @id AND "first" IN
         (SELECT "first" FROM "ComparisonBlock" WHERE "comparisonId" = @id ORDER BY "first" LIMIT ${STEP_BLOCKS})`,
    )
    this.#deleteSmall = SMALL_TABLES.map((table) => db.prepare(`DELETE FROM "${table}" WHERE "runId" = ?`))
    this.#bodies = db
      .prepare<[number], Uint8Array>(`SELECT "sha256" FROM "RunBlob" WHERE "runId" = ? LIMIT ${STEP_ROWS}`)
      .pluck()
    this.#isHeldByOthers = db
      .prepare<[Uint8Array, number], 1>('SELECT 1 FROM "RunBlob" WHERE "sha256" = ? AND "runId" <> ? LIMIT 1')
      .pluck()
    this.#letGo = db.prepare('DELETE FROM "RunBlob" WHERE "sha256" = ? AND "runId" = ?')
    this.#file = db.prepare<[number], string>('SELECT "file" FROM "SourceFile" WHERE "runId" = ?').pluck()
    this.#isFileOfOthers = db
      .prepare<[string, number], 1>('SELECT 1 FROM "SourceFile" WHERE "file" = ? AND "runId" <> ? LIMIT 1')
      .pluck()
    this.#deleteFile = db.prepare('DELETE FROM "SourceFile" WHERE "runId" = ?')
    this.#deleteBlocks = db.prepare(
      `DELETE FROM "SourceBlock" WHERE "runId" = @id AND "first" IN
         (SELECT "first" FROM "SourceBlock" WHERE "runId" = @id ORDER BY "first" LIMIT ${STEP_BLOCKS})`,
    )
    this.#deleteSegments = db.prepare(
      `DELETE FROM "AttemptSegment" WHERE "runId" = @id AND "number" IN
         (SELECT "number" FROM "AttemptSegment" WHERE "runId" = @id ORDER BY "number" LIMIT ${STEP_BLOCKS})`,
    )
    this.#deleteHosts = db.prepare(
      `DELETE FROM "RunHost" WHERE ("host", "runId") IN
         (SELECT "host", "runId" FROM "RunHost" INDEXED BY "RunHost_runId_idx" WHERE "runId" = ? LIMIT ${STEP_ROWS})`,
    )
    this.#firstSequence = db
      .prepare<[number], number | null>('SELECT min("sequence") FROM "Task" NOT INDEXED WHERE "runId" = ?')
      .pluck()
    this.#deleteTasks = db.prepare('DELETE FROM "Task" WHERE "runId" = ? AND "sequence" < ?')
    this.#forget = db.prepare('DELETE FROM "DeletedRun" WHERE "id" = ?')
  }

  /** False where there is no such run, or it has not ended. */
  deleteRun(runId: number): boolean {
    return this.#inTransaction(() => this.#takeAway(runId))
  }

  /** See Store. Runs that owe their parts are passed over. */
  deleteFinished(beforeMs: number, max: number): DeletedRun[] {
    return this.#inTransaction(() => {
      const deleted: DeletedRun[] = []
      for (const run of inTime(this.#finished.all(beforeMs, max))) {
        this.#takeAway(run.id)
        deleted.push(run)
      }
      return deleted
    })
  }

  /** See Store. */
  purgeRuns(runIds: readonly number[]): (Leftover | null)[] {
    return this.#inTransaction(() => {
      const steps: (Leftover | null)[] = []
      try {
        for (const runId of inTime(runIds)) steps.push(this.#step(runId))
      } catch (error) {
        // What cannot be removed holds up nothing that came before it. Half a step is one, too.
        if (steps.length === 0) throw error
      }
      return steps
    })
  }

  #takeAway(runId: number): boolean {
    const comparisonId = this.#comparisonOf.get(runId) ?? null
    if (this.#note.run(runId).changes === 0) return false
    this.#past.add(runId)
    this.#deleteRun.run(runId)
    for (const statement of this.#deleteSmall) statement.run(runId)
    if (comparisonId !== null && this.#deleteComparison.run({ id: comparisonId }).changes > 0)
      this.#noteComparison.run(comparisonId, runId)
    return true
  }

  /** Answers with what is left. */
  #step(runId: number): Leftover | null {
    if (this.#purgeFile(runId) || this.#purgeBodies(runId)) return 'FILES'
    if (this.#purgeBlocks(runId) || this.#purgeSharedBlocks(runId) || this.#purgeRows(runId)) return 'ROWS'
    this.#forget.run(runId)
    return null
  }

  /**
   * Whether some are left. Files go before the commit: where it does not come about, the next step finds the rows again, and
   * whoever publishes an equal body in between gives it its file back.
   */
  #purgeBodies(runId: number): boolean {
    const endMs = performance.now() + STEP_MS
    const bodies = this.#bodies.all(runId)
    for (const [at, sha256] of bodies.entries()) {
      if (this.#isHeldByOthers.get(sha256, runId) === undefined) this.#files.remove(Buffer.from(sha256).toString('hex'))
      this.#letGo.run(sha256, runId)
      if (performance.now() > endMs) return at + 1 < bodies.length || bodies.length === STEP_ROWS
    }
    return bodies.length === STEP_ROWS
  }

  /** Whether there was one. It goes before the commit, as bodies do: nobody else reads it. */
  #purgeFile(runId: number): boolean {
    const file = this.#file.get(runId)
    if (file === undefined) return false
    if (this.#isFileOfOthers.get(file, runId) === undefined) rmSync(join(this.uploadsDir, file), { force: true })
    this.#deleteFile.run(runId)
    return true
  }

  #purgeBlocks(runId: number): boolean {
    return [this.#deleteBlocks, this.#deleteSegments].some((statement) => statement.run({ id: runId }).changes > 0)
  }

  /** Of a comparison that went with the run. */
  #purgeSharedBlocks(runId: number): boolean {
    const id = this.#deletedComparison.get(runId) ?? null
    return id !== null && this.#deleteSharedBlocks.run({ id }).changes > 0
  }

  #purgeRows(runId: number): boolean {
    if (this.#deleteHosts.run(runId).changes > 0) return true
    // Sequences have no gaps.
    const first = this.#firstSequence.get(runId) ?? null
    return first !== null && this.#deleteTasks.run(runId, first + STEP_ROWS).changes > 0
  }

  #inTransaction<T>(work: () => T): T {
    return this.#db.transaction(work).immediate()
  }
}

/** The first one at least, and as many as there is time for. */
function* inTime<One>(all: readonly One[]): Generator<One> {
  const endMs = performance.now() + MANY_MS
  for (const one of all) {
    yield one
    if (performance.now() > endMs) return
  }
}
