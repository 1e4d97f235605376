import { describe, expect, it } from 'vitest'
import type { BatchSpec } from '../../../src/domain/batch.js'
import type { TaskError } from '../../../src/domain/errors.js'
import { Outcome } from '../../../src/domain/results.js'
import { Attempts } from '../../../src/engine/attempts.js'
import { PendingItems } from '../../../src/engine/pending.js'
import { ManualClock } from '../../support/clock.js'
import { batchSpec, COMPUTE, columnsOf, FETCH, type ReportedTask, STARTED_AT } from '../../support/engine-parts.js'

const AGAIN: TaskError = { code: 'FUNCTION_ERROR', message: 'try again', retryable: true }
const NEVER: TaskError = { code: 'FUNCTION_ERROR', message: 'no', retryable: false }

function setup(changes: Partial<BatchSpec> = {}, methods: Record<number, string> = {}) {
  const clock = new ManualClock()
  const spec = batchSpec(changes)
  const pending = new PendingItems(100)
  pending.take(100)
  const attempts = new Attempts({
    spec,
    stage: spec.stages[0]!,
    pending,
    clock,
    random: () => 0.5,
    methodOf: (index) => methods[index] ?? 'GET',
  })
  const judge = (
    tasks: ReportedTask[],
    phase: { ending?: boolean; leaving?: boolean; lane?: string; heldUntilMs?: number } = {},
  ) =>
    attempts.judge(columnsOf(tasks), {
      lane: 'thread-1',
      runStartedAt: STARTED_AT,
      ending: false,
      leaving: false,
      ...phase,
    })
  return { clock, pending, attempts, judge }
}

describe('Attempts.judge', () => {
  it('keeps back what was given back, where that could not be read', () => {
    const { judge, pending } = setup()
    const { dropped } = judge([{ index: 3, outcome: Outcome.NOT_STARTED, attempt: 2 }], { heldUntilMs: 500 })
    expect([...dropped!]).toEqual([0])
    expect([pending.ready, pending.nextDueMs]).toEqual([0, 500])
    pending.release(500)
    expect(pending.take(1)).toMatchObject({ indexes: [3], attempts: [2] })
  })

  it('drops nothing of a block that went well, and costs it no set', () => {
    const { judge, pending } = setup()
    expect(judge([{ index: 0 }, { index: 1 }])).toEqual({ dropped: null, histories: [], failed: false })
    expect(pending.size).toBe(0)
  })

  it('has a failure of the right kind tried again after its back-off', () => {
    const { judge, pending } = setup()
    const { dropped, failed } = judge([{ index: 0 }, { index: 1, error: AGAIN }])
    expect([...dropped!]).toEqual([1])
    expect(failed).toBe(false)
    expect(pending.nextDueMs).toBe(100)
    pending.release(100)
    expect(pending.take(1)).toMatchObject({ indexes: [1], attempts: [2] })
  })

  it('fails what is of the wrong kind, or had all its attempts', () => {
    const { judge, pending } = setup()
    const verdicts = judge([
      { index: 0, error: NEVER },
      { index: 1, error: AGAIN, attempt: 3 },
    ])
    expect(verdicts).toMatchObject({ dropped: null, failed: true })
    expect(pending.size).toBe(0)
  })

  it('waits as long as Retry-After says, and fails where that is more than an hour', () => {
    const error: TaskError = { code: 'HTTP_STATUS', message: '429', retryable: true }
    const { judge, pending } = setup({ stages: [FETCH] })
    expect(judge([{ index: 0, error, retryAfterMs: 3_600_000 }]).failed).toBe(false)
    expect(pending.nextDueMs).toBe(3_600_000)
    expect(judge([{ index: 1, error, retryAfterMs: 3_600_001 }]).failed).toBe(true)
  })

  it('sends again what may be sent twice, by its method', () => {
    const error: TaskError = { code: 'CONNECTION_RESET', message: 'reset', retryable: true }
    const tasks = [
      { index: 0, error },
      { index: 1, error },
    ]
    const { judge } = setup({ stages: [FETCH] }, { 1: 'POST' })
    expect([...judge(tasks).dropped!]).toEqual([0])
    const retry = { maxAttempts: 3, backoffMs: 200, maxBackoffMs: 10_000, unsafe: true }
    const unsafe = setup({ stages: [FETCH], retry }, { 1: 'POST' })
    expect([...unsafe.judge(tasks).dropped!]).toEqual([0, 1])
  })

  it('gives back what had not started, with its attempt', () => {
    const { judge, pending } = setup()
    const { dropped } = judge([{ index: 5, outcome: Outcome.NOT_STARTED, attempt: 2 }, { index: 6 }])
    expect([...dropped!]).toEqual([0])
    expect(pending.take(5)).toMatchObject({ indexes: [5], attempts: [2] })
  })

  it('keeps the place of what was cancelled while the server leaves, and only then', () => {
    const { judge, pending } = setup()
    expect(judge([{ index: 0, outcome: Outcome.CANCELLED }], { ending: true }).dropped).toBeNull()
    expect([...judge([{ index: 1, outcome: Outcome.CANCELLED }], { leaving: true }).dropped!]).toEqual([0])
    expect(pending.take(5)).toMatchObject({ indexes: [1] })
  })

  it('tries nothing again while the run ends', () => {
    const { judge, pending } = setup()
    expect(judge([{ index: 0, error: AGAIN }], { ending: true })).toMatchObject({ dropped: null, failed: true })
    expect(pending.size).toBe(0)
  })

  it('hands out the whole history with the last attempt, whatever its outcome', () => {
    for (const last of [
      { error: NEVER, outcome: Outcome.FAILED },
      { error: null, outcome: Outcome.SUCCEEDED },
      { error: null, outcome: Outcome.CANCELLED },
    ]) {
      const { judge } = setup()
      judge([{ index: 7, error: AGAIN, startedMs: 10, serviceMs: 2 }])
      judge([{ index: 7, error: AGAIN, attempt: 2, startedMs: 200, serviceMs: 3 }], { lane: 'thread-2' })
      const { outcome, error } = last
      const ended = { index: 7, attempt: 3, outcome, startedMs: 900, serviceMs: 4, ...(error && { error }) }
      const { histories } = judge([{ index: 6 }, ended])
      expect(histories).toEqual([
        {
          at: 1,
          attempts: [
            { number: 1, startedMs: 10, serviceMs: 2, lane: 'thread-1', error: AGAIN },
            { number: 2, startedMs: 200, serviceMs: 3, lane: 'thread-2', error: AGAIN },
            { number: 3, startedMs: 900, serviceMs: 4, lane: 'thread-1', error },
          ],
        },
      ])
      expect(judge([{ index: 7 }]).histories).toEqual([])
    }
  })
})

