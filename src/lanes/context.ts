/** What a function gets to know of its task. */

import type { FunctionContext } from '../functions/function.js'

/**
 * A controller takes a microsecond to make, more than many a task: it is made when a function asks for the signal, and
 * serves the tasks after it for as long as they are synchronous. Those end before anyone could abort them.
 */
export class TaskContext implements FunctionContext {
  #controller: AbortController | null
  #reason: DOMException | null = null

  constructor(
    readonly index: number,
    readonly attempt: number,
    spare: AbortController | null,
  ) {
    this.#controller = spare
  }

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController()
      if (this.#reason) this.#controller.abort(this.#reason)
    }
    return this.#controller.signal
  }

  // No methods, as functions are not to abort themselves.

  static abort(context: TaskContext, reason: DOMException): void {
    context.#reason = reason
    context.#controller?.abort(reason)
  }

  /** Of a synchronous task that has ended: its controller, unused. */
  static spareOf(context: TaskContext): AbortController | null {
    return context.#controller
  }
}
