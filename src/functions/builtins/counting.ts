/** What racyCounter and atomicCounter share: threads that begin together and count up one number that all of them have. */

import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Json } from '../../domain/batch.js'
import type { ComputeFunction } from '../function.js'

const MAX_THREADS = 8
const MAX_INCREMENTS = 10_000_000

/**
 * So many that they meet on any machine: threads that take turns on one core lose updates where a turn ends between reading and
 * writing, and eight of a million take many turns. Two on a busy machine may run one after the other and lose none.
 */
const DEFAULTS: Counting = { threads: 8, increments: 1_000_000 }

/** Of each thread: it has a heap of its own, of which the limit of its lane knows nothing, and counting needs next to none. */
const THREAD_LIMITS = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 1 }

interface Counting {
  threads: number
  /** Of each thread. */
  increments: number
}

/** Adds one to `counter[0]`, so many times. It travels as its own text: it may use nothing from outside of itself. */
export type CountUp = (counter: Int32Array, increments: number) => void

interface Orders extends Counting {
  /** One number, in memory that all threads share. */
  counter: Int32Array
  /** How many threads have come to where they wait for each other, likewise. */
  arrived: Int32Array
}

/** A function that counts in this way. */
export function counterFunction(
  { name, description }: Pick<ComputeFunction, 'name' | 'description'>,
  countUp: CountUp,
): ComputeFunction {
  return {
    name,
    description,
    inputSchema: INPUT_SCHEMA,
    outputSchema: OUTPUT_SCHEMA,
    example: { ...DEFAULTS },
    run: (input, { signal }) => inTurn(() => count(countUp, { ...DEFAULTS, ...(input as Partial<Counting>) }, signal)),
  }
}

const INPUT_SCHEMA: Json = {
  type: 'object',
  properties: {
    threads: { type: 'integer', minimum: 2, maximum: MAX_THREADS, default: DEFAULTS.threads },
    increments: {
      type: 'integer',
      minimum: 1,
      maximum: MAX_INCREMENTS,
      default: DEFAULTS.increments,
      description: 'Of each thread.',
    },
  },
  additionalProperties: false,
}

const MOST: Json = { type: 'integer', minimum: 0, maximum: MAX_THREADS * MAX_INCREMENTS }

const OUTPUT_SCHEMA: Json = {
  type: 'object',
  properties: { expected: MOST, counted: MOST, lost: MOST },
  required: ['expected', 'counted', 'lost'],
  additionalProperties: false,
}

let lastTurn: Promise<unknown> = Promise.resolve()

/** One after the other in a lane: many at once would have eight threads each, and stand in each other's way. */
function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
  const turn = lastTurn.then(work, work)
  lastTurn = turn
  return turn
}

/** Resolves, and rejects, when no thread is left. The lane's event loop goes on meanwhile. */
async function count(countUp: CountUp, { threads, increments }: Counting, signal: AbortSignal): Promise<Json> {
  signal.throwIfAborted()
  const orders: Orders = { threads, increments, counter: sharedNumber(), arrived: sharedNumber() }
  const workers: Worker[] = []
  const endAll = () => Promise.all(workers.map((worker) => worker.terminate()))
  signal.addEventListener('abort', endAll)
  try {
    for (let thread = 0; thread < threads; thread += 1) workers.push(start(countUp, orders))
    await Promise.all(workers.map(toItsEnd))
  } finally {
    signal.removeEventListener('abort', endAll)
    await endAll()
    // That they were ended is no fault of theirs then.
    signal.throwIfAborted()
  }
  const expected = threads * increments
  const counted = Atomics.load(orders.counter, 0)
  return { expected, counted, lost: expected - counted }
}

function sharedNumber(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
}

function start(countUp: CountUp, orders: Orders): Worker {
  const code = `(${countTogether})(require('node:worker_threads').workerData, ${countUp})`
  return new Worker(code, { eval: true, workerData: orders, env: {}, execArgv: [], resourceLimits: THREAD_LIMITS })
}

/** What each thread does. It travels as its own text, too. */
function countTogether({ counter, arrived, threads, increments }: Orders, countUp: CountUp): void {
  let there = Atomics.add(arrived, 0, 1) + 1
  if (there === threads) Atomics.notify(arrived, 0)
  while (there < threads) {
    Atomics.wait(arrived, 0, there)
    there = Atomics.load(arrived, 0)
  }
  countUp(counter, increments)
}

async function toItsEnd(worker: Worker): Promise<void> {
  const [code] = await once(worker, 'exit')
  if (code !== 0) throw new Error(`a thread that counts ended before its time, with code ${code}`)
}
