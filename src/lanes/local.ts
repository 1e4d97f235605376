/** A lane of this machine, as the engine holds it: a carrier, the job it has, and what it still owes. */

import type { TaskError } from '../domain/errors.js'
import { Outcome } from '../domain/results.js'
import type { LaneKind, StageKind } from '../domain/strategy.js'
import type { Carrier, Ending } from './carrier.js'
import { createClaims, isUsedUp, takeBack } from './claims.js'
import type { InService, Lane, LaneListener } from './lane.js'
import type { FaultAuthor, FromLane } from './messages.js'
import type { Grant, JobSpec, LaneWork, ResultBlock } from './protocol.js'
import { SPARE_SLOTS } from './slate.js'

/** Why the lane was ended by us; null while it was not. */
type EndWish = 'KILLED' | 'STUCK' | null

export class LocalLane implements Lane {
  readonly #carrier: Carrier
  #listener: LaneListener | null = null
  #outstanding = 0
  /** The job that it was opened with last. */
  #job = 0
  #strays = 0
  #tasksDone = 0
  /** What it is at its best with: it has the code of fetches, and perhaps connections; or it was prepared for computes, too. */
  #hasFetched = false
  #isPreparedToCompute = false
  #wish: EndWish = null
  #fault: string | null = null
  /** Whose doing its end is; null while that is not known. */
  #author: FaultAuthor | null = null
  /** What was lent and may not have started, oldest first. */
  #lent: { grant: Grant; claims: SharedArrayBuffer }[] = []
  /** What the listener is to hear, or was told; null while the lane lives. */
  #death: { error: TaskError; inService: InService[] } | null = null
  #onAlive = () => {}
  #preparing: { resolve(): void; reject(error: Error): void } | null = null
  /** A probe is out, sent while nothing was in service. */
  #probed = false

  constructor(
    readonly name: string,
    readonly kind: LaneKind,
    carrier: Carrier,
  ) {
    this.#carrier = carrier
  }

  get tasksDone(): number {
    return this.#tasksDone
  }

  /** Granted and not reported. */
  get outstanding(): number {
    return this.#outstanding
  }

  get memoryMb(): number | null {
    return this.#carrier.memoryMb()
  }

  /** Whether nothing of the former job goes on in it. */
  get isClean(): boolean {
    return this.#strays === 0
  }

  /** Whether it is one to take for such work rather than another one. */
  suits(work: StageKind): boolean {
    return work === 'FETCH' ? this.#hasFetched : !this.#hasFetched || this.#isPreparedToCompute
  }

