import type { Json } from '../../domain/batch.js'
import { type Decimal, readDecimal } from '../../domain/decimal.js'
import { createFold } from '../../domain/reduction.js'
import type { ComputeFunction } from '../function.js'

const MAX_VALUES = 1_000_000

/**
 * Larger ones could have squares that add up to more than a double holds. Not in the schema: GraphiQL fails to read whole
 * numbers written with an exponent.
 */
const MAX_VALUE = 1e150

const DEFAULT_QUANTILES = [0.05, 0.25, 0.5, 0.75, 0.95]

interface Options {
  values: number[]
  quantiles?: number[]
}

const VALUES: { [key: string]: Json } = {
  items: { type: 'number' },
  minItems: 1,
  maxItems: MAX_VALUES,
}

/** Null with one value, which has no sample to speak of. */
const SPREAD: Json = { type: ['number', 'null'], minimum: 0 }

/** What a list of numbers is like. */
export const statistics: ComputeFunction = {
  name: 'statistics',
  description: [
    'The figures of a list of numbers, given as it is or as { values, quantiles } (0.05, 0.25, 0.5, 0.75 and 0.95 if not said). count,',
    'min and max are exact; sum and mean are the doubles nearest to the true ones, whatever the order. median: the middle value, or',
    'half the sum of the two in the middle. quantiles: linear between the values at rank 1 + p·(count - 1), as NumPy, R (type 7) and',
    "Excel's PERCENTILE.INC have it; both to a rounding or three. variance divides by count (the population's), sampleVariance by",
    'count - 1 (null for one value), with a relative error below 2^-49 where the deviations from the mean are not below 1e-150; stddev',
    'and sampleStddev are their roots. 1 to 1,000,000 values from -1e150 to 1e150; 100,000 take some 60 ms.',
  ].join(' '),
  inputSchema: {
    type: ['array', 'object'],
    ...VALUES,
    properties: {
      values: { type: 'array', ...VALUES },
      quantiles: { type: 'array', items: { type: 'number', minimum: 0, maximum: 1 }, maxItems: 100 },
    },
    required: ['values'],
    additionalProperties: false,
  },
  outputSchema: {
    type: 'object',
    properties: {
      count: { type: 'integer', minimum: 1 },
      min: { type: 'number' },
      max: { type: 'number' },
      sum: { type: 'number' },
      mean: { type: 'number' },
      median: { type: 'number' },
      variance: { type: 'number', minimum: 0 },
      stddev: { type: 'number', minimum: 0 },
      sampleVariance: SPREAD,
      sampleStddev: SPREAD,
      quantiles: {
        type: 'array',
        items: {
          type: 'object',
          properties: { p: { type: 'number', minimum: 0, maximum: 1 }, value: { type: 'number' } },
          required: ['p', 'value'],
          additionalProperties: false,
        },
      },
    },
    required: [
      'count',
      'min',
      'max',
      'sum',
      'mean',
      'median',
      'variance',
      'stddev',
      'sampleVariance',
      'sampleStddev',
      'quantiles',
    ],
    additionalProperties: false,
  },
  example: [2, 4, 4, 4, 5, 5, 7, 9],
  async run(input) {
    const { mean: meanOf, medianSorted, quantileSorted, sum } = await import('simple-statistics')
    const { values, quantiles = DEFAULT_QUANTILES } = Array.isArray(input) ? { values: input } : (input as Options)
    const count = values.length
    const beyond = values.findIndex((value) => Math.abs(value) > MAX_VALUE)
    if (beyond >= 0) throw new RangeError(`value ${beyond} is ${values[beyond]}: the values go from -1e150 to 1e150`)
    const ascending = Array.from(Float64Array.from(values).sort())
    const total = exactSum(values)
    const mean = nearestQuotient(total, count)
    // From the mean, and once more from their own: what rounding the mean has left is all of it where the values are close.
    const deviations = values.map((value) => value - mean)
    const rest = meanOf(deviations)
    // The library's sums carry what each addition loses.
    const squares = sum(deviations.map((deviation) => (deviation - rest) ** 2))
    const variance = squares / count
    const sampleVariance = count > 1 ? squares / (count - 1) : null
    return {
      count,
      min: ascending[0],
      max: ascending[count - 1],
      sum: nearestQuotient(total, 1),
      mean,
      median: medianSorted(ascending),
      variance,
      stddev: Math.sqrt(variance),
      sampleVariance,
      sampleStddev: sampleVariance === null ? null : Math.sqrt(sampleVariance),
      quantiles: quantiles.map((p) => ({ p, value: quantileSorted(ascending, p) })),
    }
  },
}

function exactSum(values: readonly number[]): Decimal {
  const fold = createFold('SUM')
  for (const value of values) fold.add(value)
  return readDecimal(fold.state().value ?? '0')
}

const bitsOf = (value: bigint) => 4 * value.toString(16).length

/** sum / count, rounded once; a quotient below 2^-1022 twice. */
function nearestQuotient({ coefficient, scale }: Decimal, count: number): number {
  const denominator = 10n ** BigInt(scale) * BigInt(count)
  const magnitude = coefficient < 0n ? -coefficient : coefficient
  // More bits than a double has, and one more that says whether there is a rest: so it rounds as the whole would.
  const shift = Math.max(0, 72 + bitsOf(denominator) - bitsOf(magnitude))
  const shifted = magnitude << BigInt(shift)
  const rest = shifted % denominator === 0n ? 0n : 1n
  const nearest = timesPowerOfHalf(Number(((shifted / denominator) << 1n) | rest), shift + 1)
  return coefficient < 0n ? -nearest : nearest
}

/** 2^-1075 itself would be 0. */
function timesPowerOfHalf(value: number, power: number): number {
  return power <= 1_000 ? value * 2 ** -power : timesPowerOfHalf(value * 2 ** -1_000, power - 1_000)
}
