/** Takes up runs that the end of the server cut off: what is known of their stages from the disk. */

import { type RunRecord, stageStates } from '../domain/run.js'
import type { Store } from '../store/store.js'
import type { Ledger } from './ledger.js'
import type { StageRecovery } from './stage-items.js'

/** What had ended of each stage: what is left of it are the items that have left the stage before and have no row here. */
export async function recoverStages(
  store: Pick<Store, 'endedIndexes' | 'succeededIndexes'>,
  { id, spec }: RunRecord,
): Promise<StageRecovery[]> {
  const { count } = spec.source
  const recovery: StageRecovery[] = []
  for (const stage of spec.stages.keys()) {
    const ended = await store.endedIndexes(id, stage, count)
    const arrived = stage === 0 ? null : await store.succeededIndexes(id, stage - 1, count)
    recovery.push({ ended, arrived })
  }
  return recovery
}

/** Gives the books the times of the tasks that have ended. */
export async function restoreTimes(store: Pick<Store, 'times'>, record: RunRecord, ledger: Ledger): Promise<void> {
  for (const [stage, { times }] of stageStates(record).entries()) {
    if (times.service.count === 0) continue
    const [serviceMs, queueWaitMs] = await Promise.all([
      store.times(record.id, stage, 'serviceMs'),
      store.times(record.id, stage, 'queueWaitMs'),
    ])
    ledger.restore(stage, serviceMs, queueWaitMs)
  }
}
