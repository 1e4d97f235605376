/** The demonstration from its set-up to its last example. It leaves nothing behind, however it ends. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Api, type Launch, type RunProgress, type RunResult } from './api.js'
import type { Display, RunDisplay } from './display.js'
import { downloads, type Example, index, linksOf, primes, scraping, sums, waiting } from './examples.js'
import { type Check, type Measurement, type Outcome, type Strategy, toRows } from './figures.js'
import type { Machine } from './lessons.js'
import { startOrigin } from './origin.js'
import { PIPELINE, type PipelineOutcome, type Play, playPipeline } from './pipeline.js'
import { PITFALLS, type Pitfall, playPitfalls } from './pitfalls.js'
import { startProduct } from './product.js'

/** What is told before something is run. */
export interface Heading {
  title: string
  about: string
}

/** All that was measured. */
export interface Demonstration {
  outcomes: Outcome[]
  pipeline: PipelineOutcome
  pitfalls: Pitfall[]
}

export interface DemonstrationOptions {
  /** The built server's executable. */
  entry: string
  machine: Machine
  display: Display
  /** Before the first run of an example. */
  onBegin(heading: Heading): void
  /** When all its runs have ended. */
  onOutcome(outcome: Outcome): void
  onPipeline(outcome: PipelineOutcome): void
  onPitfalls(pitfalls: readonly Pitfall[]): void
  signal: AbortSignal
}

/** Rejects where the server fails, an input is refused, or the signal aborts. Wrong outputs are in the outcomes. */
export async function demonstrate(options: DemonstrationOptions): Promise<Demonstration> {
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

async function play(api: Api, origin: string, options: DemonstrationOptions): Promise<Demonstration> {
  const { display, machine, onBegin, onOutcome, onPipeline, onPitfalls } = options
  const front = await completed(api, index(origin))
  const paths = linksOf(front.tasks.nodes[0]?.output)
  const computing = primes()
  const outcomes: Outcome[] = []
  for (const example of [downloads(origin), waiting(origin), scraping(origin, paths), sums(), computing]) {
    onBegin(example)
    const outcome = await playExample(api, example, display)
    outcomes.push(outcome)
    onOutcome(outcome)
  }
  const single: Play = (launch, label) => shownRun(api, launch, display.run(label))
  onBegin(PIPELINE)
  const pipeline = await playPipeline(single, origin)
  onPipeline(pipeline)
  onBegin(PITFALLS)
  const pitfalls = await playPitfalls(single, outcomes.find(({ title }) => title === computing.title)!, machine)
  onPitfalls(pitfalls)
  return { outcomes, pipeline, pitfalls }
}

async function playExample(api: Api, example: Example, display: Display): Promise<Outcome> {
  const measurements: Measurement[] = []
  const checks: Check[] = []
  for (const strategy of example.strategies) {
    if (example.warmUp) await completed(api, example.warmUp(strategy))
    const result = await shownRun(api, example.launch(strategy), display.run(strategy))
    measurements.push(measurementOf(strategy, result))
    checks.push(example.check(result))
  }
  const { title, about, work, isPictured } = example
  const check = checks.find(({ ok }) => !ok) ?? checks[0] ?? { ok: false, message: 'nothing was run' }
  return { title, about, work, isPictured, rows: toRows(measurements), check }
}

async function shownRun(api: Api, launch: Launch, shown: RunDisplay): Promise<RunResult> {
  let result: RunResult | null = null
  try {
    result = await completed(api, launch, (run) => shown.update(run))
    return result
  } finally {
    shown.end(result?.timings ?? null)
  }
}

/** Launches, follows to the end, and reads what it took. */
async function completed(api: Api, launch: Launch, tell: (run: RunProgress) => void = () => {}): Promise<RunResult> {
  const id = await api.launch(launch)
  await api.follow(id, tell)
  return api.read(id)
}

function measurementOf(strategy: Strategy, result: RunResult): Measurement {
  const { lanes, concurrency, timings, diagnostics, timeline } = result
  if (lanes === null || concurrency === null || timings === null)
    throw new Error(`no task of the ${strategy} run ended`)
  return { strategy, lanes, concurrency, ...timings, diagnostics, timeline }
}
