/** What each strategy costs on this machine: the textbook's table of threads and processes, with figures for adjectives. */

import { shownMs } from './advice.js'
import { type EffectiveStrategy, hasManyLanes, type LaneKind, laneKindOf, Strategy } from './strategy.js'

/** What a lane costs, by a few fresh ones. */
export interface LaneMeasure {
  /** From its start until it can take tasks. */
  startMs: number
  /** A message there and its answer back. */
  roundTripUs: number
  /** What one lane more takes of the machine, as long as it has had no task. */
  memoryMb: number
}

export type LaneMeasures = Record<LaneKind, LaneMeasure>

export interface StrategyCost {
  strategy: EffectiveStrategy
  laneStartMs: number
  roundTripUs: number
  memoryPerLaneMb: number
  /** Whether its lanes have memory in common with the server, and with each other. */
  sharesMemory: boolean
  /** Whether its lanes compute at the same time. */
  parallel: boolean
  bestFor: string
}

/** As the textbook has them: from a loop to a pool of processes. */
const ORDER = [Strategy.SEQUENTIAL, Strategy.ASYNC, Strategy.THREADS, Strategy.PROCESSES] as const

/** To show what as many lanes would take as one event loop has requests in flight. */
const MANY = 100
/** Measured again, a lane's costs differ in the third. */
const DIGITS = 2

/** `cores`: those that the server may use. With one, lanes take turns, whatever the strategy. */
export function strategyCosts(measures: LaneMeasures, cores: number): StrategyCost[] {
  return ORDER.map((strategy) => {
    const kind = laneKindOf(strategy)
    const { startMs, roundTripUs, memoryMb } = measures[kind]
    return {
      strategy,
      laneStartMs: startMs,
      roundTripUs,
      memoryPerLaneMb: memoryMb,
      sharesMemory: kind === 'THREAD',
      parallel: hasManyLanes(strategy) && cores > 1,
      bestFor: BEST_FOR[strategy](measures, cores),
    }
  })
}

const BEST_FOR: Record<EffectiveStrategy, (measures: LaneMeasures, cores: number) => string> = {
  SEQUENTIAL: ({ THREAD }) =>
    `the baseline, and what is over in less than the ${shownMs(THREAD.startMs, DIGITS)} that one lane more takes to start`,
  ASYNC: ({ THREAD }) =>
    `waiting: one lane of ${shownMb(THREAD.memoryMb)} has hundreds of requests in flight, and a lane for each of ${MANY} would take ${shownMb(MANY * THREAD.memoryMb)}`,
  THREADS: ({ THREAD }, cores) => `${computing(cores)}: ${costOf(THREAD)}`,
  PROCESSES: ({ THREAD, PROCESS }, cores) =>
    `${computing(cores)}, in memory of its own, where a crash ends a lane and not the server: ${costOf(PROCESS)} (a thread: ${shownMs(THREAD.startMs, DIGITS)}, ${shownMb(THREAD.memoryMb)}, ${shownMs(THREAD.roundTripUs / 1_000, DIGITS)})`,
}

function computing(cores: number): string {
  if (cores > 1) return `computing on ${cores} cores`
  return 'computing beside other work, as on 1 core lanes take turns and nothing is done sooner'
}

function costOf({ startMs, memoryMb, roundTripUs }: LaneMeasure): string {
  return `a lane takes ${shownMs(startMs, DIGITS)} to start and ${shownMb(memoryMb)}, a message there and back ${shownMs(roundTripUs / 1_000, DIGITS)}`
}

function shownMb(mb: number): string {
  return mb < 1_000 ? `${rounded(mb)} MB` : `${rounded(mb / 1_000)} GB`
}

function rounded(value: number): number {
  return Number(value.toPrecision(DIGITS))
}
