/** What must become of runs, told without any of the engine: of each task whether it has ended, how, and after how many attempts. */

import { isFinalRunStatus, type RunRecord, type RunStatus } from '../../src/domain/run.js'
import type { StoredTaskStatus } from '../../src/domain/task.js'

export interface StageBlueprint {
  kind: 'COMPUTE' | 'FETCH'
  dedupe: boolean
  perHostConcurrency: number | null
}

/** A launch, as far as the model knows it. */
export interface Blueprint {
  items: number
  /** Whether the source is a range or a template, and not a list. */
  isCompact: boolean
  stages: readonly StageBlueprint[]
  failFast: boolean
  maxAttempts: number
  priority: number
}

/** One item in one stage. */
export interface Place {
  stage: number
  index: number
}

interface Ended {
  status: StoredTaskStatus
  attempts: number
  isOnDisk: boolean
}

/** Of a task that is to be tried again. */
interface Tried {
  attempts: number
  notBeforeMs: number
}

export interface Report extends Place {
  attempt: number
  outcome: 'SUCCEEDED' | 'FAILED' | 'CANCELLED' | 'NOT_STARTED'
  /** Whether the failure is one that can be tried again, apart from what was asked of whom. */
  isRetryable: boolean
  retryAfterMs: number | null
}

/** RetryPolicy's defaults. */
const BACKOFF_MS = 200
const MAX_BACKOFF_MS = 10_000
/** Of a list every so many requests are POSTs, which are not sent twice. */
const POSTS = 5
const HOSTS = 3
const PAGES = 4

export class ModelRun {
  readonly #ended = new Map<string, Ended>()
  readonly #tried = new Map<string, Tried>()
  /** What is in service is ended, and nothing more starts: failFast has seen a failure, or the run was cancelled. */
  isEnding = false
  isCancelled = false
  isPaused = false
  #mayBeCancelled = false

  /** `random`: what World draws; `indexes`: the items that are to be done. */
  constructor(
    readonly number: number,
    readonly blueprint: Blueprint,
    private readonly random: number,
    readonly indexes: readonly number[] = [...Array(blueprint.items).keys()],
  ) {}

  /** As lanes are told whose work it is: a retry's is that of the run that it repeats. */
  tagOf(stage: number): string {
    return `run${this.number}stage${stage}`
  }

  get places(): Place[] {
    return this.blueprint.stages.flatMap((_, stage) => this.indexes.map((index) => ({ stage, index })))
  }

  /** What is left of an ended run: the items that did not go through every stage. Null where nothing is. */
  repeated(maxAttempts: number): ModelRun | null {
    const stage = this.blueprint.stages.length - 1
    const left = this.indexes.filter((index) => this.endOf({ stage, index })?.status !== 'SUCCEEDED')
    return left.length === 0 ? null : new ModelRun(this.number, { ...this.blueprint, maxAttempts }, this.random, left)
  }

  methodOf({ stage, index }: Place): string {
    const { isCompact } = this.blueprint
    return stage === 0 && !isCompact && index % POSTS === POSTS - 1 ? 'POST' : 'GET'
  }

  /** Where the item is fetched from; what the stage before gives it, and so what that is made of does not matter. */
  urlOf({ stage, index }: Place): string {
    if (stage === 0 && this.blueprint.isCompact) return `http://host.example/${index}`
    return `http://host${index % HOSTS}.example/${index % PAGES}`
  }

  hostOf(place: Place): string {
    return new URL(this.urlOf(place)).host
  }

  endOf(place: Place): Readonly<Ended> | null {
    return this.#ended.get(nameOf(place)) ?? null
  }

