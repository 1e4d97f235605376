import { describe, expect, it } from 'vitest'
import { racyCounter } from '../../../../src/functions/builtins/racyCounter.js'
import { callerOf } from '../../../support/builtin.js'

const count = callerOf<{ expected: number; counted: number; lost: number }>(racyCounter)

describe('racyCounter', () => {
  // How much is lost is luck. What is certain: something is written, and nothing that nobody has counted.
  it.each([
    [2, 1],
    [3, 1_000],
    [8, 100_000],
  ])('of %d threads with %d increments each says what is there and what is not', async (threads, increments) => {
    const { expected, counted, lost } = await count({ threads, increments })
    expect(expected).toBe(threads * increments)
    expect(counted).toBeGreaterThan(0)
    expect(counted).toBeLessThanOrEqual(expected)
    expect(lost).toBe(expected - counted)
  })

  it('loses some, sooner or later', async () => {
    const losses: number[] = []
    while (!losses.some((lost) => lost > 0)) {
      const { expected, counted, lost } = await count(racyCounter.example)
      expect([expected, counted + lost]).toEqual([8_000_000, 8_000_000])
      losses.push(lost)
    }
    expect(losses.at(-1)).toBeGreaterThan(0)
  })
})
