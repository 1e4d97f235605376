/** How fast a run and its stages go now, and how long they will still take: the windows of domain/eta.ts on the server's clock. */

import type { Clock } from '../clock.js'
import { estimateEnd, ThroughputWindow } from '../domain/eta.js'
import { doneOf, type Progress, type StageState, stageStates } from '../domain/run.js'

/** Null while nothing tells. */
export type Eta = Pick<Progress, 'etaMs' | 'etaHighMs'>

/** Stages go on at the same time, and what is left of any has to come through the last one: the slowest tells. */
export function latestOf(stages: readonly Eta[]): Eta {
  const latest = (figure: keyof Eta) =>
    stages.reduce<number | null>(
      (last, { [figure]: ms }) => (last === null || ms === null ? null : Math.max(last, ms)),
      0,
    )
  return { etaMs: latest('etaMs'), etaHighMs: latest('etaHighMs') }
}

export class RateMeter {
  #window = new ThroughputWindow()
  #startMs: number | null = null
  /** Tasks that had ended before this process took the run up. */
  #doneBefore = 0
  #done = 0

  constructor(private readonly clock: Clock) {}

  /** The run, or the stage, goes (on) from here. */
  start(done: number): void {
    if (this.#startMs !== null) return
    this.#startMs = this.clock.monotonicMs()
    this.#doneBefore = done
    this.#done = done
    this.#window.record(this.#startMs, done)
  }

  /** It goes on after a pause: what was before says nothing of how fast. */
  resume(done: number): void {
    if (this.#startMs === null) return
    this.#startMs = null
    this.#window = new ThroughputWindow()
    this.start(done)
  }

  sample(done: number): void {
    this.#done = done
    if (this.#startMs !== null) this.#window.record(this.clock.monotonicMs(), done)
  }

  /** Tasks a second over the last five seconds. */
  perSecond(): number {
    return this.#window.perSecond(this.clock.monotonicMs())
  }

  /** Of what is left; null figures while nothing has ended. */
  estimate(left: number): Eta {
    if (left <= 0) return { etaMs: 0, etaHighMs: 0 }
    const unknown = { etaMs: null, etaHighMs: null }
    if (this.#startMs === null) return unknown
    const now = this.clock.monotonicMs()
    const done = this.#done - this.#doneBefore
    const estimate = estimateEnd({
      done,
      total: done + left,
      elapsedMs: now - this.#startMs,
      throughput: this.#window.perSecond(now),
      slices: this.#window.slices(now),
    })
    return estimate ?? unknown
  }
}

type Measured = StageState & { stages: StageState[] | null }

/** The meters of a run: its own and, of a pipeline, one a stage. */
export class Meters {
  readonly run: RateMeter
  /** Of a run of one stage it is the run's own. */
  readonly stages: readonly RateMeter[]

  constructor(clock: Clock, record: Pick<Measured, 'stages'>) {
    this.run = new RateMeter(clock)
    this.stages = record.stages?.map(() => new RateMeter(clock)) ?? [this.run]
  }

  /** The run goes (on) from here. */
  start({ counts }: Measured): void {
    this.run.start(doneOf(counts))
  }

  /** So does a stage: the items come to the later ones later. */
  startStage(stage: number, state: Measured): void {
    this.stages[stage]!.start(doneOf(stageStates(state)[stage]!.counts))
  }

  /** After a pause. */
  resume(state: Measured): void {
    this.#each(state, (meter, { counts }) => meter.resume(doneOf(counts)))
  }

  sample(state: Measured): void {
    this.#each(state, (meter, { counts }) => meter.sample(doneOf(counts)))
  }

  /** Keeps in the state what is to be told of its end. */
  finish(state: Measured): void {
    this.#each(state, (meter, part) => {
      part.finalThroughput = meter.perSecond()
    })
  }

  #each(state: Measured, visit: (meter: RateMeter, part: StageState) => void): void {
    visit(this.run, state)
    if (state.stages) stageStates(state).forEach((part, at) => void visit(this.stages[at]!, part))
  }
}
