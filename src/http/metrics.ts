/** What Prometheus asks for: how the server is now, and what it has done since it started. */

import { stat } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { LaneKind } from '../domain/strategy.js'
import type { Engine, EngineLoad } from '../engine/engine.js'
import type { Vitals } from '../graphql/context.js'
import type { Subscribers } from '../graphql/subscribers.js'
import type { EngineMetrics } from './engine-metrics.js'

export interface MetricsOptions {
  engine: Pick<Engine, 'load'>
  engineMetrics: EngineMetrics
  vitals: Vitals
  subscribers: Subscribers
  /** Of the database; its log lies beside it. */
  databaseFile: string
}

/** The label of what is asked for in places where nothing is. */
const ELSEWHERE = 'other'
/** The label of a request whose client has gone before there was an answer. */
const UNANSWERED = 'none'

const STRATEGY_OF_KIND = { THREAD: 'THREADS', PROCESS: 'PROCESSES' } as const satisfies Record<LaneKind, string>

export class Metrics {
  readonly #options: MetricsOptions
  readonly #own = new Registry()
  readonly #all: Registry
  readonly #requests: Counter<'route' | 'status'>
  /** As of the last scrape: one look for all that is told of it. */
  #load: EngineLoad

  constructor(options: MetricsOptions) {
    this.#options = options
    this.#load = options.engine.load()
    this.#requests = new Counter({
      name: 'heddle_http_requests_total',
      help: 'Requests over HTTP that have been answered, by route and status; streams at their end.',
      labelNames: ['route', 'status'],
      registers: [this.#own],
    })
    this.#addEngine()
    this.#addServer()
    this.#all = Registry.merge([options.engineMetrics.registry, this.#own, processMetrics()])
  }

  /** `route`: the first part of its path; null where nothing is there. `status`: null where none was sent. */
  requestEnded(route: string | null, status: number | null): void {
    this.#requests.inc({ route: route ?? ELSEWHERE, status: status === null ? UNANSWERED : String(status) })
  }

  /** As of now, in the text format of Prometheus. */
  text(): Promise<string> {
    this.#load = this.#options.engine.load()
    return this.#all.metrics()
  }

  async answer(res: ServerResponse): Promise<void> {
    const text = await this.text()
    res.writeHead(200, {
      'content-type': this.#all.contentType,
      'content-length': Buffer.byteLength(text),
      'cache-control': 'no-store',
    })
    res.end(text)
  }

  #addEngine(): void {
    const load = () => this.#load
    this.#gauge('heddle_runs', 'Runs that have not ended, by status.', ['status'], (gauge) => {
      for (const [status, count] of Object.entries(load().runs)) gauge.set({ status }, count)
    })
    this.#gauge('heddle_queued_tasks', 'Tasks of all runs that are not in service.', [], (gauge) => {
      gauge.set(load().queuedTasks)
    })
    this.#gauge('heddle_running_tasks', 'Tasks in service.', [], (gauge) => gauge.set(load().runningTasks))
    const age = 'Age of the oldest task that waits for a lane, from the launch of its run on; 0 where none waits.'
    this.#gauge('heddle_oldest_queued_seconds', age, [], (gauge) => gauge.set((load().oldestQueuedMs ?? 0) / 1000))
    this.#gauge('heddle_lanes', 'Lanes that are alive, by strategy and state.', ['strategy', 'state'], (gauge) => {
      for (const [kind, strategy] of Object.entries(STRATEGY_OF_KIND)) {
        const lanes = load().lanes.filter((lane) => lane.kind === kind)
        const busy = lanes.filter((lane) => lane.busy).length
        gauge.set({ strategy, state: 'busy' }, busy)
        gauge.set({ strategy, state: 'idle' }, lanes.length - busy)
      }
    })
    this.#gauge('heddle_storage_trouble', 'Whether nothing can be written down now: 1 or 0.', [], (gauge) => {
      gauge.set(load().storageTrouble === null ? 0 : 1)
    })
  }

  #addServer(): void {
    const { vitals, subscribers, databaseFile } = this.#options
    this.#gauge('heddle_info', 'Always 1; the label is the version.', ['version']).set({ version: vitals.version }, 1)
    this.#gauge('heddle_event_loop_delay_p99_seconds', "How late the API's event loop was.", [], (gauge) => {
      gauge.set(vitals.eventLoopDelayP99Ms() / 1000)
    })
    this.#gauge('heddle_subscriptions', 'Subscriptions that are open, by transport.', ['transport'], (gauge) => {
      for (const [transport, count] of Object.entries(subscribers.open)) gauge.set({ transport }, count)
    })
    this.#gauge('heddle_database_bytes', "Size of SQLite's files: main, and log.", ['file'], async (gauge) => {
      gauge.set({ file: 'main' }, await sizeOf(databaseFile))
      gauge.set({ file: 'log' }, await sizeOf(`${databaseFile}-wal`))
    })
  }

  #gauge<Label extends string>(
    name: string,
    help: string,
    labelNames: Label[] = [],
    collect?: (gauge: Gauge<Label>) => void | Promise<void>,
  ): Gauge<Label> {
    const registers = [this.#own]
    if (collect === undefined) return new Gauge({ name, help, labelNames, registers })
    return new Gauge({
      name,
      help,
      labelNames,
      registers,
      collect() {
        return collect(this)
      },
    })
  }
}

async function sizeOf(file: string): Promise<number> {
  const found = await stat(file).catch(() => null)
  return found?.size ?? 0
}

let ofProcess: Registry | null = null

/** Of memory, garbage collection and the like. Its observers are the process's own, and cannot be taken away: one set is enough for all servers. */
function processMetrics(): Registry {
  if (ofProcess === null) {
    ofProcess = new Registry()
    collectDefaultMetrics({ register: ofProcess })
  }
  return ofProcess
}
