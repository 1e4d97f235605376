/**
 * What is kept of runs that are deleted: those of one day that were alike, merged. Alike are runs of the same kind, status, strategy, name,
 * functions, hosts and labels, so that a filter finds of them what it would have found. Runs in the writer's thread.
 */

import { createHash } from 'node:crypto'
import type Database from 'better-sqlite3'
import { MAX_PART_HOSTS, TimedParts } from '../domain/timed-parts.js'
import { DAY_MS } from '../domain/timing-history.js'

const NONE = '[]'
/** What is merged of runs that are alike. */
const MERGED = ['runs', 'firstCreatedAt', 'lastCreatedAt', 'wallMs', 'parts'] as const
const COLUMNS = ['day', 'key', 'kind', 'status', 'strategy', 'name', 'functions', 'hosts', 'labels', ...MERGED] as const

/** Rows of a day. Runs beyond them are kept without what makes them many: their name, labels and hosts. */
const MAX_ROWS_A_DAY = 1_000

/** What runs that are alike have in common. Lists are JSON, in order. */
interface PastRunsOf {
  kind: string
  status: string
  strategy: string
  name: string | null
  functions: string
  /** MAX_PART_HOSTS at most. */
  hosts: string
  /** [name, value] each. */
  labels: string
}

interface EndedRun {
  kind: string
  status: string
  strategy: string
  name: string | null
  createdAt: number
  finishedAt: number
  durationMs: number | null
  parts: Uint8Array | null
}

interface PastRow {
  runs: number
  firstCreatedAt: number
  lastCreatedAt: number
  wallMs: number
  parts: Uint8Array
}

export class PastRuns {
  readonly #run: Database.Statement<[number], EndedRun>
  readonly #functions: Database.Statement<[number], string>
  readonly #hosts: Database.Statement<[number], string>
  readonly #labels: Database.Statement<[number], [string, string]>
  readonly #past: Database.Statement<[number, Uint8Array], PastRow>
  readonly #countOfDay: Database.Statement<[number], number>
  readonly #put: Database.Statement

  constructor(db: Database.Database) {
    this.#run = db.prepare(
      `SELECT r."kind", r."status", r."strategy", r."name", r."createdAt", r."finishedAt", r."durationMs", p."parts"
       FROM "Run" AS r LEFT JOIN "RunParts" AS p ON p."runId" = r."id" WHERE r."id" = ?`,
    )
    this.#functions = db
      .prepare<[number], string>('SELECT "function" FROM "RunFunction" WHERE "runId" = ? ORDER BY "function"')
      .pluck()
    this.#hosts = db
      .prepare<[number], string>(
        `SELECT "host" FROM "RunHost" INDEXED BY "RunHost_runId_idx" WHERE "runId" = ? LIMIT ${MAX_PART_HOSTS}`,
      )
      .pluck()
    this.#labels = db
      .prepare<[number], [string, string]>(
        'SELECT "name", "value" FROM "Label" WHERE "runId" = ? ORDER BY "name", "value"',
      )
      .raw()
    this.#past = db.prepare(
      'SELECT "runs", "firstCreatedAt", "lastCreatedAt", "wallMs", "parts" FROM "PastRuns" WHERE "day" = ? AND "key" = ?',
    )
    this.#countOfDay = db.prepare<[number], number>('SELECT count(*) FROM "PastRuns" WHERE "day" = ?').pluck()
    this.#put = db.prepare(
      `INSERT INTO "PastRuns" (${quoted(COLUMNS)}) VALUES (${COLUMNS.map((column) => `@${column}`).join()})
       ON CONFLICT DO UPDATE SET ${MERGED.map((column) => `"${column}" = excluded."${column}"`).join()}`,
    )
  }

  /** An ended run that is still there, in the transaction that deletes it. Where its parts are owed it is but a run that was. */
  add(runId: number): void {
    const run = this.#run.get(runId)
    if (run === undefined) return
    const day = Math.floor(run.finishedAt / DAY_MS) * DAY_MS
    const { of, key, past } = this.#placeOf(day, this.#of(runId, run))
    const parts = new TimedParts()
    if (past) parts.mergePacked(past.parts)
    if (run.parts) parts.mergePacked(run.parts)
    this.#put.run({
      day,
      key,
      ...of,
      runs: 1 + (past?.runs ?? 0),
      firstCreatedAt: Math.min(run.createdAt, past?.firstCreatedAt ?? run.createdAt),
      lastCreatedAt: Math.max(run.createdAt, past?.lastCreatedAt ?? run.createdAt),
      wallMs: (run.durationMs ?? 0) + (past?.wallMs ?? 0),
      parts: parts.pack(),
    })
  }

  #of(runId: number, { kind, status, strategy, name }: EndedRun): PastRunsOf {
    return {
      kind,
      status,
      strategy,
      name,
      functions: JSON.stringify(this.#functions.all(runId)),
      hosts: JSON.stringify(this.#hosts.all(runId).sort()),
      labels: JSON.stringify(this.#labels.all(runId)),
    }
  }

  #placeOf(day: number, of: PastRunsOf): { of: PastRunsOf; key: Uint8Array; past: PastRow | undefined } {
    const key = createHash('sha256').update(JSON.stringify(of)).digest()
    const past = this.#past.get(day, key)
    const isPlain = of.name === null && of.labels === NONE && of.hosts === NONE
    if (past !== undefined || isPlain || this.#countOfDay.get(day)! < MAX_ROWS_A_DAY) return { of, key, past }
    return this.#placeOf(day, { ...of, name: null, labels: NONE, hosts: NONE })
  }
}

function quoted(columns: readonly string[]): string {
  return columns.map((column) => `"${column}"`).join()
}
