/** Stages: the steps that every item of a run goes through. */

import { stageStates } from '../domain/run.js'
import type { StageKind } from '../domain/strategy.js'
import type { RunView } from '../engine/engine.js'
import { StrategyAdviceType } from './advice.js'
import { builder, TO_READERS } from './builder.js'
import { ProgressType } from './progress.js'
import { RunKindType } from './run-kind.js'
import { StrategyType } from './strategy.js'
import { RunTimingsType, timingsSource } from './timing.js'

/** One step that every item of a run goes through. */
export interface StageNode {
  run: RunView
  index: number
  kind: StageKind
  name: string
}

const stateOf = ({ run, index }: StageNode) => stageStates(run.record)[index]!

export const StageType = builder.objectRef<StageNode>('Stage').implement({
  description: 'A step that every item goes through: fetch and compute runs have one.',
  fields: (t) => ({
    index: t.exposeInt('index', { description: 'Its place, from 0.' }),
    kind: t.expose('kind', { type: RunKindType, description: 'Whether it fetches or computes.' }),
    name: t.exposeString('name', { description: 'Its name.' }),
    effectiveStrategy: t.field({
      type: StrategyType,
      nullable: true,
      description: 'As executed; null until the run starts.',
      resolve: (stage) => stateOf(stage).effectiveStrategy,
    }),
    concurrency: t.int({
      nullable: true,
      description: 'Its tasks in flight at most, over all lanes, as executed; null until the run starts.',
      resolve: (stage) => stateOf(stage).concurrency,
    }),
    lanes: t.int({
      nullable: true,
      description: 'Lanes in use at most, as executed; null until the run starts.',
      resolve: (stage) => stateOf(stage).lanes,
    }),
    decision: t.field({
      ...TO_READERS,
      type: StrategyAdviceType,
      nullable: true,
      description: 'How AUTO chose; null where another strategy was asked for, and until it has chosen.',
      resolve: (stage) => stateOf(stage).decision,
    }),
    progress: t.field({
      type: ProgressType,
      description:
        'How far it is: what did not come through a stage before it is skipped. elapsedMs since its first start.',
      resolve: ({ run, index }) => run.stages[index]!,
    }),
    timings: t.field({
      type: RunTimingsType,
      nullable: true,
      description: 'Of its SUCCEEDED and FAILED tasks; null until one has ended.',
      resolve: ({ run, index }) => timingsSource(run, index),
    }),
  }),
})
