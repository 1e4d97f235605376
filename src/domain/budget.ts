/** Budgets: limits that a run is judged by when it has ended. They steer nothing: the work is done either way. */

/** Null: no limit. At least one is set. */
export interface Budget {
  /** RunTimings.wallMs at most. */
  wallMs: number | null
  /** The 95th percentile of service times at most. */
  serviceP95Ms: number | null
  /** Of the tasks that succeeded or failed, this share failed at most, 0 to 1. */
  failureRate: number | null
}

/** Those of BudgetInput, in its order. */
export const BUDGET_LIMITS = ['wallMs', 'serviceP95Ms', 'failureRate'] as const satisfies (keyof Budget)[]

/** What a run has come to, for each limit. */
export type BudgetFigures = Record<keyof Budget, number>

export interface BudgetCheck {
  name: keyof Budget
  limit: number
  actual: number
  passed: boolean
}

export interface BudgetVerdict {
  /** All checks are. */
  passed: boolean
  /** One for each limit that is set, in the order of BUDGET_LIMITS. */
  checks: BudgetCheck[]
}

/** A figure that is the limit itself has kept it. */
export function judge(budget: Budget, figures: BudgetFigures): BudgetVerdict {
  const checks = BUDGET_LIMITS.flatMap((name) => {
    const [limit, actual] = [budget[name], figures[name]]
    return limit === null ? [] : [{ name, limit, actual, passed: actual <= limit }]
  })
  return { passed: checks.every(({ passed }) => passed), checks }
}

/** 0 where no task has succeeded or failed. */
export function failureRateOf({ succeeded, failed }: { succeeded: number; failed: number }): number {
  return failed === 0 ? 0 : failed / (succeeded + failed)
}
