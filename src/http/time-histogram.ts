/**
 * A Prometheus histogram of times that come a column at a time. prom-client's own takes one value at a time, with a look-up of
 * its labels for each: a million tasks a second would wait for it.
 */

import type { Metric, Registry } from 'prom-client'
import type { Moments } from '../domain/timing.js'

/** Upper bounds in seconds, included: from the tiniest tasks to those that take minutes. */
export const BOUNDS_SECONDS = [
  0.0001, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600,
] as const
const BOUNDS_MS = Float64Array.from(BOUNDS_SECONDS, (seconds) => seconds * 1000)

/** What has one label value. */
class Series {
  /** The last one: above all bounds. */
  readonly counts = new Float64Array(BOUNDS_MS.length + 1)
  sumMs = 0
  count = 0

  add(valuesMs: Float64Array, { min, max, sum }: Moments): void {
    this.sumMs += sum
    this.count += valuesMs.length
    const first = bucketOf(min, 0)
    // Tasks of one block are much alike: most blocks are in one bucket.
    if (max <= (BOUNDS_MS[first] ?? Number.POSITIVE_INFINITY)) this.counts[first]! += valuesMs.length
    else for (const valueMs of valuesMs) this.counts[bucketOf(valueMs, first)]! += 1
  }
}

function bucketOf(valueMs: number, first: number): number {
  let bucket = first
  while (bucket < BOUNDS_MS.length && valueMs > BOUNDS_MS[bucket]!) bucket += 1
  return bucket
}

export interface TimeHistogramOptions<Label extends string> {
  name: string
  help: string
  registry: Registry
  labelName: string
  /** All that there are. */
  labels: readonly Label[]
}

interface Sample {
  metricName: string
  labels: Record<string, string>
  value: number
}

export class TimeHistogram<Label extends string> {
  readonly name: string
  readonly help: string
  readonly type = 'histogram'
  readonly aggregator = 'sum'
  readonly #labelName: string
  readonly #series: ReadonlyMap<Label, Series>

  constructor({ name, help, registry, labelName, labels }: TimeHistogramOptions<Label>) {
    this.name = name
    this.help = help
    this.#labelName = labelName
    this.#series = new Map(labels.map((label) => [label, new Series()]))
    // A registry asks a metric for its name and for `get`, and for nothing else.
    registry.registerMetric(this as unknown as Metric)
  }

  /** `moments`: of the same values. */
  add(label: Label, valuesMs: Float64Array, moments: Moments): void {
    if (valuesMs.length > 0) this.#series.get(label)?.add(valuesMs, moments)
  }

  /** As a registry asks for it. */
  async get(): Promise<{ name: string; help: string; type: string; aggregator: string; values: Sample[] }> {
    const { name, help, type, aggregator } = this
    const values = [...this.#series].flatMap(([label, series]) => this.#samples(label, series))
    return { name, help, type, aggregator, values }
  }

  #samples(label: Label, { counts, sumMs, count }: Series): Sample[] {
    const labels = { [this.#labelName]: label }
    let below = 0
    const buckets = BOUNDS_SECONDS.map((bound, at) => {
      below += counts[at]!
      return { metricName: `${this.name}_bucket`, labels: { ...labels, le: String(bound) }, value: below }
    })
    return [
      ...buckets,
      { metricName: `${this.name}_bucket`, labels: { ...labels, le: '+Inf' }, value: count },
      { metricName: `${this.name}_sum`, labels, value: sumMs / 1000 },
      { metricName: `${this.name}_count`, labels, value: count },
    ]
  }
}
