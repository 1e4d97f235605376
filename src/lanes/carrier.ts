/**
 * What carries a lane: a worker thread or child process of tinypool, started for it and ended with it. tinypool starts
 * and ends them; what is here makes sure that each end is noticed, told apart, and told after the last message.
 */

import type { MessagePort } from 'node:worker_threads'
import type { Tinypool, TinypoolChannel, TinypoolWorker } from 'tinypool'
import type { FromLane, LaneTask, ToLane } from './messages.js'
import type { SlateReader } from './slate.js'

/** Why a carrier ended. */
export interface Ending {
  outOfMemory: boolean
  /** A predicate: `exited with code 1`. */
  message: string
}

export interface CarrierListener {
  onMessage(message: FromLane): void
  /** Once, after the last message. */
  onEnd(ending: Ending): void
}

export interface Carrier {
  readonly slate: SlateReader
  /** See LaneStatus. */
  memoryMb(): number | null
  /** What would be free without it; null where that is not known. Costs milliseconds, in another thread. */
  ownMemoryMb(): Promise<number | null>
  send(message: ToLane): void
  /** Ends it at once; while it starts, as soon as it has. `onEnd` follows. */
  end(): void
}

/** Starts carriers of one kind. */
export interface CarrierSource {
  start(listener: CarrierListener): Carrier
  /** To be called when all of them have ended. */
  close(): Promise<void>
}

/** What carriers of either kind need to know. */
export interface CarrierOptions {
  /** The built lanes/entry.js. */
  entry: URL
  functionsDir: string | null
  allowHosts: readonly string[]
  stagingDir: string
  laneMemoryMb: number
  env: Readonly<Record<string, string>>
  /** See LaneTask. */
  epochOfMonotonicMs: number
  maxWorkers: number
}

/** The server's end of the line to a lane. */
export interface Line {
  readonly slate: SlateReader
  /** How tinypool gives the lane its end. */
  readonly run: { transferList?: MessagePort[]; channel?: TinypoolChannel }
  readonly task: LaneTask
  send(message: ToLane): void
  /** Tells of messages, and of the line's end, which comes after the last of them. */
  listen(onMessage: (message: FromLane) => void, onClosed: () => void): void
  /** See LaneStatus. */
  memoryMb(): number | null
  /** See Carrier. */
  ownMemoryMb(): Promise<number | null>
  /** The lane has begun, in this worker. */
  attach(worker: TinypoolWorker): void
  /** Ends the worker where tinypool would be too gentle. */
  kill(): void
  describeExit(exit: { code: number | null; signal: string | null; error: Error | null }): Ending
  /** Called once, last of all. */
  close(): void
}

/** By the name of lanes/entry.ts's export. */
const ENTRY_NAME = 'runLane'
/** Loading a user's functions may take long, but not for ever. */
const START_LIMIT_MS = 60_000
/** A carrier that starts and is not wanted any more is waited for, as its end can then be waited for too. */
const UNWANTED_LIMIT_MS = 2_000

export function createCarrierSource(
  pool: Tinypool,
  { entry, createLine }: { entry: URL; createLine(): Line },
): CarrierSource {
  const starting = new Set<PooledCarrier>()
  // A worker that fails before it has a task: nobody knows whose it would have been, so all who wait are told.
  pool.on('error', (error: Error) => {
    for (const carrier of [...starting]) carrier.fail(error)
  })
  return {
    start(listener) {
      const carrier: PooledCarrier = new PooledCarrier(pool, {
        line: createLine(),
        entry,
        listener: {
          onMessage(message) {
            if (message.kind === 'ready') starting.delete(carrier)
            listener.onMessage(message)
          },
          onEnd(ending) {
            starting.delete(carrier)
            listener.onEnd(ending)
          },
        },
      })
      starting.add(carrier)
      return carrier
    },
    close: () => pool.destroy(),
  }
}

