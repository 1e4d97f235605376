/** What lanes are told of a run. */

import { type Source, type StageSpec, stageTimeoutMs, storesBodies } from '../domain/batch.js'
import { linkAfter } from '../domain/hand-over.js'
import type { RunRecord } from '../domain/run.js'
import type { FileSource, JobSpec } from '../lanes/protocol.js'
import type { SourceFile } from '../store/store.js'

/** The job of a stage of the run. `file`: of a file source. */
export function toJobSpec(
  { key, spec }: Pick<RunRecord, 'key' | 'spec'>,
  { stage, file }: { stage: number; file: SourceFile | null },
  own: Pick<JobSpec, 'job' | 'slots' | 'maxOutputBytes' | 'tellsWaiting' | 'isAwaited'>,
): JobSpec {
  const { source } = spec
  const work = spec.stages[stage]!
  const isGiven = stage > 0 || isRead(source, work)
  return {
    ...own,
    work:
      work.kind === 'FETCH'
        ? { kind: 'FETCH', fetch: work.fetch, storesFor: storesBodies(work) ? { run: key, stage } : null }
        : { kind: 'COMPUTE', function: work.function, reduce: work.reduce },
    source: isGiven || source.kind === 'list' ? null : source.kind === 'file' ? fileOf(file) : source,
    takesOver: stage > 0 && work.kind === 'COMPUTE',
    handsOver: linkAfter(spec, stage),
    timeoutMs: stageTimeoutMs(spec, work),
  }
}

/** Whether the items of a source are read here and handed out with the grants: hosts and methods of requests matter to the engine. */
export function isRead(source: Source, stage: StageSpec): boolean {
  return source.kind === 'list' || (source.kind === 'file' && stage.kind === 'FETCH')
}

function fileOf(file: SourceFile | null): FileSource {
  if (!file) throw new Error('the run is of a file, and nothing is known of it')
  return { kind: 'file', ...file }
}
