/** What can be watched. */

import type { ComparisonRecord } from '../domain/comparison.js'
import { parseComparisonId, parseRunId, type RunKey } from '../domain/ids.js'
import { builder } from './builder.js'
import type { ApiContext } from './context.js'
import { EACH_OF_PAGE, sizeAsked } from './cost.js'
import { badUserInput, notFound } from './errors.js'
import { positionOf, sizeWithin } from './pages.js'
import { ComparisonType, RunType, TaskType } from './refs.js'
import { RunFilterInput, runFilter } from './runs.js'
import {
  comparisonUpdates,
  endedTaskBatches,
  endedTasks,
  runsUpdates,
  runUpdates,
  type TaskBatchEvent,
} from './streams.js'
import { RunTasksEdge, taskCursorForm } from './tasks.js'

const DEFAULT_PER_SECOND = 10
const DEFAULT_NODES = 1000
const MAX_NODES = 1000

/** The key of a run that is there; NOT_FOUND otherwise. */
async function existingRun(id: string, { engine }: ApiContext): Promise<RunKey> {
  const key = parseRunId(id)
  if (key !== null && (await engine.run(key)) !== null) return key
  throw notFound(`There is no run with the id ${JSON.stringify(id.slice(0, 100))}`)
}

async function existingComparison(id: string, { store }: ApiContext): Promise<ComparisonRecord> {
  const key = parseComparisonId(id)
  const comparison = key && (await store.comparison(key))
  if (comparison) return comparison
  throw notFound(`There is no comparison with the id ${JSON.stringify(id.slice(0, 100))}`)
}

function paceWithin(perSecond: number | null | undefined): number {
  const value = perSecond ?? DEFAULT_PER_SECOND
  if (value >= 0.1 && value <= 60) return value
  throw badUserInput(`maxPerSecond: ${value} is out of range: expected 0.1 to 60`)
}

/** The last task sequence that the client has. */
function sequenceAfter(run: RunKey, after: string | null | undefined): number {
  return after == null ? 0 : (positionOf('after', after, taskCursorForm(run, 'ENDED'))[0] ?? 0)
}

const TasksEndedType = builder.objectRef<TaskBatchEvent>('TasksEnded').implement({
  description: 'Tasks that have ended, in the order of their ends.',
  fields: (t) => ({
    cursor: t.exposeString('cursor', { description: 'Of the last node: to go on from, with `after`.' }),
    nodes: t.expose('nodes', { type: [TaskType], complexity: EACH_OF_PAGE, description: 'The tasks; never none.' }),
  }),
})

const MAX_PER_SECOND = 'At most this many events a second, 0.1 to 60.'

builder.subscriptionFields((t) => ({
  runUpdated: t.field({
    type: RunType,
    description:
      'The run at once, then as it changes, at most maxPerSecond times a second; completes when the run has ended, its last state sent. An unknown id is NOT_FOUND, here and below; a run that is deleted ends its streams.',
    args: {
      id: t.arg.id({ required: true, description: 'The id of a run.' }),
      maxPerSecond: t.arg.float({ defaultValue: DEFAULT_PER_SECOND, description: MAX_PER_SECOND }),
    },
    subscribe: async (_root, { id, maxPerSecond }, context) => {
      const perSecond = paceWithin(maxPerSecond)
      return runUpdates(context, await existingRun(id, context), perSecond)
    },
    resolve: (run) => run,
  }),
  taskEnded: t.field({
    type: RunTasksEdge,
    description:
      'Every ended task once, in the order of their ends; with after, from that cursor on, so that a client that lost its connection misses and repeats none; without it, from the first. Completes when the run has ended and all is sent. A cursor of another run or order is BAD_USER_INPUT.',
    args: {
      runId: t.arg.id({ required: true, description: 'The id of a run.' }),
      after: t.arg.string({ description: 'The cursor of the last task that the client has.' }),
    },
    subscribe: async (_root, { runId, after }, context) => {
      const run = await existingRun(runId, context)
      return endedTasks(context, { run, after: sequenceAfter(run, after) })
    },
    resolve: (edge) => edge,
  }),
  tasksEnded: t.field({
    type: TasksEndedType,
    complexity: ({ maxNodes }) => ({ multiplier: sizeAsked(maxNodes, { fallback: DEFAULT_NODES, max: MAX_NODES }) }),
    description: 'The same, many at a time: for runs of more than some thousand tasks.',
    args: {
      runId: t.arg.id({ required: true, description: 'The id of a run.' }),
      after: t.arg.string({ description: 'The cursor of the last event that the client has.' }),
      maxPerSecond: t.arg.float({ defaultValue: DEFAULT_PER_SECOND, description: MAX_PER_SECOND }),
      maxNodes: t.arg.int({ defaultValue: DEFAULT_NODES, description: 'Tasks of one event at most, 1 to 1,000.' }),
    },
    subscribe: async (_root, { runId, after, maxPerSecond, maxNodes }, context) => {
      const perSecond = paceWithin(maxPerSecond)
      const limit = sizeWithin('maxNodes', maxNodes ?? DEFAULT_NODES, MAX_NODES, 1)
      const run = await existingRun(runId, context)
      return endedTaskBatches(context, { run, after: sequenceAfter(run, after) }, { perSecond, maxNodes: limit })
    },
    resolve: (event) => event,
  }),
  runsUpdated: t.field({
    type: RunType,
    description:
      'Runs as they are launched and change, each at most maxPerSecond times a second and its last state always; never completes.',
    args: {
      filter: t.arg({ type: RunFilterInput, description: 'Only the runs that match all of it when they change.' }),
      maxPerSecond: t.arg.float({ defaultValue: DEFAULT_PER_SECOND, description: 'For each run: 0.1 to 60.' }),
    },
    subscribe: (_root, { filter, maxPerSecond }, context) =>
      runsUpdates(context, runFilter(filter), paceWithin(maxPerSecond)),
    resolve: (run) => run,
  }),
  comparisonUpdated: t.field({
    type: ComparisonType,
    description:
      'As runUpdated: the comparison at once, then as one of its runs changes; completes when all of them have ended.',
    args: {
      id: t.arg.id({ required: true, description: 'The id of a comparison.' }),
      maxPerSecond: t.arg.float({ defaultValue: DEFAULT_PER_SECOND, description: MAX_PER_SECOND }),
    },
    subscribe: async (_root, { id, maxPerSecond }, context) => {
      const perSecond = paceWithin(maxPerSecond)
      return comparisonUpdates(context, await existingComparison(id, context), perSecond)
    },
    resolve: (comparison) => comparison,
  }),
}))
