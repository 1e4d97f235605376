/** What strategies cost: the textbook's table of threads and processes, with figures of this machine. */

import type { StrategyCost } from '../domain/strategy-cost.js'
import { builder } from './builder.js'
import { StrategyType } from './strategy.js'

export const StrategyCostType = builder.objectRef<StrategyCost>('StrategyCost').implement({
  description:
    'What a strategy costs on this machine, by the median of fresh lanes that run nothing. SEQUENTIAL and ASYNC run on one thread.',
  fields: (t) => ({
    strategy: t.expose('strategy', { type: StrategyType, description: 'The strategy.' }),
    laneStartMs: t.exposeFloat('laneStartMs', {
      description: 'From the start of a lane until it can take tasks, functions loaded, in milliseconds.',
    }),
    roundTripUs: t.exposeFloat('roundTripUs', {
      description: "From the server's event loop to a warm lane's and back, in microseconds.",
    }),
    memoryPerLaneMb: t.exposeFloat('memoryPerLaneMb', {
      description:
        'What one lane more takes, before its first task, in megabytes. Of a thread, by how much the server grows; of a process, what it has to itself (Linux), or all that is resident, which counts the code of Node.js once a process.',
    }),
    sharesMemory: t.exposeBoolean('sharesMemory', {
      description: 'Whether its lanes can have memory in common: threads of the server can, processes cannot.',
    }),
    parallel: t.exposeBoolean('parallel', {
      description: 'Whether several of its lanes compute at the same time: not with one lane, and not on one core.',
    }),
    bestFor: t.exposeString('bestFor', { description: 'What it suits, with these figures.' }),
  }),
})
