/** The lanes of one server: threads and processes, started when they are wanted and kept warm for the next run. */

import { systemClock } from '../clock.js'
import type { LaneKind, StageKind } from '../domain/strategy.js'
import type { LaneMeasures } from '../domain/strategy-cost.js'
import type { CarrierOptions, CarrierSource } from './carrier.js'
import type { Lane, LaneCosts, LanePool, LaneStatus } from './lane.js'
import { LocalLane } from './local.js'
import { MEASURED_LANES, Measurement } from './measure.js'
import { monotonicOfZeroMs } from './monotonic.js'
import { createProcessCarriers } from './processes.js'
import type { LaneWork } from './protocol.js'
import { createThreadCarriers } from './threads.js'

export interface LanePoolOptions {
  /** The built lanes/entry.js. */
  entry: URL
  functionsDir: string | null
  /** Private destinations that fetches may reach. */
  allowHosts: readonly string[]
  /** Where lanes write the bodies that are to be stored; the folder is there. */
  stagingDir: string
  laneMemoryMb: number
  /** Lanes in use at most, of both kinds together. */
  maxLanes: number
  /** Idle lanes that stay, of both kinds together. */
  keepWarm: number
  /** What lanes see of the environment: nothing, if left out. */
  env?: Readonly<Record<string, string>>
  /** How long an idle lane beyond those stays. Default 30,000. */
  idleMs?: number
  /** How often lanes are asked whether they still answer. Default 5,000. */
  probeMs?: number
}

const IDLE_MS = 30_000
const PROBE_MS = 5_000
/** Of so many lanes in use each counts: where one of them has died, another one is kept warm for the next that does. */
const FEW_LANES = 2
/** Messages there and back, of which the shortest counts: the first ones are compiled on their way. */
const ROUND_TRIPS = 5

const MEGABYTE = 1024 * 1024

const SOURCES: Record<LaneKind, (options: CarrierOptions) => CarrierSource> = {
  THREAD: createThreadCarriers,
  PROCESS: createProcessCarriers,
}

export function createLanePool(options: LanePoolOptions): LanePool {
  return new LocalLanePool(options)
}

interface IdleLane {
  lane: LocalLane
  timer: NodeJS.Timeout
}

