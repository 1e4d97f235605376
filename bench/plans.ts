/**
 * What plans expect beside what launches with the advised strategy take, over a grid of service times and counts. Where a plan
 * expects lanes to share the work, two bare threads do the same work in the same round: what they reach is what the machine gave.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { COUNTS, iterationsPerUs, SERVICE_US, work, workFunctions } from './auto.js'
import {
  announcedUrl,
  type BenchServer,
  LAUNCH_COMPUTE,
  LAUNCH_FETCH,
  median,
  runToEnd,
  startServer,
} from './server.js'

const DELAYS_MS = [1, 20, 200]
const FETCH_COUNTS = [3, 30, 300, 3_000, 10_000]
/** What one lane would take for a cell of computes, and 64 fetches at once for one of fetches. */
const MAX_CELL_MS = 2_000

const PLAN = `query($batch: BatchInput!) {
  planBatch(batch: $batch) {
    advice { strategy lanes concurrency expectedWallMs expectedWallHighMs }
    userErrors { message }
  }
}`

interface Advice {
  strategy: string
  lanes: number
  concurrency: number
  expectedWallMs: number
  expectedWallHighMs: number
}

interface Cell {
  name: string
  kind: 'fetch' | 'compute'
  input: object
  /** What each of two bare threads is to do; 0 where there is nothing to compute. */
  bareLoops: number
}

export interface PlansResult {
  cells: number
  rounds: number
  /** Of the cells of computes, medians: the wall time over what was expected. */
  computeRatio: number
  fetchRatio: number
  /** Of the computes on several lanes: the same, but over what was expected where the two bare threads had as much less of the machine. */
  threadsOverBare: number
  /** Launches that took no longer than what was expected at worst. */
  withinHigh: number
  /** A line a cell. */
  grid: string[]
}

