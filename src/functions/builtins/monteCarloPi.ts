import type { ComputeFunction } from '../function.js'
import { checkpoint } from './checkpoint.js'
import { SEED_SCHEMA, Xoshiro128 } from './random.js'

const DEFAULT_SAMPLES = 1_000_000
const MAX_SAMPLES = 10_000_000_000

/** How many points lie between two looks at the signal: some milliseconds. */
const BLOCK = 2 ** 20

/** π by throwing points at a square: work for a core, whose results for several seeds are independent. */
export const monteCarloPi: ComputeFunction = {
  name: 'monteCarloPi',
  description: [
    'An estimate of π: how many of so many random points of a square lie in the quarter of a circle, times 4. Given as the seed',
    'alone, with 1,000,000 samples, so that a range is as many independent tasks, or as { samples, seed } (0 if not said). The',
    'numbers are those of xoshiro128** seeded by SplitMix64 with the seed (lower half of each output first); a point is the upper',
    '25 bits of two of them, x first, at the centre of its cell, and is compared exactly: the same seed gives the same result on',
    'every platform. standardError is 4·√(p(1 - p)/samples), p the share inside: some 1.64/√samples, and too small for a handful',
    'of samples. samples up to 10,000,000,000; 10,000,000 take some 60 ms.',
  ].join(' '),
  inputSchema: {
    type: ['integer', 'object'],
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    properties: {
      samples: { type: 'integer', minimum: 1, maximum: MAX_SAMPLES },
      seed: SEED_SCHEMA,
    },
    required: ['samples'],
    additionalProperties: false,
  },
  outputSchema: {
    type: 'object',
    properties: {
      inside: { type: 'integer', minimum: 0, maximum: MAX_SAMPLES },
      samples: { type: 'integer', minimum: 1, maximum: MAX_SAMPLES },
      estimate: { type: 'number', minimum: 0, maximum: 4 },
      standardError: { type: 'number', minimum: 0, maximum: 2 },
    },
    required: ['inside', 'samples', 'estimate', 'standardError'],
    additionalProperties: false,
  },
  example: { samples: 1_000_000, seed: 42 },
  run(input, context) {
    const given = typeof input === 'number' ? { seed: input } : (input as { samples: number; seed?: number })
    const { samples, seed } = { samples: DEFAULT_SAMPLES, seed: 0, ...given }
    const random = Xoshiro128.ofSeed(seed)
    let inside = 0
    for (let done = 0; done < samples; done += BLOCK) {
      checkpoint(context, done / samples)
      inside += countInside(random, Math.min(BLOCK, samples - done))
    }
    const share = inside / samples
    return { inside, samples, estimate: 4 * share, standardError: 4 * Math.sqrt((share * (1 - share)) / samples) }
  },
}

function countInside(random: Xoshiro128, samples: number): number {
  let inside = 0
  for (let sample = 0; sample < samples; sample += 1) {
    // Odd and below 2^26: both squares and their sum are exact.
    const x = 2 * (random.next() >>> 7) + 1
    const y = 2 * (random.next() >>> 7) + 1
    if (x * x + y * y < 2 ** 52) inside += 1
  }
  return inside
}
