/** Changes to all runs that a filter finds. */

import type { RunsOutcome } from '../engine/engine.js'
import { MAX_SHOWN_RUNS } from '../engine/limits.js'
import { builder } from './builder.js'
import { LABOUR, listOf } from './cost.js'
import { UserErrorType } from './problem.js'
import { RunType } from './refs.js'
import { RunFilterInput, runFilter } from './runs.js'

const RunsPayload = builder.objectRef<RunsOutcome>('RunsPayload').implement({
  description:
    'What became of a change to many runs. It holds for each run by itself: where there are userErrors, those that were accepted stay.',
  fields: (t) => ({
    matched: t.exposeInt('matched', { description: 'Runs that the filter found.' }),
    accepted: t.exposeInt('accepted', {
      description: 'Runs that the change was made to; the others are in a state that does not allow it.',
    }),
    runs: t.field({
      type: [RunType],
      complexity: listOf(MAX_SHOWN_RUNS),
      description: 'Those, or the new ones of retryRuns; the first 100.',
      resolve: ({ runs }) => runs,
    }),
    userErrors: t.field({
      type: [UserErrorType],
      description: 'What kept it from being made to all: EMPTY_FILTER, or QUEUE_FULL with the time to try again.',
      resolve: ({ userErrors }) => userErrors,
    }),
  }),
})

builder.mutationFields((t) => ({
  cancelRuns: t.field({
    type: RunsPayload,
    complexity: LABOUR,
    description:
      'cancelRun of every run that the filter finds and that has not ended, side by side: those that there are when it is called. It answers when they are CANCELLED, or after three seconds of one that takes longer. An empty filter is refused: EMPTY_FILTER.',
    args: {
      filter: t.arg({ type: RunFilterInput, required: true, description: 'Which runs; it must name something.' }),
    },
    resolve: (_root, { filter }, { engine }) => engine.cancelRuns(runFilter(filter)),
  }),
  retryRuns: t.field({
    type: RunsPayload,
    complexity: LABOUR,
    description:
      'retryRun of every ended run that the filter finds and that has something to repeat, oldest first: those that there are when it is called, not their retries. Where the queue is full it ends with one QUEUE_FULL: what was launched by then stays, the other runs are not touched. An empty filter is refused: EMPTY_FILTER.',
    args: {
      filter: t.arg({ type: RunFilterInput, required: true, description: 'Which runs; it must name something.' }),
    },
    resolve: (_root, { filter }, { engine }) => engine.retryRuns(runFilter(filter)),
  }),
}))
