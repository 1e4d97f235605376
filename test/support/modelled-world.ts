/** A world whose runs are all known to a model: tells the model what happens, and holds the one to the other. */

import { expect } from 'vitest'
import type { RunKey } from '../../src/domain/ids.js'
import { Outcome } from '../../src/domain/results.js'
import { doneOf, isFinalRunStatus, type RunRecord, type RunStatus, stageStates } from '../../src/domain/run.js'
import { RUN_TRANSITIONS } from '../../src/domain/run-states.js'
import { StorageError } from '../../src/domain/storage.js'
import type { ControlOutcome, LaunchOptionsInput } from '../../src/engine/engine.js'
import type { Runs } from '../../src/engine/runs.js'
import type { InService } from '../../src/lanes/lane.js'
import type { JobSpec } from '../../src/lanes/protocol.js'
import { World } from './engine-world.js'
import type { FakeLane, Verdict } from './fake-lanes.js'
import type { MemoryRow } from './memory-store.js'
import { launchOf, outputOf, tagOf } from './modelled-launches.js'
import { type Blueprint, ModelRun, type Report } from './run-model.js'

const RANDOM = 0.5

interface Known {
  key: RunKey
  model: ModelRun
  /** Rows that were seen on disk, as they were. */
  rows: string[]
  /** Of a run that stands still: what was in service when its pause was answered, or the server started. Null: it goes on. */
  still: ReadonlySet<string> | null
}

export type Wish = 'cancel' | 'pause' | 'resume'

interface Answered {
  wish: Wish
  /** What could be, when it was asked for. */
  expected: 'done' | 'refused' | 'either'
  outcome: ControlOutcome
}

export class ModelledWorld extends World {
  readonly #known: Known[] = []
  #isLeaving = false
  #commitsSeen = 0
  /** What is to be seen of answers: an error that is thrown where they come is nobody's. */
  readonly #answers: (() => void)[] = []
  readonly #stored = new Map<number, Pick<RunRecord, 'status' | 'sequence' | 'startedAt' | 'counts'>>()

  constructor() {
    super({}, () => RANDOM)
    this.onLaneDeath = (lane, inService) => this.#died(lane, inService)
  }

  async launchModelled(blueprint: Blueprint, options: LaunchOptionsInput): Promise<void> {
    const model = new ModelRun(this.#known.length, blueprint, RANDOM)
    for (const stage of blueprint.stages.keys()) this.functions.add(model.tagOf(stage))
    const asked = {
      ...options,
      failFast: blueprint.failFast,
      priority: blueprint.priority,
      retry: { maxAttempts: blueprint.maxAttempts },
    }
    if (this.runs.storage.trouble) return this.#refused(launchOf(this.runs, model, asked))
    const { run, userErrors } = await launchOf(this.runs, model, asked)
    expect(userErrors).toEqual([])
    this.#known.push({ key: run!.record.key, model, rows: [], still: null })
  }

  /** Repeats what is left of a run. Two runs of the same work at once could not be told apart by what lanes are handed. */
  async retry(at: number, maxAttempts: number): Promise<void> {
    const { key, model } = this.#known[at % this.#known.length]!
    const twin = this.#known.find((one) => one.model.number === model.number && !this.#hasEnded(one) && one.key !== key)
    if (twin) return
    const expected = isFinalRunStatus(this.record(key).status) ? model.repeated(maxAttempts) : null
    if (expected && this.runs.storage.trouble) return this.#refused(this.runs.retryRun(key, { maxAttempts }))
    const { run, userErrors } = await this.runs.retryRun(key, { maxAttempts })
    expect(userErrors.map(({ code }) => code)).toEqual(expected ? [] : ['INVALID_STATE'])
    if (expected) this.#known.push({ key: run!.record.key, model: expected, rows: [], still: null })
  }

  /** A disk that was slow for seconds takes nothing new for a moment. */
  async #refused(launch: Promise<unknown>): Promise<void> {
    await expect(launch).rejects.toThrow(StorageError)
  }

