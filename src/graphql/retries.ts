/** Repeating what did not succeed. */

import { parseRunId } from '../domain/ids.js'
import type { LaunchOutcome } from '../engine/engine.js'
import { builder, TO_READERS } from './builder.js'
import { CHANGE, LOOKUP, listOf, QUESTION } from './cost.js'
import { LaunchRunPayload } from './launch.js'
import { RetryInput } from './options.js'
import { MAX_LISTED } from './pages.js'
import { nothingOf } from './problem.js'
import { RunType } from './refs.js'

/** Hardly a run has more, and the retries of the retries' runs are past all limits. */
const TYPICAL_RETRIES = 400

builder.mutationFields((t) => ({
  retryRun: t.field({
    type: LaunchRunPayload,
    complexity: CHANGE,
    description:
      'A new run of the items that did not succeed, under the indexes they had: what is done is done, and no history is rewritten. An item succeeded when it went through every stage; one of a pipeline starts again at its first stage. The options are those of the first run, without its idempotencyKey, with retry if given. Of a run that has not ended or has nothing to repeat: INVALID_STATE.',
    args: {
      id: t.arg.id({
        required: true,
        description: 'The id of a run that has ended; also of one that is a retry itself.',
      }),
      retry: t.arg({
        type: RetryInput,
        description: 'In the place of the retry that the run was launched with, as a whole; that one if left out.',
      }),
    },
    resolve: (_root, { id, retry }, { engine }): LaunchOutcome | Promise<LaunchOutcome> => {
      const key = parseRunId(id)
      if (key !== null) return engine.retryRun(key, retry ?? null)
      return { run: null, deduplicated: false, userErrors: [nothingOf('run', id)] }
    },
  }),
}))

builder.objectFields(RunType, (t) => ({
  retryOf: t.field({
    ...TO_READERS,
    type: RunType,
    nullable: true,
    complexity: LOOKUP,
    description:
      'The run whose items this one repeats: those that did not succeed there. Null for any other run, and where that one was deleted.',
    resolve: async ({ record }, _args, { engine, store }) => {
      const repeated = record.retryOf === null ? null : await store.runById(record.retryOf)
      return repeated && engine.view(repeated)
    },
  }),
  retries: t.field({
    ...TO_READERS,
    type: [RunType],
    complexity: listOf(TYPICAL_RETRIES, QUESTION),
    description: `The runs that repeat items of this one, the earliest launch first; ${MAX_LISTED} at most.`,
    resolve: async ({ record }, _args, { engine, store }) => {
      const retries = await store.retriesOf(record.id, MAX_LISTED)
      return retries.map((retry) => engine.view(retry))
    },
  }),
}))
