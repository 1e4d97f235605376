/** Comparisons: launches them, and has their runs run one after the other, each with all lanes to itself. */

import { randomUUID } from 'node:crypto'
import { shuffle } from 'simple-statistics'
import type { Clock } from '../clock.js'
import { type RunKey, toComparisonKey, toRunKey } from '../domain/ids.js'
import { Problems } from '../domain/problems.js'
import { doneOf, type RunCounts, type RunRecord, type RunStatus } from '../domain/run.js'
import { assertTransition } from '../domain/run-states.js'
import { Turns } from '../domain/turns.js'
import type { EventBus } from '../events/bus.js'
import type { FunctionCatalog } from '../functions/function.js'
import type { LanePool } from '../lanes/lane.js'
import type { Commit, CreatedComparison, NewComparison, Store } from '../store/store.js'
import type { Admission } from './admission.js'
import { Alarm } from './alarm.js'
import { type CheckedComparison, checkComparison } from './comparison-checks.js'
import type { ComparisonOutcome, LaunchComparisonInput } from './engine.js'
import type { FetchBudget } from './fetch-budget.js'
import type { Hosts } from './hosts.js'
import { laneNeeds } from './lane-needs.js'
import { fileOf, idempotencyOf } from './launch.js'
import { stateOf } from './ledger.js'
import type { LaunchLimits } from './limits.js'
import type { EngineObserver } from './observer.js'
import type { PlanLimits } from './plan.js'
import type { QueueLimit } from './queue-limit.js'
import type { Scheduler } from './scheduler.js'
import type { Solo } from './solos.js'

interface Options {
  store: Pick<Store, 'createComparison' | 'earlierComparison' | 'noteInterrupted' | 'commit' | 'synced'>
  lanes: Pick<LanePool, 'prepare'>
  scheduler: Pick<Scheduler, 'reserve' | 'vacate'>
  fetches: Pick<FetchBudget, 'isolate'>
  hosts: Pick<Hosts, 'isolate'>
  bus: EventBus
  observer: EngineObserver
  clock: Clock
  random(): number
  functions: FunctionCatalog
  limits: LaunchLimits & PlanLimits
  queue: Pick<QueueLimit, 'keep'>
  admission: Admission
  /** Carries the run out, from where it is. */
  execute(run: RunRecord): Promise<void>
  /** Writes something new down: not while the disk is in trouble. */
  creating<T>(work: () => Promise<T>): Promise<T>
  /** Does what writes, and takes note where it fails. */
  writing<T>(work: () => Promise<T>): Promise<T>
  onError(error: unknown): void
}

/** After a run that could not be begun. */
const RETRY_MS = 1_000

/** A comparison that has not ended. */
interface Underway extends Solo {
  readonly id: number
  /** Runs that have not ended, in their order: none while the last one that waited is being cancelled. */
  readonly left: RunRecord[]
  /** Whether the first of them is being carried out. */
  isRunning: boolean
  readonly retry: Alarm
}

export class Comparisons {
  readonly #underway = new Map<number, Underway>()
  #measuring: Underway | null = null
  /** Of a run that is alone, and of what is measured past the scheduler: neither is to be in the other's figures. */
  readonly #turns = new Turns(1)
  #endTurn = () => {}
  readonly #leaving = new AbortController()

  constructor(private readonly options: Options) {}

  /** Whether a run has all lanes to itself, or is about to have them prepared: nothing else is to be started beside it. */
  get isMeasuring(): boolean {
    return this.#measuring !== null
  }

  /** Tasks that wait in runs which have not begun. */
  get queuedTasks(): number {
    return this.#waiting.reduce((sum, { counts }) => sum + counts.total - doneOf(counts), 0)
  }

  /** When the first of the runs was launched that wait for their turn; null where none waits. */
  get oldestQueuedMs(): number | null {
    const launches = this.#waiting.map(({ createdAt }) => createdAt.getTime())
    return launches.length === 0 ? null : Math.min(...launches)
  }

  /** Of the runs that wait for their turn. */
  get waitingStatuses(): RunStatus[] {
    return this.#waiting.map(({ status }) => status)
  }

  async launch(input: LaunchComparisonInput, space: string): Promise<ComparisonOutcome> {
    const { store, limits, functions, admission } = this.options
    const { comparison: checked, userErrors } = checkComparison(input, limits, functions)
    if (checked === null) return { comparison: null, userErrors }
    const { created, userErrors: refused } = await admission.admit({
      tasks: tasksOf(checked),
      path: checked.sourcePath,
      idempotency: idempotencyOf(checked.launch, space),
      earlier: (idempotency) => store.earlierComparison(idempotency),
      write: () => this.#launch(checked, space),
    })
    if (created === null) return { comparison: null, userErrors: refused }
    if (created.outcome === 'conflict') return conflict(checked)
    await this.options.writing(() => store.synced())
    return { comparison: created.comparison, userErrors: [] }
  }

