/** What a comparison says, in words that claim no more than its figures carry. */

import { counted, shownMs } from './advice.js'
import type { AskedStrategy } from './batch.js'
import { measurable } from './clock-step.js'
import { type ComparedRun, comparisonRows, type MeasuredRun, measuredRuns } from './comparison.js'
import { leastRankSumP, rankSumP } from './rank-test.js'
import { isFinalRunStatus } from './run.js'
import { ALPHA, listed, shownP, shownRatio } from './wording.js'

/** A strategy that has a row. */
interface Entrant {
  strategy: AskedStrategy
  medianMs: number
  speedup: number | null
  wallsMs: number[]
}

/** One of the others, beside the fastest. */
interface Rival extends Entrant {
  ratio: number
  p: number
}

/** Null until there is a row, or all runs have ended without one. */
export function comparisonVerdict(strategies: readonly AskedStrategy[], runs: readonly ComparedRun[]): string | null {
  const measured = measuredRuns(runs)
  const [fastest, ...others] = entrantsOf(strategies, runs, measured)
  if (!fastest) return nothingToCompare(runs)
  const sentences = [...outcomeOf(fastest, others), ...caveatsOf(strategies, runs, measured)]
  const ended = runs.filter(({ status }) => isFinalRunStatus(status)).length
  const soFar = ended < runs.length ? `So far, after ${ended} of ${runs.length} runs: ` : ''
  return `${soFar}${sentences.join(' ')}`
}

/** Why there is no row though all runs have ended; null while one may still come. */
function nothingToCompare(runs: readonly ComparedRun[]): string | null {
  if (runs.length === 0 || !runs.every(({ status }) => isFinalRunStatus(status))) return null
  const cancelled = runs.filter(({ status }) => status === 'CANCELLED')
  const stuck = runs.filter((run) => run.hasFailure && !cancelled.includes(run))
  const failedFast = runs.filter((run) => run.isCutShort && !cancelled.includes(run) && !stuck.includes(run))
  const untimed = runs.length - cancelled.length - stuck.length - failedFast.length
  const of = (count: number) => `${count} of ${counted(runs.length, 'run')}`
  const reasons = [
    failedFast.length > 0 && `failFast ended ${of(failedFast.length)}`,
    cancelled.length > 0 && `${of(cancelled.length)} ${cancelled.length === 1 ? 'was' : 'were'} cancelled`,
    stuck.length > 0 && `${of(stuck.length)} could not go on`,
    untimed > 0 && `no task of ${of(untimed)} was timed`,
  ].filter((reason) => reason !== false)
  return `Nothing to compare: ${listed(reasons)}.`
}

/** The fastest first. */
function entrantsOf(
  strategies: readonly AskedStrategy[],
  runs: readonly ComparedRun[],
  measured: readonly MeasuredRun[],
): Entrant[] {
  return comparisonRows(strategies, runs)
    .map(({ strategy, wallMs, speedup }) => ({
      strategy,
      medianMs: measurable(wallMs.percentile(0.5)),
      speedup,
      wallsMs: measured.filter((run) => run.strategy === strategy).map((run) => run.wallMs),
    }))
    .sort((a, b) => a.medianMs - b.medianMs)
}

function outcomeOf(fastest: Entrant, others: readonly Entrant[]): string[] {
  const rivals = others.map((other) => ({
    ...other,
    ratio: other.medianMs / fastest.medianMs,
    p: rankSumP(fastest.wallsMs, other.wallsMs),
  }))
  const [runnerUp] = rivals
  if (!runnerUp) return [`${fastest.strategy} took ${shownMs(fastest.medianMs)}: there is nothing to compare it with.`]
  // It is the fastest if it is faster than each of the others, the least certain of them included.
  const few = rivals.filter(({ wallsMs }) => leastRankSumP(fastest.wallsMs.length, wallsMs.length) > ALPHA)
  const equals = rivals.filter((rival) => rival.p > ALPHA && !few.includes(rival))
  if (equals.length > 0) return [...equallyFast(fastest, equals, rivals), ...tooFew(few)]
  const sentences = [`${fastest.strategy} ${few.length > 0 ? 'was' : 'is'} the fastest: ${timeOf([fastest])}.`]
  if (isToldAlready(fastest, others)) return [...sentences, chanceOf(fastest, runnerUp)]
  if (few.includes(runnerUp)) return [...sentences, slowerThisTime(fastest, runnerUp)]
  return [...sentences, slowerFor(fastest, runnerUp), ...tooFew(few)]
}

/** The first sentence then says of the only other one how much slower it is. */
function isToldAlready(fastest: Entrant, others: readonly Entrant[]): boolean {
  return fastest.speedup !== null && others.length === 1 && others[0]?.strategy === 'SEQUENTIAL'
}

