/**
 * Measures what lanes cost on this machine, with fresh ones that no run gets. They are carriers of their own: they hold no place
 * that a run could want, however many lanes are in use, are in no status, and end when they have been measured.
 */

import { median } from 'simple-statistics'
import type { Clock } from '../clock.js'
import type { LaneKind } from '../domain/strategy.js'
import type { LaneMeasure, LaneMeasures } from '../domain/strategy-cost.js'
import type { Carrier, CarrierSource } from './carrier.js'
import type { FromLane, ToLane } from './messages.js'

/** Of one kind at once: one that had to wait for something else is outvoted, and so are two. */
export const MEASURED_LANES = 5
/** After so long no other one is started: a machine that is busy is not kept busier. */
const STARTING_MS = 1_000
/** Of one lane. */
const ROUND_TRIPS = 300
const ROUND_TRIPS_MS = 500

export interface MeasureSetting {
  clock: Pick<Clock, 'monotonicMs'>
  openSource(kind: LaneKind): CarrierSource
  /** Of one kind at once at most. */
  maxLanes: number
  /** Memory of this process, its threads included. */
  residentMb(): number
}

/** One measurement. */
export class Measurement {
  readonly #setting: MeasureSetting
  /** Those that have not ended. */
  readonly #lanes = new Set<FreshLane>()
  #result: Promise<LaneMeasures> | null = null
  #stopped = false

  constructor(setting: MeasureSetting) {
    this.#setting = setting
  }

  /** Begins, or goes on, and resolves when its lanes have ended. */
  run(): Promise<LaneMeasures> {
    this.#result ??= this.#run()
    return this.#result
  }

  /** Ends its lanes; resolves when they have ended, and `run` rejects. */
  async stop(): Promise<void> {
    this.#stopped = true
    for (const lane of this.#lanes) void lane.end()
    await this.#result?.catch(() => {})
  }

  /** One kind after the other: what is measured is not to wait for what is measured, too. */
  async #run(): Promise<LaneMeasures> {
    const THREAD = await this.#measure('THREAD')
    const PROCESS = await this.#measure('PROCESS')
    return { THREAD, PROCESS }
  }

  async #measure(kind: LaneKind): Promise<LaneMeasure> {
    const source = this.#setting.openSource(kind)
    try {
      const starts = await this.#startSome(source)
      return {
        startMs: median(starts.map(({ startMs }) => startMs)),
        roundTripUs: await this.#roundTripUs(starts[0]!.lane),
        memoryMb: await memoryOf(starts),
      }
    } finally {
      await Promise.all(Array.from(this.#lanes, (lane) => lane.end()))
      await source.close()
    }
  }

  /** One after the other, all kept: the memory of one that has ended would be the next one's. */
  async #startSome(source: CarrierSource): Promise<Start[]> {
    const { clock, maxLanes } = this.#setting
    const untilMs = clock.monotonicMs() + STARTING_MS
    const starts = [await this.#start(source)]
    while (starts.length < Math.min(MEASURED_LANES, maxLanes) && clock.monotonicMs() < untilMs) {
      starts.push(await this.#start(source))
    }
    return starts
  }

  async #start(source: CarrierSource): Promise<Start> {
    if (this.#stopped) throw new Error('the lanes are not to be measured any more')
    const { clock, residentMb } = this.#setting
    const residentBeforeMb = residentMb()
    const startedMs = clock.monotonicMs()
    const lane = new FreshLane(source)
    this.#lanes.add(lane)
    void lane.ended.then(() => this.#lanes.delete(lane))
    await lane.hear('ready')
    const startMs = clock.monotonicMs() - startedMs
    return { lane, startMs, grownMb: residentMb() - residentBeforeMb }
  }

  async #roundTripUs(lane: FreshLane): Promise<number> {
    const { clock } = this.#setting
    const tripsMs: number[] = []
    const untilMs = clock.monotonicMs() + ROUND_TRIPS_MS
    let sentMs = clock.monotonicMs()
    while (tripsMs.length < ROUND_TRIPS && sentMs < untilMs) {
      await lane.ask({ kind: 'probe' }, 'alive')
      const heardMs = clock.monotonicMs()
      tripsMs.push(heardMs - sentMs)
      sentMs = heardMs
    }
    return median(tripsMs) * 1_000
  }
}

interface Start {
  lane: FreshLane
  startMs: number
  /** By how much this process had grown when the lane was there. */
  grownMb: number
}

/**
 * Of a process the system can tell what is its own. Of a thread it cannot: by how much the server grew as each one started is its
 * heap, its stack and whatever else it needs, the median leaving out what other threads did meanwhile, and never less than
 * the thread's own word for its heap. Where the system tells nothing of processes, their word is all there is.
 */
async function memoryOf(starts: readonly Start[]): Promise<number> {
  const own: number[] = []
  const told: number[] = []
  for (const { lane } of starts) {
    const ownMb = await lane.ownMemoryMb()
    if (ownMb !== null) own.push(ownMb)
    told.push((await lane.ask({ kind: 'weigh' }, 'weight')).memoryMb)
  }
  if (own.length > 0) return median(own)
  return Math.max(median(told), median(starts.map(({ grownMb }) => grownMb)))
}

type Message<Kind extends FromLane['kind']> = Extract<FromLane, { kind: Kind }>

/** A lane without a job: it starts, answers and ends. */
class FreshLane {
  readonly #carrier: Carrier
  readonly #heard = new Map<FromLane['kind'], (message: FromLane) => void>()
  readonly ended: Promise<void>
  #fail: (error: Error) => void = () => {}
  #gone: Error | null = null

  constructor(source: CarrierSource) {
    let tellEnded = () => {}
    this.ended = new Promise((resolve) => {
      tellEnded = resolve
    })
    this.#carrier = source.start({
      onMessage: (message) => this.#heard.get(message.kind)?.(message),
      onEnd: ({ message }) => {
        this.#gone = new Error(`a lane that was to be measured ${message}`)
        this.#fail(this.#gone)
        tellEnded()
      },
    })
  }

  /** The next message of this kind; rejects when the lane ends before. One at a time. */
  hear<Kind extends FromLane['kind']>(kind: Kind): Promise<Message<Kind>> {
    if (this.#gone) return Promise.reject(this.#gone)
    return new Promise((resolve, reject) => {
      this.#fail = reject
      this.#heard.set(kind, (message) => resolve(message as Message<Kind>))
    })
  }

  ask<Kind extends FromLane['kind']>(message: ToLane, kind: Kind): Promise<Message<Kind>> {
    const answer = this.hear(kind)
    this.#carrier.send(message)
    return answer
  }

  ownMemoryMb(): Promise<number | null> {
    return this.#carrier.ownMemoryMb()
  }

  /** Resolves when it has ended. */
  end(): Promise<void> {
    this.#carrier.end()
    return this.ended
  }
}
