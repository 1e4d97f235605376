/** Where the fetches' time went in a run that nobody works on, from what is stored of it. */

import { type ByPhase, byPhase, unpackPhases } from '../domain/fetch-phases.js'
import { type RunRecord, stageStates } from '../domain/run.js'
import { type Distribution, distributionFromValues, EXACT_LIMIT } from '../domain/timing.js'
import type { Store } from '../store/store.js'

/** Whether a fetch of the run, or of a stage of it, has ended. */
export function hasFetched(record: RunRecord, stage: number | null): boolean {
  return stageStates(record).some(
    ({ times }, at) =>
      (stage === null || stage === at) && record.spec.stages[at]?.kind === 'FETCH' && times.service.count > 0,
  )
}

/**
 * From the rows where they are at most as many as exact figures are kept for, and from what was packed at the end where they are
 * more; null of more tasks that ended before that was done.
 */
export async function loadPhases(
  store: Pick<Store, 'sketches' | 'phaseTimes'>,
  record: RunRecord,
  stage: number | null,
): Promise<ByPhase<Distribution> | null> {
  const { times } = stage === null ? record : stageStates(record)[stage]!
  const { phases: moments } = times
  if (times.service.count > EXACT_LIMIT) {
    const sketches = await store.sketches(record.id, stage)
    return sketches?.phases && moments ? unpackPhases(sketches.phases, moments) : null
  }
  const columns = await store.phaseTimes(record.id, stage)
  return byPhase((phase) => distributionFromValues(columns[phase].sort(), moments?.[phase]))
}
