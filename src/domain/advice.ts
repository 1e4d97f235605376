/**
 * The decision guide, with measured figures: which strategy suits a batch, and why, a sentence a step. AUTO goes by it while
 * the first tasks run, a plan before any does.
 */

import { makespanMs } from './forecast.js'
import { type EffectiveStrategy, type Execution, probeExecution } from './strategy.js'

/** A way to run a batch, and the reasons for it. */
export interface StrategyAdvice<Probe = ProbeFigures> {
  strategy: EffectiveStrategy
  concurrency: number
  lanes: number
  /** The way through the decision guide, a step a line. */
  reasons: string[]
  /** What it was chosen by, as far as it was known then. */
  probe: Probe | null
  /** From the first task's start to the last one's end; null where nothing tells, as long as no task has ended. */
  expectedWallMs: number | null
  /** The same if every task took as long as the slowest one seen (see ProbeFigures.highMs); null where nothing tells, likewise. */
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
  /** Of that, how long each of them waited for a core, where that is known. */
  coreWaitMs?: number
  /** The longest one. */
  slowestMs: number
  /** From one start to the next on the same lane, where that is known: of short tasks more than the service time. */
  pitchMs?: number
  /** Of many tasks the longest tells of accidents alone: what nearly all of them took. */
  highMs?: number
  /**
   * CPU time over service time, without the wait for a core; of one that waits, how much of it kept its event loop busy. Null where it
   * was not measured.
   */
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
  /** Lanes beyond them compute no faster. */
  cores?: number
}

/** Whose tasks have told: the first ones of a run, which are done, or some that were tried for a plan, all of which are still to be run. */
export type Occasion = 'RUN' | 'PLAN'

/** Tasks that use less of their time than this on the CPU are taken to wait. */
const MAX_WAITING_SHARE = 0.5
/** Of tasks shorter than so many times their recording the server's own share of the machine is what counts. */
const MIN_OVERHEADS = 2
/** Of runs of more than these: until then lanes are ahead of what is recorded. */
const MIN_RECORDED = 32_768
/** What is expected at worst is so many times what follows from the slowest tasks: a machine has other things to do as well. */
export const PLAN_ALLOWANCE = 1.25
/** Until an idle lane has a task at least: its thread has to wake up, and what comes to it is in a message. */
export const HAND_OVER_MS = 0.5
/** What a lane is handed becomes more each time: after so many the next is there when it has ended the last. */
const FIRST_HAND_OVERS = 4
/** Of tasks that are so many times as long it makes no difference. */
const LONG_BESIDE_HAND_OVER = 10
/** A task that takes so many times what a message takes is long beside it. */
const MANY_MESSAGES = 5
/** A wait for a core is told of where it is more than this share of a task: a little of it there always is. */
const MIN_TOLD_CORE_WAIT = 0.1
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
  return adviceOf(probeExecution(), [reason])
}

/** What suits the rest of a compute run, of which the first tasks are known, or all of one, of which some were tried. */
export function adviseCompute(
  options: ComputeOptions,
  probe: ProbeFigures,
  occasion: Occasion = 'RUN',
): StrategyAdvice {
  const { threads, items, cores = Number.POSITIVE_INFINITY } = options
  const { left, serviceMs, laneMs, overheadMs } = probe
  const reasons = [taskReason(probe, occasion), ...kindReasons(probe)]
  const advise = (execution: Execution, reason: string) =>
    adviceOf(execution, [...reasons, reason], { probe, occasion, cores })
  if (isWaiting(probe)) {
    return advise(options.async, 'They wait more than they compute: one event loop waits for many at once.')
  }
  if (left === 0) return advise(probeExecution(), 'Nothing was left to share out by then.')
  if (threads.lanes === 1) {
    return advise(probeExecution(), 'The tasks compute, and no more than one lane may be used.')
  }
  const restMs = serviceMs * left
  const parallel = Math.min(threads.lanes, cores)
  const savedMs = restMs - restMs / parallel
  reasons.push(restReason(probe, restMs, occasion))
  if (savedMs <= laneMs) {
    return advise(
      probeExecution(),
      `Until another lane has a task it takes ${shownMs(laneMs)}: more than it would save.`,
    )
  }
  if (items > MIN_RECORDED && serviceMs < MIN_OVERHEADS * overheadMs) {
    return advise(
      probeExecution(),
      `To record a task takes ${shownMs(overheadMs)}: beside that more lanes would gain little.`,
    )
  }
  const lanes = Number.isFinite(cores)
    ? `${threads.lanes} lanes on ${counted(cores, 'core')}`
    : `${threads.lanes} lanes`
  return advise(threads, `Another lane takes ${shownMs(laneMs)}, and ${lanes} would save ${shownMs(savedMs)}.`)
}

function isWaiting({ yields, cpuShare, serviceMs }: ProbeFigures): boolean {
  return yields && cpuShare !== null && cpuShare < MAX_WAITING_SHARE && serviceMs >= MIN_WAIT_MS
}

/** Whether it computes, and how long a task is beside what it takes to hand one out. */
function kindReasons(probe: ProbeFigures): string[] {
  const { tasks, cpuShare, serviceMs, roundTripMs } = probe
  if (tasks === 0 || cpuShare === null || isWaiting(probe)) return []
  const kind =
    cpuShare >= MAX_WAITING_SHARE
      ? 'They compute: that goes in parallel on several lanes, not on one event loop.'
      : 'They are off the CPU most of the time, and keep their event loop from others meanwhile: only lanes help.'
  const size =
    serviceMs >= MANY_MESSAGES * roundTripMs
      ? `A message there and back takes ${shownMs(roundTripMs)}, little beside a task.`
      : `A message there and back takes ${shownMs(roundTripMs)}: tasks that short are handed out many at a time.`
  // Of what is short the CPU time is the lane's, which says less.
  return serviceMs >= MIN_WAIT_MS ? [kind, size] : [size]
}

