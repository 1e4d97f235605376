/** Ended tasks on their way out of a lane: many in a message, none kept waiting for long. */

import { type LaneLoad, loadSince } from '../domain/lane-load.js'
import type { Fold } from '../domain/reduction.js'
import { BlockBuilder } from './block.js'
import type { CpuClock } from './cpu.js'
import type { LoadClock } from './load.js'
import { now } from './now.js'
import type { JobSpec, ResultBlock } from './protocol.js'

/** A loop that keeps the event loop to itself sends what it has after this long, and then lets the event loop turn. */
export const TURN_MS = 4
/** Results of asynchronous tasks wait this long for others, unless nothing was sent lately. */
const GATHER_MS = 8
/** And only this long where the last message had few: what has not been told of when the server dies is done again. */
const GATHER_FEW_MS = 2
const FEW = 16
/** And this long where the last message had many: each costs the lane and the server the same, whatever is in it. */
const GATHER_MANY_MS = 32
const MANY = 128
/** So many results of a job go one by one: those of a small batch are then never late, whatever comes after them. */
const EAGER_FIRST = 32
/** And so many after a long task, as there may be more like it. */
const EAGER_AFTER_LONG = 8
/** So that large outputs do not pile up meanwhile. */
const MAX_CHARS = 1024 * 1024

interface OutboxOptions {
  spec: JobSpec
  /** Null without a reducer. */
  fold: Fold | null
  cpu: CpuClock | null
  load: LoadClock
  send(block: ResultBlock): void
}

export class Outbox {
  readonly block: BlockBuilder
  readonly #options: OutboxOptions
  #sentMs = Number.NEGATIVE_INFINITY
  #sentCount = 0
  #eager = EAGER_FIRST
  #cpuMs: number
  #load: LaneLoad
  #unreadable: string | null = null
  #timer: NodeJS.Timeout | null = null
  #immediate: NodeJS.Immediate | null = null

  constructor(options: OutboxOptions) {
    this.#options = options
    const { work } = options.spec
    this.block = new BlockBuilder(work.kind === 'FETCH', options.spec.handsOver)
    this.#cpuMs = options.cpu?.() ?? 0
    this.#load = options.load()
  }

  /** Whether what is gathered should go now. `nowMs`: performance.now(). */
  isDue(nowMs: number): boolean {
    return this.#eager > 0 || nowMs - this.#sentMs >= TURN_MS || this.block.chars > MAX_CHARS
  }

  /** Results that wait while a task keeps the event loop to itself are late: to be told of each such task. */
  noteBusy(busyMs: number): void {
    if (busyMs >= TURN_MS) this.#eager = Math.max(this.#eager, EAGER_AFTER_LONG)
  }

  /** The source cannot be read: the next block says so. */
  noteUnreadable(reason: string): void {
    this.#unreadable = reason
  }

  flush(): void {
    if (this.#timer) clearTimeout(this.#timer)
    if (this.#immediate) clearImmediate(this.#immediate)
    this.#timer = null
    this.#immediate = null
    if (this.block.count === 0) return
    const { spec, fold, cpu, load, send } = this.#options
    const cpuMs = cpu?.() ?? 0
    const laneCpuMs = cpuMs - this.#cpuMs
    const nowLoad = load()
    const laneLoad = loadSince(this.#load, nowLoad)
    const reduction = fold?.state() ?? null
    this.#cpuMs = cpuMs
    this.#load = nowLoad
    this.#sentMs = now()
    this.#eager -= this.block.count
    this.#sentCount = this.block.count
    fold?.reset()
    const block = { job: spec.job, columns: this.block.take(), laneCpuMs, laneLoad, reduction }
    send(this.#unreadable === null ? block : { ...block, unreadable: this.#unreadable })
    this.#unreadable = null
  }

  /** A lone result goes when this turn of the event loop ends; one of many waits a moment for the others. */
  flushSoon(): void {
    if (this.block.chars > MAX_CHARS) this.flush()
    if (this.#timer || this.#immediate || this.block.count === 0) return
    const gatherMs = this.#gatherMs
    if (this.#options.spec.isAwaited || now() - this.#sentMs >= gatherMs)
      this.#immediate = setImmediate(() => this.flush())
    else this.#timer = setTimeout(() => this.flush(), gatherMs)
  }

  get #gatherMs(): number {
    if (this.#sentCount < FEW) return GATHER_FEW_MS
    return this.#sentCount < MANY ? GATHER_MS : GATHER_MANY_MS
  }
}
