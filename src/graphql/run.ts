/** Runs: one launched batch each. */

import { runId } from '../domain/ids.js'
import { StrategyAdviceType } from './advice.js'
import { builder, TO_READERS } from './builder.js'
import { LOOKUP, listOf } from './cost.js'
import { LabelType } from './label.js'
import { reserveJson } from './output.js'
import { ProgressType } from './progress.js'
import { ComparisonNode, ComparisonType, RunType, TaskNode } from './refs.js'
import { requestOf } from './request.js'
import { RunKindType } from './run-kind.js'
import { StageType } from './stage.js'
import { StrategyType } from './strategy.js'
import { TaskErrorType } from './task.js'
import { RunTimingsType, timingsSource } from './timing.js'

export const RunStatusType = builder.enumType('RunStatus', {
  description: 'How far a run is, and how it ended.',
  values: {
    QUEUED: { description: 'Written down; no task has started.' },
    RUNNING: {
      description:
        'A task has started, and the run has not ended: also while all its tasks wait for a host or a back-off.',
    },
    PAUSED: { description: 'No new task starts until the run is resumed; what is in flight ends.' },
    SUCCEEDED: { description: 'Every item went through every stage.' },
    PARTIAL: { description: 'It ran to its end; some items went through every stage, some did not.' },
    FAILED: {
      description:
        'It ran to its end and no item went through every stage, or failFast ended it, or Run.failure says why it could not go on.',
    },
    CANCELLED: { description: 'Ended before its end on request; what had succeeded stays.' },
  } as const,
})

/** What a run is taken to have: 64 labels and 100 stages at most. */
const TYPICAL_LABELS = 3
const TYPICAL_STAGES = 4

RunType.implement({
  description: 'One launched batch: what was asked, how far it is, and how long it took.',
  interfaces: [builder.nodeInterfaceRef()],
  isTypeOf: (value) => !(value instanceof TaskNode || value instanceof ComparisonNode),
  fields: (t) => ({
    id: t.id({ description: 'The id of the run.', resolve: ({ record }) => runId(record.key) }),
    kind: t.field({
      type: RunKindType,
      description: 'What it does with its items.',
      resolve: ({ record }) => record.spec.kind,
    }),
    status: t.field({ type: RunStatusType, description: 'How far it is.', resolve: ({ record }) => record.status }),
    name: t.string({ nullable: true, description: 'As given at launch.', resolve: ({ record }) => record.spec.name }),
    labels: t.field({
      type: [LabelType],
      complexity: listOf(TYPICAL_LABELS),
      description: 'As given at launch.',
      resolve: ({ record }) => record.spec.labels,
    }),
    priority: t.int({
      description: 'Higher goes first; runs of one priority share the machine fairly.',
      resolve: ({ record }) => record.spec.priority,
    }),
    strategy: t.field({
      type: StrategyType,
      description: 'As asked at launch.',
      resolve: ({ record }) => record.spec.strategy,
    }),
    effectiveStrategy: t.field({
      type: StrategyType,
      nullable: true,
      description:
        'As executed; null until the run starts, and of a pipeline whose stages have different ones: see Stage.effectiveStrategy.',
      resolve: ({ record }) => record.effectiveStrategy,
    }),
    concurrency: t.int({
      nullable: true,
      description: 'Tasks in flight at most, over all lanes and stages, as executed; null until the run starts.',
      resolve: ({ record }) => record.concurrency,
    }),
    lanes: t.int({
      nullable: true,
      description:
        'Lanes in use at most, over all stages, as executed: threads or processes; null until the run starts.',
      resolve: ({ record }) => record.lanes,
    }),
    decision: t.field({
      ...TO_READERS,
      type: StrategyAdviceType,
      nullable: true,
      description:
        'How AUTO chose, with the figures it had then; null where another strategy was asked for, until it has chosen, and of a pipeline: see Stage.decision. It may choose again when tasks turn out longer.',
      resolve: ({ record }) => record.decision,
    }),
    function: t.string({
      nullable: true,
      description: 'The function of a compute run; of a pipeline that of its first compute stage.',
      resolve: ({ record }) => record.spec.stages.find((stage) => stage.kind === 'COMPUTE')?.function ?? null,
    }),
    request: t.field({
      ...TO_READERS,
      type: 'JSON',
      description: 'What was asked, defaults filled in; a list source as its count, headers that carry secrets masked.',
      resolve: ({ record }, _args, _context, { variableValues }) => {
        const request = requestOf(record.spec)
        reserveJson(variableValues, JSON.stringify(request).length)
        return request
      },
    }),
  }),
})

/** How far it is, and what came of it. */
builder.objectFields(RunType, (t) => ({
  failure: t.field({
    ...TO_READERS,
    type: TaskErrorType,
    nullable: true,
    description: 'Why the run as a whole could not go on: its function is gone, the disk is full. Null otherwise.',
    resolve: ({ record }) => record.failure,
  }),
  progress: t.expose('progress', { type: ProgressType, description: 'How far it is, in numbers.' }),
  timings: t.field({
    type: RunTimingsType,
    nullable: true,
    description: 'Of SUCCEEDED and FAILED tasks; null until one has ended.',
    resolve: (run) => timingsSource(run),
  }),
  stages: t.field({
    type: [StageType],
    complexity: listOf(TYPICAL_STAGES),
    description: 'The steps that every item goes through.',
    resolve: (run) => run.record.spec.stages.map(({ kind, name }, index) => ({ run, index, kind, name })),
  }),
  reduction: t.field({
    ...TO_READERS,
    type: 'JSON',
    nullable: true,
    complexity: LOOKUP,
    description:
      'The reduced output of a compute run launched with reduce: of the SUCCEEDED tasks, null before the run has ended or where none succeeded (COUNT: 0, COLLECT: []). At most 64 MiB of inputs and outputs in one answer.',
    resolve: (run, _args, { engine }, { variableValues }) =>
      engine.reduction(run, (characters) => reserveJson(variableValues, characters)),
  }),
  comparison: t.field({
    ...TO_READERS,
    type: ComparisonType,
    nullable: true,
    complexity: LOOKUP,
    description: 'The comparison that it is a part of; null for a run of its own.',
    resolve: async ({ record }, _args, { engine, store }) => {
      const comparison = record.comparisonId === null ? null : await store.comparisonById(record.comparisonId)
      return comparison && new ComparisonNode(comparison, engine)
    },
  }),
  createdAt: t.field({
    type: 'DateTime',
    description: 'When it was launched.',
    resolve: ({ record }) => record.createdAt,
  }),
  startedAt: t.field({
    type: 'DateTime',
    nullable: true,
    description: 'When its first task started; null before.',
    resolve: ({ record }) => record.startedAt,
  }),
  finishedAt: t.field({
    type: 'DateTime',
    nullable: true,
    description: 'When it ended; null before.',
    resolve: ({ record }) => record.finishedAt,
  }),
}))
