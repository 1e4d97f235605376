import { describe, expect, it } from 'vitest'
import { IndexSet } from '../../../src/domain/indexset.js'
import { queuedStages, type RunRecord } from '../../../src/domain/run.js'
import { emptyMoments } from '../../../src/domain/timing.js'
import { Ledger } from '../../../src/engine/ledger.js'
import { recoverStages, restoreTimes } from '../../../src/engine/recovery.js'
import { batchSpec, COMPUTE, runRecord } from '../../support/engine-parts.js'

const PIPELINE = batchSpec({ kind: 'PIPELINE', stages: [COMPUTE, COMPUTE, COMPUTE] })

describe('recoverStages', () => {
  /** Rows by stage: those that have ended, of which the even ones have succeeded. */
  function storeOf(rows: readonly number[][]) {
    const asked: string[] = []
    const setOf = (total: number, indexes: readonly number[]) => {
      const set = new IndexSet(total)
      for (const index of indexes) set.add(index)
      return set
    }
    const store = {
      endedIndexes: async (run: number, stage: number, total: number) => {
        asked.push(`ended ${run} ${stage} ${total}`)
        return setOf(total, rows[stage]!)
      },
      succeededIndexes: async (run: number, stage: number, total: number) => {
        asked.push(`succeeded ${run} ${stage} ${total}`)
        return setOf(
          total,
          rows[stage]!.filter((index) => index % 2 === 0),
        )
      },
    }
    return { store, asked }
  }
  const listOf = (set: IndexSet | null) => set && [...Array(set.bound).keys()].filter((index) => set.has(index))

  it('knows of each stage what has ended, and what had come to it', async () => {
    const { store, asked } = storeOf([[0, 1, 2, 4], [0, 2], [0]])
    const record = runRecord({ spec: PIPELINE })
    const recovery = await recoverStages(store, record)
    expect(recovery.map(({ ended, arrived }) => [listOf(ended), listOf(arrived)])).toEqual([
      [[0, 1, 2, 4], null],
      [
        [0, 2],
        [0, 2, 4],
      ],
      [[0], [0, 2]],
    ])
    expect(asked[0]).toBe(`ended ${record.id} 0 100`)
  })

  it('asks of a run of one stage what has ended alone', async () => {
    const { store, asked } = storeOf([[3]])
    const record = runRecord()
    expect((await recoverStages(store, record)).map(({ arrived }) => arrived)).toEqual([null])
    expect(asked).toEqual([`ended ${record.id} 0 100`])
  })
})

describe('restoreTimes', () => {
  it('gives the books the times of each stage that has some', async () => {
    const stages = queuedStages(PIPELINE)!
    stages[1]!.times.service = { ...emptyMoments(), count: 2 }
    const record: RunRecord = { ...runRecord({ spec: PIPELINE }), stages }
    const ledger = new Ledger(record, null)
    const asked: unknown[] = []
    const store = {
      times: async (run: number, stage: number | null, column: string) => {
        asked.push([run, stage, column])
        return column === 'serviceMs' ? Float64Array.of(1, 2) : Float64Array.of(3, 4)
      },
    }
    await restoreTimes(store, record, ledger)
    expect(asked).toEqual([
      [record.id, 1, 'serviceMs'],
      [record.id, 1, 'queueWaitMs'],
    ])
    expect(ledger.stageTimes.map(({ service }) => service.distribution().moments.count)).toEqual([0, 2, 0])
    expect([ledger.times.service, ledger.times.queueWait].map((times) => times.distribution().percentile(1))).toEqual([
      2, 4,
    ])
  })
})
