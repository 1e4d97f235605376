import type { ComputeFunction } from '../function.js'
import { checkpoint } from './checkpoint.js'
import { MAX_N, N_SCHEMA, readN } from './naturalNumber.js'

/** The sum is kept as high × UNIT + low: low stays small enough that adding to it is exact. */
const UNIT = 2 ** 52

/** To here the sum itself is below 2^53. */
const PLAIN_N = 300_000

/** From here on i² itself passes UNIT. */
const LARGE = 2 ** 26

/** How many squares are added between two looks at the signal: a few milliseconds. */
const BLOCK = 2 ** 21

/**
 * The chapter's compute-heavy example: a loop over all i, on purpose; (n - 1)·n·(2n - 1)/6 would take no time. Exact to
 * MAX_N, where the sum has 30 digits.
 */
export const sumOfSquares: ComputeFunction = {
  name: 'sumOfSquares',
  description:
    'The sum of i × i for 0 ≤ i < n, exact, by adding them one by one: work for a core. n up to 10,000,000,000; 10,000,000 takes some 10 ms.',
  inputSchema: N_SCHEMA,
  outputSchema: {
    type: ['integer', 'string'],
    pattern: '^[0-9]+$',
    description: 'A number below 2^53, else a decimal string.',
  },
  example: 10_000_000,
  run(input, context) {
    const n = readN(input)
    if (n <= PLAIN_N) return plainSum(n)
    let total = 0n
    for (let from = 0; from < n; from += BLOCK) {
      checkpoint(context, from / n)
      total += sumOfSquaresBetween(from, Math.min(n, from + BLOCK))
    }
    return total
  },
}

function plainSum(n: number): number {
  let sum = 0
  for (let i = 0; i < n; i += 1) sum += i * i
  return sum
}

/** Σ i² for from ≤ i < to. */
export function sumOfSquaresBetween(from: number, to: number): bigint {
  if (!(from >= 0 && to <= MAX_N)) throw new RangeError(`${from} to ${to} is outside of 0 to ${MAX_N}`)
  const middle = Math.min(to, Math.max(from, LARGE))
  return sumOfSmallSquares(from, middle) + sumOfLargeSquares(middle, to)
}

function sumOfSmallSquares(from: number, to: number): bigint {
  let high = 0
  let low = 0
  for (let i = from; i < to; i += 1) {
    // Both below UNIT, so the sum is below 2^53.
    low += i * i
    if (low >= UNIT) {
      low -= UNIT
      high += 1
    }
  }
  return BigInt(high) * BigInt(UNIT) + BigInt(low)
}

/** i² is squareHigh × UNIT + squareLow, and (i + 1)² is 2i + 1 more: no product that could round. */
function sumOfLargeSquares(from: number, to: number): bigint {
  const first = BigInt(from) * BigInt(from)
  let squareHigh = Number(first / BigInt(UNIT))
  let squareLow = Number(first % BigInt(UNIT))
  let high = 0
  let low = 0
  for (let i = from; i < to; i += 1) {
    high += squareHigh
    low += squareLow
    if (low >= UNIT) {
      low -= UNIT
      high += 1
    }
    squareLow += 2 * i + 1
    if (squareLow >= UNIT) {
      squareLow -= UNIT
      squareHigh += 1
    }
  }
  return BigInt(high) * BigInt(UNIT) + BigInt(low)
}
