/** The items of a stage: where they come from, and what they bring with them. */

import type { StageSpec } from '../domain/batch.js'
import { handedOverAt, linkAfter, readRequestHandedOver, type StageLink } from '../domain/hand-over.js'
import type { IndexSet } from '../domain/indexset.js'
import { Outcome, type ResultColumns } from '../domain/results.js'
import type { Culprit } from '../domain/strikes.js'
import type { Store } from '../store/store.js'
import { FLOW, FlowSupply, GATED_FLOW } from './flow.js'
import type { InputReading } from './granter.js'
import { IsolatingSupply } from './isolating-supply.js'
import { isRead } from './job.js'
import { createSupply, isGated } from './supplies.js'
import type { Supply } from './supply.js'
import type { SupplyOptions } from './supply-options.js'
import type { Suspects } from './suspects.js'

/** What is known of a stage from the disk: what ended before this process knew of the run, and what is not to be done. */
export interface StageRecovery {
  /** Items that the run is not about; null: none, and in later stages, where they never come. */
  leftOut: IndexSet | null
  /** Items that have a row of the stage; null: none. */
  ended: IndexSet | null
  /** Items that have left the stage before; null: none, and in the first stage. */
  arrived: IndexSet | null
  /** Items that were in service when the server ended; null: none. */
  suspects: Suspects | null
  /** Items that end the server: they count as ended, and are still to be written down as failed. */
  culprits: readonly Culprit[]
}

export const NOTHING_RECOVERED: StageRecovery = {
  leftOut: null,
  ended: null,
  arrived: null,
  suspects: null,
  culprits: [],
}

interface Options extends Omit<SupplyOptions, 'flow' | 'leftOut' | 'ended' | 'store'> {
  recovery: StageRecovery
  store: Pick<Store, 'items' | 'task' | 'handedOver'>
  /** Run.startedAt, epoch milliseconds. */
  runStartedAt(): number
  /** What the stage before can have in service at once. */
  inService(): number
}

export class StageItems {
  readonly supply: Supply
  /** How their inputs are read; null where the lanes know them by themselves. */
  readonly inputs: InputReading | null
  readonly #link: StageLink | null
  /** What comes from the stage before; null in the first one. */
  readonly #flow: FlowSupply | null

  constructor(options: Options) {
    const { record, stage, recovery } = options
    const { leftOut, ended } = recovery
    this.#link = linkAfter(record.spec, stage - 1)
    this.#flow = this.#link && createFlow(options, this.#link)
    const supply = createSupply({ ...options, flow: this.#flow, leftOut, ended })
    this.supply = recovery.suspects ? new IsolatingSupply(supply, recovery.suspects) : supply
    this.inputs = this.#flow ? flowReading(this.#flow) : sourceReading(options)
  }

  /** How many items more may be on their way here. */
  get room(): number {
    return this.#flow?.room ?? Number.POSITIVE_INFINITY
  }

  /** Whether nothing more is to come for now. */
  get isShut(): boolean {
    return this.#flow?.isShut ?? false
  }

  /** When each item of the columns left the stage before, by place, in epoch milliseconds; null in the first stage. */
  readyAts({ indexes, startedAt }: ResultColumns): Float64Array | null {
    const flow = this.#flow
    return flow && indexes.map((index, at) => flow.readyAtOf(index) ?? startedAt[at]!)
  }

  /** Takes over what has succeeded in the stage before. `nowMs`: epoch milliseconds. */
  takeOver(columns: ResultColumns, dropped: ReadonlySet<number> | null, nowMs: number): void {
    const [flow, link] = [this.#flow!, this.#link!]
    for (let at = 0; at < columns.count; at += 1) {
      if (columns.outcomes[at] !== Outcome.SUCCEEDED || dropped?.has(at)) continue
      const startedAt = columns.startedAt[at]!
      // What has another item's answer never started.
      const readyAt = startedAt > 0 ? startedAt + columns.serviceMs[at]! : nowMs
      flow.arrive(columns.indexes[at]!, handedOverAt(columns, at, link), readyAt)
    }
  }
}

function createFlow(
  { record, stage, recovery, store, runStartedAt, inService, clock }: Options,
  link: StageLink,
): FlowSupply {
  const { spec, id: runId } = record
  const work = spec.stages[stage]!
  return new FlowSupply({
    capacity: isGated(work) ? GATED_FLOW : FLOW,
    total: spec.source.count,
    recovered: recoveredItems(work, recovery),
    toInput: work.kind === 'FETCH' ? readRequestHandedOver : (text) => text,
    read: (indexes) => store.handedOver({ runId, stage: stage - 1, link }, indexes),
    runStartedAt,
    inService,
    nowMs: () => clock.monotonicMs(),
  })
}

/** Where one request is sent once, those that have ended are read first: they lead those that have not. */
function recoveredItems(work: StageSpec, { ended, arrived }: StageRecovery): IndexSet[] {
  if (arrived === null) return []
  const left = ended === null ? arrived : arrived.difference(ended)
  const sharesAnswers = work.kind === 'FETCH' && work.fetch.dedupe === true
  return sharesAnswers && ended ? [arrived.intersection(ended), left] : [left]
}

function flowReading(flow: FlowSupply): InputReading {
  return { read: (indexes) => flow.inputs(indexes), isPartial: true }
}

function sourceReading({ record, stage, store }: Options): InputReading | null {
  const { id, spec } = record
  if (!isRead(spec.source, spec.stages[stage]!)) return null
  return { read: (indexes) => store.items(id, indexes), isPartial: spec.source.kind === 'file' }
}
