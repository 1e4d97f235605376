/** Deleting runs. */

import { parseRunId, runId } from '../domain/ids.js'
import type { DeleteOutcome } from '../engine/engine.js'
import { builder } from './builder.js'
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

builder.mutationField('deleteRun', (t) =>
  t.field({
    type: DeleteRunPayload,
    description: 'An ended run, its tasks and the bodies that no other run holds.',
    args: { id: t.arg.id({ required: true, description: 'The id of a run that has ended.' }) },
    resolve: async (_root, { id }, { engine }) => {
      const key = parseRunId(id)
      return key === null ? { deletedRun: null, userErrors: [nothingOf('run', id)] } : engine.deleteRun(key)
    },
  }),
)
