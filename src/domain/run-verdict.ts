/** What the comparison of two runs says, in words that claim no more than its figures carry. */

import { counted, shownMs } from './advice.js'
import { CLOCK_STEP_MS } from './clock-step.js'
import { leastRankSumP } from './rank-test.js'
import { isFinalRunStatus } from './run.js'
import { type ComparedTasks, MAX_COMPARED_TASKS, type RunSetting, type TimesComparison } from './run-comparison.js'
import { ALPHA, listed, shownP, shownRatio } from './wording.js'

/** Both runs, by what a sentence calls them. */
interface Pair {
  baseline: ComparedTasks
  candidate: ComparedTasks
  isSameRun: boolean
}

export function runVerdict(pair: Pair, figures: TimesComparison): string {
  return [...outcomeOf(pair, figures), ...caveatsOf(pair)].join(' ')
}

function outcomeOf(pair: Pair, figures: TimesComparison): string[] {
  if (pair.isSameRun) return ['Both are the same run: there is nothing to tell apart.']
  if (isTooFew(pair, figures)) return tooFew(pair, figures)
  const { pValue, ratio, ratioLow, ratioHigh, candidateLonger } = figures
  const isRatioSure = ratioLow > 1 || ratioHigh < 1
  if (pValue > ALPHA) return notToldApart(pair, figures, isRatioSure)
  if (isRatioSure && ratio > 1 === candidateLonger > 0.5) return toldApart(pair, figures)
  return toldApartByRanks(pair, figures, isRatioSure)
}

/** With so many tasks in all, of both runs together, a difference can be told from chance, however they are shared out. */
const ENOUGH_TASKS = 40

/** Whether they are, whatever times they took; equal times may make a difference tell with fewer tasks. */
function isTooFew({ baseline, candidate }: Pair, { leastPValue }: TimesComparison): boolean {
  const [n, m] = [baseline.timesMs.length, candidate.timesMs.length]
  return leastPValue > ALPHA && n + m < ENOUGH_TASKS && leastRankSumP(n, m) > ALPHA
}

function tooFew(pair: Pair, figures: TimesComparison): string[] {
  const least = `however these times were shared out, ${shownP(figures.leastPValue)} would be the least`
  return [
    `${tasksOf(pair)} are too few to tell a difference from chance: ${least}.`,
    `The candidate's median service time is ${ratioOf(figures)}.`,
  ]
}

function toldApart(pair: Pair, figures: TimesComparison): string[] {
  const isSlower = figures.ratio > 1
  return [
    `The candidate's tasks took ${isSlower ? 'longer' : 'less time'}: their median service time is ${ratioOf(figures)}.`,
    `With ${tasksOf(pair)} that is more than chance (${shownP(figures.pValue)}).`,
    ONE_OCCASION,
  ]
}

/** The ranks differ, the medians do not, or the other way round: the times are spread differently. */
function toldApartByRanks(pair: Pair, figures: TimesComparison, isRatioSure: boolean): string[] {
  const longer = `${Number((figures.candidateLonger * 100).toPrecision(3))} %`
  const medians = isRatioSure ? 'and neither run is simply the faster one' : 'but their medians cannot be told apart'
  return [
    `The service times differ by more than chance with ${tasksOf(pair)} (${shownP(figures.pValue)}), ${medians}:`,
    `the candidate's is ${ratioOf(figures)}, and in ${longer} of all pairs its task took longer.`,
    ONE_OCCASION,
  ]
}

function notToldApart(pair: Pair, figures: TimesComparison, isRatioSure: boolean): string[] {
  return [
    `The service times of the two cannot be told apart with ${tasksOf(pair)} (${shownP(figures.pValue)}):`,
    `the candidate's median is ${ratioOf(figures)}.`,
    ...(isRatioSure
      ? ['That the interval leaves out 1 is not enough to tell: the ranks of all times do not bear it out.']
      : []),
    'That does not show that they are equal.',
  ]
}

