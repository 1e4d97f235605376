/** Outputs on their way out: stored as JSON texts, sent as JSON values. */

import type { Json } from '../domain/batch.js'
import { AnswerBudget } from './answer-budget.js'
import { badUserInput } from './errors.js'

/** Characters of all inputs and outputs in one answer: Node.js writes no answer of more than 512 Mi. */
const budget = new AnswerBudget(64 * 1024 * 1024)

/** Throws BAD_USER_INPUT where the answer would have more of inputs and outputs than it may. */
export function reserveJson(answer: object, characters: number): void {
  if (budget.take(answer, characters)) return
  throw badUserInput(
    `the inputs and outputs of one answer are more than ${budget.max} characters together: ask for fewer tasks`,
  )
}

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
