import { describe, expect, it } from 'vitest'
import { fetchAt } from '../../../src/domain/fetch-column.js'
import { Outcome } from '../../../src/domain/results.js'
import { BlockBuilder, type TaskTimes, transferables } from '../../../src/lanes/block.js'
import { outputTexts } from '../../support/outputs.js'
import { fetchDetail } from '../../support/store.js'

function times(index: number, more: Partial<TaskTimes> = {}): TaskTimes {
  return { index, attempt: 1, startedAt: 1_000 + index, serviceMs: index / 10, cpuMs: Number.NaN, ...more }
}

const failure = { code: 'FUNCTION_ERROR' as const, message: 'no', retryable: false }

describe('BlockBuilder', () => {
  it('keeps what it was given by column, and starts anew', () => {
    const block = new BlockBuilder(false)
    block.succeed(times(4), '"four"')
    block.add(times(2, { attempt: 3, cpuMs: 0.5 }), {
      outcome: Outcome.FAILED,
      output: null,
      error: failure,
      retryAfterMs: 50,
      fetch: null,
    })
    expect(block.count).toBe(2)
    expect(block.chars).toBe(6)
    expect(block.take()).toEqual({
      count: 2,
      indexes: Float64Array.of(4, 2),
      attempts: Uint8Array.of(1, 3),
      outcomes: Uint8Array.of(Outcome.SUCCEEDED, Outcome.FAILED),
      startedAt: Float64Array.of(1_004, 1_002),
      serviceMs: Float64Array.of(0.4, 0.2),
      cpuMs: Float64Array.of(Number.NaN, 0.5),
      outputs: { text: '"four"', ends: Uint32Array.of(6, 6) },
      handedOver: null,
      errors: [{ at: 1, error: failure, retryAfterMs: 50 }],
      fetches: null,
    })
    expect(block.count).toBe(0)
    expect(block.chars).toBe(0)
    block.succeed(times(1), '1')
    expect(block.take()).toMatchObject({ count: 1, outputs: { text: '1' }, errors: [], cpuMs: null })
  })

  it('leaves out columns that say nothing', () => {
    const block = new BlockBuilder(true)
    block.add(times(0), {
      outcome: Outcome.NOT_STARTED,
      output: null,
      error: null,
      retryAfterMs: null,
      fetch: null,
    })
    const columns = block.take()
    expect(columns).toMatchObject({ cpuMs: null, outputs: null, errors: [] })
    expect(fetchAt(columns.fetches, 0)).toBeNull()
  })

  it('grows, and what it gave away stays as it was', () => {
    const block = new BlockBuilder(false)
    for (let index = 0; index < 1_000; index += 1) block.succeed(times(index), String(index))
    const first = block.take()
    for (let index = 5_000; index < 6_000; index += 1) block.succeed(times(index), String(index))
    expect([...first.indexes]).toEqual(Array.from({ length: 1_000 }, (_, index) => index))
    expect(outputTexts(first.outputs, 1_000)).toEqual(Array.from({ length: 1_000 }, (_, index) => String(index)))
    expect([...block.take().serviceMs]).toEqual(Array.from({ length: 1_000 }, (_, index) => (5_000 + index) / 10))
  })

  it('gives columns that can be transferred, each with memory of its own', () => {
    const block = new BlockBuilder(false)
    block.succeed(times(1, { cpuMs: 1 }), '1')
    const columns = block.take()
    const buffers = transferables(columns)
    expect(new Set(buffers).size).toBe(7)
    const moved = structuredClone(columns, { transfer: buffers })
    expect(moved).toMatchObject({
      indexes: Float64Array.of(1),
      cpuMs: Float64Array.of(1),
      outputs: { text: '1', ends: Uint32Array.of(1) },
    })
    expect(columns.indexes.byteLength).toBe(0)
  })

  describe('of a stage that has another one after it', () => {
    const link = { to: 'COMPUTE' as const, from: '/a', givesDetail: false }
    const failed = { outcome: Outcome.FAILED, output: null, error: failure, retryAfterMs: null, fetch: null }

    it('has what succeeded items hand over, each at its place', () => {
      const block = new BlockBuilder(false, link)
      block.succeed(times(0), '{"a":1}')
      block.add(times(1), failed)
      block.succeed(times(2), '{"a":"two"}')
      block.succeed(times(3), '{}')
      block.add(times(4), failed)
      const handedOver = ['1', null, '"two"', '!"/a" points at nothing in what the stage before gave', null]
      const { length } = handedOver.join('')
      expect(block.chars).toBe('{"a":1}{"a":"two"}{}'.length + length)
      const columns = block.take()
      expect(outputTexts(columns.handedOver, 5)).toEqual(handedOver)
      expect(outputTexts(columns.outputs, 5)).toEqual(['{"a":1}', null, '{"a":"two"}', '{}', null])
      expect(new Set(transferables(columns)).size).toBe(7)
      block.add(times(5), { ...failed, outcome: Outcome.SUCCEEDED, error: null, output: '{"a":5}' })
      expect(outputTexts(block.take().handedOver, 1)).toEqual(['5'])
      expect(block.take()).toMatchObject({ count: 0, handedOver: { text: '' } })
    })

    it('does not send the whole output twice', () => {
      const block = new BlockBuilder(false, { ...link, from: '' })
      block.succeed(times(0), '{"a":1}')
      expect(block.chars).toBe(7)
      expect(block.take()).toMatchObject({ handedOver: null, outputs: { text: '{"a":1}' } })
    })

    it('has what is known of fetches that keep no body', () => {
      const block = new BlockBuilder(true, { to: 'FETCH', from: '/url', givesDetail: true })
      block.add(times(0), { ...failed, outcome: Outcome.SUCCEEDED, error: null, fetch: fetchDetail })
      block.add(times(1), { ...failed, fetch: fetchDetail })
      const columns = block.take()
      expect(outputTexts(columns.handedOver, 2)).toEqual([JSON.stringify(fetchDetail.url), null])
      expect(columns.outputs).toBeNull()
    })
  })
})
