import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AttemptList, TRIED_AGAIN, unpackAttempts } from '../../../src/domain/attempts.js'
import { Outcome } from '../../../src/domain/results.js'
import { columnsOf, STARTED_AT } from '../../support/engine-parts.js'

const lanes = { numberOf: (name: string) => Number(name.replace('thread-', '')) }

function unpacked(list: AttemptList) {
  const { bytes, firstStartMs } = list.pack()
  const columns = unpackAttempts(bytes)
  const places = Array.from({ length: columns.count }, (_, at) => ({
    startMs: columns.startMs[at]!,
    endMs: columns.endMs[at]!,
    index: columns.index[at]!,
    lane: columns.lane[at]!,
    stage: columns.stage[at]!,
    outcome: columns.outcome[at]!,
  }))
  return { places, firstStartMs, bytes }
}

const task = { stage: 0, index: 0, outcome: 0, lane: 0, startedMs: 0, serviceMs: 1 }

describe('attempts', () => {
  it('are packed in the order of their starts, 25 bytes each', () => {
    const list = new AttemptList()
    list.add({ stage: 1, index: 4_000_000_000, outcome: 2, lane: 65_535, startedMs: 10.5, serviceMs: 0.25 })
    list.add({ ...task, startedMs: -0.125, serviceMs: 1e9 })
    const { places, firstStartMs, bytes } = unpacked(list)
    expect(places).toEqual([
      { startMs: -0.125, endMs: 1e9 - 0.125, index: 0, lane: 0, stage: 0, outcome: 0 },
      { startMs: 10.5, endMs: 10.75, index: 4_000_000_000, lane: 65_535, stage: 1, outcome: 2 },
    ])
    expect([firstStartMs, bytes.length, list.count]).toEqual([-0.125, 50, 2])
  })

  it('of a history are one for each, and only the last has what became of the task', () => {
    const list = new AttemptList()
    const attempts = [
      { startedMs: 1, serviceMs: 2, lane: 'thread-7' },
      { startedMs: 50, serviceMs: 3, lane: 'thread-8' },
      { startedMs: 20, serviceMs: 2, lane: 'thread-7' },
    ]
    list.addHistory(
      { stage: 2, index: 9, outcome: 0 },
      attempts.toSorted((a, b) => a.startedMs - b.startedMs),
      lanes,
    )
    expect(unpacked(list).places).toEqual([
      { startMs: 1, endMs: 3, index: 9, lane: 7, stage: 2, outcome: TRIED_AGAIN },
      { startMs: 20, endMs: 22, index: 9, lane: 7, stage: 2, outcome: TRIED_AGAIN },
      { startMs: 50, endMs: 53, index: 9, lane: 8, stage: 2, outcome: 0 },
    ])
  })

  it('are taken from the columns of a block as its rows are', () => {
    const list = new AttemptList()
    const columns = columnsOf([
      { index: 3, startedMs: 7, serviceMs: 2 },
      { index: 5, startedMs: 4, serviceMs: 1, outcome: Outcome.FAILED },
    ])
    const frame = { lane: 1, stage: 2, runStartedAt: STARTED_AT + 1 }
    list.addEnded(columns, 0, frame)
    list.addEnded(columns, 1, frame)
    expect(unpacked(list).places).toEqual([
      { startMs: 3, endMs: 4, index: 5, lane: 1, stage: 2, outcome: 1 },
      { startMs: 6, endMs: 8, index: 3, lane: 1, stage: 2, outcome: 0 },
    ])
  })

  it('never end before they start, whatever two clocks say', () => {
    const list = new AttemptList()
    list.add({ ...task, startedMs: 5, serviceMs: -0.001 })
    expect(unpacked(list).places).toMatchObject([{ startMs: 5, endMs: 5 }])
  })

  it('begin anew after clear', () => {
    const list = new AttemptList()
    for (let index = 0; index < 100; index += 1) list.add({ ...task, index })
    list.clear()
    list.add({ ...task, index: 7 })
    expect(unpacked(list).places.map(({ index }) => index)).toEqual([7])
    expect(unpacked(new AttemptList())).toMatchObject({ places: [], firstStartMs: null })
  })

  it('are read from bytes that lie anywhere in memory', () => {
    const list = new AttemptList()
    list.add({ ...task, startedMs: 3 })
    const { bytes } = list.pack()
    const shifted = new Uint8Array(bytes.length + 3)
    shifted.set(bytes, 3)
    expect(unpackAttempts(shifted.subarray(3)).startMs[0]).toBe(3)
  })

  it('come back as they were, however many', () => {
    const attempt = fc.record({
      stage: fc.nat(65_535),
      index: fc.nat(2 ** 32 - 1),
      outcome: fc.nat(3),
      lane: fc.nat(65_535),
      startedMs: fc.double({ noNaN: true, min: -1, max: 1e9 }),
      serviceMs: fc.double({ noNaN: true, min: 0, max: 1e9 }),
    })
    fc.assert(
      fc.property(fc.array(attempt, { maxLength: 300 }), (attempts) => {
        const list = new AttemptList()
        for (const one of attempts) list.add(one)
        const expected = attempts
          .map(({ startedMs, serviceMs, ...rest }) => ({ ...rest, startMs: startedMs, endMs: startedMs + serviceMs }))
          .sort((a, b) => a.startMs - b.startMs)
        expect(unpacked(list).places).toEqual(expected)
      }),
    )
  })
})
