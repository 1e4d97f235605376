/** What runs took over time. */

import { shown } from '../domain/requests.js'
import { MAX_POINTS, TimeBucket, TimingGroup, type TimingPoint } from '../domain/timing-history.js'
import { MAX_INT } from '../engine/limits.js'
import type { TimingHistoryQuery } from '../store/store.js'
import { builder } from './builder.js'
import { listOf, STUDY } from './cost.js'
import { badUserInput } from './errors.js'
import { type RunFilterArg, RunFilterInput, runFilter } from './runs.js'
import { DistributionType } from './timing.js'

const TimeBucketType = builder.enumType('TimeBucket', {
  description: 'How long a stretch of time each point is of. UTC.',
  values: {
    MINUTE: { description: 'Of runs that were deleted it is told by days alone: they are left out.' },
    HOUR: { description: 'As of MINUTE, deleted runs are left out.' },
    DAY: { description: 'From midnight to midnight.' },
    WEEK: { description: 'From Monday to Sunday.' },
  } as const,
})

const TimingGroupType = builder.enumType('TimingGroup', {
  description: 'What the points of one time are told apart by.',
  values: {
    NONE: { description: 'One point for each time.' },
    KIND: { description: 'By the kind of the run.' },
    STRATEGY: { description: 'By the strategy of the run, as asked at launch.' },
    FUNCTION: { description: 'By the function that the task called. Fetches call none: their group is null.' },
    HOST: {
      description:
        'By the host that the task fetched from. Computes have none: their group is null. Of a run with more than 1,000 hosts the others share it.',
    },
    LABEL: {
      description:
        'By the value of the label that the argument label names. Runs without that label are the group null.',
    },
  } as const,
})

const TimingPointType = builder.objectRef<TimingPoint>('TimingPoint').implement({
  description: 'The tasks of the runs that ended in one stretch of time, or those of them that one group has.',
  fields: (t) => ({
    bucketStart: t.field({
      type: 'DateTime',
      description: 'When the stretch began, UTC.',
      resolve: ({ bucketStart }) => bucketStart,
    }),
    group: t.exposeString('group', {
      nullable: true,
      description: 'What they have in common; null with groupBy NONE, and for those that have no group.',
    }),
    runs: t.exposeInt('runs', {
      description: 'Runs with a task in it. A run with tasks in several groups counts in each.',
    }),
    tasks: t.exposeInt('tasks', {
      description: 'SUCCEEDED and FAILED tasks. Those of all groups add up to those of NONE.',
    }),
    failed: t.exposeInt('failed', { description: 'FAILED ones among them.' }),
    service: t.field({
      type: DistributionType,
      description:
        'Their service times, merged from sketches. Its count lacks tasks that took none, as another one had their answer.',
      resolve: ({ service }) => service,
    }),
    throughput: t.exposeFloat('throughput', {
      description: "Tasks a second of the runs' wall times, added up; 0 where these are 0.",
    }),
  }),
})

/** A year by days, or three weeks by hours: how many there will be nobody knows before. */
const TYPICAL_POINTS = 500

interface HistoryArgs {
  filter?: RunFilterArg | null | undefined
  bucket: TimeBucket
  groupBy: TimingGroup
  label?: string | null | undefined
}

/** Throws BAD_USER_INPUT for a label without its group, and the other way round. */
function historyQuery({ filter, bucket, groupBy, label }: HistoryArgs): TimingHistoryQuery {
  // No label is called by an empty name.
  if (groupBy === TimingGroup.LABEL && !label)
    throw badUserInput('label: expected the name of the label that groupBy LABEL groups by')
  if (groupBy !== TimingGroup.LABEL && label != null)
    throw badUserInput(`label: ${shown(label)} names what groupBy LABEL groups by, and groupBy is ${groupBy}`)
  return { filter: runFilter(filter), bucket, groupBy, label: label ?? null }
}

builder.queryField('timingHistory', (t) =>
  t.field({
    type: [TimingPointType],
    description: `What runs took that have ended, by the time that they ended in, the earliest first; a stretch of time without a run has no point. The filter finds runs: all of their tasks count. Of runs that were deleted it still tells, by days and weeks. More than ${MAX_POINTS.toLocaleString('en')} points are BAD_USER_INPUT.`,
    complexity: listOf(TYPICAL_POINTS, STUDY),
    args: {
      filter: t.arg({
        type: RunFilterInput,
        description:
          'Only the runs that match all of it. Deleted runs are found by createdAfter and createdBefore where all of those that were alike on their day lie within.',
      }),
      bucket: t.arg({
        type: TimeBucketType,
        required: true,
        defaultValue: TimeBucket.DAY,
        description: 'How long each stretch is.',
      }),
      groupBy: t.arg({
        type: TimingGroupType,
        required: true,
        defaultValue: TimingGroup.NONE,
        description: 'What to tell apart.',
      }),
      label: t.arg.string({
        description: 'With groupBy LABEL: the name of the label. With another one it is BAD_USER_INPUT.',
      }),
    },
    resolve: async (_root, args, { store }) => {
      const points = await store.timingHistory(historyQuery(args))
      const large = points?.find(({ tasks }) => tasks > MAX_INT)
      if (large) {
        throw badUserInput(
          `timingHistory: the ${args.bucket} from ${large.bucketStart.toISOString()} on has ${large.tasks} tasks, and counts end at ${MAX_INT}: take a shorter bucket, or groups`,
        )
      }
      if (points !== null) return points
      throw badUserInput(
        `timingHistory: by ${args.bucket} and ${args.groupBy} there are more than ${MAX_POINTS} points: take a longer bucket, or a filter that finds fewer runs`,
      )
    },
  }),
)
