/** Changes to all runs that a filter finds. They are read a few at a time, however many there are. */

import type { RunKey } from '../domain/ids.js'
import { type Path, Problems } from '../domain/problems.js'
import { isFinalRunStatus, type RunRecord, RunStatus } from '../domain/run.js'
import type { Position, RunFilter, Store } from '../store/store.js'
import type { ControlOutcome, RunsOutcome, RunView } from './engine.js'
import { MAX_SHOWN_RUNS } from './limits.js'
import { isRepeatable, type RetryOutcome } from './retries.js'

interface Options {
  store: Pick<Store, 'runs' | 'countRuns'>
  cancel(key: RunKey): Promise<ControlOutcome>
  /** Of a run that can be repeated; `path`: of the filter. */
  repeat(run: RunRecord, path: Path): Promise<RetryOutcome>
}

/** Records read at a time: a few milliseconds of the event loop at most. */
const PAGE = 50

/** Runs that are cancelled at a time: no more can hold lanes, which is what takes long. */
const MAX_CANCELLING = 256

const FILTER: Path = ['filter']

const ALL_STATUSES = Object.values(RunStatus)
const CANCELLABLE = ALL_STATUSES.filter((status) => !isFinalRunStatus(status))
/** Nothing is to be repeated of what has SUCCEEDED. */
const REPEATABLE = ALL_STATUSES.filter((status) => isFinalRunStatus(status) && status !== 'SUCCEEDED')

export class ManyRuns {
  constructor(private readonly options: Options) {}

  async retry(filter: RunFilter): Promise<RunsOutcome> {
    if (isEmpty(filter)) return refusal()
    const outcome = nothingOf(await this.options.store.countRuns(filter))
    for await (const run of this.#runs(filter, REPEATABLE)) {
      if (!isRepeatable(run)) continue
      const { run: repeated, userErrors } = await this.options.repeat(run, FILTER)
      if (repeated) accept(outcome, repeated)
      // Others may fit, but which ones a client could not foresee.
      const full = userErrors.filter(({ code }) => code === 'QUEUE_FULL')
      if (full.length > 0) return { ...outcome, userErrors: full }
    }
    return outcome
  }

  /** A run that takes long to end holds up none of the others. */
  async cancel(filter: RunFilter): Promise<RunsOutcome> {
    if (isEmpty(filter)) return refusal()
    const outcome = nothingOf(await this.options.store.countRuns(filter))
    const cancelling = new Set<Promise<unknown>>()
    const faults: unknown[] = []
    for await (const { key } of this.#runs(filter, CANCELLABLE)) {
      const cancelled = this.#cancel(key, outcome)
        .catch((error) => faults.push(error))
        .finally(() => cancelling.delete(cancelled))
      cancelling.add(cancelled)
      if (cancelling.size >= MAX_CANCELLING) await Promise.race(cancelling)
    }
    await Promise.all(cancelling)
    if (faults.length > 0) throw faults[0]
    return outcome
  }

  /** What came to its end by itself, or was deleted since, was not cancelled. */
  async #cancel(key: RunKey, outcome: RunsOutcome): Promise<void> {
    const { run } = await this.options.cancel(key)
    if (run) accept(outcome, run)
  }

  /** Those that there were at the beginning, of these statuses alone, oldest first: what is launched meanwhile is not among them. */
  async *#runs(filter: RunFilter, statuses: readonly RunStatus[]): AsyncGenerator<RunRecord> {
    const { store } = this.options
    const { status: asked } = filter
    const narrowed = { ...filter, status: asked ? statuses.filter((one) => asked.includes(one)) : statuses }
    if (narrowed.status.length === 0) return
    const { rows: last } = await store.runs(narrowed, 'CREATED_DESC', { first: 1 })
    const [lastId] = last[0]?.position ?? []
    if (lastId === undefined) return
    for (let after: Position | undefined; ; ) {
      const page = await store.runs(narrowed, 'CREATED_ASC', {
        first: PAGE,
        before: [lastId + 1],
        ...(after && { after }),
      })
      for (const { row } of page.rows) yield row
      after = page.rows.at(-1)?.position
      if (after === undefined || !page.hasNextPage) return
    }
  }
}

function nothingOf(matched: number): RunsOutcome {
  return { matched, accepted: 0, runs: [], userErrors: [] }
}

function accept(outcome: RunsOutcome, run: RunView): void {
  outcome.accepted += 1
  if (outcome.runs.length < MAX_SHOWN_RUNS) outcome.runs.push(run)
}

/** Whether it would find every run: nothing in it says which ones. */
function isEmpty(filter: RunFilter): boolean {
  return Object.values(filter).every(
    (value) =>
      value === undefined ||
      value === null ||
      (Array.isArray(value) && value.length === 0) ||
      (typeof value === 'string' && value.trim() === ''),
  )
}

function refusal(): RunsOutcome {
  const problems = new Problems()
  problems.add('EMPTY_FILTER', FILTER, 'the filter names nothing, and would find every run: say which ones')
  return { ...nothingOf(0), userErrors: problems.list() }
}
