/** AUTO beside every strategy that one can ask for, over a grid of service times and counts. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BenchServer, LAUNCH_COMPUTE, median, runToEnd, startServer } from './server.js'

const STRATEGIES = ['AUTO', 'SEQUENTIAL', 'ASYNC', 'THREADS', 'PROCESSES'] as const
type Asked = (typeof STRATEGIES)[number]

export const SERVICE_US = [1, 10, 100, 1_000, 10_000, 100_000]
export const COUNTS = [3, 10, 100, 1_000, 10_000, 100_000]
/** What one lane would take for a cell; longer ones tell nothing new. */
const MAX_CELL_MS = 4_000

interface Cell {
  serviceUs: number
  count: number
}

export interface AutoResult {
  cells: number
  /** Medians of AUTO's wall time over the best one's; the worst cell of all. */
  worstWallRatio: number
  /** The same, from the launch to the moment at which the client knew of the end. */
  worstClientRatio: number
  /** A line a cell. */
  grid: string[]
}

export async function auto(rounds: number, only: { serviceUs?: number; count?: number } = {}): Promise<AutoResult> {
  const functionsDir = await mkdtemp(join(tmpdir(), 'heddle-functions-'))
  await writeFile(join(functionsDir, 'work.mjs'), workFunctions(iterationsPerUs()))
  const server = await startServer({ HEDDLE_FUNCTIONS_DIR: functionsDir, LOG_LEVEL: 'warn' })
  const result: AutoResult = { cells: 0, worstWallRatio: 0, worstClientRatio: 0, grid: [] }
  try {
    // Every lane started and every function compiled, for all alike.
    for (const strategy of STRATEGIES) await launch(server, { serviceUs: 100, count: 200 }, strategy)
    for (const cell of cells()) {
      if (only.serviceUs !== undefined && cell.serviceUs !== only.serviceUs) continue
      if (only.count !== undefined && cell.count !== only.count) continue
      const { line, wallRatio, clientRatio } = await measure(server, cell, rounds)
      result.cells += 1
      result.worstWallRatio = Math.max(result.worstWallRatio, wallRatio)
      result.worstClientRatio = Math.max(result.worstClientRatio, clientRatio)
      result.grid.push(line)
      if (process.stderr.isTTY) console.error(line)
    }
    return result
  } finally {
    await server.close()
    await rm(functionsDir, { recursive: true })
  }
}

function cells(): Cell[] {
  return SERVICE_US.flatMap((serviceUs) => COUNTS.map((count) => ({ serviceUs, count }))).filter(
    ({ serviceUs, count }) => (serviceUs * count) / 1_000 <= MAX_CELL_MS,
  )
}

async function measure(server: BenchServer, cell: Cell, rounds: number) {
  const walls = new Map<Asked, number[]>(STRATEGIES.map((strategy) => [strategy, []]))
  const clients = new Map<Asked, number[]>(STRATEGIES.map((strategy) => [strategy, []]))
  const choices = new Map<string, number>()
  for (let round = 0; round < rounds; round += 1) {
    for (const strategy of shuffled(STRATEGIES)) {
      const { id, wallMs, clientMs } = await launch(server, cell, strategy)
      if (strategy === 'AUTO') {
        const chosen = await chosenFor(server, id)
        choices.set(chosen, (choices.get(chosen) ?? 0) + 1)
      }
      walls.get(strategy)?.push(wallMs)
      clients.get(strategy)?.push(clientMs)
    }
  }
  const wallRatio = ratioOf(walls)
  const clientRatio = ratioOf(clients)
  const figures = STRATEGIES.map((one) => `${one} ${median(walls.get(one) ?? []).toFixed(2)}`).join(', ')
  const name = `${cell.count} x ${cell.serviceUs} us`
  const chosen = [...choices].map(([strategy, times]) => `${times} ${strategy}`).join(', ')
  const line = `${name}: ${wallRatio.toFixed(2)} (client ${clientRatio.toFixed(2)}): ${figures}; chosen ${chosen}`
  return { line, wallRatio, clientRatio }
}

async function chosenFor(server: BenchServer, id: string): Promise<string> {
  const query = 'query($id: ID!) { run(id: $id) { decision { strategy } } }'
  const { run } = await server.ask<{ run: { decision: { strategy: string } } }>(query, { id })
  return run.decision.strategy
}

function ratioOf(times: ReadonlyMap<Asked, number[]>): number {
  const of = (strategy: Asked) => median(times.get(strategy) ?? [])
  return of('AUTO') / Math.min(...STRATEGIES.filter((one) => one !== 'AUTO').map(of))
}

async function launch(server: BenchServer, { serviceUs, count }: Cell, strategy: Asked) {
  const source = { range: { from: 0, to: count } }
  const input = { function: `work${serviceUs}`, source, options: { strategy } }
  const run = await runToEnd(server, LAUNCH_COMPUTE, { input })
  if (run.status !== 'SUCCEEDED') throw new Error(`the run is ${run.status}`)
  return run
}

function shuffled<T>(values: readonly T[]): T[] {
  return values
    .map((value) => ({ value, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ value }) => value)
}

/** One function for each service time, which does so much work and does not look at the clock: lanes share cores. */
export function workFunctions(perUs: number): string {
  const functions = SERVICE_US.map((us) => {
    const loops = Math.max(1, Math.round(us * perUs))
    return `{ name: 'work${us}', description: 'Takes ${us} us.', inputSchema: { type: 'integer' }, run: () => work(${loops}) }`
  })
  return `const work = ${work.toString()}\nexport default [${functions.join(',\n')}]\n`
}

export function work(loops: number): number {
  let state = 1
  for (let at = 0; at < loops; at += 1) state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
  return state
}

export function iterationsPerUs(): number {
  const loops = 20_000_000
  work(loops)
  const times = Array.from({ length: 5 }, () => {
    const startMs = performance.now()
    work(loops)
    return performance.now() - startMs
  })
  return loops / (Math.min(...times) * 1_000)
}
