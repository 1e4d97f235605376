/** Makes bodies public with the rows of their tasks: both are there, or neither is. Runs in the writer's thread. */

import type Database from 'better-sqlite3'
import { type BatchSpec, storesBodies } from '../domain/batch.js'
import { isStagedOf, parseStagedName, stagedName, stagedStem } from '../domain/blob.js'
import { cellsAt } from '../domain/fetch-column.js'
import type { RunKey } from '../domain/ids.js'
import { Outcome } from '../domain/results.js'
import type { BlobFiles } from './blobs.js'
import type { TaskBlock } from './store.js'

/** More runs than this are not under way at a time. */
const MAX_RUNS = 256

/** What the rows of a run do not say about its bodies. */
interface StoringRun {
  key: RunKey
  /** By stage: whether its bodies are stored. */
  stores: readonly boolean[]
}

export class Publisher {
  readonly #files: BlobFiles
  readonly #runs = new Map<number, StoringRun>()
  readonly #readRun: Database.Statement<[number], { key: RunKey; spec: string }>
  readonly #hold: Database.Statement
  readonly #letGo: Database.Statement
  readonly #readBytes: Database.Statement<[Uint8Array], number>
  /** Staged files that the commit under way publishes. */
  #published: string[] = []

  constructor(db: Database.Database, files: BlobFiles) {
    this.#files = files
    this.#readRun = db.prepare('SELECT "key", "spec" FROM "Run" WHERE "id" = ?')
    this.#hold = db.prepare('INSERT OR IGNORE INTO "RunBlob" ("sha256", "runId", "bytes") VALUES (?, ?, ?)')
    this.#letGo = db.prepare('DELETE FROM "RunBlob" WHERE "sha256" = ? AND "runId" = ?')
    this.#readBytes = db
      .prepare<[Uint8Array], number>('SELECT "bytes" FROM "RunBlob" WHERE "sha256" = ? LIMIT 1')
      .pluck()
  }

  /** In the transaction that writes the block's rows. */
  publish(runId: number, block: TaskBlock): void {
    const { columns, dropped, stage } = block
    if (columns.fetches === null) return
    const { key, stores } = this.#of(runId)
    if (!stores[stage]) return
    for (let at = 0; at < columns.count; at++) {
      if (dropped?.has(at) || columns.outcomes[at] !== Outcome.SUCCEEDED) continue
      const fetch = cellsAt(columns.fetches, at)
      if (!fetch?.sha256) continue
      const { sha256, bytes } = fetch
      this.#publishOne(stagedStem({ run: key, stage }, columns.indexes[at]!), { runId, sha256, bytes })
    }
  }

  #publishOne(stem: string, { runId, sha256, bytes }: { runId: number; sha256: Uint8Array; bytes: number }): void {
    const body = { sha256: Buffer.from(sha256).toString('hex'), bytes }
    const staged = stagedName(stem, body.sha256)
    this.#published.push(staged)
    const isNew = this.#hold.run(sha256, runId, bytes).changes > 0
    // What the run holds already has its file, unless it was lost on the disk.
    if (!isNew && this.#files.has(body)) return
    // Somebody else took the file away: the task has done its work all the same, and has no body.
    if (!this.#files.publish(staged, body) && isNew) this.#letGo.run(sha256, runId)
  }

  /** What was published is on disk: the staged names are not needed any more. */
  committed(): void {
    const names = this.#published
    this.#published = []
    for (const name of names) harmlessly(() => this.#files.unstage(name))
  }

  /** The staged files are still there: the same commit can be given again. */
  rolledBack(): void {
    this.#published = []
  }

  /** The run has ended: what its lanes have left behind is nobody's, as of a lane that died. */
  ended(runId: number): void {
    harmlessly(() => {
      const { key, stores } = this.#of(runId)
      this.#runs.delete(runId)
      if (stores.includes(true)) this.#tidy((name) => isStagedOf(key, name))
    })
  }

  /**
   * At the start, before anything is written: what a server that died has left. A whole body is looked at where it has come to; all
   * else that is staged belonged to a request that is made again.
   */
  recover(): void {
    this.#tidy(() => true)
  }

  #tidy(isToGo: (name: string) => boolean): void {
    for (const name of this.#files.staged()) {
      if (!isToGo(name)) continue
      const whole = parseStagedName(name)
      if (whole) this.#settle(name, whole.sha256)
      this.#files.unstage(name)
    }
  }

  /** The body is as public as the rows say, whatever became of the commit that it was staged for. */
  #settle(name: string, sha256: string): void {
    const bytes = this.#readBytes.get(Buffer.from(sha256, 'hex'))
    if (bytes === undefined) this.#files.remove(sha256)
    else if (this.#files.stagedBytes(name) === bytes) this.#files.publish(name, { sha256, bytes })
  }

  #of(runId: number): StoringRun {
    const known = this.#runs.get(runId)
    if (known) return known
    const row = this.#readRun.get(runId)
    if (!row) throw new Error(`run ${runId} is not there: its bodies cannot be published`)
    const run = { key: row.key, stores: (JSON.parse(row.spec) as BatchSpec).stages.map(storesBodies) }
    if (this.#runs.size >= MAX_RUNS) this.#runs.clear()
    this.#runs.set(runId, run)
    return run
  }
}

/** After a commit: it is done, and must not look as if it were not. A staged name too many goes at the next start. */
function harmlessly(work: () => void): void {
  try {
    work()
  } catch {
    // See above.
  }
}