class PooledCarrier implements Carrier {
  readonly #pool: Tinypool
  readonly #line: Line
  readonly #listener: CarrierListener
  readonly #abort = new AbortController()
  #worker: TinypoolWorker | null = null
  #error: Error | null = null
  #exit: { code: number | null; signal: string | null } | null = null
  /** Nothing more comes over the line. */
  #closed = false
  /** Its end is wanted, or has been told. */
  #ending = false
  #ended = false
  #startTimer: NodeJS.Timeout

  constructor(pool: Tinypool, { line, entry, listener }: { line: Line; entry: URL; listener: CarrierListener }) {
    this.#pool = pool
    this.#line = line
    this.#listener = listener
    line.listen(
      (message) => this.#receive(message),
      () => {
        this.#closed = true
        this.#settle()
      },
    )
    this.#startTimer = this.#limitStart(START_LIMIT_MS)
    const options = { ...line.run, filename: entry, name: ENTRY_NAME, signal: this.#abort.signal }
    // tinypool throws at once where a worker cannot be made at all.
    const run = async (): Promise<unknown> => pool.run(line.task, options)
    run().then(
      () => this.fail(new Error('the lane returned')),
      (error: unknown) => this.fail(error instanceof Error ? error : new Error(messageIn(error))),
    )
  }

  get slate(): SlateReader {
    return this.#line.slate
  }

  memoryMb(): number | null {
    return this.#line.memoryMb()
  }

  ownMemoryMb(): Promise<number | null> {
    return this.#line.ownMemoryMb()
  }

  send(message: ToLane): void {
    if (!this.#ended) this.#line.send(message)
  }

  end(): void {
    if (this.#ending) return
    this.#ending = true
    clearTimeout(this.#startTimer)
    if (this.#worker) this.#stop()
    else this.#startTimer = this.#limitStart(UNWANTED_LIMIT_MS)
  }

  /** The lane cannot begin, or its worker has failed. */
  fail(error: Error): void {
    this.#error ??= error
    // From then on the worker's exit is what counts.
    if (!this.#worker) this.#finish({ outOfMemory: false, message: `could not start: ${error.message}` })
  }

  #limitStart(limitMs: number): NodeJS.Timeout {
    return setTimeout(() => this.fail(new Error(`it was not ready after ${limitMs} ms`)), limitMs).unref()
  }

  #stop(): void {
    this.#line.kill()
    this.#abort.abort()
  }

  #receive(message: FromLane): void {
    if (message.kind === 'ready') this.#begin(message.id)
    if (!this.#ended) this.#listener.onMessage(message)
  }

  #begin(id: number): void {
    const worker = this.#pool.threads.find((candidate) => candidate.threadId === id)
    if (!worker) {
      this.fail(new Error('its worker ended at once'))
      return
    }
    this.#worker = worker
    clearTimeout(this.#startTimer)
    this.#line.attach(worker)
    worker.once('error', (error: Error) => {
      this.#error ??= error
    })
    worker.once('exit', (code: number | null, signal: string | null = null) => {
      this.#exit = { code, signal }
      this.#settle()
    })
    if (this.#ending) this.#stop()
  }

  /** The worker's exit and the line's end come in no certain order; only after both all has been told. */
  #settle(): void {
    if (!this.#closed) return
    if (this.#exit) this.#finish(this.#line.describeExit({ ...this.#exit, error: this.#error }))
    else if (!this.#worker) this.#finish({ outOfMemory: false, message: 'ended while it started' })
  }

  #finish(ending: Ending): void {
    if (this.#ended) return
    this.#ended = true
    this.#ending = true
    clearTimeout(this.#startTimer)
    // tinypool does not notice a thread that has ended without an error: aborting makes it forget the worker.
    this.#abort.abort()
    this.#listener.onEnd(ending)
    this.#line.close()
  }
}

/** A child process gives errors back as plain objects. */
function messageIn(error: unknown): string {
  const { message } = (error ?? {}) as { message?: unknown }
  return typeof message === 'string' ? message : String(error)
}
