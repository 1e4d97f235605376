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
  if (isWithinDrift(pair, figures, isRatioSure)) return withinDrift(pair, figures)
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
    `The candidate's median service time is ${ratioOf(pair, figures)}.`,
  ]
}

/** Two runs of one batch differ by so much as a rule, as their minute is another. */
const USUAL_DRIFT = 1.05
/** What changes by more while a run runs changes with its items, and says little of the run. */
const MAX_DRIFT = 1.2

/** How far medians may lie apart without more reason than that the runs are two. */
function marginOf({ baseline, candidate }: Pair): number {
  return Math.min(MAX_DRIFT, Math.max(USUAL_DRIFT, baseline.drift, candidate.drift))
}

/** Where the medians are not sure to differ, what of the ranks differs must be little, too. */
function isWithinDrift(pair: Pair, { ratio, candidateLonger }: TimesComparison, isRatioSure: boolean): boolean {
  const isLittle = Math.max(ratio, 1 / ratio) <= marginOf(pair)
  return isLittle && (isRatioSure || Math.abs(candidateLonger - 0.5) <= 1 / 6)
}

function withinDrift(pair: Pair, figures: TimesComparison): string[] {
  const margin = marginOf(pair)
  const percent = `${Number(((margin - 1) * 100).toPrecision(2))} %`
  const reason =
    margin > USUAL_DRIFT
      ? `within ${percent}, and so much these runs differ from themselves while they run`
      : `within the ${percent} that two runs of one batch differ by as a rule`
  return [
    `The two runs cannot be told apart: the candidate's median service time is ${ratioOf(pair, figures)}.`,
    `With ${tasksOf(pair)} that is more than chance between tasks (${shownP(figures.pValue)}), but ${reason}.`,
    'That does not show that they are equal: more runs of each, in turns, can tell.',
  ]
}

function toldApart(pair: Pair, figures: TimesComparison): string[] {
  const isSlower = figures.ratio > 1
  return [
    `The candidate's tasks took ${isSlower ? 'longer' : 'less time'}: their median service time is ${ratioOf(pair, figures)}.`,
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
    `the candidate's is ${ratioOf(pair, figures)}, and in ${longer} of all pairs its task took longer.`,
    ONE_OCCASION,
  ]
}

function notToldApart(pair: Pair, figures: TimesComparison, isRatioSure: boolean): string[] {
  return [
    `The service times of the two cannot be told apart with ${tasksOf(pair)} (${shownP(figures.pValue)}):`,
    `the candidate's median is ${ratioOf(pair, figures)}.`,
    ...(isRatioSure
      ? ['That the interval leaves out 1 is not enough to tell: the ranks of all times do not bear it out.']
      : []),
    'That does not show that they are equal.',
  ]
}

/** The test takes tasks for independent of each other; those of one run share its machine, its origin and its moment. */
const ONE_OCCASION =
  'It holds for these two runs: the tasks of a run share its moment, and what the next runs would take only more runs can tell.'

/** Of fewer no interval is worth its name: all of them may lie on one side of the median, more than one time in twenty. */
const ENOUGH_FOR_INTERVAL = 6

function ratioOf(pair: Pair, figures: TimesComparison): string {
  const { baselineMedianMs, candidateMedianMs, ratio, ratioLow, ratioHigh } = figures
  const least = Math.min(pair.baseline.timesMs.length, pair.candidate.timesMs.length)
  const medians = `${shownTime(candidateMedianMs)} where the baseline's is ${shownTime(baselineMedianMs)}`
  const interval =
    least < ENOUGH_FOR_INTERVAL
      ? `${counted(least, 'task')} ${least === 1 ? 'is' : 'are'} too few for an interval`
      : `95 % interval ${shownRatio(ratioLow)} to ${shownRatio(ratioHigh)}`
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
