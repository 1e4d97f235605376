import type { BatchSpec, StageSpec } from '../../src/domain/batch.js'
import type { ComparedRun } from '../../src/domain/comparison.js'
import type { TaskError } from '../../src/domain/errors.js'
import { toRunKey } from '../../src/domain/ids.js'
import { Outcome, type ResultColumns } from '../../src/domain/results.js'
import { isFinalRunStatus, noTimes, queuedStages, type RunRecord } from '../../src/domain/run.js'
import type { FetchDetail } from '../../src/domain/task.js'
import { toColumns } from '../../src/engine/columns.js'
import { type BlockFrame, type Entry, toEntry } from '../../src/engine/ledger.js'
import { fetchColumn, outputColumn } from './outputs.js'

/** When the runs here started, as epoch milliseconds. */
export const STARTED_AT = Date.UTC(2026, 0, 1)

export const COMPUTE: StageSpec = { kind: 'COMPUTE', name: 'any', function: 'any', chunkSize: null, reduce: null }

export const FETCH: StageSpec = {
  kind: 'FETCH',
  name: 'fetch',
  fetch: { bodyPolicy: 'DISCARD', maxBytes: 1000, maxRedirects: 5, headers: [], okStatuses: null },
}

export function batchSpec(changes: Partial<BatchSpec> = {}): BatchSpec {
  return {
    kind: 'COMPUTE',
    name: null,
    labels: [],
    priority: 0,
    strategy: 'THREADS',
    concurrency: null,
    lanes: null,
    failFast: false,
    retry: { maxAttempts: 3, backoffMs: 200, maxBackoffMs: 10_000, unsafe: false },
    timeoutMs: null,
    source: { kind: 'range', from: 0, to: 100, step: 1, count: 100 },
    stages: [COMPUTE],
    ...changes,
  }
}

/** The record of a launch: nothing of it has started. */
export function queuedRecord(
  launch: Pick<RunRecord, 'id' | 'key' | 'spec' | 'createdAt'> & {
    comparisonId?: number
    retryOf?: number
    /** Of a retry: those that it repeats. */
    items?: number
  },
): RunRecord {
  const { items = launch.spec.source.count, ...launched } = launch
  return {
    comparisonId: null,
    retryOf: null,
    ...launched,
    status: 'QUEUED',
    effectiveStrategy: null,
    concurrency: null,
    lanes: null,
    decision: null,
    counts: {
      total: items * launched.spec.stages.length,
      succeeded: 0,
      failed: 0,
      cancelled: 0,
      skipped: 0,
      bytes: 0,
    },
    times: noTimes(launched.spec.stages),
    stages: queuedStages(launched.spec, items),
    sequence: 1,
    lastTaskSequence: 0,
    finalThroughput: 0,
    reduction: null,
    refusals: null,
    failure: null,
    isCancelRequested: false,
    resumedAt: null,
    startedAt: null,
    finishedAt: null,
  }
}

/** What is compared of a run. */
export function comparedRun(run: RunRecord, wasInterrupted = false): ComparedRun {
  const { key, status, sequence, spec, concurrency, counts, times, failure } = run
  const isTimed = isFinalRunStatus(status) && times.firstStartMs !== null && times.lastEndMs !== null
  return {
    key,
    status,
    sequence,
    strategy: spec.strategy,
    concurrency,
    wallMs: isTimed ? times.lastEndMs! - times.firstStartMs! : null,
    failedTasks: counts.failed,
    isCutShort: status === 'CANCELLED' || failure !== null || (spec.failFast && counts.failed > 0),
    hasFailure: failure !== null,
    wasInterrupted,
  }
}

let lastId = 0

/** A run that has been launched and has not started. */
export function runRecord(changes: Partial<RunRecord> = {}): RunRecord {
  lastId += 1
  const spec = changes.spec ?? batchSpec()
  const key = toRunKey(lastId.toString(16).padStart(32, '0'))
  return { ...queuedRecord({ id: lastId, key, spec, createdAt: new Date(STARTED_AT - 100) }), ...changes }
}

/** A task as a lane reports it. */
export interface ReportedTask {
  index: number
  outcome?: Outcome
  attempt?: number
  /** After STARTED_AT. */
  startedMs?: number
  serviceMs?: number
  error?: TaskError
  retryAfterMs?: number
  output?: string
  fetch?: FetchDetail
}

export function columnsOf(tasks: readonly ReportedTask[]): ResultColumns {
  const columns = toColumns(
    tasks.map(({ index, attempt = 1, startedMs = 10, serviceMs = 1, error, outcome }) => ({
      index,
      attempt,
      startedAt: STARTED_AT + startedMs,
      serviceMs,
      outcome: outcome ?? (error ? Outcome.FAILED : Outcome.SUCCEEDED),
      error: error ?? null,
    })),
  )
  return {
    ...columns,
    outputs: outputColumn(tasks.map(({ output = null }) => output)),
    errors: columns.errors.map(({ at, error }) => ({ at, error, retryAfterMs: tasks[at]?.retryAfterMs ?? null })),
    fetches: tasks.some(({ fetch }) => fetch) ? fetchColumn(tasks.map(({ fetch = null }) => fetch)) : null,
  }
}

export function entryOf(tasks: readonly ReportedTask[], frame: Partial<BlockFrame> = {}): Entry {
  return toEntry(columnsOf(tasks), {
    stage: 0,
    lane: 'thread-1',
    dropped: null,
    histories: [],
    laneCpuMs: 0,
    reduction: null,
    runStartedAt: STARTED_AT,
    readyAts: null,
    resumedAt: null,
    readyAt: STARTED_AT - 100,
    ...frame,
  })
}
