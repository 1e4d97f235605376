/** What the supply of a stage is made of. */

import type { Clock } from '../clock.js'
import type { TaskError } from '../domain/errors.js'
import type { IndexSet } from '../domain/indexset.js'
import type { ResultColumns } from '../domain/results.js'
import type { RunRecord } from '../domain/run.js'
import type { Store } from '../store/store.js'
import type { FlowSupply } from './flow.js'
import type { HostUser } from './host-state.js'
import type { Hosts } from './hosts.js'

export interface SupplyOptions {
  record: RunRecord
  stage: number
  /** What flows into a later stage; null in the first one, whose items are the source's. */
  flow: FlowSupply | null
  /** In flight at most, as executed. */
  concurrency: number
  hosts: Hosts
  /** The stage, as hosts see it. */
  user: HostUser
  /** Items that the run is not about; null: none. */
  leftOut: IndexSet | null
  /** Items that had ended before this process knew of the run; null: none. It is taken over. */
  ended: IndexSet | null
  clock: Clock
  store: Pick<Store, 'items' | 'task'>
  /** Whether nothing more can be recorded for now. */
  isFull(): boolean
  /** Items have ended that were never sent. */
  onEnded(columns: ResultColumns): void
  /** More may be ready than before, or all may have ended. */
  onChanged(): void
  onUnreadable(error: TaskError): void
  /** Has given back what waits in lanes. */
  recall(): void
}

/** Items of the source that are not to be handed out. */
export function goneOf({ leftOut, ended }: Pick<SupplyOptions, 'leftOut' | 'ended'>): IndexSet | null {
  return leftOut && ended ? leftOut.union(ended) : (leftOut ?? ended)
}
