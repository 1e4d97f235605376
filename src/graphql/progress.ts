/** How far a run is. */

import type { Progress } from '../domain/run.js'
import { builder } from './builder.js'

export const ProgressType = builder.objectRef<Progress>('Progress').implement({
  description: 'Counts of tasks: a pipeline of n items and k stages has n × k.',
  fields: (t) => ({
    total: t.exposeInt('total', { description: 'All tasks of the run.' }),
    queued: t.exposeInt('queued', { description: 'Not started yet, or waiting to be tried again.' }),
    running: t.exposeInt('running', { description: 'In service now.' }),
    succeeded: t.exposeInt('succeeded', { description: 'Ended well.' }),
    failed: t.exposeInt('failed', { description: 'Failed for good.' }),
    cancelled: t.exposeInt('cancelled', {
      description: 'Stopped, or taken back before they started, as the run was ended early.',
    }),
    skipped: t.exposeInt('skipped', {
      description: 'Never started, as an earlier stage of the item failed or failFast ended the run.',
    }),
    done: t.exposeInt('done', { description: 'Ended, whatever the outcome.' }),
    fraction: t.exposeFloat('fraction', { description: 'done / total, 0 to 1.' }),
    bytes: t.exposeFloat('bytes', { description: 'Bytes received.' }),
    throughput: t.exposeFloat('throughput', { description: 'Tasks a second over the last five seconds.' }),
    elapsedMs: t.exposeFloat('elapsedMs', {
      description: 'Milliseconds since startedAt, to now or to the end; 0 before.',
    }),
    etaMs: t.exposeFloat('etaMs', {
      nullable: true,
      description: 'The likely time to the end in milliseconds; null while there is nothing to estimate from.',
    }),
    etaHighMs: t.exposeFloat('etaHighMs', {
      nullable: true,
      description: 'The end is later than this one time in ten; in milliseconds from now.',
    }),
    sequence: t.exposeInt('sequence', {
      description:
        'Rises with each change of status or counts. throughput, elapsedMs and the estimates move with time and do not raise it.',
    }),
  }),
})
