/** Takes up runs that the end of the server cut off: what is known of their stages from the disk. */

import { IndexSet } from '../domain/indexset.js'
import { itemsOf, type RunRecord, stageStates } from '../domain/run.js'
import type { Culprit } from '../domain/strikes.js'
import type { Store } from '../store/store.js'
import type { GrantNotes } from './grant-notes.js'
import type { Ledger } from './ledger.js'
import type { StageRecovery } from './stage-items.js'

/** What had ended of each stage: what is left of it are the items that have left the stage before and have no row here. */
export async function recoverStages(
  store: Pick<Store, 'endedIndexes' | 'succeededIndexes' | 'leftOut'>,
  record: RunRecord,
  notes: Pick<GrantNotes, 'suspectsOf' | 'culpritsOf'>,
): Promise<StageRecovery[]> {
  const { id, key, spec } = record
  const { count } = spec.source
  const leftOut = await selectionOf(store, record)
  const recovery: StageRecovery[] = []
  for (const stage of spec.stages.keys()) {
    const place = { run: key, stage }
    const stored = await store.endedIndexes(id, stage, count)
    const arrived = stage === 0 ? null : await store.succeededIndexes(id, stage - 1, count)
    const culprits = notes.culpritsOf(place).filter(({ index }) => index < count && !stored?.has(index))
    const ended = withCulprits(stored, culprits, count)
    const suspects = notes.suspectsOf(place)
    suspects?.narrow(ended, count)
    recovery.push({ leftOut: stage === 0 ? leftOut : null, ended, arrived, suspects, culprits })
  }
  return recovery
}

function withCulprits(ended: IndexSet | null, culprits: readonly Culprit[], count: number): IndexSet | null {
  if (culprits.length === 0) return ended
  const all = ended ?? new IndexSet(count)
  for (const { index } of culprits) all.add(index)
  return all
}

/** What a retry leaves out; null where it repeats all items, and of any other run. */
async function selectionOf(store: Pick<Store, 'leftOut'>, record: RunRecord): Promise<IndexSet | null> {
  const { count } = record.spec.source
  if (itemsOf(record) === count) return null
  const leftOut = await store.leftOut(record.id, count)
  if (leftOut === null) throw new Error(`nothing is known of which items run ${record.key} repeats`)
  return leftOut
}

/** Gives the books the times of the tasks that have ended. */
export async function restoreTimes(
  store: Pick<Store, 'times' | 'phaseTimes'>,
  record: RunRecord,
  ledger: Ledger,
): Promise<void> {
  for (const [stage, { times }] of stageStates(record).entries()) {
    if (times.service.count === 0) continue
    const fetches = record.spec.stages[stage]?.kind === 'FETCH'
    const [serviceMs, queueWaitMs, phases] = await Promise.all([
      store.times(record.id, stage, 'serviceMs'),
      store.times(record.id, stage, 'queueWaitMs'),
      fetches ? store.phaseTimes(record.id, stage) : null,
    ])
    ledger.restore(stage, { serviceMs, queueWaitMs, phases })
  }
}
