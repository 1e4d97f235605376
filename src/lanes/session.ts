/** The lane's own side of the line: opens jobs, hands them what comes for them, and answers for the lane as a whole. */

import { join } from 'node:path'
import { stagedStem } from '../domain/blob.js'
import type { Fetcher } from '../fetching/fetcher.js'
import type { FunctionRegistry } from '../functions/registry.js'
import type { Authors } from './authors.js'
import { ComputeJob } from './compute.js'
import type { TaskContext } from './context.js'
import type { CpuClock } from './cpu.js'
import { FetchJob } from './fetch.js'
import type { Job } from './job.js'
import type { LoadClock } from './load.js'
import type { FaultAuthor, FromLane, ToLane } from './messages.js'
import type { JobSpec, LaneWork, ResultBlock } from './protocol.js'
import type { SlateWriter } from './slate.js'
import { Strays } from './strays.js'
import { knownMemoryMb } from './weight.js'

export interface SessionSetting {
  registry: FunctionRegistry
  /** Called with the first fetch: lanes that compute do without. And again where the one that is there shall keep no connection. */
  openFetcher(): Promise<Fetcher>
  /** Resolves when nothing of the lane's own start is under way any more. */
  started: Promise<unknown>
  /** Where bodies are written that are to be stored. */
  stagingDir: string
  /** The slate to write to from now on; `memory` is new to the lane, or null where it is the old one. */
  slateFor(memory: SharedArrayBuffer | null): SlateWriter
  cpu: CpuClock | null
  load: LoadClock
  authors: Authors<TaskContext>
  /** Epoch milliseconds at the zero of performance.now(). */
  epochOfZeroMs: number
  send(message: FromLane): void
}

export class Session {
  readonly #setting: SessionSetting
  readonly #strays: Strays
  #fetcher: Promise<Fetcher> | null = null
  #job: Job | null = null
  /** What came for a job that is still being opened; null where none is. */
  #held: ToLane[] | null = null
  /** Whether the server has been told of strays. */
  #toldStrays = false

  constructor(setting: SessionSetting) {
    this.#setting = setting
    this.#strays = new Strays(() => {
      if (this.#toldStrays) setting.send({ kind: 'settled' })
      this.#toldStrays = false
    })
  }

  handle(message: ToLane): void {
    if (message.kind === 'probe') this.#setting.send({ kind: 'alive' })
    else if (message.kind === 'weigh') this.#setting.send({ kind: 'weight', memoryMb: knownMemoryMb() })
    else if (this.#held) this.#held.push(message)
    else if (message.kind === 'open') this.#open(message.job, this.#setting.slateFor(message.slate))
    else if (message.kind === 'grant') this.#job?.grant(message.grant, message.claims ?? null)
    else if (message.kind === 'recall') this.#job?.recall()
    else if (message.kind === 'prepare') void this.#prepare(message.works)
    else this.#job?.cancel()
  }

  /** Sends what has been reported and has not been sent: the lane is about to end. */
  flush(): void {
    this.#job?.flush()
  }

  /** Fails the task of whoever's doing an error is that nothing caught; false where that is nobody who is known. */
  blame(thrown: unknown): boolean {
    const author = this.#setting.authors.current
    if (author) this.#job?.blame(author, thrown)
    return author !== undefined
  }

  /** Whose code runs; null where that is no task's. */
  get author(): FaultAuthor | null {
    const author = this.#setting.authors.current
    return author ? { index: this.#job?.indexOf(author) ?? null } : null
  }

  async #prepare(works: readonly LaneWork[]): Promise<void> {
    for (const work of works) {
      if (work.kind === 'COMPUTE') this.#setting.registry.get(work.function)?.prepare()
    }
    const old = await this.#fetcher
    await old?.close()
    this.#fetcher = works.some(({ kind }) => kind === 'FETCH') ? this.#setting.openFetcher() : null
    await Promise.all([this.#fetcher, this.#setting.started])
    this.#setting.send({ kind: 'prepared' })
  }

  #open(spec: JobSpec, slate: SlateWriter): void {
    this.#job = null
    if (spec.work.kind === 'COMPUTE') this.#job = this.#compute(spec, spec.work.function, slate)
    else void this.#openFetch(spec, slate)
  }

  #compute(spec: JobSpec, name: string, slate: SlateWriter): Job {
    const { registry, cpu, load, authors, epochOfZeroMs } = this.#setting
    const fn = registry.get(name)
    // The server knows it: the lane's copy of the folder must be another by now.
    if (!fn) throw new Error(`the function ${JSON.stringify(name)} is not there any more`)
    const tellWaiting = (busyShare: number | null) => this.#setting.send({ kind: 'waiting', job: spec.job, busyShare })
    const send = this.#report
    const strays = this.#strays
    return new ComputeJob(spec, { fn, slate, cpu, load, strays, authors, epochOfZeroMs, send, tellWaiting })
  }

  async #openFetch(spec: JobSpec, slate: SlateWriter): Promise<void> {
    if (spec.work.kind !== 'FETCH') return
    const { stagingDir, cpu, load, epochOfZeroMs } = this.#setting
    const held: ToLane[] = []
    this.#held = held
    this.#fetcher ??= this.#setting.openFetcher()
    const fetcher = await this.#fetcher
    const { timeoutMs, maxOutputBytes } = spec
    const { fetch, storesFor } = spec.work
    const settings = { options: fetch, timeoutMs, maxOutputBytes, fileStem: null }
    const stemOf = storesFor === null ? null : (index: number) => join(stagingDir, stagedStem(storesFor, index))
    this.#job = new FetchJob(spec, { fetcher, settings, stemOf, slate, cpu, load, epochOfZeroMs, send: this.#report })
    this.#held = null
    for (const message of held) this.handle(message)
  }

  readonly #report = (block: ResultBlock): void => {
    const strays = this.#strays.count
    this.#toldStrays = strays > 0
    this.#setting.send({ kind: 'results', block, strays })
  }
}
