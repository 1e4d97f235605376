/**
 * A million tiny tasks through THREADS, each one's timing kept, beside plain better-sqlite3 inserting the same rows; the
 * latency of queries meanwhile, and the memory at a hundred thousand and at a million.
 */

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { type BenchServer, LAUNCH_COMPUTE, percentile, residentMb, runToEnd, startServer } from './server.js'

const ROWS_PER_TRANSACTION = 1_000
const TINY = `export default {
  name: 'tiny', description: 'Next to nothing.', inputSchema: { type: 'integer' }, run: (n) => n * 2,
}`

export interface TinyTasksResult {
  tasks: number
  runMs: number
  baselineMs: number
  /** runMs / baselineMs. */
  ratio: number
  queryP50Ms: number
  queryP99Ms: number
  queryMaxMs: number
  queries: number
  peakRssMb: Record<number, number>
}

export async function tinyTasks(tasks: number): Promise<TinyTasksResult> {
  const functionsDir = await mkdtemp(join(tmpdir(), 'heddle-functions-'))
  await writeFile(join(functionsDir, 'tiny.mjs'), TINY)
  const server = await startServer({ HEDDLE_FUNCTIONS_DIR: functionsDir, LOG_LEVEL: 'warn' })
  try {
    const launch = (to: number) => {
      const input = { function: 'tiny', source: { range: { from: 0, to } }, options: { strategy: 'THREADS' } }
      return runToEnd(server, LAUNCH_COMPUTE, { input })
    }
    const peakRssMb: Record<number, number> = {}
    const tenth = tasks / 10
    peakRssMb[tenth] = await peakWhile(server, () => launch(tenth))
    const latencies: number[] = []
    let runMs = 0
    peakRssMb[tasks] = await peakWhile(server, async () => {
      const asking = askWhile(server, latencies)
      const run = await launch(tasks)
      await asking.stop()
      if (run.status !== 'SUCCEEDED') throw new Error(`the run is ${run.status}`)
      runMs = run.clientMs
    })
    const baselineMs = await insertAgain(join(server.dataDir, 'heddle.db'))
    return {
      tasks,
      runMs,
      baselineMs,
      ratio: runMs / baselineMs,
      queryP50Ms: percentile(latencies, 0.5),
      queryP99Ms: percentile(latencies, 0.99),
      queryMaxMs: Math.max(...latencies),
      queries: latencies.length,
      peakRssMb,
    }
  } finally {
    await server.close()
    await rm(functionsDir, { recursive: true })
  }
}

/** Asks what a progress screen asks, one question after the other. */
function askWhile(server: BenchServer, latencies: number[]): { stop(): Promise<void> } {
  let asking = true
  const query = `{ runs(first: 5) { nodes { id status progress { done total throughput etaMs } timings { wallMs service { p50 p99 } }
    tasks(first: 10, orderBy: SLOWEST) { nodes { index serviceMs } } } } system { queuedTasks runningTasks } }`
  const loop = (async () => {
    while (asking) {
      const startMs = performance.now()
      await server.ask(query)
      latencies.push(performance.now() - startMs)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  })()
  return {
    stop() {
      asking = false
      return loop
    },
  }
}

async function peakWhile(server: BenchServer, work: () => Promise<unknown>): Promise<number> {
  let peakMb = 0
  const look = async () => {
    peakMb = Math.max(peakMb, await residentMb(server.pid))
  }
  const timer = setInterval(look, 50)
  await work()
  clearInterval(timer)
  await look()
  return peakMb
}

/** Inserts the last run's rows into an empty table of the same shape, with a prepared statement, as anyone would. */
async function insertAgain(source: string): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'heddle-baseline-'))
  const from = new Database(source, { readonly: true })
  const to = new Database(join(folder, 'baseline.db'))
  try {
    to.pragma('journal_mode = WAL')
    to.pragma('synchronous = NORMAL')
    // The table of runs is not here.
    to.pragma('foreign_keys = OFF')
    const shapes = from
      .prepare<[], { sql: string }>(
        "SELECT sql FROM sqlite_master WHERE tbl_name = 'Task' AND sql IS NOT NULL ORDER BY type DESC",
      )
      .all()
    for (const { sql } of shapes) to.exec(sql)
    const rows = from.prepare<[], unknown[]>('SELECT * FROM Task WHERE runId = (SELECT max(id) FROM Run)').raw().all()
    const columns = rows[0]?.length ?? 0
    const insert = to.prepare(`INSERT INTO Task VALUES (${Array.from({ length: columns }, () => '?').join(', ')})`)
    const startMs = performance.now()
    for (let at = 0; at < rows.length; at += ROWS_PER_TRANSACTION) {
      to.transaction(() => {
        for (const row of rows.slice(at, at + ROWS_PER_TRANSACTION)) insert.run(row)
      })()
    }
    return performance.now() - startMs
  } finally {
    from.close()
    to.close()
    await rm(folder, { recursive: true })
  }
}
