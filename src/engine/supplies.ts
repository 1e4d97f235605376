/** Which supply a stage has. */

import type { Source, StageSpec } from '../domain/batch.js'
import { areAllDifferent, commonHost } from '../domain/request-key.js'
import { GatedSupply } from './gated-supply.js'
import { OneHostSupply } from './one-host-supply.js'
import { PendingItems } from './pending.js'
import type { Supply } from './supply.js'
import { goneOf, type SupplyOptions } from './supply-options.js'

export function createSupply(options: SupplyOptions): Supply {
  const { record, stage, flow } = options
  const work = record.spec.stages[stage]!
  const { source } = record.spec
  if (work.kind !== 'FETCH') return flow ?? new PendingItems(source.count, goneOf(options))
  const { fetch } = work
  const hasDuplicates = fetch.dedupe === true && (flow !== null || !isKnownToDiffer(source))
  const host = flow ? null : commonHost(source)
  if (host === null || hasDuplicates) return new GatedSupply({ ...options, fetch, hasDuplicates })
  return new OneHostSupply(new PendingItems(source.count, goneOf(options)), { ...options, fetch, host })
}

/** Whether items of the stage may have to wait for their host: what flows into it is then to have room for others. */
export function isGated(stage: StageSpec): boolean {
  return stage.kind === 'FETCH'
}

function isKnownToDiffer(source: Source): boolean {
  return source.kind === 'template' && areAllDifferent(source)
}
