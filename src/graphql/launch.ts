/** Launching, and the answer to it. */

import type { LaunchOutcome } from '../engine/engine.js'
import { LaunchComputeBatchInput, LaunchFetchBatchInput, LaunchPipelineInput } from './batch.js'
import { builder } from './builder.js'
import { CHANGE } from './cost.js'
import { UserErrorType } from './problem.js'
import { RunType } from './refs.js'

export const LaunchRunPayload = builder.objectRef<LaunchOutcome>('LaunchRunPayload').implement({
  description:
    'The resource, or userErrors: never both. At most 100 userErrors; the last then says how many more there are. Top-level errors are for access, limits and faults of the server.',
  fields: (t) => ({
    run: t.field({
      type: RunType,
      nullable: true,
      description: 'The run, written down; null where there are userErrors.',
      resolve: ({ run }) => run,
    }),
    deduplicated: t.exposeBoolean('deduplicated', { description: 'True where idempotencyKey found an earlier run.' }),
    userErrors: t.field({
      type: [UserErrorType],
      description: 'Every problem of the input; nothing was launched where there is one.',
      resolve: ({ userErrors }) => userErrors,
    }),
  }),
})

builder.mutationFields((t) => ({
  launchFetchBatch: t.field({
    type: LaunchRunPayload,
    complexity: CHANGE,
    description: 'Launches a batch of requests: checked and written down when it answers, run from then on.',
    args: { input: t.arg({ type: LaunchFetchBatchInput, required: true, description: 'The batch.' }) },
    resolve: (_root, { input }, { engine, space }) => engine.launchFetch(input, space),
  }),
  launchComputeBatch: t.field({
    type: LaunchRunPayload,
    complexity: CHANGE,
    description: 'Launches a batch of calls of a function: checked and written down when it answers, run from then on.',
    args: { input: t.arg({ type: LaunchComputeBatchInput, required: true, description: 'The batch.' }) },
    resolve: (_root, { input }, { engine, space }) => engine.launchCompute(input, space),
  }),
  launchPipeline: t.field({
    type: LaunchRunPayload,
    complexity: CHANGE,
    description:
      'Launches a batch whose items flow through several stages: checked and written down when it answers, run from then on.',
    args: { input: t.arg({ type: LaunchPipelineInput, required: true, description: 'The batch and its stages.' }) },
    resolve: (_root, { input }, { engine, space }) => engine.launchPipeline(input, space),
  }),
}))
