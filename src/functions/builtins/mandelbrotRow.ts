import type { Json } from '../../domain/batch.js'
import type { ComputeFunction } from '../function.js'
import { checkpoint } from './checkpoint.js'

const MAX_SIDE = 10_000
const MAX_ITERATIONS = 1_000_000

/** How many iterations lie between two looks at the signal: some milliseconds. */
const BLOCK = 2 ** 20

interface Picture {
  y: number
  width: number
  height: number
  maxIterations: number
  xMin: number
  xMax: number
  yMin: number
  yMax: number
}

/** The whole set, in square pixels: their size, 3/512, is a power of two times 3, and so their centres are exact. */
const DEFAULTS = { width: 512, height: 384, maxIterations: 1_000, xMin: -2, xMax: 1, yMin: -1.125, yMax: 1.125 }

const side = (fallback: number): Json => ({ type: 'integer', minimum: 1, maximum: MAX_SIDE, default: fallback })
const bound = (fallback: number): Json => ({ type: 'number', minimum: -4, maximum: 4, default: fallback })

/** A row of a picture of the Mandelbrot set: work for a core, of which a range of rows makes a picture. */
export const mandelbrotRow: ComputeFunction = {
  name: 'mandelbrotRow',
  description: [
    'A row of a picture of the Mandelbrot set, from the top, as an array of iteration counts from the left: how many steps of',
    "z → z² + c, from z = 0, it takes until |z| > 2, at most maxIterations; c is the pixel's centre. Given as the row y alone (0 to",
    '383 of the whole set, 512 × 384 pixels, 1,000 iterations: a range of 384 rows is a picture), or as { y, width, height,',
    'maxIterations, xMin, xMax, yMin, yMax }. Double arithmetic: the same on every platform, and near the edge of the set not that of',
    'exact numbers. width and height up to 10,000, maxIterations up to 1,000,000, bounds from -4 to 4; an iteration takes some 2 ns.',
  ].join(' '),
  inputSchema: {
    type: ['integer', 'object'],
    minimum: 0,
    maximum: DEFAULTS.height - 1,
    properties: {
      y: { type: 'integer', minimum: 0, maximum: MAX_SIDE - 1 },
      width: side(DEFAULTS.width),
      height: side(DEFAULTS.height),
      maxIterations: { type: 'integer', minimum: 1, maximum: MAX_ITERATIONS, default: DEFAULTS.maxIterations },
      xMin: bound(DEFAULTS.xMin),
      xMax: bound(DEFAULTS.xMax),
      yMin: bound(DEFAULTS.yMin),
      yMax: bound(DEFAULTS.yMax),
    },
    required: ['y'],
    additionalProperties: false,
  },
  outputSchema: {
    type: 'array',
    items: { type: 'integer', minimum: 1, maximum: MAX_ITERATIONS },
    minItems: 1,
    maxItems: MAX_SIDE,
  },
  example: 192,
  run(input, context) {
    const picture = pictureOf(input)
    const { width, maxIterations, xMin, xMax } = picture
    const imaginary = centreOf(
      { place: picture.height - 1 - picture.y, places: picture.height },
      picture.yMin,
      picture.yMax,
    )
    const counts = new Array<number>(width)
    let unlooked = 0
    for (let x = 0; x < width; x += 1) {
      const count = iterations(centreOf({ place: x, places: width }, xMin, xMax), imaginary, maxIterations)
      counts[x] = count
      unlooked += count
      if (unlooked >= BLOCK) {
        checkpoint(context, (x + 1) / width)
        unlooked = 0
      }
    }
    return counts
  },
}

function pictureOf(input: unknown): Picture {
  const picture = { ...DEFAULTS, ...(typeof input === 'number' ? { y: input } : (input as { y: number })) }
  const { y, height, xMin, xMax, yMin, yMax } = picture
  if (y >= height) throw new RangeError(`y is ${y}: the picture has the rows 0 to ${height - 1}`)
  if (!(xMin < xMax)) throw new RangeError(`xMin, ${xMin}, must be less than xMax, ${xMax}`)
  if (!(yMin < yMax)) throw new RangeError(`yMin, ${yMin}, must be less than yMax, ${yMax}`)
  return picture
}

/** By its odd distance from the middle, in half pixels: a symmetric picture comes out symmetric. */
function centreOf({ place, places }: { place: number; places: number }, min: number, max: number): number {
  return (min + max) / 2 + ((2 * place + 1 - places) / (2 * places)) * (max - min)
}

function iterations(cReal: number, cImaginary: number, maxIterations: number): number {
  let real = 0
  let imaginary = 0
  let real2 = 0
  let imaginary2 = 0
  for (let count = 1; count <= maxIterations; count += 1) {
    imaginary = 2 * real * imaginary + cImaginary
    real = real2 - imaginary2 + cReal
    real2 = real * real
    imaginary2 = imaginary * imaginary
    if (real2 + imaginary2 > 4) return count
  }
  return maxIterations
}
