/** Cancelling, pausing and resuming runs, and cancelling comparisons. */

import { parseComparisonId, parseRunId } from '../domain/ids.js'
import type { ControlOutcome } from '../engine/engine.js'
import { builder } from './builder.js'
import { LaunchComparisonPayload } from './comparisons.js'
import type { ApiContext } from './context.js'
import { CHANGE } from './cost.js'
import { nothingOf, UserErrorType } from './problem.js'
import { RunType } from './refs.js'

const RunPayload = builder.objectRef<ControlOutcome>('RunPayload').implement({
  description: 'The run as it is now, or userErrors: never both.',
  fields: (t) => ({
    run: t.field({
      type: RunType,
      nullable: true,
      description: 'The run; null where there are userErrors.',
      resolve: ({ run }) => run,
    }),
    userErrors: t.field({
      type: [UserErrorType],
      description:
        'NOT_FOUND, or INVALID_STATE where this cannot happen to a run in its state, which the message names; nothing was changed where there is one.',
      resolve: ({ userErrors }) => userErrors,
    }),
  }),
})

type Change = 'cancelRun' | 'pauseRun' | 'resumeRun'

async function changed(id: string, change: Change, { engine }: ApiContext): Promise<ControlOutcome> {
  const key = parseRunId(id)
  return key === null ? { run: null, userErrors: [nothingOf('run', id)] } : engine[change](key)
}

builder.mutationFields((t) => ({
  cancelRun: t.field({
    type: RunPayload,
    complexity: CHANGE,
    description:
      'Ends a run that is QUEUED, RUNNING or PAUSED: what is in flight is aborted and CANCELLED, what waits is counted as cancelled, what had succeeded stays. Answers when the run is CANCELLED, or after three seconds as it is by then; it ends CANCELLED also where the server ends before. A function that never looks up is ended with its lane half a second after.',
    args: { id: t.arg.id({ required: true, description: 'The id of a run.' }) },
    resolve: (_root, { id }, context) => changed(id, 'cancelRun', context),
  }),
  pauseRun: t.field({
    type: RunPayload,
    complexity: CHANGE,
    description:
      'Has a run that is QUEUED or RUNNING stand still: no new task starts, from the moment of the answer and over restarts of the server; what is in flight ends. A run of a comparison cannot be paused.',
    args: { id: t.arg.id({ required: true, description: 'The id of a run.' }) },
    resolve: (_root, { id }, context) => changed(id, 'pauseRun', context),
  }),
  resumeRun: t.field({
    type: RunPayload,
    complexity: CHANGE,
    description: 'Has a PAUSED run go on where it was. Its items have been waiting in the queue from now on.',
    args: { id: t.arg.id({ required: true, description: 'The id of a run.' }) },
    resolve: (_root, { id }, context) => changed(id, 'resumeRun', context),
  }),
  cancelComparison: t.field({
    type: LaunchComparisonPayload,
    complexity: CHANGE,
    description:
      'Its runs that have not ended are cancelled with it, as by cancelRun; those that have ended stay and count. INVALID_STATE where all have.',
    args: { id: t.arg.id({ required: true, description: 'The id of a comparison.' }) },
    resolve: async (_root, { id }, { engine }) => {
      const key = parseComparisonId(id)
      return key === null
        ? { comparison: null, userErrors: [nothingOf('comparison', id)] }
        : engine.cancelComparison(key)
    },
  }),
}))