function slowerFor(fastest: Entrant, rival: Rival): string {
  return `${rival.strategy} takes ${shownRatio(rival.ratio)} times as long; ${sureOf(fastest, rival)}.`
}

function slowerThisTime(fastest: Entrant, rival: Rival): string {
  return `${rival.strategy} took ${shownRatio(rival.ratio)} times as long; ${unsureOf(fastest, rival)}.`
}

function chanceOf(fastest: Entrant, rival: Rival): string {
  const chance = rival.p > ALPHA ? unsureOf(fastest, rival) : sureOf(fastest, rival)
  return `${chance.charAt(0).toUpperCase()}${chance.slice(1)}.`
}

function sureOf(fastest: Entrant, rival: Rival): string {
  return `with ${runsOf([fastest, rival])} that is more than chance (${shownP(rival.p)})`
}

function unsureOf(fastest: Entrant, rival: Rival): string {
  const isOneEach = fastest.wallsMs.length === 1 && rival.wallsMs.length === 1
  if (isOneEach) return 'one run each tells nothing of chance'
  return `${runsOf([fastest, rival])} are too few to tell that from chance`
}

/** Of those that no difference could have been told of, whatever they took. */
function tooFew(rivals: readonly Rival[]): string[] {
  const names = rivals.map(({ strategy }) => strategy)
  return names.length === 0 ? [] : [`Of ${listed(names)} there are too few runs to tell.`]
}

function equallyFast(fastest: Entrant, equals: readonly Rival[], rivals: readonly Rival[]): string[] {
  const group = [fastest, ...equals]
  const names = listed(group.map(({ strategy }) => strategy))
  const against = equals.length > 1 ? ` against ${fastest.strategy}` : ''
  const p = `${listed(equals.map((equal) => shownP(equal.p)))}${against}`
  const sentences = [`${names} are as fast as each other, as far as ${runsOf(group)} tell (${p}): ${timeOf(group)}.`]
  const next = rivals.find((rival) => rival.p <= ALPHA)
  if (next) {
    const ratio = `${shownRatio(next.ratio)} times as long as ${fastest.strategy}`
    sentences.push(`${next.strategy} takes ${ratio}, which is more than chance (${shownP(next.p)}).`)
  }
  return sentences
}

/** The medians, and how many times as fast that is as SEQUENTIAL, where it is one of the others. */
function timeOf(group: readonly Entrant[]): string {
  const times = listed(group.map(({ medianMs }) => shownMs(medianMs)))
  const speedups = group.flatMap(({ speedup }) => (speedup === null ? [] : [shownRatio(speedup)]))
  const isBaseline = group.some(({ strategy }) => strategy === 'SEQUENTIAL')
  if (isBaseline || speedups.length === 0) return times
  return `${times}, ${listed(speedups)} times as fast as SEQUENTIAL`
}

function caveatsOf(
  strategies: readonly AskedStrategy[],
  runs: readonly ComparedRun[],
  measured: readonly MeasuredRun[],
): string[] {
  const tally = (some: readonly ComparedRun[]) => tallyOf(strategies, some)
  const failing = tally(measured.filter(({ failedTasks }) => failedTasks > 0))
  const halved = tally(measured.filter(({ wasInterrupted }) => wasInterrupted))
  const ended = runs.filter((run) => isFinalRunStatus(run.status) && !measured.includes(run as MeasuredRun))
  const unmeasured = tally(ended.filter(({ isCutShort, wallMs }) => isCutShort || wallMs === null))
  const spoilt = tally(ended.filter(({ isCutShort, wallMs }) => !isCutShort && wallMs !== null))
  return [
    failing && `Tasks failed in ${failing}: to fail may take less or more time than to succeed.`,
    halved && `A restart of the server is in the time of ${halved}.`,
    spoilt && `Left out, as a restart of the server cut it in two: ${spoilt}.`,
    unmeasured && `Left out, as it did not run to its end: ${unmeasured}.`,
  ].filter((sentence) => sentence !== '')
}

/** `1 run of THREADS and 2 runs of ASYNC`; empty for none. */
function tallyOf(strategies: readonly AskedStrategy[], runs: readonly ComparedRun[]): string {
  const counts = strategies.map((strategy) => ({
    strategy,
    count: runs.filter((run) => run.strategy === strategy).length,
  }))
  return listed(
    counts.filter(({ count }) => count > 0).map(({ strategy, count }) => `${counted(count, 'run')} of ${strategy}`),
  )
}

/** `5 runs each`, or `5 and 4 runs`. */
function runsOf(group: readonly Pick<Entrant, 'wallsMs'>[]): string {
  const counts = group.map(({ wallsMs }) => wallsMs.length)
  const isEven = counts.every((count) => count === counts[0])
  return isEven ? `${counted(counts[0]!, 'run')} each` : `${listed(counts.map(String))} runs`
}
