/** The contract between a run under way and its stages. */

import type { Clock } from '../clock.js'
import type { TaskError } from '../domain/errors.js'
import type { ExecutionState, RunRecord } from '../domain/run.js'
import type { LaneKind } from '../domain/strategy.js'
import type { Lane, LaneCosts } from '../lanes/lane.js'
import type { SourceFile, Store } from '../store/store.js'
import type { FetchBudget } from './fetch-budget.js'
import type { GrantNotes } from './grant-notes.js'
import type { Hosts } from './hosts.js'
import type { Entry, TimeBase } from './ledger.js'
import type { Recorder } from './recorder.js'
import type { ScheduledRun } from './scheduler.js'

/** What stages share with those of other runs. */
export interface StageSetting {
  clock: Clock
  random(): number
  recorder: Recorder
  /** A task has found no room on the disk. */
  onNoRoom(): void
  store: Pick<Store, 'items' | 'task' | 'handedOver'>
  /** Of a run under way whose source is a file; null for any other. */
  sourceFile(runId: number): SourceFile | null
  fetches: FetchBudget
  hosts: Hosts
  maxOutputBytes: number
  laneCosts(kind: LaneKind): LaneCosts
  notes: Pick<GrantNotes, 'open'>
  nextJob(): number
  /** The lane has nothing of this run any more. */
  release(lane: Lane): void
  /** It may want more or fewer lanes than before. */
  onWantChanged(stage: ScheduledRun): void
}

/** Paused: the rest waits for a word. Ending: it is not to run. Leaving: it is to run after the next start. */
export type Phase = 'waiting' | 'running' | 'paused' | 'ending' | 'leaving'

/** A run, as its stages know it. */
export interface StagedRun {
  readonly record: RunRecord
  readonly phase: Phase
  readonly times: TimeBase
  /** Whether what has not ended by its end is cancelled. */
  readonly isCancelled: boolean
  /** A lane is there for the stage: the first one of all starts the run. */
  begin(stage: number): void
  /** Has an entry written. */
  add(entry: Entry): void
  /** AUTO has chosen how the stage is executed from now on. */
  replanned(stage: number, execution: ExecutionState): void
  /** A task has failed for good. */
  taskFailed(): void
  fail(error: TaskError): void
  /** To be called after whatever may have been the last that there was to do. */
  endIfDrained(): void
  /** To be called after whatever may have changed the number of running tasks. */
  showRunning(): void
}
