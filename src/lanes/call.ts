/** Calls of a user's code, named so that they can be somebody's doing: see authors.ts. */

import type { ComputeFunction } from '../functions/function.js'
import type { TaskContext } from './context.js'

export function call(fn: ComputeFunction, input: unknown, context: TaskContext): unknown {
  return fn.run(input, context)
}

export function toPromise(thenable: PromiseLike<unknown>): Promise<unknown> {
  return Promise.resolve(thenable)
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  return typeof (value as { then?: unknown }).then === 'function'
}
