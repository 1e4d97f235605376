import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sortNumbers } from '../../../../src/functions/builtins/sortNumbers.js'
import { abortedAtLook, callerOf, listeningContext, problemsOf } from '../../../support/builtin.js'

const sort = callerOf(sortNumbers)
const problems = problemsOf(sortNumbers)

const BLOCK = 2 ** 18

/** Whole numbers that look random, in no order. */
const scrambled = (count: number) => Array.from({ length: count }, (_, at) => (at * 48_271) % 2_147_483_647)

describe('sortNumbers', () => {
  // By a program of its own in Python, from the description.
  it.each([
    [42, 100_000, [69_479, 4_294_958_574, 1_672_969_974]],
    [0, 100_000, [1_485, 4_294_959_391, 960_801_849]],
    [3, 1, [2_035_682_440, 2_035_682_440, 2_035_682_440]],
    [5, 1_000_000, [4_079, 4_294_965_960, 4_115_005_453]],
  ])('makes and sorts the numbers of seed %d, %d of them', async (seed, count, [min, max, checksum]) => {
    expect(await sort({ count, seed })).toEqual({ count, min, max, sorted: true, checksum })
  })

  it('takes a number as the seed, so that a range is as many tasks', async () => {
    expect(await sort(42)).toEqual(await sort({ count: 100_000, seed: 42 }))
    expect(await sort({ count: 10 })).toEqual(await sort({ count: 10, seed: 0 }))
  })

  it('sorts a list by size, -0 as 0', async () => {
    expect(await sort([10, 9, 2, -1, 0.5, 1e300, -1e-300])).toEqual([-1, -1e-300, 0.5, 2, 9, 10, 1e300])
    expect(await sort({ values: [3, 1, 2] })).toEqual([1, 2, 3])
    expect(await sort([])).toEqual([])
    const output = sortNumbers.run([0, -0, -1], listeningContext().context) as number[]
    expect(output.map((value) => Object.is(value, -0))).toEqual([false, false, false])
  })

  it('sorts as a comparison of numbers does', async () => {
    const list = fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { maxLength: 200 })
    await fc.assert(
      fc.asyncProperty(list, async (values) => {
        expect(await sort(values)).toEqual([...values].sort((a, b) => a - b).map((value) => value + 0))
      }),
    )
  })

  it.each([BLOCK - 1, BLOCK, BLOCK + 1])('puts its blocks together: %d numbers', async (count) => {
    const values = scrambled(count)
    expect(await sort(values)).toEqual(values.toSorted((a, b) => a - b))
  })

  it('puts any number of blocks together', async () => {
    for (const count of [2 * BLOCK, 3 * BLOCK + 17, 5 * BLOCK - 1]) {
      expect(await sort({ count, seed: 1 })).toMatchObject({ count, sorted: true })
    }
  })

  it('refuses both ways at once, and neither', () => {
    expect(problems({ values: [1], count: 5 })).toEqual(['count is not allowed here'])
    expect(problems({ values: [1], seed: 5 })).toEqual(['seed is not allowed here'])
    expect(problems({})).toContain("must have required property 'values'")
    expect(problems({})).toContain("must have required property 'count'")
    expect(problems([1, '2'])).toEqual(['1 must be number'])
    expect(problems('1')).toEqual(['must be array,object,integer'])
    expect(problems({ count: 5_000_001 })).toEqual(['count must be <= 5000000'])
  })

  it('says how far it is, and ends early once its signal is aborted', async () => {
    const { context, said } = listeningContext()
    await sort({ count: 4 * BLOCK }, context)
    expect(said).toEqual([0, 1, 2, 3, 4, 6, 8].map((twelfths) => twelfths / 12))
    const { context: aborted, looks } = abortedAtLook(6)
    expect(() => sortNumbers.run({ count: 5_000_000 }, aborted)).toThrow('aborted')
    expect(looks()).toBe(6)
  })
})
