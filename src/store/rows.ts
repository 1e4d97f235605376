/** Rows and the records they stand for: each goes into the other and back without loss. */

import type { StrategyAdvice } from '../domain/advice.js'
import type { BatchSpec, Json } from '../domain/batch.js'
import type { TaskError, TaskErrorCode } from '../domain/errors.js'
import type { RunKey } from '../domain/ids.js'
import type { HostTally } from '../domain/refusals.js'
import {
  noTimes,
  queuedStages,
  type RunRecord,
  type RunState,
  type RunStatus,
  type RunTimes,
  type StageState,
} from '../domain/run.js'
import type { EffectiveStrategy } from '../domain/strategy.js'
import { type Attempt, type FetchDetail, STORED_TASK_STATUS, type TaskRecord } from '../domain/task.js'
import type { RunModel } from './generated/models/Run.js'
import type { NewRun } from './store.js'

/** The columns of a run that a commit changes. */
export const RUN_STATE_COLUMNS = [
  'status',
  'effectiveStrategy',
  'concurrency',
  'lanes',
  'decision',
  'total',
  'succeeded',
  'failed',
  'cancelled',
  'skipped',
  'bytes',
  'times',
  'stages',
  'sequence',
  'lastTaskSequence',
  'finalThroughput',
  'reduction',
  'refusals',
  'failure',
  'cancelRequested',
  'startedAt',
  'resumedAt',
  'finishedAt',
  'durationMs',
] as const

/** As better-sqlite3 binds them. */
type RunStateRow = Record<(typeof RUN_STATE_COLUMNS)[number], number | string | null>

export function toRunStateRow(state: RunState): RunStateRow {
  const { startedAt, finishedAt } = state
  return {
    status: state.status,
    effectiveStrategy: state.effectiveStrategy,
    concurrency: state.concurrency,
    lanes: state.lanes,
    decision: state.decision && JSON.stringify(state.decision),
    ...state.counts,
    times: JSON.stringify(state.times),
    stages: state.stages && JSON.stringify(state.stages),
    sequence: state.sequence,
    lastTaskSequence: state.lastTaskSequence,
    finalThroughput: state.finalThroughput,
    reduction: JSON.stringify(state.reduction),
    refusals: state.refusals && JSON.stringify(state.refusals),
    failure: state.failure && JSON.stringify(state.failure),
    cancelRequested: state.isCancelRequested ? 1 : 0,
    startedAt: startedAt?.getTime() ?? null,
    resumedAt: state.resumedAt?.getTime() ?? null,
    finishedAt: finishedAt?.getTime() ?? null,
    durationMs: durationOf(state),
  }
}

/** The wall time of a run that has ended; of one without a task the time between its start and its end. */
function durationOf({ startedAt, finishedAt, times }: RunState): number | null {
  if (startedAt === null || finishedAt === null) return null
  const { firstStartMs, lastEndMs } = times
  if (firstStartMs === null || lastEndMs === null) return finishedAt.getTime() - startedAt.getTime()
  return Math.max(0, lastEndMs - firstStartMs)
}

/** The columns of a run that was just launched; `items`: those that it is about. */
export function newRunRow(
  { key, spec, idempotency, createdAt }: Pick<NewRun, 'key' | 'spec' | 'idempotency' | 'createdAt'>,
  items = spec.source.count,
) {
  const stages = queuedStages(spec, items)
  return {
    key,
    kind: spec.kind,
    status: 'QUEUED',
    strategy: spec.strategy,
    name: spec.name,
    createdAt,
    idempotencySpace: idempotency?.space ?? null,
    idempotencyKey: idempotency?.key ?? null,
    inputHash: idempotency?.inputHash ?? null,
    total: items * spec.stages.length,
    times: JSON.stringify(noTimes(spec.stages)),
    stages: stages && JSON.stringify(stages),
    reduction: 'null',
    spec: JSON.stringify(spec),
  }
}

export function toRunRecord(row: RunModel): RunRecord {
  return {
    id: row.id,
    key: row.key as RunKey,
    comparisonId: row.comparisonId,
    retryOf: row.retryOf,
    status: row.status as RunStatus,
    spec: JSON.parse(row.spec) as BatchSpec,
    effectiveStrategy: row.effectiveStrategy as EffectiveStrategy | null,
    concurrency: row.concurrency,
    lanes: row.lanes,
    decision: row.decision === null ? null : (JSON.parse(row.decision) as StrategyAdvice),
    counts: {
      total: row.total,
      succeeded: row.succeeded,
      failed: row.failed,
      cancelled: row.cancelled,
      skipped: row.skipped,
      bytes: row.bytes,
    },
    times: JSON.parse(row.times) as RunTimes,
    stages: row.stages === null ? null : (JSON.parse(row.stages) as StageState[]),
    sequence: row.sequence,
    lastTaskSequence: row.lastTaskSequence,
    finalThroughput: row.finalThroughput,
    reduction: JSON.parse(row.reduction) as Json,
    refusals: row.refusals === null ? null : (JSON.parse(row.refusals) as HostTally[]),
    failure: row.failure === null ? null : (JSON.parse(row.failure) as TaskError),
    isCancelRequested: row.cancelRequested,
    createdAt: row.createdAt,
    startedAt: row.startedAt,
    resumedAt: row.resumedAt,
    finishedAt: row.finishedAt,
  }
}

