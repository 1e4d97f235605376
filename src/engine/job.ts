/** What lanes are told of a run. */

import type { BatchSpec } from '../domain/batch.js'
import type { JobSpec } from '../lanes/protocol.js'

export function toJobSpec(
  { source, stages, timeoutMs }: BatchSpec,
  own: Pick<JobSpec, 'job' | 'slots' | 'maxOutputBytes' | 'tellsWaiting'>,
): JobSpec {
  const stage = stages[0]!
  return {
    ...own,
    work:
      stage.kind === 'FETCH'
        ? { kind: 'FETCH', fetch: stage.fetch }
        : { kind: 'COMPUTE', function: stage.function, reduce: stage.reduce },
    source: source.kind === 'list' ? null : source,
    timeoutMs,
  }
}
