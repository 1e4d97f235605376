import { describe, expect, it } from 'vitest'
import { fetchAt } from '../../../src/domain/fetch-column.js'
import { Outcome, outputAt } from '../../../src/domain/results.js'
import { type Answer, AnswerCache, answerAt, SharedRows } from '../../../src/engine/answers.js'
import { columnsOf } from '../../support/engine-parts.js'
import { outputColumn } from '../../support/outputs.js'
import { fetchDetail } from '../../support/store.js'

const answer = (output: string | null): Answer => ({
  outcome: Outcome.SUCCEEDED,
  output,
  error: null,
  fetch: null,
  handedOver: null,
})

describe('AnswerCache', () => {
  it('forgets those that were asked for the longest ago', () => {
    const cache = new AnswerCache({ answers: 2, chars: 10_000 })
    cache.put(1, answer('a'))
    cache.put(2, answer('b'))
    cache.get(1)
    cache.put(3, answer('c'))
    expect([1, 2, 3].map((index) => cache.get(index)?.output ?? null)).toEqual(['a', null, 'c'])
  })

  it('keeps no more text than it may', () => {
    const cache = new AnswerCache({ answers: 100, chars: 5_000 })
    for (let index = 0; index < 10; index += 1) cache.put(index, answer('x'.repeat(1_000)))
    const kept = Array.from({ length: 10 }, (_, index) => cache.get(index) !== null)
    expect(kept.lastIndexOf(false)).toBe(6)
    cache.put(99, answer('x'.repeat(6_000)))
    expect(cache.get(99)).toBeNull()
    cache.put(1, answer('y'))
    expect(cache.get(1)?.output).toBe('y')
  })
})

describe('SharedRows', () => {
  it('has of each item the answer, and no attempt and no time', () => {
    const error = { code: 'TIMEOUT' as const, message: 'no', retryable: true }
    const columns = columnsOf([
      { index: 4, output: '"ü\u{1f9f5}"', fetch: fetchDetail },
      { index: 5, error, fetch: { ...fetchDetail, sha256: null, status: null } },
    ])
    const rows = new SharedRows({ rows: 3, chars: 1_000 })
    rows.add(10, answerAt(columns, 0, null))
    rows.add(11, answerAt(columns, 1, error))
    expect(rows.isFull).toBe(false)
    rows.add(12, answerAt(columns, 0, null))
    expect(rows.isFull).toBe(true)
    const shared = rows.columns()
    expect(shared).toMatchObject({ count: 3, cpuMs: null, errors: [{ at: 1, error, retryAfterMs: null }] })
    expect([shared.indexes, shared.outcomes].map((column) => [...column])).toEqual([
      [10, 11, 12],
      [Outcome.SUCCEEDED, Outcome.FAILED, Outcome.SUCCEEDED],
    ])
    expect([...shared.attempts, ...shared.startedAt, ...shared.serviceMs].every((value) => value === 0)).toBe(true)
    expect([0, 1, 2].map((at) => outputAt(shared.outputs, at))).toEqual(['"ü\u{1f9f5}"', null, '"ü\u{1f9f5}"'])
    const noTime = {
      dnsMs: null,
      connectMs: null,
      tlsMs: null,
      firstByteMs: null,
      downloadMs: null,
      reusedConnection: null,
    }
    expect(fetchAt(shared.fetches, 2)).toEqual({ ...fetchDetail, ...noTime })
    expect(fetchAt(shared.fetches, 1)).toEqual({ ...fetchDetail, ...noTime, sha256: null, status: null })
  })

  it('has what the lane has handed over, for everyone who shares the answer', () => {
    const told = columnsOf([
      { index: 4, output: '{"a":1}' },
      { index: 5, output: '{"a":2}' },
    ])
    const columns = { ...told, handedOver: outputColumn(['1', null]) }
    const rows = new SharedRows({ rows: 10, chars: 1_000 })
    rows.add(10, answerAt(columns, 0, null))
    rows.add(11, answerAt(columns, 1, null))
    rows.add(12, answerAt(columns, 0, null))
    const shared = rows.columns()
    expect([0, 1, 2].map((at) => outputAt(shared.handedOver, at))).toEqual(['1', null, '1'])
    const full = new SharedRows({ rows: 10, chars: 8 })
    full.add(1, answerAt(columns, 0, null))
    expect(full.isFull).toBe(true)
    const none = new SharedRows({ rows: 10, chars: 8 })
    none.add(1, answerAt(told, 0, null))
    expect(none.columns().handedOver).toBeNull()
  })

  it('is full where its outputs are long', () => {
    const rows = new SharedRows({ rows: 100, chars: 10 })
    rows.add(1, answer('"1234567890"'))
    expect(rows.isFull).toBe(true)
  })
})
