/** The biggest operations that clients have a reason to send, by what docs/limits.md calls them. */

import { getIntrospectionQuery } from 'graphql'
import { schema } from '../../src/graphql/schema.js'
import { everythingOf, type Overrides } from './documents.js'

/** All that Task and Run have, but for what leads to other tasks and runs. */
const OWN: Overrides = {
  'Task.run': 'run { id }',
  'Run.tasks': '',
  'Run.inFlight': '',
  'Run.errors': '',
  'Run.timeline': '',
  'Run.diagnostics': '',
  'Run.retries': '',
  'Run.retryOf': 'retryOf { id }',
  'Run.comparison': 'comparison { id }',
  'Run.exportUrl': { args: '(format: CSV)' },
  'Distribution.percentile': { args: '(p: 0.999)' },
}
const TASK = everythingOf(schema, 'Task', OWN)
const RUN = everythingOf(schema, 'Run', OWN)
const PLAIN_RUN = everythingOf(schema, 'Run', { ...OWN, 'Run.timings': '', 'Run.budget': '', 'Run.stages': '' })

export const BIGGEST: readonly (readonly [name: string, query: string])[] = [
  [
    'The introspection of GraphiQL and of code generators, all of it',
    getIntrospectionQuery({
      inputValueDeprecation: true,
      oneOf: true,
      specifiedByUrl: true,
      schemaDescription: true,
      directiveIsRepeatable: true,
    }),
  ],
  [
    'A page of 1,000 tasks with all their fields',
    `{ run(id: "x") { tasks(first: 1000) { totalCount pageInfo { endCursor } nodes { ${TASK} } } } }`,
  ],
  [
    'The same, as edges and as nodes',
    `{ run(id: "x") { tasks(last: 1000) { edges { cursor node { ${TASK} } } nodes { ${TASK} } } } }`,
  ],
  [
    'An event of `tasksEnded`, 1,000 tasks with all their fields',
    `subscription { tasksEnded(runId: "x") { cursor nodes { ${TASK} } } }`,
  ],
  [
    'A page of 20 runs with progress, stages and timings, histograms and percentiles among them',
    `{ runs { totalCount nodes { ${RUN} } } }`,
  ],
  ['A page of 1,000 runs with their own fields and progress', `{ runs(first: 1000) { nodes { ${PLAIN_RUN} } } }`],
  [
    'A page of 1,000 runs, each with a percentile of its service times',
    '{ runs(first: 1000) { nodes { id name timings { wallMs service { p95 } } } } }',
  ],
  [
    'A page of 20 comparisons with their rows and runs',
    '{ comparisons { nodes { id verdict rows { strategy speedup } runs { id status progress { done total } } } } }',
  ],
  [
    '`nodes` with 1,000 ids of tasks, all their fields',
    `query($ids: [ID!]!) { nodes(ids: $ids) { id ... on Task { ${TASK} } } }`,
  ],
  ['10,000 hosts with all their fields', `{ hosts(first: 10000) { ${everythingOf(schema, 'Host', {})} } }`],
  [
    'Ten timelines of 10,000 spans each',
    `{ run(id: "x") { ${Array.from({ length: 10 }, (_, at) => `t${at}: timeline(maxSpans: 10000) { lane busyFraction spans { index stage startMs endMs status tasks } }`).join(' ')} } }`,
  ],
]

/** Of those that have any. */
export const VARIABLES = { ids: Array.from({ length: 1000 }, () => 'task_0') }