export async function plans(rounds: number): Promise<PlansResult> {
  const functionsDir = await mkdtemp(join(tmpdir(), 'heddle-functions-'))
  const perUs = iterationsPerUs()
  await writeFile(join(functionsDir, 'work.mjs'), workFunctions(perUs))
  const origin = spawn(process.execPath, [fileURLToPath(import.meta.url), 'origin'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const server = await startServer({ HEDDLE_FUNCTIONS_DIR: functionsDir, LOG_LEVEL: 'warn' })
  const bare = new BareThreads()
  try {
    return await measureAll(server, { rounds, bare, cells: cells(perUs, await announcedUrl(origin)) })
  } finally {
    await bare.end()
    await server.close()
    await endOf(origin)
    await rm(functionsDir, { recursive: true })
  }
}

function cells(perUs: number, originUrl: string): Cell[] {
  const computes = SERVICE_US.flatMap((us) =>
    COUNTS.filter((count) => (us * count) / 1_000 <= MAX_CELL_MS).map(
      (count): Cell => ({
        name: `${count} x ${us} us`,
        kind: 'compute',
        input: { function: `work${us}`, source: { range: { from: 0, to: count } } },
        bareLoops: Math.round((us * perUs * count) / 2),
      }),
    ),
  )
  const fetches = DELAYS_MS.flatMap((ms) =>
    FETCH_COUNTS.filter((count) => (ms * count) / 64 <= MAX_CELL_MS).map(
      (count): Cell => ({
        name: `${count} fetches of ${ms} ms`,
        kind: 'fetch',
        input: { source: { template: { template: `${originUrl}/{i}?ms=${ms}`, to: count } } },
        bareLoops: 0,
      }),
    ),
  )
  return [...computes, ...fetches]
}

async function measureAll(
  server: BenchServer,
  { rounds, bare, cells: grid }: { rounds: number; bare: BareThreads; cells: Cell[] },
): Promise<PlansResult> {
  // Every lane started and every function compiled.
  for (const { kind, input } of grid.filter(({ name }) => name.startsWith('100 x') || name.startsWith('30 ')))
    await launch(server, kind, { ...input, options: { strategy: 'THREADS' } })
  const result: PlansResult = {
    cells: grid.length,
    rounds,
    computeRatio: 0,
    fetchRatio: 0,
    threadsOverBare: 0,
    withinHigh: 0,
    grid: [],
  }
  const ratios = { compute: [] as number[], fetch: [] as number[], bare: [] as number[] }
  let within = 0
  for (const cell of grid) {
    const measured = await measure(server, { cell, rounds, bare })
    ratios[cell.kind].push(measured.ratio)
    if (measured.overBare !== null) ratios.bare.push(measured.overBare)
    within += measured.within
    result.grid.push(measured.line)
    if (process.stderr.isTTY) console.error(measured.line)
  }
  result.computeRatio = median(ratios.compute)
  result.fetchRatio = median(ratios.fetch)
  result.threadsOverBare = median(ratios.bare)
  result.withinHigh = within / (grid.length * rounds)
  return result
}

async function measure(server: BenchServer, { cell, rounds, bare }: { cell: Cell; rounds: number; bare: BareThreads }) {
  const samples: { advice: Advice; wallMs: number; bareSlowdown: number }[] = []
  for (let round = 0; round < rounds; round += 1) {
    const advice = await plan(server, cell)
    const { strategy, lanes, concurrency } = advice
    const { wallMs } = await launch(server, cell.kind, { ...cell.input, options: { strategy, lanes, concurrency } })
    const bareSlowdown = lanes > 1 && cell.bareLoops > 0 ? await bare.slowdown(cell.bareLoops) : Number.NaN
    samples.push({ advice, wallMs, bareSlowdown })
  }
  const of = (figure: (sample: (typeof samples)[number]) => number) => median(samples.map(figure))
  const ratio = of(({ wallMs, advice }) => wallMs / advice.expectedWallMs)
  const shared = samples.filter(({ bareSlowdown }) => bareSlowdown > 0)
  const overBare =
    shared.length === 0
      ? null
      : median(shared.map(({ wallMs, advice, bareSlowdown }) => wallMs / (advice.expectedWallMs * bareSlowdown)))
  const within = samples.filter(({ wallMs, advice }) => wallMs <= advice.expectedWallHighMs).length
  const strategies = [...new Set(samples.map(({ advice }) => advice.strategy))].join('/')
  const beside = overBare === null ? '' : `, beside two bare threads ${overBare.toFixed(2)}`
  const expected = `expected ${of(({ advice }) => advice.expectedWallMs).toFixed(2)} to ${of(({ advice }) => advice.expectedWallHighMs).toFixed(2)} ms`
  const took = `took ${of(({ wallMs }) => wallMs).toFixed(2)}: ${ratio.toFixed(2)}${beside}; ${within} of ${rounds} within`
  return { ratio, overBare, within, line: `${cell.name}: ${strategies}, ${expected}, ${took}` }
}

async function plan(server: BenchServer, { kind, input }: Cell): Promise<Advice> {
  const { planBatch } = await server.ask<{ planBatch: { advice: Advice | null; userErrors: object[] } }>(PLAN, {
    batch: { [kind]: input },
  })
  if (planBatch.advice?.expectedWallMs == null) throw new Error(JSON.stringify(planBatch))
  return planBatch.advice
}

async function launch(server: BenchServer, kind: Cell['kind'], input: object) {
  const run = await runToEnd(server, kind === 'fetch' ? LAUNCH_FETCH : LAUNCH_COMPUTE, { input })
  if (run.status !== 'SUCCEEDED') throw new Error(`the run is ${run.status}`)
  return run
}

/** Two threads that do nothing but the work. */
class BareThreads {
  readonly #workers = [0, 1].map(
    () =>
      new Worker(
        `const { parentPort } = require('node:worker_threads')
        ${work.toString()}
        parentPort.on('message', (loops) => { work(loops); parentPort.postMessage(null) })`,
        { eval: true },
      ),
  )

  /** How many times as long the two take together as one of them takes alone: 1 where each has a core of its own. */
  async slowdown(loops: number): Promise<number> {
    const [first, second] = this.#workers as [Worker, Worker]
    const aloneMs = await this.#timed([first], loops)
    const togetherMs = await this.#timed([first, second], loops)
    return togetherMs / aloneMs
  }

  async end(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()))
  }

  async #timed(workers: readonly Worker[], loops: number): Promise<number> {
    const startMs = performance.now()
    const done = workers.map((worker) => new Promise((resolve) => worker.once('message', resolve)))
    for (const worker of workers) worker.postMessage(loops)
    await Promise.all(done)
    return performance.now() - startMs
  }
}

async function endOf(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill()
  await ended
}

function serveOrigin(): void {
  const server = createServer((request, response) => {
    const ms = Number(new URL(request.url ?? '/', 'http://origin').searchParams.get('ms'))
    setTimeout(() => response.end('{"words":"warp and weft"}'), ms)
  })
  server.keepAliveTimeout = 60_000
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    if (typeof address === 'object' && address) console.log(`http://127.0.0.1:${address.port}`)
  })
}

if (process.argv[2] === 'origin') serveOrigin()
