import type { RunKind } from '../../src/domain/batch.js'
import type { RunStatus } from '../../src/domain/run.js'
import type { EngineObserver } from '../../src/engine/observer.js'

/** Writes down what it is told. */
export class Observed implements EngineObserver {
  readonly launched: RunKind[] = []
  readonly ended: [RunKind, RunStatus][] = []
  /** Ended tasks, by the kind of their stage. */
  readonly tasks = { FETCH: 0, COMPUTE: 0 }

  runLaunched(kind: RunKind): void {
    this.launched.push(kind)
  }

  runEnded(kind: RunKind, status: RunStatus): void {
    this.ended.push([kind, status])
  }

  tasksEnded(...[stages, entries]: Parameters<EngineObserver['tasksEnded']>): void {
    for (const { block, rows } of entries) this.tasks[stages[block.stage]!.kind] += rows
  }
}
