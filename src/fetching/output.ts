/** A body as the JSON text of a task's output. */

import { isUtf8 } from 'node:buffer'
import type { BodyPolicy } from '../domain/batch.js'
import { TaskFailure } from '../domain/errors.js'
import { isTooDeep, MAX_JSON_DEPTH } from '../domain/output.js'
import { charsetOf, decodeText, UTF_8 } from '../domain/text.js'

export interface OutputRequest {
  policy: 'JSON' | 'TEXT'
  contentType: string | null
  /** Of the JSON text. */
  maxBytes: number
}

/**
 * A body of that many bytes for each byte of output is not worth looking at: UTF-16 halves as UTF-8, and JSON loses
 * its white space.
 */
const BODY_BYTES_PER_OUTPUT_BYTE = 4

/** How much of a body there may be at most for its output to be small enough. */
export function maxKeptBytes(maxOutputBytes: number): number {
  return maxOutputBytes * BODY_BYTES_PER_OUTPUT_BYTE
}

/** Throws TaskFailure: DECODING, OUTPUT_TOO_LARGE. */
export function toOutput(body: Buffer, request: OutputRequest): string {
  const output =
    request.policy === 'TEXT'
      ? JSON.stringify(decodeText(body, request.contentType))
      : compactJson(checkedJson(body, request.contentType))
  if (Buffer.byteLength(output) > request.maxBytes) {
    throw new TaskFailure('OUTPUT_TOO_LARGE', `the output is larger than ${request.maxBytes} bytes`)
  }
  if (isTooDeep(output)) {
    throw new TaskFailure('OUTPUT_TOO_LARGE', `the output is nested more than ${MAX_JSON_DEPTH} levels deep`)
  }
  return output
}

/** What stands for the body of an answer that cannot have one. */
export function emptyOutput(policy: BodyPolicy): string | null {
  if (policy === 'DISCARD' || policy === 'STORE') return null
  return policy === 'TEXT' ? '""' : 'null'
}

/** The text itself is the output, not what JSON.parse makes of it: it would round numbers beyond 2^53. */
function checkedJson(body: Buffer, contentType: string | null): string {
  const charset = charsetOf(body, contentType)
  if (charset === UTF_8 && !isUtf8(body)) throw new TaskFailure('DECODING', 'the body is not valid JSON: not UTF-8')
  const text = decodeText(body, contentType)
  try {
    JSON.parse(text)
  } catch {
    throw new TaskFailure('DECODING', 'the body is not valid JSON')
  }
  return text
}

/** Valid JSON without its insignificant white space, in one line. */
function compactJson(text: string): string {
  let compact = ''
  let from = 0
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) {
      at = endOfString(text, at)
    } else if (code <= SPACE) {
      compact += text.slice(from, at)
      from = at + 1
    }
  }
  return from === 0 ? text : compact + text.slice(from)
}

const QUOTE = 0x22
const SPACE = 0x20
const BACKSLASH = 0x5c

/** The place of the quote that closes the string that opens at `start`. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1)
  while (isEscaped(text, end)) end = text.indexOf('"', end + 1)
  return end
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0
  while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes += 1
  return backslashes % 2 === 1
}
