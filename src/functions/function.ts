/** The contract of a compute function: what a builtin and a file of HEDDLE_FUNCTIONS_DIR export. */

import type { Json } from '../domain/batch.js'

/** What a function may know of the task that it runs for. */
export interface FunctionContext {
  /**
   * Aborted when the task has timed out or its run has ended. A long loop sees that where it lets its lane's event loop turn
   * now and then; one that does not is ended with its lane.
   */
  readonly signal: AbortSignal
  /** The item's index in its batch. */
  readonly index: number
  /** From 1. */
  readonly attempt: number
  /**
   * Says how far the task is, from 0 to 1: `TaskInFlight.progress`. What lies outside is taken for the nearer end, what is
   * no number for nothing said. It may be called as often as one likes, detached from the context too, and never throws.
   */
  readonly progress: (fraction: number) => void
}

/**
 * A registered compute function. `run` may return a value or a promise of one. A BigInt travels as a number where
 * |x| < 2^53, else as a decimal string; undefined becomes null; NaN, infinities and cycles fail the task with
 * FUNCTION_ERROR, as does whatever `run` throws. A thrown error with `retryable: true` may be tried again.
 */
export interface ComputeFunction {
  name: string
  description: string
  /** JSON Schema (draft 2020-12 or draft-07) of one input. */
  inputSchema: Json
  outputSchema?: Json
  /** One input that works. */
  example?: Json
  run(input: unknown, context: FunctionContext): unknown
}

/** What the API tells of a function. */
export interface FunctionInfo {
  name: string
  description: string
  inputSchema: Json
  outputSchema: Json
  example: Json
}

/** One thing that is wrong with an input, and where in it. */
export interface InputProblem {
  path: (string | number)[]
  message: string
}

/** What launches need to know of the functions: the registry without the code. */
export interface FunctionCatalog {
  list(): FunctionInfo[]
  has(name: string): boolean
  /** Empty where the input fits the function's schema. */
  validate(name: string, input: unknown): InputProblem[]
  /** Checks as much of a range as can be checked without going through it; what is left fails its own task. */
  validateRange(name: string, range: { from: number; step: number; count: number }): InputProblem[]
}
