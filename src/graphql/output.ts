/** Outputs on their way out: stored as JSON texts, sent as JSON values. */

import type { Json } from '../domain/batch.js'

/** Only texts with such digits can hold numbers that doubles do not. */
const MAY_BE_INEXACT = /\d{16}|[eE]\+?\d{3}/
/** Strings, to pass over what is in them, and numbers. */
const STRING_OR_NUMBER = /"(?:[^"\\]+|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g

/** The value; numbers that it could not hold, whole ones from 2^53 on and those past all doubles, as decimal strings. */
export function readOutput(text: string): Json {
  if (!MAY_BE_INEXACT.test(text)) return JSON.parse(text)
  return JSON.parse(text.replace(STRING_OR_NUMBER, (token) => (isInexact(token) ? `"${token}"` : token)))
}

function isInexact(token: string): boolean {
  if (token.startsWith('"')) return false
  const number = Number(token)
  return !Number.isFinite(number) || (/^-?\d+$/.test(token) && !Number.isSafeInteger(number))
}