/** A task's row without its run, in the order of TASK_COLUMNS. Rows travel as arrays: as objects of 29 properties they cost several times as much. */
export type TaskCells = [
  sequence: number,
  stage: number,
  itemIndex: number,
  status: number,
  attempts: number,
  lane: number | null,
  startedMs: number | null,
  queueWaitMs: number | null,
  serviceMs: number | null,
  cpuMs: number | null,
  output: string | null,
  errorCode: string | null,
  errorMessage: string | null,
  errorRetryable: number | null,
  history: string | null,
  ...FetchCells,
]

type FetchCells = [
  url: string | null,
  finalUrl: string | null,
  host: string | null,
  httpStatus: number | null,
  bytes: number | null,
  sha256: Uint8Array | null,
  contentType: string | null,
  redirects: number | null,
  dnsMs: number | null,
  connectMs: number | null,
  tlsMs: number | null,
  firstByteMs: number | null,
  downloadMs: number | null,
  reusedConnection: number | null,
]

/** Those of a fetch, in the order of FetchCells. */
export const FETCH_COLUMNS = [
  'url',
  'finalUrl',
  'host',
  'httpStatus',
  'bytes',
  'sha256',
  'contentType',
  'redirects',
  'dnsMs',
  'connectMs',
  'tlsMs',
  'firstByteMs',
  'downloadMs',
  'reusedConnection',
] as const

export const TASK_COLUMNS = [
  'sequence',
  'stage',
  'itemIndex',
  'status',
  'attempts',
  'lane',
  'startedMs',
  'queueWaitMs',
  'serviceMs',
  'cpuMs',
  'output',
  'errorCode',
  'errorMessage',
  'errorRetryable',
  'history',
  ...FETCH_COLUMNS,
] as const

/** The row of a task; `lane` is the lane's number in its run. */
export function toTaskCells(task: TaskRecord, lane: number | null): TaskCells {
  const { error, history, fetch } = task
  return [
    task.sequence,
    task.stage,
    task.index,
    STORED_TASK_STATUS.indexOf(task.status),
    task.attempts,
    lane,
    task.startedMs,
    task.queueWaitMs,
    task.serviceMs,
    task.cpuMs,
    task.output,
    error?.code ?? null,
    error?.message ?? null,
    error && Number(error.retryable),
    history && JSON.stringify(history),
    ...(fetch ? toFetchCells(fetch) : NO_FETCH),
  ]
}

const NO_FETCH: FetchCells = [null, null, null, null, null, null, null, null, null, null, null, null, null, null]

function toFetchCells(fetch: FetchDetail): FetchCells {
  return [
    fetch.url,
    fetch.finalUrl === fetch.url ? null : fetch.finalUrl,
    fetch.host,
    fetch.status,
    fetch.bytes,
    fetch.sha256 === null ? null : Buffer.from(fetch.sha256, 'hex'),
    fetch.contentType,
    fetch.redirects,
    fetch.dnsMs,
    fetch.connectMs,
    fetch.tlsMs,
    fetch.firstByteMs,
    fetch.downloadMs,
    fetch.reusedConnection === null ? null : Number(fetch.reusedConnection),
  ]
}

export function toTaskRecord(cells: TaskCells, laneName: (number: number) => string): TaskRecord {
  return {
    sequence: cells[0],
    stage: cells[1],
    index: cells[2],
    status: STORED_TASK_STATUS[cells[3]]!,
    output: cells[10],
    error: toTaskError(cells),
    attempts: cells[4],
    history: cells[14] === null ? null : (JSON.parse(cells[14]) as Attempt[]),
    lane: cells[5] === null ? null : laneName(cells[5]),
    startedMs: cells[6],
    queueWaitMs: cells[7],
    serviceMs: cells[8],
    cpuMs: cells[9],
    fetch: cells[15] === null ? null : toFetchDetail(cells, cells[15]),
  }
}

function toTaskError(cells: TaskCells): TaskError | null {
  if (cells[11] === null) return null
  return { code: cells[11] as TaskErrorCode, message: cells[12] ?? '', retryable: cells[13] === 1 }
}

function toFetchDetail(cells: TaskCells, url: string): FetchDetail {
  const sha256 = cells[20]
  return {
    url,
    finalUrl: cells[16] ?? url,
    host: cells[17] ?? '',
    status: cells[18],
    bytes: cells[19] ?? 0,
    sha256: sha256 && Buffer.from(sha256).toString('hex'),
    contentType: cells[21],
    redirects: cells[22] ?? 0,
    dnsMs: cells[23],
    connectMs: cells[24],
    tlsMs: cells[25],
    firstByteMs: cells[26],
    downloadMs: cells[27],
    reusedConnection: cells[28] === null ? null : cells[28] === 1,
  }
}
