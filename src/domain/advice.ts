/**
 * The decision guide, with measured figures: which strategy suits a batch, and why, a sentence a step. AUTO goes by it while
 * the first tasks run.
 */

import { type EffectiveStrategy, type Execution, probeExecution } from './strategy.js'

/** A way to run a batch, and the reasons for it. */
export interface StrategyAdvice {
  strategy: EffectiveStrategy
  concurrency: number
  lanes: number
  /** The way through the decision guide, a step a line. */
  reasons: string[]
  /** What it was chosen by, as far as it was known then. */
  probe: ProbeFigures | null
  /** From the first task's start to the last one's end; null where nothing tells, as long as no task has ended. */
  expectedWallMs: number | null
  /** The same if every task took as long as the slowest one seen; null where nothing tells, likewise. */
  expectedWallHighMs: number | null
}

/** What was measured before the choice; times in milliseconds. */
export interface ProbeFigures {
  /** Tasks that had ended. */
  tasks: number
  /** Tasks that had not. */
  left: number
  /** Since the first one started. */
  elapsedMs: number
  /** The mean service time of those that ended last; of one that has not ended yet, what it has taken so far. */
  serviceMs: number
  /** The longest one. */
  slowestMs: number
  /** CPU time over service time; of one that waits, how much of it kept its event loop busy. Null where it was not measured. */
  cpuShare: number | null
  /** Whether a task has left the event loop to others before it ended: what never does cannot share one. */
  yields: boolean
  /** Until one more lane has its first task: a message where one is idle, else a start as well. */
  laneMs: number
  /** From handing a task out to having its result, its service time apart. */
  roundTripMs: number
  /** What the server spends on each task besides running it, where many are handed out at a time. */
  overheadMs: number
}

/** What a compute may be run with; they are the same number of lanes where there is nothing to choose. */
export interface ComputeOptions {
  items: number
  /** As asked for, or as many as the machine gives. */
  threads: Execution
  /** One lane, several in flight. */
  async: Execution
}

/** Tasks that use less of their time than this on the CPU are taken to wait. */
const MAX_WAITING_SHARE = 0.5
/** Of tasks shorter than so many times their recording the server's own share of the machine is what counts. */
const MIN_OVERHEADS = 2
/** Of runs of more than these: until then lanes are ahead of what is recorded. */
const MIN_RECORDED = 32_768
/** Shorter waits are over before anything could be gained by them. */
const MIN_WAIT_MS = 1

/** Fetches wait: one event loop has as many in flight as the batch may have. */
export function adviseFetch({ strategy, concurrency, lanes }: Execution): StrategyAdvice {
  const reasons = [
    'Requests spend their time waiting for others, not computing.',
    `One event loop waits for many at once: ${counted(concurrency, 'request')} in flight on one lane.`,
  ]
  return { strategy, concurrency, lanes, reasons, probe: null, expectedWallMs: null, expectedWallHighMs: null }
}

/** Where there is nothing to choose: null where there is. */
export function adviseWithoutProbe({ items, threads, async }: ComputeOptions): StrategyAdvice | null {
  if (threads.lanes > 1 || async.concurrency > 1) return null
  const reason = items > 1 ? 'No more than one may be in flight.' : 'There is one task: it cannot be shared out.'
  return adviceOf(probeExecution(), [reason], null)
}

/** What suits the rest of a compute run, of which the first tasks are known. */
export function adviseCompute(options: ComputeOptions, probe: ProbeFigures): StrategyAdvice {
  const { threads, items } = options
  const { left, serviceMs, cpuShare, yields, laneMs, overheadMs } = probe
  const reasons = [taskReason(probe)]
  if (yields && cpuShare !== null && cpuShare < MAX_WAITING_SHARE && serviceMs >= MIN_WAIT_MS) {
    reasons.push('The tasks wait more than they compute: one event loop waits for many at once.')
    return adviceOf(options.async, reasons, probe)
  }
  const restMs = serviceMs * left
  const savedMs = restMs - restMs / threads.lanes
  if (left === 0) {
    reasons.push('Nothing was left to share out by then.')
    return adviceOf(probeExecution(), reasons, probe)
  }
  if (threads.lanes === 1) {
    reasons.push('The tasks compute, and no more than one lane may be used.')
    return adviceOf(probeExecution(), reasons, probe)
  }
  reasons.push(restReason(probe, restMs))
  if (savedMs <= laneMs) {
    reasons.push(`Until another lane has a task it takes ${shownMs(laneMs)}: more than it would save.`)
    return adviceOf(probeExecution(), reasons, probe)
  }
  if (items > MIN_RECORDED && serviceMs < MIN_OVERHEADS * overheadMs) {
    reasons.push(`To record a task takes ${shownMs(overheadMs)}: beside that more lanes would gain little.`)
    return adviceOf(probeExecution(), reasons, probe)
  }
  reasons.push(`Another lane takes ${shownMs(laneMs)}, and ${threads.lanes} lanes would save ${shownMs(savedMs)}.`)
  return adviceOf(threads, reasons, probe)
}

/** A run that ended before its tasks had told anything: it was cut short, its lanes died, or the server was leaving. */
export function adviseTooLate(probe: ProbeFigures): StrategyAdvice {
  const reasons = [...(probe.tasks > 0 ? [taskReason(probe)] : []), 'The run ended before there was more to go by.']
  return { ...adviceOf(probeExecution(), reasons, null), probe }
}

function taskReason({ tasks, serviceMs, cpuShare }: ProbeFigures): string {
  if (tasks === 0) return `The first task has taken ${shownMs(serviceMs)} and goes on.`
  const share = cpuShare === null ? '' : `, ${Math.round(Math.min(1, cpuShare) * 100)} % of it on the CPU`
  if (tasks === 1) return `The first task took ${shownMs(serviceMs)}${share}.`
  return `The first ${tasks} tasks took ${shownMs(serviceMs)} each at last${share}.`
}

/** What goes on is one of those that are left, and its time so far is the least that it takes. */
function restReason({ tasks, left }: ProbeFigures, restMs: number): string {
  if (tasks === 0) return `${counted(left, 'such task')} would take ${shownMs(restMs)} or more on one lane.`
  return `${counted(left, 'task')} more would take ${shownMs(restMs)} on one lane.`
}

function adviceOf(execution: Execution, reasons: string[], probe: ProbeFigures | null): StrategyAdvice {
  const { strategy, concurrency, lanes } = execution
  const atOnce = strategy === 'ASYNC' ? concurrency : lanes
  const known = probe && probe.tasks > 0 ? probe : null
  const wallMs = (taskMs: number, { elapsedMs, left, overheadMs }: ProbeFigures) =>
    elapsedMs + Math.max(taskMs * Math.ceil(left / atOnce), overheadMs * left)
  return {
    strategy,
    concurrency,
    lanes,
    reasons,
    probe,
    expectedWallMs: known && wallMs(known.serviceMs, known),
    expectedWallHighMs: known && wallMs(known.slowestMs, known),
  }
}

/** `3 tasks`, `1 task`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** Three digits that matter, and the unit that suits them. */
export function shownMs(ms: number): string {
  if (ms >= 1_000) return `${Number((ms / 1_000).toPrecision(3))} s`
  if (ms >= 1) return `${Number(ms.toPrecision(3))} ms`
  return `${Number((ms * 1_000).toPrecision(3))} µs`
}
