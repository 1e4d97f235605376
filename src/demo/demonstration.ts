/** The demonstration from its set-up to its last example. It leaves nothing behind, however it ends. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Api, type Launch, type RunProgress, type RunResult } from './api.js'
import type { Display } from './display.js'
import { downloads, type Example, index, linksOf, primes, scraping, sums } from './examples.js'
import { type Check, type Measurement, type Outcome, type Strategy, toRows } from './figures.js'
import { startOrigin } from './origin.js'
import { startProduct } from './product.js'

export interface DemonstrationOptions {
  /** The built server's executable. */
  entry: string
  display: Display
  /** Before the first run of an example. */
  onBegin(example: Pick<Outcome, 'title' | 'about'>): void
  /** When all its runs have ended. */
  onEnd(outcome: Outcome): void
  signal: AbortSignal
}

/** Rejects where the server fails, an input is refused, or the signal aborts. Wrong outputs are in the outcomes. */
export async function demonstrate(options: DemonstrationOptions): Promise<Outcome[]> {
  const undo: (() => Promise<void>)[] = []
  try {
    const dataDir = await mkdtemp(join(tmpdir(), 'heddle-demo-'))
    undo.unshift(() => rm(dataDir, { recursive: true, force: true, maxRetries: 3 }))
    const origin = await startOrigin()
    undo.unshift(() => origin.close())
    const product = await startProduct({ entry: options.entry, dataDir, signal: options.signal })
    undo.unshift(() => product.stop())
    const api = new Api(product.url, options.signal)
    undo.unshift(() => api.close())
    return await Promise.race([play(api, origin.url, options), product.failure])
  } catch (error) {
    // What follows from an interruption is no failure: the terminal sends its signal to the server, too.
    options.signal.throwIfAborted()
    throw error
  } finally {
    // In the reverse of the order in which they were set up, each whether or not the one before went well.
    for (const step of undo) await step().catch(() => {})
  }
}

async function play(api: Api, origin: string, { display, onBegin, onEnd }: DemonstrationOptions): Promise<Outcome[]> {
  const front = await completed(api, index(origin))
  const paths = linksOf(front.tasks.nodes[0]?.output)
  const outcomes: Outcome[] = []
  for (const example of [downloads(origin), scraping(origin, paths), sums(), primes()]) {
    onBegin(example)
    const outcome = await playExample(api, example, display)
    outcomes.push(outcome)
    onEnd(outcome)
  }
  return outcomes
}

async function playExample(api: Api, example: Example, display: Display): Promise<Outcome> {
  const measurements: Measurement[] = []
  const checks: Check[] = []
  for (const strategy of example.strategies) {
    if (example.warmUp) await completed(api, example.warmUp(strategy))
    const shown = display.run(strategy)
    try {
      const result = await completed(api, example.launch(strategy), (run) => shown.update(run))
      const measurement = measurementOf(strategy, result)
      shown.end(measurement)
      measurements.push(measurement)
      checks.push(example.check(result))
    } catch (error) {
      shown.end(null)
      throw error
    }
  }
  const { title, about, work } = example
  const check = checks.find(({ ok }) => !ok) ?? checks[0] ?? { ok: false, message: 'nothing was run' }
  return { title, about, work, rows: toRows(measurements), check }
}

/** Launches, follows to the end, and reads what it took. */
async function completed(api: Api, launch: Launch, tell: (run: RunProgress) => void = () => {}): Promise<RunResult> {
  const id = await api.launch(launch)
  await api.follow(id, tell)
  return api.read(id)
}

function measurementOf(strategy: Strategy, { lanes, concurrency, timings }: RunResult): Measurement {
  if (lanes === null || concurrency === null || timings === null)
    throw new Error(`no task of the ${strategy} run ended`)
  return { strategy, lanes, concurrency, ...timings }
}