describe('Attempts.abandon', () => {
  it('fails what waits for an attempt that it will not get, by the lane of the last one', () => {
    const { attempts, judge } = setup()
    judge([{ index: 1, error: AGAIN, startedMs: 10, serviceMs: 2 }])
    judge([{ index: 2, error: AGAIN }], { lane: 'thread-2' })
    judge([{ index: 2, error: AGAIN, attempt: 2 }], { lane: 'thread-2' })
    judge([{ index: 3, error: AGAIN }])
    judge([{ index: 3, attempt: 2 }])
    const blocks = attempts.abandon(STARTED_AT, false)
    expect(blocks).toMatchObject([
      { lane: 'thread-1', columns: { count: 1, errors: [{ at: 0, error: AGAIN }] }, histories: [] },
      { lane: 'thread-2', histories: [{ at: 0, attempts: [{ number: 1 }, { number: 2 }] }] },
    ])
    const [first, second] = blocks.map(({ columns }) => columns)
    expect([first?.indexes[0], first?.attempts[0], first?.startedAt[0]]).toEqual([1, 1, STARTED_AT + 10])
    expect([second?.indexes[0], second?.attempts[0], second?.outcomes[0]]).toEqual([2, 2, Outcome.FAILED])
    expect(attempts.abandon(STARTED_AT, false)).toEqual([])
  })

  it('makes blocks that the writer takes in one go', () => {
    const { attempts, judge } = setup({ stages: [COMPUTE] })
    judge(Array.from({ length: 10_000 }, (_, index) => ({ index, error: AGAIN })))
    expect(attempts.abandon(STARTED_AT, false).map(({ columns }) => columns.count)).toEqual([4096, 4096, 1808])
  })
})
