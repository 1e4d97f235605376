/** Finding runs: by id, by filter, in pages. */

import { parseRunId } from '../domain/ids.js'
import { MAX_LABELS } from '../engine/limits.js'
import type { RunFilter, RunOrder } from '../store/store.js'
import { builder } from './builder.js'
import type { ApiContext } from './context.js'
import { LOOKUP } from './cost.js'
import { present } from './filters.js'
import { LabelInput } from './label.js'
import { type CursorForm, type PageArgs, pageCost, pageRequest, sizeWithin, toConnection } from './pages.js'
import { RunType } from './refs.js'
import { RunStatusType } from './run.js'
import { RunKindType } from './run-kind.js'
import { StrategyType } from './strategy.js'

const RunOrderType = builder.enumType('RunOrder', {
  description: 'In which order runs are listed.',
  values: {
    CREATED_DESC: { description: 'The latest launch first.' },
    CREATED_ASC: { description: 'The earliest launch first.' },
    DURATION_DESC: { description: 'The longest wall time first; what has not ended comes last.' },
    DURATION_ASC: { description: 'The shortest wall time first; what has not ended comes last.' },
  } as const,
})

export const RunFilterInput = builder.inputType('RunFilter', {
  description: 'Which runs: those that match all that is given.',
  fields: (t) => ({
    kind: t.field({ type: [RunKindType], description: 'Of one of these kinds.' }),
    status: t.field({ type: [RunStatusType], description: 'Of one of these statuses.' }),
    strategy: t.field({ type: [StrategyType], description: 'Launched with one of these strategies.' }),
    name: t.string({ description: 'Of exactly this name.' }),
    function: t.string({ description: 'Calling this function, in any of its stages.' }),
    host: t.string({
      description:
        "With a task that fetched from this host, as URL.host has it: with its port where that is not the scheme's own.",
    }),
    labels: t.field({ type: [LabelInput], description: 'With all of these labels, 64 at most.' }),
    createdAfter: t.field({ type: 'DateTime', description: 'Launched at this instant or later.' }),
    createdBefore: t.field({ type: 'DateTime', description: 'Launched before this instant.' }),
  }),
})

/** How many numbers a position of each order has. */
const POSITION_LENGTHS: Record<RunOrder, number> = {
  CREATED_DESC: 1,
  CREATED_ASC: 1,
  DURATION_DESC: 2,
  DURATION_ASC: 2,
}

function cursorForm(order: RunOrder): CursorForm {
  return { order, scope: 'runs', length: POSITION_LENGTHS[order] }
}

export type RunFilterArg = typeof RunFilterInput.$inferInput

/** Throws BAD_USER_INPUT for more labels than a run can have. */
export function runFilter(filter: RunFilterArg | null | undefined): RunFilter {
  const { kind, status, strategy, labels, ...rest } = filter ?? {}
  if (labels) sizeWithin('labels', labels.length, MAX_LABELS)
  return present({ ...rest, kind: once(kind), status: once(status), strategy: once(strategy), labels })
}

/** Each value once: a statement of the store has a length that it ends at. */
function once<Value>(values: readonly Value[] | null | undefined): Value[] | null {
  return values ? [...new Set(values)] : null
}

interface RunPageArgs extends PageArgs {
  filter?: RunFilterArg | null | undefined
  orderBy?: RunOrder | null | undefined
}

async function runPage(args: RunPageArgs, { engine, store }: ApiContext) {
  const order = args.orderBy ?? 'CREATED_DESC'
  const form = cursorForm(order)
  const request = pageRequest(args, form)
  const filter = runFilter(args.filter)
  const page = await store.runs(filter, order, request)
  return toConnection(page, form, { node: (record) => engine.view(record), count: () => store.countRuns(filter) })
}

builder.queryFields((t) => ({
  run: t.field({
    type: RunType,
    nullable: true,
    description: 'The run of this id; null where there is none.',
    complexity: LOOKUP,
    args: { id: t.arg.id({ required: true, description: 'The id of a run.' }) },
    resolve: (_root, { id }, { engine }) => {
      const key = parseRunId(id)
      return key === null ? null : engine.run(key)
    },
  }),
  runs: t.connection(
    {
      type: RunType,
      description:
        'The runs of this server, those under way and those long ended. Pages of 20 if neither first nor last is given; more than 1,000 is BAD_USER_INPUT.',
      complexity: pageCost,
      args: {
        filter: t.arg({ type: RunFilterInput, description: 'Only the runs that match all of it.' }),
        orderBy: t.arg({ type: RunOrderType, defaultValue: 'CREATED_DESC', description: 'What comes first.' }),
      },
      resolve: (_root, args, context) => runPage(args, context),
    },
    { name: 'RunsConnection', description: 'A page of runs.' },
    { name: 'RunsEdge', description: 'A run, and its place in the list.' },
  ),
}))
