/** A few slow tasks at the end, while everybody else had nothing left to do. */

import { shownMs } from '../advice.js'
import type { DiagnosticRule, LastTask, StageFigures } from '../diagnostic.js'
import { distributionFromValues } from '../timing.js'
import { computeShare } from './demand.js'
import { percent, rough } from './wording.js'

const thresholds = {
  /**
   * Of the wall time, at the end, that none but slow tasks was in service. Equal tasks that do not divide evenly keep a run waiting,
   * too: 15 on two lanes for an eighth of it.
   */
  minTailShare: 0.2,
  /** Shorter ones come and go with what else the machine does. */
  minTailMs: 100,
  /** A slow task took so many times the median. */
  minTimesMedian: 3,
  /** See computeShare: from here on it is CPU time that counts as long. What only had no core is no longer than the others. */
  minComputeShare: 0.5,
  /** Of fewer tasks nobody can say what is usual. */
  minTasks: 5,
  /** Slow tasks at the end, of what may be in flight. With more the run was as concurrent as it could be. */
  maxShareOfConcurrency: 0.5,
  /** And of all tasks: more are what is usual. One there may always be. */
  maxShareOfTasks: 0.1,
}

/**
 * Whether the last tasks are worth reading. Of a stage that ended before another one they are not: there was something else to do,
 * and few of its tasks are among the run's last.
 */
export function wantsLastTasks({ isOver, wasPaused, endsRun, concurrency, service, wallMs }: StageFigures): boolean {
  if (!isOver || wasPaused || !endsRun || concurrency < 2 || service.count < thresholds.minTasks) return false
  return wallMs >= thresholds.minTailMs && service.max >= thresholds.minTimesMedian * service.min
}

/** Items that the evidence names. */
const MAX_NAMED = 20
/** Starts are kept as epoch times, whose doubles are exact to a quarter of this. */
const ROUNDING_MS = 0.001

export const STRAGGLERS: DiagnosticRule = {
  code: 'STRAGGLERS',
  severity: 'WARNING',
  thresholds,
  asked: 'AT_THE_END',
  find(figures) {
    const tail = wantsLastTasks(figures) ? tailOf(figures) : null
    if (tail === null) return null
    const { stage, wallMs, service, concurrency } = figures
    const { slow, slowestMs, medianMs, tailMs } = tail
    const tailShare = tailMs / wallMs
    const items = slow.map(({ index }) => index).slice(0, MAX_NAMED)
    const who = slow.length === 1 ? `The last task (item ${items[0]}) took` : `The last ${slow.length} tasks took up to`
    return {
      message: `${who} ${shownMs(slowestMs)}, ${rough(slowestMs / medianMs)} times the median of ${shownMs(medianMs)}: for ${shownMs(tailMs)}, ${percent(tailShare)} of ${stage === null ? 'the run' : 'its time'}, there was nothing else left to do. ${helpOf(figures, tail)}`,
      evidence: {
        stragglers: slow.length,
        items,
        slowestMs,
        medianMs,
        tailMs,
        tailShare,
        wallMs,
        tasks: service.count,
        concurrency,
      },
    }
  },
}

function helpOf({ kind }: StageFigures, { areFirst }: Tail): string {
  if (kind === 'FETCH') {
    return `A shorter timeoutMs, with a retry${areFirst ? ',' : ', or slow origins first in the source'} would help.`
  }
  return areFirst
    ? 'Large items cut into smaller ones would help.'
    : 'Large items first in the source, or cut into smaller ones, would help.'
}

interface Tail {
  /** Latest end first. */
  slow: LastTask[]
  /** What tasks took for themselves: see ownTimeOf. */
  slowestMs: number
  medianMs: number
  /** From the end of the last task that was not slow to that of the last one. */
  tailMs: number
  /** The slow ones began with the run: nothing is gained by having them first. */
  areFirst: boolean
}

/** Null where the run did not end with a few slow tasks, or not for long. */
function tailOf(figures: StageFigures): Tail | null {
  const { lastTasks, lastEndMs, concurrency, service, wallMs } = figures
  if (lastTasks === null || lastTasks.length < thresholds.minTasks || lastEndMs === null) return null
  const tasks = [...lastTasks].sort((a, b) => b.endedMs - a.endedMs)
  const ownMs = ownTimeOf(figures)
  const medianMs = medianOf(tasks.map(ownMs))
  const usual = tasks.findIndex((task) => ownMs(task) < thresholds.minTimesMedian * medianMs)
  const { maxShareOfConcurrency, maxShareOfTasks } = thresholds
  const most = Math.max(1, Math.min(maxShareOfConcurrency * concurrency, maxShareOfTasks * service.count))
  if (usual < 1 || usual > most) return null
  const slow = tasks.slice(0, usual)
  const tailMs = Math.min(wallMs, lastEndMs - tasks[usual]!.endedMs)
  if (tailMs < Math.max(thresholds.minTailMs, thresholds.minTailShare * wallMs)) return null
  if (!wereAtOnce(tasks)) return null
  return {
    slow,
    slowestMs: Math.max(...slow.map(ownMs)),
    medianMs,
    tailMs,
    areFirst: slow.every(isFirstOf(figures, tasks)),
  }
}

/**
 * What a task took for itself. Where tasks compute that is CPU time, or what is left of its service time if all the waiting for a
 * core that there was had been its own.
 */
function ownTimeOf(figures: StageFigures): (task: LastTask) => number {
  const { kind, load } = figures
  if (kind === 'FETCH' || computeShare(figures) < thresholds.minComputeShare) return ({ serviceMs }) => serviceMs
  const coreWaitMs = load?.coreWaitMs ?? 0
  return ({ serviceMs, cpuMs }) => (cpuMs === null ? serviceMs : Math.max(cpuMs, serviceMs - coreWaitMs))
}

/**
 * Whether two of them were ever in service at once: where one comes after the other, nobody else waits for the last. How many there
 * were on average would not tell: short tasks leave their lanes idle between one and the next, and the more so on a busy machine.
 */
function wereAtOnce(tasks: readonly LastTask[]): boolean {
  let busyUntilMs = Number.NEGATIVE_INFINITY
  for (const task of [...tasks].sort((a, b) => startedMs(a) - startedMs(b))) {
    if (startedMs(task) + ROUNDING_MS < busyUntilMs) return true
    busyUntilMs = task.endedMs
  }
  return false
}

/**
 * Which tasks were among as many as may be in flight, in the source or by their starts. By starts alone those that were tried again
 * would be late, as only the last attempt is known here.
 */
function isFirstOf({ concurrency, service }: StageFigures, tasks: readonly LastTask[]): (task: LastTask) => boolean {
  const starts = Float64Array.from(tasks, startedMs).sort()
  // Those that were not read ended before these, and most of them started before, too.
  const unread = service.count - tasks.length
  const places = Math.min(concurrency, service.count) - unread
  const latestMs = starts[places - 1] ?? Number.NEGATIVE_INFINITY
  return (task) => task.index < concurrency || startedMs(task) <= latestMs
}

function startedMs({ endedMs, serviceMs }: LastTask): number {
  return endedMs - serviceMs
}

function medianOf(values: number[]): number {
  return distributionFromValues(Float64Array.from(values).sort()).percentile(0.5)
}
