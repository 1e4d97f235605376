/** How long things took: distributions, and the figures of a run. */

import { type RunTimes, type StageState, stageStates } from '../domain/run.js'
import {
  type Distribution,
  distributionFromValues,
  type HistogramBucket,
  MAX_HISTOGRAM_BUCKETS,
  type Moments,
} from '../domain/timing.js'
import type { RunView } from '../engine/engine.js'
import { builder } from './builder.js'
import { listOf, QUESTION, sizeAsked } from './cost.js'
import { badUserInput } from './errors.js'
import { sizeWithin } from './pages.js'
import { asksOnly } from './selection.js'

const DEFAULT_BUCKETS = 30

const HistogramBucketType = builder.objectRef<HistogramBucket>('HistogramBucket').implement({
  description: 'One bar of a histogram.',
  fields: (t) => ({
    fromMs: t.exposeFloat('fromMs', { description: 'Its lower bound in milliseconds, included.' }),
    toMs: t.exposeFloat('toMs', { description: 'Its upper bound in milliseconds, excluded but in the last bar.' }),
    count: t.exposeInt('count', { description: 'How many values lie in it.' }),
  }),
})

export const DistributionType = builder.objectRef<Distribution>('Distribution')
DistributionType.implement({
  description:
    'Milliseconds, of SUCCEEDED and FAILED tasks, or of the runs compared. Percentiles by nearest rank: the ⌈p·n⌉-th smallest. All 0 where count is 0.',
  fields: (t) => ({
    count: t.int({ description: 'How many values there are.', resolve: ({ moments }) => moments.count }),
    min: t.float({ description: 'The smallest.', resolve: ({ moments }) => moments.min }),
    mean: t.float({ description: 'The arithmetic mean.', resolve: ({ moments }) => moments.mean }),
    p50: t.float({ description: 'The median.', resolve: (times) => times.percentile(0.5) }),
    p90: t.float({ description: 'Nine of ten are no longer than this.', resolve: (times) => times.percentile(0.9) }),
    p95: t.float({ description: '95 of 100 are no longer than this.', resolve: (times) => times.percentile(0.95) }),
    p99: t.float({ description: '99 of 100 are no longer than this.', resolve: (times) => times.percentile(0.99) }),
    max: t.float({ description: 'The largest.', resolve: ({ moments }) => moments.max }),
    stddev: t.exposeFloat('stddev', { description: 'The standard deviation of the population.' }),
    percentile: t.float({
      description: 'The percentile of your choice.',
      args: {
        p: t.arg.float({
          required: true,
          description: 'From 0 to 1: 0.999 is the value that one in a thousand exceeds.',
        }),
      },
      resolve: (times, { p }) => times.percentile(shareWithin('p', p)),
    }),
    exact: t.exposeBoolean('exact', {
      description: 'Whether percentiles come from all values or from a merged sketch, within 1 %.',
    }),
    histogram: t.field({
      type: [HistogramBucketType],
      complexity: ({ buckets }) =>
        listOf(sizeAsked(buckets, { fallback: DEFAULT_BUCKETS, max: MAX_HISTOGRAM_BUCKETS })),
      description:
        'Equal widths from min to max; toMs is excluded but in the last. One bar where all values are equal, none without values.',
      args: { buckets: t.arg.int({ defaultValue: DEFAULT_BUCKETS, description: 'How many bars, 1 to 1,000.' }) },
      resolve: (times, { buckets }) =>
        times.histogram(sizeWithin('buckets', buckets ?? DEFAULT_BUCKETS, MAX_HISTOGRAM_BUCKETS, 1)),
    }),
  }),
})

function shareWithin(name: string, value: number): number {
  if (value >= 0 && value <= 1) return value
  throw badUserInput(`${name}: ${value} is out of range: expected 0 to 1`)
}

/** The figures of a run, or of a stage of one, that has ended tasks. */
export interface RunTimings {
  wallMs: number
  serviceTotalMs: number
  cpuMs: number
  /** Tasks a second. */
  throughput: number
  meanConcurrency: number
  utilization: number
}

/** Null until a task has ended. */
export function timingsOf({ times, concurrency }: Pick<StageState, 'times' | 'concurrency'>): RunTimings | null {
  const { firstStartMs, lastEndMs, service, cpuMs } = times
  if (service.count === 0 || firstStartMs === null || lastEndMs === null) return null
  const wallMs = Math.max(0, lastEndMs - firstStartMs)
  const perMs = (amount: number) => (wallMs > 0 ? amount / wallMs : 0)
  const meanConcurrency = perMs(service.sum)
  return {
    wallMs,
    serviceTotalMs: service.sum,
    cpuMs,
    throughput: perMs(service.count) * 1000,
    meanConcurrency,
    // Starts and service times come from two clocks that differ by microseconds: only that can make it more than 1.
    utilization: concurrency === null ? 0 : Math.min(1, meanConcurrency / concurrency),
  }
}

/** What every run has at hand; the rest takes all its times. */
const AT_HAND: ReadonlySet<string> = new Set(['count', 'min', 'mean', 'max', 'stddev'])

/** A distribution of moments alone: it answers what AT_HAND names. */
function momentsAlone(moments: Moments): Distribution {
  return distributionFromValues(new Float64Array(0), moments)
}

/** The figures of a run, or of a stage of one, together with the run, to ask the engine for the distributions. */
export interface TimingsSource {
  run: RunView
  /** Null: all of them. */
  stage: number | null
  times: RunTimes
  figures: RunTimings
}

export function timingsSource(run: RunView, stage: number | null = null): TimingsSource | null {
  const part = stage === null ? run.record : stageStates(run.record)[stage]!
  const figures = timingsOf(part)
  return figures && { run, stage, times: part.times, figures }
}

export const RunTimingsType = builder.objectRef<TimingsSource>('RunTimings').implement({
  description: 'How long a run took, and how well it used what it had.',
  fields: (t) => ({
    wallMs: t.float({
      description:
        "From the first task's start to the last one's end (the makespan), pauses and restarts included, in milliseconds.",
      resolve: ({ figures }) => figures.wallMs,
    }),
    serviceTotalMs: t.float({
      description: "The tasks' service times added up, in milliseconds: what one lane would have needed.",
      resolve: ({ figures }) => figures.serviceTotalMs,
    }),
    cpuMs: t.float({ description: 'CPU time of all lanes, in milliseconds.', resolve: ({ figures }) => figures.cpuMs }),
    throughput: t.float({ description: 'Tasks a second over the run.', resolve: ({ figures }) => figures.throughput }),
    meanConcurrency: t.float({
      description:
        'serviceTotalMs / wallMs: how many tasks were in service at once, on average. A speedup it is not: that takes a measured baseline.',
      resolve: ({ figures }) => figures.meanConcurrency,
    }),
    utilization: t.float({
      description: 'meanConcurrency / concurrency, 0 to 1.',
      resolve: ({ figures }) => figures.utilization,
    }),
    queueWait: t.field({
      type: DistributionType,
      complexity: QUESTION,
      description: 'From ready to started.',
      resolve: ({ run, stage, times }, _args, { engine }, info) =>
        asksOnly(info, AT_HAND) ? momentsAlone(times.queueWait) : engine.distribution(run, stage, 'queueWaitMs'),
    }),
    service: t.field({
      type: DistributionType,
      complexity: QUESTION,
      description: 'From started to ended.',
      resolve: ({ run, stage, times }, _args, { engine }, info) =>
        asksOnly(info, AT_HAND) ? momentsAlone(times.service) : engine.distribution(run, stage, 'serviceMs'),
    }),
  }),
})
