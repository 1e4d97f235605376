/** Comparisons: one batch under several strategies. */

import { type ComparisonRow, comparisonRows, comparisonStatus } from '../domain/comparison.js'
import { comparisonId } from '../domain/ids.js'
import { comparisonVerdict } from '../domain/verdict.js'
import { builder } from './builder.js'
import { listOf, QUESTION, STUDY } from './cost.js'
import { ComparisonNode, ComparisonType, RunType } from './refs.js'
import { RunStatusType } from './run.js'
import { StrategyType } from './strategy.js'
import { DistributionType } from './timing.js'

/** Runs that a comparison is taken to have: 200 at most. */
const TYPICAL_RUNS = 50
/** The four strategies that there are. */
const TYPICAL_ROWS = 4

const ComparisonRowType = builder.objectRef<ComparisonRow>('ComparisonRow').implement({
  description: 'What the batch took under one strategy.',
  fields: (t) => ({
    strategy: t.expose('strategy', { type: StrategyType, description: 'The strategy, as asked.' }),
    runs: t.exposeInt('runs', {
      description:
        'Its runs that count: those that ran to their end. One that was cancelled, that failFast ended or that could not go on does not count, nor does one that a restart of the server cut in two, unless the strategy has no other.',
    }),
    wallMs: t.expose('wallMs', {
      type: DistributionType,
      description: "The wall times of those runs, in milliseconds: from the first task's start to the last one's end.",
    }),
    speedup: t.exposeFloat('speedup', {
      nullable: true,
      description:
        "SEQUENTIAL's median wall time over this one's; null where SEQUENTIAL is not among the rows, or a median is 0. Medians by nearest rank, as wallMs.p50.",
    }),
    efficiency: t.exposeFloat('efficiency', {
      nullable: true,
      description: 'speedup / concurrency, as executed.',
    }),
  }),
})

ComparisonType.implement({
  description:
    'The same batch under several strategies, one run at a time with nothing else sharing the lanes: what each took, and what that says. See docs/comparison.',
  interfaces: [builder.nodeInterfaceRef()],
  isTypeOf: (value) => value instanceof ComparisonNode,
  fields: (t) => ({
    id: t.id({ description: 'The id of the comparison.', resolve: ({ record }) => comparisonId(record.key) }),
    name: t.string({
      nullable: true,
      description: 'As given at launch, else that of the batch.',
      resolve: ({ record }) => record.name,
    }),
    status: t.field({
      type: RunStatusType,
      complexity: QUESTION,
      description:
        'Follows from its runs: QUEUED until the first one starts, RUNNING until the last one has ended, PAUSED while one is. Then SUCCEEDED where all of them have, CANCELLED where the last one was, FAILED where no item of any went through every stage, PARTIAL otherwise.',
      resolve: async (comparison) => comparisonStatus(await comparison.runs()),
    }),
    strategies: t.field({
      type: [StrategyType],
      description: 'Those that are compared, as given at launch.',
      resolve: ({ record }) => record.strategies,
    }),
    rounds: t.int({
      description: 'How often each is run, as given at launch.',
      resolve: ({ record }) => record.rounds,
    }),
    runs: t.field({
      type: [RunType],
      complexity: listOf(TYPICAL_RUNS, QUESTION),
      description: 'Its runs, strategies × rounds, in the order in which they are run; less those that were deleted.',
      resolve: async ({ record }, _args, { engine, store }) =>
        (await store.runsOfComparison(record.id)).map((run) => engine.view(run)),
    }),
    rows: t.field({
      type: [ComparisonRowType],
      complexity: listOf(TYPICAL_ROWS, QUESTION),
      description: 'Of strategies with an ended run, in the order of strategies.',
      resolve: async (comparison) => comparisonRows(comparison.record.strategies, await comparison.runs()),
    }),
    verdict: t.string({
      nullable: true,
      complexity: STUDY,
      description:
        'The fastest strategy, by how much, and how sure that is: the p of a two-sided rank-sum test between it and the others. Null until there is a row; until the last run has ended it says so far. Where all runs have ended without a row, it says what became of them.',
      resolve: async (comparison) => comparisonVerdict(comparison.record.strategies, await comparison.runs()),
    }),
    createdAt: t.field({
      type: 'DateTime',
      description: 'When it was launched.',
      resolve: ({ record }) => record.createdAt,
    }),
  }),
})
