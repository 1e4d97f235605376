import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { AskedStrategy } from '../../../src/domain/batch.js'
import { type ComparedRun, comparisonRows, measuredRuns } from '../../../src/domain/comparison.js'
import { rankSumP } from '../../../src/domain/rank-test.js'
import { isFinalRunStatus } from '../../../src/domain/run.js'
import { comparisonVerdict } from '../../../src/domain/verdict.js'
import { ended, queued, STRATEGIES, someRuns } from '../../support/compared.js'

const verdictOf = (runs: readonly ComparedRun[]) => comparisonVerdict(STRATEGIES, runs)

/** Runs of one strategy that took so long each. */
const took = (strategy: AskedStrategy, ...wallsMs: number[]) => wallsMs.map((wallMs) => ended(strategy, wallMs))

/** Five runs around a time, all apart from each other. */
const about = (strategy: AskedStrategy, medianMs: number) =>
  took(strategy, ...[-2, -1, 0, 1, 2].map((at) => medianMs + at))

const FAILED_FAST: Partial<ComparedRun> = { status: 'FAILED', isCutShort: true, failedTasks: 1 }
const CANCELLED: Partial<ComparedRun> = { status: 'CANCELLED', isCutShort: true }
const STUCK: Partial<ComparedRun> = { status: 'FAILED', isCutShort: true, hasFailure: true }
const UNTIMED: Partial<ComparedRun> = { wallMs: null }