class LocalLanePool implements LanePool {
  readonly #options: LanePoolOptions
  readonly #carrierOptions: CarrierOptions
  readonly #sources: Record<LaneKind, CarrierSource>
  /** All that have been started and have not ended. */
  readonly #alive = new Map<LocalLane, { end(): void; ended: Promise<void> }>()
  readonly #busy = new Set<LocalLane>()
  /** Longest idle first. */
  #idle: IdleLane[] = []
  readonly #names = new Set<string>()
  /** On their way, for whoever asks first. */
  readonly #warming: { kind: LaneKind; lane: Promise<LocalLane> }[] = []
  #starting = 0
  /** Kinds of which a lane has died in use, until that has been replaced. */
  readonly #bereaved = new Set<LaneKind>()
  readonly #prober: NodeJS.Timeout
  readonly #costs: Record<LaneKind, Omit<LaneCosts, 'idle'>> = {
    THREAD: { startMs: null, roundTripMs: null },
    PROCESS: { startMs: null, roundTripMs: null },
  }
  #measurement: Measurement | null = null
  #closing: Promise<void> | null = null

  constructor(options: LanePoolOptions) {
    this.#options = options
    const { entry, functionsDir, allowHosts, stagingDir, laneMemoryMb, maxLanes, env = {} } = options
    this.#carrierOptions = {
      entry,
      functionsDir,
      allowHosts: [...allowHosts],
      stagingDir,
      laneMemoryMb,
      env,
      epochOfMonotonicMs: performance.timeOrigin - monotonicOfZeroMs(),
      maxWorkers: maxLanes,
    }
    this.#sources = { THREAD: SOURCES.THREAD(this.#carrierOptions), PROCESS: SOURCES.PROCESS(this.#carrierOptions) }
    this.#prober = setInterval(() => this.#probe(), options.probeMs ?? PROBE_MS).unref()
  }

  async acquire(kind: LaneKind, work: StageKind = 'COMPUTE'): Promise<Lane> {
    if (this.#closing) throw new Error('the lane pool is closed')
    const warm = this.#takeIdle(kind, work)
    if (warm) return this.#lend(warm)
    const { maxLanes } = this.#options
    if (this.#busy.size + this.#starting >= maxLanes) throw new Error(`all ${maxLanes} lanes are in use`)
    this.#makeRoom(kind)
    this.#starting += 1
    try {
      const lane = await (this.#takeWarming(kind) ?? this.#start(kind))
      if (this.#closing) throw new Error('the lane pool is closed')
      if (!this.#alive.has(lane)) throw new Error(`${lane.name} ended as soon as it had started`)
      return this.#lend(lane)
    } finally {
      this.#starting -= 1
    }
  }

  /** It may die as the one before it did: once that is replaced, and not while it is, a spare one is started. */
  #lend(lane: LocalLane): LocalLane {
    this.#busy.add(lane)
    if (this.#bereaved.delete(lane.kind) && this.#busy.size <= FEW_LANES)
      this.#warm(lane.kind, 1, this.#options.maxLanes)
    return lane
  }

  warm(kind: LaneKind, count: number): void {
    const { maxLanes, keepWarm } = this.#options
    this.#warm(kind, count, Math.min(maxLanes, keepWarm))
  }

  /** `most`: of all lanes there may be so many then. */
  #warm(kind: LaneKind, count: number, most: number): void {
    const there = this.costs(kind).idle
    const free = most - this.#alive.size
    for (let lacking = Math.min(count - there, free); lacking > 0 && !this.#closing; lacking -= 1) {
      const warming = { kind, lane: this.#start(kind) }
      this.#warming.push(warming)
      warming.lane.then(
        (lane) => this.#keepWarmed(warming, lane),
        // Whoever needs it will hear why it cannot be had.
        () => void this.#dropWarming(warming),
      )
    }
  }

  async prepare(kind: LaneKind, count: number, works: readonly LaneWork[]): Promise<void> {
    // What else is being started takes the machine from whoever runs meanwhile.
    await Promise.allSettled(this.#warming.map(({ lane }) => lane))
    // Those that will be taken for it then.
    const work = works.every((one) => one.kind === 'FETCH') ? 'FETCH' : 'COMPUTE'
    const prepared = Array.from({ length: count }, async () => {
      const lane = await this.acquire(kind, work)
      try {
        if (lane instanceof LocalLane) await lane.prepare(works)
      } finally {
        this.release(lane)
      }
    })
    const failed = (await Promise.allSettled(prepared)).find((one) => one.status === 'rejected')
    if (failed) throw failed.reason
  }

  release(lane: Lane): void {
    if (!(lane instanceof LocalLane) || !this.#busy.has(lane)) return
    if (lane.outstanding > 0) throw new Error(`${lane.name} still owes ${lane.outstanding} results`)
    this.#busy.delete(lane)
    lane.detach()
    const timer = setTimeout(() => this.#outstay(lane), this.#options.idleMs ?? IDLE_MS).unref()
    this.#idle.push({ lane, timer })
  }

  statuses(): LaneStatus[] {
    return [...this.#alive.keys()]
      .filter((lane) => this.#busy.has(lane) || this.#idle.some((idle) => idle.lane === lane))
      .map((lane) => {
        const { name, kind, tasksDone, memoryMb } = lane
        return { lane: name, kind, busy: this.#busy.has(lane), tasksDone, memoryMb }
      })
  }

  costs(kind: LaneKind): LaneCosts {
    const idle = this.#idle.filter(({ lane }) => lane.kind === kind && lane.isClean).length
    const warming = this.#warming.filter((one) => one.kind === kind).length
    return { ...this.#costs[kind], idle: idle + warming }
  }

  async measure(): Promise<LaneMeasures> {
    if (this.#closing) throw new Error('the lane pool is closed')
    this.#measurement ??= this.#newMeasurement()
    const measurement = this.#measurement
    try {
      const measures = await measurement.run()
      this.#noteStart('THREAD', measures.THREAD.startMs)
      this.#noteStart('PROCESS', measures.PROCESS.startMs)
      return measures
    } finally {
      if (this.#measurement === measurement) this.#measurement = null
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    clearInterval(this.#prober)
    const all = [...this.#alive.values()]
    for (const { end } of all) end()
    await Promise.all([...all.map(({ ended }) => ended), this.#measurement?.stop()])
    await Promise.all([this.#sources.THREAD.close(), this.#sources.PROCESS.close()])
  }

  #newMeasurement(): Measurement {
    return new Measurement({
      clock: systemClock,
      openSource: (kind) => SOURCES[kind]({ ...this.#carrierOptions, maxWorkers: MEASURED_LANES }),
      maxLanes: this.#options.maxLanes,
      residentMb: () => process.memoryUsage.rss() / MEGABYTE,
    })
  }

  /**
   * The lane that was used last: its caches are warm, and the others get to end. Those that have fetched do so again, where there are
   * others for computes: they have connections, and the code of fetches takes as much memory as half a lane.
   */
  #takeIdle(kind: LaneKind, work: StageKind): LocalLane | null {
    const isUsable = ({ lane }: IdleLane) => lane.kind === kind && lane.isClean
    const suiting = this.#idle.findLastIndex((one) => isUsable(one) && one.lane.suits(work))
    const place = suiting < 0 ? this.#idle.findLastIndex(isUsable) : suiting
    return place < 0 ? null : this.#removeIdle(place)
  }

  #takeWarming(kind: LaneKind): Promise<LocalLane> | null {
    const warming = this.#warming.find((one) => one.kind === kind)
    if (warming === undefined) return null
    this.#dropWarming(warming)
    return warming.lane
  }

  /** Whether it was still there: nobody has taken it. */
  #dropWarming(warming: { kind: LaneKind; lane: Promise<LocalLane> }): boolean {
    const place = this.#warming.indexOf(warming)
    if (place >= 0) this.#warming.splice(place, 1)
    return place >= 0
  }

  #keepWarmed(warming: { kind: LaneKind; lane: Promise<LocalLane> }, lane: LocalLane): void {
    if (!this.#dropWarming(warming)) return
    this.#busy.add(lane)
    this.release(lane)
  }

  #removeIdle(place: number): LocalLane {
    const [{ lane, timer }] = this.#idle.splice(place, 1) as [IdleLane]
    clearTimeout(timer)
    return lane
  }

  /** Idle lanes that are not clean must not stand in the way of a new one. */
  #makeRoom(kind: LaneKind): void {
    const ofKind = [...this.#alive.keys()].filter((lane) => lane.kind === kind)
    if (ofKind.length < this.#options.maxLanes) return
    const place = this.#idle.findIndex(({ lane }) => lane.kind === kind)
    if (place >= 0) this.#removeIdle(place).kill()
  }

  /** An idle lane has had its time: it ends, unless it is one of those that stay. */
  #outstay(lane: LocalLane): void {
    const place = this.#idle.findIndex((idle) => idle.lane === lane)
    if (place < 0 || (this.#idle.length <= this.#options.keepWarm && lane.isClean)) return
    this.#removeIdle(place).kill()
  }

  #start(kind: LaneKind): Promise<LocalLane> {
    return new Promise((resolve, reject) => {
      let settleEnded: () => void
      const ended = new Promise<void>((settle) => {
        settleEnded = settle
      })
      const name = this.#freeName(kind)
      const startedMs = performance.now()
      const carrier = this.#sources[kind].start({
        onMessage: (message) => {
          lane.receive(message)
          if (message.kind !== 'ready') return
          this.#noteStarted(lane, performance.now() - startedMs)
          resolve(lane)
        },
        onEnd: (ending) => {
          this.#forget(lane)
          reject(new Error(`${name} ${ending.message}`))
          lane.die(ending)
          settleEnded()
        },
      })
      const lane = new LocalLane(name, kind, carrier)
      this.#names.add(name)
      this.#alive.set(lane, { end: () => lane.kill(), ended })
    })
  }

  #noteStarted(lane: LocalLane, startMs: number): void {
    this.#noteStart(lane.kind, startMs)
    // The first of each kind tells, and then those that are idle.
    if (this.#costs[lane.kind].roundTripMs === null) void this.#measureMessages(lane, ROUND_TRIPS)
  }

  /** The shortest of all counts: beside work, or where nothing of it has run yet, a start takes longer, and never less than it takes. */
  #noteStart(kind: LaneKind, startMs: number): void {
    const costs = this.#costs[kind]
    costs.startMs = Math.min(costs.startMs ?? Number.POSITIVE_INFINITY, startMs)
  }

  /** The shortest of all counts: what had to wait for something else, as while other lanes start, tells nothing of messages. */
  async #measureMessages(lane: LocalLane, tries: number): Promise<void> {
    const costs = this.#costs[lane.kind]
    const roundTripMs = await lane.roundTripMs(tries)
    costs.roundTripMs = Math.min(costs.roundTripMs ?? Number.POSITIVE_INFINITY, roundTripMs)
  }

  #forget(lane: LocalLane): void {
    this.#alive.delete(lane)
    this.#names.delete(lane.name)
    if (this.#busy.delete(lane)) this.#bereaved.add(lane.kind)
    const place = this.#idle.findIndex((idle) => idle.lane === lane)
    if (place >= 0) this.#removeIdle(place)
  }

  /** The lowest number that is free: a run's timeline then has as many lanes as the run had. */
  #freeName(kind: LaneKind): string {
    let number = 1
    while (this.#names.has(nameOf(kind, number))) number += 1
    return nameOf(kind, number)
  }

  #probe(): void {
    for (const lane of this.#busy) lane.probe()
    for (const { lane } of this.#idle) {
      lane.probe()
      void this.#measureMessages(lane, 1)
    }
  }
}

function nameOf(kind: LaneKind, number: number): string {
  return `${kind === 'THREAD' ? 'thread' : 'process'}-${number}`
}
