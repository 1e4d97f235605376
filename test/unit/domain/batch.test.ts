import { describe, expect, it } from 'vitest'
import { FETCH_TIMEOUT_MS, numberAt, stageTimeoutMs } from '../../../src/domain/batch.js'
import { batchSpec, COMPUTE, FETCH } from '../../support/engine-parts.js'

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

describe('stageTimeoutMs', () => {
  it('ends fetches of pipelines that say nothing, and computes of none', () => {
    const silent = batchSpec({ kind: 'PIPELINE' })
    expect([stageTimeoutMs(silent, FETCH), stageTimeoutMs(silent, COMPUTE)]).toEqual([FETCH_TIMEOUT_MS, null])
    const asked = batchSpec({ kind: 'PIPELINE', timeoutMs: 5 })
    expect([stageTimeoutMs(asked, FETCH), stageTimeoutMs(asked, COMPUTE)]).toEqual([5, 5])
  })
})
