/** Sends the requests that its lane is granted, up to `slots` at once. */

import { setMaxListeners } from 'node:events'
import { type FetchRequest, isUnsendable, toFetchRequest } from '../domain/batch.js'
import type { TaskError } from '../domain/errors.js'
import { leftAloneMs } from '../domain/host-verdict.js'
import { Outcome } from '../domain/results.js'
import type { Fetcher, FetchOutcome, FetchSettings } from '../fetching/fetcher.js'
import { Backlog } from './backlog.js'
import type { TaskTimes } from './block.js'
import type { CpuClock } from './cpu.js'
import type { Job } from './job.js'
import type { LoadClock } from './load.js'
import { now } from './now.js'
import { Outbox } from './outbox.js'
import type { Grant, JobSpec, ResultBlock } from './protocol.js'
import type { SlateWriter } from './slate.js'

export interface FetchSetting {
  fetcher: Fetcher
  settings: FetchSettings
  /** Where the body of an item is written, see FetchSettings.fileStem; null where none is stored. */
  stemOf: ((index: number) => string) | null
  slate: SlateWriter
  cpu: CpuClock | null
  load: LoadClock
  /** Epoch milliseconds at the zero of performance.now(). */
  epochOfZeroMs: number
  send(block: ResultBlock): void
}

export class FetchJob implements Job {
  readonly #setting: FetchSetting
  readonly #backlog: Backlog
  readonly #outbox: Outbox
  readonly #slots: number
  readonly #freeSlots: number[]
  readonly #abort = new AbortController()

  constructor(spec: JobSpec, setting: FetchSetting) {
    this.#setting = setting
    this.#slots = spec.slots
    this.#backlog = new Backlog(spec)
    this.#outbox = new Outbox({ ...setting, spec, fold: null })
    this.#freeSlots = Array.from({ length: spec.slots }, (_, place) => spec.slots - 1 - place)
    // One signal for all requests of the job: as many listeners as there are slots are no leak.
    setMaxListeners(0, this.#abort.signal)
  }

  grant(grant: Grant, claims: SharedArrayBuffer | null = null): void {
    this.#backlog.push(grant, claims)
    if (this.#abort.signal.aborted) this.#giveBack()
    else this.#pump()
  }

  recall(): void {
    this.#giveBack()
  }

  /** Requests in flight are reported when the fetcher lets go of them, which it does at once. */
  cancel(): void {
    this.#giveBack()
    this.#abort.abort()
  }

  flush(): void {
    this.#outbox.flush()
  }

  /** No function runs here: what is left of one is another job's. */
  indexOf(): null {
    return null
  }

  blame(): void {}

  #giveBack(): void {
    while (this.#backlog.next()) {
      const { index, attempt } = this.#backlog
      const times = { index, attempt, startedAt: 0, serviceMs: 0, cpuMs: Number.NaN }
      this.#outbox.block.add(times, {
        outcome: Outcome.NOT_STARTED,
        output: null,
        error: null,
        retryAfterMs: null,
        fetch: null,
      })
    }
    this.#outbox.flush()
  }

  #pump(): void {
    while (this.#freeSlots.length > 0 && this.#backlog.next()) {
      const input = this.#backlog.input()
      if (isUnsendable(input)) this.#refuse(input.problem)
      else this.#start(this.#freeSlots.pop()!, toFetchRequest(input))
    }
  }

  /** What is no request fails without being sent. */
  #refuse(message: string): void {
    const { index, attempt } = this.#backlog
    const startedAt = this.#setting.epochOfZeroMs + now()
    const times: TaskTimes = { index, attempt, startedAt, serviceMs: 0, cpuMs: Number.NaN }
    const error: TaskError = { code: 'INVALID_INPUT', message, retryable: false }
    this.#outbox.block.add(times, { outcome: Outcome.FAILED, output: null, error, retryAfterMs: null, fetch: null })
    this.#outbox.flushSoon()
  }

  #start(slot: number, request: FetchRequest): void {
    const { fetcher, settings, stemOf, slate, epochOfZeroMs } = this.#setting
    const { index, attempt } = this.#backlog
    const startedMs = now()
    const times: TaskTimes = {
      index,
      attempt,
      startedAt: epochOfZeroMs + startedMs,
      serviceMs: 0,
      cpuMs: Number.NaN,
    }
    slate.mark(slot, times)
    const own = stemOf === null ? settings : { ...settings, fileStem: stemOf(index) }
    void fetcher.fetch(request, own, this.#abort.signal).then((outcome) => {
      times.serviceMs = now() - startedMs
      slate.wipe(slot)
      this.#freeSlots.push(slot)
      this.#end(times, outcome)
    })
  }

  #end(times: TaskTimes, { error, retryAfterMs, output, detail }: FetchOutcome): void {
    const cancelled = error !== null && this.#abort.signal.aborted
    const outcome = error === null ? Outcome.SUCCEEDED : cancelled ? Outcome.CANCELLED : Outcome.FAILED
    this.#outbox.block.add(times, { outcome, output, error: cancelled ? null : error, retryAfterMs, fetch: detail })
    // The host asks to be left alone: what waits here is not to be sent to it, and the server is to know.
    const isSentAway = error !== null && leftAloneMs({ code: error.code, status: detail.status, retryAfterMs }) !== null
    if (isSentAway) this.#giveBack()
    else this.#pump()
    // With nothing left there is nothing to wait for.
    if (this.#freeSlots.length === this.#slots && this.#backlog.isEmpty) this.#outbox.flush()
    else this.#outbox.flushSoon()
  }
}
