/** What becomes of the tasks of a lane that is gone: some are to blame and have failed, the others run again. */

import type { TaskError } from '../domain/errors.js'
import { Outcome } from '../domain/results.js'
import type { InService } from '../lanes/lane.js'
import type { EndedTask } from './columns.js'
import type { DeadLane } from './session.js'

interface Circumstances {
  timeoutMs: number | null
  nowMs: number
}

interface Judgement {
  outcome: Outcome
  error: TaskError | null
}

/** The tasks that were in service and are to blame; the other unreported items are to be granted again. */
export function judgeDeath(
  death: DeadLane,
  circumstances: Circumstances,
): { ended: EndedTask[]; givenBack: { index: number; attempt: number }[] } {
  const left = new Map(death.unreported)
  const ended: EndedTask[] = []
  for (const task of death.inService) {
    const judgement = judgeTask(task, death, circumstances)
    if (!judgement) continue
    const { index, startedAt } = task
    const attempt = left.get(index) ?? task.attempt
    ended.push({ index, attempt, startedAt, serviceMs: Math.max(0, circumstances.nowMs - startedAt), ...judgement })
    left.delete(index)
  }
  return { ended, givenBack: Array.from(left, ([index, attempt]) => ({ index, attempt })) }
}

function judgeTask(task: InService, death: DeadLane, { timeoutMs, nowMs }: Circumstances): Judgement | null {
  if (death.killedFor === 'CANCELLED') return { outcome: Outcome.CANCELLED, error: null }
  if (death.killedFor === 'TIMEOUT') {
    // The lane was ended for those past their limit; the others had to go with it and are not to blame.
    if (timeoutMs === null || nowMs - task.startedAt < timeoutMs) return null
    const message = `the task took more than ${timeoutMs} ms`
    return { outcome: Outcome.FAILED, error: { code: 'TIMEOUT', message, retryable: true } }
  }
  // With several in service nobody can tell which one it was: each may be tried again, as the retry policy says.
  const shared = death.inService.length > 1
  const error: TaskError = shared ? { ...death.error, code: 'LANE_DIED', retryable: true } : death.error
  return { outcome: Outcome.FAILED, error }
}
