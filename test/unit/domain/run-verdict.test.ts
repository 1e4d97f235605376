import { describe, expect, it } from 'vitest'
import { type ComparedTasks, compareTimes } from '../../../src/domain/run-comparison.js'
import { runVerdict } from '../../../src/domain/run-verdict.js'
import { ascending, Draws } from '../../support/samples.js'

const SETTING = { work: ['square'], hosts: [], strategies: ['THREADS'], concurrency: [2] }

function tasks(timesMs: Float64Array, changes: Partial<ComparedTasks> = {}): ComparedTasks {
  return { timesMs, failed: 0, isWhole: true, drift: 1, status: 'SUCCEEDED', setting: SETTING, ...changes }
}

function verdictOf(baseline: ComparedTasks, candidate: ComparedTasks, isSameRun = false): string {
  return runVerdict({ baseline, candidate, isSameRun }, compareTimes(baseline.timesMs, candidate.timesMs))
}

/** Times around a median, a hundredth of it apart. */
const around = (medianMs: number, count: number) =>
  ascending(Array.from({ length: count }, (_, at) => medianMs * (1 + (at - (count - 1) / 2) / 100)))

const HOLDS =
  'It holds for these two runs: the tasks of a run share its moment, and what the next runs would take only more runs can tell.'

describe('runVerdict', () => {
  it('says by how much the candidate took longer, and how sure that is', () => {
    expect(verdictOf(tasks(around(10, 21)), tasks(around(15, 21)))).toBe(
      `The candidate's tasks took longer: their median service time is 15 ms where the baseline's is 10 ms, 1.5 times as long (95 % interval 1.41 to 1.59). With 21 tasks each that is more than chance (p < 0.001). ${HOLDS}`,
    )
  })

  it('says so of one that took less', () => {
    expect(verdictOf(tasks(around(10, 21)), tasks(around(5, 25)))).toBe(
      `The candidate's tasks took less time: their median service time is 5 ms where the baseline's is 10 ms, 0.5 times as long (95 % interval 0.47 to 0.532). With 21 and 25 tasks that is more than chance (p < 0.001). ${HOLDS}`,
    )
  })

  it('does not take what it cannot tell apart for equal', () => {
    expect(verdictOf(tasks(around(10, 20)), tasks(around(10.05, 20)))).toMatch(
      /^The service times of the two cannot be told apart with 20 tasks each \(p = 0\.\d+\): the candidate's median is 10 ms where the baseline's is 9\.95 ms, 1\.005 times as long \(95 % interval 0\.\d+ to 1\.\d+\)\. That does not show that they are equal\.$/,
    )
  })

  it('does not take for a difference what two runs of one batch differ by', () => {
    const near = (medianMs: number) =>
      ascending(Array.from({ length: 300 }, (_, at) => medianMs * (1 + (at - 150) / 20_000)))
    const said = verdictOf(tasks(near(20)), tasks(near(20.1)))
    expect(said).toMatch(
      /^The two runs cannot be told apart: the candidate's median service time is 20\.1 ms where the baseline's is 20 ms, 1\.005 times as long \(95 % interval 1\.\d+ to 1\.\d+\)\. With 300 tasks each that is more than chance between tasks \(p < 0\.001\), but within the 5 % that two runs of one batch differ by as a rule\. That does not show that they are equal: more runs of each, in turns, can tell\.$/,
    )
    expect(verdictOf(tasks(near(20)), tasks(near(21.5)))).toContain("The candidate's tasks took longer")
    const drifting = { drift: 1.1 }
    expect(verdictOf(tasks(near(20), drifting), tasks(near(21.5)))).toContain(
      'within 10 %, and so much these runs differ from themselves while they run',
    )
    // What changes that much changes with its items.
    expect(verdictOf(tasks(near(20), { drift: 30 }), tasks(near(25)))).toContain("The candidate's tasks took longer")
  })

  it('has no interval of a few tasks', () => {
    expect(verdictOf(tasks(Float64Array.of(5)), tasks(around(15, 61)))).toContain(
      '3 times as long (1 task is too few for an interval)',
    )
    expect(verdictOf(tasks(around(15, 61)), tasks(around(5, 5)))).toContain('(5 tasks are too few for an interval)')
  })

  it('does not go by the interval alone', () => {
    // The middle is farther up, and nothing else.
    const withMiddle = (ms: number) =>
      ascending([...Array(35).keys(), ...Array<number>(30).fill(100 + ms), ...around(300, 35)])
    const [baseline, candidate] = [withMiddle(0), withMiddle(5)]
    const said = verdictOf(tasks(baseline), tasks(candidate))
    expect(said).toContain('cannot be told apart with 100 tasks each')
    expect(said).toContain('That the interval leaves out 1 is not enough to tell')
  })

  it('tells that ranks differ where medians do not', () => {
    const baseline = ascending([...Array<number>(40).fill(10), ...around(5, 30)])
    const candidate = ascending([...Array<number>(40).fill(10), ...around(20, 30)])
    expect(verdictOf(tasks(baseline), tasks(candidate))).toBe(
      `The service times differ by more than chance with 70 tasks each (p < 0.001), but their medians cannot be told apart: the candidate's is 10 ms where the baseline's is 10 ms, 1 times as long (95 % interval 1 to 1.81), and in 83.7 % of all pairs its task took longer. ${HOLDS}`,
    )
  })

  it('calls neither faster where medians and ranks say the opposite', () => {
    // The candidate's middle is a little lower, and its longer half far longer.
    const baseline = ascending([...Array<number>(160).fill(8), ...Array<number>(240).fill(10)])
    const candidate = ascending([...Array<number>(240).fill(9), ...Array<number>(160).fill(90)])
    expect(verdictOf(tasks(baseline), tasks(candidate))).toContain('and neither run is simply the faster one')
  })

  it.each([
    [1, 1, '1 task each', 'p = 1'],
    [3, 3, '3 tasks each', 'p = 0.1'],
    [2, 5, '2 and 5 tasks', 'p = 0.095'],
    [1, 38, '1 and 38 tasks', 'p = 0.051'],
  ])('says what too few tasks could tell at most: %i and %i', (n, m, tasksSaid, least) => {
    const said = verdictOf(tasks(around(10, n)), tasks(around(100, m)))
    expect(said).toContain(
      `${tasksSaid} are too few to tell a difference from chance: however these times were shared out, ${least} would be the least.`,
    )
    expect(said).not.toContain('more than chance')
  })

  it('takes four each for enough', () => {
    expect(verdictOf(tasks(around(10, 4)), tasks(around(100, 4)))).toContain('more than chance (p = 0.029)')
    expect(verdictOf(tasks(around(10, 1)), tasks(around(100, 39)))).toContain('more than chance (p = 0.05)')
  })

  it('takes fewer for enough where equal times make them tell, and says nothing of a least that is not one', () => {
    const [apart, equal] = [tasks(ascending([1, 2, 3])), tasks(ascending([4, 4, 4, 4]))]
    expect(verdictOf(apart, equal)).toContain('With 3 and 4 tasks that is more than chance (p = 0.029)')
    expect(verdictOf(tasks(ascending([4, 4, 4])), tasks(ascending([1, 2, 3, 4])))).not.toContain('would be the least')
    const [before, after] = [tasks(ascending([1, 1, 1])), tasks(ascending([3, 4, 4, 4]))]
    expect(verdictOf(before, after)).toContain('p = 0.057 would be the least')
  })

  it('does not refute itself where times are short', () => {
    const all = (us: number) => tasks(new Float64Array(200).fill(us / 1_000))
    expect(verdictOf(all(0.4), all(0.8))).toContain(
      "took longer: their median service time is 0.8 µs where the baseline's is 0.4 µs, 2 times as long (95 % interval 2 to 2). With 200 tasks each that is more than chance (p < 0.001).",
    )
    // What no clock can tell apart is not told as if it differed.
    expect(verdictOf(all(0.1), all(0.2))).toContain(
      "cannot be told apart with 200 tasks each (p = 1): the candidate's median is less than 0.25 µs where the baseline's is less than 0.25 µs, 1 times as long",
    )
  })

  it('has nothing to tell apart in one run', () => {
    const run = tasks(around(10, 50), { failed: 2 })
    expect(verdictOf(run, run, true)).toBe(
      'Both are the same run: there is nothing to tell apart. Failed tasks are among them, 2 of the run: to fail may take less or more time than to succeed.',
    )
  })

  it.each<[string, Partial<ComparedTasks>, Partial<ComparedTasks>]>([
    [
      'Of the baseline and the candidate an even sample of at most 10,000 tasks was compared.',
      { isWhole: false },
      { isWhole: false },
    ],
    ['Of the candidate an even sample', {}, { isWhole: false }],
    ['This is so far: the candidate is RUNNING.', {}, { status: 'RUNNING' }],
    [
      'This is so far: the baseline is PAUSED and the candidate is RUNNING.',
      { status: 'PAUSED' },
      { status: 'RUNNING' },
    ],
    ['Cancelled before its end: the baseline.', { status: 'CANCELLED' }, {}],
    ['Failed tasks are among them, 3 of the baseline and 1 of the candidate: to fail', { failed: 3 }, { failed: 1 }],
    ['The runs differ in what they do (square and cube).', {}, { setting: { ...SETTING, work: ['cube'] } }],
    [
      'The runs differ in strategy (THREADS and ASYNC) and how many tasks are in flight at most (2 and 16).',
      {},
      { setting: { ...SETTING, strategies: ['ASYNC'], concurrency: [16] } },
    ],
    [
      'The runs differ in their hosts (a.example, b.example, … and a.example).',
      { setting: { ...SETTING, hosts: ['a.example', 'b.example', 'c.example', 'd.example'] } },
      { setting: { ...SETTING, hosts: ['a.example'] } },
    ],
  ])('says what else there is to know: %s', (caveat, baseline, candidate) => {
    expect(verdictOf(tasks(around(10, 9), baseline), tasks(around(10, 9), candidate))).toContain(` ${caveat}`)
  })

  it('takes what is not known yet for no difference', () => {
    const started = tasks(around(10, 9))
    const queued = tasks(around(10, 9), { setting: { ...SETTING, strategies: [], concurrency: [] } })
    expect(verdictOf(started, queued)).not.toContain('differ in')
    expect(verdictOf(started, started)).not.toContain('differ in')
  })

  it('never says NaN, whatever the times', () => {
    const draws = new Draws(21)
    for (const count of [1, 2, 5, 40, 500]) {
      for (const other of [draws.times(count), ascending(Array<number>(count).fill(0))]) {
        expect(verdictOf(tasks(draws.times(count)), tasks(other))).not.toMatch(/NaN|Infinity|undefined/)
      }
    }
  })
})
