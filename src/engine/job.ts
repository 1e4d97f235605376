/** What lanes are told of a run. */

import { type Source, type StageSpec, storesBodies } from '../domain/batch.js'
import type { RunRecord } from '../domain/run.js'
import type { FileSource, JobSpec } from '../lanes/protocol.js'
import type { SourceFile } from '../store/store.js'

/** `file`: of a file source. */
export function toJobSpec(
  { key, spec: { source, stages, timeoutMs } }: Pick<RunRecord, 'key' | 'spec'>,
  file: SourceFile | null,
  own: Pick<JobSpec, 'job' | 'slots' | 'maxOutputBytes' | 'tellsWaiting'>,
): JobSpec {
  const stage = stages[0]!
  return {
    ...own,
    work:
      stage.kind === 'FETCH'
        ? { kind: 'FETCH', fetch: stage.fetch, storesFor: storesBodies(stage) ? key : null }
        : { kind: 'COMPUTE', function: stage.function, reduce: stage.reduce },
    source: source.kind === 'list' || isRead(source, stage) ? null : source.kind === 'file' ? fileOf(file) : source,
    timeoutMs,
  }
}

/** Whether the items are read here and handed out with the grants: hosts and methods of requests matter to the engine. */
export function isRead(source: Source, stage: StageSpec): boolean {
  return source.kind === 'list' || (source.kind === 'file' && stage.kind === 'FETCH')
}

function fileOf(file: SourceFile | null): FileSource {
  if (!file) throw new Error('the run is of a file, and nothing is known of it')
  return { kind: 'file', ...file }
}
