/** Stores on disk for tests, and what is written into them. */

import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import Database from 'better-sqlite3'
import type { BatchSpec } from '../../src/domain/batch.js'
import { toRunKey } from '../../src/domain/ids.js'
import type { ResultColumns } from '../../src/domain/results.js'
import type { RunRecord, RunState } from '../../src/domain/run.js'
import type { FetchDetail } from '../../src/domain/task.js'
import { emptyMoments } from '../../src/domain/timing.js'
import { BlobFiles } from '../../src/store/blobs.js'
import { Committer } from '../../src/store/committer.js'
import { openWriter, prepareDatabase } from '../../src/store/database.js'
import { applyMigrations } from '../../src/store/migrations.js'
import { createStore } from '../../src/store/open.js'
import { Publisher } from '../../src/store/publisher.js'
import { newRunRow } from '../../src/store/rows.js'
import type { Commit, Leftover, NewRun, Store, TaskBlock } from '../../src/store/store.js'
import { laneName, type PlainAttempt } from './attempts.js'
import { batchSpec } from './engine-parts.js'
import { fetchColumn, outputColumn } from './outputs.js'

export const migrationsDir = fileURLToPath(new URL('../../prisma/migrations', import.meta.url))
export const schemaText = readFileSync(new URL('../../prisma/schema.prisma', import.meta.url), 'utf8')

/** Threads start from the built product: `npm run build` comes before the tests. */
const entries = {
  writerEntry: new URL('../../dist/store/writer-entry.js', import.meta.url),
  readerEntry: new URL('../../dist/store/reader-entry.js', import.meta.url),
}

let template: Promise<string> | null = null

/** A migrated database without a row, made once for all tests of a file. */
async function migratedTemplate(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-template-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'heddle.db')
  prepareDatabase(path)
  await applyMigrations({ url: `file:${path}`, migrationsDir })
  return path
}

