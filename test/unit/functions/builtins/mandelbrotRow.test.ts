import { describe, expect, it } from 'vitest'
import { mandelbrotRow } from '../../../../src/functions/builtins/mandelbrotRow.js'
import { abortedAtLook, callerOf, functionContext, listeningContext, problemsOf } from '../../../support/builtin.js'

const row = callerOf<number[]>(mandelbrotRow)
const problems = problemsOf(mandelbrotRow)

describe('mandelbrotRow', () => {
  // By a program of its own in Python, with decimals of 80 digits.
  it.each<[object, number[]]>([
    [
      { y: 8, width: 40, height: 24, maxIterations: 50 },
      [
        2, 3, 3, 4, 4, 4, 4, 5, 6, 8, 13, 11, 11, 13, 10, 9, 10, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50,
        50, 34, 5, 4, 3, 3, 3, 3, 2,
      ],
    ],
    [
      { y: 3, width: 24, height: 16, maxIterations: 40, xMin: -0.8, xMax: -0.7, yMin: 0.05, yMax: 0.15 },
      [40, 40, 40, 40, 40, 40, 26, 24, 23, 23, 24, 24, 27, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40],
    ],
    [
      { y: 10, width: 32, height: 24, maxIterations: 60 },
      [
        4, 4, 4, 5, 5, 6, 10, 11, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60, 50, 5, 4, 4, 3, 3,
        3,
      ],
    ],
  ])('of %j has the counts of exact arithmetic', async (input, expected) => {
    expect(await row(input)).toEqual(expected)
  })

  it('takes a number as the row of the whole set, so that a range is a picture', async () => {
    const counts = await row(50)
    expect(counts).toHaveLength(512)
    expect(counts).toEqual(
      await row({ y: 50, width: 512, height: 384, maxIterations: 1_000, xMin: -2, xMax: 1, yMin: -1.125, yMax: 1.125 }),
    )
    // Of the same program in Python.
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(18_804)
  })

  it('is symmetric where its bounds are', async () => {
    for (const y of [0, 17, 100, 191]) expect(await row(y)).toEqual(await row(383 - y))
  })

  it('finds inside what is known to be inside, and the rest outside', async () => {
    const height = 64
    for (let y = 0; y < height; y += 7) {
      const counts = await row({ y, width: 64, height, maxIterations: 2_000 })
      const imaginary = 1.125 - ((y + 0.5) / height) * 2.25
      for (const [x, count] of counts.entries()) {
        const real = -2 + ((x + 0.5) / 64) * 3
        const q = (real - 0.25) ** 2 + imaginary ** 2
        const isInCardioid = q * (q + (real - 0.25)) < 0.999 * 0.25 * imaginary ** 2
        const isInDisk = (real + 1) ** 2 + imaginary ** 2 < 0.999 * 0.0625
        if (isInCardioid || isInDisk) expect(count, `${real} + ${imaginary}i`).toBe(2_000)
        if (real ** 2 + imaginary ** 2 > 4) expect(count).toBe(1)
      }
    }
  })

  it('refuses rows and bounds that are none', () => {
    expect(problems(384)).toEqual(['must be <= 383'])
    expect(problems({ width: 5 })).toEqual(["must have required property 'y'"])
    expect(problems({ y: 0, maxIterations: 1_000_001 })).toEqual(['maxIterations must be <= 1000000'])
    const run = (input: object) => () => mandelbrotRow.run(input, functionContext())
    expect(run({ y: 384 })).toThrow('y is 384: the picture has the rows 0 to 383')
    expect(run({ y: 0, xMin: 1 })).toThrow('xMin, 1, must be less than xMax, 1')
    expect(run({ y: 0, yMax: -2 })).toThrow('yMin, -1.125, must be less than yMax, -2')
  })

  it('says how far it is, and ends early once its signal is aborted', async () => {
    const inside = { y: 0, width: 8, height: 1, maxIterations: 2 ** 19, xMin: -0.1, xMax: 0.1, yMin: -0.1, yMax: 0.1 }
    const { context, said } = listeningContext()
    expect(await row(inside, context)).toEqual(Array(8).fill(2 ** 19))
    expect(said).toEqual([0.25, 0.5, 0.75, 1])
    const { context: aborted, looks } = abortedAtLook(2)
    expect(() => mandelbrotRow.run(inside, aborted)).toThrow('aborted')
    expect(looks()).toBe(2)
  })
})
