/** A way to run a batch, and why. */

import type { StrategyAdvice } from '../domain/advice.js'
import { builder } from './builder.js'
import { StrategyType } from './strategy.js'

export const StrategyAdviceType = builder.objectRef<StrategyAdvice<object>>('StrategyAdvice').implement({
  description: 'A way to run a batch, and the reasons for it.',
  fields: (t) => ({
    strategy: t.expose('strategy', { type: StrategyType, description: 'The strategy that suits.' }),
    concurrency: t.exposeInt('concurrency', { description: 'Tasks in flight at most, over all lanes.' }),
    lanes: t.exposeInt('lanes', { description: 'Lanes in use at most.' }),
    reasons: t.exposeStringList('reasons', { description: 'The way through the decision guide, a step a line.' }),
    probe: t.field({
      type: 'JSON',
      description:
        'What the first tasks measured, times in milliseconds: tasks that had ended and tasks left, elapsedMs since the first started, serviceMs of those that ended last and slowestMs, cpuShare (CPU time over service time, or how much of its time a waiting task kept the event loop busy; null where it is not known), whether one yields the event loop before its end, laneMs until one more lane has a task, roundTripMs of a message, overheadMs of recording a task. Empty where nothing had to be measured.',
      resolve: ({ probe }) => probe ?? {},
    }),
    expectedWallMs: t.exposeFloat('expectedWallMs', {
      nullable: true,
      description: 'The likely wall time in milliseconds; null where nothing tells, as while no task has ended.',
    }),
    expectedWallHighMs: t.exposeFloat('expectedWallHighMs', {
      nullable: true,
      description: 'The wall time if every task took as long as the slowest one seen, in milliseconds; null likewise.',
    }),
  }),
})
