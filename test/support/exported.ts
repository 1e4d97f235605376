/** Runs and tasks to be exported. */

import type { BatchSpec, FetchOptions, Json } from '../../src/domain/batch.js'
import type { ExportedRun, ExportedTask } from '../../src/domain/exports/export.js'
import { toRunKey } from '../../src/domain/ids.js'
import type { FetchDetail, TaskRecord } from '../../src/domain/task.js'
import { batchSpec } from './engine-parts.js'

const FETCH_OPTIONS: FetchOptions = {
  bodyPolicy: 'DISCARD',
  maxBytes: 1_000,
  maxRedirects: 5,
  headers: [{ name: 'Authorization', value: 'Bearer of-the-batch' }],
  okStatuses: null,
}

export const FETCHING: Partial<BatchSpec> = {
  kind: 'FETCH',
  source: { kind: 'list', form: 'requests', count: 3 },
  stages: [{ kind: 'FETCH', name: 'fetch', fetch: FETCH_OPTIONS }],
}

export const PIPELINE: Partial<BatchSpec> = {
  kind: 'PIPELINE',
  stages: [
    { kind: 'FETCH', name: 'fetch', fetch: FETCH_OPTIONS },
    { kind: 'COMPUTE', name: 'count', function: 'wordFrequencies', chunkSize: null, reduce: null },
  ],
}

export function exportedRun(
  spec: Partial<BatchSpec> = {},
  startedAt: Date | null = new Date(1_700_000_000_000),
): ExportedRun {
  return {
    id: 1,
    key: toRunKey('0123456789abcdef0123456789abcdef'),
    spec: batchSpec(spec),
    createdAt: new Date(1_699_999_999_000),
    startedAt,
  }
}

export const FETCHED: FetchDetail = {
  url: 'https://user:pass@example.com/a?x=1&y=%20z',
  finalUrl: 'https://example.com/b',
  host: 'example.com',
  status: 200,
  bytes: 1_234,
  sha256: 'ab'.repeat(32),
  contentType: 'text/html; charset=utf-8',
  redirects: 1,
  dnsMs: 1,
  connectMs: 2,
  tlsMs: 3,
  firstByteMs: 4,
  downloadMs: 5,
  reusedConnection: false,
}

/** A task that took one attempt and succeeded, but for what is told. */
export function exportedTask(task: Partial<TaskRecord> = {}, input: Json = null): ExportedTask {
  const record: TaskRecord = {
    sequence: 1,
    stage: 0,
    index: 0,
    status: 'SUCCEEDED',
    output: null,
    error: null,
    attempts: 1,
    history: null,
    lane: 'thread-1',
    startedMs: 10.5,
    queueWaitMs: 2,
    serviceMs: 20,
    cpuMs: null,
    fetch: null,
  }
  return { task: { ...record, ...task }, input }
}
