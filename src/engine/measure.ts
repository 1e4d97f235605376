/** What the tasks of one stage took that were tried for a plan. */

import type { ProbeFigures } from '../domain/advice.js'
import type { FailedTrial, Trials } from '../domain/batch-advice.js'
import type { TaskError } from '../domain/errors.js'
import { cellsAt } from '../domain/fetch-column.js'
import { busyMsOf, type FetchCost } from '../domain/forecast.js'
import { coreWaitWithin } from '../domain/lane-load.js'
import { Outcome, type ResultColumns } from '../domain/results.js'
import { distributionFromValues } from '../domain/timing.js'
import type { InService, LaneCosts } from '../lanes/lane.js'
import type { Grant, ResultBlock } from '../lanes/protocol.js'
import { handOutCosts } from './lane-costs.js'

/** Shorter tasks are compiled for most of their first calls: only many of them tell. */
export const SHORT_TASK_MS = 0.5
/** Of longer ones the compiling is nothing. */
export const LONG_TASK_MS = 50
/** Of so many tasks the longest one tells of accidents alone. */
const MANY_TASKS = 20
/** This share of them took no longer than what is expected at worst. */
const HIGH_QUANTILE = 0.95

/** Shares of an event loop above this are not those of tasks that wait. */
const BUSY_SHARE = 0.8
/** So long a task has to take for its event loop to have been looked at after its first steps. */
const LOOKED_AT_MS = 20
/** Failures that are kept. */
const MAX_TOLD = 20

/** A task that was tried and succeeded. */
interface Trial {
  /** Epoch milliseconds. */
  startedAt: number
  serviceMs: number
  /** NaN where it was not measured. */
  cpuMs: number
  /** Its part of what its lane waited for a core; nothing where that is not known. */
  coreWaitMs: number
  /** Of a new connection. */
  connectMs: number
  /** The number of the grant that it came with. */
  grant: number
}

/** What is known of the server besides. */
interface Surroundings {
  /** Tasks that are to be run. */
  left: number
  costs: LaneCosts
  overheadMs: number
}

export class Measure {
  /** The first of them. */
  readonly failed: FailedTrial[] = []
  /** Indexes of items that were tried, in the order of trying. */
  readonly items = new Set<number>()
  /** And of neighbours: the first, and how many. */
  readonly blocks: [number, number][] = []
  readonly #trials: Trial[] = []
  #grants = 0
  #laneCpuMs = 0
  /** CPU time of the lane for a task, the least that was seen. */
  #leastBusyMs = Number.POSITIVE_INFINITY
  #yields = false
  #busyShare: number | null = null
  /** The longest that was in service when the probe ended. */
  #unfinishedMs: number | null = null

  /** Nothing has been handed out. */
  get isUntouched(): boolean {
    return this.#grants === 0
  }

