/** Whether a run matches a filter: for runs that come one by one; lists are filtered by the store. */

import { functionsOf } from '../domain/batch.js'
import type { RunRecord } from '../domain/run.js'
import type { RunFilter } from '../store/store.js'
import type { StoreReads } from './context.js'

export async function matchesRun(
  run: RunRecord,
  filter: RunFilter,
  store: Pick<StoreReads, 'tasks'>,
): Promise<boolean> {
  if (!matchesRecord(run, filter)) return false
  if (filter.host === undefined) return true
  const { rows } = await store.tasks(run.id, { host: filter.host }, 'ENDED', { first: 1 })
  return rows.length > 0
}

/** All of a filter that the record alone can answer. */
function matchesRecord({ spec, status, createdAt }: RunRecord, filter: RunFilter): boolean {
  const oneOf = <T>(allowed: readonly T[] | undefined, value: T) => allowed === undefined || allowed.includes(value)
  return (
    oneOf(filter.kind, spec.kind) &&
    oneOf(filter.status, status) &&
    oneOf(filter.strategy, spec.strategy) &&
    oneOf(filter.name === undefined ? undefined : [filter.name], spec.name) &&
    (filter.function === undefined || functionsOf(spec).includes(filter.function)) &&
    (filter.labels ?? []).every((wanted) =>
      spec.labels.some(({ name, value }) => name === wanted.name && value === wanted.value),
    ) &&
    (filter.createdAfter === undefined || createdAt >= filter.createdAfter) &&
    (filter.createdBefore === undefined || createdAt < filter.createdBefore)
  )
}
