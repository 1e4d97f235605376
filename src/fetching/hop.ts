/** One request on one connection and its answer: what a redirect repeats. The handler that undici calls. */

import type { Dispatcher } from 'undici'
import type { TaskFailure } from '../domain/errors.js'
import { Body, type BodyLimits, type BodyListener } from './body.js'
import { malformedAnswer, Stage, toFailure } from './failures.js'
import { type AnswerHeaders, readAnswerHeaders } from './headers.js'
import type { Phases } from './phases.js'
import type { Connection, OriginPool } from './pools.js'

export interface HopListener {
  /** The answer's headers are complete; the answer says how to read the body, or what is wrong with it already. */
  onAnswer(status: number, headers: AnswerHeaders): BodyLimits | TaskFailure
  /** The body has been read whole. */
  onEnd(): void
  /** The connection has ended, the body is faulty, or onAnswer said so. Nothing comes after it. */
  onFailure(failure: TaskFailure): void
}

export interface HopOptions {
  pool: OriginPool
  phases: Phases
  request: Dispatcher.DispatchOptions
}

/** Nobody has asked for another one. */
const SWITCHING_PROTOCOLS = 101

export class Hop implements Dispatcher.DispatchHandler, BodyListener {
  body: Body | null = null
  readonly #pool: OriginPool
  readonly #phases: Phases
  readonly #request: Dispatcher.DispatchOptions
  #connection: Connection | null = null
  #stage: Stage = Stage.CONNECTING
  /** A byte of the answer is here. */
  #answered = false
  /** Whether the request has gone out on a connection that was there already. */
  #isOnKept = false
  /** undici is done with it: the connection is not ours any more. */
  #ended = false
  /** Nobody listens any more. */
  #stopped = false
  #resume: (() => void) | null = null

  constructor(
    options: HopOptions,
    private readonly listener: HopListener,
  ) {
    this.#pool = options.pool
    this.#phases = options.phases
    this.#request = options.request
  }

  /** `fresh`: on a connection of its own. */
  start({ fresh = false } = {}): void {
    this.#connection = fresh ? this.#pool.open() : this.#pool.take()
    this.#connection.send(this.#request, this)
  }

  /** Whether a kept connection has ended before it brought anything: the other side had given it up. */
  get wasTooLate(): boolean {
    return this.#isOnKept && !this.#answered
  }

  /** Ends it on the socket, at once. The listener hears nothing more. */
  stop(): void {
    this.#stopped = true
    this.body?.destroy()
    if (!this.#ended) this.#connection?.cut()
  }

  onConnect(abort: (error?: Error) => void): void {
    if (this.#stopped) {
      abort()
      return
    }
    this.#stage = Stage.WAITING
    this.#connection?.wire?.begin()
    const times = this.#connection?.takeTimes() ?? null
    this.#isOnKept = times === null
    this.#phases.sent(times)
  }

  onResponseStarted(): void {
    if (this.#answered) return
    this.#answered = true
    this.#phases.answered()
  }

  onHeaders(status: number, raw: Buffer[], resume: () => void): boolean {
    if (this.#stopped) return true
    if (status < 100 || status === SWITCHING_PROTOCOLS) {
      this.#fail(malformedAnswer(`status ${status}`))
      return true
    }
    // Other 1xx are no answer yet.
    if (status < 200) return true
    this.#stage = Stage.RECEIVING
    this.#resume = resume
    const limits = this.listener.onAnswer(status, readAnswerHeaders(raw))
    if (limits instanceof Error) this.#fail(limits)
    else this.body = new Body(limits, this)
    return true
  }

  onData(piece: Buffer): boolean {
    if (this.#stopped || this.body === null) return true
    const wire = this.#connection?.wire
    wire?.credit(piece.length)
    const goesOn = this.body.write(piece)
    if (!goesOn) wire?.hold()
    return goesOn
  }

  onComplete(): void {
    const connection = this.#connection as Connection
    this.#ended = true
    if (this.#stopped || connection.wire?.broken) {
      this.#pool.discard(connection)
      // undici takes a body without a length for whole even where a reset was its end.
      if (!this.#stopped) this.#fail(toFailure(null, Stage.RECEIVING))
      return
    }
    this.#phases.ended()
    this.#pool.release(connection)
    this.body?.end()
  }

  onError(error: Error): void {
    if (this.#ended) return
    this.#ended = true
    this.#pool.discard(this.#connection as Connection)
    if (this.#stopped) return
    this.#fail(toFailure(error, this.#stage))
  }

  onBodyEnd(): void {
    if (!this.#stopped) this.listener.onEnd()
  }

  onBodyFailure(failure: TaskFailure): void {
    if (!this.#stopped) this.#fail(failure)
  }

  onDrain(): void {
    if (!this.#stopped && !this.#ended && this.#resume !== null) this.#connection?.wire?.letGo(this.#resume)
  }

  #fail(failure: TaskFailure): void {
    this.stop()
    this.listener.onFailure(failure)
  }
}
