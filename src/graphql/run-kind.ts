/** Kinds of runs, and of the stages of pipelines. */

import { builder } from './builder.js'

export const RunKindType = builder.enumType('RunKind', {
  description: 'What a run does with its items.',
  values: {
    FETCH: { description: 'HTTP requests: the time goes into waiting.' },
    COMPUTE: { description: 'Calls of a registered function: the time goes into computing.' },
    PIPELINE: { description: 'Every item flows through several stages, each a fetch or a compute.' },
  } as const,
})
