import type { ComputeFunction, FunctionContext } from '../function.js'
import { checkpoint } from './checkpoint.js'
import { SEED_SCHEMA, Xoshiro128 } from './random.js'

const DEFAULT_COUNT = 100_000
const MAX_COUNT = 5_000_000
const MAX_VALUES = 500_000

/** Sorted in one go, as nobody can be heard meanwhile: some tens of milliseconds. */
const BLOCK = 2 ** 18

interface Generated {
  count: number
  seed: number
}

/** Sorting, as work for a core and its memory, or of one's own numbers. */
export const sortNumbers: ComputeFunction = {
  name: 'sortNumbers',
  description: [
    'Numbers in ascending order. Given a list, as it is or as { values }: the sorted list, exact, -0 as 0. Given { count, seed } (0 if',
    'not said), or a seed alone with a count of 100,000: makes so many whole numbers from 0 to 2^32 - 1, the outputs of xoshiro128**',
    'seeded by SplitMix64 with the seed (lower half of each output first), sorts them, and answers with count, min, max, sorted (found',
    'by looking at each pair) and checksum: from h = 0, h = (31·h + number) mod 2^32 over the numbers in order. The same seed gives',
    'the same on every platform. At most 500,000 values, or a count of 5,000,000, which takes about a second and 80 MB.',
  ].join(' '),
  inputSchema: {
    type: ['array', 'object', 'integer'],
    items: { type: 'number' },
    maxItems: MAX_VALUES,
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    properties: {
      values: { type: 'array', items: { type: 'number' }, maxItems: MAX_VALUES },
      count: { type: 'integer', minimum: 1, maximum: MAX_COUNT },
      seed: SEED_SCHEMA,
    },
    additionalProperties: false,
    anyOf: [{ required: ['values'] }, { required: ['count'] }],
    dependentSchemas: { values: { properties: { count: false, seed: false } } },
  },
  outputSchema: {
    type: ['array', 'object'],
    items: { type: 'number' },
    properties: {
      count: { type: 'integer', minimum: 1 },
      min: { type: 'integer', minimum: 0 },
      max: { type: 'integer', minimum: 0 },
      sorted: { type: 'boolean' },
      checksum: { type: 'integer', minimum: 0, maximum: 2 ** 32 - 1 },
    },
    required: ['count', 'min', 'max', 'sorted', 'checksum'],
    additionalProperties: false,
  },
  example: { count: 100_000, seed: 42 },
  run(input, context) {
    const values = Array.isArray(input) ? (input as number[]) : (input as { values?: number[] }).values
    // -0 sorts before 0, and JSON has no -0: adding 0 makes it 0.
    if (values)
      return Array.from(
        sorted(
          Float64Array.from(values, (value) => value + 0),
          context,
        ),
      )
    const given = typeof input === 'number' ? { seed: input } : (input as Partial<Generated>)
    return sortGenerated({ count: DEFAULT_COUNT, seed: 0, ...given }, context)
  },
}

function sortGenerated({ count, seed }: Generated, context: FunctionContext): object {
  const random = Xoshiro128.ofSeed(seed)
  const generated = new Float64Array(count)
  for (let at = 0; at < count; at += 1) generated[at] = random.next() >>> 0
  const numbers = sorted(generated, context)
  let checksum = 0
  let isSorted = true
  let last = Number.NEGATIVE_INFINITY
  for (const number of numbers) {
    checksum = (Math.imul(31, checksum) + number) >>> 0
    if (number < last) isSorted = false
    last = number
  }
  return { count, min: numbers[0], max: numbers[count - 1], sorted: isSorted, checksum }
}

/** Sorts blocks in place, and merges them two by two until there is one. Where there are several the result is another array. */
function sorted(numbers: Float64Array, context: FunctionContext): Float64Array {
  const { length } = numbers
  const passes = 1 + Math.max(0, Math.ceil(Math.log2(length / BLOCK)))
  let [from, to] = [numbers, length > BLOCK ? new Float64Array(length) : numbers]
  for (let start = 0; start < length; start += BLOCK) {
    checkpoint(context, start / length / passes)
    from.subarray(start, start + BLOCK).sort()
  }
  let pass = 1
  for (let width = BLOCK; width < length; width *= 2) {
    for (let start = 0; start < length; start += 2 * width) {
      checkpoint(context, (pass + start / length) / passes)
      const [middle, end] = [Math.min(start + width, length), Math.min(start + 2 * width, length)]
      merge({ left: from.subarray(start, middle), right: from.subarray(middle, end), into: to.subarray(start, end) })
    }
    ;[from, to] = [to, from]
    pass += 1
  }
  return from
}

function merge({ left, right, into }: { left: Float64Array; right: Float64Array; into: Float64Array }): void {
  let [l, r] = [0, 0]
  for (let at = 0; at < into.length; at += 1) {
    const takesLeft = r >= right.length || (l < left.length && (left[l] as number) <= (right[r] as number))
    into[at] = (takesLeft ? left[l] : right[r]) as number
    if (takesLeft) l += 1
    else r += 1
  }
}
