/** What a function gets to know of its task. */

import type { FunctionContext } from '../functions/function.js'
import type { SlateWriter } from './slate.js'

/** Less of a change is not written: a loop that says at each turn how far it is writes ten thousand times at most. */
const MIN_CHANGE = 1e-4

/** A slot of a lane's job, in which one task after the other is served. Made once for all of them. */
export interface Place {
  readonly slate: SlateWriter
  readonly slot: number
  /** Of a synchronous task that was served here, unused. */
  spare: AbortController | null
}

/**
 * A controller takes a microsecond to make, more than many a task: it is made when a function asks for the signal, and
 * serves the tasks after it for as long as they are synchronous. Those end before anyone could abort them. What says the
 * progress is made when it is asked for too.
 */
export class TaskContext implements FunctionContext {
  #controller: AbortController | null
  #reason: DOMException | null = null
  #progress: ((fraction: number) => void) | null = null
  /** Null once the task has ended: it is another's then. */
  #place: Place | null

  constructor(
    readonly index: number,
    readonly attempt: number,
    place: Place,
  ) {
    this.#controller = place.spare
    this.#place = place
  }

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController()
      if (this.#reason) this.#controller.abort(this.#reason)
    }
    return this.#controller.signal
  }

  get progress(): (fraction: number) => void {
    this.#progress ??= this.#teller()
    return this.#progress
  }

  #teller(): (fraction: number) => void {
    let said = Number.NaN
    return (fraction) => {
      if (this.#place === null || typeof fraction !== 'number' || Number.isNaN(fraction)) return
      const clamped = fraction <= 0 ? 0 : fraction >= 1 ? 1 : fraction
      if (clamped === said || (clamped < 1 && Math.abs(clamped - said) < MIN_CHANGE)) return
      said = clamped
      this.#place.slate.progress(this.#place.slot, clamped)
    }
  }

  // No methods, as functions are not to abort or end themselves.

  static abort(context: TaskContext, reason: DOMException): void {
    context.#reason = reason
    context.#controller?.abort(reason)
  }

  /** Has what the task's function still says of its progress go nowhere. */
  static end(context: TaskContext): void {
    context.#place = null
  }

  /** The same for a synchronous task, whose controller is as good as new: the next one at this place has it. */
  static endUnaborted(context: TaskContext): void {
    if (context.#place) context.#place.spare = context.#controller
    context.#place = null
  }
}
