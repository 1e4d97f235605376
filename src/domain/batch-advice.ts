/** The decision guide for a whole batch that is planned: each of its stages, and the one that sets the pace. */

import {
  adviseCompute,
  adviseFetch,
  adviseWithoutProbe,
  type ComputeOptions,
  counted,
  PLAN_ALLOWANCE,
  type ProbeFigures,
  type StrategyAdvice,
  shownMs,
} from './advice.js'
import { type AskedStrategy, stageLabel } from './batch.js'
import type { TaskErrorCode } from './errors.js'
import { type FetchCost, type FetchForecast, type FetchLoad, fetchForecast } from './forecast.js'
import type { EffectiveStrategy, Execution } from './strategy.js'

/** A task that was tried and failed. */
export interface FailedTrial {
  index: number
  code: TaskErrorCode
  message: string
}

/** What became of the items that were tried, besides their times. */
export interface Trials {
  /** Indexes, in the order of trying. */
  items: number[]
  /** Of short tasks: neighbours that were tried too, their first index and how many. */
  blocks: [number, number][]
  failed: FailedTrial[]
  /** How long a task was in service that had not ended by then; null where none was. */
  unfinishedMs: number | null
}

interface CommonStage {
  name: string
  /** As the batch asks for. */
  asked: AskedStrategy
  trials: Trials
}

export interface PlannedFetch extends CommonStage {
  kind: 'FETCH'
  execution: Execution
  load: FetchLoad
  /** The one with the most requests; null where that is not known. */
  busiestHost: string | null
  /** Null where nothing was measured. */
  figures: (ProbeFigures & FetchCost) | null
}

export interface PlannedCompute extends CommonStage {
  kind: 'COMPUTE'
  options: ComputeOptions
  figures: ProbeFigures | null
}

export type PlannedStage = PlannedFetch | PlannedCompute

/** What a stage's tasks told, as clients see it. */
export type StageProbe = Partial<ProbeFigures & FetchCost> & {
  items?: number[]
  blocks?: [number, number][]
  failed?: { index: number; code: TaskErrorCode }[]
}

/** Of pipelines also of each stage. */
export type BatchProbe = StageProbe & {
  stages?: (StageProbe &
    Pick<StrategyAdvice, 'strategy' | 'concurrency' | 'lanes' | 'expectedWallMs'> & { name: string })[]
}

export interface PlannedBatch {
  stages: readonly PlannedStage[]
  items: number
  cores: number
  /** What was not tried, and why. */
  notes: readonly string[]
}

/** Failures that are told. */
const MAX_TOLD_FAILURES = 3

/** How a batch would best be run, and how long that would take. */
export function adviseBatch(batch: PlannedBatch): StrategyAdvice<BatchProbe> {
  const advices = batch.stages.map(adviseStage)
  const [only] = advices
  if (only !== undefined && advices.length === 1) return { ...only, reasons: [...only.reasons, ...batch.notes] }
  return advisePipeline(batch, advices)
}

function adviseStage(stage: PlannedStage): StrategyAdvice<BatchProbe> {
  const advice = stage.kind === 'FETCH' ? adviseFetchStage(stage) : adviseComputeStage(stage)
  return {
    ...advice,
    reasons: [...advice.reasons, ...trialReasons(stage.trials), ...askedReasons(stage.asked, advice.strategy)],
    probe: probeOf(stage),
  }
}

function adviseComputeStage({ options, figures }: PlannedCompute): StrategyAdvice {
  const { items, threads } = options
  const only = adviseWithoutProbe(options)
  if (figures === null) {
    if (only !== null) return only
    const reason = `What computes goes in parallel on several lanes: ${counted(items, 'task')} on ${counted(threads.lanes, 'thread')}, by their kind alone.`
    const { strategy, concurrency, lanes } = threads
    return {
      strategy,
      concurrency,
      lanes,
      reasons: [reason],
      probe: null,
      expectedWallMs: null,
      expectedWallHighMs: null,
    }
  }
  const advice = adviseCompute(options, figures, 'PLAN')
  if (only === null) return advice
  return { ...advice, ...executionOf(only), reasons: [...advice.reasons.slice(0, 1), ...only.reasons] }
}

function adviseFetchStage({ execution, load, busiestHost, figures }: PlannedFetch): StrategyAdvice {
  const byKind = adviseFetch(execution)
  if (figures === null) return byKind
  const { tasks, serviceMs, slowestMs, connectMs, cpuShare, overheadMs, left } = figures
  const share = cpuShare === null ? '' : `, ${Math.round(cpuShare * 100)} % of it on the CPU`
  const connect = connectMs > 0 ? `, and ${shownMs(connectMs)} for a new connection` : ''
  const forecast = fetchForecast(load, figures)
  const high = fetchForecast(load, { ...figures, serviceMs: slowestMs })
  return {
    ...byKind,
    reasons: [
      `${counted(tasks, 'request')} tried: ${shownMs(serviceMs)}${tasks > 1 ? ' each' : ''}${share}${connect}.`,
      ...byKind.reasons,
      paceReason(forecast, { load, busiestHost, figures }),
    ],
    probe: figures,
    expectedWallMs: Math.max(forecast.wallMs, overheadMs * left),
    expectedWallHighMs: Math.max(high.wallMs, overheadMs * left) * PLAN_ALLOWANCE,
  }
}

