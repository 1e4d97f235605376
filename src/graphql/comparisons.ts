/** Launching comparisons, and finding them. */

import { parseComparisonId } from '../domain/ids.js'
import type { ComparisonOutcome } from '../engine/engine.js'
import { BatchInput } from './batch.js'
import { builder } from './builder.js'
import type { ApiContext } from './context.js'
import { CHANGE, LOOKUP } from './cost.js'
import { type CursorForm, type PageArgs, pageCost, pageRequest, toConnection } from './pages.js'
import { UserErrorType } from './problem.js'
import { ComparisonNode, ComparisonType } from './refs.js'
import { StrategyType } from './strategy.js'

const LaunchComparisonInput = builder.inputType('LaunchComparisonInput', {
  description: 'The same batch under several strategies, one after the other, the order shuffled in each round.',
  fields: (t) => ({
    batch: t.field({
      type: BatchInput,
      required: true,
      description:
        "The batch. The compared strategy stands in the place of options.strategy, and of every stage's own: what they ask for is not looked at. concurrency and lanes hold for each strategy as far as it has them. options.idempotencyKey is the comparison's: a second launch of it with the same key and the same input answers with the first one; it lives as long as the first of its runs.",
    }),
    strategies: t.field({
      type: [StrategyType],
      required: true,
      defaultValue: ['SEQUENTIAL', 'ASYNC', 'THREADS', 'PROCESSES'],
      description: 'Those to compare, each once. Without SEQUENTIAL there is no speedup.',
    }),
    rounds: t.int({
      required: true,
      defaultValue: 1,
      description:
        'How often each is run, 1 to 50; no more than 200 runs in all. Of one run each nothing can be said of chance; from 4 on a difference can be told from it.',
    }),
    name: t.string({ description: 'A name to find it and its runs by; that of the batch if left out.' }),
  }),
})

export const LaunchComparisonPayload = builder.objectRef<ComparisonOutcome>('LaunchComparisonPayload').implement({
  description: 'The comparison, or userErrors: never both. At most 100 userErrors, as of LaunchRunPayload.',
  fields: (t) => ({
    comparison: t.field({
      type: ComparisonType,
      nullable: true,
      description: 'The comparison, written down with all its runs; null where there are userErrors.',
      resolve: ({ comparison }, _args, { engine }) => comparison && new ComparisonNode(comparison, engine),
    }),
    userErrors: t.field({
      type: [UserErrorType],
      description:
        'Every problem of the input, or why it cannot be cancelled; nothing was launched or changed where there is one.',
      resolve: ({ userErrors }) => userErrors,
    }),
  }),
})

builder.mutationField('launchComparison', (t) =>
  t.field({
    type: LaunchComparisonPayload,
    complexity: CHANGE,
    description:
      'Launches a batch under several strategies, each of its runs with all lanes to itself: checked and written down when it answers. A run begins when no other one holds a lane; between two of them the others have the lanes for as long.',
    args: {
      input: t.arg({
        type: LaunchComparisonInput,
        required: true,
        description: 'The batch, and what to run it under.',
      }),
    },
    resolve: (_root, { input }, { engine, space }) => engine.launchComparison(input, space),
  }),
)

const CURSORS: CursorForm = { order: 'CREATED_DESC', scope: 'comparisons', length: 1 }

async function comparisonPage(args: PageArgs, { engine, store }: ApiContext) {
  const page = await store.comparisons(pageRequest(args, CURSORS))
  return toConnection(page, CURSORS, {
    node: (record) => new ComparisonNode(record, engine),
    count: () => store.countComparisons(),
  })
}

builder.queryFields((t) => ({
  comparison: t.field({
    type: ComparisonType,
    nullable: true,
    description: 'The comparison of this id; null where there is none.',
    complexity: LOOKUP,
    args: { id: t.arg.id({ required: true, description: 'The id of a comparison.' }) },
    resolve: async (_root, { id }, { engine, store }) => {
      const key = parseComparisonId(id)
      const comparison = key && (await store.comparison(key))
      return comparison && new ComparisonNode(comparison, engine)
    },
  }),
  comparisons: t.connection(
    {
      type: ComparisonType,
      description:
        'The comparisons of this server, the latest launch first. Pages of 20 if neither first nor last is given; more than 1,000 is BAD_USER_INPUT.',
      complexity: pageCost,
      resolve: (_root, args, context) => comparisonPage(args, context),
    },
    { name: 'ComparisonsConnection', description: 'A page of comparisons.' },
    { name: 'ComparisonsEdge', description: 'A comparison, and its place in the list.' },
  ),
}))
