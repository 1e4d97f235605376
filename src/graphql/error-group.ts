/** Failures by kind. */

import { builder, TO_READERS } from './builder.js'
import { listOf, QUESTION, sizeAsked } from './cost.js'
import { MAX_LISTED, sizeWithin } from './pages.js'
import { RunType, type TaskNode, TaskType, taskNodes } from './refs.js'

const DEFAULT_GROUPS = 20

/** Failed tasks of one kind. */
interface ErrorGroupNode {
  code: string
  message: string
  count: number
  sample: TaskNode
}

const ErrorGroupType = builder.objectRef<ErrorGroupNode>('ErrorGroup').implement({
  description: 'Failed tasks with the same error code.',
  fields: (t) => ({
    code: t.exposeString('code', { description: 'Their code.' }),
    message: t.exposeString('message', { description: 'The message of one of them.' }),
    count: t.exposeInt('count', { description: 'How many tasks failed with it.' }),
    sample: t.expose('sample', { type: TaskType, description: 'One of them.' }),
  }),
})

builder.objectFields(RunType, (t) => ({
  errors: t.field({
    ...TO_READERS,
    type: [ErrorGroupType],
    description: 'Failed tasks grouped by error code, most frequent first.',
    complexity: ({ first }) => listOf(sizeAsked(first, { fallback: DEFAULT_GROUPS, max: MAX_LISTED }), QUESTION),
    args: { first: t.arg.int({ defaultValue: DEFAULT_GROUPS, description: 'At most this many groups, 0 to 1,000.' }) },
    resolve: async (run, { first }, { engine, store }) => {
      const groups = await store.errors(run.record.id, sizeWithin('first', first ?? DEFAULT_GROUPS, MAX_LISTED))
      const samples = taskNodes(
        engine,
        run,
        groups.map((group) => group.sample),
      )
      return groups.map((group, at) => ({ ...group, sample: samples[at] as TaskNode }))
    },
  }),
}))
