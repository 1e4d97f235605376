/** What every launch takes. */

import { builder } from './builder.js'
import { LabelInput } from './label.js'
import { StrategyType } from './strategy.js'

export const RetryInput = builder.inputType('RetryInput', {
  description: 'How often and when a failed task is tried again.',
  fields: (t) => ({
    maxAttempts: t.int({
      defaultValue: 3,
      description:
        '1 means no retry. Tried again: TIMEOUT, CONNECTION_*, DNS, BODY_TRUNCATED, LANE_DIED, and HTTP_STATUS of 408, 425, 429, 500, 502, 503, 504; of fetches only GET, HEAD, OPTIONS, PUT and DELETE, unless unsafe is true. Of computes only LANE_DIED, and FUNCTION_ERROR where the thrown error has retryable: true.',
    }),
    backoffMs: t.int({
      defaultValue: 200,
      description:
        'The wait before the second attempt, in milliseconds. Doubles with each attempt, with full jitter; a Retry-After header wins, up to an hour: a longer one fails the task.',
    }),
    maxBackoffMs: t.int({ defaultValue: 10_000, description: 'No wait grows longer than this, in milliseconds.' }),
    unsafe: t.boolean({
      defaultValue: false,
      description: 'Also POST and PATCH. A crash of the server can send any request twice, whatever this says.',
    }),
  }),
})

const BudgetInput = builder.inputType('BudgetInput', {
  description:
    'Limits that a run is judged by when it has ended: it passes or it fails them, and the work is done either way. At least one; a figure that is the limit itself has kept it.',
  fields: (t) => ({
    wallMs: t.float({ description: 'The longest that RunTimings.wallMs may be, in milliseconds, more than 0.' }),
    serviceP95Ms: t.float({
      description: 'The longest that the 95th percentile of service times may be, in milliseconds, more than 0.',
    }),
    failureRate: t.float({
      description: 'The largest share of its SUCCEEDED and FAILED tasks that may be FAILED. 0 to 1.',
    }),
  }),
})

export const LaunchOptionsInput = builder.inputType('LaunchOptionsInput', {
  description: 'What every launch takes.',
  fields: (t) => ({
    name: t.string({ description: 'A name to find the run by.' }),
    labels: t.field({ type: [LabelInput], description: 'Labels to find the run by.' }),
    strategy: t.field({
      type: StrategyType,
      defaultValue: 'AUTO',
      description: 'How the tasks share the machine.',
    }),
    concurrency: t.int({
      description:
        'Tasks in flight at most. If left out: SEQUENTIAL 1; fetches 64; computes one a lane, 16 with ASYNC. With THREADS or PROCESSES a compute lane has one in flight, so the smaller of this and lanes holds; never more than the items.',
    }),
    lanes: t.int({
      description:
        'Threads or processes at most; HEDDLE_LANES if left out. More than HEDDLE_MAX_LANES is INVALID. ASYNC and SEQUENTIAL have one, whatever this says.',
    }),
    priority: t.int({
      defaultValue: 0,
      description: 'Higher goes first; runs of one priority share the machine fairly.',
    }),
    failFast: t.boolean({
      defaultValue: false,
      description:
        'End the run FAILED at the first task that failed for good: what is in flight is CANCELLED, what had not started SKIPPED. Lanes tell of short tasks several at a time: more of them may have failed by then.',
    }),
    retry: t.field({ type: RetryInput, description: 'What happens to a task that failed; its defaults if left out.' }),
    timeoutMs: t.int({
      description:
        "For one attempt of one task, from its start to its body's end, in milliseconds. 30,000 for fetches if left out, none for computes.",
    }),
    budget: t.field({
      type: BudgetInput,
      description:
        'What the run is judged by: see Run.budget. A run of retryRun, and each run of a comparison, has the same one.',
    }),
    idempotencyKey: t.string({
      description:
        "A second launch with the same key answers with the first one's run; with the same key and another input it is refused. Keys are one space for all launches of a server (of a token, where tokens are set), and live as long as their run. 1 to 200 characters.",
    }),
  }),
})