  #hasEnded({ key }: Pick<Known, 'key'>): boolean {
    return isFinalRunStatus(this.record(key).status)
  }

  /** Has a lane report what it holds at these places. */
  report(lane: FakeLane, places: readonly number[], verdictOf: (held: FakeLane['held'][number]) => Verdict): void {
    const reports: Report[] = []
    const { model, stage } = this.#workOf(lane.job!)
    const told = (held: FakeLane['held'][number]): Verdict => {
      const verdict = verdictOf(held)
      const place = { stage, index: held.index }
      reports.push({
        ...place,
        attempt: held.attempt,
        outcome: OUTCOMES[verdict.outcome],
        isRetryable: verdict.error?.retryable ?? false,
        retryAfterMs: verdict.retryAfterMs ?? null,
      })
      return verdict.outcome === Outcome.SUCCEEDED ? { ...verdict, output: outputOf(model, place) } : verdict
    }
    const nowMs = this.clock.monotonicMs()
    lane.end(places, told, { beforeTold: () => model.report(reports, { nowMs, isLeaving: this.#isLeaving }) })
  }

  /** Has a lane let go of what it was asked for, if it was. */
  giveBack(lane: FakeLane): void {
    if (!lane.recalled) return
    lane.recalled = false
    const waiting = [...lane.held.keys()].filter((place) => lane.held[place]!.startedAt === null)
    if (waiting.length > 0) this.report(lane, waiting, () => ({ outcome: Outcome.NOT_STARTED }))
  }

  /** Asks for it, and waits for no answer: that is looked at when it comes. */
  control(wish: Wish, at: number): void {
    const known = this.#known[at % this.#known.length]!
    const { key, model } = known
    const { runs } = this
    const asked = {
      cancel: () => runs.cancelRun(key),
      pause: () => runs.pauseRun(key),
      resume: () => runs.resumeRun(key),
    }
    const expected = this.#expectedOf(known, wish)
    this.waiting += 1
    void asked[wish]().then(
      (outcome) => this.#hear(runs, () => this.#answered(known, { wish, expected, outcome })),
      (error: Error) => this.#hear(runs, () => this.#failed(wish, error)),
    )
    if (expected === 'refused') return
    known.still = null
    if (wish === 'cancel') model.cancel(this.#isLeaving)
    else model.isPaused = wish === 'pause'
  }

  /** Nobody hears of the answer of a server that is gone. */
  #hear(runs: Runs, answer: () => void): void {
    if (this.runs !== runs) return
    this.waiting -= 1
    answer()
  }

  /** It goes on as it was asked to: the disk alone does not know of it yet. */
  #failed(wish: Wish, error: Error): void {
    const isSlow = !this.store.autoCommit
    this.#answers.push(() => {
      expect(isSlow, `${wish}: ${error.message}`).toBe(true)
      expect(error.message).toMatch('could not be written yet')
    })
  }

  #expectedOf({ key, model }: Known, wish: Wish): Answered['expected'] {
    if (this.#hasEnded({ key })) return 'refused'
    // All of it has ended, and the disk is slow: either may come first.
    if (model.isComplete) return 'either'
    if (wish === 'cancel') return model.isEnding ? 'either' : 'done'
    return model.isEnding || model.isPaused === (wish === 'pause') ? 'refused' : 'done'
  }

  #isOver({ key, model }: Known): boolean {
    return this.#hasEnded({ key }) || model.isComplete
  }

  #answered(known: Known, { wish, expected, outcome }: Answered): void {
    const { key, model } = known
    const [error] = outcome.userErrors
    const status = outcome.run?.record.status
    const stored = this.record(key).status
    const standsStill = wish === 'pause' && status === 'PAUSED' && model.isPaused
    if (standsStill) known.still = this.#inService(known)
    this.#answers.push(() => {
      const what = `${wish} of ${model.tagOf(0)}: ${error?.message ?? status}`
      // What is answered is on disk.
      if (standsStill) expect(stored === 'PAUSED' || isFinalRunStatus(stored), what).toBe(true)
      if (wish === 'cancel' && status !== undefined && isFinalRunStatus(status)) expect(status, what).toBe('CANCELLED')
      if (error) {
        expect(error.code, what).toBe('INVALID_STATE')
        expect(error.message, what).toMatch(/QUEUED|RUNNING|PAUSED|SUCCEEDED|PARTIAL|FAILED|CANCELLED/)
      }
      if (expected === 'refused') expect(error, what).toBeDefined()
      // It may have come to its end meanwhile.
      if (expected === 'done') expect(error === undefined || this.#isOver(known), what).toBe(true)
    })
  }

  #inService({ model }: Known): Set<string> {
    const names = this.pool.busy.flatMap((lane) => {
      const work = lane.job && this.#workOf(lane.job)
      if (work?.model !== model) return []
      return lane
        .inService()
        .map(({ index, attempt }) => `${model.tell({ stage: work.stage, index })} attempt ${attempt}`)
    })
    return new Set(names)
  }

  override async crash(): Promise<void> {
    this.#noteRows()
    this.#restartModels()
    await super.crash()
  }

  #restartModels(): void {
    for (const known of this.#known) {
      known.model.restart(this.record(known.key))
      known.still = known.model.isPaused ? new Set() : null
    }
  }

  override async leave(drainMs: number, meanwhile: () => Promise<void> = async () => {}): Promise<void> {
    this.#isLeaving = true
    await super.leave(drainMs, meanwhile)
    this.#isLeaving = false
    this.#noteRows()
    this.#restartModels()
  }

  #died(lane: FakeLane, inService: readonly InService[]): void {
    if (lane.job === null || inService.length === 0) return
    const { model, stage } = this.#workOf(lane.job)
    // Which of several it was is found out by having each try again with nothing beside it.
    if (inService.length > 1 && !lane.cancelled && lane.job.work.kind === 'COMPUTE') return
    const reports = inService.map(({ index, attempt }): Report => {
      const outcome = lane.cancelled ? 'CANCELLED' : 'FAILED'
      return { stage, index, attempt, outcome, isRetryable: true, retryAfterMs: null }
    })
    model.report(reports, { nowMs: this.clock.monotonicMs(), isLeaving: this.#isLeaving })
  }

  /** A lane keeps the job that it was lent out for last. */
  #holds({ job }: FakeLane, { model }: Known): boolean {
    return job !== null && this.#workOf(job).model === model
  }

  #workOf({ work }: JobSpec): { known: Known; model: ModelRun; stage: number } {
    const tag = tagOf(work)
    const stageIn = ({ model }: Known) => model.blueprint.stages.findIndex((_, at) => model.tagOf(at) === tag)
    const named = this.#known.filter((one) => stageIn(one) >= 0)
    const known = named.find((one) => !this.#hasEnded(one)) ?? named.at(-1)
    if (!known) throw new Error(`no run is called ${tag}`)
    return { known, model: known.model, stage: stageIn(known) }
  }

  /** Everything that must hold at any time, once all promises have settled. */
  async check(): Promise<void> {
    expect(this.store.problems()).toEqual([])
    expect(this.pool.problems).toEqual([])
    this.#noteRows()
    for (const look of this.#answers.splice(0)) look()
    this.#checkStored()
    this.#checkLanes()
    for (const known of this.#known) this.#checkRun(known)
    await this.look()
  }

  /** Takes over what has come to the disk: it must be what the model says. */
  #noteRows(): void {
    for (const { key, model, rows } of this.#known) {
      const stored = this.rows(key)
      expect(stored.slice(0, rows.length).map((row) => JSON.stringify(row))).toEqual(rows)
      const fresh = stored.slice(rows.length)
      for (const row of fresh) this.#noteRow(key, model, row)
      rows.push(...fresh.map((row) => JSON.stringify(row)))
    }
  }

  #noteRow(key: RunKey, model: ModelRun, row: MemoryRow): void {
    const { status, attempts } = row
    if (attempts === 0 && model.endOf(row) === null && model.mayShare(row, status)) model.end(row, status, attempts)
    if (model.isEnding && isFinalRunStatus(this.record(key).status)) model.abandon()
    const end = model.endOf(row)
    expect(end && { status: end.status, attempts: end.attempts }, model.tell(row)).toEqual({ status, attempts })
    model.stored(row)
  }

  /** Each state that was written follows from the one before. */
  #checkStored(): void {
    for (const { runId, state } of this.store.commits.slice(this.#commitsSeen).flat()) {
      const before = this.#stored.get(runId) ?? { status: 'QUEUED', sequence: 0, startedAt: null, counts: null }
      const { status, startedAt, counts, stages } = state
      expect(reachable(before.status), `from ${before.status}`).toContain(status)
      expect(state.sequence).toBeGreaterThan(before.sequence)
      if (before.startedAt) expect(startedAt).toEqual(before.startedAt)
      if (status === 'QUEUED' || status === 'RUNNING') expect(startedAt !== null, status).toBe(status === 'RUNNING')
      for (const figure of ['succeeded', 'failed', 'cancelled', 'skipped', 'bytes'] as const) {
        expect(counts[figure]).toBeGreaterThanOrEqual(before.counts?.[figure] ?? 0)
        expect((stages ?? [state]).reduce((sum, stage) => sum + stage.counts[figure], 0)).toBe(counts[figure])
      }
      this.#stored.set(runId, structuredClone({ status, sequence: state.sequence, startedAt, counts }))
    }
    this.#commitsSeen = this.store.commits.length
  }

  /** What lanes hold has not ended, is nowhere else, has its turn, and was not tried more often or sooner than it may be. */
  #checkLanes(): void {
    const seen = new Set<string>()
    const perHost = new Map<string, number>()
    for (const lane of this.pool.busy) {
      for (const { index, attempt, startedAt } of lane.held) {
        const { known, model, stage } = this.#workOf(lane.job!)
        const place = { stage, index }
        const what = model.tell(place)
        expect(seen, `${what} is in two places`).not.toContain(what)
        seen.add(what)
        expect(isFinalRunStatus(this.record(known.key).status), `${what} is held after the end`).toBe(false)
        expect(model.endOf(place), `${what} has ended, and is held`).toBeNull()
        expect(model.hasArrived(place), `${what} has not come through the stage before`).toBe(true)
        expect(attempt, what).toBe(model.nextAttempt(place))
        expect(attempt, what).toBeLessThanOrEqual(model.blueprint.maxAttempts)
        expect(this.clock.monotonicMs(), `${what} in its back-off`).toBeGreaterThanOrEqual(model.notBeforeMs(place))
        if (model.isEnding && startedAt !== null) expect(lane.cancelled || lane.killed, `${what} goes on`).toBe(true)
        const { perHostConcurrency } = model.blueprint.stages[stage]!
        const host = `${model.tagOf(stage)} ${model.hostOf(place)}`
        perHost.set(host, (perHost.get(host) ?? 0) + 1)
        if (perHostConcurrency !== null) expect(perHost.get(host), host).toBeLessThanOrEqual(perHostConcurrency)
      }
    }
  }

  #checkRun(known: Known): void {
    const { key, model, still } = known
    const record = this.record(key)
    if (still !== null) this.#checkStill(known, still)
    const { status } = record
    const holds = this.pool.busy.some((lane) => lane.held.length > 0 && this.#holds(lane, known))
    if (isFinalRunStatus(status)) this.#checkEnd(record, model)
    else if (this.store.autoCommit && !this.#isLeaving) {
      for (const place of model.places) {
        const end = model.endOf(place)
        if (end) expect(end.isOnDisk, `${model.tell(place)} has ended, and is not on disk`).toBe(true)
      }
      // What has nothing left to do has ended.
      expect(model.isComplete || (model.isEnding && !holds), `${model.tagOf(0)} is still ${status}`).toBe(false)
    }
  }

  /** Nothing starts in a pause, and lanes are others' as soon as they have nothing in service. */
  #checkStill(known: Known, still: ReadonlySet<string>): void {
    const inService = [...this.#inService(known)]
    expect(
      inService.filter((what) => !still.has(what)),
      'started in a pause',
    ).toEqual([])
    const idle = this.pool.busy.filter((lane) => lane.held.length === 0 && this.#holds(lane, known))
    expect(idle, 'lanes that a pause keeps').toEqual([])
  }

  #checkEnd(record: RunRecord, model: ModelRun): void {
    expect(model.isComplete || model.isEnding, `${model.tagOf(0)} is ${record.status} too soon`).toBe(true)
    if (model.isEnding) model.abandon()
    if (record.status === 'CANCELLED') model.takeCancelled()
    expect(record.status).toBe(model.finalStatus)
    const stages = stageStates(record)
    for (const [stage, { counts }] of stages.entries()) expect(counts).toMatchObject(model.finalCounts(stage))
    expect(doneOf(record.counts)).toBe(model.places.length)
    expect(record.failure).toBeNull()
    for (const place of model.places) {
      const end = model.endOf(place)
      if (end) expect(end.isOnDisk, `${model.tell(place)} has ended, and has no row`).toBe(true)
    }
  }

  /** Lets everything succeed until nothing is left to do. */
  async finish(): Promise<void> {
    for (let round = 0; round < 400; round += 1) {
      this.store.autoCommit = true
      this.store.release()
      this.pool.slowStarts = false
      this.pool.letStart()
      await this.settle()
      await this.check()
      for (const [at, { model }] of this.#known.entries()) if (model.isPaused) this.control('resume', at)
      await this.settle()
      if ([...this.store.records.values()].every(({ status }) => isFinalRunStatus(status))) break
      for (const lane of this.pool.busy) {
        this.giveBack(lane)
        this.report(lane, [...lane.held.keys()], succeed(lane))
      }
      await this.settle()
      // What was in service at two crashes waits for long.
      await this.pass(round < 100 ? 1_000 : 10_000)
    }
    expect([...this.store.records.values()].filter(({ status }) => !isFinalRunStatus(status))).toEqual([])
    expect(this.pool.busy).toEqual([])
    // What was slow is taken for trouble of the disk until it has been tried again.
    await this.pass(2_000)
    expect(this.runs.storage.trouble).toBeNull()
    expect(this.clock.nextDueMs).toBeNull()
  }
}

/** A slow disk is not told of each status that a run was in. */
function reachable(from: RunStatus): ReadonlySet<RunStatus> {
  const found = new Set([from])
  for (const status of found)
    for (const ways of Object.values(RUN_TRANSITIONS[status])) for (const to of ways) found.add(to)
  return found
}

const OUTCOMES = {
  [Outcome.SUCCEEDED]: 'SUCCEEDED',
  [Outcome.FAILED]: 'FAILED',
  [Outcome.CANCELLED]: 'CANCELLED',
  [Outcome.NOT_STARTED]: 'NOT_STARTED',
} as const

/** A lane that was asked to end has begun with nothing more. */
export function succeed(lane: FakeLane): (held: FakeLane['held'][number]) => Verdict {
  return ({ startedAt }) => ({
    outcome: lane.cancelled && startedAt === null ? Outcome.NOT_STARTED : Outcome.SUCCEEDED,
  })
}