  /** Writes down which of these runs the end of the server has cut off: it is in their times. */
  async noteCutOff(runs: readonly RunRecord[]): Promise<void> {
    const isCutOff = ({ comparisonId, startedAt }: RunRecord) => comparisonId !== null && startedAt !== null
    const cutOff = runs.filter(isCutOff).map(({ id }) => id)
    if (cutOff.length > 0) await this.options.store.noteInterrupted(cutOff)
  }

  /** Takes up those that had not ended when the server did. `runs`: what is left of them, oldest first. */
  resume(runs: readonly RunRecord[]): void {
    const byComparison = new Map<number, RunRecord[]>()
    for (const run of runs) {
      if (run.comparisonId === null) continue
      const left = byComparison.get(run.comparisonId)
      if (left) left.push(run)
      else byComparison.set(run.comparisonId, [run])
    }
    for (const [id, left] of byComparison) this.#begin(id, left)
  }

  /** One of its runs has ended: the lanes are the others', until it is its turn again. */
  ended({ comparisonId, key }: RunRecord): void {
    const underway = comparisonId === null ? undefined : this.#underway.get(comparisonId)
    if (underway?.key !== key) return
    underway.left.shift()
    this.#goOn(underway)
  }

  /** Ends those of the runs CANCELLED that wait for their turn, all at once, and answers with their keys when that is on disk. */
  async cancelWaiting(keys: ReadonlySet<RunKey>): Promise<RunKey[]> {
    const cancelled = [...this.#underway.values()].flatMap((underway) => {
      const runs = underway.left.slice(underway.isRunning ? 1 : 0).filter(({ key }) => keys.has(key))
      return runs.length === 0 ? [] : [{ underway, runs }]
    })
    if (cancelled.length === 0) return []
    // None of them is to begin meanwhile.
    for (const { underway, runs } of cancelled) without(underway.left, runs)
    const now = this.options.clock.now()
    try {
      await this.options.store.commit(cancelled.flatMap(({ runs }) => runs.map((run) => toCancelled(run, now))))
    } catch (error) {
      for (const { underway, runs } of cancelled) {
        underway.left.push(...runs)
        underway.left.sort((a, b) => a.id - b.id)
        // Its turn may have come meanwhile, with nothing left of it.
        this.#underway.set(underway.id, underway)
        if (this.#measuring !== underway) this.options.scheduler.reserve(underway)
      }
      throw error
    }
    for (const { underway } of cancelled) {
      // Its lanes may be on their way: what has been begun for it finds that it is gone.
      if (underway.left.length === 0 && this.#measuring !== underway) this.#end(underway)
    }
    const ended = cancelled.flatMap(({ runs }) => runs)
    for (const { key, spec } of ended) {
      this.options.observer.runEnded(spec.kind, 'CANCELLED')
      this.options.bus.runChanged(key)
    }
    return ended.map(({ key }) => key)
  }

  /**
   * Does what takes lanes past the scheduler, while no run has all lanes to itself; one whose turn it is waits for its end. Rejects
   * where the server leaves before.
   */
  async aside<T>(work: () => Promise<T>): Promise<T> {
    const endTurn = await this.#turns.take(this.#leaving.signal)
    try {
      return await work()
    } finally {
      endTurn()
    }
  }

  /** No further run begins. */
  stop(): void {
    this.#leaving.abort(new Error('the server is leaving'))
    for (const { retry } of this.#underway.values()) retry.set(null)
  }

  get #stopped(): boolean {
    return this.#leaving.signal.aborted
  }

  get #waiting(): RunRecord[] {
    return [...this.#underway.values()].flatMap(({ left, isRunning }) => left.slice(isRunning ? 1 : 0))
  }

  async #launch(checked: CheckedComparison, space: string): Promise<CreatedComparison> {
    const created = await this.#create(checked, space)
    if (created.outcome !== 'created') return created
    for (const { spec } of created.runs) this.options.observer.runLaunched(spec.kind)
    if (this.#stopped) {
      this.options.queue.keep(tasksOf(checked))
      return created
    }
    this.#begin(created.comparison.id, created.runs)
    for (const { key } of created.runs) this.options.bus.runChanged(key)
    return created
  }

