/** Tries a few tasks of a batch, so that its plan can go by what they take. Nothing of it is kept. */

import { randomUUID } from 'node:crypto'
import type { PickedItem } from '../counting/counter.js'
import type { BatchSpec, FetchOptions, FetchRequest, Json, StageSpec } from '../domain/batch.js'
import { isUnsendable, stageLabel, stageTimeoutMs, toFetchRequest } from '../domain/batch.js'
import { fetchAt } from '../domain/fetch-column.js'
import { handOver, linkAfter, readHandedOver, readRequestHandedOver } from '../domain/hand-over.js'
import { toRunKey } from '../domain/ids.js'
import { urlOf } from '../domain/request-key.js'
import { isSafeMethod } from '../domain/requests.js'
import { Outcome, outputAt, type ResultColumns } from '../domain/results.js'
import type { LaneKind } from '../domain/strategy.js'
import { Turns } from '../domain/turns.js'
import type { JobSpec } from '../lanes/protocol.js'
import type { SourceFile } from '../store/store.js'
import { ComputeFeed, PickedFeed } from './feeds.js'
import { LimitedHosts, NO_HOST } from './host-gate.js'
import { reportTo } from './host-reports.js'
import { HostSeat } from './host-seat.js'
import type { HostUser } from './host-state.js'
import type { Hosts } from './hosts.js'
import { Measure } from './measure.js'
import { type Feed, ProbeRun, type ProbeSetting } from './probe-run.js'
import { CANCEL_GRACE_MS } from './session.js'

/** All of a probe, what waits for a lane and what lets go of one included. */
const MAX_PROBE_MS = 2_000
/** Then what goes on is cancelled; what does not listen has ended with its lane before all of the time is over. */
const MEASURE_MS = MAX_PROBE_MS - CANCEL_GRACE_MS - 100
/** Items that are picked to be tried. */
export const MAX_PICKED = { FETCH: 5, COMPUTE: 7, PIPELINE: 5 } as const
const LEFT_ALONE = 'The host is to be left alone for longer than a plan may take: nothing was measured.'
/** Of a pipeline's items so many are enough, where they took so long. */
const ENOUGH_ITEMS = 3
const ENOUGH_MS = 300

export interface ProbeRequest {
  spec: BatchSpec
  picked: readonly PickedItem[]
  /** The items of a list. */
  items: readonly unknown[] | null
  /** Of a file source. */
  file: SourceFile | null
  /** Requests in flight at most, by stage. */
  concurrency: readonly number[]
}

export interface ProbeResult {
  /** By stage. */
  measures: Measure[]
  /** What was not tried, and why: a sentence each. */
  notes: string[]
}

interface Trial extends ProbeRequest, ProbeResult {
  /** By stage: which of its requests may start. */
  seats: HostSeat[]
  /** What is being tried. */
  underway: ProbeRun | null
  /** By the monotonic clock. */
  untilMs: number
  ending: AbortSignal
}

export interface ProberSetting extends ProbeSetting {
  hosts: Hosts
  maxOutputBytes: number
}

export class Prober {
  /** One after the other: together they would measure each other, and ask hosts for more than one at a time. */
  readonly #turns = new Turns(1)

  constructor(private readonly setting: ProberSetting) {}

  /** Takes two seconds at most, and leaves nothing behind. Rejects with the signal's reason once that is aborted. */
  async probe(request: ProbeRequest, signal: AbortSignal): Promise<ProbeResult> {
    const { clock } = this.setting
    const late = new AbortController()
    const cancel = clock.setTimer(() => late.abort(), MEASURE_MS)
    const trial: Trial = {
      ...request,
      measures: request.spec.stages.map(() => new Measure()),
      notes: [],
      seats: [],
      underway: null,
      untilMs: clock.monotonicMs() + MEASURE_MS,
      ending: AbortSignal.any([signal, late.signal]),
    }
    this.#takeSeats(trial)
    try {
      const endTurn = await this.#turns.take(trial.ending).catch(() => null)
      if (endTurn === null) trial.notes.push('Other plans took all of the time for it: nothing was measured.')
      else await this.#try(trial).finally(endTurn)
    } finally {
      cancel()
      for (const seat of trial.seats) seat.leave()
    }
    signal.throwIfAborted()
    return trial
  }

