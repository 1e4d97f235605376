/** The picture of a run: lane by lane, what ran when. */

import { DEFAULT_SPANS, type LaneSpan, type LaneTimeline, MAX_SPANS } from '../domain/timeline.js'
import { AnswerBudget } from './answer-budget.js'
import { builder, TO_READERS } from './builder.js'
import { STUDY, sizeAsked } from './cost.js'
import { badUserInput } from './errors.js'
import { sizeWithin } from './pages.js'
import { RunType } from './refs.js'
import { TaskStatusType } from './task.js'

/** Spans of all pictures in one answer: half a second of the API's event loop, in which it answers nobody else. */
const budget = new AnswerBudget(100_000)

/** Throws BAD_USER_INPUT where more would be asked for in the answer than there may be; what is refused does not count. */
function reserve(answer: object, spans: number): void {
  if (budget.take(answer, spans)) return
  const asked = `maxSpans: ${spans} besides the ${budget.takenBy(answer)} asked for in this answer so far`
  throw badUserInput(`${asked} is more than ${budget.max}: ask for fewer timelines, or for fewer spans of each`)
}

const LaneSpanType = builder.objectRef<LaneSpan>('LaneSpan').implement({
  description:
    'A stretch of time in which a lane had tasks in service: one attempt at a task, or several that were folded into one span.',
  fields: (t) => ({
    index: t.exposeInt('index', {
      description: "The item's place in the batch, of the attempt in it that took longest.",
    }),
    stage: t.exposeInt('stage', { description: 'The stage of that attempt, from 0.' }),
    startMs: t.exposeFloat('startMs', {
      description: 'The first start in it, in milliseconds after Run.startedAt, as Task.startedMs.',
    }),
    endMs: t.exposeFloat('endMs', { description: 'The last end in it, in milliseconds after Run.startedAt.' }),
    status: t.expose('status', {
      type: TaskStatusType,
      description:
        'FAILED if an attempt in it failed, also one that was tried again; else CANCELLED if one was cancelled; else SUCCEEDED.',
    }),
    tasks: t.exposeInt('tasks', {
      description:
        'How many tasks ended in it: 0 for an attempt that was tried again. Over all spans these are the tasks that have run.',
    }),
  }),
})

const LaneTimelineType = builder.objectRef<LaneTimeline>('LaneTimeline').implement({
  description: 'What one lane did for a run.',
  fields: (t) => ({
    lane: t.exposeString('lane', { description: 'Its name.' }),
    busyFraction: t.exposeFloat('busyFraction', {
      description:
        "The share of the run's wall time in which it had at least one task in service, 0 to 1: exact, whatever was folded.",
    }),
    spans: t.expose('spans', {
      type: [LaneSpanType],
      // The timeline has multiplied by all spans that there may be.
      complexity: { field: 0, multiplier: 1 },
      description: 'By their starts. Of a lane with several tasks in flight they overlap.',
    }),
  }),
})

builder.objectFields(RunType, (t) => ({
  timeline: t.field({
    ...TO_READERS,
    type: [LaneTimelineType],
    complexity: ({ maxSpans }) => ({
      field: STUDY,
      multiplier: sizeAsked(maxSpans, { fallback: DEFAULT_SPANS, max: MAX_SPANS }),
    }),
    description:
      'Lane by lane, what ran when: the picture of concurrency, of all that has ended so far. A span for each attempt where there are no more than maxSpans; else spans are folded over the smallest gaps first, and no busy time is lost. All timelines of one answer may ask for 100,000 spans together.',
    args: {
      maxSpans: t.arg.int({
        defaultValue: DEFAULT_SPANS,
        description:
          'Spans at most over all lanes, 1 to 10,000. Each lane has one at least, though there be more lanes.',
      }),
    },
    resolve: (run, args, { engine }, { variableValues }) => {
      const maxSpans = sizeWithin('maxSpans', args.maxSpans ?? DEFAULT_SPANS, MAX_SPANS, 1)
      reserve(variableValues, maxSpans)
      return engine.timeline(run, maxSpans)
    },
  }),
}))
