import { describe, expect, it } from 'vitest'
import type { TaskError } from '../../../src/domain/errors.js'
import { Outcome } from '../../../src/domain/results.js'
import { judgeDeath } from '../../../src/engine/obituary.js'
import type { DeadLane } from '../../../src/engine/session.js'

const GONE: TaskError = { code: 'LANE_DIED', message: 'thread-1 exited with code 1', retryable: true }
const NO_MEMORY: TaskError = { code: 'OUT_OF_MEMORY', message: 'needed more than 512 MB', retryable: false }
const NOW_MS = 10_000

function death(changes: Partial<DeadLane> = {}): DeadLane {
  return {
    error: GONE,
    inService: [{ index: 3, attempt: 1, startedAt: 9000, progress: null }],
    unreported: new Map([
      [3, 1],
      [4, 1],
      [5, 2],
    ]),
    killedFor: null,
    ...changes,
  }
}

const both = [
  { index: 3, attempt: 1, startedAt: 8000, progress: null },
  { index: 5, attempt: 2, startedAt: 9500, progress: null },
]

describe('judgeDeath', () => {
  it('blames the one task in service, with the error of the lane, and gives the others back', () => {
    expect(judgeDeath(death({ error: NO_MEMORY }), { timeoutMs: null, nowMs: NOW_MS, canTryApart: false })).toEqual({
      ended: [{ index: 3, attempt: 1, outcome: Outcome.FAILED, startedAt: 9000, serviceMs: 1000, error: NO_MEMORY }],
      givenBack: [
        { index: 4, attempt: 1 },
        { index: 5, attempt: 2 },
      ],
      suspects: [],
    })
  })

  it.each([[null], ['TIMEOUT'] as const])('has several tried apart, where that can be: %s', (killedFor) => {
    const several = death({ inService: both, killedFor })
    expect(judgeDeath(several, { timeoutMs: 400, nowMs: NOW_MS, canTryApart: true })).toEqual({
      ended: [],
      givenBack: [{ index: 4, attempt: 1 }],
      suspects: [
        { index: 3, attempt: 1 },
        { index: 5, attempt: 2 },
      ],
    })
  })

  it('blames all of several for the death, and none for the memory', () => {
    const { ended, givenBack } = judgeDeath(death({ error: NO_MEMORY, inService: both }), {
      timeoutMs: null,
      nowMs: NOW_MS,
      canTryApart: false,
    })
    const error = { ...NO_MEMORY, code: 'LANE_DIED', retryable: true }
    expect(ended).toMatchObject([
      { index: 3, attempt: 1, error },
      { index: 5, attempt: 2, error },
    ])
    expect(givenBack).toEqual([{ index: 4, attempt: 1 }])
  })

  it('blames those past their limit where we ended the lane for it, and gives the others back', () => {
    const timedOut = death({ inService: both, killedFor: 'TIMEOUT' })
    const { ended, givenBack } = judgeDeath(timedOut, { timeoutMs: 1000, nowMs: NOW_MS, canTryApart: false })
    expect(ended).toMatchObject([
      { index: 3, error: { code: 'TIMEOUT', message: 'the task took more than 1000 ms', retryable: true } },
    ])
    expect(givenBack).toEqual([
      { index: 4, attempt: 1 },
      { index: 5, attempt: 2 },
    ])
  })

  it('cancels what was in service where the run had ended', () => {
    const { ended, givenBack } = judgeDeath(death({ killedFor: 'CANCELLED' }), {
      timeoutMs: null,
      nowMs: NOW_MS,
      canTryApart: false,
    })
    expect(ended).toMatchObject([{ index: 3, outcome: Outcome.CANCELLED, error: null }])
    expect(givenBack).toHaveLength(2)
  })

  it('gives everything back where nothing was in service', () => {
    const { ended, givenBack } = judgeDeath(death({ inService: [] }), {
      timeoutMs: null,
      nowMs: NOW_MS,
      canTryApart: false,
    })
    expect(ended).toEqual([])
    expect(givenBack.map(({ index }) => index)).toEqual([3, 4, 5])
  })

  it('measures no negative time, whatever the clocks say', () => {
    const inService = [{ index: 3, attempt: 1, startedAt: NOW_MS + 0.01, progress: null }]
    const { ended } = judgeDeath(death({ inService }), { timeoutMs: null, nowMs: NOW_MS, canTryApart: false })
    expect(ended[0]?.serviceMs).toBe(0)
  })
})
