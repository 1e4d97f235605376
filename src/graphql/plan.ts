/** What a launch would do, before it is launched. */

import { Scope } from '../domain/access.js'
import type { BatchPlan, HostCount } from '../domain/plan.js'
import { StrategyAdviceType } from './advice.js'
import { BatchInput } from './batch.js'
import { builder, takes } from './builder.js'
import { LABOUR, listOf } from './cost.js'
import { apiError } from './errors.js'
import { UserErrorType } from './problem.js'

/** Hosts that a batch is taken to have: 1,000 are named at most. */
const TYPICAL_HOSTS = 100

const HostCountType = builder.objectRef<HostCount>('HostCount').implement({
  description: 'A host, and how many items go to it.',
  fields: (t) => ({
    host: t.exposeString('host', { description: 'Its name, with its port where that is not that of the scheme.' }),
    items: t.exposeInt('items', { description: 'Items of the batch whose URL names it.' }),
  }),
})

const BatchPlanType = builder.objectRef<BatchPlan>('BatchPlan').implement({
  description: 'What a launch would do, before it is launched.',
  fields: (t) => ({
    total: t.exposeInt('total', {
      description: 'Items, of a pipeline too: it has as many tasks in each stage. As far as they are known.',
    }),
    duplicates: t.exposeInt('duplicates', {
      description:
        'Items that repeat an earlier one: the same request, as FetchOptionsInput.dedupe has it, or an equal input, whatever the order of its keys.',
    }),
    hosts: t.field({
      type: [HostCountType],
      complexity: listOf(TYPICAL_HOSTS),
      description:
        'The hosts that items go to, most items first, of equal ones whichever comes first; 1,000 of them at most. Of requests that a pipeline makes later nothing is known.',
      resolve: ({ hosts }) => hosts,
    }),
    hostCount: t.exposeInt('hostCount', {
      description: 'How many hosts there are, those that are not named included.',
    }),
    advice: t.field({
      type: StrategyAdviceType,
      nullable: true,
      description: 'How it would best be run; null where a launch would be refused.',
      resolve: ({ advice }) => advice,
    }),
    userErrors: t.field({
      type: [UserErrorType],
      description:
        'Every problem of the input, as a launch would answer; and of each item that would fail its own task and no launch, such as a bad line of a file: its field ends with the index of the item. At most 100; the last then says how many more there are.',
      resolve: ({ userErrors }) => userErrors,
    }),
  }),
})

builder.queryField('planBatch', (t) =>
  t.field({
    ...takes(Scope.LAUNCH),
    type: BatchPlanType,
    complexity: LABOUR,
    description:
      'Checks every item, counts hosts and duplicates, tries a few tasks, and says which strategy suits and why. It launches nothing and writes nothing down. Trying takes two seconds at most, runs functions and sends requests: those that are safe (GET, HEAD, OPTIONS), within the limits of their hosts. By GET nothing is tried.',
    args: {
      batch: t.arg({ type: BatchInput, required: true, description: 'What would be launched.' }),
      probe: t.arg.boolean({ defaultValue: true, description: 'Whether a few tasks may be tried.' }),
    },
    resolve: async (_root, { batch, probe }, { engine, space, caller }) => {
      const probing = caller.isSafe ? 'NOT_BY_GET' : probe === false ? 'DECLINED' : 'ALLOWED'
      const signal = caller.leaves()
      try {
        return await engine.planBatch(batch, { space, probing, signal })
      } catch (error) {
        // No fault of the server, and told to nobody.
        throw signal.aborted ? apiError('BAD_USER_INPUT', 'The client left before its plan was made') : error
      }
    },
  }),
)
