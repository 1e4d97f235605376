import { describe, expect, it } from 'vitest'
import { atomicCounter } from '../../../../src/functions/builtins/atomicCounter.js'
import { callerOf } from '../../../support/builtin.js'

const count = callerOf(atomicCounter)

describe('atomicCounter', () => {
  it.each([
    [2, 1],
    [2, 300_000],
    [3, 77_777],
    [8, 100_000],
  ])('of %d threads with %d increments each loses none', async (threads, increments) => {
    const expected = threads * increments
    expect(await count({ threads, increments })).toEqual({ expected, counted: expected, lost: 0 })
  })

  it('loses none of its example, again and again', async () => {
    for (let times = 0; times < 3; times += 1) {
      expect(await count(atomicCounter.example)).toEqual({ expected: 8_000_000, counted: 8_000_000, lost: 0 })
    }
  })
})
