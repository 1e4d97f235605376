/** How a task is written down that is found to end the server. */

import type { TaskError } from '../domain/errors.js'
import { Outcome, type ResultColumns } from '../domain/results.js'
import type { Culprit } from '../domain/strikes.js'
import { toColumns } from './columns.js'
import type { BlockOrigin } from './intake.js'

const SERVER_ENDED: TaskError = {
  code: 'LANE_DIED',
  message: 'the task was in service at three ends of the server in a row, each time as long as it took to end it',
  retryable: false,
}

/** As its lane would have reported it. `runStartedAt`: epoch milliseconds. */
export function toFailedBlock(
  { index, attempt, lane, startedAt, serviceMs }: Culprit,
  runStartedAt: number,
): { columns: ResultColumns; origin: BlockOrigin } {
  const columns = toColumns([
    {
      index,
      attempt,
      outcome: Outcome.FAILED,
      // The clock may have been set back meanwhile.
      startedAt: Math.max(startedAt, runStartedAt),
      serviceMs,
      error: SERVER_ENDED,
    },
  ])
  return { columns, origin: { lane, laneCpuMs: 0, reduction: null, heldUntilMs: null, isLastAttempt: true } }
}
