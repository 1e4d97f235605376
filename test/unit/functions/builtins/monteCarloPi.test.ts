import { describe, expect, it } from 'vitest'
import { monteCarloPi } from '../../../../src/functions/builtins/monteCarloPi.js'
import { abortedAtLook, callerOf, listeningContext, problemsOf } from '../../../support/builtin.js'

interface Estimate {
  inside: number
  samples: number
  estimate: number
  standardError: number
}

const estimate = callerOf<Estimate>(monteCarloPi)
const problems = problemsOf(monteCarloPi)

describe('monteCarloPi', () => {
  // By a program of its own in Python, from the description.
  it.each([
    [0, 1_000_000, 785_917],
    [1, 1_000_000, 785_850],
    [42, 1_000_000, 785_505],
    [7, 1_048_577, 823_454],
    [7, 1, 1],
    [Number.MAX_SAFE_INTEGER, 100_000, 78_528],
  ])('of seed %d has of %d samples %d inside', async (seed, samples, inside) => {
    const share = inside / samples
    expect(await estimate({ samples, seed })).toEqual({
      inside,
      samples,
      estimate: 4 * share,
      standardError: 4 * Math.sqrt((share * (1 - share)) / samples),
    })
  })

  it('takes a number as the seed, so that a range is as many tasks', async () => {
    expect(await estimate(42)).toEqual(await estimate({ samples: 1_000_000, seed: 42 }))
    expect(await estimate({ samples: 1_000 })).toEqual(await estimate({ samples: 1_000, seed: 0 }))
  })

  it('is as far from π as its standard error says', async () => {
    const deviations: number[] = []
    for (let seed = 0; seed < 200; seed += 1) {
      const { estimate: pi, standardError } = await estimate({ samples: 10_000, seed })
      deviations.push((pi - Math.PI) / standardError)
    }
    const mean = deviations.reduce((sum, one) => sum + one, 0) / deviations.length
    const square = deviations.reduce((sum, one) => sum + one * one, 0) / deviations.length
    // Four standard errors of the mean, and of the mean square, of 200 normal variables.
    expect(Math.abs(mean)).toBeLessThan(4 / Math.sqrt(200))
    expect(Math.abs(square - 1)).toBeLessThan(4 * Math.sqrt(2 / 200))
  })

  it('refuses what is no seed and no number of samples', () => {
    expect(problems(-1)).toEqual(['must be >= 0'])
    expect(problems(1.5)).toEqual(['must be integer,object'])
    expect(problems(2 ** 53)).toEqual([`must be <= ${Number.MAX_SAFE_INTEGER}`])
    expect(problems({ seed: 1 })).toEqual(["must have required property 'samples'"])
    expect(problems({ samples: 0 })).toEqual(['samples must be >= 1'])
    expect(problems({ samples: 1, sead: 1 })).toEqual(['must not have the property "sead"'])
  })

  it('says how far it is, and ends early once its signal is aborted', async () => {
    const { context, said } = listeningContext()
    await estimate({ samples: 2 ** 22 }, context)
    expect(said).toEqual([0, 0.25, 0.5, 0.75])
    const { context: aborted, looks } = abortedAtLook(3)
    expect(() => monteCarloPi.run({ samples: 10_000_000_000 }, aborted)).toThrow('aborted')
    expect(looks()).toBe(3)
  })
})