/** The test takes tasks for independent of each other; those of one run share its machine, its origin and its moment. */
const ONE_OCCASION =
  'It holds for these two runs: the tasks of a run share its moment, and what the next runs would take only more runs can tell.'

function ratioOf({ baselineMedianMs, candidateMedianMs, ratio, ratioLow, ratioHigh }: TimesComparison): string {
  const medians = `${shownTime(candidateMedianMs)} where the baseline's is ${shownTime(baselineMedianMs)}`
  const interval = `95 % interval ${shownRatio(ratioLow)} to ${shownRatio(ratioHigh)}`
  return `${medians}, ${shownRatio(ratio)} times as long (${interval})`
}

/** What is shorter than clocks can measure is the same whatever it is: its figure would tell of a difference. */
function shownTime(ms: number): string {
  return ms < CLOCK_STEP_MS ? `less than ${shownMs(CLOCK_STEP_MS)}` : shownMs(ms)
}

/** `200 tasks each`, or `200 and 150 tasks`. */
function tasksOf({ baseline, candidate }: Pair): string {
  const [n, m] = [baseline.timesMs.length, candidate.timesMs.length]
  return n === m ? `${counted(n, 'task')} each` : `${n} and ${m} tasks`
}

function caveatsOf(pair: Pair): string[] {
  const { baseline, candidate, isSameRun } = pair
  const sides = isSameRun
    ? [named('the run', baseline)]
    : [named('the baseline', baseline), named('the candidate', candidate)]
  const sampled = listed(sides.filter(({ isWhole }) => !isWhole).map(({ name }) => name))
  const goingOn = sides
    .filter(({ status }) => !isFinalRunStatus(status))
    .map(({ name, status }) => `${name} is ${status}`)
  const cancelled = listed(sides.filter(({ status }) => status === 'CANCELLED').map(({ name }) => name))
  const failing = sides.filter(({ failed }) => failed > 0).map(({ name, failed }) => `${failed} of ${name}`)
  const differences = differencesOf(baseline.setting, candidate.setting)
  const most = MAX_COMPARED_TASKS.toLocaleString('en')
  return [
    sampled && `Of ${sampled} an even sample of at most ${most} tasks was compared.`,
    goingOn.length > 0 && `This is so far: ${listed(goingOn)}.`,
    cancelled && `Cancelled before its end: ${cancelled}.`,
    failing.length > 0 &&
      `Failed tasks are among them, ${listed(failing)}: to fail may take less or more time than to succeed.`,
    differences.length > 0 && `The runs differ in ${listed(differences)}.`,
  ].filter((sentence): sentence is string => Boolean(sentence))
}

function named(name: string, run: ComparedTasks): ComparedTasks & { name: string } {
  return { ...run, name }
}

/** What the two were run with, where that is not the same. */
function differencesOf(baseline: RunSetting, candidate: RunSetting): string[] {
  const unlike = <Value>(a: readonly Value[], b: readonly Value[], what: (a: string, b: string) => string) =>
    a.join('\n') === b.join('\n') || a.length === 0 || b.length === 0 ? [] : [what(inFew(a), inFew(b))]
  return [
    ...unlike(baseline.work, candidate.work, (a, b) => `what they do (${a} and ${b})`),
    ...unlike(baseline.hosts, candidate.hosts, (a, b) => `their hosts (${a} and ${b})`),
    ...unlike(baseline.strategies, candidate.strategies, (a, b) => `strategy (${a} and ${b})`),
    ...unlike(
      baseline.concurrency,
      candidate.concurrency,
      (a, b) => `how many tasks are in flight at most (${a} and ${b})`,
    ),
  ]
}

/** The first names tell which ones are meant. */
function inFew(values: readonly unknown[]): string {
  const names = [...new Set(values.map(String))]
  return names.length > 3 ? `${names.slice(0, 2).join(', ')}, …` : names.join(', ')
}
