/** What a stage takes in: judges what its lanes report, has it written down, and hands the next stage what that is made of. */

import type { ResultColumns } from '../domain/results.js'
import { Attempts } from './attempts.js'
import type { Granter } from './granter.js'
import { type BlockFrame, type TimeBase, toEntry } from './ledger.js'
import type { StageItems } from './stage-items.js'
import type { StagedRun, StageSetting } from './staged-run.js'
import type { Supply } from './supply.js'

/** What a block of rows needs that is not the same for all of the stage. */
type Frame = Omit<BlockFrame, 'stage' | 'readyAts' | keyof TimeBase>

/** Where a block comes from. */
export interface BlockOrigin extends Pick<Frame, 'laneCpuMs' | 'laneLoad' | 'reduction'> {
  lane: string
  /** Of the monotonic clock: what was given back waits until then; null where it need not. */
  heldUntilMs: number | null
  /** Whether none of it is tried again. */
  isLastAttempt?: boolean
}

interface Options {
  run: StagedRun
  stage: number
  pending: Supply
  items: Pick<StageItems, 'readyAts'>
  granter: Pick<Granter, 'methodOf' | 'forget'>
  setting: Pick<StageSetting, 'clock' | 'random' | 'onNoRoom'>
  /** Null in the last stage. */
  next(): Pick<StageItems, 'takeOver'> | null
}

export class Intake {
  readonly #attempts: Attempts

  constructor(private readonly options: Options) {
    const { run, stage, pending, granter, setting } = options
    const { spec } = run.record
    this.#attempts = new Attempts({
      spec,
      stage: spec.stages[stage]!,
      pending,
      clock: setting.clock,
      random: () => setting.random(),
      methodOf: (item) => granter.methodOf(item),
    })
  }

  /** What a lane has reported, or is to blame for. */
  take(columns: ResultColumns, { heldUntilMs, isLastAttempt = false, ...from }: BlockOrigin): void {
    const { run, pending, granter, setting } = this.options
    const { phase, times } = run
    if (columns.errors.some(({ error }) => error.code === 'BODY_NOT_STORED')) setting.onNoRoom()
    pending.started(columns)
    pending.reported(columns)
    const { dropped, histories, failed } = this.#attempts.judge(columns, {
      heldUntilMs,
      lane: from.lane,
      runStartedAt: times.runStartedAt,
      ending: phase === 'ending' || isLastAttempt,
      leaving: phase === 'leaving',
    })
    granter.forget(columns)
    this.#record(columns, { ...from, dropped, histories })
    pending.ended(columns, dropped)
    if (failed) run.taskFailed()
  }

  /** What has ended without a lane. */
  skip(columns: ResultColumns): void {
    this.#record(columns, { lane: null, laneCpuMs: 0, reduction: null, dropped: null, histories: [] })
  }

  /** The run has come to its end: what waits for another attempt has failed, or is cancelled with it. */
  abandon(): void {
    const { times, isCancelled } = this.options.run
    for (const block of this.#attempts.abandon(times.runStartedAt, isCancelled)) {
      this.#record(block.columns, { ...block, dropped: null, laneCpuMs: 0, reduction: null })
    }
  }

  /** The rows go to the disk in the order of their coming: what the next stage ends is never there before what it was made of. */
  #record(columns: ResultColumns, frame: Frame): void {
    const { run, stage, items, setting, next } = this.options
    const readyAts = items.readyAts(columns)
    run.add(toEntry(columns, { ...frame, ...run.times, stage, readyAts }))
    next()?.takeOver(columns, frame.dropped, setting.clock.epochMs())
  }
}
