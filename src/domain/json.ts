/** What a JSON value must be to be computed with: the same for values of a request and for lines of a file. */

import { MAX_JSON_DEPTH } from './output.js'
import { UploadedFile } from './upload.js'

/**
 * Why a value cannot be an input, or null where it can. A whole number past 2^53 has lost its last digits by the time it is
 * here, so it is refused rather than computed with.
 */
export function jsonProblem(value: unknown): string | null {
  if (typeof value === 'string') return null
  const open: { value: unknown; depth: number }[] = [{ value, depth: 0 }]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value: part, depth } = next
    if (typeof part === 'number') {
      const problem = numberProblem(part, String(part))
      if (problem !== null) return problem
    }
    if (typeof part !== 'object' || part === null) continue
    if (part instanceof UploadedFile) return 'a file is no JSON value: it can stand for a variable of type Upload alone'
    if (depth >= MAX_JSON_DEPTH) return TOO_DEEP
    for (const child of Object.values(part)) open.push({ value: child, depth: depth + 1 })
  }
  return null
}

/** JSON has no way to write what lies between: from 1e21 on, JSON.stringify writes an exponent, as a float's author would. */
export function numberProblem(value: number, text: string): string | null {
  if (!Number.isFinite(value)) return `JSON cannot represent ${text}: it is past all numbers`
  if (!Number.isInteger(value) || Number.isSafeInteger(value) || /[eE]/.test(text)) return null
  return `JSON cannot represent ${text} exactly: write whole numbers from 2^53 on as decimal strings`
}

export const TOO_DEEP = `JSON values may be nested ${MAX_JSON_DEPTH} levels deep, not deeper`