  #takeSeats(trial: Trial): void {
    const { stages, priority } = trial.spec
    // A try is soon over: its place is kept until its lane has come.
    const user: HostUser = {
      key: toRunKey(randomUUID()),
      hasKin: false,
      priority,
      holdsLane: true,
      spare: 1,
      running: 1,
    }
    const onChanged = () => trial.underway?.look()
    trial.seats = stages.map(
      (stage) => new HostSeat({ hosts: this.setting.hosts, user, asked: null, own: limitsOf(stage), onChanged }),
    )
  }

  #try(trial: Trial): Promise<void> {
    const { stages } = trial.spec
    if (trial.spec.kind === 'PIPELINE') return this.#tryPipeline(trial)
    return stages[0]?.kind === 'FETCH' ? this.#tryFetches(trial) : this.#tryComputes(trial)
  }

  async #tryFetches(trial: Trial): Promise<void> {
    const { picked, measures, seats, concurrency, untilMs } = trial
    if (picked.length === 0) return
    const slots = Math.max(1, Math.min(picked.length, concurrency[0] ?? 1))
    const feed = new PickedFeed({
      measure: measures[0]!,
      clock: this.setting.clock,
      items: picked.map(({ index, item }) => ({ index, input: item, host: hostOf(item) })),
      slots,
      gate: seats[0]!,
      untilMs,
      onReported: (columns, sentOf) => reportTo(seats[0]!, columns, sentOf),
      onEnded: () => {},
    })
    await this.#run(trial, { stage: 0, slots, source: null, feed })
  }

  async #tryComputes(trial: Trial): Promise<void> {
    const { picked, items, file, measures, spec } = trial
    if (picked.length === 0) return
    const { source } = spec
    const feed = new ComputeFeed({
      measure: measures[0]!,
      clock: this.setting.clock,
      total: source.count,
      picked: picked.map(({ index }) => index),
      inputAt: (index) => (items === null ? undefined : items[index]),
    })
    const compact = source.kind === 'range' || source.kind === 'template' ? source : null
    await this.#run(trial, { stage: 0, slots: 1, source: compact ?? (file && { kind: 'file', ...file }), feed })
  }

  /** Each item goes through all stages before the next one does: should the time not do for more, all stages are known. */
  async #tryPipeline(trial: Trial): Promise<void> {
    const { clock } = this.setting
    const startedMs = clock.monotonicMs()
    let through = 0
    for (const { index, item } of trial.picked) {
      if (await this.#tryItem(trial, index, item)) through += 1
      if (trial.ending.aborted || (through >= ENOUGH_ITEMS && clock.monotonicMs() - startedMs >= ENOUGH_MS)) break
    }
  }

  /** Whether it went through all stages. */
  async #tryItem(trial: Trial, index: number, item: Json): Promise<boolean> {
    const { spec, measures } = trial
    let input: unknown = item
    for (const stage of spec.stages.keys()) {
      const columns = await this.#tryStage(trial, { stage, index, input })
      if (columns === null || columns.outcomes[0] !== Outcome.SUCCEEDED) return false
      const link = linkAfter(spec, stage)
      if (link === null) return true
      const text = handOver(link, { output: outputAt(columns.outputs, 0), fetch: fetchAt(columns.fetches, 0) })
      const next = link.to === 'FETCH' ? requestFrom(text) : readHandedOver(text)
      if (next.problem !== null) {
        measures[stage + 1]!.fail(index, { code: 'INVALID_INPUT', message: next.problem, retryable: false })
        return false
      }
      input = next.input
    }
    return true
  }

  /** Null where it was not tried, or did not end in time. */
  async #tryStage(
    trial: Trial,
    { stage, index, input }: { stage: number; index: number; input: unknown },
  ): Promise<ResultColumns | null> {
    const { spec, measures, seats, untilMs, notes } = trial
    const { kind } = spec.stages[stage]!
    if (kind === 'FETCH' && !isSafeMethod(toFetchRequest(input).method)) {
      const { method } = toFetchRequest(input)
      notes.push(`${stageLabel(spec.stages, stage)}: item ${index} is a ${method}, which is not sent for a plan.`)
      return null
    }
    let columns: ResultColumns | null = null
    const feed = new PickedFeed({
      measure: measures[stage]!,
      clock: this.setting.clock,
      items: [{ index, input, host: kind === 'FETCH' ? hostOf(input) : NO_HOST }],
      slots: 1,
      gate: seats[stage]!,
      untilMs,
      onReported: (reported, sentOf) => {
        if (kind === 'FETCH') reportTo(seats[stage]!, reported, sentOf)
      },
      onEnded: (ended) => {
        columns = ended
      },
    })
    await this.#run(trial, { stage, slots: 1, source: null, feed })
    return columns
  }

  /** Resolves when the lane is back. */
  async #run(
    trial: Trial,
    { stage, slots, source, feed }: { stage: number; slots: number; source: JobSpec['source']; feed: Feed },
  ): Promise<void> {
    const { spec, ending, notes, measures } = trial
    if (ending.aborted) return
    const work = spec.stages[stage]!
    const { maxOutputBytes } = this.setting
    const run = new ProbeRun(this.setting, {
      kind: work.kind,
      priority: spec.priority,
      laneKind: laneKindOf(work.strategy ?? spec.strategy),
      job: {
        work: toWork(work),
        source,
        takesOver: false,
        handsOver: null,
        slots,
        timeoutMs: stageTimeoutMs(spec, work),
        maxOutputBytes,
        tellsWaiting: true,
        isAwaited: false,
      },
      feed,
    })
    const stop = () => run.stop()
    ending.addEventListener('abort', stop, { once: true })
    trial.underway = run
    const failure = await run.run()
    trial.underway = null
    ending.removeEventListener('abort', stop)
    if (failure !== null) notes.push(`Nothing could be tried: ${failure}.`)
    else if (!measures[stage]!.isUntouched) return
    else if (!ending.aborted) {
      if (!notes.includes(LEFT_ALONE)) notes.push(LEFT_ALONE)
    } else {
      const what = work.kind === 'FETCH' ? 'No lane, or no room for a request,' : 'No lane'
      notes.push(`${what} was free in ${MEASURE_MS / 1_000} s: nothing was measured.`)
    }
  }
}

