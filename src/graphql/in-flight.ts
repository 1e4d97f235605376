/** What is in service now. */

import type { InFlightTask } from '../domain/task.js'
import { builder, TO_READERS } from './builder.js'
import { listOf, sizeAsked } from './cost.js'
import { MAX_LISTED, sizeWithin } from './pages.js'
import { InputBatch, RunType } from './refs.js'
import { inputOf } from './task.js'

const DEFAULT_LISTED = 20

/** A task in service, with what it takes to tell its input. */
interface InFlightNode {
  task: InFlightTask
  inputs: InputBatch
}

const TaskInFlightType = builder.objectRef<InFlightNode>('TaskInFlight').implement({
  description: 'A task that is in service now.',
  fields: (t) => ({
    stage: t.int({ description: 'The stage, from 0.', resolve: ({ task }) => task.stage }),
    index: t.int({ description: "The item's place in the batch, from 0.", resolve: ({ task }) => task.index }),
    input: t.field({
      type: 'JSON',
      nullable: true,
      description:
        'The item as it was given, secrets masked; in a later stage what the stage before made of it, null until that is on disk.',
      resolve: ({ task, inputs }, _args, _context, { variableValues }) => inputOf(inputs, task, variableValues),
    }),
    attempt: t.int({ description: 'Which try this is, from 1.', resolve: ({ task }) => task.attempt }),
    lane: t.string({ description: 'The lane that it runs on.', resolve: ({ task }) => task.lane }),
    startedMs: t.float({
      description: "This attempt's start, in milliseconds after Run.startedAt.",
      resolve: ({ task }) => task.startedMs,
    }),
    progress: t.float({
      nullable: true,
      description:
        'How far it is, from 0 to 1, as its function said last; null where it has said nothing, and for fetches.',
      resolve: ({ task }) => task.progress,
    }),
  }),
})

builder.objectFields(RunType, (t) => ({
  inFlight: t.field({
    ...TO_READERS,
    type: [TaskInFlightType],
    description: 'What is in service now, longest first.',
    complexity: ({ first }) => listOf(sizeAsked(first, { fallback: DEFAULT_LISTED, max: MAX_LISTED })),
    args: { first: t.arg.int({ defaultValue: DEFAULT_LISTED, description: 'At most this many, 0 to 1,000.' }) },
    resolve: (run, { first }, { engine }) => {
      const tasks = engine.inFlight(run.record.key).slice(0, sizeWithin('first', first ?? DEFAULT_LISTED, MAX_LISTED))
      const inputs = new InputBatch(engine, run, tasks)
      return tasks.map((task) => ({ task, inputs }))
    },
  }),
}))
