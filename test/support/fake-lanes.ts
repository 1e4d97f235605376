import type { TaskError } from '../../src/domain/errors.js'
import type { LaneLoad } from '../../src/domain/lane-load.js'
import type { ReductionState } from '../../src/domain/reduction.js'
import type { Outcome, ResultColumns } from '../../src/domain/results.js'
import type { LaneKind } from '../../src/domain/strategy.js'
import type { LaneMeasures } from '../../src/domain/strategy-cost.js'
import type { FetchDetail } from '../../src/domain/task.js'
import type { InService, Lane, LaneCosts, LaneListener, LanePool, LaneStatus } from '../../src/lanes/lane.js'
import type { Grant, JobSpec, LaneWork } from '../../src/lanes/protocol.js'
import { fetchColumn, outputColumn } from './outputs.js'

interface Held {
  index: number
  attempt: number
  input: unknown
  /** Epoch milliseconds; null while it waits for a slot. */
  startedAt: number | null
  /** What it came with: an item that is tried again comes again. */
  grant: Grant
}

/** What the test lets become of an item. */
export interface Verdict {
  outcome: Outcome
  error?: TaskError
  retryAfterMs?: number
  serviceMs?: number
  output?: string
  /** Of fetches. */
  fetch?: FetchDetail
}

/** A lane whose every step is the test's: nothing ends until it says so. */
export class FakeLane implements Lane {
  readonly held: Held[] = []
  readonly grants: Grant[] = []
  job: JobSpec | null = null
  dead = false
  cancelled = false
  recalled = false
  killed = false
  #listener: LaneListener | null = null
  #lent: Grant[] = []

  constructor(
    readonly name: string,
    readonly kind: LaneKind,
    private readonly epochMs: () => number,
    private readonly onDead: (inService: readonly InService[]) => void = () => {},
  ) {}

  open(job: JobSpec, listener: LaneListener): void {
    if (this.held.length > 0) throw new Error(`${this.name} still has ${this.held.length} items of another job`)
    this.job = job
    this.#lent = []
    this.cancelled = false
    // It died on its way to whoever opens it.
    if (this.dead) queueMicrotask(() => listener.onDeath({ code: 'LANE_DIED', message: 'gone', retryable: true }, []))
    else this.#listener = listener
  }

  grant(grant: Grant): void {
    if (this.dead) return
    this.grants.push(grant)
    for (let at = 0; at < grant.count; at += 1) {
      this.held.push({
        index: grant.indexes?.[at] ?? grant.first + at,
        attempt: grant.attempts?.[at] ?? 1,
        input: grant.inputs?.[at] ?? null,
        startedAt: null,
        grant,
      })
    }
    this.#serve()
  }

  lend(grant: Grant): void {
    this.grant(grant)
    this.#lent.push(grant)
  }

  takeBack(): { grant: Grant; started: number }[] {
    const lent = this.#lent.map((grant) => {
      const waiting = this.held.filter((held) => held.startedAt === null && held.grant === grant)
      for (const one of waiting) this.held.splice(this.held.indexOf(one), 1)
      return { grant, started: grant.count - waiting.length }
    })
    this.#lent = []
    return lent
  }

  /** Tells that a task waits; see LaneListener. */
  wait(busyShare: number | null): void {
    this.#listener?.onWaiting(busyShare)
  }

  recall(): void {
    this.recalled = true
  }

  cancel(): void {
    this.cancelled = true
  }

  inService(): InService[] {
    return this.held.flatMap(({ index, attempt, startedAt }) =>
      startedAt === null ? [] : [{ index, attempt, startedAt, progress: null }],
    )
  }

  /** As a real one: its death is told later, and what it reports until then still counts. */
  kill(): void {
    this.killed = true
    queueMicrotask(() =>
      this.die({ code: 'LANE_DIED', message: `${this.name} was ended by the server`, retryable: true }),
    )
  }

  detach(): void {
    this.#listener = null
  }

  /** Ends the items at these places of `held`, in one block. */
  end(
    places: readonly number[],
    verdictOf: (held: Held) => Verdict,
    extra: {
      laneCpuMs?: number
      laneLoad?: LaneLoad
      reduction?: ReductionState
      unreadable?: string
      /** All verdicts have been given, and nobody knows of them yet. */
      beforeTold?(): void
    } = {},
  ): void {
    const ended = places.map((place) => this.held[place]!)
    for (const one of ended) this.held.splice(this.held.indexOf(one), 1)
    const columns = toColumns(
      ended.map((held) => ({ held, verdict: verdictOf(held) })),
      this.epochMs(),
    )
    this.#serve()
    const { laneCpuMs = 0, reduction = null, beforeTold, ...told } = extra
    beforeTold?.()
    this.#listener?.onResults({ job: this.job!.job, columns, laneCpuMs, reduction, ...told })
  }

  die(error: TaskError): void {
    if (this.dead) return
    this.dead = true
    const inService = this.inService()
    this.held.length = 0
    this.onDead(inService)
    this.#listener?.onDeath(error, inService)
    this.#listener = null
  }

  #serve(): void {
    for (const held of this.held.slice(0, this.job?.slots ?? 0)) held.startedAt ??= this.epochMs()
  }
}

