/** The chapter's three pitfalls: each done wrong, and right, with what the server says of it. */

import type { Diagnosis, RunResult } from './api.js'
import { compute } from './examples.js'
import type { Check, Outcome } from './figures.js'
import type { Machine } from './lessons.js'
import type { Play } from './pipeline.js'
import { grouped, seconds, times } from './units.js'

export interface Pitfall {
  title: string
  /** What was run and what came of it, in sentences. */
  findings: string[]
  /** What the server says of the wrong way. */
  diagnostics: Diagnosis[]
  check: Check
}

/** Far too many for the cores, as many as a launch may have. */
function tooMany({ cores }: Machine): number {
  return Math.min(32, 8 * cores)
}

export const PITFALLS = {
  title: 'Three pitfalls',
  about: 'What goes wrong most often, done wrong and right, and what the server says of it.',
} as const

/** `computing`: what was measured of computing under every strategy. */
export async function playPitfalls(play: Play, computing: Outcome, machine: Machine): Promise<Pitfall[]> {
  return [eventLoop(computing, machine), await workers(play, machine), await sharedState(play)]
}

/** Seen already: the benchmark of computing under ASYNC. */
function eventLoop({ rows }: Outcome, { cores }: Machine): Pitfall {
  const [wrong, right] = ['ASYNC', 'THREADS'].map((strategy) => rows.find((row) => row.strategy === strategy))
  if (!wrong || !right) throw new Error('the benchmark of computing has no ASYNC or no THREADS')
  const { diagnostics } = wrong
  return {
    title: '1. Computing on one event loop',
    findings: [
      `${wrong.concurrency} computes in flight on one event loop took ${seconds(wrong.wallMs)}, the same on ${right.lanes} threads ${seconds(right.wallMs)}: an event loop waits for many things at once, and computes one.`,
    ],
    diagnostics,
    check: diagnosed(diagnostics, 'CPU_BOUND_ON_EVENT_LOOP', cores > 1),
  }
}

async function workers(play: Play, machine: Machine): Promise<Pitfall> {
  const lanes = tooMany(machine)
  const inputs = Array.from({ length: lanes }, () => 40_000_000)
  const options = { name: 'demo: workers', strategy: 'THREADS' }
  const right = await play(
    compute('countPrimes', inputs, { ...options, lanes: machine.cores }),
    `${machine.cores} lanes`,
  )
  const wrong = await play(compute('countPrimes', inputs, { ...options, lanes }), `${lanes} lanes`)
  const ratio = wallOf(wrong) / wallOf(right)
  const { diagnostics } = wrong
  return {
    title: '2. Too many workers',
    findings: [
      `${lanes} computes on ${lanes} lanes took ${seconds(wallOf(wrong))}, on ${machine.cores} lanes, one a core, ${seconds(wallOf(right))}: ${times(ratio)}. The cores are the same, and each task took ${times(meanOf(wrong) / meanOf(right))} as long, as it had to share one.`,
    ],
    diagnostics,
    check: diagnosed(diagnostics, 'TOO_MANY_WORKERS', lanes > machine.cores),
  }
}

async function sharedState(play: Play): Promise<Pitfall> {
  const input = { threads: 4, increments: 500_000 }
  const [racy, atomic] = [
    await play(compute('racyCounter', [input], { name: 'demo: racy counter' }), 'racy'),
    await play(compute('atomicCounter', [input], { name: 'demo: atomic counter' }), 'atomic'),
  ].map(countOf)
  if (!racy || !atomic) throw new Error('a counter gave nothing')
  const ok = atomic.lost === 0 && racy.counted <= racy.expected
  return {
    title: '3. Shared state without synchronization',
    findings: [
      `${input.threads} threads added 1 to a number that they share, ${grouped(input.increments)} times each. By reading, adding and writing they came to ${grouped(racy.counted)} and lost ${grouped(racy.lost)}; with Atomics to ${grouped(atomic.counted)} and lost ${grouped(atomic.lost)}.`,
      'Batches share nothing: reduce: SUM has each lane fold its own outputs, and merges what they came to.',
    ],
    diagnostics: [],
    check: ok
      ? { ok: true, message: 'what is counted with Atomics is never lost' }
      : { ok: false, message: `the counters gave ${JSON.stringify({ racy, atomic })}` },
  }
}

interface Count {
  expected: number
  counted: number
  lost: number
}

function countOf(result: RunResult): Count {
  return result.tasks.nodes[0]?.output as Count
}

/** On one core some things cannot go wrong. */
function diagnosed(diagnostics: readonly Diagnosis[], code: string, isExpected: boolean): Check {
  const isThere = diagnostics.some((diagnosis) => diagnosis.code === code)
  if (isThere) return { ok: true, message: `the run says so itself: ${code}` }
  return { ok: !isExpected, message: `the run does not say ${code}` }
}

function wallOf({ timings }: RunResult): number {
  return timings?.wallMs ?? Number.NaN
}

function meanOf({ timings, tasks }: RunResult): number {
  return (timings?.serviceTotalMs ?? Number.NaN) / tasks.nodes.length
}
