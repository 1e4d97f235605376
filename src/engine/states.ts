/** The states of one run under way: as they are written down, numbered, and made known once they are on disk. */

import type { Clock } from '../clock.js'
import type { TaskError } from '../domain/errors.js'
import {
  doneOf,
  type ExecutionState,
  finalStatus,
  type RunRecord,
  type RunState,
  type RunStatus,
  stageStates,
} from '../domain/run.js'
import { assertTransition, type RunEvent } from '../domain/run-states.js'
import type { EventBus } from '../events/bus.js'
import type { Commit } from '../store/store.js'
import type { Entry, Ledger } from './ledger.js'
import type { EngineObserver } from './observer.js'
import type { Meters } from './rate.js'
import type { RecordedRun } from './recorder.js'

/** How a run ends. */
export interface Ending {
  failure: TaskError | null
  isCutShort: boolean
  isCancelled: boolean
}

interface Options {
  record: RunRecord
  ledger: Ledger
  meters: Meters
  clock: Clock
  bus: EventBus
  observer: Pick<EngineObserver, 'tasksEnded'>
  /** Tasks of a stage in service. */
  running(stage: number): number
  /** How the run ends with what has been handed over; null while it goes on. */
  ending(): Ending | null
  onEnded(): void
}

/**
 * Clients order what they see by its sequence: each change has a higher one than all before it, also than those of states
 * that are still on their way to the disk.
 */
export class RunStates implements RecordedRun {
  /** The last sequence given out. */
  #last: number
  #shown: number
  #shownRunning = 0
  #change: Partial<RunState> = {}
  /** Handed over, and not known to be on disk. */
  #unwritten = 0
  readonly #stageChanges = new Map<number, Partial<ExecutionState>>()
  #final = false

  constructor(private readonly options: Options) {
    this.#last = options.record.sequence
    this.#shown = this.#last
  }

  /** Whether it is on disk, and no other one on its way there. */
  get isStatusWritten(): boolean {
    return this.options.ledger.statuses.every((status) => status === this.status)
  }

  get runId(): number {
    return this.options.record.id
  }

  /** Of what clients see now. */
  get sequence(): number {
    return this.#shown
  }

  /** As clients see it, of all stages. */
  get running(): number {
    return stageStates(this.options.ledger.visible).reduce((sum, _, stage) => sum + this.runningIn(stage), 0)
  }

  /** Of one stage: nothing runs before the start is on disk, nor more than the plan that is there allows. */
  runningIn(stage: number): number {
    const { visible } = this.options.ledger
    const { concurrency } = stageStates(visible)[stage]!
    return visible.startedAt === null
      ? 0
      : Math.min(this.options.running(stage), concurrency ?? Number.POSITIVE_INFINITY)
  }

  get isEnding(): boolean {
    return this.options.ending() !== null
  }

  /** Whether the last state is on its way to the disk, or there. */
  get isFinal(): boolean {
    return this.#final
  }

  /** As it is written down next. */
  get status(): RunStatus {
    return this.#change.status ?? this.options.ledger.recorded.status
  }

  /** Goes with the next state that is written. */
  change(change: Partial<Omit<RunState, 'status'>>): void {
    Object.assign(this.#change, change)
  }

  /** Likewise. Throws where it cannot be. */
  enter(event: RunEvent, status: RunStatus): void {
    assertTransition(this.status, event, status)
    this.#change.status = status
  }

  /** The same of one stage of a pipeline. */
  changeStage(stage: number, change: Partial<ExecutionState>): void {
    this.#stageChanges.set(stage, { ...this.#stageChanges.get(stage), ...change })
  }

  /** To be called after whatever may have changed the number of running tasks. */
  showRunning(): void {
    const { running } = this
    if (running === this.#shownRunning) return
    this.#shownRunning = running
    this.#shown = this.#next()
    this.options.bus.runChanged(this.options.record.key)
  }

  /** An entry is handed to the recorder. */
  handOver(): void {
    this.#unwritten += 1
  }

  /** Whether all that has ended is on disk, and shown. */
  get isWritten(): boolean {
    return this.#unwritten === 0
  }

  advance(entries: readonly Entry[], queuedEntries: number): Pick<Commit, 'state' | 'sketches' | 'stageSketches'> {
    const { ledger, ending } = this.options
    const state = ledger.advance(entries, { ...this.#change, sequence: this.#next() }, this.#stageChanges)
    this.#change = {}
    this.#stageChanges.clear()
    const end = queuedEntries > 0 ? null : ending()
    if (end === null) return { state, sketches: null, stageSketches: [] }
    this.#finish(state, end)
    return { state, sketches: ledger.sketchesWith(entries), stageSketches: ledger.stageSketchesWith(entries) }
  }

  committed(entries: readonly Entry[]): void {
    const { ledger, meters, bus, record, observer, onEnded } = this.options
    ledger.acknowledge(entries)
    observer.tasksEnded(record.spec.stages, entries)
    this.#unwritten -= entries.length
    this.#shown = this.#final ? ledger.visible.sequence : this.#next()
    this.#shownRunning = this.running
    if (this.#final) onEnded()
    else meters.sample(ledger.visible)
    if (entries.some((entry) => entry.rows > 0)) bus.tasksCommitted(record.key)
    bus.runChanged(record.key)
  }

  /** Completes the state that is being written: with the last rows, the run has ended. */
  #finish(state: RunState, { failure, isCutShort, isCancelled }: Ending): void {
    const { meters, clock } = this.options
    const stages = stageStates(state)
    this.#final = true
    meters.sample(state)
    meters.finish(state)
    // What has not ended by now never starts. Of a run of one stage the first one is the run itself.
    for (const { counts } of [state, ...stages])
      counts[isCancelled ? 'cancelled' : 'skipped'] += counts.total - doneOf(counts)
    const status = isCutShort ? 'FAILED' : finalStatus(stages.at(-1)!.counts)
    this.#setStatus(state, isCancelled ? 'cancel' : 'end', isCancelled ? 'CANCELLED' : status)
    state.failure = failure
    state.finishedAt = clock.now()
  }

  #setStatus(state: RunState, event: RunEvent, status: RunStatus): void {
    assertTransition(state.status, event, status)
    state.status = status
  }

  #next(): number {
    this.#last += 1
    return this.#last
  }
}
