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
        'What the first tasks measured, times in milliseconds: tasks that had ended and tasks left, elapsedMs since the first started, serviceMs of those that ended last and slowestMs, cpuShare (CPU time over service time, or how much of its time a waiting task kept the event loop busy; null where it is not known), whether one yields the event loop before its end, laneMs until one more lane has a task, roundTripMs of a message, overheadMs of recording a task. Empty where nothing had to be measured, or nothing was. Of a plan all tasks are left, and there are besides: items, the indexes that were tried, and blocks of their neighbours, each the first index and how many; failed, index and code of those that failed; pitchMs from one start to the next on a lane; highMs, which 95 % of many took no longer than. Of fetches connectMs of a new connection, not in serviceMs, and busyMs, what each keeps the event loop busy. Of a pipeline the figures are those of the stage that sets the pace, and stages has those of each, with its name, strategy, concurrency, lanes and expectedWallMs.',
      resolve: ({ probe }) => probe ?? {},
    }),
    expectedWallMs: t.exposeFloat('expectedWallMs', {
      nullable: true,
      description: 'The likely wall time in milliseconds; null where nothing tells, as while no task has ended.',
    }),
    expectedWallHighMs: t.exposeFloat('expectedWallHighMs', {
      nullable: true,
      description:
        'The wall time if every task took as long as the slowest one seen, in milliseconds; of a plan as long as highMs where there is one, and a quarter more for what else the machine does. Null likewise.',
    }),
  }),
})
