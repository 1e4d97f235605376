/** The strategies. */

import { builder } from './builder.js'

export const StrategyType = builder.enumType('Strategy', {
  description: "How a run's tasks share the machine.",
  values: {
    AUTO: {
      description:
        'Let the server choose, from the kind of work and from what its first tasks take; Run.effectiveStrategy tells what it chose, and Run.decision why.',
    },
    SEQUENTIAL: { description: 'One lane, one task at a time: the baseline.' },
    ASYNC: { description: 'One lane, many tasks in flight on its event loop: cheap concurrency for waiting.' },
    THREADS: { description: 'A lane for each worker thread: parallelism with cheap lanes.' },
    PROCESSES: { description: 'A lane for each child process: parallelism with isolated memory.' },
    CLUSTER: { description: 'Lanes on every connected worker host; CLUSTER_UNAVAILABLE where there is none.' },
  } as const,
})