/** A folder of a test's own, with a migrated database in it; removed by `remove`. */
export async function databaseFolder(): Promise<{ path: string; open(): Promise<Store>; remove(): void }> {
  template ??= migratedTemplate()
  const folder = mkdtempSync(join(tmpdir(), 'heddle-store-'))
  const path = join(folder, 'heddle.db')
  copyFileSync(await template, path)
  return {
    path,
    open: () => openStore(path),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** A database of a test's own, written and read without the store's threads. */
export interface TestDatabase {
  db: Database.Database
  insertRun(run?: Parameters<typeof newRun>[0]): number
  commit(runId: number, blocks: TaskBlock[], changes?: Partial<RunState>): void
  /** Whoever commits from now on knows what is in the database, and nothing else. */
  restart(): void
  remove(): void
}

export async function testDatabase(options?: { verbose(sql: string): void }): Promise<TestDatabase> {
  const { path, remove } = await databaseFolder()
  const writer = openWriter(path)
  const newCommitter = () => new Committer(writer, new Publisher(writer, new BlobFiles(dirname(path))))
  let committer = newCommitter()
  const db = options ? new Database(path, { verbose: (sql) => options.verbose(String(sql)) }) : writer
  return {
    db,
    insertRun: (run) => insertRun(writer, newRun(run)),
    commit: (runId, blocks, changes) => committer.commit([commitOf({ ...RUNNING, id: runId }, blocks, changes)]),
    restart: () => {
      committer = newCommitter()
    },
    remove: () => {
      db.close()
      writer.close()
      remove()
    },
  }
}

/** A run's row as Prisma would write it. */
export function insertRun(db: Database.Database, run: NewRun): number {
  const row = { ...newRunRow(run), createdAt: run.createdAt.getTime() }
  const names = Object.keys(row)
  const insert = db.prepare(
    `INSERT INTO "Run" (${names.map((name) => `"${name}"`).join()}) VALUES (${names.map((name) => `@${name}`).join()})`,
  )
  return Number(insert.run(row).lastInsertRowid)
}

export function openStore(path: string): Promise<Store> {
  const dataDir = dirname(path)
  return createStore({ url: `file:${path}`, dataDir, uploadsDir: join(dataDir, 'uploads'), migrationsDir, ...entries })
}

let lastKey = 0

export const RUNNING: Omit<RunRecord, 'id'> = {
  key: toRunKey(''),
  comparisonId: null,
  retryOf: null,
  status: 'RUNNING',
  spec: newRun().spec,
  effectiveStrategy: 'THREADS',
  concurrency: 2,
  lanes: 2,
  decision: null,
  counts: { total: 0, succeeded: 0, failed: 0, cancelled: 0, skipped: 0, bytes: 0 },
  times: { service: emptyMoments(), queueWait: emptyMoments(), cpuMs: 0, firstStartMs: null, lastEndMs: null },
  stages: null,
  sequence: 0,
  lastTaskSequence: 0,
  finalThroughput: 0,
  reduction: null,
  refusals: null,
  failure: null,
  isCancelRequested: false,
  resumedAt: null,
  createdAt: new Date(0),
  startedAt: null,
  finishedAt: null,
}

/** A launch of a compute over a range, unless `spec` says otherwise. */
export function newRun({ spec, ...rest }: Partial<Omit<NewRun, 'spec'>> & { spec?: Partial<BatchSpec> } = {}): NewRun {
  lastKey += 1
  return {
    key: toRunKey(lastKey.toString(16).padStart(32, '0')),
    spec: batchSpec({
      stages: [{ kind: 'COMPUTE', name: 'compute', function: 'sumOfSquares', chunkSize: null, reduce: null }],
      ...spec,
    }),
    items: null,
    file: null,
    idempotency: null,
    createdAt: new Date('2026-11-22T18:52:00.123Z'),
    ...rest,
  }
}

/** A launch of a compute over a list. */
export function listOf(items: unknown[]): NewRun {
  return newRun({ items, spec: { source: { kind: 'list', form: 'inputs', count: items.length } } })
}

/** Takes one step of removing what a deleted run has left; answers with what is left then. */
export async function purgeStep(store: Pick<Store, 'purgeRuns'>, runId: number): Promise<Leftover | null> {
  const [left = null] = await store.purgeRuns([runId])
  return left
}

/** What of a run changes with commits. */
export function stateOf(run: RunRecord, changes: Partial<RunState> = {}): RunState {
  const {
    id: _id,
    key: _key,
    spec: _spec,
    createdAt: _createdAt,
    comparisonId: _comparisonId,
    retryOf: _retryOf,
    ...state
  } = run
  return { ...state, ...changes }
}

export const RUN_STARTED_AT = Date.parse('2026-11-22T18:52:01.000Z')

/** One task as a lane reports it. */
export interface ReportedTask {
  index: number
  outcome?: number
  attempt?: number
  /** After RUN_STARTED_AT; null: never started. */
  startedMs?: number | null
  serviceMs?: number
  cpuMs?: number
  output?: string | null
  error?: ResultColumns['errors'][number]['error']
  fetch?: FetchDetail | null
}

export function block(
  tasks: readonly ReportedTask[],
  { firstSequence, ...rest }: Partial<Omit<TaskBlock, 'columns'>> & { firstSequence: number },
): TaskBlock {
  return {
    stage: 0,
    firstSequence,
    lane: 'thread-1',
    columns: {
      count: tasks.length,
      indexes: Float64Array.from(tasks, ({ index }) => index),
      attempts: Uint8Array.from(tasks, ({ attempt = 1 }) => attempt),
      outcomes: Uint8Array.from(tasks, ({ outcome = 0 }) => outcome),
      startedAt: Float64Array.from(tasks, ({ startedMs = 1 }) => (startedMs === null ? 0 : RUN_STARTED_AT + startedMs)),
      serviceMs: Float64Array.from(tasks, ({ serviceMs = 0.5 }) => serviceMs),
      cpuMs: tasks.some(({ cpuMs }) => cpuMs !== undefined)
        ? Float64Array.from(tasks, ({ cpuMs = Number.NaN }) => cpuMs)
        : null,
      outputs: outputColumn(tasks.map(({ output = null }) => output)),
      handedOver: null,
      errors: tasks.flatMap(({ error }, at) => (error ? [{ at, error, retryAfterMs: null }] : [])),
      fetches: tasks.some(({ fetch }) => fetch) ? fetchColumn(tasks.map(({ fetch = null }) => fetch)) : null,
    },
    dropped: null,
    histories: [],
    runStartedAt: RUN_STARTED_AT,
    readyAt: RUN_STARTED_AT - 2,
    readyAts: null,
    resumedAt: null,
    ...rest,
  }
}

export function commitOf(run: RunRecord, blocks: TaskBlock[], changes: Partial<RunState> = {}): Commit {
  return { runId: run.id, state: stateOf(run, changes), blocks, sketches: null, stageSketches: [] }
}

export const fetchDetail: FetchDetail = {
  url: 'http://127.0.0.1:8080/a?b=1',
  finalUrl: 'http://127.0.0.1:8080/a?b=1',
  host: '127.0.0.1:8080',
  status: 200,
  bytes: 1234,
  sha256: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  contentType: 'text/html',
  redirects: 0,
  dnsMs: null,
  connectMs: 0.25,
  tlsMs: null,
  firstByteMs: 1.125,
  downloadMs: 0.0625,
  reusedConnection: false,
}

/** On two lanes with several in flight each, in the order of their ends; now and then one that takes long. */
export function attemptsOf(count: number): PlainAttempt[] {
  return Array.from({ length: count }, (_, index) => {
    const lane = 1 + ((index >> 5) % 2)
    const startMs = index + ((index * 7) % 5) + (index % 97 === 0 ? 3 : 0)
    const lengthMs = index % 1_000 === 999 ? 40 : 0.25 + ((index * 13) % 4)
    return { lane, index, startMs, endMs: startMs + lengthMs }
  }).sort((a, b) => a.endMs - b.endMs)
}

/** As lanes report them: a block a lane, a thousand tasks at a time. */
export function blocksOf(attempts: readonly PlainAttempt[], firstSequence: number): TaskBlock[] {
  const blocks: TaskBlock[] = []
  let sequence = firstSequence
  for (let from = 0; from < attempts.length; from += 1_000) {
    for (const lane of [1, 2]) {
      const tasks = attempts.slice(from, from + 1_000).filter((one) => one.lane === lane)
      if (tasks.length === 0) continue
      blocks.push(block(tasks.map(reported), { firstSequence: sequence, lane: laneName(lane) }))
      sequence += tasks.length
    }
  }
  return blocks
}

function reported({ index = 0, startMs, endMs }: PlainAttempt): ReportedTask {
  return { index, startedMs: startMs, serviceMs: endMs - startMs }
}
