/** Retries: runs of the items of an ended one that did not go through every stage, under the indexes that they had. */

import { randomUUID } from 'node:crypto'
import type { Clock } from '../clock.js'
import { functionsOf, type RetryPolicy } from '../domain/batch.js'
import { type RunKey, runId, toRunKey } from '../domain/ids.js'
import type { IndexSet } from '../domain/indexset.js'
import { type Path, Problems, type UserError } from '../domain/problems.js'
import { isFinalRunStatus, itemsOf, type RunRecord, succeededItems } from '../domain/run.js'
import type { FunctionCatalog } from '../functions/function.js'
import type { NewRetry, Store } from '../store/store.js'
import { Checker } from './checks.js'
import type { RetryInput, RunView } from './engine.js'
import type { QueueLimit } from './queue-limit.js'

interface Options {
  store: Pick<Store, 'createRetry' | 'settledItems' | 'synced'>
  functions: FunctionCatalog
  queue: QueueLimit
  /** Writes something new down: not while the disk is in trouble. */
  creating<T>(work: () => Promise<T>): Promise<T>
  /** Does what writes, and takes note where it fails. */
  writing<T>(work: () => Promise<T>): Promise<T>
  clock: Clock
  /** Carries a run out that has just been written down. */
  execute(run: RunRecord, leftOut: IndexSet): Promise<void>
  view(run: RunRecord): RunView
}

/** What became of a retry: the new run. */
export type RetryOutcome = { run: RunView; userErrors: [] } | { run: null; userErrors: UserError[] }

const ID: Path = ['id']

/** Whether a run has ended and has items to repeat. */
export function isRepeatable(run: RunRecord): boolean {
  return isFinalRunStatus(run.status) && itemsToRepeat(run) > 0
}

function itemsToRepeat(run: RunRecord): number {
  return itemsOf(run) - succeededItems(run)
}

export class Retries {
  constructor(private readonly options: Options) {}

  /** Of one run, as it is now; null where there is none of this key. */
  async retry(key: RunKey, run: RunRecord | null, retry: RetryInput | null): Promise<RetryOutcome> {
    const problems = new Problems()
    const policy = retry && new Checker(problems).retry(retry, ['retry'])
    if (run === null) problems.add('NOT_FOUND', ID, `there is no run with the id "${runId(key)}"`)
    else this.#checkState(run, problems)
    if (run === null || problems.count > 0) return { run: null, userErrors: problems.list() }
    return this.repeat(run, policy, ID)
  }

  /** Of a run that can be repeated. `policy` null: its own; `path`: of what names it. */
  async repeat(run: RunRecord, policy: RetryPolicy | null, path: Path): Promise<RetryOutcome> {
    const { store, queue, execute, creating, writing, view } = this.options
    const tasks = itemsToRepeat(run) * run.spec.stages.length
    const userErrors = this.#missingFunctions(run, path) ?? queue.refusal(tasks, path)
    if (userErrors) return { run: null, userErrors }
    const created = await queue.launching(tasks, async () => {
      const retry = await this.#toNew(run, policy)
      const record = await creating(() => store.createRetry(retry))
      if (record) await execute(record, retry.leftOut)
      return record
    })
    if (created) {
      await writing(() => store.synced())
      return { run: view(created), userErrors: [] }
    }
    const problems = new Problems()
    // It was deleted in between.
    problems.add('NOT_FOUND', path, `there is no run with the id "${runId(run.key)}"`)
    return { run: null, userErrors: problems.list() }
  }

  async #toNew(run: RunRecord, policy: RetryPolicy | null): Promise<NewRetry> {
    const { store, clock } = this.options
    const { id, spec } = run
    return {
      key: toRunKey(randomUUID()),
      of: id,
      spec: { ...spec, retry: policy ?? spec.retry },
      leftOut: await store.settledItems(id, spec.source.count),
      createdAt: clock.now(),
    }
  }

  #checkState(run: RunRecord, problems: Problems): void {
    const { status } = run
    if (!isFinalRunStatus(status)) {
      const expected = 'expected one that has ended: PARTIAL, FAILED or CANCELLED'
      problems.add('INVALID_STATE', ID, `the run is ${status}: ${expected}`)
    } else if (itemsToRepeat(run) === 0) {
      const reason = 'every item went through every stage, and there is nothing to repeat'
      problems.add('INVALID_STATE', ID, `the run is ${status}: ${reason}`)
    }
  }

  /** Functions may have gone since the run was launched. */
  #missingFunctions({ spec }: RunRecord, path: Path): UserError[] | null {
    const problems = new Problems()
    const check = new Checker(problems)
    for (const name of functionsOf(spec)) check.functionName(name, this.options.functions, path)
    return problems.count > 0 ? problems.list() : null
  }
}
