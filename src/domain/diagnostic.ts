/** What held a run back: the contract of the rules that find it, each in a file of its own beside (diagnostics/). */

import type { Json } from './batch.js'
import type { LaneLoad } from './lane-load.js'
import type { HostTally } from './refusals.js'
import type { EffectiveStrategy, StageKind } from './strategy.js'
import type { Moments } from './timing.js'

export const DiagnosticCode = {
  CPU_BOUND_ON_EVENT_LOOP: 'CPU_BOUND_ON_EVENT_LOOP',
  TOO_MANY_WORKERS: 'TOO_MANY_WORKERS',
  OVERHEAD_DOMINATES: 'OVERHEAD_DOMINATES',
  WAITING_ON_PARALLEL_LANES: 'WAITING_ON_PARALLEL_LANES',
  STRAGGLERS: 'STRAGGLERS',
  ORIGIN_THROTTLING: 'ORIGIN_THROTTLING',
} as const
export type DiagnosticCode = (typeof DiagnosticCode)[keyof typeof DiagnosticCode]

export const Severity = { INFO: 'INFO', WARNING: 'WARNING' } as const
export type Severity = (typeof Severity)[keyof typeof Severity]

export interface Diagnostic {
  code: DiagnosticCode
  severity: Severity
  /** What was seen, and what would help. */
  message: string
  /** The figures behind it; their names say the unit. */
  evidence: Evidence
}

export type Evidence = { [name: string]: Json }

/** One of the tasks that ended last. */
export interface LastTask {
  index: number
  /** After Run.startedAt. */
  endedMs: number
  /** Of its last attempt, as the next one. */
  serviceMs: number
  /** Null where it was not measured for the single task. */
  cpuMs: number | null
}

/** What the rules go by: one stage of a run, as far as it has come. */
export interface StageFigures {
  /** Its name, where the run has several; null where it is all of the run. */
  stage: string | null
  /** From 1, where another stage has its name too; null where the name tells which one it is. */
  stageNumber: number | null
  kind: StageKind
  strategy: EffectiveStrategy
  /** AUTO chose it, not whoever launched the run. */
  isChosen: boolean
  lanes: number
  concurrency: number
  /** Of the machine. */
  cores: number
  /**
   * There are stages beside it: that its lanes had nothing to do may be the doing of the one before, whose outputs it takes, or of
   * the one after, for which it waits once enough items are between the two.
   */
  sharesPace: boolean
  /** Nothing more is to come of it. */
  isOver: boolean
  /** The run stood still for a while, or does so now: that is in its wall time. */
  wasPaused: boolean
  /** None of the run's tasks ended after its last one: what it waited for, the run waited for. */
  endsRun: boolean
  /** From the first start to the last end. */
  wallMs: number
  /** After Run.startedAt; null before the first end. */
  lastEndMs: number | null
  /** Of SUCCEEDED and FAILED tasks that had an attempt. */
  service: Moments
  /** CPU time of all lanes; 0 where the platform does not tell. */
  cpuMs: number
  /** Null where it was not measured. */
  load: LaneLoad | null
  hosts: readonly HostTally[]
  /** Tasks that ended last, in no order; null where they were not read: see wantsLastTasks. */
  lastTasks: readonly LastTask[] | null
}

/** When a rule may be asked: what ended first need not be like the rest. */
export const Asked = {
  ALWAYS: 'ALWAYS',
  /** Once there is enough to go by: see EARLY_THRESHOLDS. */
  EARLY: 'EARLY',
  AT_THE_END: 'AT_THE_END',
} as const
export type Asked = (typeof Asked)[keyof typeof Asked]

/** What a rule has seen. */
export type Finding = Pick<Diagnostic, 'message' | 'evidence'>

export interface DiagnosticRule {
  code: DiagnosticCode
  severity: Severity
  /** What it takes, by name; docs/diagnostics.md has each with its reason. */
  thresholds: Readonly<Record<string, number>>
  asked: Asked
  /** Null where there is nothing to tell. */
  find(figures: StageFigures): Finding | null
}
