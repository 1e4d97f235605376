/** What clients have done to runs under way: cancelled, paused, resumed. Each is a way in the table of states, or refused. */

import type { Clock } from '../clock.js'
import { comparisonStatus } from '../domain/comparison.js'
import { type ComparisonKey, comparisonId, type RunKey, runId } from '../domain/ids.js'
import { Problems, type UserError, type UserErrorCode } from '../domain/problems.js'
import { isFinalRunStatus, type RunRecord, type RunStatus } from '../domain/run.js'
import { canHappen, RunEvent, statusesBefore } from '../domain/run-states.js'
import { StorageError, type StorageTrouble, StorageTroubleCode } from '../domain/storage.js'
import type { Store } from '../store/store.js'
import type { Comparisons } from './comparisons.js'
import type { ComparisonOutcome, ControlOutcome, RunView } from './engine.js'
import type { RunExecution } from './execution.js'

/** How often it is looked whether lanes have let go, and whether a run that is about to be carried out is. */
const LOOK_MS = 5
/**
 * A client waits no longer than this for the end of what it has cancelled, and for lanes to hear of a pause: a function that
 * never looks up is ended with its lane long before.
 */
const MAX_WAIT_MS = 3_000

interface Options {
  store: Pick<Store, 'run' | 'comparison' | 'comparedRuns'>
  clock: Clock
  comparisons: Pick<Comparisons, 'cancelWaiting'>
  /** Null where the run is not under way. */
  live(key: RunKey): RunExecution | null
  /** What the run needs to go on and is not there any more has it fail. */
  check(execution: RunExecution): void
  view(record: RunRecord): RunView
  /** Why nothing can be written now; null where all is well. */
  trouble(): StorageTrouble | null
}

type Refusal = Extract<ControlOutcome, { run: null }>

export class Controls {
  /** Who waits for the end of a run. */
  readonly #waiting = new Map<RunKey, Set<() => void>>()

  constructor(private readonly options: Options) {}

  /** To be called when a run is under way no more. */
  ended(key: RunKey): void {
    for (const wake of [...(this.#waiting.get(key) ?? [])]) wake()
  }

  /** Answers when it has ended, or after a while as it is: it will end, whatever happens to the server. */
  async cancelRun(key: RunKey): Promise<ControlOutcome> {
    const found = await this.#find(key, RunEvent.CANCEL)
    if ('userErrors' in found) return found
    const { execution } = found
    if (execution === null) return this.#outcome(key)
    execution.cancel()
    await this.#end(key)
    if (this.options.live(key) === execution && execution.isCancelled && !execution.ledger.visible.isCancelRequested)
      throw this.#unwritten()
    const outcome = await this.#outcome(key)
    const status = outcome.run?.record.status
    // It came to another end meanwhile.
    const isOver = status !== undefined && isFinalRunStatus(status) && status !== 'CANCELLED'
    return isOver ? impossible(RunEvent.CANCEL, status) : outcome
  }

  /** Answers when nothing more of it starts, and that is on disk. */
  async pauseRun(key: RunKey): Promise<ControlOutcome> {
    const found = await this.#find(key, RunEvent.PAUSE)
    if ('userErrors' in found) return found
    const { execution } = found
    if (execution === null) return this.#outcome(key)
    if (execution.record.comparisonId !== null) return refusal('INVALID_STATE', PART_OF_COMPARISON)
    execution.pause()
    await this.#written(execution)
    // What has ended by then is told as well; somebody else may have resumed it.
    await this.#until(() => (execution.isStill && execution.isWritten) || execution.status !== 'PAUSED')
    const { status } = execution.ledger.visible
    // What was in service was the last of it.
    return isFinalRunStatus(status) ? impossible(RunEvent.PAUSE, status) : this.#outcome(key)
  }

  /** Answers when it is on disk. */
  async resumeRun(key: RunKey): Promise<ControlOutcome> {
    const found = await this.#find(key, RunEvent.RESUME)
    if ('userErrors' in found) return found
    const { execution } = found
    if (execution === null) return this.#outcome(key)
    execution.resume()
    this.options.check(execution)
    await this.#written(execution)
    return this.#outcome(key)
  }

  /** Cancels what is left of it: those that wait first, so that none of them begins. */
  async cancelComparison(key: ComparisonKey): Promise<ComparisonOutcome> {
    const { store } = this.options
    const comparison = await store.comparison(key)
    if (comparison === null) return noComparison(comparisonId(key))
    const runs = await store.comparedRuns(comparison.id)
    const left = runs.filter(({ status }) => !isFinalRunStatus(status))
    if (left.length === 0) return noComparison(comparisonId(key), comparisonStatus(runs))
    const waited = new Set(await this.options.comparisons.cancelWaiting(new Set(left.map((run) => run.key))))
    await Promise.all(left.filter((run) => !waited.has(run.key)).map((run) => this.cancelRun(run.key)))
    return { comparison, userErrors: [] }
  }

  /** The run under way that this can happen to; null where it has happened already. */
  async #find(key: RunKey, event: RunEvent): Promise<{ execution: RunExecution | null } | Refusal> {
    const { live, store, comparisons } = this.options
    const startedMs = this.options.clock.monotonicMs()
    for (;;) {
      const execution = live(key)
      if (execution) return this.#checked(execution, event)
      if (event === RunEvent.CANCEL && (await comparisons.cancelWaiting(new Set([key]))).length > 0)
        return { execution: null }
      const record = await store.run(key)
      if (record === null) return noRun(runId(key))
      if (isFinalRunStatus(record.status)) return impossible(event, record.status)
      if (record.comparisonId !== null && event !== RunEvent.CANCEL) return refusal('INVALID_STATE', PART_OF_COMPARISON)
      // It is on disk, and about to be carried out.
      if (this.options.clock.monotonicMs() - startedMs > MAX_WAIT_MS) return impossible(event, record.status)
      await this.#rest()
    }
  }

  #checked(execution: RunExecution, event: RunEvent): { execution: RunExecution } | Refusal {
    // Who comes second waits for the same end.
    if (event === RunEvent.CANCEL) return { execution }
    if (execution.isEnding)
      return refusal(
        'INVALID_STATE',
        `the run is ${execution.ledger.visible.status} and about to end: ${expected(event)}`,
      )
    return canHappen(execution.status, event) ? { execution } : impossible(event, execution.status)
  }

  /** Resolves when the run has ended, or after MAX_WAIT_MS. */
  async #end(key: RunKey): Promise<void> {
    if (this.options.live(key) === null) return
    const waiting = this.#waiting.get(key) ?? new Set()
    this.#waiting.set(key, waiting)
    await new Promise<void>((resolve) => {
      const wake = () => {
        cancelTimer()
        waiting.delete(wake)
        resolve()
      }
      const cancelTimer = this.options.clock.setTimer(wake, MAX_WAIT_MS)
      waiting.add(wake)
    })
    if (waiting.size === 0) this.#waiting.delete(key)
  }

