import { describe, expect, it } from 'vitest'
import { driftOf } from '../../../src/domain/run-drift.js'

describe('driftOf', () => {
  it('is how far the medians of eighths lie apart', () => {
    const eighths = [10, 10, 11, 10, 9, 10, 10, 10]
    const times = eighths.flatMap((median) => [1, median, median, 100, median])
    expect(driftOf(times)).toBeCloseTo(11 / 9)
  })

  it('is none where nothing changes, whatever the order', () => {
    expect(driftOf(Array.from({ length: 400 }, (_, at) => 20 + (at % 5)))).toBe(1)
  })

  it('is not told of few tasks, nor of times that are none', () => {
    expect(driftOf(Array.from({ length: 39 }, (_, at) => at + 1))).toBe(1)
    expect(driftOf(Array<number>(80).fill(0))).toBe(1)
    expect(driftOf([])).toBe(1)
  })
})
