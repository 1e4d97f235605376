/** Who counts what the engine does, as metrics do: told once it is on disk, once a commit and never once a task. Must not throw. */

import type { RunKind, StageSpec } from '../domain/batch.js'
import type { RunStatus } from '../domain/run.js'
import type { Entry } from './ledger.js'

export interface EngineObserver {
  /** A run was written down: by a launch, as a retry, or as one of a comparison. */
  runLaunched(kind: RunKind): void
  runEnded(kind: RunKind, status: RunStatus): void
  /** Blocks of ended tasks of one run. `stages`: those of the run. */
  tasksEnded(stages: readonly Pick<StageSpec, 'kind'>[], entries: readonly Entry[]): void
}
