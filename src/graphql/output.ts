/** Outputs on their way out: stored as JSON texts, sent as JSON values. */

import type { Json } from '../domain/batch.js'
import { exactText } from '../domain/output.js'
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

/** The value; numbers that it could not hold, whole ones from 2^53 on and those past all doubles, as decimal strings. */
export function readOutput(text: string): Json {
  return JSON.parse(exactText(text))
}
