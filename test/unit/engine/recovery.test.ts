import { describe, expect, it } from 'vitest'
import { byPhase } from '../../../src/domain/fetch-phases.js'
import { noCounts, queuedStages, type RunRecord } from '../../../src/domain/run.js'
import { emptyMoments } from '../../../src/domain/timing.js'
import { Ledger } from '../../../src/engine/ledger.js'
import { recoverStages, restoreTimes } from '../../../src/engine/recovery.js'
import { batchSpec, COMPUTE, runRecord } from '../../support/engine-parts.js'
import { membersOf, setOf } from '../../support/index-sets.js'

const PIPELINE = batchSpec({ kind: 'PIPELINE', stages: [COMPUTE, COMPUTE, COMPUTE] })

const NO_NOTES = { suspectsOf: () => null, culpritsOf: () => [] }

describe('recoverStages', () => {
  /** Rows by stage: those that have ended, of which the even ones have succeeded. */
  function storeOf(rows: readonly number[][], leftOut: readonly number[] | null = null) {
    const asked: string[] = []
    const store = {
      leftOut: async (run: number, total: number) => {
        asked.push(`left out ${run} ${total}`)
        return leftOut && setOf(total, leftOut)
      },
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

  it('knows of each stage what has ended, and what had come to it', async () => {
    const { store, asked } = storeOf([[0, 1, 2, 4], [0, 2], [0]])
    const record = runRecord({ spec: PIPELINE })
    const recovery = await recoverStages(store, record, NO_NOTES)
    expect(recovery.map(({ ended, arrived }) => [membersOf(ended), membersOf(arrived)])).toEqual([
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
    expect((await recoverStages(store, record, NO_NOTES)).map(({ arrived }) => arrived)).toEqual([null])
    expect(asked).toEqual([`ended ${record.id} 0 100`])
  })

  it("asks of a retry what it leaves out, which is the first stage's alone", async () => {
    const { store, asked } = storeOf([[0], [0], []], [1, 2, 3])
    const record = { ...runRecord({ spec: PIPELINE }), counts: noCounts(3 * 97) }
    const recovery = await recoverStages(store, record, NO_NOTES)
    expect(recovery.map(({ leftOut }) => membersOf(leftOut))).toEqual([[1, 2, 3], null, null])
    expect(membersOf(recovery[0]!.ended)).toEqual([0])
    expect(asked[0]).toBe(`left out ${record.id} 100`)
  })

  it('does not go on with a retry of which it is not known what it leaves out', async () => {
    const record = { ...runRecord(), counts: noCounts(97) }
    await expect(recoverStages(storeOf([[]]).store, record, NO_NOTES)).rejects.toThrow(
      `which items run ${record.key} repeats`,
    )
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
      phaseTimes: async (run: number, stage: number | null) => {
        asked.push([run, stage, 'phases'])
        return byPhase(() => Float64Array.of(5))
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