  open(job: JobSpec, listener: LaneListener): void {
    if (this.#outstanding > 0) throw new Error(`${this.name} still owes ${this.#outstanding} results of its former job`)
    if (this.#death) {
      // It died on its way to the caller, who hears of it as of any other death.
      const { error, inService } = this.#death
      queueMicrotask(() => listener.onDeath(error, inService))
      return
    }
    this.#listener = listener
    this.#job = job.job
    this.#hasFetched ||= job.work.kind === 'FETCH'
    this.#lent = []
    this.#carrier.send({ kind: 'open', job, slate: this.#carrier.slate.prepare(job.slots + SPARE_SLOTS) })
  }

  grant(grant: Grant): void {
    this.#outstanding += grant.count
    this.#carrier.send({ kind: 'grant', grant })
  }

  lend(grant: Grant): void {
    if (this.kind !== 'THREAD') {
      this.grant(grant)
      return
    }
    const claims = createClaims()
    while (this.#lent[0] && isUsedUp(this.#lent[0].claims, this.#lent[0].grant.count)) this.#lent.shift()
    this.#outstanding += grant.count
    this.#lent.push({ grant, claims })
    this.#carrier.send({ kind: 'grant', grant, claims })
  }

  takeBack(): { grant: Grant; started: number }[] {
    const lent = this.#lent.map(({ grant, claims }) => ({ grant, started: takeBack(claims, grant.count) }))
    this.#lent = []
    for (const { grant, started } of lent) this.#outstanding -= grant.count - started
    return lent
  }

  recall(): void {
    this.#carrier.send({ kind: 'recall' })
  }

  cancel(): void {
    this.#carrier.send({ kind: 'cancel' })
  }

  inService(): InService[] {
    return this.#death?.inService ?? this.#carrier.slate.read()
  }

  kill(): void {
    this.#wish ??= 'KILLED'
    this.#carrier.end()
  }

  /** The shortest of so many messages there and back; to be asked before the lane has work. Never settles where the lane ends. */
  async roundTripMs(tries: number): Promise<number> {
    let shortestMs = Number.POSITIVE_INFINITY
    for (let at = 0; at < tries; at += 1) {
      const sentMs = performance.now()
      await new Promise<void>((resolve) => {
        this.#onAlive = resolve
        this.#carrier.send({ kind: 'probe' })
      })
      shortestMs = Math.min(shortestMs, performance.now() - sentMs)
    }
    return shortestMs
  }

  /** See LanePool.prepare; to be called while it has no job. */
  prepare(works: readonly LaneWork[]): Promise<void> {
    this.#hasFetched ||= works.some(({ kind }) => kind === 'FETCH')
    this.#isPreparedToCompute ||= works.some(({ kind }) => kind === 'COMPUTE')
    return new Promise((resolve, reject) => {
      this.#preparing = { resolve, reject }
      if (this.#death) reject(new Error(this.#death.error.message))
      else this.#carrier.send({ kind: 'prepare', works })
    })
  }

  /** The listener of the last job hears nothing more. */
  detach(): void {
    this.#listener = null
  }

  receive(message: FromLane): void {
    this.#probed = false
    if (message.kind === 'alive') this.#onAlive()
    if (message.kind === 'prepared') this.#preparing?.resolve()
    if (message.kind === 'fault') {
      this.#fault = message.message
      this.#author = message.author
    }
    if (message.kind === 'settled') this.#strays = 0
    if (message.kind === 'waiting' && message.job === this.#job) this.#listener?.onWaiting(message.busyShare)
    if (message.kind === 'results') {
      this.#strays = message.strays
      this.#report(message.block)
    }
  }

  /** The carrier has ended: tells the listener, last of all. */
  die(ending: Ending): void {
    const author = this.#author
    const inService = this.inService().filter(({ index }) => author === null || author.index === index)
    const death = { error: this.#deathOf(ending), inService }
    this.#death = death
    this.#outstanding = 0
    this.#lent = []
    this.#preparing?.reject(new Error(death.error.message))
    this.#listener?.onDeath(death.error, death.inService)
    this.#listener = null
  }

  /**
   * Called now and then. A lane with nothing in service answers; one that does not is kept busy by what no task can be
   * blamed for, such as a function that was given up and spins, and is ended.
   */
  probe(): void {
    if (this.inService().length > 0) {
      this.#probed = false
      return
    }
    if (this.#probed) {
      this.#wish ??= 'STUCK'
      this.#carrier.end()
      return
    }
    this.#probed = true
    this.#carrier.send({ kind: 'probe' })
  }

  #report(block: ResultBlock): void {
    const { count, outcomes } = block.columns
    this.#outstanding -= count
    for (let at = 0; at < count; at += 1) if (outcomes[at] !== Outcome.NOT_STARTED) this.#tasksDone += 1
    this.#listener?.onResults(block)
  }

  #deathOf(ending: Ending): TaskError {
    if (this.#wish === 'KILLED') return died(`${this.name} was ended by the server`)
    if (this.#wish === 'STUCK') return died(`${this.name} stopped answering`)
    if (this.#fault !== null) return died(`${this.name} ended with an error that no task caught: ${this.#fault}`)
    const message = `${this.name} ${ending.message}`
    return ending.outOfMemory ? { code: 'OUT_OF_MEMORY', message, retryable: false } : died(message)
  }
}

function died(message: string): TaskError {
  return { code: 'LANE_DIED', message, retryable: true }
}