/** What fails in one kind of lane may end the server in the other. */
function laneKindOf(strategy: BatchSpec['strategy']): LaneKind {
  return strategy === 'PROCESSES' ? 'PROCESS' : 'THREAD'
}

/** As the batch would read bodies; what would be stored is read and dropped. */
function toWork(stage: StageSpec): JobSpec['work'] {
  if (stage.kind === 'COMPUTE') return { kind: 'COMPUTE', function: stage.function, reduce: null }
  const { bodyPolicy } = stage.fetch
  const fetch: FetchOptions = { ...stage.fetch, bodyPolicy: bodyPolicy === 'STORE' ? 'DISCARD' : bodyPolicy }
  return { kind: 'FETCH', fetch, storesFor: null }
}

/** One at a time, and no more often than the batch may ask a host. */
function limitsOf(stage: StageSpec): LimitedHosts | null {
  return stage.kind === 'FETCH' ? new LimitedHosts({ concurrency: 1, rate: stage.fetch.perHostRate ?? null }) : null
}

function hostOf(input: unknown): string {
  return urlOf(toFetchRequest(input))?.host ?? NO_HOST
}

function requestFrom(text: string): { input: string | FetchRequest; problem: null } | { problem: string } {
  const request = readRequestHandedOver(text)
  return isUnsendable(request) ? { problem: request.problem } : { input: request, problem: null }
}
