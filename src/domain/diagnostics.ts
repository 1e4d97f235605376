/** What held a run back: every rule, asked of each of its stages. */

import type { Json } from './batch.js'
import type { Diagnostic, DiagnosticRule, StageFigures } from './diagnostic.js'
import { CPU_BOUND_ON_EVENT_LOOP } from './diagnostics/cpu-bound-on-event-loop.js'
import { ORIGIN_THROTTLING } from './diagnostics/origin-throttling.js'
import { OVERHEAD_DOMINATES } from './diagnostics/overhead-dominates.js'
import { STRAGGLERS } from './diagnostics/stragglers.js'
import { TOO_MANY_WORKERS } from './diagnostics/too-many-workers.js'
import { WAITING_ON_PARALLEL_LANES } from './diagnostics/waiting-on-parallel-lanes.js'

export { wantsLastTasks } from './diagnostics/stragglers.js'

/** In the order in which a run's diagnostics are given. */
export const DIAGNOSTIC_RULES: readonly DiagnosticRule[] = [
  CPU_BOUND_ON_EVENT_LOOP,
  TOO_MANY_WORKERS,
  OVERHEAD_DOMINATES,
  WAITING_ON_PARALLEL_LANES,
  STRAGGLERS,
  ORIGIN_THROTTLING,
]

/** What it takes to judge a stage by its times before it is over: its first tasks need not be like the others. */
export const EARLY_THRESHOLDS = {
  /** Ended tasks. */
  minTasks: 10,
  /** From the first start to the last end so far. */
  minWallMs: 1_000,
}

/** Of one stage, in the order of the rules. */
export function diagnose(figures: StageFigures): Diagnostic[] {
  return DIAGNOSTIC_RULES.flatMap((rule) => {
    const { code, severity } = rule
    const finding = mayAsk(rule, figures) ? rule.find(figures) : null
    if (finding === null) return []
    const evidence = { ...placeOf(figures), ...finding.evidence }
    return [
      {
        code,
        severity,
        message: titleOf(figures) + finding.message,
        evidence: rounded(evidence) as Diagnostic['evidence'],
      },
    ]
  })
}

function titleOf({ stage, stageNumber }: StageFigures): string {
  if (stage === null) return ''
  return stageNumber === null ? `Stage "${stage}": ` : `Stage ${stageNumber} ("${stage}"): `
}

function placeOf({ stage, stageNumber }: StageFigures): Diagnostic['evidence'] {
  return { ...(stage !== null && { stage }), ...(stageNumber !== null && { stageNumber }) }
}

function mayAsk({ asked }: DiagnosticRule, { isOver, wasPaused, service, wallMs }: StageFigures): boolean {
  if (asked === 'ALWAYS') return true
  // How long it stood still is in its wall time.
  if (wasPaused) return false
  // Without a task that took time there is nothing to judge by.
  if (service.count === 0 || wallMs <= 0) return false
  if (isOver) return true
  return asked === 'EARLY' && service.count >= EARLY_THRESHOLDS.minTasks && wallMs >= EARLY_THRESHOLDS.minWallMs
}

/** Four digits that matter: the rest is noise. */
function rounded(value: Json): Json {
  if (typeof value === 'number') return Number.isInteger(value) ? value : Number(value.toPrecision(4))
  if (Array.isArray(value)) return value.map(rounded)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, rounded(inner)]))
}
