/** Pages of the tasks of a run: filters, orders and cursors. */

import type { RunKey } from '../domain/ids.js'
import type { TaskStatus } from '../domain/task.js'
import type { RunView } from '../engine/engine.js'
import type { Page, TaskFilter, TaskOrder } from '../store/store.js'
import { builder, TO_READERS } from './builder.js'
import type { ApiContext } from './context.js'
import { present } from './filters.js'
import {
  type Connection,
  type CursorForm,
  type PageArgs,
  pageCost,
  pageRequest,
  sizeWithin,
  toConnection,
} from './pages.js'
import { RunType, type TaskNode, TaskType, taskNodes } from './refs.js'
import { TaskStatusType } from './task.js'

const TaskOrderType = builder.enumType('TaskOrder', {
  description: 'In which order tasks are listed.',
  values: {
    INDEX: { description: 'By index, then by stage.' },
    SLOWEST: { description: 'The longest service time first.' },
    STARTED: { description: "By the first attempt's start, the earliest first." },
    ENDED: { description: 'By commit: its cursors are those of Subscription.taskEnded.' },
  } as const,
})

const TaskFilterInput = builder.inputType('TaskFilter', {
  description: 'Which tasks: those that match all that is given.',
  fields: (t) => ({
    status: t.field({ type: [TaskStatusType], description: 'Of one of these statuses. No task is SKIPPED.' }),
    stage: t.int({ description: 'Of this stage, from 0; one that the run has not is BAD_USER_INPUT.' }),
    lane: t.string({ description: 'Whose last attempt ran on this lane.' }),
    host: t.string({
      description: "Fetched from this host, as URL.host has it: with its port where that is not the scheme's own.",
    }),
    errorCode: t.string({ description: 'Failed with this code.' }),
    minServiceMs: t.float({ description: 'In service for at least this many milliseconds.' }),
  }),
})

export const RunTasksEdge = builder.edgeObject({
  type: TaskType,
  name: 'RunTasksEdge',
  description: 'A task, and its place in the list.',
})

/** How many numbers a position of each order has. */
const POSITION_LENGTHS: Record<TaskOrder, number> = { INDEX: 2, SLOWEST: 2, STARTED: 2, ENDED: 1 }

export function taskCursorForm(run: RunKey, order: TaskOrder): CursorForm {
  return { order, scope: run, length: POSITION_LENGTHS[order] }
}

type TaskFilterArg = typeof TaskFilterInput.$inferInput

interface TaskPageArgs extends PageArgs {
  filter?: TaskFilterArg | null | undefined
  orderBy?: TaskOrder | null | undefined
}

async function taskPage(
  run: RunView,
  args: TaskPageArgs,
  { engine, store }: ApiContext,
): Promise<Connection<TaskNode>> {
  const order = args.orderBy ?? 'INDEX'
  const form = taskCursorForm(run.record.key, order)
  const request = pageRequest(args, form)
  const filter = storedFilter(args.filter, run.record.spec.stages.length)
  const page: Page<TaskNode> = withNodes(await store.tasks(run.record.id, filter, order, request), (records) =>
    taskNodes(engine, run, records),
  )
  return toConnection(page, form, { node: (node) => node, count: () => store.countTasks(run.record.id, filter) })
}

/**
 * What was skipped has no row: to ask for it finds nothing. BAD_USER_INPUT for a stage that the run has not: an empty list would look
 * like one whose tasks have not ended.
 */
function storedFilter(filter: TaskFilterArg | null | undefined, stages: number): TaskFilter {
  const { status, ...rest } = present(filter ?? {})
  if (rest.stage !== undefined) sizeWithin('filter.stage', rest.stage, stages - 1)
  return status ? { ...rest, status: status.filter(isStored) } : rest
}

function isStored(status: TaskStatus): status is Exclude<TaskStatus, 'SKIPPED'> {
  return status !== 'SKIPPED'
}

/** The page with all its rows turned at once. */
function withNodes<Row, Node>(page: Page<Row>, turn: (rows: Row[]) => Node[]): Page<Node> {
  const nodes = turn(page.rows.map(({ row }) => row))
  return { ...page, rows: page.rows.map(({ position }, at) => ({ row: nodes[at] as Node, position })) }
}

builder.objectFields(RunType, (t) => ({
  tasks: t.connection(
    {
      ...TO_READERS,
      type: TaskType,
      description:
        'The tasks that have ended; what never started is counted in progress and has no task. Pages of 20 if neither first nor last is given; more than 1,000 is BAD_USER_INPUT.',
      complexity: pageCost,
      args: {
        filter: t.arg({ type: TaskFilterInput, description: 'Only the tasks that match all of it.' }),
        orderBy: t.arg({ type: TaskOrderType, defaultValue: 'INDEX', description: 'What comes first.' }),
      },
      resolve: (run, args, context) => taskPage(run, args, context),
    },
    { name: 'RunTasksConnection', description: 'A page of the tasks of a run.' },
    RunTasksEdge,
  ),
}))