  /** Resolves when what was changed is on disk; rejects where it cannot be written for now. */
  async #written(execution: RunExecution): Promise<void> {
    await this.#until(() => execution.isStatusWritten)
    if (!execution.isStatusWritten) throw this.#unwritten()
  }

  /** Nobody is told of what a crash would undo. It is tried again until it can be written, or the server ends. */
  #unwritten(): StorageError {
    const { code } = this.options.trouble() ?? { code: StorageTroubleCode.FAILED }
    return new StorageError(code, 'a change of a run could not be written yet: it is tried again')
  }

  async #outcome(key: RunKey): Promise<ControlOutcome> {
    const live = this.options.live(key)
    const record = live ? live.record : await this.options.store.run(key)
    return record === null ? noRun(runId(key)) : { run: this.options.view(record), userErrors: [] }
  }

  async #until(holds: () => boolean): Promise<void> {
    const startedMs = this.options.clock.monotonicMs()
    while (!holds() && this.options.clock.monotonicMs() - startedMs < MAX_WAIT_MS) await this.#rest()
  }

  #rest(): Promise<void> {
    return new Promise((resolve) => void this.options.clock.setTimer(resolve, LOOK_MS))
  }
}

const PART_OF_COMPARISON =
  'the run is a part of a comparison, which keeps all lanes for it: it cannot stand still; cancelRun or cancelComparison ends it'

function expected(event: RunEvent): string {
  const [last, ...others] = statusesBefore(event).reverse()
  return others.length === 0 ? `expected ${last}` : `expected ${others.reverse().join(', ')} or ${last}`
}

function impossible(event: RunEvent, status: RunStatus): Refusal {
  return refusal('INVALID_STATE', `the run is ${status}: ${expected(event)}`)
}

function noRun(id: string): Refusal {
  return refusal('NOT_FOUND', `there is no run with the id "${id}"`)
}

function refusal(code: UserErrorCode, message: string): Refusal {
  return { run: null, userErrors: errorOf(code, message) }
}

/** `status`: of one that has ended; left out where there is none. */
function noComparison(id: string, status?: RunStatus): ComparisonOutcome {
  const userErrors = status
    ? errorOf('INVALID_STATE', `the comparison is ${status}: ${expected(RunEvent.CANCEL)}`)
    : errorOf('NOT_FOUND', `there is no comparison with the id "${id}"`)
  return { comparison: null, userErrors }
}

function errorOf(code: UserErrorCode, message: string): UserError[] {
  const problems = new Problems()
  problems.add(code, ['id'], message)
  return problems.list()
}
