/** How a run kept its budget. */

import { type BudgetCheck, type BudgetVerdict, failureRateOf, judge } from '../domain/budget.js'
import type { Engine, RunView } from '../engine/engine.js'
import { builder } from './builder.js'
import { listOf, QUESTION } from './cost.js'
import { RunType } from './refs.js'
import { timingsOf } from './timing.js'

/** There are no more limits than these. */
const MAX_CHECKS = 3

const BudgetCheckType = builder.objectRef<BudgetCheck>('BudgetCheck').implement({
  description: 'One limit of a budget, and what the run came to.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'As the fields of BudgetInput: wallMs, serviceP95Ms or failureRate.' }),
    limit: t.exposeFloat('limit', { description: 'As given at launch, in milliseconds or as a share.' }),
    actual: t.exposeFloat('actual', {
      description: 'What the run came to, in the same unit; 0 where no task of it has ended.',
    }),
    passed: t.exposeBoolean('passed', { description: 'Whether actual is no more than limit.' }),
  }),
})

const BudgetVerdictType = builder.objectRef<BudgetVerdict>('BudgetVerdict').implement({
  description: 'Whether a run kept the budget it was launched with, check by check.',
  fields: (t) => ({
    passed: t.exposeBoolean('passed', { description: 'Whether all checks passed.' }),
    checks: t.expose('checks', {
      type: [BudgetCheckType],
      complexity: listOf(MAX_CHECKS),
      description: 'One for each limit that was given, in the order of BudgetInput.',
    }),
  }),
})

builder.objectField(RunType, 'budget', (t) =>
  t.field({
    type: BudgetVerdictType,
    nullable: true,
    complexity: QUESTION,
    description:
      'How the run kept the budget it was launched with; null without one. Before its end that is how it stands so far. It speaks of the tasks that SUCCEEDED or FAILED and of no other: a run that was cancelled, or could not go on, is judged by what it had done by then, so look at its status as well.',
    resolve: (run, _args, { engine }) => verdictOf(run, engine),
  }),
)

async function verdictOf(run: RunView, engine: Engine): Promise<BudgetVerdict | null> {
  const { budget } = run.record.spec
  if (!budget) return null
  // The percentile takes all the times: only where it is limited.
  const service = budget.serviceP95Ms === null ? null : await engine.distribution(run, null, 'serviceMs')
  return judge(budget, {
    wallMs: timingsOf(run.record)?.wallMs ?? 0,
    serviceP95Ms: service?.percentile(0.95) ?? 0,
    failureRate: failureRateOf(run.record.counts),
  })
}