  get trials(): Trials {
    const { blocks, failed } = this
    return { items: [...this.items], blocks, failed, unfinishedMs: this.#unfinishedMs }
  }

  /** Tasks that have succeeded. */
  get tasks(): number {
    return this.#trials.length
  }

  /** Of the last one. */
  get lastMs(): number | null {
    return this.#trials.at(-1)?.serviceMs ?? null
  }

  /** Of all of them. */
  get totalMs(): number {
    return sumOf(this.#trials.map(({ serviceMs }) => serviceMs))
  }

  granted({ first, count, indexes }: Grant): void {
    this.#grants += 1
    if (indexes === null) this.blocks.push([first, count])
    else for (const index of indexes) this.items.add(index)
  }

  add(block: ResultBlock): void {
    const { columns, laneCpuMs } = block
    this.#laneCpuMs += laneCpuMs
    for (const { at, error } of columns.errors) {
      const index = columns.indexes[at]!
      // Of neighbours nobody knows before whether they are inputs; those that are none have been told.
      const isTold = error.code === 'INVALID_INPUT' && !this.items.has(index)
      if (columns.outcomes[at] === Outcome.FAILED && !isTold) this.fail(index, error)
    }
    const before = this.#trials.length
    const waitShare = coreWaitShareOf(block)
    for (let at = 0; at < columns.count; at += 1) {
      if (columns.outcomes[at] === Outcome.SUCCEEDED) {
        this.#trials.push(trialAt(columns, at, { grant: this.#grants, waitShare }))
      }
    }
    const ended = this.#trials.length - before
    if (ended > 0 && laneCpuMs > 0) this.#leastBusyMs = Math.min(this.#leastBusyMs, laneCpuMs / ended)
  }

  fail(index: number, { code, message }: TaskError): void {
    if (this.failed.length < MAX_TOLD) this.failed.push({ index, code, message })
  }

  /** See LaneListener.onWaiting. */
  waits(busyShare: number | null): void {
    this.#yields = true
    this.#busyShare = busyShare ?? this.#busyShare
  }

  /** They were in service when the probe ended. `nowMs`: epoch milliseconds. */
  unfinished(tasks: readonly InService[], nowMs: number): void {
    for (const { startedAt } of tasks) this.#unfinishedMs = Math.max(this.#unfinishedMs ?? 0, nowMs - startedAt)
  }

  /** Of computes, of which a lane has one in service at a time; null where nothing tells. */
  computeFigures({ left, costs, overheadMs }: Surroundings): ProbeFigures | null {
    const telling = this.#telling.map(({ serviceMs }) => serviceMs)
    const waitedMs = sumOf(this.#telling.map(({ coreWaitMs }) => coreWaitMs))
    // What goes on takes at least as long as it has.
    if (this.#unfinishedMs !== null) telling.push(this.#unfinishedMs)
    if (telling.length === 0) return null
    const times = distributionFromValues(Float64Array.from(telling).sort())
    const coreWaitMs = waitedMs / telling.length
    const serviceMs = times.moments.mean
    return {
      tasks: this.tasks,
      left,
      elapsedMs: this.#elapsedMs,
      serviceMs,
      ...(coreWaitMs > 0 && { coreWaitMs }),
      slowestMs: times.moments.max,
      pitchMs: serviceMs + this.#gapMs,
      ...(telling.length >= MANY_TASKS && { highMs: times.percentile(HIGH_QUANTILE) }),
      cpuShare: this.#cpuShare,
      yields: this.#yields,
      ...handOutCosts(costs),
      overheadMs,
    }
  }

  /** Of fetches; null where nothing tells. */
  fetchFigures({ left, costs, overheadMs }: Surroundings): (ProbeFigures & FetchCost) | null {
    if (this.#trials.length === 0) return null
    const times = this.#telling.map(({ serviceMs, connectMs }) => serviceMs - connectMs)
    const serviceMs = sumOf(times) / times.length
    const loneMs = Number.isFinite(this.#leastBusyMs) ? this.#leastBusyMs : 0
    return {
      tasks: this.tasks,
      left,
      elapsedMs: this.#elapsedMs,
      serviceMs,
      slowestMs: Math.max(...times, this.#unfinishedMs ?? 0),
      connectMs: Math.max(...this.#trials.map(({ connectMs }) => connectMs)),
      busyMs: busyMsOf(loneMs),
      cpuShare: serviceMs > 0 ? Math.min(1, loneMs / serviceMs) : null,
      yields: true,
      ...handOutCosts(costs),
      overheadMs,
    }
  }

  /** The first ones are compiled on their way: of short tasks that is half of those that were tried, of others the first one. */
  get #telling(): Trial[] {
    const [first] = this.#trials
    if (first === undefined || this.tasks === 1 || first.serviceMs >= LONG_TASK_MS) return this.#trials
    const isShort = (this.lastMs ?? 0) < SHORT_TASK_MS
    return this.#trials.slice(isShort ? this.tasks >> 1 : 1)
  }

  get #elapsedMs(): number {
    const [first] = this.#trials
    if (first === undefined) return this.#unfinishedMs ?? 0
    return Math.max(...this.#trials.map(({ startedAt, serviceMs }) => startedAt + serviceMs)) - first.startedAt
  }

  /**
   * Of a task that waits the event loop tells better than the CPU time, where it was looked at long enough: what computes has little
   * CPU time, too, where others take the CPU.
   */
  get #cpuShare(): number | null {
    const isBusy = this.#busyShare !== null && this.#busyShare > BUSY_SHARE && (this.lastMs ?? 0) >= LOOKED_AT_MS
    return isBusy ? this.#busyShare : this.#measuredShare
  }

  /** Of the tasks where it was measured for them; else of their lane, which has done more in that time; else as they tell themselves. */
  get #measuredShare(): number | null {
    const measured = this.#telling.filter(({ cpuMs, serviceMs }) => cpuMs >= 0 && serviceMs > 0)
    const shareOf = (cpuMs: number, trials: readonly Trial[]) =>
      Math.min(1, cpuMs / sumOf(trials.map(({ serviceMs, coreWaitMs }) => serviceMs - coreWaitMs)))
    if (measured.length > 0) return shareOf(sumOf(measured.map(({ cpuMs }) => cpuMs)), measured)
    return this.#laneCpuMs > 0 && this.totalMs > 0 ? shareOf(this.#laneCpuMs, this.#trials) : this.#busyShare
  }

  /** From the end of a task to the start of the next one of the same grant: the lane's own work. */
  get #gapMs(): number {
    const telling = this.#telling
    const gaps = telling.flatMap((trial, at) => {
      const before = telling[at - 1]
      if (before?.grant !== trial.grant) return []
      return Math.max(0, trial.startedAt - before.startedAt - before.serviceMs)
    })
    return gaps.length === 0 ? 0 : sumOf(gaps) / gaps.length
  }
}

/** Which share of their time the tasks of a block waited for a core. */
function coreWaitShareOf({ columns, laneCpuMs, laneLoad }: ResultBlock): number {
  const totalMs = sumOf([...columns.serviceMs.subarray(0, columns.count)])
  return totalMs > 0 ? coreWaitWithin(laneLoad, totalMs, laneCpuMs) / totalMs : 0
}

function trialAt(
  columns: ResultColumns,
  at: number,
  { grant, waitShare }: { grant: number; waitShare: number },
): Trial {
  const fetch = cellsAt(columns.fetches, at)
  const serviceMs = columns.serviceMs[at]!
  const cpuMs = columns.cpuMs?.[at] ?? Number.NaN
  return {
    startedAt: columns.startedAt[at]!,
    serviceMs,
    cpuMs,
    coreWaitMs: Math.max(0, Math.min(waitShare * serviceMs, serviceMs - (cpuMs >= 0 ? cpuMs : 0))),
    connectMs: (fetch?.dnsMs ?? 0) + (fetch?.connectMs ?? 0) + (fetch?.tlsMs ?? 0),
    grant,
  }
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0)
}
