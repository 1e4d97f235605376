/**
 * The picture of a run of a million tiny tasks: the first question after its end and later ones, as a client sees them, beside
 * better-sqlite3 reading the same columns of the same rows; and what others wait meanwhile.
 */

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { type BenchServer, LAUNCH_COMPUTE, median, percentile, residentMb, runToEnd, startServer } from './server.js'

const TINY = `export default {
  name: 'tiny', description: 'Next to nothing.', inputSchema: { type: 'integer' }, run: (n) => n * 2,
}`
const QUERY = `query($id: ID!, $maxSpans: Int) { run(id: $id) {
  timeline(maxSpans: $maxSpans) { lane busyFraction spans { index stage startMs endMs status tasks } } } }`
/** Near the default, each another one: an answer is kept for those who ask the same. */
const QUESTIONS = [1_991, 1_992, 1_993, 1_994, 1_995, 1_996, 1_997, 1_998, 1_999]
const SCANS = 3

export interface TimelineResult {
  tasks: number
  /** Right after the end of each run, 2,000 spans. */
  firstMs: Record<string, number>
  /** Of those that came after, none of them kept. */
  laterMs: number
  /** The same question again. */
  keptMs: number
  /** 10,000 spans, the most. */
  largestMs: number
  /** better-sqlite3, all columns that it takes as arrays. */
  scanMs: number
  /** laterMs / scanMs. */
  ratio: number
  queryP50Ms: number
  queryP99Ms: number
  /** Resident memory that the questions added. */
  addedMb: number
}

export async function timeline(tasks: number): Promise<TimelineResult> {
  const functionsDir = await mkdtemp(join(tmpdir(), 'heddle-functions-'))
  await writeFile(join(functionsDir, 'tiny.mjs'), TINY)
  const server = await startServer({ HEDDLE_FUNCTIONS_DIR: functionsDir, LOG_LEVEL: 'warn' })
  try {
    const { id, firstMs } = await runAndAsk(server, tasks)
    const beforeMb = await residentMb(server.pid)
    const latencies: number[] = []
    const asking = askWhile(server, latencies)
    const later: number[] = []
    for (const maxSpans of QUESTIONS) later.push(await askMs(server, { id, maxSpans, tasks }))
    await asking.stop()
    const laterMs = median(later)
    const scanMs = scan(join(server.dataDir, 'heddle.db'), tasks)
    return {
      tasks,
      firstMs,
      laterMs,
      keptMs: await askMs(server, { id, maxSpans: QUESTIONS[0]!, tasks }),
      largestMs: await askMs(server, { id, maxSpans: 10_000, tasks }),
      scanMs,
      ratio: laterMs / scanMs,
      queryP50Ms: percentile(latencies, 0.5),
      queryP99Ms: percentile(latencies, 0.99),
      addedMb: (await residentMb(server.pid)) - beforeMb,
    }
  } finally {
    await server.close()
    await rm(functionsDir, { recursive: true })
  }
}

/** A run under each strategy, its picture asked for as soon as it has ended; the id of the last one. */
async function runAndAsk(
  server: BenchServer,
  tasks: number,
): Promise<{ id: string; firstMs: TimelineResult['firstMs'] }> {
  const firstMs: TimelineResult['firstMs'] = {}
  let last = ''
  for (const strategy of ['THREADS', 'PROCESSES', 'ASYNC']) {
    const input = { function: 'tiny', source: { range: { from: 0, to: tasks } }, options: { strategy } }
    const { id, status } = await runToEnd(server, LAUNCH_COMPUTE, { input })
    if (status !== 'SUCCEEDED') throw new Error(`the run is ${status}`)
    firstMs[strategy] = await askMs(server, { id, maxSpans: 2_000, tasks })
    last = id
  }
  return { id: last, firstMs }
}

interface Picture {
  run: { timeline: { spans: { tasks: number }[] }[] }
}

/** How long the answer took; it must have all tasks. */
async function askMs(
  server: BenchServer,
  { id, maxSpans, tasks }: { id: string; maxSpans: number; tasks: number },
): Promise<number> {
  const startMs = performance.now()
  const { run } = await server.ask<Picture>(QUERY, { id, maxSpans })
  const tookMs = performance.now() - startMs
  const spans = run.timeline.flatMap((lane) => lane.spans)
  const shown = spans.reduce((sum, span) => sum + span.tasks, 0)
  if (shown !== tasks || spans.length > maxSpans) throw new Error(`${shown} tasks in ${spans.length} spans`)
  return tookMs
}

/** What others ask, one question after the other: one that is answered at once, and a search in the reader's thread. */
function askWhile(server: BenchServer, latencies: number[]): { stop(): Promise<void> } {
  let asking = true
  const query = '{ runs(first: 5, filter: { status: [SUCCEEDED] }) { nodes { id status progress { done } } } }'
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

/** The last run's rows, ten thousand at a time. */
function scan(path: string, tasks: number): number {
  const db = new Database(path, { readonly: true })
  try {
    const rows = db
      .prepare<[number, number], unknown[]>(
        `SELECT "stage", "itemIndex", "status", "lane", "startedMs", "serviceMs", "history" FROM "Task" NOT INDEXED
         WHERE "runId" = (SELECT max("id") FROM "Run") AND "sequence" > ? AND "sequence" <= ?`,
      )
      .raw()
    const times = Array.from({ length: SCANS }, () => {
      const startMs = performance.now()
      let read = 0
      for (let from = 0; from < tasks; from += 10_000) read += rows.all(from, from + 10_000).length
      if (read !== tasks) throw new Error(`${read} rows`)
      return performance.now() - startMs
    })
    return median(times)
  } finally {
    db.close()
  }
}