function paceReason(
  { pace, wallMs }: FetchForecast,
  { load, busiestHost, figures }: Pick<PlannedFetch, 'load' | 'busiestHost'> & { figures: FetchCost },
): string {
  const { requests, concurrency, mostToOneHost, perHostConcurrency, serverHostConcurrency, perHostRate } = load
  const toHost = `${counted(mostToOneHost, 'request')} to ${busiestHost ?? 'one host'}`
  switch (pace) {
    case 'CONCURRENCY':
      return `${counted(requests, 'request')}, ${Math.min(concurrency, requests)} at once, would take ${shownMs(wallMs)}.`
    case 'HOST_CONCURRENCY':
      return `perHostConcurrency sets the pace: ${toHost}, ${perHostConcurrency} at once, would take ${shownMs(wallMs)}.`
    case 'SERVER_HOST_CONCURRENCY':
      return `HEDDLE_HOST_CONCURRENCY sets the pace: ${toHost}, ${serverHostConcurrency} at once over all runs, would take ${shownMs(wallMs)}.`
    case 'HOST_RATE':
      return `perHostRate sets the pace: ${toHost}, ${perHostRate} a second, would take ${shownMs(wallMs)}.`
    case 'EVENT_LOOP':
      return `Each keeps the event loop busy for ${shownMs(figures.busyMs)}: ${counted(requests, 'request')} would take ${shownMs(wallMs)}.`
  }
}

function trialReasons({ failed, unfinishedMs }: Trials): string[] {
  const reasons = failed
    .slice(0, MAX_TOLD_FAILURES)
    .map(({ index, code, message }) => `Item ${index} failed, ${code}: ${message}.`)
  if (failed.length > MAX_TOLD_FAILURES)
    reasons.push(`${failed.length - MAX_TOLD_FAILURES} more of those tried failed.`)
  if (unfinishedMs !== null) reasons.push(`One had not ended after ${shownMs(unfinishedMs)}, and was not waited for.`)
  return reasons
}

function askedReasons(asked: AskedStrategy, advised: EffectiveStrategy): string[] {
  if (asked === 'AUTO' || asked === advised) return []
  return [`The batch asks for ${asked}, and would be run so: the expected time is that of ${advised}.`]
}

function probeOf({ figures, trials: { items, blocks, failed } }: PlannedStage): StageProbe | null {
  if (items.length === 0 && blocks.length === 0) return null
  return {
    ...figures,
    items,
    ...(blocks.length > 0 && { blocks }),
    failed: failed.map(({ index, code }) => ({ index, code })),
  }
}

function executionOf({ strategy, concurrency, lanes }: StrategyAdvice) {
  return { strategy, concurrency, lanes }
}

function advisePipeline(
  { stages, items, cores, notes }: PlannedBatch,
  advices: readonly StrategyAdvice<BatchProbe>[],
): StrategyAdvice<BatchProbe> {
  const place = paceSetter(stages, advices)
  const [stage, advice] = [stages[place]!, advices[place]!]
  const isKnown = advices.every(({ expectedWallMs }) => expectedWallMs !== null)
  const where = `${stage.name} (stage ${place + 1} of ${stages.length})`
  const pace = isKnown
    ? `${where} sets the pace: strategy, concurrency and lanes are its own.`
    : `What sets the pace is not known: strategy, concurrency and lanes are those of ${where}.`
  const wallOf = (
    wall: (one: StrategyAdvice<BatchProbe>) => number | null,
    taskMs: (figures: ProbeFigures) => number,
  ) => (isKnown ? pipelineWallMs({ stages, items, cores, walls: advices.map((one) => wall(one) ?? 0), taskMs }) : null)
  return {
    ...executionOf(advice as StrategyAdvice),
    reasons: [
      ...stages.flatMap((_, at) => advices[at]!.reasons.map((reason) => `${stageLabel(stages, at)}: ${reason}`)),
      pace,
      ...notes,
    ],
    probe: probeOfPipeline(stages, advices, place),
    expectedWallMs: wallOf(
      ({ expectedWallMs }) => expectedWallMs,
      ({ serviceMs }) => serviceMs,
    ),
    expectedWallHighMs: wallOf(
      ({ expectedWallHighMs }) => expectedWallHighMs,
      ({ highMs, slowestMs }) => highMs ?? slowestMs,
    ),
  }
}

/** The stage that takes the longest by itself; where that is not known, the first that computes: it is what wants lanes. */
function paceSetter(stages: readonly PlannedStage[], advices: readonly StrategyAdvice<BatchProbe>[]): number {
  const walls = advices.map(({ expectedWallMs }) => expectedWallMs)
  if (walls.includes(null))
    return Math.max(
      0,
      stages.findIndex(({ kind }) => kind === 'COMPUTE'),
    )
  const known = walls.map((wall) => wall ?? 0)
  return known.indexOf(Math.max(...known))
}

/** The slowest stage, and an item's way through the others; but all that is computed shares the cores. */
function pipelineWallMs({
  stages,
  items,
  cores,
  walls,
  taskMs,
}: Pick<PlannedBatch, 'stages' | 'items' | 'cores'> & {
  walls: readonly number[]
  taskMs(figures: ProbeFigures): number
}): number {
  const slowest = walls.indexOf(Math.max(...walls))
  let throughMs = 0
  let computedMs = 0
  stages.forEach(({ kind, figures }, at) => {
    if (figures === null) return
    if (at !== slowest) throughMs += taskMs(figures)
    if (kind === 'COMPUTE') computedMs += taskMs(figures) * (figures.cpuShare ?? 1) * items
  })
  return Math.max((walls[slowest] ?? 0) + throughMs, computedMs / cores)
}

function probeOfPipeline(
  stages: readonly PlannedStage[],
  advices: readonly StrategyAdvice<BatchProbe>[],
  place: number,
): BatchProbe | null {
  if (advices.every(({ probe }) => probe === null)) return null
  const told = stages.map(({ name }, at) => {
    const { strategy, concurrency, lanes, expectedWallMs, probe } = advices[at]!
    return { name, strategy, concurrency, lanes, expectedWallMs, ...probe }
  })
  return { ...advices[place]!.probe, stages: told }
}
