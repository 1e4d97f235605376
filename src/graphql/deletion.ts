/** Deleting runs. */

import { Scope } from '../domain/access.js'
import { parseRunId, runId } from '../domain/ids.js'
import type { DeleteOutcome, PruneOutcome } from '../engine/engine.js'
import { builder, takes } from './builder.js'
import { CHANGE, LABOUR } from './cost.js'
import { nothingOf, UserErrorType } from './problem.js'

const DeleteRunPayload = builder.objectRef<DeleteOutcome>('DeleteRunPayload').implement({
  description: 'The id of what was deleted, or userErrors: never both.',
  fields: (t) => ({
    deletedRunId: t.id({
      nullable: true,
      description:
        'The run that nobody finds any more; its bodies are gone, its rows may still be on their way. Null where there are userErrors.',
      resolve: ({ deletedRun }) => deletedRun && runId(deletedRun),
    }),
    userErrors: t.field({
      type: [UserErrorType],
      description: 'NOT_FOUND, or INVALID_STATE for a run that has not ended; nothing was deleted where there is one.',
      resolve: ({ userErrors }) => userErrors,
    }),
  }),
})

const PruneRunsPayload = builder.objectRef<PruneOutcome>('PruneRunsPayload').implement({
  description: 'How many runs were deleted.',
  fields: (t) => ({
    deletedCount: t.exposeInt('deletedCount', {
      description: 'Runs that nobody finds any more; their bodies are gone, their rows may still be on their way.',
    }),
    userErrors: t.field({
      type: [UserErrorType],
      description: 'None so far: any instant is good.',
      resolve: ({ userErrors }) => userErrors,
    }),
  }),
})

builder.mutationFields((t) => ({
  deleteRun: t.field({
    ...takes(Scope.ADMIN),
    type: DeleteRunPayload,
    complexity: CHANGE,
    description: 'An ended run, its tasks and the bodies that no other run holds.',
    args: { id: t.arg.id({ required: true, description: 'The id of a run that has ended.' }) },
    resolve: (_root, { id }, { engine }): DeleteOutcome | Promise<DeleteOutcome> => {
      const key = parseRunId(id)
      return key === null ? { deletedRun: null, userErrors: [nothingOf('run', id)] } : engine.deleteRun(key)
    },
  }),
  pruneRuns: t.field({
    ...takes(Scope.ADMIN),
    type: PruneRunsPayload,
    complexity: LABOUR,
    description:
      'deleteRun of every run that ended before an instant, those of comparisons too: a comparison goes with the last of its runs. It answers when they are all gone, in steps that leave the server to everyone else in between. The server does the same by itself to what ended HEDDLE_RETENTION_DAYS ago.',
    args: {
      finishedBefore: t.arg({
        type: 'DateTime',
        required: true,
        description: 'That instant; of one to come, the moment of the call: every run that has ended by then.',
      }),
    },
    resolve: (_root, { finishedBefore }, { engine }) => engine.pruneRuns(finishedBefore),
  }),
}))