  async #create(checked: CheckedComparison, space: string): Promise<CreatedComparison> {
    const settle = checked.launch.upload?.hold()
    let isKept = false
    try {
      const comparison = this.#toNew(checked, space)
      const created = await this.options.creating(() => this.options.store.createComparison(comparison))
      isKept = created.outcome === 'created'
      return created
    } finally {
      settle?.(isKept)
    }
  }

  /** The order is shuffled anew in each round: what changes slowly on the machine is then no strategy's own. */
  #toNew({ name, rounds, strategies, specs, launch }: CheckedComparison, space: string): NewComparison {
    const { clock, random } = this.options
    const order = Array.from({ length: rounds }, () => shuffle(specs, random)).flat()
    return {
      key: toComparisonKey(randomUUID()),
      name,
      strategies,
      rounds,
      createdAt: clock.now(),
      runs: order.map((spec) => ({ key: toRunKey(randomUUID()), spec })),
      items: launch.items,
      file: fileOf(launch),
      idempotency: idempotencyOf(launch, space),
    }
  }

  #begin(id: number, left: RunRecord[]): void {
    const { scheduler, clock } = this.options
    const first = left[0]!.key
    const underway: Underway = {
      id,
      left,
      isRunning: false,
      priority: left[0]!.spec.priority,
      get key(): RunKey {
        return left[0]?.key ?? first
      },
      begin: () => void this.#measure(underway),
      retry: new Alarm(clock, () => scheduler.reserve(underway)),
    }
    this.#underway.set(id, underway)
    scheduler.reserve(underway)
  }

  /** No other run holds a lane, nor will. */
  async #measure(underway: Underway): Promise<void> {
    const { fetches, hosts, execute, onError, clock } = this.options
    const run = underway.left[0]
    this.#measuring = underway
    // All that was left of it is being cancelled.
    if (run === undefined) {
      this.#goOn(underway)
      return
    }
    const endTurn = await this.#turns.take(this.#leaving.signal).catch(() => null)
    if (endTurn === null) return
    this.#endTurn = endTurn
    fetches.isolate(run.key)
    hosts.isolate(run.key)
    await this.#prepareLanes(run)
    if (this.#stopped) return
    if (underway.left[0] !== run) {
      this.#goOn(underway)
      return
    }
    underway.isRunning = true
    try {
      await execute(run)
    } catch (error) {
      onError(error)
      this.#letGo(underway)
      underway.retry.set(clock.monotonicMs() + RETRY_MS)
    }
  }

  /** What cannot be prepared is told by the run itself, which then has to do with what there is. */
  async #prepareLanes({ spec }: RunRecord): Promise<void> {
    const { lanes, limits, onError } = this.options
    try {
      for (const { kind, count, works } of laneNeeds(spec, limits)) await lanes.prepare(kind, count, works)
    } catch (error) {
      if (!this.#stopped) onError(error)
    }
  }

  /** It is the others' turn. */
  #goOn(underway: Underway): void {
    this.#letGo(underway)
    if (underway.left.length > 0) this.options.scheduler.reserve(underway)
    else this.#underway.delete(underway.id)
  }

  /** Nothing is left of it, and it never had its turn. */
  #end(underway: Underway): void {
    underway.retry.set(null)
    this.#underway.delete(underway.id)
    this.options.scheduler.vacate(underway, true)
  }

  #letGo(underway: Underway): void {
    underway.isRunning = false
    this.#measuring = null
    this.#endTurn()
    // Those who wait for room ask for lanes again, before it is seen who goes on.
    this.options.fetches.isolate(null)
    this.options.hosts.isolate(null)
    this.options.scheduler.vacate(underway, underway.left.length === 0)
  }
}

function without(left: RunRecord[], runs: readonly RunRecord[]): void {
  for (const run of runs) left.splice(left.indexOf(run), 1)
}

/** As it ends that was never begun. */
function toCancelled(run: RunRecord, now: Date): Commit {
  const state = stateOf(run)
  const cancelled = (counts: RunCounts): RunCounts => ({ ...counts, cancelled: counts.total - doneOf(counts) })
  assertTransition(run.status, 'cancel', 'CANCELLED')
  return {
    runId: run.id,
    state: {
      ...state,
      status: 'CANCELLED',
      isCancelRequested: true,
      counts: cancelled(state.counts),
      stages: state.stages?.map((stage) => ({ ...stage, counts: cancelled(stage.counts) })) ?? null,
      sequence: state.sequence + 1,
      finishedAt: now,
    },
    blocks: [],
    sketches: null,
    stageSketches: [],
  }
}

function tasksOf({ specs, rounds }: CheckedComparison): number {
  return rounds * specs.reduce((sum, { source, stages }) => sum + source.count * stages.length, 0)
}

function conflict({ launch, sourcePath }: CheckedComparison): ComparisonOutcome {
  const problems = new Problems()
  const path = [...sourcePath.slice(0, -1), 'options', 'idempotencyKey']
  const message = `the idempotency key "${launch.idempotencyKey}" belongs to a launch with another input`
  problems.add('IDEMPOTENCY_CONFLICT', path, message)
  return { comparison: null, userErrors: problems.list() }
}
