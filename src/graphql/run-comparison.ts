/** Two runs compared. */

import { parseRunId } from '../domain/ids.js'
import type { RunComparison } from '../engine/engine.js'
import { MAX_STAGES } from '../engine/limits.js'
import { builder } from './builder.js'
import { STUDY } from './cost.js'
import { sizeWithin } from './pages.js'
import { RunType } from './refs.js'

const RunComparisonType = builder.objectRef<RunComparison>('RunComparison').implement({
  description:
    'Did the service times of two runs differ by more than chance? By those of the SUCCEEDED and FAILED tasks that each has had so far; of more than 10,000 an even sample of that many is taken, and all figures are of it. See docs/comparing-runs.',
  fields: (t) => ({
    baseline: t.expose('baseline', { type: RunType, description: 'The run that the other one is compared with.' }),
    candidate: t.expose('candidate', { type: RunType, description: 'The run that is compared with it.' }),
    baselineTasks: t.exposeInt('baselineTasks', {
      description: 'Tasks of the baseline that were compared, 10,000 at most.',
    }),
    candidateTasks: t.exposeInt('candidateTasks', {
      description: 'Tasks of the candidate that were compared, 10,000 at most.',
    }),
    baselineMedianMs: t.exposeFloat('baselineMedianMs', {
      description: 'The median of their service times by nearest rank, in milliseconds.',
    }),
    candidateMedianMs: t.exposeFloat('candidateMedianMs', {
      description: 'The median of their service times by nearest rank, in milliseconds.',
    }),
    ratio: t.exposeFloat('ratio', {
      description:
        "candidate's median over baseline's: 1.5 is half as long again. What is under a quarter of a microsecond counts as that.",
    }),
    ratioLow: t.exposeFloat('ratioLow', {
      description: 'The lower bound of the 95 % interval of ratio, by the bootstrap of these tasks.',
    }),
    ratioHigh: t.exposeFloat('ratioHigh', { description: 'Its upper bound.' }),
    pValue: t.exposeFloat('pValue', {
      description:
        'Two-sided Mann-Whitney U: how likely ranks that lie as far apart, or farther, would be if both came from one distribution. Exact of few tasks, with corrections for ties and continuity of many. 0 where it is less than 1e-307.',
    }),
    verdict: t.exposeString('verdict', {
      description:
        'What that says and what it does not, in words: sample sizes, ratio, interval and p, and what else differs between the two.',
    }),
  }),
})

builder.queryField('compareRuns', (t) =>
  t.field({
    type: RunComparisonType,
    nullable: true,
    complexity: STUDY,
    description:
      'Compares the service times of two runs. Null where one of the runs is not there or has no timed task.',
    args: {
      baseline: t.arg.id({ required: true, description: 'The id of the run to compare with.' }),
      candidate: t.arg.id({ required: true, description: 'The id of the run to compare.' }),
      stage: t.arg.int({ description: 'Only tasks of this stage, from 0, of both runs; of all stages if left out.' }),
      host: t.arg.string({
        description:
          "Only tasks that fetched from this host, as URL.host has it: with its port where that is not the scheme's own.",
      }),
    },
    resolve: (_root, { baseline, candidate, stage = null, host = null }, { engine }) => {
      if (stage !== null) sizeWithin('stage', stage, MAX_STAGES - 1)
      const [first, second] = [parseRunId(baseline), parseRunId(candidate)]
      return first && second && engine.compareRuns(first, second, { stage, host })
    },
  }),
)
