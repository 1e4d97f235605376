/** The input of the builtins that take a whole number n. */

import type { Json } from '../../domain/batch.js'

/** The largest n: some tens of seconds of work. */
export const MAX_N = 10_000_000_000

/** n as a number or as a decimal string, from 0 to MAX_N. The pattern is the same bound, for strings. */
export const N_SCHEMA: Json = {
  type: ['integer', 'string'],
  minimum: 0,
  maximum: MAX_N,
  pattern: '^([0-9]{1,10}|10000000000)$',
  title: 'n',
  description: 'A whole number from 0 to 10,000,000,000, as a number or as a decimal string.',
}

/** The number that an input stands for. Throws RangeError for what the schema would not let through. */
export function readN(input: unknown): number {
  const n = typeof input === 'string' && /^\d+$/.test(input) ? Number(input) : input
  if (typeof n === 'number' && Number.isInteger(n) && n >= 0 && n <= MAX_N) return n
  throw new RangeError(`n is a whole number from 0 to ${MAX_N}, not ${JSON.stringify(input) ?? typeof input}`)
}
