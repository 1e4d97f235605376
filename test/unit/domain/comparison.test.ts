import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { AskedStrategy } from '../../../src/domain/batch.js'
import { type ComparedRun, comparisonRows, comparisonStatus, measuredRuns } from '../../../src/domain/comparison.js'
import { isFinalRunStatus, RunStatus } from '../../../src/domain/run.js'
import { ended, STRATEGIES, someRuns } from '../../support/compared.js'

describe('comparisonStatus', () => {
  const of = (...statuses: RunStatus[]) => comparisonStatus(statuses.map((status) => ({ status })))

  it.each<[RunStatus, RunStatus[]]>([
    ['QUEUED', ['QUEUED', 'QUEUED']],
    ['RUNNING', ['RUNNING', 'QUEUED']],
    ['RUNNING', ['SUCCEEDED', 'QUEUED']],
    ['RUNNING', ['FAILED', 'RUNNING']],
    ['PAUSED', ['SUCCEEDED', 'PAUSED', 'QUEUED']],
    ['SUCCEEDED', ['SUCCEEDED', 'SUCCEEDED']],
    ['PARTIAL', ['SUCCEEDED', 'PARTIAL']],
    ['PARTIAL', ['SUCCEEDED', 'FAILED']],
    ['PARTIAL', ['CANCELLED', 'SUCCEEDED']],
    ['FAILED', ['FAILED', 'FAILED']],
    ['CANCELLED', ['SUCCEEDED', 'CANCELLED', 'CANCELLED']],
  ])('is %s of %j', (status, runs) => {
    expect(of(...runs)).toBe(status)
  })

  it('is final exactly when all of its runs have ended', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...Object.values(RunStatus)), { minLength: 1 }), (statuses) => {
        expect(isFinalRunStatus(of(...statuses))).toBe(statuses.every(isFinalRunStatus))
      }),
    )
  })
})

describe('measuredRuns', () => {
  const counted = (...runs: ComparedRun[]) => measuredRuns(runs).map(({ wallMs }) => wallMs)

  it('are those that ran to their end, with failed tasks or without', () => {
    expect(
      counted(
        ended('THREADS', 1),
        ended('THREADS', 2, { failedTasks: 3, status: 'PARTIAL' }),
        ended('THREADS', 3, { isCutShort: true, status: 'FAILED' }),
        ended('THREADS', 4, { status: 'RUNNING' }),
        ended('THREADS', 5, { wallMs: null }),
      ),
    ).toEqual([1, 2])
  })

  it('are without one that a restart has cut in two, unless its strategy has no other', () => {
    const halved = { wasInterrupted: true }
    expect(counted(ended('THREADS', 1), ended('THREADS', 2, halved), ended('ASYNC', 3, halved))).toEqual([1, 3])
  })
})

describe('comparisonRows', () => {
  const rows = (runs: ComparedRun[], strategies: AskedStrategy[] = [...STRATEGIES]) => comparisonRows(strategies, runs)

  it('has the median over the median, and that over what was in flight', () => {
    const runs = [
      ...[900, 1000, 1400].map((wallMs) => ended('SEQUENTIAL', wallMs, { concurrency: 1 })),
      ...[500, 510, 900].map((wallMs) => ended('THREADS', wallMs, { concurrency: 2 })),
    ]
    const [sequential, threads] = rows(runs)
    expect(sequential).toMatchObject({ strategy: 'SEQUENTIAL', runs: 3, speedup: 1, efficiency: 1 })
    expect(threads).toMatchObject({ strategy: 'THREADS', runs: 3 })
    expect(threads?.speedup).toBeCloseTo(1000 / 510, 12)
    expect(threads?.efficiency).toBeCloseTo(1000 / 510 / 2, 12)
    expect(threads?.wallMs.moments).toMatchObject({ count: 3, min: 500, max: 900 })
    expect(threads?.wallMs.percentile(0.5)).toBe(510)
  })

  it('has no speedup without a measured SEQUENTIAL, nor over nothing', () => {
    expect(rows([ended('THREADS', 5), ended('SEQUENTIAL', 9, { isCutShort: true })])).toMatchObject([
      { strategy: 'THREADS', speedup: null, efficiency: null },
    ])
    expect(rows([ended('SEQUENTIAL', 0), ended('THREADS', 0)]).map(({ speedup }) => speedup)).toEqual([null, null])
  })

  it('goes by the middle one where what was in flight differs', () => {
    const auto = [1, 2, 2].map((concurrency) => ended('AUTO', 500, { concurrency }))
    expect(rows([ended('SEQUENTIAL', 1000), ...auto])[1]).toMatchObject({ speedup: 2, efficiency: 1 })
  })

  it('has a row for each strategy with a run to go by, in the order in which they were asked', () => {
    fc.assert(
      fc.property(someRuns, fc.shuffledSubarray([...STRATEGIES]), (runs, strategies) => {
        const measured = measuredRuns(runs)
        const found = comparisonRows(strategies, runs)
        expect(found.map(({ strategy }) => strategy)).toEqual(
          strategies.filter((strategy) => measured.some((run) => run.strategy === strategy)),
        )
        for (const { strategy, runs: count, wallMs, speedup, efficiency } of found) {
          const own = measured.filter((run) => run.strategy === strategy).map((run) => run.wallMs)
          expect([count, wallMs.moments.count]).toEqual([own.length, own.length])
          expect(own).toContain(wallMs.percentile(0.5))
          const hasBaseline = found.some((row) => row.strategy === 'SEQUENTIAL')
          expect([speedup !== null, efficiency !== null]).toEqual([hasBaseline, hasBaseline])
          if (strategy === 'SEQUENTIAL') expect(speedup).toBe(1)
        }
      }),
    )
  })
})