  /** The attempt that the task is to have next. */
  nextAttempt(place: Place): number {
    return (this.#tried.get(nameOf(place))?.attempts ?? 0) + 1
  }

  notBeforeMs(place: Place): number {
    return this.#tried.get(nameOf(place))?.notBeforeMs ?? 0
  }

  /** Whether the item may be in this stage: it has left the one before, as whatever it shares its answer with has. */
  hasArrived({ stage, index }: Place): boolean {
    if (stage === 0) return true
    const before = { stage: stage - 1, index }
    return this.endOf(before)?.status === 'SUCCEEDED' || this.#answers(before).includes('SUCCEEDED')
  }

  /** Whether it may end like this without having been sent. */
  mayShare(place: Place, status: StoredTaskStatus): boolean {
    return this.hasArrived(place) && this.#answers(place).includes(status)
  }

  /** A lane has told of these tasks, all at once. */
  report(reports: readonly Report[], { nowMs, isLeaving }: { nowMs: number; isLeaving: boolean }): void {
    let hasFailed = false
    // A run that ends goes on with that though the server leaves.
    const isCutOff = isLeaving && !this.isEnding
    for (const one of reports) {
      const { outcome } = one
      if (outcome === 'NOT_STARTED' || (outcome === 'CANCELLED' && isCutOff)) continue
      if (outcome === 'FAILED' && this.#isTriedAgain(one)) {
        this.#tried.set(nameOf(one), { attempts: one.attempt, notBeforeMs: nowMs + this.#delayMs(one) })
        continue
      }
      this.end(one, outcome, one.attempt)
      hasFailed ||= outcome === 'FAILED'
    }
    // The next start ends what has failed while the server was leaving.
    if (hasFailed && this.blueprint.failFast && !isLeaving) this.isEnding = true
  }

  end(place: Place, status: StoredTaskStatus, attempts: number): void {
    const before = this.endOf(place)
    if (before) throw new Error(`${this.tell(place)} ends ${status} and has ended ${before.status}`)
    this.#tried.delete(nameOf(place))
    this.#ended.set(nameOf(place), { status, attempts, isOnDisk: false })
  }

  /** A run that ends already does so, and a server that leaves has written the wish down for the next one. */
  cancel(isLeaving: boolean): void {
    if (this.isEnding || isLeaving) return
    if (this.isComplete) {
      this.#mayBeCancelled = true
      return
    }
    this.isEnding = true
    this.isCancelled = true
  }

  /** The wish came after the last of its tasks had ended, and before that was on disk. */
  takeCancelled(): void {
    this.isCancelled ||= this.#mayBeCancelled
  }

  /** The run comes to its end: what was to be tried again has failed, as its last attempt did, or was cancelled with it. */
  abandon(): void {
    for (const place of this.places) {
      const tried = this.#tried.get(nameOf(place))
      if (tried) this.end(place, this.isCancelled ? 'CANCELLED' : 'FAILED', tried.attempts)
    }
  }

  stored(place: Place): void {
    this.#ended.get(nameOf(place))!.isOnDisk = true
  }

  /** The server is gone, and another one has started: it knows what is on disk. */
  restart({ status, isCancelRequested }: Pick<RunRecord, 'status' | 'isCancelRequested'>): void {
    this.#tried.clear()
    for (const [name, { isOnDisk }] of this.#ended) if (!isOnDisk) this.#ended.delete(name)
    this.isPaused = status === 'PAUSED'
    this.#mayBeCancelled = false
    if (isFinalRunStatus(status)) return
    this.isCancelled = isCancelRequested
    this.isEnding = isCancelRequested || this.#hasFailedFast
  }

  /** Whether no task is left that could be done. */
  get isComplete(): boolean {
    return this.indexes.every((index) => this.#hasLeft(index))
  }

  /** The status that a run in which nothing is left to do ends with. */
  get finalStatus(): RunStatus {
    if (this.isCancelled) return 'CANCELLED'
    if (this.isEnding || this.#hasFailedFast) return 'FAILED'
    const last = this.blueprint.stages.length - 1
    const succeeded = this.#count(last, 'SUCCEEDED')
    if (succeeded === this.indexes.length) return 'SUCCEEDED'
    return succeeded > 0 ? 'PARTIAL' : 'FAILED'
  }

  /** Of one stage at the end: what has no row never started, as its item had failed or as the run was ended. */
  finalCounts(stage: number): Record<'total' | 'succeeded' | 'failed' | 'cancelled' | 'skipped', number> {
    const total = this.indexes.length
    const succeeded = this.#count(stage, 'SUCCEEDED')
    const failed = this.#count(stage, 'FAILED')
    const cut = this.#count(stage, 'CANCELLED')
    const lost = this.blueprint.stages.slice(0, stage).reduce((sum, _, at) => sum + this.#count(at, 'FAILED'), 0)
    const cancelled = this.isCancelled ? total - succeeded - failed - lost : cut
    return { total, succeeded, failed, cancelled, skipped: total - succeeded - failed - cancelled }
  }

  tell({ stage, index }: Place): string {
    return `item ${index} of ${this.tagOf(stage)}`
  }

  /** Also where the last tasks of the run have ended while the server was leaving. */
  get #hasFailedFast(): boolean {
    return this.blueprint.failFast && [...this.#ended.values()].some(({ status }) => status === 'FAILED')
  }

  #hasLeft(index: number): boolean {
    for (const stage of this.blueprint.stages.keys()) {
      const end = this.endOf({ stage, index })
      if (end?.status !== 'SUCCEEDED') return end !== null
    }
    return true
  }

  #count(stage: number, status: StoredTaskStatus): number {
    return this.places.filter((place) => place.stage === stage && this.endOf(place)?.status === status).length
  }

  #isTriedAgain(report: Report): boolean {
    if (this.isEnding || !report.isRetryable || report.attempt >= this.blueprint.maxAttempts) return false
    return this.blueprint.stages[report.stage]!.kind === 'COMPUTE' || this.methodOf(report) !== 'POST'
  }

  #delayMs({ attempt, retryAfterMs }: Report): number {
    return retryAfterMs ?? this.random * Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** (attempt - 1))
  }

  /** How those have ended that were sent and are the same request. */
  #answers(place: Place): StoredTaskStatus[] {
    const { stage } = place
    if (this.blueprint.stages[stage]!.dedupe !== true) return []
    const request = (one: Place) => `${this.methodOf(one)} ${this.urlOf(one)}`
    return this.places.flatMap((other) => {
      if (other.stage !== stage || request(other) !== request(place)) return []
      const end = this.endOf(other)
      // What was cut off has no answer.
      return end && end.attempts > 0 && end.status !== 'CANCELLED' ? [end.status] : []
    })
  }
}

function nameOf({ stage, index }: Place): string {
  return `${stage}/${index}`
}
