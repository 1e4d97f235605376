/** What a task has come to that its function has brought to an end. */

import type { TaskError } from '../domain/errors.js'
import { isTooDeep, toJsonText } from '../domain/output.js'
import { outputTooDeep, outputTooLarge, toTaskError } from './failure.js'

/** `output`: the JSON text of the value. */
export type Verdict = { error: TaskError } | { error: null; output: string; value: unknown }

/** On what a function has returned. May run code of the value's own, and never throws. */
export function verdictOn(value: unknown, maxOutputBytes: number): Verdict {
  try {
    // Of what is too large no text is made, which would take as much memory again.
    if (leastChars(value) > maxOutputBytes) return { error: outputTooLarge(maxOutputBytes) }
    const output = toJsonText(value)
    if (isLarger(output, maxOutputBytes)) return { error: outputTooLarge(maxOutputBytes) }
    if (isTooDeep(output)) return { error: outputTooDeep() }
    return { error: null, output, value }
  } catch (thrown) {
    return { error: toTaskError(thrown) }
  }
}

/** What its JSON text has at least, as far as can be told at a glance: an element has a digit and a comma. */
function leastChars(value: unknown): number {
  if (typeof value === 'string') return value.length
  if (typeof value !== 'object' || value === null) return 0
  const isList = Buffer.isBuffer(value) || (Array.isArray(value) && !('toJSON' in value))
  return isList ? 2 * value.length : 0
}

function isLarger(text: string, maxBytes: number): boolean {
  // A UTF-16 unit is one to three bytes of UTF-8: most outputs need not be measured.
  if (text.length > maxBytes) return true
  return text.length * 3 > maxBytes && Buffer.byteLength(text) > maxBytes
}