/** A run that ended before its tasks had told anything: it was cut short, its lanes died, or the server was leaving. */
export function adviseTooLate(probe: ProbeFigures): StrategyAdvice {
  const reasons = [
    ...(probe.tasks > 0 ? [taskReason(probe, 'RUN')] : []),
    'The run ended before there was more to go by.',
  ]
  return { ...adviceOf(probeExecution(), reasons), probe }
}

function taskReason({ tasks, serviceMs, cpuShare, coreWaitMs = 0 }: ProbeFigures, occasion: Occasion): string {
  const isPlan = occasion === 'PLAN'
  if (tasks === 0)
    return `The first task ${isPlan ? 'that was tried ' : ''}has taken ${shownMs(serviceMs)} and goes on.`
  const isHeldUp = coreWaitMs > MIN_TOLD_CORE_WAIT * serviceMs
  const wait = isHeldUp ? `, ${shownMs(coreWaitMs)} of it waiting for a core` : ''
  const what = isHeldUp ? 'of the rest' : 'of it'
  const share = cpuShare === null ? '' : `, ${Math.round(Math.min(1, cpuShare) * 100)} % ${what} on the CPU`
  const each = tasks > 1 ? ' each' : ''
  if (isPlan) return `${counted(tasks, 'task')} tried: ${shownMs(serviceMs)}${each}${wait}${share}.`
  if (tasks === 1) return `The first task took ${shownMs(serviceMs)}${wait}${share}.`
  return `The first ${tasks} tasks took ${shownMs(serviceMs)} each at last${wait}${share}.`
}

/** What goes on is one of those that are left, and its time so far is the least that it takes. */
function restReason({ tasks, left }: ProbeFigures, restMs: number, occasion: Occasion): string {
  if (tasks === 0) return `${counted(left, 'such task')} would take ${shownMs(restMs)} or more on one lane.`
  return `${counted(left, 'task')}${occasion === 'PLAN' ? '' : ' more'} would take ${shownMs(restMs)} on one lane.`
}

interface Ground {
  probe: ProbeFigures
  occasion: Occasion
  cores: number
}

/** Without a ground nothing is known of how long it takes. */
function adviceOf(execution: Execution, reasons: string[], ground: Ground | null = null): StrategyAdvice {
  const { strategy, concurrency, lanes } = execution
  const probe = ground?.probe ?? null
  const known = probe !== null && probe.tasks > 0 ? ground : null
  return {
    strategy,
    concurrency,
    lanes,
    reasons,
    probe,
    expectedWallMs: known && wallMs(execution, known, known.probe.serviceMs),
    expectedWallHighMs: known && highWallMs(execution, known),
  }
}

/** If the tasks took as long as the slowest ones; a plan adds what else the machine may have to do. */
function highWallMs(execution: Execution, ground: Ground): number {
  const { highMs, slowestMs } = ground.probe
  return wallMs(execution, ground, highMs ?? slowestMs) * (ground.occasion === 'PLAN' ? PLAN_ALLOWANCE : 1)
}

/** From the first start to the last end, where a task takes so long. */
function wallMs(
  { strategy, concurrency, lanes }: Execution,
  { probe, occasion, cores }: Ground,
  taskMs: number,
): number {
  const { left, serviceMs, pitchMs = serviceMs, overheadMs, laneMs, cpuShare } = probe
  const recordedMs = overheadMs * left
  if (strategy === 'ASYNC') {
    // What is computed goes one after the other on one event loop, whatever waits beside it.
    const busyMs = (cpuShare ?? 0) * taskMs * left
    return beforeMs(probe, occasion) + Math.max(taskMs * Math.ceil(left / concurrency), busyMs, recordedMs)
  }
  const parallel = Math.min(lanes, cores)
  // With a lane on each core there is none left to record on.
  const beside = lanes >= cores ? overheadMs : 0
  const sharedMs = makespanMs({ tasks: left, taskMs: taskMs + pitchMs - serviceMs + beside, lanes: parallel, laneMs })
  return beforeMs(probe, occasion, parallel) + Math.max(sharedMs, recordedMs)
}

/** Of a run what has passed; one that is planned begins with a few tasks at a time, until it is known how long they take. */
function beforeMs({ elapsedMs, left, serviceMs, roundTripMs }: ProbeFigures, occasion: Occasion, lanes = 1): number {
  if (occasion === 'RUN') return elapsedMs
  const handOverMs = Math.max(HAND_OVER_MS, roundTripMs)
  if (serviceMs >= LONG_BESIDE_HAND_OVER * handOverMs) return 0
  return Math.min(FIRST_HAND_OVERS, Math.ceil(left / lanes) - 1) * handOverMs
}

/** `3 tasks`, `1 task`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** The digits that matter, and the unit that suits them. */
export function shownMs(ms: number, digits = 3): string {
  if (ms >= 1_000) return `${Number((ms / 1_000).toPrecision(digits))} s`
  if (ms >= 1) return `${Number(ms.toPrecision(digits))} ms`
  return `${Number((ms * 1_000).toPrecision(digits))} µs`
}
