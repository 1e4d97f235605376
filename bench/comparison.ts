/** Comparisons of the two textbook workloads: waits of a second, and pieces of computing beside two bare worker threads on the same pieces. */

import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { type BenchServer, median, startServer } from './server.js'

const WAITS = 5
const WAIT_MS = 1_000
const PIECES = 16
/** About 150 ms of a core: a number of steps, and not a time. */
const PIECE = 100_000_000
const FUNCTION = 'countPrimes'
const COUNT_PRIMES = new URL('../dist/functions/builtins/countPrimes.js', import.meta.url)

interface Row {
  strategy: string
  runs: number
  speedup: number
  wallMs: { p50: number; min: number; max: number }
}

export interface ComparisonResult {
  verdict: string
  /** A line a strategy. */
  rows: string[]
}

/** Five requests to an origin that takes a second for each. */
export async function waiting(rounds: number): Promise<ComparisonResult> {
  const origin = createServer((_request, response) => void setTimeout(() => response.end('late'), WAIT_MS))
  const port = await new Promise<number>((resolve) => {
    origin.listen(0, '127.0.0.1', () => resolve((origin.address() as { port: number }).port))
  })
  const server = await startServer({ LOG_LEVEL: 'warn' })
  try {
    const template = { template: `http://127.0.0.1:${port}/{i}`, from: 1, to: WAITS }
    return toResult(await compare(server, { fetch: { source: { template } } }, rounds))
  } finally {
    await server.close()
    origin.close()
  }
}

export interface ComputingResult extends ComparisonResult {
  /** Of two bare threads over one, in the same minutes. */
  bareSpeedups: number[]
  threadsToBare: number
  processesToBare: number
  asyncSpeedup: number
}

/** Each round is a comparison of one round between two measurements of bare threads: others may use the machine, too. */
export async function computing(rounds: number): Promise<ComputingResult> {
  const server = await startServer({ LOG_LEVEL: 'warn', HEDDLE_LANES: '2' })
  const threads: number[] = []
  const processes: number[] = []
  const asyncs: number[] = []
  const bareSpeedups: number[] = []
  const lines: string[] = []
  let verdict = ''
  try {
    const inputs = Array<number>(PIECES).fill(PIECE)
    for (let round = 0; round < rounds; round += 1) {
      const before = await bareSpeedup()
      const told = await compare(server, { compute: { function: FUNCTION, source: { inputs } } }, 1)
      const after = await bareSpeedup()
      const bare = (before + after) / 2
      const speedupOf = (strategy: string) => told.rows.find((row) => row.strategy === strategy)?.speedup ?? Number.NaN
      bareSpeedups.push(before, after)
      threads.push(speedupOf('THREADS') / bare)
      processes.push(speedupOf('PROCESSES') / bare)
      asyncs.push(speedupOf('ASYNC'))
      lines.push(...toResult(told).rows)
      verdict = told.verdict
    }
    return {
      verdict,
      rows: lines,
      bareSpeedups,
      threadsToBare: median(threads),
      processesToBare: median(processes),
      asyncSpeedup: median(asyncs),
    }
  } finally {
    await server.close()
  }
}

const LAUNCH = `mutation($input: LaunchComparisonInput!) {
  launch: launchComparison(input: $input) { comparison { id } userErrors { code message field } }
}`

const RESULT = `query($id: ID!) {
  comparison(id: $id) { status verdict rows { strategy runs speedup wallMs { p50 min max } } }
}`

interface Told {
  status: string
  verdict: string
  rows: Row[]
}

async function compare(server: BenchServer, batch: object, rounds: number): Promise<Told> {
  const { launch } = await server.ask<{ launch: { comparison: { id: string } | null; userErrors: unknown[] } }>(
    LAUNCH,
    {
      input: { batch, rounds },
    },
  )
  if (launch.comparison === null) throw new Error(JSON.stringify(launch.userErrors))
  const { id } = launch.comparison
  await followToEnd(server, id)
  const { comparison } = await server.ask<{ comparison: Told }>(RESULT, { id })
  if (comparison.status !== 'SUCCEEDED') throw new Error(`the comparison is ${comparison.status}`)
  return comparison
}

async function followToEnd(server: BenchServer, id: string): Promise<void> {
  const query = 'subscription($id: ID!) { comparisonUpdated(id: $id, maxPerSecond: 1) { status } }'
  const response = await fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify({ query, variables: { id } }),
  })
  if (response.body === null) throw new Error('the subscription has no body')
  for await (const _ of response.body) {
    // The stream ends with the comparison.
  }
}

function toResult({ verdict, rows }: Told): ComparisonResult {
  return {
    verdict,
    rows: rows.map(({ strategy, speedup, wallMs: { p50, min, max } }) => {
      const times = `${p50.toFixed(1)} ms (${min.toFixed(1)} to ${max.toFixed(1)})`
      return `${strategy}: ${times}, speedup ${speedup.toFixed(3)}`
    }),
  }
}

async function bareSpeedup(): Promise<number> {
  const one = await bareMs(1)
  const two = await bareMs(2)
  return one / two
}

/** The pieces on so many threads that do nothing else, from the first one's start to the last one's end. */
async function bareMs(count: number): Promise<number> {
  const next = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)
  const workers = Array.from({ length: count }, () => new Worker(fileURLToPath(import.meta.url), { workerData: next }))
  const told = (worker: Worker) => new Promise((resolve) => worker.once('message', resolve))
  await Promise.all(workers.map(told))
  const startMs = performance.now()
  const ends = workers.map(told)
  for (const worker of workers) worker.postMessage('go')
  await Promise.all(ends)
  const tookMs = performance.now() - startMs
  await Promise.all(workers.map((worker) => worker.terminate()))
  return tookMs
}

/** The thread's side: takes pieces until there are no more. */
async function work(next: SharedArrayBuffer): Promise<void> {
  const { countPrimes } = (await import(COUNT_PRIMES.href)) as {
    countPrimes: { run(n: number, context: object): number }
  }
  const context = { index: 0, attempt: 1, signal: new AbortController().signal, progress: () => {} }
  const place = new Int32Array(next)
  parentPort?.once('message', () => {
    while (Atomics.add(place, 0, 1) < PIECES) countPrimes.run(PIECE, context)
    parentPort?.postMessage('done')
  })
  parentPort?.postMessage('ready')
}

if (!isMainThread) void work(workerData as SharedArrayBuffer)