function toColumns(ended: { held: Held; verdict: Verdict }[], epochMs: number): ResultColumns {
  return {
    count: ended.length,
    indexes: Float64Array.from(ended, ({ held }) => held.index),
    attempts: Uint8Array.from(ended, ({ held }) => held.attempt),
    outcomes: Uint8Array.from(ended, ({ verdict }) => verdict.outcome),
    startedAt: Float64Array.from(ended, ({ held }) => held.startedAt ?? epochMs),
    serviceMs: Float64Array.from(ended, ({ verdict }) => verdict.serviceMs ?? 1),
    cpuMs: null,
    outputs: outputColumn(ended.map(({ verdict }) => verdict.output ?? null)),
    handedOver: null,
    errors: ended.flatMap(({ verdict }, at) =>
      verdict.error ? [{ at, error: verdict.error, retryAfterMs: verdict.retryAfterMs ?? null }] : [],
    ),
    fetches: ended.some(({ verdict }) => verdict.fetch)
      ? fetchColumn(ended.map(({ verdict }) => verdict.fetch ?? null))
      : null,
  }
}

export class FakeLanePool implements LanePool {
  readonly lanes: FakeLane[] = []
  readonly idle: FakeLane[] = []
  /** Every misuse: a lane released twice, or with items, or more lanes asked for than there may be. */
  readonly problems: string[] = []
  /** This many of the next starts fail. */
  failStarts = 0
  /** With true a lane that has to be started comes with `letStart`. */
  slowStarts = false
  acquired = 0
  measured = 0
  /** With true a measurement ends with `letMeasure`. */
  slowMeasures = false
  letMeasure = () => {}
  /** What was asked to be there soon. */
  readonly warmed: { kind: LaneKind; count: number }[] = []
  readonly prepared: { kind: LaneKind; count: number; works: readonly LaneWork[] }[] = []
  /** With true lanes are prepared with `letPrepare`. */
  slowPrepares = false
  /** This many of the next preparations fail. */
  failPrepares = 0
  #started = 0
  #starting = 0
  #held: (() => void)[] = []
  #preparing: (() => void)[] = []
  #closed = false
  /** Told of each lane that dies, before its listener is, with what was in service in it. */
  onDeath: (lane: FakeLane, inService: readonly InService[]) => void = () => {}

  constructor(
    private readonly epochMs: () => number,
    private readonly maxLanes: number = Number.POSITIVE_INFINITY,
  ) {}

  /** Lanes that a run holds. */
  get busy(): FakeLane[] {
    return this.lanes.filter((lane) => !lane.dead && !this.idle.includes(lane))
  }

  async acquire(kind: LaneKind): Promise<Lane> {
    this.acquired += 1
    if (this.#closed) throw new Error('the lane pool is closed')
    const warm = this.idle.findIndex((lane) => lane.kind === kind)
    if (warm >= 0) return this.idle.splice(warm, 1)[0]!
    if (this.busy.length + this.#starting >= this.maxLanes) {
      this.problems.push(`a lane was asked for while ${this.busy.length} are busy and ${this.#starting} start`)
      throw new Error(`all ${this.maxLanes} lanes are in use`)
    }
    return this.#start(kind)
  }

  warm(kind: LaneKind, count: number): void {
    this.warmed.push({ kind, count })
  }

  async prepare(kind: LaneKind, count: number, works: readonly LaneWork[]): Promise<void> {
    if (this.busy.length > 0) this.problems.push(`lanes were prepared while ${this.busy.length} are busy`)
    this.prepared.push({ kind, count, works })
    if (this.slowPrepares) await new Promise<void>((resolve) => this.#preparing.push(resolve))
    if (this.failPrepares > 0) {
      this.failPrepares -= 1
      throw new Error('no memory for lanes')
    }
    const lanes = await Promise.all(Array.from({ length: count }, () => this.acquire(kind)))
    for (const lane of lanes) this.release(lane)
  }

  /** Lets what is being prepared be ready. */
  letPrepare(): void {
    for (const resolve of this.#preparing.splice(0)) resolve()
  }

  costs(kind: LaneKind): LaneCosts {
    return { startMs: 50, roundTripMs: 0.2, idle: this.warmed.filter((one) => one.kind === kind).length }
  }

  async measure(): Promise<LaneMeasures> {
    this.measured += 1
    if (this.slowMeasures) await new Promise<void>((resolve) => (this.letMeasure = resolve))
    return {
      THREAD: { startMs: 50, roundTripUs: 20, memoryMb: 10 },
      PROCESS: { startMs: 100, roundTripUs: 40, memoryMb: 20 },
    }
  }

  release(lane: Lane): void {
    const own = lane as FakeLane
    if (own.held.length > 0) this.problems.push(`${own.name} was released with ${own.held.length} items`)
    if (this.idle.includes(own)) this.problems.push(`${own.name} was released twice`)
    if (own.dead) return
    own.detach()
    this.idle.push(own)
  }

  /** Lets the lanes come that are being started: the first of them, all if `count` is left out. */
  letStart(count = this.#held.length): void {
    for (const resolve of this.#held.splice(0, count)) resolve()
  }

  statuses(): LaneStatus[] {
    return this.lanes.map(({ name, kind }) => ({ lane: name, kind, busy: true, tasksDone: 0, memoryMb: null }))
  }

  /** Ends all lanes, whatever they do. */
  async close(): Promise<void> {
    this.#closed = true
    for (const lane of this.lanes) lane.kill()
  }

  async #start(kind: LaneKind): Promise<FakeLane> {
    this.#starting += 1
    try {
      if (this.slowStarts) await new Promise<void>((resolve) => this.#held.push(resolve))
      if (this.failStarts > 0) {
        this.failStarts -= 1
        throw new Error('no memory')
      }
    } finally {
      this.#starting -= 1
    }
    this.#started += 1
    const lane: FakeLane = new FakeLane(`${kind.toLowerCase()}-${this.#started}`, kind, this.epochMs, (inService) => {
      this.onDeath(lane, inService)
      const place = this.idle.indexOf(lane)
      if (place >= 0) this.idle.splice(place, 1)
    })
    this.lanes.push(lane)
    return lane
  }
}