describe('comparisonVerdict', () => {
  it('is none before there is anything to go by', () => {
    expect(verdictOf([queued('THREADS')])).toBeNull()
    expect(verdictOf([ended('THREADS', 5, FAILED_FAST), queued('ASYNC')])).toBeNull()
    expect(verdictOf([])).toBeNull()
  })

  it.each<[string, Partial<ComparedRun>[]]>([
    ['failFast ended 2 of 2 runs', [FAILED_FAST, FAILED_FAST]],
    ['1 of 1 run was cancelled', [CANCELLED]],
    ['2 of 2 runs were cancelled', [CANCELLED, CANCELLED]],
    ['1 of 1 run could not go on', [STUCK]],
    ['no task of 1 of 1 run was timed', [UNTIMED]],
    [
      'failFast ended 1 of 4 runs, 1 of 4 runs was cancelled, 1 of 4 runs could not go on and no task of 1 of 4 runs was timed',
      [FAILED_FAST, CANCELLED, STUCK, UNTIMED],
    ],
  ])('says that there is nothing to compare once it is over: %s', (why, changes) => {
    const runs = changes.map((change) => ended('THREADS', 5, change))
    expect(verdictOf(runs)).toBe(`Nothing to compare: ${why}.`)
  })

  it('says once how many times as fast it is as SEQUENTIAL, where that is the only other one', () => {
    const first = 'THREADS is the fastest: 50 ms, 2 times as fast as SEQUENTIAL. '
    expect(verdictOf([...about('SEQUENTIAL', 100), ...about('THREADS', 50)])).toBe(
      `${first}With 5 runs each that is more than chance (p = 0.008).`,
    )
    expect(verdictOf([...took('SEQUENTIAL', 100), ...took('THREADS', 50)])).toBe(
      `${first.replace(' is ', ' was ')}One run each tells nothing of chance.`,
    )
    expect(verdictOf([...took('SEQUENTIAL', 100, 100), ...took('THREADS', 50, 50)])).toBe(
      `${first.replace(' is ', ' was ')}2 runs each are too few to tell that from chance.`,
    )
  })

  it('names the fastest, by how much, and how sure that is', () => {
    expect(verdictOf([...about('SEQUENTIAL', 2386), ...about('PROCESSES', 1279), ...about('THREADS', 1230)])).toBe(
      'THREADS is the fastest: 1.23 s, 1.94 times as fast as SEQUENTIAL. ' +
        'PROCESSES takes 1.04 times as long; with 5 runs each that is more than chance (p = 0.008).',
    )
  })

  it('says of one run each that it tells nothing of chance', () => {
    expect(verdictOf([...took('SEQUENTIAL', 5019), ...took('THREADS', 1013), ...took('ASYNC', 1020)])).toBe(
      'THREADS was the fastest: 1.01 s, 4.95 times as fast as SEQUENTIAL. ' +
        'ASYNC took 1.007 times as long; one run each tells nothing of chance.',
    )
  })

  it('says of few runs that they are too few, however far apart they lie', () => {
    expect(verdictOf([...took('ASYNC', 100, 101, 102), ...took('THREADS', 1, 2, 3)])).toBe(
      'THREADS was the fastest: 2 ms. ASYNC took 50.5 times as long; 3 runs each are too few to tell that from chance.',
    )
    expect(verdictOf([...took('ASYNC', 100), ...took('THREADS', 1, 2, 3)])).toContain('3 and 1 runs are too few')
  })

  it('calls equally fast what cannot be told apart, and says how much slower the next one is', () => {
    const runs = [
      ...took('THREADS', 100, 102, 104, 106, 108),
      ...took('PROCESSES', 101, 103, 105, 107, 109),
      ...about('SEQUENTIAL', 208),
    ]
    expect(verdictOf(runs)).toBe(
      'THREADS and PROCESSES are as fast as each other, as far as 5 runs each tell (p = 0.69): 104 ms and 105 ms, ' +
        '2 and 1.98 times as fast as SEQUENTIAL. SEQUENTIAL takes 2 times as long as THREADS, which is more than chance (p = 0.008).',
    )
  })

  it('speaks of no speedup over SEQUENTIAL where that is among the fastest', () => {
    const runs = [
      ...took('SEQUENTIAL', 1, 3, 5, 7),
      ...took('ASYNC', 2, 4, 6, 8),
      ...took('THREADS', 1.5, 3.5, 5.5, 7.5),
    ]
    expect(verdictOf(runs)).toBe(
      'SEQUENTIAL, THREADS and ASYNC are as fast as each other, as far as 4 runs each tell ' +
        '(p = 0.69 and p = 0.69 against SEQUENTIAL): 3 ms, 3.5 ms and 4 ms.',
    )
    expect(verdictOf([...about('SEQUENTIAL', 10), ...about('THREADS', 30)])).toBe(
      'SEQUENTIAL is the fastest: 10 ms. THREADS takes 3 times as long; with 5 runs each that is more than chance (p = 0.008).',
    )
  })

  it('says of whom there are too few runs', () => {
    expect(verdictOf([...about('THREADS', 100), ...about('ASYNC', 200), ...took('AUTO', 300)])).toBe(
      'THREADS was the fastest: 100 ms. ASYNC takes 2 times as long; with 5 runs each that is more than chance (p = 0.008). ' +
        'Of AUTO there are too few runs to tell.',
    )
    const equal = [...took('THREADS', 1, 3, 5, 7), ...took('ASYNC', 2, 4, 6, 8), ...took('AUTO', 9)]
    expect(verdictOf(equal)).toMatch(/^THREADS and ASYNC are as fast .* Of AUTO there are too few runs to tell\.$/)
  })

  it('has nothing to compare with a single strategy', () => {
    expect(verdictOf(took('THREADS', 5, 6, 7))).toBe('THREADS took 6 ms: there is nothing to compare it with.')
  })

  it('is so far while runs are left', () => {
    expect(verdictOf([...took('THREADS', 5), queued('ASYNC'), ended('ASYNC', 1, { status: 'RUNNING' })])).toBe(
      'So far, after 1 of 3 runs: THREADS took 5 ms: there is nothing to compare it with.',
    )
  })

  it('says what is in the times that should not be, and what is left out', () => {
    const failing = { failedTasks: 2, status: 'PARTIAL' as const }
    const cut = { isCutShort: true, status: 'FAILED' as const }
    const runs = [
      ended('SEQUENTIAL', 9, { wasInterrupted: true }),
      ended('THREADS', 5, failing),
      ended('THREADS', 5.5, failing),
      ended('THREADS', 90, { wasInterrupted: true }),
      ended('ASYNC', 6, failing),
      ended('ASYNC', 1, cut),
    ]
    expect(verdictOf(runs)).toMatch(
      new RegExp(
        ' Tasks failed in 1 run of ASYNC and 2 runs of THREADS: to fail may take less or more time than to succeed\\.' +
          ' A restart of the server is in the time of 1 run of SEQUENTIAL\\.' +
          ' Left out, as a restart of the server cut it in two: 1 run of THREADS\\.' +
          ' Left out, as it did not run to its end: 1 run of ASYNC\\.$',
      ),
    )
  })

  it('claims a difference from the others exactly where each of them differs by more than chance', () => {
    fc.assert(
      fc.property(someRuns, (runs) => {
        const verdict = verdictOf(runs)
        const walls = (strategy: AskedStrategy) =>
          measuredRuns(runs)
            .filter((run) => run.strategy === strategy)
            .map(({ wallMs }) => wallMs)
        const rows = comparisonRows(STRATEGIES, runs)
        const isOver = runs.length > 0 && runs.every(({ status }) => isFinalRunStatus(status))
        if (rows.length === 0) {
          expect(verdict?.startsWith('Nothing to compare: ') ?? false).toBe(isOver)
          return
        }
        const [fastest, ...others] = [...rows].sort((a, b) => a.wallMs.percentile(0.5) - b.wallMs.percentile(0.5))
        const isSure = others.every(({ strategy }) => rankSumP(walls(fastest!.strategy), walls(strategy)) <= 0.05)
        expect(verdict!.includes(`${fastest!.strategy} is the fastest`)).toBe(others.length > 0 && isSure)
        expect(verdict).toContain(fastest!.strategy)
        expect(verdict!.startsWith('So far')).toBe(runs.some(({ status }) => !isFinalRunStatus(status)))
        expect(verdict).not.toMatch(/NaN|Infinity|undefined|null/)
      }),
    )
  })
})
