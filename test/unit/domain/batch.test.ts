import { describe, expect, it } from 'vitest'
import { numberAt } from '../../../src/domain/batch.js'

describe('numberAt', () => {
  it('is exact where the way from the first number is longer than doubles are exact', () => {
    const source = {
      kind: 'range',
      from: -9007199254740991,
      to: 9007199254740991,
      step: 4503599627370497,
      count: 4,
    } as const
    expect([0, 1, 2, 3].map((index) => numberAt(source, index))).toEqual([
      -9007199254740991, -4503599627370494, 3, 4503599627370500,
    ])
  })
})
