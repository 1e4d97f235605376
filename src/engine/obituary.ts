/** What becomes of the tasks of a lane that is gone: some are to blame and have failed, the others run again. */

import { Outcome } from '../domain/results.js'
import type { InService } from '../lanes/lane.js'
import type { EndedTask } from './columns.js'
import type { DeadLane } from './session.js'

interface Circumstances {
  timeoutMs: number | null
  nowMs: number
  /** Whether tasks that died together can each be tried with a lane to itself. */
  canTryApart: boolean
}

interface GivenBack {
  index: number
  attempt: number
}

interface Verdict {
  /** To blame. */
  ended: EndedTask[]
  /** To be granted again. */
  givenBack: GivenBack[]
  /** To be granted again, each with a lane to itself: one of them is to blame. */
  suspects: GivenBack[]
}

/** What becomes of all that was granted and not reported. */
export function judgeDeath(death: DeadLane, circumstances: Circumstances): Verdict {
  const left = new Map(death.unreported)
  const verdict: Verdict = { ended: [], givenBack: [], suspects: [] }
  const accused = death.inService.filter((task) => isAccused(task, death, circumstances))
  const isOneOfThem = accused.length > 1 && death.killedFor !== 'CANCELLED'
  for (const task of accused) {
    const { index, startedAt } = task
    const attempt = left.get(index) ?? task.attempt
    const serviceMs = Math.max(0, circumstances.nowMs - startedAt)
    if (isOneOfThem && circumstances.canTryApart) verdict.suspects.push({ index, attempt })
    else verdict.ended.push({ index, attempt, startedAt, serviceMs, ...endOf(death, circumstances, isOneOfThem) })
    left.delete(index)
  }
  verdict.givenBack = Array.from(left, ([index, attempt]) => ({ index, attempt }))
  return verdict
}

/** Where the lane was ended for those past their limit the others had to go with it. */
function isAccused(task: InService, death: DeadLane, { timeoutMs, nowMs }: Circumstances): boolean {
  return death.killedFor !== 'TIMEOUT' || (timeoutMs !== null && nowMs - task.startedAt >= timeoutMs)
}

function endOf(
  { killedFor, error }: DeadLane,
  { timeoutMs }: Circumstances,
  isOneOfThem: boolean,
): Pick<EndedTask, 'outcome' | 'error'> {
  if (killedFor === 'CANCELLED') return { outcome: Outcome.CANCELLED, error: null }
  if (killedFor === 'TIMEOUT') {
    const message = `the task took more than ${timeoutMs} ms`
    return { outcome: Outcome.FAILED, error: { code: 'TIMEOUT', message, retryable: true } }
  }
  // Nobody can tell which one it was: each may be tried again, as the retry policy says.
  return { outcome: Outcome.FAILED, error: isOneOfThem ? { ...error, code: 'LANE_DIED', retryable: true } : error }
}
