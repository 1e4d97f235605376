import { describe, expect, it } from 'vitest'
import { percent, rough } from '../../../../src/domain/diagnostics/wording.js'

describe('percent', () => {
  it.each([
    [0, '0 %'],
    [0.974, '97 %'],
    [1, '100 %'],
  ])('shows %d as %s', (share, text) => {
    expect(percent(share)).toBe(text)
  })
})

describe('rough', () => {
  it.each([
    [0.0416, '0.042'],
    [1.46, '1.5'],
    [12, '12'],
    [99.4, '99'],
    [3_416, '3420'],
    [123_456_789, '123456790'],
  ])('shows %d as %s', (value, text) => {
    expect(rough(value)).toBe(text)
  })
})
