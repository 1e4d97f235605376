/** What the engine has done since the server started, counted for Prometheus. */

import { Counter, Registry } from 'prom-client'
import type { RunKind, StageSpec } from '../domain/batch.js'
import { TaskErrorCode } from '../domain/errors.js'
import { Outcome } from '../domain/results.js'
import { isFinalRunStatus, RunStatus } from '../domain/run.js'
import type { StageKind } from '../domain/strategy.js'
import { STORED_TASK_STATUS } from '../domain/task.js'
import type { Entry } from '../engine/ledger.js'
import type { EngineObserver } from '../engine/observer.js'
import { TimeHistogram } from './time-histogram.js'

const STAGE_KINDS: readonly StageKind[] = ['FETCH', 'COMPUTE']
const RUN_KINDS: readonly RunKind[] = [...STAGE_KINDS, 'PIPELINE']

export class EngineMetrics implements EngineObserver {
  readonly registry = new Registry()
  readonly #launched = this.#counter('heddle_runs_launched_total', 'Runs that were launched, by kind.', ['kind'])
  readonly #ended = this.#counter('heddle_runs_ended_total', 'Runs that have ended, by kind and status.', [
    'kind',
    'status',
  ])
  readonly #tasks = this.#counter('heddle_tasks_ended_total', 'Tasks that have ended, by kind and status.', [
    'kind',
    'status',
  ])
  readonly #errors = this.#counter('heddle_task_errors_total', 'Tasks that have FAILED, by the code of their error.', [
    'code',
  ])
  readonly #bytes = this.#counter('heddle_fetched_bytes_total', 'Bytes that fetches have received, decoded.', [])
  readonly #cpu = this.#counter('heddle_lane_cpu_seconds_total', 'CPU time of lanes for tasks.', [])
  readonly #service = this.#times('heddle_task_service_seconds', 'Service time of SUCCEEDED and FAILED tasks, by kind.')
  readonly #queueWait = this.#times('heddle_task_queue_wait_seconds', 'Queue wait of the same tasks, by kind.')

  constructor() {
    // What has not happened yet is 0, and not unknown: rates begin with the first event.
    for (const kind of RUN_KINDS) {
      this.#launched.inc({ kind }, 0)
      for (const status of Object.values(RunStatus)) if (isFinalRunStatus(status)) this.#ended.inc({ kind, status }, 0)
    }
    for (const kind of STAGE_KINDS) for (const status of STORED_TASK_STATUS) this.#tasks.inc({ kind, status }, 0)
    for (const code of Object.values(TaskErrorCode)) this.#errors.inc({ code }, 0)
  }

  runLaunched(kind: RunKind): void {
    this.#launched.inc({ kind })
  }

  runEnded(kind: RunKind, status: RunStatus): void {
    this.#ended.inc({ kind, status })
  }

  tasksEnded(stages: readonly Pick<StageSpec, 'kind'>[], entries: readonly Entry[]): void {
    for (const entry of entries) {
      const kind = stages[entry.block.stage]?.kind
      if (kind === undefined) continue
      this.#tasks.inc({ kind, status: 'SUCCEEDED' }, entry.succeeded)
      this.#tasks.inc({ kind, status: 'FAILED' }, entry.failed)
      this.#tasks.inc({ kind, status: 'CANCELLED' }, entry.cancelled)
      this.#bytes.inc(entry.bytes)
      // A counter that is to count back throws, and what a lane measures is its system's word.
      this.#cpu.inc(Math.max(0, entry.laneCpuMs / 1000) || 0)
      this.#service.add(kind, entry.serviceMs, entry.service)
      this.#queueWait.add(kind, entry.queueWaitMs, entry.queueWait)
      if (entry.failed > 0) this.#countErrors(entry)
    }
  }

  #countErrors({ block: { columns, dropped } }: Entry): void {
    const counts = new Map<TaskErrorCode, number>()
    for (const { at, error } of columns.errors) {
      if (dropped?.has(at) || columns.outcomes[at] !== Outcome.FAILED) continue
      counts.set(error.code, (counts.get(error.code) ?? 0) + 1)
    }
    for (const [code, count] of counts) this.#errors.inc({ code }, count)
  }

  #counter<Label extends string>(name: string, help: string, labelNames: Label[]): Counter<Label> {
    return new Counter({ name, help, labelNames, registers: [this.registry] })
  }

  #times(name: string, help: string): TimeHistogram<StageKind> {
    return new TimeHistogram({ name, help, registry: this.registry, labelName: 'kind', labels: STAGE_KINDS })
  }
}
