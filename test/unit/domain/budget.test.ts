import { describe, expect, it } from 'vitest'
import { failureRateOf, judge } from '../../../src/domain/budget.js'

const FIGURES = { wallMs: 1000, serviceP95Ms: 20, failureRate: 0.1 }

describe('judge', () => {
  it('checks what is limited, in the order of the input', () => {
    expect(judge({ failureRate: 0.05, serviceP95Ms: 30, wallMs: 2000 }, FIGURES)).toEqual({
      passed: false,
      checks: [
        { name: 'wallMs', limit: 2000, actual: 1000, passed: true },
        { name: 'serviceP95Ms', limit: 30, actual: 20, passed: true },
        { name: 'failureRate', limit: 0.05, actual: 0.1, passed: false },
      ],
    })
    expect(judge({ wallMs: null, serviceP95Ms: 19.9, failureRate: null }, FIGURES).checks).toEqual([
      { name: 'serviceP95Ms', limit: 19.9, actual: 20, passed: false },
    ])
  })

  it('takes the limit itself for kept', () => {
    expect(judge(FIGURES, FIGURES).passed).toBe(true)
    const none = { wallMs: null, serviceP95Ms: null, failureRate: 0 }
    expect(judge(none, { ...FIGURES, failureRate: 0 }).passed).toBe(true)
    expect(judge(none, { ...FIGURES, failureRate: 1e-9 }).passed).toBe(false)
  })
})

describe('failureRateOf', () => {
  it('is the share of those that failed among those that came to an end of their own', () => {
    expect(failureRateOf({ succeeded: 3, failed: 1 })).toBe(0.25)
    expect(failureRateOf({ succeeded: 0, failed: 2 })).toBe(1)
    expect(failureRateOf({ succeeded: 0, failed: 0 })).toBe(0)
  })
})
