/** What functions throw, as the error of their task. */

import { inspect } from 'node:util'
import { type TaskError, TaskFailure } from '../domain/errors.js'
import { MAX_JSON_DEPTH } from '../domain/output.js'
import type { InputProblem } from '../functions/function.js'

const MAX_MESSAGE_CHARS = 2_000

/** FUNCTION_ERROR with the error's message, and its name where that says something. Never throws, whatever was thrown. */
export function toTaskError(thrown: unknown): TaskError {
  try {
    if (thrown instanceof TaskFailure) return describe(thrown.code, thrown.message, thrown.retryable)
    return describe('FUNCTION_ERROR', messageOf(thrown), isRetryable(thrown))
  } catch {
    return describe('FUNCTION_ERROR', 'the function threw something that cannot be read', false)
  }
}

/** What a function has left to itself: a rejection that nobody handles, an error that nobody catches. It is not tried again. */
export function leftBehind(thrown: unknown): TaskError {
  const { message } = toTaskError(thrown)
  return describe('FUNCTION_ERROR', `left behind an error that nothing caught: ${message}`, false)
}

export function timeoutError(timeoutMs: number): TaskError {
  return { code: 'TIMEOUT', message: `the task took more than ${timeoutMs} ms`, retryable: true }
}

export function invalidInput(problems: readonly InputProblem[]): TaskError {
  const told = problems.map(({ path, message }) => ['input', ...path].join('.').concat(' ', message))
  return describe('INVALID_INPUT', told.join('; '), false)
}

export function outputTooLarge(maxOutputBytes: number): TaskError {
  return describe('OUTPUT_TOO_LARGE', `the output has more than ${maxOutputBytes} bytes of JSON`, false)
}

export function outputTooDeep(): TaskError {
  return describe('OUTPUT_TOO_LARGE', `the output is nested more than ${MAX_JSON_DEPTH} levels deep`, false)
}

/** `RangeError: …`, or the message alone of a plain Error. */
export function messageOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return typeof thrown === 'string' ? thrown : inspect(thrown, { depth: 2 })
  const message = String(thrown.message)
  const name = String(thrown.name)
  if (name === 'Error' || name === '') return message || 'Error'
  return message ? `${name}: ${message}` : name
}

function isRetryable(thrown: unknown): boolean {
  return typeof thrown === 'object' && thrown !== null && (thrown as { retryable?: unknown }).retryable === true
}

function describe(code: TaskError['code'], message: string, retryable: boolean): TaskError {
  const short = message.length > MAX_MESSAGE_CHARS ? `${message.slice(0, MAX_MESSAGE_CHARS)}…` : message
  return { code, message: short, retryable }
}
